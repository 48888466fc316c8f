//! Where a request begins and ends in the bytes of a connection (RFC 9112), no more.
//!
//! [`Framing::advance`] is given received bytes and says how many of them the front end may see now: whole heads, the
//! body, and never a byte past the end of the message. It rewrites in place what the front end would misread: empty
//! lines before a head and absolute-form targets go, chunk extensions and trailers are taken out (RFC 9112 7.1.1, 7.1.2:
//! a recipient may ignore both). Framing that two readers could understand differently is refused, never repaired.

use crate::edit::Edit;
use crate::head_lines::{Body, FRONT_END_LENGTH, body_of, shorten_length};
use memchr::memmem;

/// Bytes of one chunk-size line, and of all trailer lines together, that are tolerated.
const MAX_CHUNK_LINE: u32 = 4096;
const MAX_TRAILERS: u32 = 16 * 1024;
/// 15 hexadecimal digits: beyond any real chunk, below overflow.
const MAX_SIZE_DIGITS: u32 = 15;

/// Bounds of a request head; 0 means none.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Bytes of the head, request line and empty line included.
    pub bytes: usize,
    /// Header lines.
    pub lines: usize,
}

/// Why a message goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// 400: no request line, a stray CR or LF, ambiguous or broken framing.
    Malformed,
    /// 505: another version than HTTP/1.1.
    Version,
    /// 431: past [`HeadLimits`].
    HeadTooLarge,
}

/// What [`Framing::advance`] stopped at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// All bytes are used and the message goes on.
    More,
    /// The head is incomplete: the bytes from `consumed` on must be given again, with more behind them.
    NeedHead,
    /// The message ended at `consumed`.
    End,
    /// Nothing more of this connection may reach the front end.
    Refuse(Refused),
}

/// The outcome of one [`Framing::advance`].
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Bytes used of the input.
    pub consumed: usize,
    /// Bytes for the front end; they lie at the front of the input.
    pub delivered: usize,
    /// A head was completed; its bytes as received are in the sink.
    pub head: bool,
    /// Why it ended here.
    pub stop: Stop,
}

/// ```text
///          head, no body
///        ┌───────────────┐
///        v               │
///   -> Start ──> head ───┼──> Body(n) ───────────────> Start
///                        └──> Size ──> Data ──> Size … ──> Trailer ──> Start
/// ```
#[derive(Clone, Copy, Debug)]
enum State {
    Start,
    Body(u64),
    /// A body longer than the front end can count, up to where its count ends.
    Endless(u64),
    Size {
        value: u64,
        digits: u32,
    },
    /// After the digits: white space that only a `;` may follow, dropped.
    Space {
        value: u64,
        seen: u32,
    },
    /// After the digits, up to CR: `;name=value`, dropped.
    Extension {
        value: u64,
        seen: u32,
    },
    /// CR seen, LF due.
    SizeEnd {
        value: u64,
    },
    Data(u64),
    DataCr,
    DataLf,
    /// At the start of a trailer line; CR here ends the message.
    TrailerStart {
        seen: u32,
    },
    Trailer {
        seen: u32,
    },
    TrailerLf {
        seen: u32,
    },
    LastLf,
    Refused(Refused),
}

/// The framing machine of one connection.
#[derive(Debug)]
pub struct Framing {
    state: State,
    /// Bytes at the front of the input that hold no end of head, from the last call.
    searched: usize,
}

impl Default for Framing {
    fn default() -> Self {
        Self::new()
    }
}

impl Framing {
    /// At the start of a connection.
    pub const fn new() -> Self {
        Self { state: State::Start, searched: 0 }
    }

    /// Between two messages: no byte of the next head has been delivered.
    pub const fn at_start(&self) -> bool {
        matches!(self.state, State::Start)
    }

    /// Body bytes that are still due, where the length is known.
    pub const fn remaining(&self) -> Option<u64> {
        match self.state {
            State::Body(remaining) | State::Endless(remaining) => Some(remaining),
            _ => None,
        }
    }

    /// Whether a chunked body is being received.
    pub const fn in_chunks(&self) -> bool {
        !matches!(self.state, State::Start | State::Body(_) | State::Endless(_) | State::Refused(_))
    }

    /// Goes on with received bytes, up to the end of one message. A completed head replaces what is in `head`.
    pub fn advance(&mut self, bytes: &mut [u8], limits: HeadLimits, head: &mut Vec<u8>) -> Step {
        let mut edit = Edit { bytes, read: 0, written: 0 };
        let mut completed = false;
        let stop = loop {
            match self.state {
                State::Start => match self.take_head(&mut edit, limits, head) {
                    None => {
                        completed = true;
                        if self.at_start() {
                            break Stop::End;
                        }
                    }
                    Some(stop) => break stop,
                },
                State::Body(remaining) => {
                    let taken = edit.keep(remaining);
                    if taken == remaining {
                        self.state = State::Start;
                        break Stop::End;
                    }
                    self.state = State::Body(remaining - taken);
                    break Stop::More;
                }
                State::Endless(remaining) => {
                    let taken = edit.keep(remaining);
                    self.state = State::Endless(remaining - taken);
                    // 10^18 bytes take longer than connections live. Were they to come, the front end would take the
                    // next one for a request.
                    break if taken == remaining { Stop::Refuse(Refused::Malformed) } else { Stop::More };
                }
                State::Refused(why) => break Stop::Refuse(why),
                _ => {
                    if let Some(stop) = self.take_chunks(&mut edit) {
                        break stop;
                    }
                }
            }
        };
        if let Stop::Refuse(why) = stop {
            self.state = State::Refused(why);
        }
        Step { consumed: edit.read, delivered: edit.written, head: completed, stop }
    }

