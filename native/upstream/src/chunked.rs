//! Decoder of the chunked transfer coding (RFC 9112, section 7.1), strict and resumable at any byte. Trailers are read
//! over and dropped; chunk extensions likewise.

use crate::row::Reason;

/// Bytes of one chunk-size line, and of the whole trailer section.
const MAX_LINE_BYTES: u32 = 4096;
const MAX_TRAILER_BYTES: u32 = 16 * 1024;
/// 16 hexadecimal digits are 64 bits; leading zeros count, or a size line could go on for ever.
const MAX_DIGITS: u8 = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    /// White space after the size; only an extension may follow it.
    BeforeExtension,
    Extension,
    SizeLf,
    Bytes,
    BytesCr,
    BytesLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    Done,
}

#[derive(Debug)]
pub(crate) struct Chunked {
    state: State,
    left: u64,
    digits: u8,
    line: u32,
}

/// What one call found: `length` body bytes, moved together, from `start`; `consumed` input bytes used up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub start: usize,
    pub length: usize,
    pub consumed: usize,
    pub done: bool,
}

impl Chunked {
    pub(crate) fn new() -> Self {
        Self { state: State::Size, left: 0, digits: 0, line: 0 }
    }

    /// Decodes `buffer[from..to]` in place: body bytes lie together from where the first of them lay.
    pub(crate) fn decode(&mut self, buffer: &mut [u8], from: usize, to: usize) -> Result<Decoded, Reason> {
        let mut at = from;
        let mut body: Option<(usize, usize)> = None;
        while at < to && self.state != State::Done {
            if self.state == State::Bytes {
                let take = self.left.min((to - at) as u64) as usize;
                match &mut body {
                    None => body = Some((at, take)),
                    Some((start, length)) => {
                        buffer.copy_within(at..at + take, *start + *length);
                        *length += take;
                    }
                }
                self.left -= take as u64;
                at += take;
                if self.left == 0 {
                    self.state = State::BytesCr;
                }
            } else {
                self.state = self.step(buffer[at]).ok_or(Reason::BadResponse)?;
                at += 1;
            }
        }
        let (start, length) = body.unwrap_or((from, 0));
        Ok(Decoded { start, length, consumed: at - from, done: self.state == State::Done })
    }

