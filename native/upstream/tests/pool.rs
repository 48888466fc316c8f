//! Pins: which connection a request goes out on, what a stale one leads to, and every deadline.

// Reason: in a test, what was expected and did not come is the failure.
#![allow(clippy::expect_used)]

mod support;

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use polygate_upstream::row::{attempt, flag, kind};
use polygate_upstream::{Framing, Reason, Stats};
use support::{Driver, GET, OK, answering, options, peer};

#[test]
fn connections_are_shared_and_the_last_used_comes_first() {
    let (address, told) = answering(OK);
    let (mut driver, id) = Driver::facing(address);
    for tag in 1..=3 {
        driver.get(tag, id, 0);
    }
    assert_eq!(driver.client.stats(id), Stats { in_flight: 3, connections: 3, connects: 3, ..Stats::default() });
    for tag in 1..=3 {
        driver.finish(tag);
    }
    assert_eq!(driver.client.stats(id), Stats { idle: 3, connections: 3, connects: 3, ..Stats::default() });
    told.try_iter().for_each(drop);
    for tag in 4..10 {
        driver.get(tag, id, 0);
        driver.finish(tag);
    }
    let used: Vec<_> = told.try_iter().map(|(number, _)| number).collect();
    assert!(used.iter().all(|number| *number == used[0]), "one connection serves one request at a time: {used:?}");
}

#[test]
fn requests_wait_for_a_connection_in_order_and_the_queue_has_an_end() {
    let mut driver = Driver::new();
    let (address, told) = answering(OK);
    let mut narrow = options(address);
    narrow.max_connections = 1;
    narrow.max_waiting = 3;
    let id = driver.client.add_endpoint(&narrow).expect("an endpoint");
    let mut tickets = Vec::new();
    for tag in 1..=4 {
        let head = format!("GET /{tag} HTTP/1.1\r\n\r\n");
        tickets.push(driver.client.submit(tag, id, 0, Framing::None, head.as_bytes()).expect("a ticket"));
    }
    assert_eq!(driver.client.submit(5, id, 0, Framing::None, GET), Err(Reason::PoolFull));
    assert_eq!(driver.client.stats(id).waiting, 3);
    driver.client.cancel(tickets[2]);
    assert_eq!(driver.client.stats(id).waiting, 2);
    assert!(driver.client.submit(6, id, 0, Framing::None, GET).is_ok());
    for tag in [1, 2, 4, 6] {
        assert!(driver.finish(tag).has(kind::END));
    }
    let paths: Vec<_> =
        told.try_iter().map(|(number, head)| (number, String::from_utf8_lossy(&head[4..6]).into_owned())).collect();
    assert_eq!(paths, [(0, "/1".into()), (0, "/2".into()), (0, "/4".into()), (0, "/ ".into())]);
}

