//! Reads a head: request line, fields, and what they settle. The first thing that is wrong ends it.

use std::ops::Range;

use super::{Flag, Head, Limits, MAX_METHOD_BYTES, Method, Span};
use crate::fields::{self, Field};
use crate::meaning::Meaning;
use crate::target::Target;
use crate::{Refusal, authority, bytes, path, request_id, target};

impl Head {
    /// Reads a complete request head, which ends with its empty line and has nothing after it. One empty line before
    /// the request line is skipped (RFC 9112 2.2).
    pub fn parse(input: &[u8], limits: &Limits) -> Result<Self, Refusal> {
        let mut head = Self::default();
        head.read(input, limits)?;
        Ok(head)
    }

    /// As [`Head::parse`], into buffers that are there already. After a refusal the head is empty.
    pub fn read(&mut self, input: &[u8], limits: &Limits) -> Result<(), Refusal> {
        let result = self.read_strictly(input, limits);
        if result.is_err() {
            self.clear();
        }
        result
    }

    fn read_strictly(&mut self, input: &[u8], limits: &Limits) -> Result<(), Refusal> {
        let input = input.strip_prefix(b"\r\n").unwrap_or(input);
        if (limits.max_bytes != 0 && input.len() > limits.max_bytes) || input.len() > i32::MAX as usize {
            return Err(Refusal::TooManyBytes);
        }
        self.bytes.clear();
        self.bytes.extend_from_slice(input);
        self.raw_length = input.len() as u32;
        self.fields.clear();
        self.flags = 0;

        let method_length = input.iter().take(MAX_METHOD_BYTES + 1).position(|&byte| !bytes::is(byte, bytes::TOKEN));
        let method_length = match method_length {
            Some(length) if length > 0 && input[length] == b' ' => length,
            None if input.len() <= MAX_METHOD_BYTES => return Err(Refusal::Unfinished),
            _ => return Err(Refusal::BadMethod),
        };
        self.method = Method::of(&input[..method_length]);
        self.method_text = (0..method_length).into();
        if self.method == Method::Connect {
            return Err(Refusal::Connect);
        }
        let target = target::read(input, method_length + 1, self.method == Method::Options)?;
        let after_line = read_version(input, target.end)?;
        let end = fields::read(input, after_line, limits.max_headers, &mut self.fields)?;
        if end != input.len() {
            return Err(Refusal::BytesAfterHead);
        }
        let meaning = Meaning::of(&self.fields, input)?;
        self.flags |= meaning.flags(self.method);
        self.framing = meaning.framing();
        self.settle_host(input, meaning.host, target.authority.clone())?;
        self.settle_path(input, target)?;
        self.settle_request_id(input, meaning.request_id);
        Ok(())
    }

    /// RFC 9112 3.2.2: an authority in the target replaces Host, which must be there nevertheless.
    fn settle_host(
        &mut self,
        input: &[u8],
        field: Option<Field>,
        authority: Option<Range<usize>>,
    ) -> Result<(), Refusal> {
        let field = field.ok_or(Refusal::NoHost)?;
        let mut host = field.value as usize..field.value_end as usize;
        let mut name_length = authority::host_length(&input[host.clone()]).ok_or(Refusal::BadHost)?;
        if let Some(range) = authority {
            host = range;
            name_length = authority::host_length(&input[host.clone()]).ok_or(Refusal::BadHost)?;
            self.flags |= Flag::ABSOLUTE_FORM;
        }
        let mut name = host.start..host.start + name_length;
        if input[name.end - 1] == b'.' {
            name.end -= 1;
        }
        self.host = host.into();
        self.host_name = if input[name.clone()].iter().any(u8::is_ascii_uppercase) {
            let start = self.bytes.len();
            self.bytes.extend(input[name].iter().map(u8::to_ascii_lowercase));
            (start..self.bytes.len()).into()
        } else {
            name.into()
        };
        Ok(())
    }

    fn settle_path(&mut self, input: &[u8], target: Target) -> Result<(), Refusal> {
        self.query = Span::default();
        if let Some(query) = target.query {
            self.query = query.into();
            self.flags |= Flag::QUERY;
        }
        if target.path.is_empty() {
            // RFC 9112 3.2.4: OPTIONS for a whole server goes on as `*`.
            let server_wide = self.method == Method::Options && self.flags & Flag::QUERY == 0;
            let start = self.bytes.len();
            self.bytes.push(if server_wide { b'*' } else { b'/' });
            self.path = (start..start + 1).into();
            self.match_path = self.path;
            return Ok(());
        }
        self.path = target.path.clone().into();
        if target.suspicious {
            let start = self.bytes.len();
            path::normalise(&input[target.path.clone()], &mut self.bytes)?;
            if self.bytes[start..] == input[target.path] {
                self.bytes.truncate(start);
            } else {
                self.path = (start..self.bytes.len()).into();
                self.flags |= Flag::NORMALISED;
            }
        }
        self.match_path = self.path;
        if target.suspicious && self.path().windows(2).any(|two| two == b"//") {
            let start = self.bytes.len();
            let mut merged = Vec::with_capacity(self.path().len());
            path::merge_slashes(self.path(), &mut merged);
            self.bytes.append(&mut merged);
            self.match_path = (start..self.bytes.len()).into();
        }
        Ok(())
    }

    fn settle_request_id(&mut self, input: &[u8], field: Option<Field>) {
        if let Some(field) = field
            && request_id::sane_request_id(field.value_in(input))
        {
            self.request_id = Span { start: field.value, end: field.value_end };
            self.flags |= Flag::CLIENT_REQUEST_ID;
            return;
        }
        let start = self.bytes.len();
        request_id::push_new(&mut self.bytes);
        self.request_id = (start..self.bytes.len()).into();
    }
}

fn read_version(input: &[u8], space: usize) -> Result<usize, Refusal> {
    let rest = &input[space..];
    match rest.first_chunk::<11>() {
        Some(b" HTTP/1.1\r\n") => Ok(space + 11),
        None if b" HTTP/1.1\r\n".starts_with(rest) => Err(Refusal::Unfinished),
        _ if rest.starts_with(b" HTTP/1.1\n") || rest.starts_with(b" HTTP/1.1\r") => Err(Refusal::BadLineEnd),
        _ => Err(Refusal::BadVersion),
    }
}
