//! A bucket's keys: finding one, and making room for one. Changes are only described here; `txn.rs` makes them.
//!
//! ```text
//! control | 15 tags: 48 bits of the hash, 16 bits of version | 15 cells: rest of the hash, lifetime, time, 5 states
//! lifetime: until when the states mean something, in 256 ns | 8 bits: part of the limit that is used, 255 all of it
//! ```

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Acquire;

use crate::UnixNanos;
use crate::layout::{CELL_WORDS, SLOTS, STATES};
use crate::rule::WhenFull;
use crate::txn::Changes;

const VERSION_BITS: u64 = 0xFFFF;
/// Every cell of the limit is used.
pub(crate) const EXHAUSTED: u8 = 255;

/// 128 bits; the high bits of `place` choose the bucket, its low 48 and `rest` tell keys of a bucket apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyHash {
    pub place: u64,
    pub rest: u64,
}

impl KeyHash {
    /// Never 0: that is an empty slot.
    fn tag(self) -> u64 {
        match self.place << 16 {
            0 => 1 << 16,
            tag => tag,
        }
    }
}

pub(crate) type States = [u64; STATES];

/// What a cell holds: the time of its last change, and the states.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cell {
    pub at_ns: UnixNanos,
    pub states: States,
}

/// How long a cell is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetime {
    pub until_ns: UnixNanos,
    pub used: u8,
}

/// What a lifetime is counted in.
pub(crate) const LIFETIME_STEP_NS: u64 = 256;

impl Lifetime {
    pub(crate) const OVER: Self = Self { until_ns: 0, used: 0 };

    fn word(self) -> u64 {
        if self.until_ns == 0 { 0 } else { ((self.until_ns >> 8) + 1) << 8 | u64::from(self.used) }
    }
}

const fn tag_at(control: usize, slot: usize) -> usize {
    control + 1 + slot
}

const fn cell_at(control: usize, slot: usize) -> usize {
    control + 1 + SLOTS + slot * CELL_WORDS
}

pub(crate) fn find(words: &[AtomicU64], control: usize, hash: KeyHash) -> Option<usize> {
    let tag = hash.tag();
    (0..SLOTS).find(|slot| {
        words[tag_at(control, *slot)].load(Acquire) & !VERSION_BITS == tag
            && words[cell_at(control, *slot)].load(Acquire) == hash.rest
    })
}

/// Until when the cell is kept, but for less than a step: makes the same word again.
pub(crate) fn kept_until(words: &[AtomicU64], (control, slot): (usize, usize)) -> UnixNanos {
    (words[cell_at(control, slot) + 1].load(Acquire) >> 8).saturating_sub(1) << 8
}

pub(crate) fn read(words: &[AtomicU64], control: usize, slot: usize) -> Cell {
    let cell = cell_at(control, slot);
    let states = std::array::from_fn(|index| words[cell + 3 + index].load(Acquire));
    Cell { at_ns: words[cell + 2].load(Acquire), states }
}

/// A slot for a new key: an empty one, else one that no longer counts, else what the policy gives up. One whose time is over is
/// kept while there is an empty one: a clock that is set back would miss it.
pub(crate) fn vacancy(words: &[AtomicU64], control: usize, now: UnixNanos, policy: WhenFull) -> Option<usize> {
    if let Some(empty) = (0..SLOTS).find(|slot| words[tag_at(control, *slot)].load(Acquire) == 0) {
        return Some(empty);
    }
    let mut least: Option<(u64, usize)> = None;
    for slot in 0..SLOTS {
        let lifetime = words[cell_at(control, slot) + 1].load(Acquire);
        if lifetime >> 8 <= now >> 8 {
            return Some(slot);
        }
        let used = lifetime & 0xFF;
        // Least used first; of equals, the one that would end first.
        let rank = used << 56 | lifetime >> 8;
        if used != u64::from(EXHAUSTED) && least.is_none_or(|(lowest, _)| rank < lowest) {
            least = Some((rank, slot));
        }
    }
    if policy == WhenFull::ForgetLeastUsed { least.map(|(_, slot)| slot) } else { None }
}

/// New contents for the key that has the slot.
pub(crate) fn update(
    changes: &mut Changes,
    words: &[AtomicU64],
    (control, slot): (usize, usize),
    lifetime: Lifetime,
    (before, after): (&Cell, &Cell),
) {
    let cell = cell_at(control, slot);
    changes.set(cell + 1, words[cell + 1].load(Acquire), lifetime.word());
    changes.set(cell + 2, before.at_ns, after.at_ns);
    for index in 0..STATES {
        changes.set(cell + 3 + index, before.states[index], after.states[index]);
    }
}

/// Gives the slot to a key.
pub(crate) fn occupy(
    changes: &mut Changes,
    words: &[AtomicU64],
    (control, slot): (usize, usize),
    hash: KeyHash,
    lifetime: Lifetime,
    after: &Cell,
) {
    let tag = tag_at(control, slot);
    let old_tag = words[tag].load(Acquire);
    let version = old_tag.wrapping_add(1) & VERSION_BITS;
    changes.set(tag, old_tag, hash.tag() | version);
    let cell = cell_at(control, slot);
    changes.set(cell, words[cell].load(Acquire), hash.rest);
    update(changes, words, (control, slot), lifetime, (&read(words, control, slot), after));
}