#[test]
fn a_closed_connection_makes_room_for_one_who_waits() {
    let mut driver = Driver::new();
    let (address, _) = answering(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na");
    let mut narrow = options(address);
    narrow.max_connections = 2;
    narrow.max_waiting = 100;
    let id = driver.client.add_endpoint(&narrow).expect("an endpoint");
    for tag in 0..20 {
        driver.get(tag, id, 0);
    }
    for tag in 0..20 {
        assert_eq!(driver.finish(tag).body, b"a");
    }
    assert_eq!(driver.client.stats(id), Stats { connects: 20, ..Stats::default() });
}

#[test]
fn an_idle_connection_that_closes_or_speaks_is_dropped() {
    for unasked in [b"".as_slice(), b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"] {
        let (go, gone) = channel::<()>();
        let gone = Mutex::new(gone);
        let address = peer(move |mut link| {
            link.head();
            link.say(OK);
            if link.number == 0 {
                gone.lock().expect("lock").recv().expect("told");
                link.say(unasked);
                if !unasked.is_empty() {
                    link.closed();
                }
            }
        });
        let (mut driver, id) = Driver::facing(address);
        driver.get(1, id, 0);
        driver.finish(1);
        assert_eq!(driver.client.stats(id).idle, 1);
        go.send(()).expect("told");
        driver.run_until(|driver| driver.client.stats(id).connections == 0);
        driver.get(2, id, 0);
        assert_eq!(driver.finish(2).body, b"hello");
    }
}

#[test]
fn bytes_after_a_response_close_the_connection() {
    let (address, _) =
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    let (mut driver, id) = Driver::facing(address);
    for tag in 1..4 {
        driver.get(tag, id, 0);
        assert_eq!(driver.finish(tag).body, b"a");
    }
    assert_eq!(driver.client.stats(id).connects, 3);
}

#[test]
fn what_came_before_the_request_was_sent_is_not_its_response() {
    let (go, gone) = channel::<()>();
    let gone = Mutex::new(gone);
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let address = peer(move |mut link| {
        link.head();
        link.say(OK);
        if link.number == 0 {
            gone.lock().expect("lock").recv().expect("told");
            link.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
            tell.lock().expect("lock").send(()).expect("told");
            link.closed();
        }
    });
    let (mut driver, id) = Driver::facing(address);
    driver.get(1, id, 0);
    driver.finish(1);
    // Submitted, not flushed: then the peer speaks, and the turn sees it before anything is sent.
    driver.get(2, id, 0);
    go.send(()).expect("told");
    told.recv().expect("said");
    while driver.client.stats(id).connects == 1 {
        driver.client.turn(&mut driver.slab, &mut driver.rows);
    }
    assert_eq!(driver.finish(2).body, b"hello");
}

/// A peer that closes its first connection when the second request comes on it.
fn stale(after: usize) -> (std::net::SocketAddr, std::sync::mpsc::Receiver<Vec<u8>>) {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let address = peer(move |mut link| {
        link.head();
        link.say(OK);
        if let Some(head) = link.head() {
            if link.number == 0 {
                link.exactly(after);
                return link.reset();
            }
            drop(tell.lock().expect("lock").send(head));
            link.say(OK);
        }
        link.closed();
    });
    (address, told)
}

#[test]
fn a_replayable_request_on_a_stale_connection_goes_out_once_more() {
    let (address, _) = stale(0);
    let (mut driver, id) = Driver::facing(address);
    driver.get(1, id, 0);
    driver.finish(1);
    driver.get(2, id, flag::REPLAYABLE);
    let seen = driver.finish(2);
    assert_eq!((seen.body.as_slice(), seen.kind & kind::ERROR), (b"hello".as_slice(), 0));
    assert_eq!(driver.client.stats(id).connects, 2);
}

#[test]
fn a_request_that_is_not_replayable_fails_on_a_stale_connection() {
    let (address, _) = stale(0);
    let (mut driver, id) = Driver::facing(address);
    driver.get(1, id, 0);
    driver.finish(1);
    driver.get(2, id, 0);
    let (reason, bits) = driver.fails(2);
    assert!(matches!(reason, Reason::Reset | Reason::Closed));
    assert_eq!(bits, attempt::NOTHING_RECEIVED | attempt::REUSED);
}

#[test]
fn a_replay_has_its_body_or_is_none() {
    for (size, replayed) in [(1000, true), (60_000, true), (200_000, false)] {
        let bodies = AtomicUsize::new(0);
        let (tell, told) = channel();
        let tell = Mutex::new(tell);
        let address = peer(move |mut link| {
            while let Some(head) = link.head() {
                let mut body = Vec::new();
                if head.starts_with(b"PUT") {
                    body = link.exactly(size).expect("the body");
                    if bodies.fetch_add(1, Ordering::SeqCst) == 0 {
                        return link.reset();
                    }
                }
                drop(tell.lock().expect("lock").send(body));
                link.say(OK);
            }
        });
        let (mut driver, id) = Driver::facing(address);
        driver.get(1, id, 0);
        driver.finish(1);
        let body: Vec<u8> = (0..size).map(|at| (at / 3) as u8).collect();
        let head = format!("PUT / HTTP/1.1\r\nContent-Length: {size}\r\n\r\n");
        let ticket =
            driver.client.submit(2, id, flag::REPLAYABLE, Framing::LengthInHead, head.as_bytes()).expect("a ticket");
        driver.client.write(ticket, &body[..size / 2], false);
        driver.turn();
        driver.client.write(ticket, &body[size / 2..], true);
        if replayed {
            assert_eq!(driver.finish(2).body, b"hello");
            assert_eq!(told.try_iter().last(), Some(body));
        } else {
            assert_eq!(driver.fails(2).1, attempt::NOTHING_RECEIVED | attempt::REUSED);
        }
    }
}

#[test]
fn a_removed_endpoint_ends_what_it_began_and_frees_its_id() {
    let mut driver = Driver::new();
    let (go, gone) = channel::<()>();
    let gone = Mutex::new(gone);
    let address = peer(move |mut link| {
        while link.head().is_some() {
            gone.lock().expect("lock").recv().expect("told");
            link.say(OK);
        }
    });
    let mut narrow = options(address);
    narrow.max_connections = 1;
    let id = driver.client.add_endpoint(&narrow).expect("an endpoint");
    driver.get(1, id, 0);
    driver.get(2, id, 0);
    driver.turn();
    driver.client.remove_endpoint(id);
    assert_eq!(driver.client.submit(3, id, 0, Framing::None, GET), Err(Reason::NoEndpoint));
    let other = driver.client.add_endpoint(&narrow).expect("an endpoint");
    assert_ne!(other, id);
    go.send(()).expect("told");
    go.send(()).expect("told");
    assert_eq!(driver.finish(1).body, b"hello");
    assert_eq!(driver.finish(2).body, b"hello");
    assert_eq!(driver.client.add_endpoint(&narrow), Ok(id));
    driver.client.remove_endpoint(other);
    assert_eq!(driver.client.add_endpoint(&narrow), Ok(other), "nothing in flight: free at once");
}

#[test]
fn an_unused_connection_is_closed_after_a_while() {
    let mut driver = Driver::new();
    let (address, _) = answering(OK);
    let mut brief = options(address);
    brief.pool_idle_ms = 100;
    brief.connect_timeout_ms = 200;
    brief.response_timeout_ms = 200;
    let id = driver.client.add_endpoint(&brief).expect("an endpoint");
    for tag in 0..3 {
        driver.get(tag, id, 0);
        driver.finish(tag);
        assert_eq!(driver.client.stats(id).idle, 1);
    }
    driver.run_until(|driver| driver.client.stats(id).connections == 0);
    assert_eq!(driver.client.stats(id).connects, 1);
    // Entries of deadlines that were met go as their time comes; then there is nothing to wake for.
    driver.run_until(|driver| driver.client.next_deadline_us().is_none());
}

#[test]
fn a_connection_that_is_not_accepted_times_out() {
    let mut driver = Driver::new();
    // A backlog that is full: the kernel answers no further SYN.
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    listener.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().expect("an address").into()).expect("bound");
    listener.listen(0).expect("listening");
    let address = listener.local_addr().expect("bound").as_socket().expect("an address");
    let mut brief = options(address);
    brief.connect_timeout_ms = 150;
    let id = driver.client.add_endpoint(&brief).expect("an endpoint");
    for tag in 0..6 {
        driver.get(tag, id, 0);
    }
    driver.run_until(|driver| driver.seen.iter().any(|seen| seen.has(kind::ERROR)));
    let seen = driver.seen[0].clone();
    assert_eq!(support::reason(seen.reason), Reason::ConnectTimeout);
    assert_eq!(seen.attempt, attempt::NOTHING_SENT | attempt::NOTHING_RECEIVED);
    assert!(seen.elapsed_us >= 150_000);
}

