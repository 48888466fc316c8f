//! Pins the session between a kernel that takes little and a front end that knows nothing of TLS: all bytes arrive once
//! and in order, what is reported as sent has left, and ends and errors are told.

use super::*;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::collections::VecDeque;

/// Two queues of ciphertext, with room for `room` bytes to the client.
#[derive(Default)]
struct Wire {
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
    room: usize,
    ended: bool,
}

impl Socket for Wire {
    fn receive(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if self.to_server.is_empty() && !self.ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.to_server.read(space)
    }

    fn send(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut taken = 0;
        for part in parts {
            let count = part.len().min(self.room);
            self.to_client.extend(&part[..count]);
            self.room -= count;
            taken += count;
        }
        if taken == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }
}

struct Pair {
    client: ClientConnection,
    session: Session,
    wire: Wire,
    scratch: Vec<u8>,
}

impl Pair {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
        let client = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_webpki_verifier(verifier)
            .with_no_client_auth();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let client = ClientConnection::new(Arc::new(client), ServerName::try_from("localhost").unwrap()).unwrap();
        let session = Session::new(Arc::new(server)).unwrap();
        Self { client, session, wire: Wire { room: usize::MAX, ..Wire::default() }, scratch: vec![0; 64 * 1024] }
    }

    fn shaken() -> Self {
        let mut pair = Self::new();
        while pair.client.is_handshaking() || pair.client.wants_write() {
            pair.client_sends();
            assert!(pair.receive(100).is_err());
            pair.client_receives();
        }
        pair
    }

    fn client_sends(&mut self) {
        while self.client.wants_write() {
            self.client.write_tls(&mut self.wire.to_server).unwrap();
        }
    }

    /// What the client reads now.
    fn client_receives(&mut self) -> Vec<u8> {
        let mut plain = Vec::new();
        while !self.wire.to_client.is_empty() {
            self.client.read_tls(&mut self.wire.to_client).unwrap();
            self.client.process_new_packets().unwrap();
            let mut part = vec![0; 64 * 1024];
            if let Ok(count) = self.client.reader().read(&mut part) {
                plain.extend_from_slice(&part[..count]);
            }
        }
        plain
    }

    fn receive(&mut self, size: usize) -> io::Result<Vec<u8>> {
        let mut space = vec![0; size];
        let count = self.session.receive(&mut self.wire, &mut self.scratch, &mut space)?;
        space.truncate(count);
        Ok(space)
    }
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i % 251) as u8).collect()
}

#[test]
fn plain_text_that_finds_no_room_is_kept_and_comes_first() {
    let mut pair = Pair::shaken();
    let sent = text(40_000);
    pair.client.writer().write_all(&sent).unwrap();
    pair.client_sends();
    let mut received = Vec::new();
    while received.len() < sent.len() {
        let Ok(part) = pair.receive(17_000) else { panic!("{} bytes, then nothing", received.len()) };
        received.extend(part);
        if let Ok(part) = pair.receive(7) {
            received.extend(part);
        }
    }
    assert!(received == sent);
    assert!(!pair.session.has_plain());
    assert_eq!(pair.receive(7).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn what_is_reported_as_sent_has_left_and_the_rest_is_sent_once() {
    for step in [1, 7, 1000, 16_384, 16_406, 70_000] {
        let mut pair = Pair::shaken();
        let sent = text(200_000);
        let (mut done, mut received) = (0, Vec::new());
        while done < sent.len() {
            pair.wire.room = step;
            match pair.session.send(&mut pair.wire, &sent[done..]) {
                Ok(count) => done += count,
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            assert!(!pair.session.is_stuck(), "the front end waits for a byte");
            received.extend(pair.client_receives());
            if step < 100 && received.len() > 20_000 {
                break;
            }
        }
        if done == sent.len() {
            assert!(received == sent, "step {step}: with the last byte reported, all has left");
        }
        assert!(received == sent[..received.len()], "step {step}");
    }
}

#[test]
fn one_byte_that_the_kernel_does_not_take() {
    let mut pair = Pair::shaken();
    pair.wire.room = 3;
    assert_eq!(pair.session.send(&mut pair.wire, b"x").unwrap_err().kind(), io::ErrorKind::WouldBlock);
    pair.wire.room = usize::MAX;
    assert_eq!(pair.session.send(&mut pair.wire, b"x").unwrap(), 1);
    assert_eq!(pair.client_receives(), b"x");
}

#[test]
fn a_handshake_that_the_kernel_does_not_take_is_stuck_until_it_is_flushed() {
    let mut pair = Pair::new();
    pair.wire.room = 10;
    pair.client_sends();
    assert!(pair.receive(100).is_err());
    assert!(pair.session.is_stuck());
    pair.wire.room = usize::MAX;
    assert!(pair.session.flush(&mut pair.wire).unwrap());
    assert!(!pair.session.is_stuck());
    pair.client_receives();
    assert!(!pair.client.is_handshaking());
}

#[test]
fn ends() {
    let mut pair = Pair::shaken();
    pair.client.writer().write_all(b"last").unwrap();
    pair.client.send_close_notify();
    pair.client_sends();
    assert_eq!(pair.receive(2).unwrap(), b"la");
    assert_eq!(pair.receive(9).unwrap(), b"st");
    assert_eq!(pair.receive(9).unwrap(), b"");
    // Our side may still be used.
    assert_eq!(pair.session.send(&mut pair.wire, b"answer").unwrap(), 6);
    pair.session.end(&mut pair.wire);
    assert_eq!(pair.client_receives(), b"answer");

    let mut pair = Pair::shaken();
    pair.wire.ended = true;
    assert_eq!(pair.receive(9).unwrap(), b"", "an end without close_notify");
}

#[test]
fn what_is_no_tls() {
    let mut pair = Pair::new();
    pair.wire.to_server.extend(b"GET / HTTP/1.1\r\n\r\n");
    assert!(pair.receive(100).is_err());
    assert!(pair.session.is_foreign());

    let mut pair = Pair::new();
    pair.wire.to_server.extend([HANDSHAKE, 3, 1, 0, 4, 9, 9, 9, 9]);
    assert_eq!(pair.receive(100).unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert!(!pair.session.is_foreign());

    let mut pair = Pair::shaken();
    pair.wire.to_server.extend([23, 3, 3, 0, 32].iter().chain([7; 32].iter()));
    assert_eq!(pair.receive(100).unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert!(!pair.wire.to_client.is_empty(), "an alert says why");
}
