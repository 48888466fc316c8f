//! Keys to their credentials, by a hash of the key: what belongs to a key is known, and can be fetched, before the key
//! itself has been read from memory and compared.

use std::{
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState},
    ops::Range,
};

/// One key.
#[derive(Clone)]
pub struct Place {
    /// Of its credentials.
    first: u32,
    end: u32,
    /// Of its text.
    key_at: u32,
    key_end: u32,
}

impl Place {
    #[inline]
    pub fn credentials(&self) -> Range<usize> {
        self.first as usize..self.end as usize
    }
}

pub struct KeyIndex {
    /// Keyed anew in each process: nobody can know which keys are near one another.
    hashing: RandomState,
    by_hash: HashMap<u64, Place, BuildHasherDefault<Already>>,
    /// One after another.
    keys: Vec<u8>,
}

impl KeyIndex {
    /// Of the keys of all credentials, those of one key side by side.
    pub fn new<'a>(keys: &(impl Iterator<Item = &'a [u8]> + Clone)) -> Self {
        loop {
            // Two keys with one hash of 64 bits: a chance of 1 in 10^11 with 10,000 keys, and then other hashes are taken.
            if let Some(index) = Self::with(RandomState::new(), keys.clone()) {
                return index;
            }
        }
    }

    fn with<'a>(hashing: RandomState, keys: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let mut index = Self { hashing, by_hash: HashMap::default(), keys: Vec::new() };
        for (at, key) in keys.enumerate() {
            let hash = index.hashing.hash_one(key);
            if let Some(place) = index.by_hash.get_mut(&hash) {
                if index.keys[place.key_at as usize..place.key_end as usize] != *key {
                    return None;
                }
                place.end = at as u32 + 1;
                continue;
            }
            let key_at = index.keys.len() as u32;
            index.keys.extend_from_slice(key);
            let key_end = index.keys.len() as u32;
            index.by_hash.insert(hash, Place { first: at as u32, end: at as u32 + 1, key_at, key_end });
        }
        Some(index)
    }

    /// The one key that this can be, if it is one: [`Self::is`] says so.
    #[inline]
    pub fn candidate(&self, key: &[u8]) -> Option<&Place> {
        self.by_hash.get(&self.hashing.hash_one(key))
    }

    #[inline]
    pub fn is(&self, place: &Place, key: &[u8]) -> bool {
        self.keys[place.key_at as usize..place.key_end as usize] == *key
    }

    pub fn len(&self) -> usize {
        self.by_hash.len()
    }
}

/// For keys that are hashes.
#[derive(Default)]
struct Already(u64);

impl Hasher for Already {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[inline]
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // Reason: a test may panic.
mod tests {
    use super::*;

    fn found(index: &KeyIndex, key: &[u8]) -> Option<Range<usize>> {
        index.candidate(key).filter(|place| index.is(place, key)).map(Place::credentials)
    }

    #[test]
    fn unknown_keys_and_known_ones_with_several_credentials() {
        let keys: [&[u8]; 5] = [b"a", b"ab", b"ab", b"b", b"bc"];
        let index = KeyIndex::new(&keys.into_iter());
        for unknown in [&b""[..], b"c", b"abb", b"A", b"aab"] {
            assert_eq!(found(&index, unknown), None);
        }
        assert_eq!(found(&index, b"a"), Some(0..1));
        assert_eq!(found(&index, b"ab"), Some(1..3));
        assert_eq!(found(&index, b"b"), Some(3..4));
        assert_eq!(found(&index, b"bc"), Some(4..5));
        assert_eq!(index.len(), 4);
    }

    #[test]
    fn another_key_with_the_same_hash_is_not_that_key() {
        let index = KeyIndex::new(&[&b"one"[..], b"other"].into_iter());
        let place = index.candidate(b"one").unwrap();
        assert!(index.is(place, b"one") && !index.is(place, b"other"));
    }
}
