//! Pins the gate: one message at a time, in order, nothing lost, bounded memory, the end of the stream told last.

use super::*;
use crate::patience::Wait;
use std::collections::VecDeque;
use std::net::Ipv4Addr;

const LIMITS: HeadLimits = HeadLimits { bytes: 4096, lines: 20 };
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// What the kernel holds: segments, then an end, an error, or nothing.
struct Kernel {
    segments: VecDeque<Vec<u8>>,
    then: isize,
    reads: usize,
}

impl Kernel {
    fn of(segments: &[&[u8]], then: isize) -> Self {
        Self { segments: segments.iter().map(|segment| segment.to_vec()).collect(), then, reads: 0 }
    }

    fn read(&mut self, space: &mut [u8]) -> isize {
        self.reads += 1;
        let Some(segment) = self.segments.front_mut() else {
            return self.then;
        };
        let count = segment.len().min(space.len());
        space[..count].copy_from_slice(&segment[..count]);
        segment.drain(..count);
        if segment.is_empty() {
            self.segments.pop_front();
        }
        count as isize
    }
}

/// Nothing to read now (EAGAIN).
const EMPTY: isize = -1;
const ENDED: isize = 0;

fn connection() -> Connection {
    let mut connection = Connection::new(1, Remote::v4(Ipv4Addr::LOCALHOST, 1), None);
    connection.handle = std::ptr::dangling_mut::<u8>().cast();
    connection.wanted = READABLE;
    connection
}

fn receive(connection: &mut Connection, kernel: &mut Kernel) -> (Received, Vec<u8>) {
    let mut out = vec![0; 512 * 1024];
    let (received, _) = connection.receive(&mut out, LIMITS, &mut Vec::new(), |space| kernel.read(space));
    out.truncate(if let Received::Bytes(count) = received { count } else { 0 });
    (received, out)
}

#[test]
fn one_whole_request_costs_one_read() {
    let (mut connection, mut kernel) = (connection(), Kernel::of(&[GET], EMPTY));
    assert_eq!(receive(&mut connection, &mut kernel).1, GET);
    assert_eq!(kernel.reads, 1);
    assert!(!connection.ready() && !connection.wants_mask());
}

#[test]
fn the_next_message_waits_for_the_response() {
    let (mut connection, mut kernel) = (connection(), Kernel::of(&[&GET.repeat(3)], EMPTY));
    for _ in 0..3 {
        assert_eq!(receive(&mut connection, &mut kernel).1, GET);
        connection.begin();
        assert!(!connection.ready());
        assert_eq!(receive(&mut connection, &mut kernel).0, Received::Failed, "nothing to read, nothing given");
        connection.finish();
    }
    assert!(!connection.ready());
    assert_eq!(connection.requests, 3);
}

#[test]
fn the_next_message_waits_until_the_response_has_left() {
    let (mut connection, mut kernel) = (connection(), Kernel::of(&[&GET.repeat(2)], EMPTY));
    receive(&mut connection, &mut kernel);
    connection.wanted = READABLE | WRITABLE;
    assert!(!connection.ready());
    connection.wanted = READABLE;
    assert!(connection.ready());
    assert_eq!(receive(&mut connection, &mut kernel).1, GET);
}

#[test]
fn a_paused_connection_is_not_ready() {
    let (mut connection, mut kernel) = (connection(), Kernel::of(&[&GET.repeat(2)], EMPTY));
    receive(&mut connection, &mut kernel);
    connection.wanted = 0;
    assert!(!connection.ready());
}

#[test]
fn a_stopped_connection_is_not_ready_until_it_goes_on_or_is_over() {
    let (mut connection, mut kernel) = (connection(), Kernel::of(&[&GET.repeat(2)], EMPTY));
    receive(&mut connection, &mut kernel);
    connection.stopped = true;
    assert!(!connection.ready() && connection.wants_mask() && connection.is_paused());
    connection.stopped = false;
    assert!(connection.ready() && !connection.wants_mask() && !connection.is_paused());
    connection.stopped = true;
    connection.hang_up();
    assert!(connection.ready() && !connection.is_paused());
    assert_eq!(receive(&mut connection, &mut kernel).0, Received::End);
}

