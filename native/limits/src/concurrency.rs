//! Limits on how many requests of a key are under way. Called through `Limits`. Who takes a place holds a permit and gives it
//! back, or renews it before the lease is over; a worker that died gives nothing back, so its places come back with
//! the lease.
//!
//! A state is: epoch 36 bits, version 12 bits, count 16 bits. An epoch is a quarter of the lease; a place counts in the
//! epoch in which it was taken or renewed, and for four more: between one lease and one and a quarter.

use crate::UnixNanos;
use crate::layout::STATES;
use crate::open::Limits;
use crate::rate::MAX_NOW;
use crate::rule::{RuleError, WhenFull, check_name, identity};
use crate::table::{self, Cell, EXHAUSTED, KeyHash, Lifetime, States};
use crate::txn::{self, Changes};

const EPOCHS_IN_LEASE: u64 = 4;
const SECOND_NS: u64 = 1_000_000_000;
const COUNT_MASK: u64 = 0xFFFF;
/// Epoch of a permit that holds no place.
const UNCOUNTED: u64 = u64::MAX;

/// A limit on requests under way at once.
#[derive(Clone, Debug)]
pub struct Concurrency {
    id: [u64; 2],
    limit: u64,
    epoch_ns: u64,
    when_full: WhenFull,
}

impl Concurrency {
    /// `limit` is 1 to 65,535; `lease_ns` from a second to 30 days.
    pub fn new(name: &str, limit: u16, lease_ns: u64, when_full: WhenFull) -> Result<Self, RuleError> {
        check_name(name)?;
        if limit == 0 || !(SECOND_NS..=30 * 86_400 * SECOND_NS).contains(&lease_ns) {
            return Err(RuleError::Range);
        }
        let epoch_ns = lease_ns.div_ceil(EPOCHS_IN_LEASE);
        // The lease is part of the identity: with another one, epochs would have other numbers.
        let mut kinds = [b'c', 0, 0, 0, 0, 0, 0, 0, 0];
        kinds[1..].copy_from_slice(&epoch_ns.to_le_bytes());
        Ok(Self { id: identity(name, &kinds), limit: limit.into(), epoch_ns, when_full })
    }
}

/// A place that is held. It cannot be copied: giving one back twice would give back another's.
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    hash: KeyHash,
    epoch: u64,
    epoch_ns: u64,
}

impl Permit {
    /// For a caller that must carry it through another language.
    pub fn into_words(self) -> [u64; 4] {
        [self.hash.place, self.hash.rest, self.epoch, self.epoch_ns]
    }

    /// What `into_words` gave. Other words find no place to give back.
    pub fn from_words([place, rest, epoch, epoch_ns]: [u64; 4]) -> Self {
        Self { hash: KeyHash { place, rest }, epoch, epoch_ns: epoch_ns.max(1) }
    }
}

/// What came of asking for a place.
#[derive(Debug, PartialEq, Eq)]
pub enum Acquired {
    /// A place, and how many are taken now with it.
    Granted {
        /// To give back.
        permit: Permit,
        /// Places taken, this one too.
        in_use: u64,
    },
    /// All places are taken.
    Refused,
    /// The file has no room for the key, and the limit says to refuse.
    FullRefused,
    /// The file has no room for the key, and the limit says to admit without counting.
    FullAdmitted(Permit),
}

impl Limits {
    /// Takes a place of a key's limit.
    pub fn acquire(&mut self, limit: &Concurrency, key: &[u8], now: UnixNanos) -> Acquired {
        let now = now.min(MAX_NOW);
        let hash = self.key_hash(limit.id, key);
        let epoch_ns = limit.epoch_ns;
        let control = self.layout().key_bucket(hash.place);
        let words = self.words();
        loop {
            let seen = txn::settled(words, control);
            let place = table::find(words, control, hash);
            let before = place.map_or_else(Cell::default, |slot| table::read(words, control, slot));
            let in_use = in_use(&before.states, now / epoch_ns);
            let mut changes = Changes::default();
            let mut after = before;
            let epoch = enter(&mut after.states, now / epoch_ns);
            let lifetime = lifetime_of(&after.states, now / epoch_ns, epoch_ns);
            let granted = || Acquired::Granted { permit: Permit { hash, epoch, epoch_ns }, in_use: in_use + 1 };
            let answer = if in_use >= limit.limit {
                Acquired::Refused
            } else if let Some(slot) = place {
                table::update(&mut changes, words, (control, slot), lifetime, (&before, &after));
                granted()
            } else if let Some(slot) = table::vacancy(words, control, now, limit.when_full) {
                table::occupy(&mut changes, words, (control, slot), hash, lifetime, &after);
                granted()
            } else if limit.when_full == WhenFull::Admit {
                Acquired::FullAdmitted(Permit { hash, epoch: UNCOUNTED, epoch_ns })
            } else {
                Acquired::FullRefused
            };
            if txn::commit(words, self.handle(), control, seen, &changes) {
                return answer;
            }
        }
    }

    // Reason: giving it back uses it up.
    #[allow(clippy::needless_pass_by_value)]
    /// Gives a place back. `false`: its lease was over, so it had come back already.
    pub fn release(&mut self, permit: Permit, now: UnixNanos) -> bool {
        let Permit { hash, epoch, epoch_ns } = permit;
        self.leave(hash, (epoch, epoch_ns), now, |_| None).is_some()
    }

