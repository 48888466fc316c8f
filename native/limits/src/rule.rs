//! What a configuration says about limits, checked and compiled once. Callers hold rules; `rate.rs` reads them.

use std::fmt;
use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::layout::STATES;

/// Largest quota: its count has 36 bits.
const MAX_QUOTA: u64 = (1 << 36) - 1;
/// Largest debt of a rate, in nanoseconds (73 years): sums with the time stay within 64 bits.
const MAX_DEBT: u64 = 1 << 61;

/// A calendar period, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// From minute 0.
    Hour,
    /// From 00:00 UTC.
    Day,
    /// From the first of the month, 00:00 UTC.
    Month,
}

/// One window of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// `limit` cells per `period_ns`, evenly, of which up to `burst` at once (GCRA). The time for one cell is rounded up to
    /// a whole nanosecond: a rate of a million a second is at most 0.1 % too strict, and no rate is ever too lax.
    Rate {
        /// Cells per period, at least 1 and at most one a nanosecond.
        limit: u64,
        /// The period in nanoseconds.
        period_ns: u64,
        /// Cells at once after a rest; usually `limit`.
        burst: u64,
    },
    /// `limit` cells in each calendar period.
    Quota {
        /// Cells per period, 1 to 2^36 - 1.
        limit: u64,
        /// Which periods.
        period: Period,
    },
}

/// What happens to a new key when its bucket of the file is full of keys that still count. A key that has used up a limit
/// keeps its place in each case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// The key that has used the smallest part of its limits is forgotten; if all have used theirs up, the new one is
    /// refused.
    #[default]
    ForgetLeastUsed,
    /// The new key is refused (fail closed).
    Refuse,
    /// The new key is admitted and not counted (fail open).
    Admit,
}

/// Why a rule cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// Empty, over 64 bytes, or with characters that a structured field's string would have to escape.
    Name,
    /// None, or more than five.
    Windows,
    /// A limit, burst, period or lease is 0 or beyond what is possible.
    Range,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "a name has 1 to 64 printable ASCII characters without quotes and backslashes",
            Self::Windows => "a rule has one to five windows",
            Self::Range => "a limit, burst, period or lease is zero or too large",
        })
    }
}

impl std::error::Error for RuleError {}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Compiled {
    Rate { interval: u64, capacity: u64, burst: u64, limit: u64 },
    Quota { limit: u64, period: Period },
}

/// Windows that are decided together: a request is admitted by all of them or counts in none.
#[derive(Clone, Debug)]
pub struct Rule {
    pub(crate) name: Box<str>,
    pub(crate) id: [u64; 2],
    pub(crate) windows: Box<[Window]>,
    /// `None`: left out.
    pub(crate) compiled: Box<[Option<Compiled>]>,
    pub(crate) when_full: WhenFull,
}

impl Rule {
    /// A rule keeps its state in the file under its name and the kinds of its windows: changing a limit or a rate's
    /// period keeps what has been used, changing the kinds starts anew.
    pub fn new(name: &str, windows: &[Window], when_full: WhenFull) -> Result<Self, RuleError> {
        check_name(name)?;
        if windows.is_empty() || windows.len() > STATES {
            return Err(RuleError::Windows);
        }
        let compiled = windows.iter().map(|window| compile(window).map(Some)).collect::<Result<Box<[_]>, _>>()?;
        let kinds: Vec<u8> = windows.iter().map(kind).collect();
        Ok(Self { name: name.into(), id: identity(name, &kinds), windows: windows.into(), compiled, when_full })
    }

    /// The same rule for keys that some of its windows are not for: `left_out` says which. Those are neither looked at nor
    /// changed; the others count what they counted before. `None`: no window would be left.
    #[must_use]
    pub fn without(&self, left_out: impl Fn(&Window) -> bool) -> Option<Self> {
        let mut rule = self.clone();
        for (compiled, window) in rule.compiled.iter_mut().zip(&self.windows) {
            if left_out(window) {
                *compiled = None;
            }
        }
        rule.compiled.iter().any(Option::is_some).then_some(rule)
    }

    /// The name it was made with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its windows, in order.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }
}

pub(crate) fn check_name(name: &str) -> Result<(), RuleError> {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) { Err(RuleError::Name) } else { Ok(()) }
}

/// Names a rule's keys apart from those of other rules. No secret: the file's secret is mixed in by `Limits`.
pub(crate) fn identity(name: &str, kinds: &[u8]) -> [u64; 2] {
    let mut hasher = SipHasher13::new();
    hasher.write_usize(name.len());
    hasher.write(name.as_bytes());
    hasher.write(kinds);
    let hash = hasher.finish128();
    [hash.h1, hash.h2]
}

fn kind(window: &Window) -> u8 {
    match window {
        Window::Rate { .. } => b'r',
        Window::Quota { period: Period::Hour, .. } => b'h',
        Window::Quota { period: Period::Day, .. } => b'd',
        Window::Quota { period: Period::Month, .. } => b'M',
    }
}

fn compile(window: &Window) -> Result<Compiled, RuleError> {
    match *window {
        Window::Rate { limit, period_ns, burst } => {
            if limit == 0 || burst == 0 || limit > period_ns {
                return Err(RuleError::Range);
            }
            let interval = period_ns.div_ceil(limit);
            let capacity = interval.checked_mul(burst).filter(|debt| *debt <= MAX_DEBT).ok_or(RuleError::Range)?;
            Ok(Compiled::Rate { interval, capacity, burst, limit })
        }
        Window::Quota { limit, period } => {
            if limit == 0 || limit > MAX_QUOTA {
                return Err(RuleError::Range);
            }
            Ok(Compiled::Quota { limit, period })
        }
    }
}
