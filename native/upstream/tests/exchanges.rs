//! Pins: one request and its response over real sockets; what goes out, what comes back, what a broken peer leads to.

// Reason: in a test, what was expected and did not come is the failure, and its threads have the stack for buffers.
#![allow(clippy::expect_used, clippy::large_stack_arrays)]

mod support;

use std::sync::mpsc::channel;

use polygate_upstream::row::{attempt, flag, kind};
use polygate_upstream::{Address, Client, Framing, Reason};
use support::{Driver, GET, OK, answering, options, peer};

fn one_answer(response: &'static [u8]) -> (Driver, u32) {
    let (address, _) = answering(response);
    Driver::facing(address)
}

/// A peer that reads one head, says this and closes.
fn says(response: &'static [u8]) -> (Driver, u32) {
    let address = peer(move |mut link| {
        link.head();
        link.say(response);
    });
    Driver::facing(address)
}

#[test]
fn a_request_and_its_response_are_one_row() {
    let (mut driver, id) = one_answer(OK);
    driver.get(7, id, 0);
    driver.run_until(|driver| !driver.seen.is_empty());
    let seen = driver.seen.remove(0);
    let bits = kind::HEAD | kind::DATA | kind::END | kind::LENGTH | kind::ASCII_HEAD | kind::ASCII_BODY;
    assert_eq!((seen.tag, seen.kind, seen.status, seen.length), (7, bits, 200, 5));
    assert_eq!((seen.head.as_str(), seen.body.as_slice()), ("\r\nvia: 1.1 test\r\nServer: s", b"hello".as_slice()));
    assert!(seen.elapsed_us > 0);
    assert_eq!(driver.client.in_flight(), 0);
}

#[test]
fn nothing_is_sent_before_the_flush_and_nothing_of_what_was_cancelled() {
    let (address, told) = answering(OK);
    let (mut driver, id) = Driver::facing(address);
    driver.get(1, id, 0);
    driver.finish(1);
    let cancelled =
        driver.client.submit(2, id, 0, Framing::None, b"GET /cancelled HTTP/1.1\r\n\r\n").expect("a ticket");
    driver.client.cancel(cancelled);
    driver.client.cancel(cancelled);
    driver.client.submit(3, id, 0, Framing::None, b"GET /third HTTP/1.1\r\n\r\n").expect("a ticket");
    assert!(driver.finish(3).has(kind::END));
    let heads: Vec<_> = told.try_iter().collect();
    assert_eq!(heads, [(0, GET.to_vec()), (0, b"GET /third HTTP/1.1\r\n\r\n".to_vec())]);
    assert_eq!(driver.client.stats(id).connects, 1, "the connection of the cancelled request is used again");
    assert_eq!(driver.client.write(cancelled, b"x", true), 0, "a dead ticket is no ticket");
}

#[test]
fn a_sent_request_that_is_cancelled_closes_its_connection_without_a_row() {
    let (tell, told) = channel();
    let tell = std::sync::Mutex::new(tell);
    let address = peer(move |mut link| {
        link.head();
        tell.lock().expect("lock").send("head").expect("told");
        link.closed();
        tell.lock().expect("lock").send("closed").expect("told");
    });
    let (mut driver, id) = Driver::facing(address);
    let ticket = driver.get(1, id, 0);
    driver.run_until(|_| told.try_recv() == Ok("head"));
    driver.client.cancel(ticket);
    assert_eq!(told.recv(), Ok("closed"));
    driver.turn();
    assert!(driver.seen.is_empty());
    assert_eq!(driver.client.stats(id), polygate_upstream::Stats { connects: 1, ..Default::default() });
}

#[test]
fn a_chunked_response_comes_decoded() {
    let (mut driver, id) = one_answer(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nT: r\r\n\r\n",
    );
    for tag in 1..4 {
        driver.get(tag, id, 0);
        let seen = driver.finish(tag);
        assert_eq!((seen.body.as_slice(), seen.kind & kind::LENGTH), (b"hello world".as_slice(), 0));
    }
    assert_eq!(driver.client.stats(id).connects, 1);
}