    /// Keeps a place for another lease. `None`: its lease was over; the request goes on without being counted, or asks again.
    pub fn renew(&mut self, permit: Permit, now: UnixNanos) -> Option<Permit> {
        let Permit { hash, epoch, epoch_ns } = permit;
        let current = now.min(MAX_NOW) / epoch_ns;
        if epoch != UNCOUNTED && epoch >= current {
            return Some(permit);
        }
        let epoch = self.leave(hash, (epoch, epoch_ns), now, |after| Some(enter(after, current)))?;
        Some(Permit { hash, epoch, epoch_ns })
    }

    /// Counts a place again that was lost with its lease while its request went on: beyond the limit, if it must be.
    /// `None`: there is no room.
    // Reason: the old one must not be given back as well.
    #[allow(clippy::needless_pass_by_value)]
    pub fn retake(&mut self, permit: Permit, now: UnixNanos) -> Option<Permit> {
        let Permit { hash, epoch, epoch_ns } = permit;
        if epoch == UNCOUNTED {
            return Some(permit);
        }
        let now = now.min(MAX_NOW);
        let control = self.layout().key_bucket(hash.place);
        let words = self.words();
        loop {
            let seen = txn::settled(words, control);
            let place = table::find(words, control, hash);
            let before = place.map_or_else(Cell::default, |slot| table::read(words, control, slot));
            let mut after = before;
            let epoch = enter(&mut after.states, now / epoch_ns);
            let lifetime = lifetime_of(&after.states, now / epoch_ns, epoch_ns);
            let mut changes = Changes::default();
            if let Some(slot) = place {
                table::update(&mut changes, words, (control, slot), lifetime, (&before, &after));
            } else {
                let slot = table::vacancy(words, control, now, WhenFull::ForgetLeastUsed)?;
                table::occupy(&mut changes, words, (control, slot), hash, lifetime, &after);
            }
            if txn::commit(words, self.handle(), control, seen, &changes) {
                return Some(Permit { hash, epoch, epoch_ns });
            }
        }
    }

    /// Takes one off an epoch's count, and does what `then` does with the states in the same transaction.
    fn leave(
        &mut self,
        hash: KeyHash,
        (epoch, epoch_ns): (u64, u64),
        now: UnixNanos,
        then: impl Fn(&mut States) -> Option<u64>,
    ) -> Option<u64> {
        let current = now.min(MAX_NOW) / epoch_ns;
        if epoch == UNCOUNTED {
            return Some(UNCOUNTED);
        }
        let control = self.layout().key_bucket(hash.place);
        let words = self.words();
        loop {
            let seen = txn::settled(words, control);
            let found = table::find(words, control, hash).and_then(|slot| {
                let before = table::read(words, control, slot);
                let index =
                    before.states.iter().position(|state| epoch_of(*state) == epoch && state & COUNT_MASK > 0)?;
                live(before.states[index], current).then_some((slot, before, index))
            });
            let mut changes = Changes::default();
            let mut left = None;
            if let Some((slot, before, index)) = found {
                let mut after = before;
                let states = &mut after.states;
                states[index] = counted(states[index], epoch, (states[index] & COUNT_MASK) - 1);
                left = Some(then(states).unwrap_or(epoch));
                let lifetime = lifetime_of(states, current, epoch_ns);
                table::update(&mut changes, words, (control, slot), lifetime, (&before, &after));
            }
            if txn::commit(words, self.handle(), control, seen, &changes) {
                return left;
            }
        }
    }
}

const fn epoch_of(state: u64) -> u64 {
    state >> 28
}

/// A new count, with the next version: counts go up and down, words must not return.
const fn counted(state: u64, epoch: u64, count: u64) -> u64 {
    let version = ((state >> 16) + 1) & 0xFFF;
    epoch << 28 | version << 16 | count
}

/// Whether places of the state's epoch are still held. Epochs to come are: the clock has gone back.
const fn live(state: u64, current: u64) -> bool {
    state & COUNT_MASK > 0 && epoch_of(state) + EPOCHS_IN_LEASE >= current
}

fn in_use(states: &States, current: u64) -> u64 {
    states.iter().filter(|state| live(**state, current)).map(|state| state & COUNT_MASK).sum()
}

/// Counts one more, in the present epoch if there is a word for it. After the clock went back there may be none: then
/// in the latest, so that the place is held for too long rather than too short. The epoch it counts in.
fn enter(states: &mut States, current: u64) -> u64 {
    let room = |state: u64| state & COUNT_MASK < COUNT_MASK;
    let same = states.iter().position(|state| epoch_of(*state) == current && live(*state, current) && room(*state));
    let free = || states.iter().position(|state| !live(*state, current));
    let latest = || (0..STATES).filter(|index| room(states[*index])).max_by_key(|index| epoch_of(states[*index]));
    // A limit is at most 65,535, so one word at least has room whenever a place is granted.
    let index = same.or_else(free).or_else(latest).unwrap_or(0);
    let held = live(states[index], current);
    let (epoch, count) = if held { (epoch_of(states[index]), states[index] & COUNT_MASK) } else { (current, 0) };
    states[index] = counted(states[index], epoch, (count + 1).min(COUNT_MASK));
    epoch
}

fn lifetime_of(states: &States, current: u64, epoch_ns: u64) -> Lifetime {
    let last = states.iter().filter(|state| live(**state, current)).map(|state| epoch_of(*state)).max();
    last.map_or(Lifetime::OVER, |epoch| Lifetime {
        until_ns: (epoch + EPOCHS_IN_LEASE + 1).saturating_mul(epoch_ns),
        used: EXHAUSTED,
    })
}
