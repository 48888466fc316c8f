//! What went wrong in a plugin, for the log and for whoever wrote the configuration.

use std::fmt;

/// As in the standard library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A reason in words. Made from any error with `?`, from a text with [`Error::new`].
#[derive(Debug)]
pub struct Error(String);

impl Error {
    /// A reason in words.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    pub(crate) fn reason(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Why the gateway refused an edit: it would have broken HTTP, or it cannot be done here. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Reason: `Display` says for each what it means.
#[non_exhaustive]
pub enum Refusal {
    BadName,
    FixedName,
    HostAsHeader,
    BadValue,
    BadPath,
    UnsafePath,
    BadQuery,
    BadMethod,
    FixedMethod,
    BadHost,
    TooMuch,
    BadStatus,
    NoBody,
    BadContext,
    BadConsumer,
    BadUpstream,
    NotInThisHook,
    /// Of a code that this crate does not know.
    Other(i32),
}

impl Refusal {
    /// In the order of the interface's codes, from 1 on.
    const BY_CODE: [(Self, &'static str); 17] = [
        (Self::BadName, "the header's name is no token of letters, digits and !#$%&'*+-.^_`|~"),
        (Self::FixedName, "the header frames the message or speaks of the connection, and only the gateway writes it"),
        (Self::HostAsHeader, "the host is not edited as a header: it has a call of its own"),
        (Self::BadValue, "the header's value has a control character, or white space at its ends"),
        (Self::BadPath, "the path does not begin with / or has a character that must be percent-encoded"),
        (Self::UnsafePath, "the path climbs above its root, or has a broken escape, a NUL or hidden dots"),
        (Self::BadQuery, "the query has a character that must be percent-encoded"),
        (Self::BadMethod, "the method is not a token of 1 to 32 characters, or it is CONNECT"),
        (Self::FixedMethod, "the method of HEAD, of a WebSocket and of OPTIONS * stays, and no other becomes HEAD"),
        (Self::BadHost, "the host is not a valid host name or address with an optional port"),
        (Self::TooMuch, "the edits of this message are too many, or too large"),
        (Self::BadStatus, "the status is not between 200 and 599"),
        (Self::NoBody, "the plugin has not asked for this body"),
        (Self::BadContext, "the name or the value in the context is too long, or the name is empty"),
        (Self::BadConsumer, "no consumer has this name"),
        (Self::BadUpstream, "no upstream has this name"),
        (Self::NotInThisHook, "this cannot be done in this hook"),
    ];

    /// What the host's functions return.
    pub(crate) fn check(code: i32) -> Result<(), Self> {
        if code == 0 {
            return Ok(());
        }
        let known = usize::try_from(code - 1).ok().and_then(|index| Self::BY_CODE.get(index));
        Err(known.map_or(Self::Other(code), |(refusal, _)| *refusal))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::BY_CODE.iter().find(|(refusal, _)| refusal == self) {
            Some((_, detail)) => formatter.write_str(detail),
            None => write!(formatter, "the edit was refused: {self:?}"),
        }
    }
}

impl std::error::Error for Refusal {}
