//! The window: tags of `H(prefix ‖ decimal second)` for every second that a clock skew allows.
//!
//! A table a key holds two bytes of each candidate. It is filled once and then advanced by the seconds that
//! have passed since it was last asked; asking is one scan over all tags, whatever it finds. Nothing here decides: the
//! scheme recomputes what was found.

mod digest;
mod kernel;
mod lanes;
mod prefetch;
mod scan;
#[cfg(target_arch = "x86_64")]
mod sha_ni;
mod table;
mod template;

pub(crate) use digest::Digest;
pub use kernel::Kernel;
pub(crate) use prefetch::{prefetch, prefetch_item};
pub(crate) use table::{MAX_SKEW_SECONDS, Table, in_range};
pub(crate) use template::Template;

/// The hash of a scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// RFC 1321.
    Md5,
    /// FIPS 180-4.
    Sha256,
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
