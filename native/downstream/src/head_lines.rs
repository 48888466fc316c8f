//! The lines of a head: whether the front end will see the same ones, and what body they announce.

use crate::framing::Refused;
use memchr::{memchr, memchr2};

/// What follows a head.
pub enum Body {
    None,
    Length(u64),
    /// Written with more digits than the front end reads.
    LongLength(u64),
    Chunked,
}

/// Digits that the front end reads (uWebSockets `toUnsignedInteger`); it answers more with 400.
const FRONT_END_DIGITS: usize = 18;
/// The largest number of that many digits.
pub const FRONT_END_LENGTH: u64 = 999_999_999_999_999_999;

/// Checks the lines of a head and finds how the body after it is framed (RFC 9112 2.2, 3, 6.3).
///
/// A stray CR in a line makes the front end wait for more as if the head were unfinished, so it is refused here.
pub fn body_of(head: &[u8], max_lines: usize) -> Result<Body, Refused> {
    let mut length: Option<u64> = None;
    let mut long = false;
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
                    long = value.len() > FRONT_END_DIGITS;
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
        (Some(length), false) if long => Ok(Body::LongLength(length)),
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

/// Puts the length of a `LongLength` into as many digits as the front end reads, behind white space: the head stays as
/// long as it was. A length beyond them becomes [`FRONT_END_LENGTH`].
pub fn shorten_length(head: &mut [u8], length: u64) {
    const NAME: &[u8] = b"content-length:";
    let mut at = 0;
    while let Some(end) = memchr(b'\n', &head[at..]) {
        let line = &mut head[at..at + end];
        at += end + 1;
        if line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME) {
            // Up to CR.
            let value = NAME.len()..line.len() - 1;
            line[value.clone()].fill(b' ');
            let mut rest = length.min(FRONT_END_LENGTH);
            for place in line[value].iter_mut().rev() {
                *place = b'0' + (rest % 10) as u8;
                rest /= 10;
                if rest == 0 {
                    return;
                }
            }
        }
    }
}

/// Digits that are read: 2^63 - 1 has 19, and a sender may pad with zeros. `native/head` has the same bound.
const MAX_LENGTH_DIGITS: usize = 32;

/// Digits only, and below 2^63.
fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > MAX_LENGTH_DIGITS {
        return None;
    }
    let parsed = value.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })?;
    (parsed < 1 << 63).then_some(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_below_two_to_the_63rd_with_zeros_before_them() {
        let zeros = |digits: &str| format!("{digits:0>32}");
        for (text, expected) in [
            ("0".to_owned(), 0),
            ("18".to_owned(), 18),
            ("999999999999999999".to_owned(), FRONT_END_LENGTH),
            ("1000000000000000000".to_owned(), FRONT_END_LENGTH + 1),
            ("9223372036854775807".to_owned(), i64::MAX as u64),
            (zeros("5"), 5),
            (zeros("9223372036854775807"), i64::MAX as u64),
        ] {
            assert_eq!(decimal(text.as_bytes()), Some(expected), "{text}");
        }
        for text in [
            String::new(),
            "9223372036854775808".to_owned(),
            "18446744073709551615".to_owned(),
            "18446744073709551616".to_owned(),
            "18446744073709551621".to_owned(),
            "99999999999999999999999999999999".to_owned(),
            format!("0{}", zeros("5")),
            "+5".to_owned(),
            "-5".to_owned(),
            "5 5".to_owned(),
            "0x5".to_owned(),
            "\u{665}".to_owned(),
        ] {
            assert_eq!(decimal(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_length_that_the_front_end_cannot_read_is_written_shorter_in_the_same_room() {
        for (value, length, expected) in [
            (" 0000000000000000000005", 5, "                      5"),
            ("0000000000000000000000", 0, "                     0"),
            (" 1000000000000000000 ", FRONT_END_LENGTH + 1, "   999999999999999999"),
            ("9223372036854775807", i64::MAX as u64, " 999999999999999999"),
        ] {
            let head = |value: &str| {
                format!("POST / HTTP/1.1\r\nContent-Lengths: 1\r\ncontent-LENGTH:{value}\r\nA: b\r\n\r\n")
            };
            let mut bytes = head(value).into_bytes();
            shorten_length(&mut bytes, length);
            assert_eq!(String::from_utf8_lossy(&bytes), head(expected), "{value}");
        }
    }
}
