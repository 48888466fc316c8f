//! A response as it comes, at whatever bytes it is cut: head (strict, RFC 9112), framing, body. Works in place in the
//! slab: header lines are rewritten into a reserve kept free in front of them, chunked bodies are moved together.
//! Knows no sockets; a `Response` serves one request after another.

use std::mem::MaybeUninit;

use crate::chunked::Chunked;
use crate::row::Reason;

/// The largest response head, status line and empty line included.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;
const MAX_HEADERS: usize = 256;
/// How much longer rewritten lines may be than the head they come from: `name:value` becomes `name: value`, and a 101
/// gets its `connection` line.
const GROWTH_BYTES: usize = MAX_HEADERS + 32;
/// 1xx responses before the final one. Some servers send a 102 every few seconds; none sends this many.
const MAX_INTERIM: u32 = 100;
/// Longer bodies are never turned into strings, so nobody asks whether they are ASCII.
const ASCII_LOOK_BYTES: usize = 16 * 1024;

#[derive(Debug)]
enum Phase {
    Head,
    Length(u64),
    Chunked(Chunked),
    UntilClose,
    Upgraded,
    Complete,
}

/// What the request determines about its response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    pub head_request: bool,
    pub upgrade: bool,
    /// Put before the header lines.
    pub prefix: &'a [u8],
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub status: u16,
    /// Length of the rewritten lines; they lie at the region's begin.
    pub lines: usize,
    pub content_length: Option<u64>,
    pub bodiless: bool,
    pub upgraded: bool,
    pub ascii: bool,
}

/// What one read brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    pub head: Option<Head>,
    /// Offset in the region, and length.
    pub body: (usize, usize),
    pub ascii_body: bool,
    pub end: bool,
    /// Bytes came after the end: the connection cannot be used again.
    pub leftover: bool,
}

#[derive(Debug)]
pub(crate) struct Response {
    phase: Phase,
    /// A head that is not complete yet, and how much of it was looked through for its end.
    partial: Vec<u8>,
    scanned: usize,
    interim: u32,
    keep_alive: bool,
    started: bool,
}

impl Response {
    pub(crate) fn new() -> Self {
        Self { phase: Phase::Head, partial: Vec::new(), scanned: 0, interim: 0, keep_alive: false, started: false }
    }

    pub(crate) fn reset(&mut self) {
        self.phase = Phase::Head;
        self.partial.clear();
        self.partial.shrink_to(4096);
        self.scanned = 0;
        self.interim = 0;
        self.keep_alive = false;
        self.started = false;
    }

    /// Whether any byte of a response (also an interim one) has come.
    pub(crate) fn started(&self) -> bool {
        self.started
    }

    pub(crate) fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    pub(crate) fn head_done(&self) -> bool {
        !matches!(self.phase, Phase::Head)
    }

    pub(crate) fn upgraded(&self) -> bool {
        matches!(self.phase, Phase::Upgraded)
    }

    /// Bytes that must be free in the region before the place to read to.
    pub(crate) fn reserve(&self, prefix: &[u8]) -> usize {
        if self.head_done() { 0 } else { prefix.len() + GROWTH_BYTES + self.partial.len() }
    }

    /// Puts what is known of an incomplete head into the region; returns where to read to. The region is larger than
    /// [`Response::reserve`].
    pub(crate) fn prepare(&self, region: &mut [u8], prefix: &[u8]) -> usize {
        let at = self.reserve(prefix);
        if !self.partial.is_empty() {
            region[at - self.partial.len()..at].copy_from_slice(&self.partial);
        }
        at
    }

    /// Takes what was read to where [`Response::prepare`] said. `filled` is the end of the bytes in the region.
    pub(crate) fn consume(
        &mut self,
        region: &mut [u8],
        filled: usize,
        expected: Expected,
        lines: &mut Vec<u8>,
    ) -> Result<Piece, Reason> {
        self.started = true;
        if self.head_done() {
            return self.body(region, 0, filled, None);
        }
        let mut at = self.reserve(expected.prefix) - self.partial.len();
        loop {
            let bytes = &region[at..filled];
            let Some(length) = self.find_end(bytes)? else {
                self.partial.clear();
                self.partial.extend_from_slice(bytes);
                return Ok(Piece::default());
            };
            self.scanned = 0;
            let head = self.head(&region[at..at + length], expected, lines)?;
            at += length;
            if let Some(head) = head {
                self.partial.clear();
                region[..lines.len()].copy_from_slice(lines);
                return self.body(region, at, filled, Some(head));
            }
        }
    }

