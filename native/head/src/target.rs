//! The request target (RFC 9112 3.2): origin-form, absolute-form of http and https, `*` of OPTIONS.

use std::ops::Range;

use crate::Refusal;
use crate::bytes::{PATH, QUERY, is};

/// Where the parts of a target lie in the input.
pub struct Target {
    /// Of absolute-form only.
    pub authority: Option<Range<usize>>,
    /// Empty where absolute-form has none.
    pub path: Range<usize>,
    /// The path is perhaps not in its normal form: it has a percent-encoding, a slash or a dot after a slash.
    pub suspicious: bool,
    /// Without the `?`.
    pub query: Option<Range<usize>>,
    /// Index of the space after the target.
    pub end: usize,
}

/// Reads the target that begins at `from`.
pub fn read(input: &[u8], from: usize, options: bool) -> Result<Target, Refusal> {
    match input.get(from) {
        Some(b'/') => read_path(input, from, None),
        Some(b'*') if options && input.get(from + 1) == Some(&b' ') => {
            Ok(Target { authority: None, path: from..from + 1, suspicious: false, query: None, end: from + 1 })
        }
        _ => {
            let authority = read_authority(input, from)?;
            read_path(input, authority.end, Some(authority))
        }
    }
}

fn read_authority(input: &[u8], from: usize) -> Result<Range<usize>, Refusal> {
    let rest = &input[from..];
    let begins = |scheme: &[u8]| rest.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let scheme = match () {
        () if begins(b"http://") => 7,
        () if begins(b"https://") => 8,
        () if b"https://".get(..rest.len()).is_some_and(begins) => return Err(Refusal::Unfinished),
        () if b"http://".get(..rest.len()).is_some_and(begins) => return Err(Refusal::Unfinished),
        () => return Err(Refusal::TargetForm),
    };
    let start = from + scheme;
    let length = input[start..].iter().position(|&byte| matches!(byte, b'/' | b'?') || !byte.is_ascii_graphic());
    Ok(start..start + length.ok_or(Refusal::Unfinished)?)
}

fn read_path(input: &[u8], from: usize, authority: Option<Range<usize>>) -> Result<Target, Refusal> {
    let mut at = from;
    let mut suspicious = false;
    while let Some(&byte) = input.get(at)
        && is(byte, PATH)
    {
        suspicious |= byte == b'%' || (byte == b'/' && matches!(input.get(at + 1), Some(b'/' | b'.')));
        at += 1;
    }
    let path = from..at;
    let mut query = None;
    if input.get(at) == Some(&b'?') {
        let start = at + 1;
        let length = input[start..].iter().position(|&byte| !is(byte, QUERY)).ok_or(Refusal::Unfinished)?;
        at = start + length;
        query = Some(start..at);
    }
    match input.get(at) {
        Some(b' ') => Ok(Target { authority, path, suspicious, query, end: at }),
        Some(b'\r' | b'\n') => Err(Refusal::BadVersion),
        Some(_) => Err(Refusal::BadTarget),
        None => Err(Refusal::Unfinished),
    }
}

/// Whether a text may be sent as a path: begins with `/`, or is `*`, and nothing in it could end it.
pub fn is_path(text: &[u8]) -> bool {
    text == b"*" || (text.first() == Some(&b'/') && text.iter().all(|&byte| is(byte, PATH)))
}

/// Whether a text may be sent as a query, without its `?`.
pub fn is_query(text: &[u8]) -> bool {
    text.iter().all(|&byte| is(byte, QUERY))
}
