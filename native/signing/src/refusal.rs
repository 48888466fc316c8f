//! Why a signature was not accepted. For logs, metrics and `explain`: it never holds what the client sent, nor a secret.
//! Clients are to be told less than this (one answer for all), lest they learn which keys exist.

use std::fmt;

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// No signature, key id or another header that the scheme needs.
    Missing,
    /// Not in the form that the scheme prescribes, letter by letter.
    Malformed,
    /// A header or a parameter that may come once came twice.
    Duplicate,
    /// Nobody has this key id.
    UnknownKey,
    /// The key exists, but none of its secrets is valid at this time.
    NoActiveSecret,
    /// The request names another algorithm than the key is configured for.
    WrongAlgorithm,
    /// Something that the configuration wants covered is not covered by the signature.
    NotCovered,
    /// The time that the client signed is older than the skew allows, or the signature has expired.
    TooOld,
    /// The time that the client signed is further in the future than the skew allows.
    TooNew,
    /// The body does not have the digest that was signed, or there is none.
    WrongDigest,
    /// Well-formed, but not made with this key's secret over this request, or not within the window.
    BadSignature,
    /// The gateway's own clock says a year that cannot be.
    ImpossibleClock,
    /// More keys without a table were asked for in this second than the configuration allows to compute.
    Overloaded,
}

impl Refusal {
    /// All, in a fixed order.
    pub const ALL: [Self; 13] = [
        Self::Missing,
        Self::Malformed,
        Self::Duplicate,
        Self::UnknownKey,
        Self::NoActiveSecret,
        Self::WrongAlgorithm,
        Self::NotCovered,
        Self::TooOld,
        Self::TooNew,
        Self::WrongDigest,
        Self::BadSignature,
        Self::ImpossibleClock,
        Self::Overloaded,
    ];

    /// A short, stable name for metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Duplicate => "duplicate",
            Self::UnknownKey => "unknown-key",
            Self::NoActiveSecret => "no-active-secret",
            Self::WrongAlgorithm => "wrong-algorithm",
            Self::NotCovered => "not-covered",
            Self::TooOld => "too-old",
            Self::TooNew => "too-new",
            Self::WrongDigest => "wrong-digest",
            Self::BadSignature => "bad-signature",
            Self::ImpossibleClock => "impossible-clock",
            Self::Overloaded => "overloaded",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl std::error::Error for Refusal {}