    /// The end of the stream. Ok when the response is complete by it.
    pub(crate) fn end_of_stream(&mut self) -> bool {
        let complete = matches!(self.phase, Phase::UntilClose | Phase::Upgraded);
        if complete {
            self.phase = Phase::Complete;
        }
        complete
    }

    /// The length of the head at the begin of `bytes`, if its end is there. Finds bare LF and what is no HTTP/1.x at
    /// once, for such a peer may never send what would end the head.
    fn find_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, Reason> {
        let known = bytes.len().min(7);
        if bytes[..known] != b"HTTP/1."[..known] {
            return Err(Reason::BadResponse);
        }
        for at in memchr::memchr_iter(b'\n', &bytes[self.scanned..]) {
            let at = self.scanned + at;
            if at == 0 || bytes[at - 1] != b'\r' {
                return Err(Reason::BadResponse);
            }
            if at >= 3 && &bytes[at - 3..at] == b"\r\n\r" {
                return if at < MAX_HEAD_BYTES { Ok(Some(at + 1)) } else { Err(Reason::HeadTooLarge) };
            }
        }
        self.scanned = bytes.len();
        if bytes.len() >= MAX_HEAD_BYTES { Err(Reason::HeadTooLarge) } else { Ok(None) }
    }

    /// Parses one whole head and settles the framing. None for an interim (1xx) response.
    fn head(&mut self, bytes: &[u8], expected: Expected, lines: &mut Vec<u8>) -> Result<Option<Head>, Reason> {
        let mut headers = [const { MaybeUninit::<httparse::Header>::uninit() }; MAX_HEADERS];
        let mut parsed = httparse::Response::new(&mut []);
        match httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, bytes, &mut headers) {
            Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
            Err(httparse::Error::TooManyHeaders) => return Err(Reason::HeadTooLarge),
            _ => return Err(Reason::BadResponse),
        }
        let (Some(status), Some(minor)) = (parsed.code, parsed.version) else { return Err(Reason::BadResponse) };
        let fields = Fields::of(parsed.headers, minor)?;
        let upgraded = status == 101;
        if status < 200 && !upgraded {
            self.interim += 1;
            return if status < 100 || self.interim > MAX_INTERIM { Err(Reason::BadResponse) } else { Ok(None) };
        }
        if upgraded && (!expected.upgrade || minor == 0) {
            return Err(Reason::BadResponse);
        }
        let bodiless = expected.head_request || status == 204 || status == 304;
        self.keep_alive = if minor == 1 { !fields.close } else { fields.keep_alive && !fields.close };
        self.phase = if upgraded {
            Phase::Upgraded
        } else if bodiless || (fields.length == Some(0) && !fields.chunked) {
            Phase::Complete
        } else if fields.chunked {
            Phase::Chunked(Chunked::new())
        } else if let Some(length) = fields.length {
            Phase::Length(length)
        } else {
            self.keep_alive = false;
            Phase::UntilClose
        };
        fields.write_lines(parsed.headers, upgraded, expected.prefix, lines);
        Ok(Some(Head {
            status,
            lines: lines.len(),
            // RFC 9110, 8.6: a length with 101 or 204 says nothing.
            content_length: fields.length.filter(|_| !upgraded && status != 204),
            bodiless: bodiless && !upgraded,
            upgraded,
            ascii: lines.is_ascii(),
        }))
    }

    fn body(&mut self, region: &mut [u8], at: usize, filled: usize, head: Option<Head>) -> Result<Piece, Reason> {
        let available = filled - at;
        let (start, length, consumed) = match &mut self.phase {
            Phase::Length(left) => {
                let take = (*left).min(available as u64) as usize;
                *left -= take as u64;
                if *left == 0 {
                    self.phase = Phase::Complete;
                }
                (at, take, take)
            }
            Phase::Chunked(chunks) => {
                let decoded = chunks.decode(region, at, filled)?;
                if decoded.done {
                    self.phase = Phase::Complete;
                }
                (decoded.start, decoded.length, decoded.consumed)
            }
            Phase::UntilClose | Phase::Upgraded => (at, available, available),
            Phase::Head | Phase::Complete => (at, 0, 0),
        };
        Ok(Piece {
            head,
            body: (start, length),
            ascii_body: length <= ASCII_LOOK_BYTES && region[start..start + length].is_ascii(),
            end: matches!(self.phase, Phase::Complete),
            leftover: consumed < available,
        })
    }
}