#[test]
fn a_response_without_length_ends_with_the_connection() {
    let (mut driver, id) = says(b"HTTP/1.1 200 OK\r\n\r\nall of it");
    driver.get(1, id, 0);
    let seen = driver.finish(1);
    assert_eq!((seen.body.as_slice(), seen.has(kind::END)), (b"all of it".as_slice(), true));
    assert_eq!(driver.client.stats(id).connections, 0);
}

#[test]
fn head_requests_have_no_body_but_its_length() {
    let (mut driver, id) = one_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 6000000000\r\n\r\n");
    driver.get(1, id, flag::HEAD);
    let seen = driver.finish(1);
    assert!(seen.has(kind::HEAD | kind::END | kind::BODILESS | kind::LENGTH));
    assert_eq!((seen.length, seen.body.len()), (6_000_000_000, 0));
    assert_eq!(driver.client.stats(id).idle, 1);
}

#[test]
fn bad_responses_fail_and_close_the_connection() {
    let bad: [&[u8]; 12] = [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c: d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\x00\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    ];
    for response in bad {
        let (tell, told) = channel();
        let tell = std::sync::Mutex::new(tell);
        let address = peer(move |mut link| {
            link.head();
            link.say(response);
            // Stays open: what ends the request must be what was said.
            link.closed();
            tell.lock().expect("lock").send(()).expect("told");
        });
        let (mut driver, id) = Driver::facing(address);
        driver.get(1, id, flag::REPLAYABLE);
        assert_eq!(driver.fails(1), (Reason::BadResponse, 0), "{}", response.escape_ascii());
        told.recv().expect("the connection was closed");
    }
}

#[test]
fn a_response_that_breaks_off_is_an_error() {
    let cut: [&[u8]; 4] = [
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ];
    for response in cut {
        let (mut driver, id) = says(response);
        driver.get(1, id, flag::REPLAYABLE);
        assert_eq!(driver.fails(1), (Reason::Closed, 0), "{}", response.escape_ascii());
    }
    let (mut driver, id) = says(b"");
    driver.get(1, id, flag::REPLAYABLE);
    assert_eq!(driver.fails(1), (Reason::Closed, attempt::NOTHING_RECEIVED), "a fresh connection is not tried again");
}

#[test]
fn a_reset_is_told_apart_from_a_close() {
    let address = peer(|mut link| {
        link.head();
        link.reset();
    });
    let (mut driver, id) = Driver::facing(address);
    driver.get(1, id, 0);
    assert_eq!(driver.fails(1), (Reason::Reset, attempt::NOTHING_RECEIVED));
}

#[test]
fn nobody_listening_is_refused() {
    let address =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let (mut driver, id) = Driver::facing(address);
    driver.get(1, id, 0);
    assert_eq!(driver.fails(1), (Reason::Refused, attempt::NOTHING_SENT | attempt::NOTHING_RECEIVED));
    let mut unix = options(address);
    unix.address = Address::Unix(std::env::temp_dir().join("polygate-nobody-listens.sock"));
    let id = driver.client.add_endpoint(&unix).expect("an endpoint");
    assert_eq!(driver.client.submit(2, id, 0, Framing::None, GET), Err(Reason::Refused));
    assert_eq!(driver.client.submit(2, 99, 0, Framing::None, GET), Err(Reason::NoEndpoint));
    assert_eq!(driver.client.in_flight(), 0);
}

