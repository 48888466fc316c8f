//! A plugin's store within one worker, of keys and values: what it learnt from one request, for the next. Bounded: the oldest entry
//! makes room for the newest. Called by the hosts; it knows no clock of its own.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What an entry costs beside its texts, about.
const ENTRY_BYTES: usize = 160;

/// See the module. One per configuration of a plugin; nothing in it is seen by another.
#[derive(Debug)]
pub struct Store {
    entries: HashMap<Rc<[u8]>, Entry>,
    /// Keys by age: the number that the entry got when it was set.
    ages: BTreeMap<u64, Rc<[u8]>>,
    next_age: u64,
    bytes: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Entry {
    value: Box<[u8]>,
    age: u64,
    until: Option<Instant>,
}

/// Why an entry was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreRefusal {
    /// The key is empty, or longer than [`Store::MAX_KEY_BYTES`].
    Key,
    /// The value is longer than [`Store::MAX_VALUE_BYTES`].
    Value,
}

impl StoreRefusal {
    /// What the plugin's author reads about it.
    pub const fn detail(self) -> &'static str {
        match self {
            Self::Key => "a key has 1 to 1024 bytes",
            Self::Value => "a value has at most 1 MiB",
        }
    }
}

impl Store {
    /// Of a key.
    pub const MAX_KEY_BYTES: usize = 1024;
    /// Of a value.
    pub const MAX_VALUE_BYTES: usize = 1 << 20;

    /// `max_bytes`: for all entries together; a plugin that sets more loses its oldest.
    pub fn new(max_bytes: usize) -> Self {
        Self { entries: HashMap::new(), ages: BTreeMap::new(), next_age: 0, bytes: 0, max_bytes }
    }

    /// The value, unless its time is over.
    pub fn get(&mut self, key: &[u8], now: Instant) -> Option<&[u8]> {
        if self.entries.get(key)?.is_over(now) {
            self.delete(key);
            return None;
        }
        self.entries.get(key).map(|entry| &*entry.value)
    }

    /// Sets a key for a time.
    pub fn set(&mut self, key: &[u8], value: &[u8], time_to_live: Duration, now: Instant) -> Result<(), StoreRefusal> {
        if key.is_empty() || key.len() > Self::MAX_KEY_BYTES {
            return Err(StoreRefusal::Key);
        }
        if value.len() > Self::MAX_VALUE_BYTES {
            return Err(StoreRefusal::Value);
        }
        self.delete(key);
        let age = self.next_age;
        self.next_age += 1;
        let key: Rc<[u8]> = key.into();
        self.bytes += cost(&key, value);
        self.ages.insert(age, Rc::clone(&key));
        // A time that is too far for the clock never comes.
        let until = now.checked_add(time_to_live);
        self.entries.insert(key, Entry { value: value.into(), age, until });
        while self.bytes > self.max_bytes {
            let Some((_, oldest)) = self.ages.pop_first() else { break };
            self.forget(&oldest);
        }
        Ok(())
    }

    /// Removes a key; one that is not there is no error.
    pub fn delete(&mut self, key: &[u8]) {
        if let Some(age) = self.forget(key) {
            self.ages.remove(&age);
        }
    }

    fn forget(&mut self, key: &[u8]) -> Option<u64> {
        let entry = self.entries.remove(key)?;
        self.bytes -= cost(key, &entry.value);
        Some(entry.age)
    }
}

impl Entry {
    fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

fn cost(key: &[u8], value: &[u8]) -> usize {
    key.len() + value.len() + ENTRY_BYTES
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // Reason: a test may panic.
mod tests {
    //! Pins: what is too long is refused, times end, and the oldest makes room.

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn keys_and_values_that_are_too_long_are_refused() {
        let (mut values, now) = (Store::new(1 << 30), Instant::now());
        assert_eq!(values.set(b"", b"v", SECOND, now), Err(StoreRefusal::Key));
        assert_eq!(values.set(&[b'k'; Store::MAX_KEY_BYTES + 1], b"v", SECOND, now), Err(StoreRefusal::Key));
        let long = vec![0; Store::MAX_VALUE_BYTES + 1];
        assert_eq!(values.set(b"k", &long, SECOND, now), Err(StoreRefusal::Value));
        assert_eq!(values.get(b"k", now), None);
        assert_eq!(values.set(b"k", &long[1..], SECOND, now), Ok(()));
    }

    #[test]
    fn a_value_lives_until_its_time_is_over() {
        let (mut values, now) = (Store::new(1 << 20), Instant::now());
        values.set(b"k", b"v", SECOND, now).unwrap();
        values.set(b"for ever", b"w", Duration::MAX, now).unwrap();
        assert_eq!(values.get(b"k", now + Duration::from_nanos(999_999_999)), Some(&b"v"[..]));
        assert_eq!(values.get(b"k", now + SECOND), None);
        assert_eq!(values.get(b"k", now), None, "what was over is gone");
        assert_eq!(values.get(b"for ever", now + SECOND * 1_000_000), Some(&b"w"[..]));
    }

    #[test]
    fn the_last_set_counts_and_a_deleted_key_is_gone() {
        let (mut values, now) = (Store::new(1 << 20), Instant::now());
        values.set(b"k", b"v", SECOND, now).unwrap();
        values.set(b"k", b"\0\xff", SECOND * 2, now).unwrap();
        assert_eq!(values.get(b"k", now + SECOND), Some(&b"\0\xff"[..]));
        values.delete(b"k");
        values.delete(b"k");
        assert_eq!(values.get(b"k", now), None);
        assert_eq!((values.bytes, values.ages.len()), (0, 0));
    }

    #[test]
    fn the_oldest_makes_room() {
        let (mut values, now) = (Store::new(10 * (ENTRY_BYTES + 2)), Instant::now());
        for key in b'a'..=b'z' {
            values.set(&[key], b"v", SECOND, now).unwrap();
        }
        values.set(b"q", b"w", SECOND, now).unwrap();
        values.set(b"1", b"v", SECOND, now).unwrap();
        let left: Vec<_> = (b'a'..=b'z').filter(|key| values.get(&[*key], now).is_some()).collect();
        assert_eq!(left, b"qstuvwxyz", "r was the oldest, and q was set anew");
        assert_eq!((values.entries.len(), values.ages.len()), (10, 10));
    }

    #[test]
    fn a_million_keys_stay_within_the_bound() {
        let (mut values, now) = (Store::new(1 << 16), Instant::now());
        for number in 0..1_000_000_u32 {
            values.set(&number.to_le_bytes(), &[0; 32], SECOND, now).unwrap();
        }
        assert!(values.bytes <= 1 << 16 && values.entries.len() == values.ages.len());
    }
}