/// Fields that bear on framing and the connection, and so are not passed on.
#[derive(Debug, Default)]
// Reason: each is one independent fact of the head.
#[allow(clippy::struct_excessive_bools)]
struct Fields {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    /// `Connection` names other fields.
    names_others: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    PassedOn,
    Length,
    Coding,
    Connection,
    Upgrade,
    /// Keep-Alive, Proxy-Connection, TE, Trailer: hop-by-hop. Date: the front end writes its own.
    Dropped,
}

fn class_of(name: &str) -> Class {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    match name.len() {
        2 if is("te") => Class::Dropped,
        4 if is("date") => Class::Dropped,
        7 if is("trailer") => Class::Dropped,
        7 if is("upgrade") => Class::Upgrade,
        10 if is("connection") => Class::Connection,
        10 if is("keep-alive") => Class::Dropped,
        14 if is("content-length") => Class::Length,
        16 if is("proxy-connection") => Class::Dropped,
        17 if is("transfer-encoding") => Class::Coding,
        _ => Class::PassedOn,
    }
}

/// The elements of a comma-separated list, trimmed, empty ones left out (RFC 9110, 5.6.1).
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

impl Fields {
    fn of(headers: &[httparse::Header], minor: u8) -> Result<Self, Reason> {
        let mut fields = Self::default();
        for header in headers {
            match class_of(header.name) {
                Class::Length => {
                    // RFC 9112, 6.3 would let equal values pass; a peer that repeats itself here is not to be trusted.
                    if fields.length.is_some() {
                        return Err(Reason::BadResponse);
                    }
                    fields.length = Some(decimal(header.value).ok_or(Reason::BadResponse)?);
                }
                Class::Coding => {
                    if fields.chunked || minor == 0 || !header.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                        return Err(Reason::BadResponse);
                    }
                    fields.chunked = true;
                }
                Class::Connection => {
                    for element in elements(header.value) {
                        if element.eq_ignore_ascii_case(b"close") {
                            fields.close = true;
                        } else if element.eq_ignore_ascii_case(b"keep-alive") {
                            fields.keep_alive = true;
                        } else {
                            fields.names_others = true;
                        }
                    }
                }
                Class::PassedOn | Class::Upgrade | Class::Dropped => {}
            }
        }
        if fields.chunked && fields.length.is_some() {
            return Err(Reason::BadResponse);
        }
        Ok(fields)
    }

    /// Writes prefix and passed-on fields, each as CRLF, name, colon, space, value.
    fn write_lines(&self, headers: &[httparse::Header], upgraded: bool, prefix: &[u8], lines: &mut Vec<u8>) {
        lines.clear();
        lines.extend_from_slice(prefix);
        if upgraded {
            lines.extend_from_slice(b"\r\nconnection: upgrade");
        }
        for header in headers {
            let class = class_of(header.name);
            let passed = class == Class::PassedOn || (class == Class::Upgrade && upgraded);
            let named = class == Class::PassedOn && self.names_others && connection_names(headers, header.name);
            if passed && !named {
                lines.extend_from_slice(b"\r\n");
                lines.extend_from_slice(header.name.as_bytes());
                lines.extend_from_slice(b": ");
                lines.extend_from_slice(header.value.trim_ascii());
            }
        }
    }
}

fn connection_names(headers: &[httparse::Header], name: &str) -> bool {
    headers
        .iter()
        .filter(|header| class_of(header.name) == Class::Connection)
        .any(|header| elements(header.value).any(|element| element.eq_ignore_ascii_case(name.as_bytes())))
}

/// Digits only, at most 2^63 - 1.
fn decimal(value: &[u8]) -> Option<u64> {
    let digits = value.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let text = std::str::from_utf8(digits).ok()?;
    text.parse::<u64>().ok().filter(|length| i64::try_from(*length).is_ok())
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
