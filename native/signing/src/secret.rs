//! A secret in memory, and when it is valid. It cannot be empty (a blank environment variable must close the door, not
//! open it), it is wiped when dropped, and it prints as nothing.

use std::fmt;

use zeroize::Zeroizing;

/// Bytes that only schemes of this crate may read.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over. `None` when there are none, or only blanks.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Option<Self> {
        let bytes = Zeroizing::new(bytes.into());
        if bytes.iter().all(u8::is_ascii_whitespace) { None } else { Some(Self(bytes)) }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

/// When a secret is valid, in Unix seconds: from `not_before` on, until just before `not_after`. For rotation several
/// secrets of one key may be valid at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before: u64,
    /// The first second at which it is valid no more.
    pub not_after: u64,
}

impl Validity {
    /// No bounds.
    pub const ALWAYS: Self = Self { not_before: 0, not_after: u64::MAX };

    pub(crate) const fn contains(self, now: u64) -> bool {
        self.not_before <= now && now < self.not_after
    }
}