#[test]
fn a_client_that_sends_ahead_fills_no_more_than_the_stash() {
    let (mut connection, mut kernel) = (connection(), Kernel::of(&[GET, &GET.repeat(10_000)], EMPTY));
    receive(&mut connection, &mut kernel);
    connection.begin();
    while !connection.wants_mask() {
        assert_eq!(receive(&mut connection, &mut kernel).0, Received::Nothing);
    }
    assert_eq!(connection.stash_len(), STASH_LIMIT);
    let reads = kernel.reads;
    assert_eq!(receive(&mut connection, &mut kernel).0, Received::Nothing);
    assert_eq!(kernel.reads, reads, "no read without room");
    connection.finish();
    let mut messages = 0;
    loop {
        match receive(&mut connection, &mut kernel) {
            (Received::Bytes(_), bytes) => assert_eq!(bytes, GET),
            (Received::Nothing, _) => continue,
            (received, _) => {
                assert_eq!(received, Received::Failed);
                break;
            }
        }
        messages += 1;
    }
    assert_eq!(messages, 10_000);
    assert_eq!(connection.stash.capacity(), 0, "an idle connection keeps no buffer");
}

#[test]
fn the_end_is_told_after_the_stash() {
    let (mut connection, mut kernel) = (connection(), Kernel::of(&[GET, GET], ENDED));
    receive(&mut connection, &mut kernel);
    connection.begin();
    assert_eq!(receive(&mut connection, &mut kernel).0, Received::Nothing);
    assert_eq!(receive(&mut connection, &mut kernel).0, Received::Nothing);
    assert!(connection.wants_mask(), "an end is reported for ever");
    connection.finish();
    assert!(connection.ready());
    assert_eq!(receive(&mut connection, &mut kernel).1, GET);
    assert!(connection.ready());
    assert_eq!(receive(&mut connection, &mut kernel).0, Received::End);
    assert!(!connection.ready());
}

#[test]
fn an_end_within_a_head_is_told() {
    let (mut connection, mut kernel) = (connection(), Kernel::of(&[GET, &GET[..9]], ENDED));
    receive(&mut connection, &mut kernel);
    assert_eq!(receive(&mut connection, &mut kernel).0, Received::Nothing);
    assert!(!connection.ready(), "half a head is nothing to go on with");
    assert_eq!(receive(&mut connection, &mut kernel).0, Received::End);

    // The same, seen while a response was pending.
    let (mut connection, mut kernel) = (self::connection(), Kernel::of(&[GET, &GET[..9]], ENDED));
    receive(&mut connection, &mut kernel);
    connection.begin();
    receive(&mut connection, &mut kernel);
    receive(&mut connection, &mut kernel);
    connection.finish();
    let mut told = Received::Nothing;
    for _ in 0..3 {
        if connection.ready() {
            told = receive(&mut connection, &mut kernel).0;
        }
    }
    assert_eq!(told, Received::End);
}

#[test]
fn an_end_or_error_without_a_stash_is_told_at_once() {
    for (then, told) in [(ENDED, Received::End), (EMPTY, Received::Failed)] {
        let (mut connection, mut kernel) = (connection(), Kernel::of(&[GET], then));
        receive(&mut connection, &mut kernel);
        connection.begin();
        assert_eq!(receive(&mut connection, &mut kernel).0, told);
    }
}

#[test]
fn both_sides_closed_ends_it_whatever_is_stashed() {
    let (mut connection, mut kernel) = (connection(), Kernel::of(&[&GET.repeat(3)], EMPTY));
    receive(&mut connection, &mut kernel);
    connection.begin();
    connection.hang_up();
    assert!(connection.ready());
    assert_eq!(receive(&mut connection, &mut kernel).0, Received::End);
}

#[test]
fn what_cannot_be_a_request_line_is_refused_at_its_first_byte() {
    for first in [&b"\x16\x03\x01"[..], b"\0", b" GET", b"\n", b"\x80"] {
        let (mut connection, mut kernel) = (connection(), Kernel::of(&[first], EMPTY));
        let refused = Received::Refused { why: Refused::Malformed, answerable: true, close: false };
        assert_eq!(receive(&mut connection, &mut kernel).0, refused, "{first:?}");
    }
}

#[test]
fn what_a_connection_waits_for() {
    let post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab";
    let (mut connection, mut kernel) = (connection(), Kernel::of(&[&GET[..9], &GET[9..], post, b"cd"], EMPTY));
    assert_eq!(connection.wait(), Wait::Head);
    receive(&mut connection, &mut kernel);
    assert!(connection.wait() == Wait::Head && connection.has_partial_head());
    receive(&mut connection, &mut kernel);
    connection.begin();
    assert!(connection.wait() == Wait::Nothing && !connection.has_partial_head());
    connection.finish();
    assert!(connection.wait() == Wait::Head && !connection.has_partial_head());
    receive(&mut connection, &mut kernel);
    connection.begin();
    assert_eq!(connection.wait(), Wait::Body);
    connection.wanted = 0;
    assert_eq!(connection.wait(), Wait::Nothing, "paused by the front end");
    connection.wanted = READABLE | WRITABLE;
    assert_eq!(connection.wait(), Wait::Reader);
    connection.wanted = READABLE;
    receive(&mut connection, &mut kernel);
    assert_eq!(connection.wait(), Wait::Nothing);
    connection.become_raw();
    connection.wanted = READABLE | WRITABLE;
    assert_eq!(connection.wait(), Wait::Nothing, "WebSockets have timers of their own");
}

