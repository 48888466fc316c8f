//! Replay windows: has this nonce or signature been seen within its time? Called through `Limits`, after verification:
//! only `record` writes, so that what is not genuine leaves no trace.
//!
//! An entry is one word: 39 bits of the keyed hash, and the time it ends in units of 8 seconds, 25 bits, in a cycle of 8.5
//! years. A value that has an owner takes two entries of one bucket, written together. Entries of one bucket (31) are compared, so an honest value is taken for a seen one with a probability of at
//! most 31 / 2^39, 6 in 10^11; with the table as full as its capacity allows, 3 in 10^11. A replay is never missed
//! within its time unless `WhenFull` gives it up or the clock has been ahead for longer than the time to live.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Acquire;

use crate::UnixNanos;
use crate::layout::REPLAY_WORDS;
use crate::open::Limits;
use crate::rate::MAX_NOW;
use crate::rule::{RuleError, WhenFull, check_name, identity};
use crate::table::KeyHash;
use crate::txn::{self, Changes};

const UNIT_NS: u64 = 8_000_000_000;
const END_BITS: u32 = 25;
const END_MASK: u64 = (1 << END_BITS) - 1;
/// No entry ends later than this after now, 388 days, but for clock steps: what seems to has ended long ago.
const FURTHEST: u64 = 1 << 22;
const YEAR_NS: u64 = 366 * 86_400 * 1_000_000_000;

/// Where values are seen once: a scheme, or a scheme and a key.
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    id: [u64; 2],
    ttl_ns: u64,
    when_full: WhenFull,
}

impl ReplayWindow {
    /// `ttl_ns`: from 1 ns to 366 days; at least twice the clock skew that the scheme allows. Entries live up to 16 seconds
    /// longer.
    pub fn new(name: &str, ttl_ns: u64, when_full: WhenFull) -> Result<Self, RuleError> {
        check_name(name)?;
        if ttl_ns == 0 || ttl_ns > YEAR_NS {
            return Err(RuleError::Range);
        }
        Ok(Self { id: identity(name, b"n"), ttl_ns, when_full })
    }
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// New, and from now on seen.
    First,
    /// Seen within its time, or, very rarely, of the same hash as one that was.
    Seen,
    /// New, but there is no room, and the window says to refuse.
    FullRefused,
    /// New, but there is no room, and the window says to admit without a record.
    FullAdmitted,
}

impl Limits {
    /// Whether a value has been recorded. Changes nothing.
    pub fn seen(&self, window: &ReplayWindow, value: &[u8], now: UnixNanos) -> bool {
        let hash = self.key_hash(window.id, value);
        let control = self.layout().replay_bucket(hash.place);
        let words = self.words();
        loop {
            let before = txn::settled(words, control);
            let seen = matches!(look(words, control, hash, now.min(MAX_NOW) / UNIT_NS), Look::Seen);
            if txn::unchanged(words, control, before) {
                return seen;
            }
        }
    }

    /// Records a value, once: of several processes that ask at the same time, one is told `First`.
    pub fn record(&mut self, window: &ReplayWindow, value: &[u8], now: UnixNanos) -> Replay {
        let now = now.min(MAX_NOW);
        let hash = self.key_hash(window.id, value);
        let control = self.layout().replay_bucket(hash.place);
        let words = self.words();
        let end = (now.saturating_add(window.ttl_ns) / UNIT_NS + 1) & END_MASK;
        loop {
            let before = txn::settled(words, control);
            let (word, answer) = match (look(words, control, hash, now / UNIT_NS), window.when_full) {
                (Look::Seen, _) => (None, Replay::Seen),
                (Look::Free(word), _) | (Look::Full(word), WhenFull::ForgetLeastUsed) => (Some(word), Replay::First),
                (Look::Full(_), WhenFull::Refuse) => (None, Replay::FullRefused),
                (Look::Full(_), WhenFull::Admit) => (None, Replay::FullAdmitted),
            };
            let mut changes = Changes::default();
            if let Some(word) = word {
                changes.set(word, words[word].load(Acquire), fingerprint(hash) << END_BITS | end);
            }
            if txn::commit(words, self.handle(), control, before, &changes) {
                return answer;
            }
        }
    }
}

