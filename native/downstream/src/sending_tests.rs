//! Pins: every byte of the front end leaves once and in order whatever the kernel takes; a beginning leaves with what
//! follows it; a head that is asked for leaves whole and at once, and its second end is left out.

use super::*;

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nx: y\r\n";
const CHUNKED: &[u8] = b"Date: Tue, 24 Nov 2026 08:06:00 GMT\r\nTransfer-Encoding: chunked\r\n\r\n";
const FIVE: &[u8] = b"Date: Tue, 24 Nov 2026 08:06:00 GMT\r\nContent-Length: 5\r\n\r\n";

/// A peer that takes so many bytes and no more.
struct Peer {
    room: usize,
    got: Vec<u8>,
    calls: usize,
}

impl Peer {
    fn with_room(room: usize) -> Self {
        Self { room, got: Vec::new(), calls: 0 }
    }

    fn take(&mut self, parts: [&[u8]; 2]) -> isize {
        self.calls += 1;
        let all = parts.concat();
        let count = all.len().min(self.room);
        self.got.extend_from_slice(&all[..count]);
        self.room -= count;
        if count == 0 { -1 } else { count as isize }
    }

    fn text(&self) -> String {
        String::from_utf8(self.got.clone()).unwrap()
    }
}

fn send(sending: &mut Sending, peer: &mut Peer, bytes: &[u8], more: bool) -> Sent {
    sending.send(bytes, more, |first, second, _| peer.take([first, second]))
}

/// As the front end: what was not taken is given again until it is.
fn send_all(sending: &mut Sending, peer: &mut Peer, bytes: &[u8], step: usize) {
    let mut at = 0;
    while at < bytes.len() {
        if let Sent::Bytes(count) = send(sending, peer, &bytes[at..], false) {
            at += count;
        }
        peer.room += step;
    }
}

/// The date is left out: it is now's.
fn without_date(text: &str) -> String {
    text.split_inclusive("\r\n").filter(|line| !line.starts_with("Date: ")).collect()
}

#[test]
fn a_beginning_leaves_with_what_follows() {
    let (mut sending, mut peer) = (Sending::new(), Peer::with_room(100));
    assert_eq!(send(&mut sending, &mut peer, b"5\r\n", true), Sent::Bytes(3));
    assert_eq!(peer.calls, 0);
    assert_eq!(send(&mut sending, &mut peer, b"hello", false), Sent::Bytes(5));
    assert_eq!((peer.calls, peer.text().as_str(), sending.short), (1, "5\r\nhello", false));
    assert_eq!(sending.held.capacity(), 0, "idle connections keep no buffer");
}

#[test]
fn a_beginning_that_does_not_fit_is_not_lost_and_nor_is_what_follows() {
    for room in 0..9 {
        let (mut sending, mut peer) = (Sending::new(), Peer::with_room(room));
        assert_eq!(send(&mut sending, &mut peer, b"5\r\n", true), Sent::Bytes(3));
        let first = send(&mut sending, &mut peer, b"hello", false);
        let taken = if let Sent::Bytes(count) = first { count } else { 0 };
        assert_eq!((taken, sending.short), (room.saturating_sub(3).min(5), room < 8), "{room}");
        send_all(&mut sending, &mut peer, &b"hello"[taken..], 1);
        assert_eq!(peer.text(), "5\r\nhello", "{room}");
    }
}

#[test]
fn a_large_beginning_is_not_kept() {
    let (mut sending, mut peer) = (Sending::new(), Peer::with_room(1 << 20));
    assert_eq!(send(&mut sending, &mut peer, &vec![b'x'; MOST_HELD + 1], true), Sent::Bytes(MOST_HELD + 1));
    assert_eq!(peer.calls, 1);
}

#[test]
fn what_is_held_leaves_before_the_front_end_writes_in_another_way() {
    let (mut sending, mut peer) = (Sending::new(), Peer::with_room(2));
    send(&mut sending, &mut peer, b"abc", true);
    assert!(!sending.flush(|first, second, _| peer.take([first, second])));
    peer.room = 9;
    assert!(sending.flush(|first, second, _| peer.take([first, second])));
    assert!(sending.flush(|_, _, _| -1), "nothing is held");
    assert_eq!(peer.text(), "abc");
}

