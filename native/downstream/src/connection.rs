//! One connection of a client: what was received and not yet given to the front end, and whether it may have it.
//!
//! The gate: the front end gets at most one message at a time, and the next one only when the response to it is done and
//! has left for the kernel. uWebSockets.js closes a connection whose second request comes while the first is pending
//! (uWebSockets.js#277). Bytes are delayed, never reordered or added, so no request can come of it that was not sent.
//!
//! Nothing here makes a system call: reading is the caller's closure.

use crate::framing::{Framing, HeadLimits, Refused, Stop};
use crate::outbox::Outbox;
use crate::patience::Patience;
use crate::remote::Remote;
use crate::sending::Sending;
use crate::taker::{Client, Taken, Taker};
use crate::tls::Session;
use std::ffi::{c_int, c_void};

mod direct;
mod waiting;

/// What is kept of a client that sends ahead; more stays in the kernel.
pub const STASH_LIMIT: usize = 64 * 1024;
/// One read while heads or chunks are scanned: bounds what can be left over for the stash.
const SCANNED_READ: usize = 64 * 1024;
const CHUNKED_READ: usize = 256 * 1024;
/// After a refusal, this much is swallowed so that the client can read the answer before it meets a reset.
const LINGER_LIMIT: usize = 1024 * 1024;

/// In the place of a slot: no request that goes past the front end is under way.
pub const NO_SLOT: u32 = u32::MAX;

/// libuv's event bits (`enum uv_poll_event`).
pub const READABLE: c_int = 1;
pub const WRITABLE: c_int = 2;
pub const PRIORITIZED: c_int = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Http,
    /// Upgraded: bytes pass as they are.
    Raw,
    /// Refused by us: bytes are swallowed until the client ends it, or our patience.
    Refused {
        swallowed: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    /// The client has closed its side; the front end will hear of it after the stash.
    Seen,
    Told,
}

/// What the front end's `recv` returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes are in the buffer.
    Bytes(usize),
    /// Nothing for now: EAGAIN.
    Nothing,
    /// End of stream.
    End,
    /// The read failed; errno says how.
    Failed,
    /// The client is to be refused; `answerable` if no byte of a response is under way. `close`: the front end has
    /// seen the beginning of the message and must hear of the connection's end.
    Refused { why: Refused, answerable: bool, close: bool },
    /// Close it without a word.
    Close,
}

/// State of one accepted connection.
// Reason for the lint: each flag is a fact of its own, and all combinations occur.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)]
pub struct Connection {
    /// Never 0; 0 marks a closed one.
    pub serial: u32,
    /// Requests bound to a slot so far.
    pub requests: u32,
    /// The `uv_poll_t` of the front end, null when it does not poll.
    pub handle: *mut c_void,
    /// Events that the front end asked for.
    pub wanted: c_int,
    /// We do not let libuv watch for input at the moment.
    pub masked: bool,
    /// We let libuv watch for output, whatever the front end asked for.
    pub flushing: bool,
    /// Is in the thread's list of connections to be dispatched.
    pub due: bool,
    /// A byte of the response to the current message has been sent.
    pub started: bool,
    /// Its patience is at an end; it is in the thread's list, too.
    pub expired: bool,
    /// Bytes of responses that the kernel has taken.
    pub sent: u64,
    pub remote: Remote,
    pub sending: Sending,
    /// The listener it came by, as the addon numbers those whose requests may go past the front end; 0 for any other.
    pub listener: u32,
    /// The slot of its request that goes past the front end, or [`NO_SLOT`].
    pub slot: u32,
    /// What the kernel did not take of such a request's response.
    pub outbox: Outbox,
    /// We let libuv watch for room to write, for the outbox.
    pub writing: bool,
    /// Nothing more is sent to it, and the front end is told to close it.
    broken: bool,
    /// Its response says `Connection: close`.
    last: bool,
    /// TLS; then everything else here is about the plain text.
    pub session: Option<Box<Session>>,
    patience: Patience,
    /// Body bytes that the front end was given.
    received: u64,
    /// We let the front end read nothing for now: what it read could go no further.
    pub stopped: bool,
    kind: Kind,
    pending: bool,
    end: End,
    /// The stash holds the beginning of a head and nothing else.
    starved: bool,
    framing: Framing,
    stash: Vec<u8>,
    stash_start: usize,
}

