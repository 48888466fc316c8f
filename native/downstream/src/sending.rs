//! What the front end sends on one connection, on its way to the kernel: the `send` hook's part that is not about
//! answers. Makes no system call itself.
//!
//! 1. What the front end announces as a beginning (`MSG_MORE`: a head, a chunk's size line) is held and leaves together
//!    with what follows it in the same turn. That saves a call, and mends a fault: where such a beginning does not leave
//!    whole, uWebSockets.js drops the bytes behind it (`AsyncSocket::uncork`, mended in its core's 6b7f354), and a
//!    chunked body lacks a piece.
//! 2. A response's head leaves before its first body byte. uWebSockets.js completes a head only when it has some: asked
//!    to ([`Sending::head_alone`]) we complete it, and leave out what it writes later.

use crate::answers::http_date_now;

/// The front end's cork buffer. Larger beginnings, and a TLS record that is followed by another (16,413 bytes), are not
/// held: of those the rest may come late.
const MOST_HELD: usize = 16 * 1024;

/// How one `send` went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// So many of the front end's bytes are done with.
    Bytes(usize),
    /// None; the kernel takes no more for now.
    Nothing,
    /// The kernel failed; errno says how.
    Failed,
    /// The front end does not complete the head as expected: nothing right can follow on this connection.
    Broken,
}

/// How the body behind a head is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    Length(u64),
    Chunked,
}

#[derive(Clone, Copy, Debug)]
enum Head {
    /// As the front end does it.
    Plain,
    /// What it sends next is the unfinished head, and is to be completed.
    Due(BodyFraming),
    /// Completed; what it sends next begins with its own end of the head.
    Done(BodyFraming),
}

/// Gives bytes to the kernel: two parts in one call, and whether more follow at once. As `send`: a count, or below 0.
pub trait Kernel: FnMut(&[u8], &[u8], bool) -> isize {}
impl<F: FnMut(&[u8], &[u8], bool) -> isize> Kernel for F {}

/// State of one connection's sending side.
#[derive(Debug)]
pub struct Sending {
    held: Vec<u8>,
    head: Head,
    /// The kernel did not take all of the last `send`: the front end keeps the rest and waits.
    pub short: bool,
}

impl Sending {
    pub const fn new() -> Self {
        Self { held: Vec::new(), head: Head::Plain, short: false }
    }

    /// The unfinished head that the front end sends next is to leave as a whole.
    pub fn head_alone(&mut self, body: BodyFraming) {
        self.head = Head::Due(body);
    }

    /// One `send` of the front end. `more`: it has said that more follows in the same turn.
    pub fn send(&mut self, bytes: &[u8], more: bool, kernel: impl Kernel) -> Sent {
        let sent = match self.head {
            Head::Plain => self.pass(bytes, more, kernel),
            Head::Due(body) => self.send_head(bytes, more, body, kernel),
            Head::Done(body) => self.send_first(bytes, more, body, kernel),
        };
        self.short = sent != Sent::Bytes(bytes.len());
        sent
    }

    /// What is held, before the front end sends in another way. False: it cannot leave now.
    pub fn flush(&mut self, kernel: impl Kernel) -> bool {
        self.held.is_empty() || matches!(self.pass(&[], false, kernel), Sent::Bytes(_)) && self.held.is_empty()
    }

    fn pass(&mut self, bytes: &[u8], more: bool, mut kernel: impl Kernel) -> Sent {
        let held = self.held.len();
        if more && held + bytes.len() <= MOST_HELD {
            self.held.extend_from_slice(bytes);
            return Sent::Bytes(bytes.len());
        }
        if held == 0 {
            return if bytes.is_empty() { Sent::Bytes(0) } else { outcome(kernel(bytes, &[], more)) };
        }
        match outcome(kernel(&self.held, bytes, more)) {
            Sent::Bytes(count) if count < held => {
                self.held.drain(..count);
                Sent::Nothing
            }
            Sent::Bytes(count) => {
                // Idle connections keep no buffer.
                self.held = Vec::new();
                if count == held && !bytes.is_empty() { Sent::Nothing } else { Sent::Bytes(count - held) }
            }
            failed => failed,
        }
    }

