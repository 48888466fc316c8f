//! Pins: request bodies: framing, back-pressure, lengths that do not fit, answers that come too early, upgrades.

// Reason: in a test, what was expected and did not come is the failure, and its threads have the stack for buffers.
#![allow(clippy::expect_used, clippy::large_stack_arrays)]

mod support;

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use polygate_upstream::row::{attempt, flag, kind};
use polygate_upstream::{Framing, Reason};
use support::{Driver, GET, OK, peer};

const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A peer that reads up to `end` after the head, tells it, and answers.
fn reading(end: &'static [u8]) -> (std::net::SocketAddr, Receiver<Vec<u8>>) {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let address = peer(move |mut link| {
        while link.head().is_some() {
            let Some(body) = link.until(end) else { return };
            drop(tell.lock().expect("lock").send(body));
            link.say(OK);
        }
    });
    (address, told)
}

#[test]
fn a_chunked_body_is_framed_by_the_client() {
    let (address, told) = reading(b"0\r\n\r\n");
    let (mut driver, id) = Driver::facing(address);
    let ticket = driver.client.submit(1, id, 0, Framing::Chunked, CHUNKED).expect("a ticket");
    assert!(driver.client.write(ticket, b"hello", false) > 0);
    driver.turn();
    driver.client.write(ticket, b"", false);
    driver.client.write(ticket, &[b'x'; 20], true);
    assert!(driver.finish(1).has(kind::END));
    assert_eq!(told.recv().expect("a body"), b"5\r\nhello\r\n14\r\nxxxxxxxxxxxxxxxxxxxx\r\n0\r\n\r\n");
    assert_eq!(driver.client.stats(id).idle, 1);
}

#[test]
fn a_body_of_another_length_than_announced_fails_and_closes() {
    let attempts: [&[(&[u8], bool)]; 5] = [
        &[(b"123456", false)],
        &[(b"123", false), (b"456", true)],
        &[(b"123", true)],
        &[(b"", true)],
        &[(b"12345", false), (b"6", false)],
    ];
    for writes in attempts {
        let (tell, told) = channel();
        let tell = Mutex::new(tell);
        let address = peer(move |mut link| {
            link.head();
            link.closed();
            tell.lock().expect("lock").send(()).expect("told");
        });
        let (mut driver, id) = Driver::facing(address);
        let head = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n";
        let ticket = driver.client.submit(1, id, 0, Framing::LengthInHead, head).expect("a ticket");
        while driver.client.stats(id).connections == 0 || driver.client.must_flush() {
            driver.turn();
        }
        for (bytes, last) in writes {
            driver.client.write(ticket, bytes, *last);
        }
        assert_eq!(driver.fails(1).0, Reason::BodyMismatch);
        assert_eq!(driver.client.stats(id).connections, 0);
        told.recv().expect("the connection was closed");
    }
    let (address, _) = reading(b"x");
    let (mut driver, id) = Driver::facing(address);
    let none = driver.client.submit(1, id, 0, Framing::None, GET).expect("a ticket");
    driver.client.write(none, b"x", true);
    assert_eq!(driver.fails(1), (Reason::BodyMismatch, attempt::NOTHING_SENT | attempt::NOTHING_RECEIVED));
    assert_eq!(driver.client.submit(2, id, 0, Framing::LengthInHead, GET), Err(Reason::BodyMismatch));
}

#[test]
fn a_slow_reader_holds_the_writer_back() {
    const SIZE: usize = 64 << 20;
    let (go, gone) = channel::<()>();
    let gone = Mutex::new(gone);
    let address = peer(move |mut link| {
        link.head();
        gone.lock().expect("lock").recv().expect("told");
        let body = link.exactly(SIZE).expect("a body");
        assert!(body.iter().enumerate().all(|(at, byte)| *byte == (at / 65536) as u8));
        link.say(OK);
        link.closed();
    });
    let (mut driver, id) = Driver::facing(address);
    let ticket = driver.client.submit(1, id, 0, Framing::Length(SIZE as u64), GET).expect("a ticket");
    let mut written = 0;
    let mut largest = 0;
    let mut go = Some(go);
    let mut drains = 0;
    while written < SIZE {
        let chunk = vec![(written / 65536) as u8; 65536];
        let unsent = driver.client.write(ticket, &chunk, false);
        written += chunk.len();
        largest = largest.max(unsent);
        if unsent > 64 * 1024 {
            // The first time it waits for the connection, afterwards for the reader.
            if drains > 0
                && let Some(go) = go.take()
            {
                for _ in 0..5 {
                    driver.turn();
                }
                assert!(!driver.seen.iter().any(|seen| seen.has(kind::DRAIN)), "drained though nobody reads");
                go.send(()).expect("told");
            }
            drains += 1;
            driver.run_until(|driver| driver.seen.iter().any(|seen| seen.has(kind::DRAIN)));
            driver.seen.clear();
        }
    }
    assert!(largest <= 192 * 1024, "{largest} bytes were held");
    assert!(go.is_none(), "the kernel took it all: the test says nothing");
    assert_eq!(driver.finish(1).body, b"hello");
}