#[test]
fn unix_sockets_and_ipv6() {
    use std::io::{Read, Write};
    let mut driver = Driver::new();
    let path = std::env::temp_dir().join(format!("polygate-upstream-{}.sock", std::process::id()));
    drop(std::fs::remove_file(&path));
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut buffer = [0; 1024];
        while stream.read(&mut buffer).is_ok_and(|count| count > 0) {
            stream.write_all(OK).expect("written");
        }
    });
    let mut unix = options("127.0.0.1:1".parse().expect("an address"));
    unix.address = Address::Unix(path.clone());
    let id = driver.client.add_endpoint(&unix).expect("an endpoint");
    for tag in 1..3 {
        driver.get(tag, id, 0);
        assert_eq!(driver.finish(tag).body, b"hello");
    }
    std::fs::remove_file(&path).expect("removed");

    let Ok(listener) = std::net::TcpListener::bind("[::1]:0") else { return };
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut buffer = [0; 1024];
        assert!(stream.read(&mut buffer).expect("a request") > 0);
        stream.write_all(OK).expect("written");
    });
    let mut ipv6 = options(address);
    ipv6.address = Address::ip("::1", address.port()).expect("an address");
    let id = driver.client.add_endpoint(&ipv6).expect("an endpoint");
    driver.get(5, id, 0);
    assert_eq!(driver.finish(5).body, b"hello");
    assert!(Address::ip("localhost", 80).is_err());
}

#[test]
fn a_body_larger_than_the_slab_comes_in_batches_and_whole() {
    const SIZE: usize = 20 << 20;
    let mut driver = Driver::with_room(256 * 1024, 4);
    let address = peer(|mut link| {
        while link.head().is_some() {
            link.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n").as_bytes());
            let body: Vec<u8> = (0..SIZE).map(|at| (at / 7) as u8).collect();
            link.say(&body);
        }
    });
    let id = driver.client.add_endpoint(&options(address)).expect("an endpoint");
    for tag in 0..4 {
        driver.get(tag, id, 0);
    }
    for tag in 0..4 {
        let seen = driver.finish(tag);
        assert_eq!((seen.body.len(), seen.length as usize), (SIZE, SIZE));
        assert!(seen.body.iter().enumerate().all(|(at, byte)| *byte == (at / 7) as u8));
    }
    assert!(driver.largest <= 4);
}

#[test]
fn many_bodies_share_a_slab_that_is_too_small_for_them() {
    let mut driver = Driver::with_room(256 * 1024, 256);
    let address = peer(|mut link| {
        let mut sizes = (1_000..).step_by(7_001).map(|size| size % 150_000);
        while link.head().is_some() {
            let size = sizes.next().expect("endless");
            link.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").as_bytes());
            link.say(&vec![b'x'; size]);
        }
    });
    let mut many = options(address);
    many.max_connections = 40;
    let id = driver.client.add_endpoint(&many).expect("an endpoint");
    for round in 0..20 {
        for tag in 0..40 {
            driver.get(round * 40 + tag, id, 0);
        }
        for tag in 0..40 {
            let seen = driver.finish(round * 40 + tag);
            assert!(seen.has(kind::END), "{:?}", support::reason(seen.reason));
            assert_eq!(seen.body.len(), seen.length as usize);
        }
    }
    assert!(driver.largest > 3);
}

#[test]
fn rows_that_do_not_fit_come_in_the_next_batch() {
    let mut driver = Driver::with_room(256 * 1024, 3);
    let (address, _) = answering(OK);
    let mut many = options(address);
    many.max_connections = 40;
    let id = driver.client.add_endpoint(&many).expect("an endpoint");
    for tag in 0..40 {
        driver.get(tag, id, 0);
    }
    for tag in 0..40 {
        assert_eq!(driver.finish(tag).body, b"hello");
    }
    assert_eq!(driver.largest, 3);
}

#[test]
fn a_paused_response_waits_in_the_kernel() {
    const SIZE: usize = 64 << 20;
    let (tell, told) = channel();
    let tell = std::sync::Mutex::new(tell);
    let address = peer(move |mut link| {
        link.head();
        link.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n").as_bytes());
        for _ in 0..SIZE / 65536 {
            link.say(&[b'x'; 65536]);
        }
        tell.lock().expect("lock").send(()).expect("told");
        link.closed();
    });
    let (mut driver, id) = Driver::facing(address);
    let ticket = driver.get(1, id, 0);
    driver.run_until(|driver| driver.seen.iter().any(|seen| seen.has(kind::DATA)));
    driver.client.pause(ticket);
    let before = driver.seen.len();
    for _ in 0..10 {
        driver.turn();
    }
    assert_eq!(driver.seen.len(), before, "rows while paused");
    assert!(told.try_recv().is_err(), "all was read though nobody wanted it");
    driver.client.resume(ticket);
    assert_eq!(driver.finish(1).body.len(), SIZE);
    told.recv().expect("all was written");
}

