//! Field lines (RFC 9112 5): finds them, strictly, and says which of them mean something to the gateway.

use crate::Refusal;
use crate::bytes::{TOKEN, is, value_end};
use crate::name::Name;

/// One field line, as indexes into the head. The name begins at `start`; the line ends before `end`, CR LF included.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub start: u32,
    pub name_end: u32,
    pub value: u32,
    pub value_end: u32,
    pub end: u32,
    pub name: Name,
}

impl Field {
    #[inline]
    pub fn name_in(self, head: &[u8]) -> &[u8] {
        &head[self.start as usize..self.name_end as usize]
    }

    #[inline]
    pub fn value_in(self, head: &[u8]) -> &[u8] {
        &head[self.value as usize..self.value_end as usize]
    }

    /// Between the colon and the line's end: the value with its white space.
    #[inline]
    pub fn raw_value_in(self, head: &[u8]) -> &[u8] {
        &head[self.name_end as usize + 1..self.end as usize - 2]
    }
}

/// Reads field lines from `from` up to and with the empty line; returns the index after it. `max` 0: no limit.
/// The input is shorter than 2 GiB.
#[inline]
pub fn read(input: &[u8], from: usize, max: usize, fields: &mut Vec<Field>) -> Result<usize, Refusal> {
    let mut at = from;
    loop {
        match input.get(at) {
            Some(b'\r') if input.get(at + 1) == Some(&b'\n') => return Ok(at + 2),
            None => return Err(Refusal::Unfinished),
            Some(_) => {}
        }
        if max != 0 && fields.len() == max {
            return Err(Refusal::TooManyHeaders);
        }
        let field = read_line(input, at)?;
        at = field.end as usize;
        fields.push(field);
    }
}

#[inline]
fn read_line(input: &[u8], start: usize) -> Result<Field, Refusal> {
    let mut at = start;
    let mut underscore = false;
    while let Some(&byte) = input.get(at)
        && is(byte, TOKEN)
    {
        underscore |= byte == b'_';
        at += 1;
    }
    if at == start || input.get(at) != Some(&b':') {
        return Err(bad_name(input, start, at));
    }
    let name_end = at;
    at += 1;
    while let Some(b' ' | b'\t') = input.get(at) {
        at += 1;
    }
    let value = at;
    let line_end = value_end(input, value);
    match input.get(line_end..line_end + 2) {
        Some(b"\r\n") => {}
        _ => return Err(bad_end(input, line_end)),
    }
    let mut value_end = line_end;
    while value_end > value && matches!(input[value_end - 1], b' ' | b'\t') {
        value_end -= 1;
    }
    Ok(Field {
        start: start as u32,
        name_end: name_end as u32,
        value: value as u32,
        value_end: value_end as u32,
        end: line_end as u32 + 2,
        name: Name::of(&input[start..name_end], underscore),
    })
}

#[cold]
fn bad_name(input: &[u8], start: usize, at: usize) -> Refusal {
    match input.get(at) {
        None => Refusal::Unfinished,
        Some(b'\r') if at + 1 == input.len() => Refusal::Unfinished,
        Some(b':') => Refusal::EmptyName,
        Some(b' ' | b'\t') if at == start => Refusal::FoldedLine,
        Some(b' ' | b'\t') => Refusal::SpaceInName,
        Some(b'\r' | b'\n') => Refusal::BadLineEnd,
        Some(_) => Refusal::BadName,
    }
}

#[cold]
fn bad_end(input: &[u8], at: usize) -> Refusal {
    match input.get(at) {
        None => Refusal::Unfinished,
        Some(b'\r') if at + 1 == input.len() => Refusal::Unfinished,
        Some(b'\r' | b'\n') => Refusal::BadLineEnd,
        Some(_) => Refusal::BadValue,
    }
}