    /// The unfinished head, in one piece: what is not that (a head larger than the cork buffer comes in several) leaves
    /// as it is, and the front end completes it by itself with the first bytes of the body.
    fn send_head(&mut self, bytes: &[u8], more: bool, body: BodyFraming, mut kernel: impl Kernel) -> Sent {
        self.head = Head::Plain;
        let unfinished = bytes.starts_with(b"HTTP/1.1 ")
            && bytes.ends_with(b"\r\n")
            && memchr::memmem::find(bytes, b"\r\n\r\n").is_none();
        if more || !unfinished || !self.held.is_empty() {
            return self.pass(bytes, more, kernel);
        }
        let end = end_of_head(body);
        match outcome(kernel(bytes, &end, false)) {
            Sent::Bytes(count) if count >= bytes.len() => {
                self.head = Head::Done(body);
                self.held.extend_from_slice(&end[count - bytes.len()..]);
                Sent::Bytes(bytes.len())
            }
            // A client that does not read would not see it anyway.
            other => other,
        }
    }

    fn send_first(&mut self, bytes: &[u8], more: bool, body: BodyFraming, kernel: impl Kernel) -> Sent {
        self.head = Head::Plain;
        let Some((end, framing)) = own_end_of_head(bytes) else {
            return Sent::Broken;
        };
        let rest = &bytes[end..];
        let skipped = match (body, framing) {
            (BodyFraming::Chunked, BodyFraming::Chunked) => end,
            // It ended without a byte. The last chunk, `0\r\n\r\n`, takes its end from the front end's bytes, so that it is
            // the front end that waits where the kernel has no room.
            (BodyFraming::Chunked, BodyFraming::Length(0)) if rest.is_empty() => {
                self.held.extend_from_slice(b"0\r\n");
                end - 2
            }
            (BodyFraming::Length(told), BodyFraming::Length(length)) if told == length => end,
            _ => return Sent::Broken,
        };
        match self.pass(&bytes[skipped..], more, kernel) {
            Sent::Bytes(count) => Sent::Bytes(skipped + count),
            // What is skipped is done with, also where nothing else left: a failure shows in the next attempt.
            _ => Sent::Bytes(skipped),
        }
    }
}

fn outcome(result: isize) -> Sent {
    match usize::try_from(result) {
        Ok(0) => Sent::Nothing,
        Ok(count) => Sent::Bytes(count),
        Err(_) => Sent::Failed,
    }
}

fn end_of_head(body: BodyFraming) -> Vec<u8> {
    let date = http_date_now();
    match body {
        BodyFraming::Length(length) => format!("Date: {date}\r\nContent-Length: {length}\r\n\r\n"),
        BodyFraming::Chunked => format!("Date: {date}\r\nTransfer-Encoding: chunked\r\n\r\n"),
    }
    .into_bytes()
}

/// Where the front end's own end of a head ends in `bytes`, and how it frames the body:
/// `[Connection: close] Date: … [uWebSockets: 20] (Content-Length: n | Transfer-Encoding: chunked)`, empty line.
fn own_end_of_head(bytes: &[u8]) -> Option<(usize, BodyFraming)> {
    const DATE_BYTES: usize = "Tue, 24 Nov 2026 08:06:00 GMT".len();
    let optional = |rest: &'_ [u8], line: &[u8]| if rest.starts_with(line) { line.len() } else { 0 };
    let mut at = optional(bytes, b"Connection: close\r\n");
    at += bytes[at..].starts_with(b"Date: ").then_some(b"Date: ".len() + DATE_BYTES)?;
    at += bytes.get(at..)?.starts_with(b"\r\n").then_some(2)?;
    at += optional(&bytes[at..], b"uWebSockets: 20\r\n");
    let rest = &bytes[at..];
    if rest.starts_with(b"Transfer-Encoding: chunked\r\n\r\n") {
        return Some((at + b"Transfer-Encoding: chunked\r\n\r\n".len(), BodyFraming::Chunked));
    }
    let digits = rest.strip_prefix(b"Content-Length: ")?;
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits[count..].starts_with(b"\r\n\r\n").then_some(())?;
    let length = std::str::from_utf8(&digits[..count]).ok()?.parse().ok()?;
    Some((at + b"Content-Length: ".len() + count + 4, BodyFraming::Length(length)))
}

#[cfg(test)]
#[path = "sending_tests.rs"]
mod tests;