#[test]
fn a_peer_that_dies_while_paused_is_noticed_on_resume_and_costs_no_spinning() {
    let (tell, told) = channel();
    let tell = std::sync::Mutex::new(tell);
    let address = peer(move |mut link| {
        link.head();
        link.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
        link.exactly(1);
        link.reset();
        tell.lock().expect("lock").send(()).expect("told");
    });
    let (mut driver, id) = Driver::facing(address);
    let ticket = driver
        .client
        .submit(1, id, 0, Framing::Chunked, b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        .expect("a ticket");
    driver.run_until(|driver| !driver.seen.is_empty());
    driver.client.pause(ticket);
    driver.client.write(ticket, b"x", false);
    driver.run_until(|_| told.try_recv().is_ok());
    let start = std::time::Instant::now();
    for _ in 0..10 {
        driver.turn();
    }
    assert!(start.elapsed().as_millis() > 200, "the descriptor stayed readable: the loop would spin");
    driver.client.resume(ticket);
    assert_eq!(driver.fails(1).0, Reason::Reset);
}

#[test]
fn a_panic_fails_what_is_in_flight_and_the_client_goes_on() {
    let (mut driver, id) = one_answer(OK);
    driver.get(1, id, 0);
    driver.finish(1);
    let stale = driver.get(2, id, 0);
    driver.get(3, id, 0);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        driver.client.submit_with(4, id, 0, Framing::None, |_| panic!("a head that cannot be written"))
    }));
    assert!(caught.is_err());
    driver.client.reset_after_panic();
    assert_eq!(driver.fails(2).0, Reason::ClientPanic);
    assert_eq!(driver.fails(3).0, Reason::ClientPanic);
    driver.client.cancel(stale);
    for tag in 5..20 {
        driver.get(tag, id, 0);
        assert_eq!(driver.finish(tag).body, b"hello");
    }
    assert_eq!(driver.client.stats(id).in_flight, 0);
}

#[test]
fn closing_fails_what_is_in_flight() {
    let mut driver = Driver::new();
    let address = peer(|mut link| link.closed());
    let mut narrow = options(address);
    narrow.max_connections = 1;
    let id = driver.client.add_endpoint(&narrow).expect("an endpoint");
    driver.get(1, id, 0);
    driver.get(2, id, 0);
    driver.turn();
    driver.client.close_all(Reason::ClientClosed);
    assert_eq!(driver.fails(1).0, Reason::ClientClosed);
    assert_eq!(driver.fails(2).0, Reason::ClientClosed);
    assert_eq!(driver.client.stats(id), polygate_upstream::Stats { connects: 1, ..Default::default() });
}

#[test]
fn no_descriptor_left_is_a_reason_and_no_crash() {
    // In a process of its own: the limit is the process's.
    if std::env::var_os("POLYGATE_TEST_NO_DESCRIPTORS").is_none() {
        let test = std::env::current_exe().expect("this test");
        let status = std::process::Command::new(test)
            .args(["--exact", "no_descriptor_left_is_a_reason_and_no_crash"])
            .env("POLYGATE_TEST_NO_DESCRIPTORS", "1")
            .status()
            .expect("run");
        assert!(status.success());
        return;
    }
    let (mut driver, id) = one_answer(OK);
    let mut held = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        held.push(file);
        if held.len() > 100_000 {
            return;
        }
    }
    assert_eq!(driver.client.submit(1, id, 0, Framing::None, GET), Err(Reason::DescriptorLimit));
    assert!(Client::new(b"").is_err());
    held.truncate(held.len() - 8);
    driver.get(2, id, 0);
    assert_eq!(driver.finish(2).body, b"hello");
}