#[test]
fn a_head_leaves_before_its_body() {
    for (body, own, end) in [
        (BodyFraming::Chunked, CHUNKED, "Transfer-Encoding: chunked\r\n\r\n"),
        (BodyFraming::Length(5), FIVE, "Content-Length: 5\r\n\r\n"),
    ] {
        let (mut sending, mut peer) = (Sending::new(), Peer::with_room(1000));
        sending.head_alone(body);
        assert_eq!(send(&mut sending, &mut peer, HEAD, false), Sent::Bytes(HEAD.len()));
        let head = format!("HTTP/1.1 200 OK\r\nx: y\r\n{end}");
        assert_eq!(without_date(&peer.text()), head);
        assert_eq!(peer.text().len(), head.len() + "Date: Tue, 24 Nov 2026 08:06:00 GMT\r\n".len());
        // In one piece with the body, and as a beginning of it.
        let first = [own, b"5\r\n"].concat();
        assert_eq!(send(&mut sending, &mut peer, &first, true), Sent::Bytes(first.len()));
        assert_eq!(send(&mut sending, &mut peer, b"hello", false), Sent::Bytes(5));
        assert_eq!(without_date(&peer.text()), format!("{head}5\r\nhello"));
    }
}

#[test]
fn a_head_leaves_whole_whatever_the_kernel_takes() {
    let first = [CHUNKED, b"5\r\nhello"].concat();
    let whole = "HTTP/1.1 200 OK\r\nx: y\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello";
    for room in 0..140 {
        let (mut sending, mut peer) = (Sending::new(), Peer::with_room(room));
        sending.head_alone(BodyFraming::Chunked);
        let taken = if let Sent::Bytes(count) = send(&mut sending, &mut peer, HEAD, false) { count } else { 0 };
        send_all(&mut sending, &mut peer, &HEAD[taken..], 3);
        send_all(&mut sending, &mut peer, &first, 3);
        assert_eq!(without_date(&peer.text()), whole, "{room}");
        assert_eq!(peer.text().matches("Date: ").count(), 1, "{room}");
    }
}

#[test]
fn a_chunked_body_that_ends_without_a_byte() {
    let own =
        b"Connection: close\r\nDate: Tue, 24 Nov 2026 08:06:00 GMT\r\nuWebSockets: 20\r\nContent-Length: 0\r\n\r\n";
    for room in 95..110 {
        let (mut sending, mut peer) = (Sending::new(), Peer::with_room(room));
        sending.head_alone(BodyFraming::Chunked);
        send(&mut sending, &mut peer, HEAD, false);
        send_all(&mut sending, &mut peer, own, 1);
        assert_eq!(
            without_date(&peer.text()),
            "HTTP/1.1 200 OK\r\nx: y\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "{room}"
        );
    }
}

#[test]
fn an_end_of_another_kind_breaks_the_connection() {
    for own in [
        FIVE,
        b"Date: Tue, 24 Nov 2026 08:06:00 GMT\r\nContent-Length: 0\r\n\r\nx",
        b"Date: Tue, 24 Nov 2026 08:06:00 GMT\r\nContent-Length: \r\n\r\n",
        b"Date: Tue, 24 Nov 2026",
        b"x-other: y\r\n",
        b"5\r\nhello\r\n",
        b"",
    ] {
        let (mut sending, mut peer) = (Sending::new(), Peer::with_room(1000));
        sending.head_alone(BodyFraming::Chunked);
        send(&mut sending, &mut peer, HEAD, false);
        let before = peer.got.len();
        assert_eq!(send(&mut sending, &mut peer, own, false), Sent::Broken, "{:?}", std::str::from_utf8(own));
        assert_eq!(peer.got.len(), before);
    }
}

#[test]
fn what_is_no_unfinished_head_leaves_as_it_is() {
    for (bytes, more) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"[..], false),
        (b"HTTP/1.1 200 OK\r\nx: ", false),
        (b"HTTP/1.1 200 OK\r\n", true),
        (b"x\r\n", false),
    ] {
        let (mut sending, mut peer) = (Sending::new(), Peer::with_room(1000));
        sending.head_alone(BodyFraming::Chunked);
        assert_eq!(send(&mut sending, &mut peer, bytes, more), Sent::Bytes(bytes.len()));
        assert_eq!(send(&mut sending, &mut peer, b"rest", false), Sent::Bytes(4));
        assert_eq!(peer.got, [bytes, b"rest"].concat());
    }
}