    /// `None`: a head was delivered, and the state says what follows it.
    fn take_head(&mut self, edit: &mut Edit<'_>, limits: HeadLimits, head: &mut Vec<u8>) -> Option<Stop> {
        // RFC 9112 2.2: an empty line before a request line is ignored. The front end would wait for ever at it.
        if self.searched == 0 {
            while edit.rest().starts_with(b"\r\n") {
                edit.read += 2;
            }
        }
        let rest = edit.rest();
        match rest {
            [b'\r', _, ..] => return Some(Stop::Refuse(Refused::Malformed)),
            // No method begins so: whoever speaks something else (TLS begins with 0x16) need not wait for an answer.
            [first, ..] if *first != b'\r' && !first.is_ascii_graphic() => {
                return Some(Stop::Refuse(Refused::Malformed));
            }
            _ => {}
        }
        let limit = if limits.bytes == 0 { usize::MAX } else { limits.bytes };
        let from = self.searched.min(rest.len());
        let Some(found) = memmem::find(&rest[from..], b"\r\n\r\n") else {
            if rest.len() >= limit {
                return Some(Stop::Refuse(Refused::HeadTooLarge));
            }
            self.searched = rest.len().saturating_sub(3);
            return Some(if rest.is_empty() && edit.read > 0 { Stop::More } else { Stop::NeedHead });
        };
        self.searched = 0;
        let end = from + found + 4;
        if end > limit {
            return Some(Stop::Refuse(Refused::HeadTooLarge));
        }
        let received = &rest[..end];
        let body = match body_of(received, limits.lines) {
            Ok(body) => body,
            Err(why) => return Some(Stop::Refuse(why)),
        };
        head.clear();
        head.extend_from_slice(received);
        if let Body::LongLength(length) = body {
            shorten_length(&mut edit.bytes[edit.read..edit.read + end], length);
        }
        edit.keep_head(end);
        self.state = match body {
            Body::None | Body::Length(0) | Body::LongLength(0) => State::Start,
            Body::LongLength(length) if length > FRONT_END_LENGTH => State::Endless(FRONT_END_LENGTH),
            Body::Length(length) | Body::LongLength(length) => State::Body(length),
            Body::Chunked => State::Size { value: 0, digits: 0 },
        };
        None
    }

    /// Runs through a chunked body, byte by byte in its lines and at once through its data. `None`: state Start or Body.
    fn take_chunks(&mut self, edit: &mut Edit<'_>) -> Option<Stop> {
        while let Some(&byte) = edit.rest().first() {
            let malformed = Some(Stop::Refuse(Refused::Malformed));
            self.state = match (self.state, byte) {
                (State::Size { value, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                    if digits == MAX_SIZE_DIGITS {
                        return malformed;
                    }
                    edit.keep(1);
                    State::Size { value: value << 4 | u64::from(hex(byte)), digits: digits + 1 }
                }
                (State::Size { value, digits: 1.. } | State::Extension { value, .. }, b'\r') => {
                    edit.keep(1);
                    State::SizeEnd { value }
                }
                (State::Size { value, digits: 1.. }, b' ' | b'\t') => State::Space { value, seen: 0 },
                (State::Size { value, digits: 1.. }, b';') => State::Extension { value, seen: 0 },
                (State::Space { value, seen }, b' ' | b'\t') if seen < MAX_CHUNK_LINE => {
                    edit.read += 1;
                    State::Space { value, seen: seen + 1 }
                }
                (State::Space { value, seen }, b';') => State::Extension { value, seen },
                (State::Extension { value, seen }, _) if seen < MAX_CHUNK_LINE && is_text(byte) => {
                    edit.read += 1;
                    State::Extension { value, seen: seen + 1 }
                }
                (State::SizeEnd { value }, b'\n') => {
                    edit.keep(1);
                    if value == 0 { State::TrailerStart { seen: 0 } } else { State::Data(value) }
                }
                (State::Data(remaining), _) => {
                    let taken = edit.keep(remaining);
                    if taken == remaining { State::DataCr } else { State::Data(remaining - taken) }
                }
                (State::DataCr, b'\r') => {
                    edit.keep(1);
                    State::DataLf
                }
                (State::DataLf, b'\n') => {
                    edit.keep(1);
                    State::Size { value: 0, digits: 0 }
                }
                (State::TrailerStart { .. }, b'\r') => {
                    edit.keep(1);
                    State::LastLf
                }
                (State::TrailerStart { seen }, _) if is_text(byte) && byte != b' ' && byte != b'\t' => {
                    State::Trailer { seen }
                }
                (State::Trailer { seen }, b'\r') => {
                    edit.read += 1;
                    State::TrailerLf { seen }
                }
                (State::Trailer { seen }, _) if seen < MAX_TRAILERS && is_text(byte) => {
                    edit.read += 1;
                    State::Trailer { seen: seen + 1 }
                }
                (State::TrailerLf { seen }, b'\n') => {
                    edit.read += 1;
                    State::TrailerStart { seen }
                }
                (State::LastLf, b'\n') => {
                    edit.keep(1);
                    self.state = State::Start;
                    return Some(Stop::End);
                }
                _ => return malformed,
            };
        }
        Some(Stop::More)
    }
}

const fn hex(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        _ => byte - b'A' + 10,
    }
}

/// Allowed in a chunk extension or a trailer line: no control characters but tab.
const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod tests;
