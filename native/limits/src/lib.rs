//! Limits in one memory-mapped file that all workers of a gateway share: rate limits (GCRA), quotas over calendar
//! periods, concurrency limits and replay windows. Callers: the addon, which gives the time; nothing here reads a clock.
//!
//! What holds, always:
//! - **Exact.** Every change is one transaction on one bucket of the file (`txn.rs`), so however many processes ask at
//!   once, together they are given the limit and not one more. A refused request counts in no window.
//! - **A crash costs nothing.** A transaction takes effect with one compare-and-swap. Whoever finds one half written
//!   finishes it, so no process waits for another, dead or stopped.
//! - **Bounded.** The file has its final size from the start. `WhenFull` says what a full bucket does; a key whose limit
//!   is used up is never pushed out before its time.
//! - **No client's text.** Keys are stored as 112 bits of a 128-bit `SipHash` under a secret that the file's header holds.
//!
//! Clock steps: forward, time has passed as far as this crate can know. Backward, a key owes what it owed at its last
//! change, and a quota's count is carried to the period that the clock now says: an exhausted limit stays so, but for
//! one period at most. Places of a dead worker then come back later by as much as the clock was set back.
//!
//! A file that is cut short, overwritten or taken away while it is open ends no process: `Limits::intact` and
//! `Limits::current` say so, and who opens it again finds or builds a whole one.
//!
//! What it cannot do: notice single flipped bits in the table (only the header has a checksum; any garbage is survived
//! and worn off within a period), or survive a power cut exactly (pages reach the disk when the kernel likes).

mod calendar;
mod concurrency;
mod engine;
mod fields;
mod layout;
mod mapping;
mod open;
mod rate;
mod replay;
mod rule;
mod table;
mod together;
mod torn;
mod txn;

pub use concurrency::{Acquired, Concurrency, Permit};
pub use engine::LimitEngine;
pub use fields::{rate_limit, rate_limit_name, rate_limit_policy};
pub use layout::Flaw;
pub use open::{Limits, OpenError, Opened, Options};
pub use rate::{Decision, NEVER, Verdict};
pub use replay::{Replay, ReplayWindow};
pub use rule::{Period, Rule, RuleError, WhenFull, Window};
pub use together::Claim;

/// Nanoseconds since 1970, UTC. Values from 2^63 (the year 2262) on count as 2^63.
pub type UnixNanos = u64;
