//! Pins: TLS to real rustls servers: whom the client believes, what it says when it does not, and that bytes pass whole.

// Reason: in a test, what was expected and did not come is the failure, and its threads have the stack for buffers.
#![allow(clippy::expect_used, clippy::large_stack_arrays)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use polygate_upstream::row::kind;
use polygate_upstream::{EndpointOptions, Framing, Reason, TlsOptions};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use support::{Driver, GET, options};

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate");
        let folder = std::env::temp_dir().join(format!("polygate-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("ca.pem"), issuer.pem()).expect("written");
        Self { issuer, folder }
    }

    fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Certificate and key for a name, expired or not; also as files.
    fn issue(&self, name: &str, expired: bool) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        if expired {
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        std::fs::write(self.folder.join(format!("{name}.pem")), certificate.pem()).expect("written");
        std::fs::write(self.folder.join(format!("{name}.key")), key.serialize_pem()).expect("written");
        (certificate, key)
    }

    fn store(&self) -> Arc<RootCertStore> {
        let mut store = RootCertStore::empty();
        store.add(self.issuer.der().clone()).expect("a certificate");
        Arc::new(store)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// Answers each request with a body as large as the request's path says: `GET /1000 `. `/cut` breaks off.
fn serve(identity: &(rcgen::Certificate, KeyPair), clients: Option<Arc<RootCertStore>>) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().expect("versions");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(store) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(store, provider).build().expect("a verifier"),
        ),
    };
    let key = PrivateKeyDer::Pkcs8(identity.1.serialize_der().into());
    let config = Arc::new(builder.with_single_cert(vec![identity.0.der().clone()], key).expect("a configuration"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = config.clone();
            std::thread::spawn(move || {
                let mut tls = StreamOwned::new(ServerConnection::new(config).expect("a connection"), stream);
                let mut text = Vec::new();
                let mut buffer = [0; 65536];
                while let Ok(count) = tls.read(&mut buffer) {
                    if count == 0 {
                        return;
                    }
                    text.extend_from_slice(&buffer[..count]);
                    let Some(end) = text.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
                    let head: Vec<u8> = text.drain(..end + 4).collect();
                    let head = String::from_utf8(head).expect("text");
                    let path = head.split(' ').nth(1).expect("a path").to_owned();
                    if let Some(size) = head.split("Length: ").nth(1).and_then(|rest| rest.split('\r').next()) {
                        let mut left = size.parse::<usize>().expect("a number").saturating_sub(text.len());
                        text.clear();
                        while left > 0 {
                            left -= tls.read(&mut buffer).expect("a body");
                        }
                    }
                    if path == "/cut" || path == "/end" {
                        drop(tls.write_all(b"HTTP/1.1 200 OK\r\n\r\nall of it"));
                        if path == "/end" {
                            tls.conn.send_close_notify();
                        }
                        drop(tls.flush());
                        return;
                    }
                    let size: usize = path[1..].parse().unwrap_or(5);
                    drop(tls.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").as_bytes()));
                    let body: Vec<u8> = (0..size).map(|at| (at / 11) as u8).collect();
                    if tls.write_all(&body).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn tls(address: SocketAddr, name: &str, authority: &Authority) -> EndpointOptions {
    let mut options = options(address);
    options.tls = Some(TlsOptions {
        server_name: name.to_owned(),
        ca: Some(authority.ca()),
        certificate: None,
        key: None,
        verify: true,
    });
    options
}

fn get(driver: &mut Driver, tag: i32, id: u32, path: &str) {
    let head = format!("GET {path} HTTP/1.1\r\n\r\n");
    driver.client.submit(tag, id, 0, Framing::None, head.as_bytes()).expect("a ticket");
}

#[test]
fn bytes_pass_whole_over_kept_connections() {
    let authority = Authority::new("whole");
    let address = serve(&authority.issue("localhost", false), None);
    let mut driver = Driver::with_room(256 * 1024, 8);
    let id = driver.client.add_endpoint(&tls(address, "localhost", &authority)).expect("an endpoint");
    for (tag, size) in [(1, 5), (2, 65_536), (3, 5_000_000), (4, 0), (5, 17_000)] {
        get(&mut driver, tag, id, &format!("/{size}"));
        let seen = driver.finish(tag);
        assert!(seen.has(kind::HEAD | kind::END), "{seen:?}");
        assert_eq!(seen.body.len(), size);
        assert!(seen.body.iter().enumerate().all(|(at, byte)| *byte == (at / 11) as u8));
    }
    assert_eq!(driver.client.stats(id).connects, 1);
    for tag in 10..40 {
        if tag < 18 {
            get(&mut driver, tag, id, "/300000");
        }
    }
    for tag in 10..18 {
        assert_eq!(driver.finish(tag).body.len(), 300_000);
    }
}

#[test]
fn a_large_upload_passes_under_back_pressure() {
    const SIZE: usize = 8 << 20;
    let authority = Authority::new("upload");
    let address = serve(&authority.issue("localhost", false), None);
    let mut driver = Driver::new();
    let id = driver.client.add_endpoint(&tls(address, "localhost", &authority)).expect("an endpoint");
    let head = format!("POST /7 HTTP/1.1\r\nContent-Length: {SIZE}\r\n\r\n");
    let ticket = driver.client.submit(1, id, 0, Framing::LengthInHead, head.as_bytes()).expect("a ticket");
    for written in (0..SIZE).step_by(100_000) {
        let chunk = vec![b'x'; (SIZE - written).min(100_000)];
        if driver.client.write(ticket, &chunk, false) > 64 * 1024 {
            driver.run_until(|driver| driver.seen.iter().any(|seen| seen.has(kind::DRAIN)));
            driver.seen.clear();
        }
    }
    assert_eq!(driver.finish(1).body.len(), 7);
    assert_eq!(driver.client.stats(id).idle, 1);
}

#[test]
fn a_certificate_of_another_name_authority_or_time_is_refused() {
    let authority = Authority::new("right");
    let other = Authority::new("other");
    let good = serve(&authority.issue("localhost", false), None);
    let expired = serve(&authority.issue("expired.test", true), None);
    let address = serve(&authority.issue("127.0.0.1", false), None);
    let mut driver = Driver::new();
    let mut blind = tls(expired, "whatever.test", &authority);
    if let Some(tls) = &mut blind.tls {
        tls.verify = false;
    }
    let plain = support::answering(support::OK).0;
    for (tag, options, fails) in [
        (1, tls(good, "localhost", &authority), false),
        (2, tls(good, "elsewhere.test", &authority), true),
        (3, tls(good, "localhost", &other), true),
        (4, tls(expired, "expired.test", &authority), true),
        (5, blind, false),
        (6, tls(address, "127.0.0.1", &authority), false),
        (7, tls(address, "127.0.0.2", &authority), true),
        (8, tls(plain, "localhost", &authority), true),
    ] {
        // A peer that speaks no TLS waits for the end of a head; a ClientHello has none.
        let mut options = options;
        options.connect_timeout_ms = 500;
        let id = driver.client.add_endpoint(&options).expect("an endpoint");
        driver.client.submit(tag, id, 0, Framing::None, GET).expect("a ticket");
        let seen = driver.finish(tag);
        assert_eq!(seen.has(kind::ERROR), fails, "{tag}: {seen:?}");
        if fails {
            let expected = if tag == 8 { Reason::ConnectTimeout } else { Reason::Tls };
            assert_eq!((support::reason(seen.reason), seen.attempt), (expected, 3));
        }
    }
}

#[test]
fn a_client_certificate_is_shown_when_there_is_one() {
    let authority = Authority::new("mutual");
    let address = serve(&authority.issue("localhost", false), Some(authority.store()));
    drop(authority.issue("client", false));
    let mut driver = Driver::new();
    let bare = driver.client.add_endpoint(&tls(address, "localhost", &authority)).expect("an endpoint");
    driver.client.submit(1, bare, 0, Framing::None, GET).expect("a ticket");
    assert_eq!(driver.fails(1).0, Reason::Tls);
    let mut options = tls(address, "localhost", &authority);
    if let Some(tls) = &mut options.tls {
        tls.certificate = Some(authority.folder.join("client.pem"));
        tls.key = Some(authority.folder.join("client.key"));
    }
    let id = driver.client.add_endpoint(&options).expect("an endpoint");
    driver.client.submit(2, id, 0, Framing::None, GET).expect("a ticket");
    assert_eq!(driver.finish(2).body.len(), 5);
}

#[test]
fn an_end_that_tls_did_not_announce_is_a_cut() {
    let authority = Authority::new("cut");
    let address = serve(&authority.issue("localhost", false), None);
    let mut driver = Driver::new();
    let id = driver.client.add_endpoint(&tls(address, "localhost", &authority)).expect("an endpoint");
    get(&mut driver, 1, id, "/end");
    let seen = driver.finish(1);
    assert_eq!((seen.body.as_slice(), seen.kind & kind::ERROR), (b"all of it".as_slice(), 0));
    get(&mut driver, 2, id, "/cut");
    assert_eq!(driver.fails(2).0, Reason::Closed);
}

#[test]
fn files_that_are_wrong_are_named() {
    let authority = Authority::new("files");
    let mut driver = Driver::new();
    let good = tls("127.0.0.1:1".parse().expect("an address"), "localhost", &authority);
    let mut wrong = |change: &dyn Fn(&mut TlsOptions)| {
        let mut options = good.clone();
        change(options.tls.as_mut().expect("set above"));
        driver.client.add_endpoint(&options).expect_err("an error")
    };
    assert!(wrong(&|tls| tls.ca = Some("/nowhere/ca.pem".into())).contains("/nowhere/ca.pem"));
    assert!(wrong(&|tls| tls.ca = Some("/dev/null".into())).contains("/dev/null"));
    assert!(wrong(&|tls| tls.certificate = Some(authority.ca())).contains("key"));
    assert!(wrong(&|tls| tls.server_name = "no name".into()).contains("no name"));
    assert!(
        wrong(&|tls| {
            tls.certificate = Some(authority.ca());
            tls.key = Some("/nowhere/key".into());
        })
        .contains("/nowhere/key")
    );
}
