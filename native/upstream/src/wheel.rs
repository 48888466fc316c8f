//! Timer wheel: deadlines in coarse ticks, cheap to set and never moved.
//!
//! An entry is not taken out when its deadline moves or its request ends. Whoever owns the id remembers for which tick
//! it lies in the wheel; when that tick comes, it looks whether the deadline is really over and, if not, puts the id
//! in again. A slot that serves thousands of requests a second therefore touches the wheel about once per timeout.

/// One tick in microseconds.
pub(crate) const TICK_US: u64 = 32_768;
const BUCKETS: usize = 512;

/// The first tick at which a deadline at `us` is over.
pub(crate) fn tick_of(us: u64) -> u64 {
    us / TICK_US + 1
}

pub(crate) struct Wheel {
    buckets: Vec<Vec<u32>>,
    occupied: [u64; BUCKETS / 64],
    now: u64,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Self { buckets: vec![Vec::new(); BUCKETS], occupied: [0; BUCKETS / 64], now: 0 }
    }

    /// Puts `id` in for `tick`, or for the farthest tick that the wheel reaches. Returns the tick it lies at.
    pub(crate) fn insert(&mut self, id: u32, tick: u64) -> u64 {
        let tick = tick.clamp(self.now + 1, self.now + BUCKETS as u64 - 1);
        let bucket = (tick % BUCKETS as u64) as usize;
        self.buckets[bucket].push(id);
        self.occupied[bucket / 64] |= 1 << (bucket % 64);
        tick
    }

    /// Moves time on to `now` and appends what came due, each with the tick it lay at.
    pub(crate) fn advance(&mut self, now: u64, due: &mut Vec<(u32, u64)>) {
        let end = now.min(self.now + BUCKETS as u64);
        for tick in self.now + 1..=end {
            let bucket = (tick % BUCKETS as u64) as usize;
            if self.occupied[bucket / 64] & (1 << (bucket % 64)) != 0 {
                self.occupied[bucket / 64] &= !(1 << (bucket % 64));
                due.extend(self.buckets[bucket].drain(..).map(|id| (id, tick)));
            }
        }
        self.now = self.now.max(now);
    }

    /// The first tick that has entries.
    pub(crate) fn next(&self) -> Option<u64> {
        let first = ((self.now + 1) % BUCKETS as u64) as usize;
        let words = self.occupied.len();
        // Once around, and the first word again for the part of it that lies before `first`.
        for step in 0..=words {
            let word = (first / 64 + step) % words;
            let mut bits = self.occupied[word];
            if step == 0 {
                bits &= u64::MAX << (first % 64);
            }
            if bits != 0 {
                let bucket = word * 64 + bits.trailing_zeros() as usize;
                let ahead = (bucket + BUCKETS - first) % BUCKETS;
                return Some(self.now + 1 + ahead as u64);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_each_entry_at_its_tick_and_not_before() {
        let mut wheel = Wheel::new();
        let mut due = Vec::new();
        assert_eq!(wheel.next(), None);
        wheel.insert(7, 3);
        wheel.insert(8, 5);
        assert_eq!(wheel.next(), Some(3));
        wheel.advance(2, &mut due);
        assert!(due.is_empty());
        wheel.advance(4, &mut due);
        assert_eq!(due, [(7, 3)]);
        due.clear();
        wheel.advance(100, &mut due);
        assert_eq!(due, [(8, 5)]);
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn a_far_deadline_comes_early_so_that_its_owner_can_put_it_in_again() {
        let mut wheel = Wheel::new();
        let at = wheel.insert(1, 1_000_000);
        assert_eq!(at, 511);
        let mut due = Vec::new();
        wheel.advance(10_000, &mut due);
        assert_eq!(due, [(1, 511)]);
        assert_eq!(wheel.insert(2, 5), 10_001, "a tick that is over is the next one");
    }

    #[test]
    fn a_long_pause_loses_nothing() {
        let mut wheel = Wheel::new();
        for id in 0..2_000 {
            wheel.insert(id, u64::from(id) + 1);
        }
        let mut due = Vec::new();
        wheel.advance(1_000_000, &mut due);
        assert_eq!(due.len(), 2_000);
    }
}