impl Limits {
    /// As `record`, for a value that belongs to whoever asks first: `First` for that owner as often as it asks, `Seen` for
    /// every other. Of several owners that ask at the same time, in whatever process, one is told `First`.
    pub fn claim(&mut self, window: &ReplayWindow, value: &[u8], owner: &[u8], now: UnixNanos) -> Replay {
        let now = now.min(MAX_NOW);
        let hash = self.key_hash(window.id, value);
        let control = self.layout().replay_bucket(hash.place);
        // Not the value's own entry, whatever the owner is called: the length of the value stands in front.
        let both = [&(value.len() as u64).to_le_bytes()[..], value, owner].concat();
        let prints = [fingerprint(hash), fingerprint(self.key_hash(window.id, &both))];
        let words = self.words();
        let end = (now.saturating_add(window.ttl_ns) / UNIT_NS + 1) & END_MASK;
        loop {
            let before = txn::settled(words, control);
            let (entries, found) = look_for_both(words, control, prints, now / UNIT_NS);
            let is_full = entries.iter().any(|(left, _)| *left > 0);
            let (write, answer) = match (found, window.when_full) {
                ([true, true], _) => (false, Replay::First),
                ([true, false], _) => (false, Replay::Seen),
                (_, WhenFull::Refuse) if is_full => (false, Replay::FullRefused),
                (_, WhenFull::Admit) if is_full => (false, Replay::FullAdmitted),
                _ => (true, Replay::First),
            };
            let mut changes = Changes::default();
            if write {
                for (print, (_, word)) in prints.into_iter().zip(entries) {
                    changes.set(word, words[word].load(Acquire), print << END_BITS | end);
                }
            }
            if txn::commit(words, self.handle(), control, before, &changes) {
                return answer;
            }
        }
    }
}

/// The two entries that end first, with what is left of them (0: nothing that counts), and which of the prints are there.
fn look_for_both(words: &[AtomicU64], control: usize, prints: [u64; 2], now: u64) -> ([(u64, usize); 2], [bool; 2]) {
    let mut first = [(u64::MAX, control + 1), (u64::MAX, control + 2)];
    let mut found = [false; 2];
    for (index, entry) in words[control + 1..control + REPLAY_WORDS].iter().enumerate() {
        let word = control + 1 + index;
        let entry = entry.load(Acquire);
        let left = (entry & END_MASK).wrapping_sub(now) & END_MASK;
        let left = if entry == 0 || left > FURTHEST { 0 } else { left + 1 };
        if left > 0 {
            for (print, found) in prints.iter().zip(&mut found) {
                *found |= entry >> END_BITS == *print;
            }
        }
        if left < first[0].0 {
            first = [(left, word), first[0]];
        } else if left < first[1].0 {
            first[1] = (left, word);
        }
    }
    (first, found)
}

enum Look {
    Seen,
    /// A word that holds nothing that counts.
    Free(usize),
    /// The word that ends first.
    Full(usize),
}

/// Never 0, as an empty word is.
fn fingerprint(hash: KeyHash) -> u64 {
    (hash.rest >> END_BITS).max(1)
}

fn look(words: &[AtomicU64], control: usize, hash: KeyHash, now: u64) -> Look {
    let mut free = None;
    let mut first = (u64::MAX, control + 1);
    for (index, entry) in words[control + 1..control + REPLAY_WORDS].iter().enumerate() {
        let word = control + 1 + index;
        let entry = entry.load(Acquire);
        let left = (entry & END_MASK).wrapping_sub(now) & END_MASK;
        if entry == 0 || left > FURTHEST {
            free = free.or(Some(word));
        } else if entry >> END_BITS == fingerprint(hash) {
            return Look::Seen;
        } else {
            first = first.min((left, word));
        }
    }
    free.map_or(Look::Full(first.1), Look::Free)
}
