//! The lines of a head: whether the front end will see the same ones, and what body they announce.

use crate::framing::Refused;
use memchr::memchr2;

/// What follows a head.
pub enum Body {
    None,
    Length(u64),
    Chunked,
}

/// Checks the lines of a head and finds how the body after it is framed (RFC 9112 2.2, 3, 6.3).
///
/// A stray CR in a line makes the front end wait for more as if the head were unfinished, so it is refused here.
pub fn body_of(head: &[u8], max_lines: usize) -> Result<Body, Refused> {
    let mut length: Option<u64> = None;
    let mut chunked = false;
    let mut lines = 0;
    let mut at = 0;
    while let Some(end) = memchr2(b'\r', b'\n', &head[at..]) {
        let line = &head[at..at + end];
        if !head[at + end..].starts_with(b"\r\n") {
            return Err(Refused::Malformed);
        }
        if at == 0 {
            check_request_line(line)?;
        }
        at += end + 2;
        lines += 1;
        match line.first() {
            // An empty name hides all later headers from the front end (uWebSockets fd3c537).
            Some(b':') => return Err(Refused::Malformed),
            Some(b'c' | b'C') => {
                if let Some(value) = value_of(line, b"content-length:") {
                    let parsed = decimal(value).ok_or(Refused::Malformed)?;
                    if length.replace(parsed).is_some() {
                        return Err(Refused::Malformed);
                    }
                }
            }
            Some(b't' | b'T') => {
                if let Some(value) = value_of(line, b"transfer-encoding:") {
                    if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                        return Err(Refused::Malformed);
                    }
                    chunked = true;
                }
            }
            _ => {}
        }
    }
    // Request line and empty line were counted too.
    if max_lines != 0 && lines > max_lines + 2 {
        return Err(Refused::HeadTooLarge);
    }
    match (length, chunked) {
        (Some(_), true) => Err(Refused::Malformed),
        (Some(length), false) => Ok(Body::Length(length)),
        (None, true) => Ok(Body::Chunked),
        (None, false) => Ok(Body::None),
    }
}

/// `method SP target SP HTTP/1.1`, and no other byte up to a space. What else is wrong with it the front end answers.
fn check_request_line(line: &[u8]) -> Result<(), Refused> {
    if line.iter().filter(|byte| **byte <= b' ').count() != 2 {
        return Err(Refused::Malformed);
    }
    let mut words = line.split(|byte| *byte == b' ');
    match (words.next(), words.next(), words.next()) {
        (Some([_, ..]), Some([_, ..]), Some(b"HTTP/1.1")) => Ok(()),
        (Some([_, ..]), Some([_, ..]), Some([b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'])) => {
            Err(Refused::Version)
        }
        _ => Err(Refused::Malformed),
    }
}

/// The trimmed value, if the line's name is `name` (lower case, colon included).
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

/// Digits only, and below 2^63.
fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 18 {
        return None;
    }
    value.iter().try_fold(0u64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
}
