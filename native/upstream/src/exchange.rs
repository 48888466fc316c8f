//! One request and its response while they are in flight: the bytes to send, the state of the response, the deadline.

use std::io::Write;

use crate::response::Response;
use crate::row::{Reason, attempt, flag};
use crate::wheel::{Wheel, tick_of};

/// "No connection", "no exchange".
pub(crate) const NONE: u32 = u32::MAX;
/// A sent body up to this size is kept until the first response byte, to be sent again if the connection was stale.
pub(crate) const KEPT_BYTES: usize = 64 * 1024;
/// Above this many bytes not yet taken by the kernel the writer is told to wait.
pub(crate) const HIGH_WATER: usize = 64 * 1024;
/// At this many it is told to go on.
pub(crate) const LOW_WATER: usize = 16 * 1024;

/// How a request's body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// A body of this many bytes; the head says the same in `Content-Length`.
    Length(u64),
    /// A body of as many bytes as the head's `Content-Length` says.
    LengthInHead,
    /// `Transfer-Encoding: chunked`: the client frames what it is given.
    Chunked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// Nothing more may be written.
    Done,
    Left(u64),
    Chunked,
    /// After 101.
    Raw,
    /// After 101 and our end of the stream.
    RawEnded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Free,
    Waiting,
    Connecting,
    Active,
}

// Reason: each is one independent fact of the request.
#[allow(clippy::struct_excessive_bools)]
pub(crate) struct Exchange {
    pub generation: u16,
    pub stage: Stage,
    pub tag: i32,
    pub endpoint: u32,
    pub connection: u32,
    pub flags: u32,
    pub body: Body,
    /// Head and body as framed; `sent` of it went to the kernel (or into TLS) on this connection.
    pub out: Vec<u8>,
    pub sent: usize,
    pub head_bytes: usize,
    /// `out` still begins with the request's first byte.
    pub whole: bool,
    pub replayed: bool,
    /// On some connection, at some time, a byte was given to the kernel.
    pub ever_sent: bool,
    /// The peer takes no more: what is written is dropped, the response still read.
    pub deaf: bool,
    /// In the client's list of what to send at the end of the turn.
    pub dirty: bool,
    pub paused: bool,
    pub drain_wanted: bool,
    pub drained: bool,
    pub response: Response,
    pub started_us: u64,
    pub deadline_us: u64,
    pub timer_at: u64,
}

impl Exchange {
    pub(crate) fn new() -> Self {
        Self {
            generation: 1,
            stage: Stage::Free,
            tag: 0,
            endpoint: 0,
            connection: NONE,
            flags: 0,
            body: Body::Done,
            out: Vec::new(),
            sent: 0,
            head_bytes: 0,
            whole: true,
            replayed: false,
            ever_sent: false,
            deaf: false,
            dirty: false,
            paused: false,
            drain_wanted: false,
            drained: false,
            response: Response::new(),
            started_us: 0,
            deadline_us: u64::MAX,
            timer_at: 0,
        }
    }

    /// Begins a new request in this slot.
    pub(crate) fn begin(&mut self, tag: i32, endpoint: u32, flags: u32, now_us: u64) {
        self.tag = tag;
        self.endpoint = endpoint;
        self.flags = flags;
        self.connection = NONE;
        self.body = Body::Done;
        self.out.clear();
        self.out.shrink_to(KEPT_BYTES);
        self.sent = 0;
        self.whole = true;
        self.replayed = false;
        self.ever_sent = false;
        self.deaf = false;
        self.dirty = false;
        self.paused = false;
        self.drain_wanted = false;
        self.drained = false;
        self.response.reset();
        self.started_us = now_us;
        self.deadline_us = u64::MAX;
    }

    /// Settles the framing once the head is in `out`. False when the head does not say what the framing needs.
    pub(crate) fn frame(&mut self, framing: Framing) -> bool {
        self.head_bytes = self.out.len();
        self.body = match framing {
            Framing::None | Framing::Length(0) => Body::Done,
            Framing::Length(length) => Body::Left(length),
            Framing::Chunked => Body::Chunked,
            Framing::LengthInHead => match content_length(&self.out) {
                Some(0) => Body::Done,
                Some(length) => Body::Left(length),
                None => return false,
            },
        };
        true
    }

