//! Requests that need nothing of the front end: a whole head and no body. They are most requests, and each crossing into
//! JavaScript and back costs as much as reading one. So they go past the front end: the addon takes them here, tells
//! JavaScript of many in one call, and their responses leave from here.
//!
//! ```text
//!   readable ── recv ──> take(bytes) ──┬─ Some(slot): waits for deliver(), its response comes by send(slot)
//!                                      └─ None: stashed, and the front end is called as for any other bytes
//! ```
//!
//! To the front end such a connection is one on which nothing has happened yet. It still closes it: its next `recv` says
//! so. Its timers must be off, for it knows nothing of what goes on; `patience` does their work.

use crate::connection::{Connection, NO_SLOT};
use crate::loop_hooks::settle;
use crate::socket_hooks::{Descriptor, shutdown};
use crate::taker::Taker;
use crate::thread::{self, Thread};
use crate::tls::Socket;
use std::ffi::c_int;
use std::io::{self, IoSlice};

/// From now on requests go past the front end, on listeners that [`listening`] names.
pub fn set_taker(taker: Taker) {
    if let Some(thread) = thread::current() {
        thread.taker = Some(taker);
    }
}

/// The front end has just begun to listen: connections of that socket belong to the listener of this number, above 0.
/// False: no socket of its own was seen.
pub fn listening(listener: u32) -> bool {
    thread::current().is_some_and(|thread| thread.name_listener(listener))
}

/// Sends bytes of a slot's response, all parts in one call of the kernel. `last`: its connection ends with it. Returns how
/// many wait for the client; `drained` follows when it has taken them. None: it is gone; `gone` follows or has come.
pub fn send(slot: u32, parts: [&[u8]; 3], last: bool) -> Option<usize> {
    let thread = thread::current()?;
    let (descriptor, connection) = thread.of_slot(slot)?;
    if last {
        connection.end_after_this();
    }
    let writes = connection.outbox.is_empty() && parts.iter().any(|part| !part.is_empty());
    let taken = if writes { write(descriptor, connection, parts) } else { Some(0) };
    let Some(mut taken) = taken else {
        break_off(thread, descriptor);
        return None;
    };
    for part in parts {
        let gone = taken.min(part.len());
        taken -= gone;
        if gone < part.len() {
            connection.outbox.push(&part[gone..]);
        }
    }
    let waiting = connection.outbox.unsent().len();
    if waiting > 0 {
        settle(thread, descriptor);
    }
    Some(waiting)
}

/// Bytes of a slot's response that wait for the client. None: it is gone; `gone` follows or has come.
pub fn waiting(slot: u32) -> Option<usize> {
    let (_, connection) = thread::current()?.of_slot(slot)?;
    Some(connection.outbox.unsent().len())
}

/// Closes a slot's connection without another byte: its response cannot be completed. False: it is gone; `gone` follows
/// or has come, and not otherwise.
pub fn abort(slot: u32) -> bool {
    let Some(thread) = thread::current() else { return false };
    let Some((descriptor, connection)) = thread.of_slot(slot) else { return false };
    connection.slot = NO_SLOT;
    break_off(thread, descriptor);
    true
}

fn break_off(thread: &mut Thread, descriptor: c_int) {
    if let Some(connection) = thread.connection(descriptor) {
        connection.break_off();
        settle(thread, descriptor);
    }
}

/// There is room again.
pub fn write_outbox(thread: &mut Thread, descriptor: c_int) {
    let Some(connection) = thread.connection(descriptor) else { return };
    let outbox = std::mem::take(&mut connection.outbox);
    let taken = write(descriptor, connection, [outbox.unsent(), &[], &[]]);
    connection.outbox = outbox;
    let Some(taken) = taken else {
        return break_off(thread, descriptor);
    };
    connection.outbox.sent(taken);
    if connection.outbox.is_empty() {
        let slot = connection.slot;
        if slot != NO_SLOT {
            thread.tell(|taker| (taker.drained)(slot));
        }
        finish(thread, descriptor);
    }
}

/// After the last byte of a response: on to the next request, or to the end of the connection.
pub fn finish(thread: &mut Thread, descriptor: c_int) {
    if let Some(connection) = thread.connection(descriptor)
        && connection.must_shut()
    {
        connection.shut();
        // SAFETY: the front end's open connection. It hears of the end when the client closes its side too.
        unsafe { shutdown(descriptor, libc::SHUT_WR) };
    }
    settle(thread, descriptor);
}

/// What became of bytes that could be a request for the taker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// It was one.
    Taken,
    /// There were none.
    Nothing,
    /// The front end is to be called.
    ForFrontEnd,
}

fn offered(taken: bool) -> Offered {
    if taken { Offered::Taken } else { Offered::ForFrontEnd }
}

/// Reads from a connection and offers what comes. False: the front end is to be called.
pub fn read(thread: &mut Thread, descriptor: c_int) -> bool {
    let mut broken = false;
    let done = thread.with_buffer(descriptor, |connection, taker, buffer, scratch| {
        if !connection.may_be_direct() {
            return Offered::ForFrontEnd;
        }
        match pull(descriptor, connection, buffer, scratch) {
            Ok(0) => {
                connection.saw_end();
                Offered::ForFrontEnd
            }
            Ok(count) => offered(connection.offer(&buffer[..count.min(buffer.len())], taker)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Offered::Nothing,
            Err(_) => {
                // Of plain connections the front end will meet the same end by itself, and it answers who speaks no TLS.
                broken = connection.session.as_ref().is_some_and(|session| !session.is_foreign());
                Offered::ForFrontEnd
            }
        }
    });
    if broken {
        break_off(thread, descriptor);
    } else if thread.connection(descriptor).is_some_and(|connection| connection.is_stuck() != connection.flushing) {
        settle(thread, descriptor);
    }
    done
}

fn pull(descriptor: c_int, connection: &mut Connection, buffer: &mut [u8], scratch: &mut [u8]) -> io::Result<usize> {
    match &mut connection.session {
        Some(session) => session.receive(&mut Descriptor(descriptor), scratch, buffer),
        None => Descriptor(descriptor).receive(buffer),
    }
}

/// Offers what is stashed. False: the front end is to be called.
pub fn take_stashed(thread: &mut Thread, descriptor: c_int) -> bool {
    thread.with_buffer(descriptor, |connection, taker, _, _| offered(connection.offer_stash(taker)))
}

/// None: the client is gone.
fn write(descriptor: c_int, connection: &mut Connection, parts: [&[u8]; 3]) -> Option<usize> {
    let socket = &mut Descriptor(descriptor);
    let result = match &mut connection.session {
        Some(session) => session.send_parts(socket, &parts),
        // One buffer costs the kernel less than a list.
        None if parts[1].is_empty() && parts[2].is_empty() => socket.send_one(parts[0]),
        None => socket.send(&parts.map(IoSlice::new)),
    };
    let taken = match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(0),
        other => other.ok(),
    };
    connection.sent += taken.unwrap_or(0) as u64;
    taken
}

/// A connection that closes tells the taker.
pub fn closed(connection: &Connection, taker: Option<Taker>) -> bool {
    match taker {
        Some(taker) if connection.slot != NO_SLOT => {
            (taker.gone)(connection.slot);
            true
        }
        _ => false,
    }
}