impl Connection {
    /// An accepted connection.
    pub fn new(serial: u32, remote: Remote, session: Option<Box<Session>>) -> Self {
        Self {
            serial,
            requests: 0,
            handle: std::ptr::null_mut(),
            wanted: 0,
            masked: false,
            flushing: false,
            due: false,
            started: false,
            expired: false,
            sent: 0,
            remote,
            sending: Sending::new(),
            listener: 0,
            slot: NO_SLOT,
            outbox: Outbox::default(),
            writing: false,
            broken: false,
            last: false,
            stopped: false,
            session,
            patience: Patience::default(),
            received: 0,
            kind: Kind::Http,
            pending: false,
            end: End::Open,
            starved: false,
            framing: Framing::new(),
            stash: Vec::new(),
            stash_start: 0,
        }
    }

    /// Whether bytes pass unseen: upgraded.
    pub fn is_raw(&self) -> bool {
        self.kind == Kind::Raw
    }

    /// A handler has taken the current request and will answer later.
    pub fn begin(&mut self) {
        self.pending = true;
        self.requests = self.requests.saturating_add(1);
    }

    /// The response is complete, or will never be.
    pub fn finish(&mut self) {
        self.pending = false;
    }

    /// From now on (101 has been sent) bytes pass as they are.
    pub fn become_raw(&mut self) {
        self.kind = Kind::Raw;
        self.pending = false;
        self.starved = false;
    }

    /// Gives one `recv` its bytes. `head` receives a completed head, and the second result says whether it did.
    pub fn receive(
        &mut self,
        out: &mut [u8],
        limits: HeadLimits,
        head: &mut Vec<u8>,
        mut read: impl FnMut(&mut [u8]) -> isize,
    ) -> (Received, bool) {
        let received = match self.kind {
            _ if self.broken => Received::Close,
            Kind::Refused { swallowed } => self.swallow(out, swallowed, read),
            _ if self.stash_len() == 0 && self.end != End::Open => self.tell_end(),
            Kind::Raw if self.stash_len() == 0 => outcome(read(out)),
            Kind::Raw => self.give_stash(out),
            _ if self.blocked() => self.fill(STASH_LIMIT, &mut read),
            _ if self.stash_len() == 0 => return self.receive_directly(out, limits, head, read),
            Kind::Http => return self.receive_from_stash(out, limits, head, read),
        };
        (received, false)
    }

    /// The fast way: into the front end's buffer, and with one whole request in it nothing is copied but its head.
    fn receive_directly(
        &mut self,
        out: &mut [u8],
        limits: HeadLimits,
        head: &mut Vec<u8>,
        mut read: impl FnMut(&mut [u8]) -> isize,
    ) -> (Received, bool) {
        let size = self.read_size().min(out.len());
        let count = match outcome(read(&mut out[..size])) {
            Received::Bytes(count) => count.min(size),
            other => return (other, false),
        };
        let fresh = self.framing.at_start();
        let step = self.framing.advance(&mut out[..count], limits, head);
        if step.consumed < count && !matches!(step.stop, Stop::Refuse(_)) {
            self.stash.extend_from_slice(&out[step.consumed..count]);
        }
        self.settle_step(step, fresh)
    }

    fn receive_from_stash(
        &mut self,
        out: &mut [u8],
        limits: HeadLimits,
        head: &mut Vec<u8>,
        mut read: impl FnMut(&mut [u8]) -> isize,
    ) -> (Received, bool) {
        if self.starved {
            if self.end != End::Open {
                return (self.tell_end(), false);
            }
            // A head may be larger than what is kept of a client that sends ahead.
            let room = self.stash_len() + SCANNED_READ;
            match self.fill(room, &mut read) {
                Received::Nothing if self.end == End::Open => self.starved = false,
                Received::Nothing => return (self.tell_end(), false),
                other => return (other, false),
            }
        }
        let fresh = self.framing.at_start();
        let offered = self.stash_len().min(out.len());
        let bytes = &mut self.stash[self.stash_start..self.stash_start + offered];
        let step = self.framing.advance(bytes, limits, head);
        if step.delivered > 0 {
            out[..step.delivered].copy_from_slice(&bytes[..step.delivered]);
        }
        self.drop_stash(step.consumed);
        self.settle_step(step, fresh)
    }