#[test]
fn an_answer_to_an_unfinished_upload_is_passed_on_and_the_connection_closed() {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let address = peer(move |mut link| {
        link.head();
        link.say(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nlong");
        link.closed();
        tell.lock().expect("lock").send(()).expect("told");
    });
    let (mut driver, id) = Driver::facing(address);
    let ticket = driver.client.submit(1, id, flag::REPLAYABLE, Framing::Length(1 << 40), GET).expect("a ticket");
    driver.client.write(ticket, b"some", false);
    let seen = driver.finish(1);
    assert_eq!((seen.status, seen.body.as_slice()), (413, b"long".as_slice()));
    assert_eq!(driver.client.write(ticket, b"more", false), 0);
    told.recv().expect("the connection was closed");
    assert_eq!(driver.client.stats(id).connections, 0);
}

#[test]
fn an_answer_before_a_peer_stops_reading_is_not_lost() {
    let address = peer(|mut link| {
        link.head();
        link.say(b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno");
        // Reads on for a while, as a server that closes properly does (RFC 9112, 9.6).
        link.exactly(1 << 20);
    });
    let (mut driver, id) = Driver::facing(address);
    let ticket = driver.client.submit(1, id, 0, Framing::Length(1 << 40), GET).expect("a ticket");
    driver.run_until(|driver| {
        driver.client.write(ticket, &[0; 65536], false);
        !driver.seen.is_empty()
    });
    let seen = driver.finish(1);
    assert_eq!((seen.status, seen.body.as_slice()), (401, b"no".as_slice()));
}

#[test]
fn both_directions_flow_at_once() {
    let address = peer(|mut link| {
        link.head();
        link.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..20 {
            let Some(chunk) = link.exactly(6) else { return };
            link.say(&chunk);
        }
        link.until(b"0\r\n\r\n");
        link.say(b"0\r\n\r\n");
        link.closed();
    });
    let (mut driver, id) = Driver::facing(address);
    let ticket = driver.client.submit(1, id, 0, Framing::Chunked, CHUNKED).expect("a ticket");
    let mut echoed = 0;
    for round in 0..20 {
        driver.client.write(ticket, &[b'a' + round], false);
        driver.run_until(|driver| driver.seen.iter().any(|seen| seen.body == [b'a' + round]));
        echoed += 1;
    }
    driver.client.write(ticket, b"", true);
    assert!(driver.finish(1).has(kind::END));
    assert_eq!((echoed, driver.client.stats(id).idle), (20, 1));
}

#[test]
fn an_upgraded_stream_carries_raw_bytes_both_ways() {
    let address = peer(|mut link| {
        link.head();
        link.say(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nearly");
        let got = link.exactly(4).expect("bytes");
        link.say(&got);
        link.closed();
        link.say(b"bye");
    });
    let (mut driver, id) = Driver::facing(address);
    let ticket = driver.client.submit(1, id, flag::UPGRADE, Framing::None, GET).expect("a ticket");
    driver.run_until(|driver| driver.seen.iter().any(|seen| seen.has(kind::UPGRADED)));
    driver.client.write(ticket, b"0\r\n\r", false);
    driver.run_until(|driver| driver.seen.iter().any(|seen| seen.body.ends_with(b"\r")));
    driver.client.write(ticket, b"", true);
    let seen = driver.finish(1);
    assert_eq!(seen.body, b"early0\r\n\rbye");
    assert_eq!(seen.head, "\r\nvia: 1.1 test\r\nconnection: upgrade\r\nUpgrade: x");
    assert_eq!(driver.client.stats(id).connections, 0);
}