#[test]
fn waiting_counts_as_connecting() {
    let mut driver = Driver::new();
    let address = peer(|mut link| link.closed());
    let mut narrow = options(address);
    narrow.max_connections = 1;
    narrow.connect_timeout_ms = 100;
    let id = driver.client.add_endpoint(&narrow).expect("an endpoint");
    let first = driver.get(1, id, 0);
    driver.get(2, id, 0);
    assert_eq!(driver.fails(2), (Reason::ConnectTimeout, attempt::NOTHING_SENT | attempt::NOTHING_RECEIVED));
    assert_eq!(driver.client.stats(id), Stats { in_flight: 1, connections: 1, connects: 1, ..Stats::default() });
    driver.client.cancel(first);
}

#[test]
fn a_response_head_must_come_and_end_in_time() {
    // The second and third trickle for ever: bytes of a head do not put its deadline off, nor do interim responses' bytes.
    for (first, then) in
        [(b"".as_slice(), b"".as_slice()), (b"HTTP/1.1 200 OK\r\nA: ", b"x"), (b"", b"HTTP/1.1 100 Continue\r\n\r\n")]
    {
        let mut driver = Driver::new();
        let address = peer(move |mut link| {
            link.head();
            link.say(first);
            if then.is_empty() {
                return link.closed();
            }
            for _ in 0..80 {
                if link.stream.write_all(then).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let mut brief = options(address);
        brief.response_timeout_ms = 200;
        let id = driver.client.add_endpoint(&brief).expect("an endpoint");
        driver.get(1, id, flag::REPLAYABLE);
        let seen = driver.finish(1);
        assert_eq!(support::reason(seen.reason), Reason::ResponseTimeout);
        assert!((200_000..700_000).contains(&seen.elapsed_us), "{}", seen.elapsed_us);
        assert_eq!(driver.client.stats(id).connections, 0);
    }
}

#[test]
fn silence_in_a_body_ends_it_but_not_while_it_is_paused() {
    let mut driver = Driver::new();
    let address = peer(|mut link| {
        link.head();
        link.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        link.closed();
    });
    let mut brief = options(address);
    brief.idle_timeout_ms = 150;
    let id = driver.client.add_endpoint(&brief).expect("an endpoint");
    let paused = driver.get(1, id, 0);
    driver.run_until(|driver| !driver.seen.is_empty());
    driver.client.pause(paused);
    driver.get(2, id, 0);
    assert_eq!(driver.fails(2).0, Reason::IdleTimeout);
    assert!(driver.seen.iter().all(|seen| !seen.has(kind::ERROR)), "the paused one failed");
    driver.client.resume(paused);
    assert_eq!(driver.fails(1).0, Reason::IdleTimeout);
}

#[test]
fn an_upload_is_alive_while_it_moves_and_its_response_is_waited_for_afterwards() {
    let mut driver = Driver::new();
    let address = peer(|mut link| {
        link.head();
        link.until(b"0\r\n\r\n");
        link.say(OK);
        link.closed();
    });
    let mut brief = options(address);
    brief.response_timeout_ms = 100;
    brief.idle_timeout_ms = 10_000;
    let id = driver.client.add_endpoint(&brief).expect("an endpoint");
    let ticket = driver
        .client
        .submit(1, id, 0, Framing::Chunked, b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        .expect("a ticket");
    let start = std::time::Instant::now();
    while start.elapsed().as_millis() < 300 {
        driver.client.write(ticket, b"x", false);
        driver.turn();
    }
    driver.client.write(ticket, b"", true);
    assert_eq!(driver.finish(1).body, b"hello");
    brief.idle_timeout_ms = 100;
    let id = driver.client.add_endpoint(&brief).expect("an endpoint");
    driver
        .client
        .submit(2, id, 0, Framing::Chunked, b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        .expect("a ticket");
    assert_eq!(driver.fails(2).0, Reason::IdleTimeout, "an upload that stands still");
}