    /// The state after one byte outside chunk data; None for a byte that may not stand there.
    fn step(&mut self, byte: u8) -> Option<State> {
        match (self.state, byte) {
            (State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.digit(byte),
            (State::Size, b'\r') if self.digits > 0 => Some(State::SizeLf),
            (State::Size, b';') if self.digits > 0 => self.line_byte(State::Extension, MAX_LINE_BYTES),
            (State::Size, b' ' | b'\t') if self.digits > 0 => self.line_byte(State::BeforeExtension, MAX_LINE_BYTES),
            (State::BeforeExtension, b' ' | b'\t') => self.line_byte(State::BeforeExtension, MAX_LINE_BYTES),
            (State::Extension, b'\r') => Some(State::SizeLf),
            (State::BeforeExtension, b';') | (State::Extension, b'\t' | 0x20..=0x7e | 0x80..) => {
                self.line_byte(State::Extension, MAX_LINE_BYTES)
            }
            (State::SizeLf, b'\n') => {
                self.line = 0;
                self.digits = 0;
                Some(if self.left == 0 { State::TrailerStart } else { State::Bytes })
            }
            (State::BytesCr, b'\r') => Some(State::BytesLf),
            (State::BytesLf, b'\n') => Some(State::Size),
            (State::TrailerStart, b'\r') => Some(State::EndLf),
            // A field name's first byte: no fold, no empty name.
            (State::TrailerStart, b'!'..=b'9' | b'A'..=b'Z' | b'^'..=b'z' | b'|' | b'~') => {
                self.line_byte(State::Trailer, MAX_TRAILER_BYTES)
            }
            (State::Trailer, b'\r') => Some(State::TrailerLf),
            (State::Trailer, b'\t' | 0x20..=0x7e | 0x80..) => self.line_byte(State::Trailer, MAX_TRAILER_BYTES),
            (State::TrailerLf, b'\n') => Some(State::TrailerStart),
            (State::EndLf, b'\n') => Some(State::Done),
            _ => None,
        }
    }

    fn digit(&mut self, byte: u8) -> Option<State> {
        let value = u64::from((byte as char).to_digit(16)?);
        self.digits += 1;
        // 2^63 and above would not fit the signed lengths of those who read this.
        if self.digits > MAX_DIGITS || self.left >= 1 << 59 {
            return None;
        }
        self.left = self.left << 4 | value;
        Some(State::Size)
    }

    fn line_byte(&mut self, next: State, limit: u32) -> Option<State> {
        self.line += 1;
        (self.line <= limit).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes with a cut at `cut`; the body, whether it ended, and how many bytes were left over.
    fn run(input: &[u8], cut: usize) -> Result<(Vec<u8>, bool, usize), Reason> {
        let mut chunks = Chunked::new();
        let mut body = Vec::new();
        let mut used = 0;
        let mut done = false;
        for part in [&input[..cut], &input[cut..]] {
            let mut buffer = part.to_vec();
            let length = buffer.len();
            let decoded = chunks.decode(&mut buffer, 0, length)?;
            body.extend_from_slice(&buffer[decoded.start..decoded.start + decoded.length]);
            used += decoded.consumed;
            done = decoded.done;
            if done {
                break;
            }
        }
        Ok((body, done, input.len() - used))
    }

    #[test]
    fn decodes_the_same_at_every_cut() {
        let good: [(&[u8], &[u8], usize); 7] = [
            (b"5\r\nhello\r\n0\r\n\r\n", b"hello", 0),
            (b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", b"hello world", 0),
            (b"A\r\n0123456789\r\na\r\nabcdefghij\r\n00\r\n\r\n", b"0123456789abcdefghij", 0),
            (b"3;name=value;x=\"y z\"\r\nabc\r\n0;last\r\n\r\n", b"abc", 0),
            (b"3 ;name\r\nabc\r\n0\r\nExpires: never\r\nX: y\r\n\r\n", b"abc", 0),
            (b"0\r\n\r\n", b"", 0),
            (b"1\r\na\r\n0\r\n\r\nHTTP/1.1", b"a", 8),
        ];
        for (input, body, left) in good {
            for cut in 0..=input.len() {
                assert_eq!(run(input, cut), Ok((body.to_vec(), true, left)), "{} at {cut}", input.escape_ascii());
            }
        }
    }

    #[test]
    fn refuses_the_same_at_every_cut() {
        let bad: [&[u8]; 22] = [
            b"\r\n",
            b";ext\r\n",
            b"g\r\n",
            b"-1\r\n",
            b"+1\r\n",
            b"0x1\r\n",
            b" 1\r\na",
            b"1 \r\na",
            b"1\na\r\n",
            b"1\r\r\na",
            b"1\ra",
            b"1\r\nab\r\n",
            b"1\r\na\n0\r\n\r\n",
            b"1\r\na0\r\n\r\n",
            b"8000000000000000\r\n",
            b"fffffffffffffffff\r\n",
            b"00000000000000001\r\na",
            b"1;a\x00b\r\na",
            b"1;a\nb\r\na",
            b"0\r\n folded\r\n\r\n",
            b"0\r\n: x\r\n\r\n",
            b"0\r\nA: b\nC: d\r\n\r\n",
        ];
        for input in bad {
            for cut in 0..=input.len() {
                assert_eq!(run(input, cut), Err(Reason::BadResponse), "{} at {cut}", input.escape_ascii());
            }
        }
        assert!(run(b"7fffffffffffffff\r\n", 4).is_ok(), "the largest length that fits");
    }

    #[test]
    fn bounds_extensions_and_trailers() {
        let mut long = b"1;".to_vec();
        long.resize(6000, b'x');
        assert_eq!(run(&long, 0), Err(Reason::BadResponse));
        let mut trailers = b"0\r\n".to_vec();
        for _ in 0..2000 {
            trailers.extend_from_slice(b"X-Name: 12\r\n");
        }
        assert_eq!(run(&trailers, 0), Err(Reason::BadResponse));
    }
}
