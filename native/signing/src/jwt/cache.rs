//! Tokens that were accepted, by their SHA-256, so that one that comes again costs a hash. Two maps: when the young one
//! is full it becomes the old one, and what was in the old one goes. What is asked for stays young.

use std::{collections::HashMap, mem, sync::Arc};

use super::{Accepted, Refusal};

/// At most twice so many are remembered.
const HALF: usize = 4096;

#[derive(Clone, Debug)]
pub struct Entry {
    pub accepted: Arc<Accepted>,
    /// Unix seconds with the clock's skew, infinite where the token says nothing: valid from, and until just before.
    pub from: f64,
    pub until: f64,
}

impl Entry {
    pub fn at(&self, now: f64) -> Result<Arc<Accepted>, Refusal> {
        if now >= self.until {
            Err(Refusal::Expired)
        } else if now < self.from {
            Err(Refusal::NotYet)
        } else {
            Ok(Arc::clone(&self.accepted))
        }
    }
}

#[derive(Debug, Default)]
pub struct Cache {
    young: HashMap<[u8; 32], Entry>,
    old: HashMap<[u8; 32], Entry>,
    generation: u64,
}

impl Cache {
    /// What other keys have verified is forgotten.
    pub fn keep_for(&mut self, generation: u64) {
        if self.generation != generation {
            *self = Self { generation, ..Self::default() };
        }
    }

    pub fn find(&mut self, digest: &[u8; 32]) -> Option<Entry> {
        if let Some(entry) = self.young.get(digest) {
            return Some(entry.clone());
        }
        let entry = self.old.remove(digest)?;
        self.put(*digest, entry.clone());
        Some(entry)
    }

    pub fn put(&mut self, digest: [u8; 32], entry: Entry) {
        if self.young.len() >= HALF {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(digest, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: usize) -> [u8; 32] {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_le_bytes());
        digest
    }

    #[test]
    fn memory_is_bounded_and_what_is_used_stays() {
        let entry = Entry { accepted: Arc::default(), from: f64::NEG_INFINITY, until: f64::INFINITY };
        let mut cache = Cache::default();
        cache.put(digest(0), entry.clone());
        for number in 1..10 * HALF {
            cache.put(digest(number), entry.clone());
            assert!(cache.young.len() + cache.old.len() <= 2 * HALF);
            assert!(cache.find(&digest(0)).is_some(), "{number}");
        }
        assert!(cache.find(&digest(1)).is_none());
        cache.keep_for(7);
        assert!(cache.find(&digest(0)).is_none());
    }

    #[test]
    fn an_entry_ends() {
        let entry = Entry { accepted: Arc::default(), from: 10.0, until: 20.0 };
        assert_eq!(entry.at(9.9), Err(Refusal::NotYet));
        assert!(entry.at(10.0).is_ok() && entry.at(19.9).is_ok());
        assert_eq!(entry.at(20.0), Err(Refusal::Expired));
    }
}