#[test]
fn a_refused_client_goes_in_the_end_also_where_others_may_stay() {
    for (idle_ms, lasts_ms) in [(0, 5000), (60_000, 5000), (1000, 1000)] {
        let (mut connection, mut kernel) = (connection(), Kernel::of(&[b"no\r\n\r\n"], EMPTY));
        receive(&mut connection, &mut kernel);
        let overdue = |connection: &mut Connection, now_ms| connection.is_overdue(now_ms, idle_ms, || 0);
        assert!(!overdue(&mut connection, 0) && !overdue(&mut connection, lasts_ms - 1));
        assert!(overdue(&mut connection, lasts_ms));
    }
    let mut connection = connection();
    assert!(!connection.is_overdue(0, 0, || 0) && !connection.is_overdue(u64::MAX, 0, || 0));
}

#[test]
fn after_an_upgrade_what_was_held_back_comes_as_it_is() {
    let frames = b"\x81\x82\0\0\0\0hi\r\n\r\n";
    let (mut connection, mut kernel) = (connection(), Kernel::of(&[&[GET, frames].concat(), frames], EMPTY));
    receive(&mut connection, &mut kernel);
    connection.begin();
    assert!(!connection.ready());
    connection.become_raw();
    assert!(connection.ready());
    assert_eq!(receive(&mut connection, &mut kernel).1, frames);
    assert_eq!(receive(&mut connection, &mut kernel).1, frames);
}

#[test]
fn what_follows_a_refused_head_is_swallowed_up_to_a_bound() {
    let megabyte = vec![b'x'; 1024 * 1024];
    let (mut connection, mut kernel) = (connection(), Kernel::of(&[b"no\r\n\r\n", &megabyte, GET, GET], EMPTY));
    let refused = Received::Refused { why: Refused::Malformed, answerable: true, close: false };
    assert_eq!(receive(&mut connection, &mut kernel).0, refused);
    assert!(!connection.ready());
    assert_eq!(receive(&mut connection, &mut kernel).0, Received::Nothing);
    assert_eq!(receive(&mut connection, &mut kernel).0, Received::Nothing);
    assert_eq!(receive(&mut connection, &mut kernel).0, Received::Close);
}

#[test]
fn a_body_that_breaks_closes_and_is_answered_only_before_the_response() {
    let head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n";
    for started in [false, true] {
        let (mut connection, mut kernel) = (connection(), Kernel::of(&[head, b"hello!\r\n"], EMPTY));
        receive(&mut connection, &mut kernel);
        connection.begin();
        connection.started = started;
        let refused = Received::Refused { why: Refused::Malformed, answerable: !started, close: true };
        assert_eq!(receive(&mut connection, &mut kernel).0, refused);
        assert_eq!(receive(&mut connection, &mut kernel).0, Received::Close);
    }
}

#[test]
fn nothing_goes_past_the_front_end_while_a_byte_of_a_response_waits() {
    let mut connection = connection();
    connection.listener = 1;
    connection.wanted = READABLE;
    assert!(connection.may_be_direct());
    connection.wanted = READABLE | WRITABLE;
    assert!(!connection.may_be_direct(), "the front end waits to write");
    connection.wanted = READABLE;
    connection.outbox.push(b"x");
    assert!(!connection.may_be_direct(), "we do");
    connection.outbox.sent(1);
    connection.begin();
    assert!(!connection.may_be_direct(), "a response is due");
    connection.finish();
    assert!(connection.may_be_direct());
    connection.end_after_this();
    assert!(!connection.may_be_direct(), "the last response has been sent");
}

#[test]
fn a_refused_client_has_its_time_to_read_however_long_it_had_been_idle() {
    let mut connection = connection();
    assert!(!connection.is_overdue(0, 60_000, || 0) && !connection.is_overdue(59_000, 60_000, || 0));
    connection.refuse();
    assert!(!connection.is_overdue(59_500, 60_000, || 0));
    assert!(!connection.is_overdue(60_500, 60_000, || 0));
    assert!(connection.is_overdue(80_000, 60_000, || 0));
}
