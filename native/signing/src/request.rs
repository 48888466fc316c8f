//! What a scheme may read of a request: as the client sent it, before anything was normalised or rewritten.

use crate::Refusal;

/// A request's head.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `GET`, in the client's letters.
    pub method: &'a [u8],
    /// `http` or `https`: how the client reached the gateway.
    pub scheme: &'a str,
    /// The Host header, or `:authority`.
    pub authority: &'a [u8],
    /// Path and query, raw.
    pub target: &'a [u8],
    /// All headers in their order, names in any case.
    pub headers: &'a [(&'a [u8], &'a [u8])],
}

impl<'a> Request<'a> {
    /// The part before `?`, raw.
    pub fn path(&self) -> &'a [u8] {
        self.target.split(|byte| *byte == b'?').next().unwrap_or_default()
    }

    /// The part after the first `?`, raw.
    pub fn query(&self) -> Option<&'a [u8]> {
        let at = self.target.iter().position(|byte| *byte == b'?')?;
        self.target.get(at + 1..)
    }

    /// The values of a header, without blanks around them.
    pub fn values(&self, name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim_ascii())
    }

    /// The value of a header that may come once.
    pub fn single(&self, name: &[u8]) -> Result<Option<&'a [u8]>, Refusal> {
        let mut values = self.values(name);
        let first = values.next();
        if values.next().is_some() { Err(Refusal::Duplicate) } else { Ok(first) }
    }

    /// The value of a header that must come once.
    pub fn needed(&self, name: &[u8]) -> Result<&'a [u8], Refusal> {
        self.single(name)?.filter(|value| !value.is_empty()).ok_or(Refusal::Missing)
    }
}