    fn settle_step(&mut self, step: crate::framing::Step, fresh: bool) -> (Received, bool) {
        if step.head {
            self.started = false;
        }
        self.received += step.delivered as u64;
        self.starved = step.stop == Stop::NeedHead;
        let received = match step.stop {
            Stop::Refuse(why) => {
                let answerable = fresh || !self.started;
                // The front end knows nothing of a request that was refused whole: there is time to let it be read.
                self.kind = Kind::Refused { swallowed: if fresh { 0 } else { LINGER_LIMIT } };
                self.patience = Patience::default();
                self.drop_stash(self.stash_len());
                Received::Refused { why, answerable, close: !fresh }
            }
            _ if step.delivered == 0 => Received::Nothing,
            _ => Received::Bytes(step.delivered),
        };
        (received, step.head && matches!(received, Received::Bytes(_)))
    }

    /// Reads ahead into the stash, up to `limit` bytes in it.
    fn fill(&mut self, limit: usize, read: &mut impl FnMut(&mut [u8]) -> isize) -> Received {
        let held = self.stash_len();
        if self.end != End::Open || held >= limit {
            return Received::Nothing;
        }
        if self.stash_start > 0 {
            self.stash.drain(..self.stash_start);
            self.stash_start = 0;
        }
        let room = (limit - held).min(if held < 4096 { 4096 } else { SCANNED_READ });
        self.stash.resize(held + room, 0);
        let result = outcome(read(&mut self.stash[held..]));
        let count = if let Received::Bytes(count) = result { count.min(room) } else { 0 };
        self.stash.truncate(held + count);
        match result {
            Received::Bytes(_) => Received::Nothing,
            Received::End if held > 0 => {
                self.end = End::Seen;
                Received::Nothing
            }
            other => other,
        }
    }

    fn swallow(&mut self, out: &mut [u8], swallowed: usize, mut read: impl FnMut(&mut [u8]) -> isize) -> Received {
        if swallowed >= LINGER_LIMIT {
            return Received::Close;
        }
        match outcome(read(out)) {
            Received::Bytes(count) => {
                self.kind = Kind::Refused { swallowed: swallowed + count };
                Received::Nothing
            }
            other => other,
        }
    }

    fn tell_end(&mut self) -> Received {
        self.end = End::Told;
        Received::End
    }

    fn give_stash(&mut self, out: &mut [u8]) -> Received {
        let count = out.len().min(self.stash_len());
        out[..count].copy_from_slice(&self.stash[self.stash_start..self.stash_start + count]);
        self.drop_stash(count);
        Received::Bytes(count)
    }

    fn drop_stash(&mut self, count: usize) {
        self.stash_start += count;
        if self.stash_start >= self.stash.len() {
            // Idle connections keep no buffer.
            self.stash = Vec::new();
            self.stash_start = 0;
        }
    }

    fn stash_len(&self) -> usize {
        self.stash.len() - self.stash_start
    }

    /// Both sides are closed: what is stashed can no longer be answered.
    pub fn hang_up(&mut self) {
        self.drop_stash(self.stash_len());
        self.end = End::Seen;
        self.stopped = false;
    }

    /// Bytes to read at once: what is behind the message must fit the stash.
    fn read_size(&self) -> usize {
        match self.framing.remaining() {
            Some(remaining) => usize::try_from(remaining).unwrap_or(usize::MAX).saturating_add(SCANNED_READ),
            None if self.framing.in_chunks() => CHUNKED_READ,
            None => SCANNED_READ,
        }
    }
}

fn outcome(result: isize) -> Received {
    match result {
        0 => Received::End,
        count if count > 0 => Received::Bytes(count as usize),
        _ => Received::Failed,
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
