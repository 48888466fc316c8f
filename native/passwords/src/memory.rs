//! What is known of credentials that were verified a short while ago, by a keyed digest of them. Bounded by number and
//! time; wrong ones have room of their own, so that whoever guesses drives nobody out.

use std::collections::{HashMap, VecDeque};

use crate::accounts::Found;

/// SHA-256 under a key that no other process has.
pub type CredentialDigest = [u8; 32];

/// How long what a hash has said counts.
pub const REMEMBER_GOOD_MS: u64 = 60_000;
/// How long what a hash has refused is not hashed again.
pub const REMEMBER_WRONG_MS: u64 = 10_000;
/// So many at once; of more the oldest are forgotten.
pub const KEPT_GOOD: usize = 4096;
/// The same for wrong ones.
pub const KEPT_WRONG: usize = 1024;

#[derive(Default)]
pub struct Memory {
    known: HashMap<CredentialDigest, Known>,
    /// In the order of their end.
    good: VecDeque<(CredentialDigest, u64)>,
    wrong: VecDeque<(CredentialDigest, u64)>,
}

#[derive(Clone, Copy)]
struct Known {
    found: Found,
    until_ms: u64,
}

impl Memory {
    pub fn recall(&mut self, digest: &CredentialDigest, now_ms: u64) -> Option<Found> {
        let known = *self.known.get(digest)?;
        if known.until_ms > now_ms {
            return Some(known.found);
        }
        self.known.remove(digest);
        None
    }

    /// Only what a hash has said: another time there may be more memory, or less to do.
    pub fn remember(&mut self, digest: CredentialDigest, found: Found, now_ms: u64) {
        let (order, most, span_ms) = match found {
            Found::Place(_) => (&mut self.good, KEPT_GOOD, REMEMBER_GOOD_MS),
            Found::Nothing => (&mut self.wrong, KEPT_WRONG, REMEMBER_WRONG_MS),
            Found::Late | Found::Failed => return,
        };
        while order.len() >= most || order.front().is_some_and(|(_, until_ms)| *until_ms <= now_ms) {
            let Some((oldest, until_ms)) = order.pop_front() else { break };
            // What was forgotten and learned anew has a later entry.
            if self.known.get(&oldest).is_some_and(|known| known.until_ms == until_ms) {
                self.known.remove(&oldest);
            }
        }
        let until_ms = now_ms + span_ms;
        order.push_back((digest, until_ms));
        self.known.insert(digest, Known { found, until_ms });
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: usize) -> CredentialDigest {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&(number as u64).to_le_bytes());
        digest
    }

    #[test]
    fn what_is_too_old_is_forgotten() {
        let mut memory = Memory::default();
        memory.remember(digest(1), Found::Place(3), 100);
        memory.remember(digest(2), Found::Nothing, 100);
        assert_eq!(memory.recall(&digest(1), 100 + REMEMBER_GOOD_MS - 1), Some(Found::Place(3)));
        assert_eq!(memory.recall(&digest(1), 100 + REMEMBER_GOOD_MS), None);
        assert_eq!(memory.recall(&digest(2), 100 + REMEMBER_WRONG_MS - 1), Some(Found::Nothing));
        assert_eq!(memory.recall(&digest(2), 100 + REMEMBER_WRONG_MS), None);
        assert_eq!(memory.recall(&digest(3), 100), None);
        assert_eq!(memory.len(), 0);
    }

    #[test]
    fn wrong_ones_drive_out_no_good_ones_and_both_are_bounded() {
        let mut memory = Memory::default();
        memory.remember(digest(0), Found::Place(0), 0);
        for number in 1..=10 * KEPT_WRONG {
            memory.remember(digest(number), Found::Nothing, 1);
        }
        assert_eq!(memory.len(), KEPT_WRONG + 1);
        assert_eq!(memory.recall(&digest(0), 1), Some(Found::Place(0)));
        assert_eq!(memory.recall(&digest(9 * KEPT_WRONG), 1), None);
        assert_eq!(memory.recall(&digest(9 * KEPT_WRONG + 1), 1), Some(Found::Nothing));
        for number in 1..=2 * KEPT_GOOD {
            memory.remember(digest(1_000_000 + number), Found::Place(0), 2);
        }
        assert_eq!(memory.recall(&digest(0), 2), None);
        assert_eq!(memory.good.len(), KEPT_GOOD);
        assert!(memory.len() <= KEPT_GOOD + KEPT_WRONG);
    }

    #[test]
    fn what_was_learned_anew_is_not_forgotten_with_its_first_entry() {
        let mut memory = Memory::default();
        memory.remember(digest(1), Found::Nothing, 0);
        assert_eq!(memory.recall(&digest(1), REMEMBER_WRONG_MS), None);
        memory.remember(digest(1), Found::Nothing, REMEMBER_WRONG_MS);
        memory.remember(digest(2), Found::Nothing, REMEMBER_WRONG_MS);
        assert_eq!(memory.recall(&digest(1), REMEMBER_WRONG_MS), Some(Found::Nothing));
        assert_eq!(memory.wrong.len(), 2);
    }
}