    /// Adds body bytes, framed. An error when they are more or fewer than announced.
    pub(crate) fn append(&mut self, bytes: &[u8], last: bool) -> Result<(), Reason> {
        match self.body {
            Body::Done | Body::RawEnded if bytes.is_empty() => {}
            Body::Done | Body::RawEnded => return Err(Reason::BodyMismatch),
            Body::Left(left) => {
                let after = left.checked_sub(bytes.len() as u64).ok_or(Reason::BodyMismatch)?;
                if last && after > 0 {
                    return Err(Reason::BodyMismatch);
                }
                self.body = if after == 0 { Body::Done } else { Body::Left(after) };
                self.push(bytes);
            }
            Body::Chunked => {
                if !bytes.is_empty() && !self.deaf {
                    // Writing to a Vec cannot fail.
                    drop(write!(self.out, "{:x}\r\n", bytes.len()));
                    self.out.extend_from_slice(bytes);
                    self.out.extend_from_slice(b"\r\n");
                }
                if last {
                    self.push(b"0\r\n\r\n");
                    self.body = Body::Done;
                }
            }
            Body::Raw => {
                self.push(bytes);
                if last {
                    self.body = Body::RawEnded;
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) {
        if !self.deaf {
            self.out.extend_from_slice(bytes);
        }
    }

    /// The peer takes no more; nothing of the request is kept.
    pub(crate) fn grow_deaf(&mut self) {
        self.deaf = true;
        self.whole = false;
        self.out.clear();
        self.sent = 0;
    }

    /// Nothing of the request went out on this connection.
    pub(crate) fn untouched(&self) -> bool {
        self.sent == 0 && self.whole
    }

    pub(crate) fn unsent(&self) -> usize {
        self.out.len() - self.sent
    }

    /// All of the request was written and has gone out.
    pub(crate) fn request_done(&self) -> bool {
        self.body == Body::Done && self.unsent() == 0 && !self.deaf
    }

    /// Gives back what the kernel took, unless it may have to be sent again.
    pub(crate) fn discard_sent(&mut self, keep: bool) {
        if keep && self.whole && self.out.len() <= self.head_bytes + KEPT_BYTES {
            return;
        }
        if self.sent == self.out.len() {
            self.whole &= self.sent == 0;
            self.out.clear();
            self.sent = 0;
        } else if self.sent >= HIGH_WATER {
            self.whole = false;
            self.out.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Whether a request whose connection was lost may go out once more without anyone being asked.
    pub(crate) fn may_replay(&self, reused: bool) -> bool {
        reused
            && !self.replayed
            && self.whole
            && !self.response.started()
            && (!self.ever_sent || self.flags & flag::REPLAYABLE != 0)
    }

    pub(crate) fn attempt(&self, reused: bool) -> i32 {
        let mut bits = 0;
        if !self.ever_sent {
            bits |= attempt::NOTHING_SENT;
        }
        if !self.response.started() {
            bits |= attempt::NOTHING_RECEIVED;
        }
        if reused {
            bits |= attempt::REUSED;
        }
        bits
    }

    /// Sets the deadline `after_us` from now (0: none) and sees to it that the wheel knows.
    pub(crate) fn set_deadline(&mut self, wheel: &mut Wheel, id: u32, now_us: u64, after_us: u64) {
        self.deadline_us = if after_us == 0 { u64::MAX } else { now_us + after_us };
        if after_us != 0 {
            let tick = tick_of(self.deadline_us);
            if self.timer_at == 0 || tick < self.timer_at {
                self.timer_at = wheel.insert(id, tick);
            }
        }
    }
}

/// The value of the head's one `Content-Length`; None when there is none, several, or no number.
fn content_length(head: &[u8]) -> Option<u64> {
    let mut found = None;
    for line in head.split(|byte| *byte == b'\n') {
        let Some((name, value)) = line.iter().position(|byte| *byte == b':').map(|at| line.split_at(at)) else {
            continue;
        };
        if name.eq_ignore_ascii_case(b"content-length") {
            let digits = value[1..].trim_ascii();
            if found.is_some() || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return None;
            }
            found = Some(std::str::from_utf8(digits).ok()?.parse().ok()?);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_one_content_length() {
        let of = |text: &str| content_length(text.as_bytes());
        assert_eq!(of("POST / HTTP/1.1\r\nHost: a\r\ncontent-LENGTH:  12 \r\n\r\n"), Some(12));
        assert_eq!(of("POST / HTTP/1.1\r\nContent-Length: 9223372036854775807\r\n\r\n"), Some(i64::MAX as u64));
        assert_eq!(of("POST / HTTP/1.1\r\nHost: a\r\n\r\n"), None);
        assert_eq!(of("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"), None);
        assert_eq!(of("POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n"), None);
        assert_eq!(of("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"), None);
    }

    #[test]
    fn frames_what_is_written() {
        let mut exchange = Exchange::new();
        exchange.begin(1, 0, 0, 0);
        assert!(exchange.frame(Framing::Chunked));
        assert_eq!(exchange.append(b"hello world, hello", false), Ok(()));
        assert_eq!(exchange.append(b"", false), Ok(()));
        assert_eq!(exchange.append(b"x", true), Ok(()));
        assert_eq!(exchange.out, b"12\r\nhello world, hello\r\n1\r\nx\r\n0\r\n\r\n");
        assert_eq!(exchange.append(b"y", false), Err(Reason::BodyMismatch));

        exchange.begin(1, 0, 0, 0);
        assert!(exchange.frame(Framing::Length(3)));
        assert_eq!(exchange.append(b"ab", false), Ok(()));
        assert_eq!(exchange.append(b"cd", false), Err(Reason::BodyMismatch));
        assert_eq!(exchange.append(b"", true), Err(Reason::BodyMismatch));
        assert_eq!(exchange.append(b"c", true), Ok(()));
        assert_eq!(exchange.append(b"", true), Ok(()));
        assert_eq!(exchange.out, b"abc");
    }
}
