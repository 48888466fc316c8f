//! One key's tags, in a ring indexed by `second mod length`.
//!
//! A tag is the lower half of what a kernel writes: with many keys a request waits for memory, and half as much of it is
//! worth more than the one forged signature in a hundred that finds a tag, and costs what every other one costs.
//!
//! ```text
//!            low                                     high
//!   .....[====|==========|===========|==============|====).....     covered: each tag is of its second
//!             ^          ^           ^
//!             now-skew   now         now+skew                       asked for
//! ```
//!
//! A clock that goes on extends `high` by what passed, one that steps back extends `low`, each side at the cost of the
//! other when the ring is full; a step over the whole ring builds it anew. There is no timer.

use std::ops::Range;

use super::{
    kernel::Kernel,
    scan::{self, Found},
    template::Template,
};

/// Slots beyond the window: they let a clock step back by half a minute, and many seconds be hashed at once, for free.
const SPARE: usize = 32;

/// The largest skew: a quarter of an hour.
pub const MAX_SKEW_SECONDS: u32 = 900;

/// Whether a clock and its whole window have ten digits.
pub const fn in_range(now: u64) -> bool {
    // A day on either side is more than any skew.
    now >= 1_000_000_000 + 86_400 && now < 10_000_000_000 - 86_400
}

/// The tags of one key.
pub struct Table {
    tags: Box<[u16]>,
    covered: Range<u64>,
}

impl Table {
    /// Empty: the first [`Self::cover`] fills it.
    pub fn new(skew_seconds: u32) -> Self {
        let window = 2 * skew_seconds as usize + 1;
        Self { tags: vec![0; (window + SPARE).next_multiple_of(32)].into_boxed_slice(), covered: 0..0 }
    }

    pub fn bytes(&self) -> usize {
        self.tags.len() * size_of::<u16>()
    }

    /// Forgets everything, keeps the memory: for another key.
    pub fn clear(&mut self) {
        self.covered = 0..0;
    }

    /// Makes every second of `wanted` a covered one. `wanted` is at most `SPARE` shorter than the ring.
    #[inline]
    pub fn cover(&mut self, kernel: Kernel, template: &Template, wanted: Range<u64>) {
        if self.covered.start <= wanted.start && wanted.end <= self.covered.end {
            return;
        }
        self.extend(kernel, template, wanted);
    }

    #[cold]
    fn extend(&mut self, kernel: Kernel, template: &Template, wanted: Range<u64>) {
        let length = self.tags.len() as u64;
        if wanted.start > self.covered.end || wanted.end < self.covered.start || self.covered.is_empty() {
            self.fill(kernel, template, wanted.clone());
            self.covered = wanted;
            return;
        }
        if wanted.end > self.covered.end {
            // A kernel's lanes cost the same full or empty: the seconds to come are hashed along.
            let lanes = kernel.lanes(template.hash) as u64;
            let end = self.covered.end + (wanted.end - self.covered.end).next_multiple_of(lanes);
            self.fill(kernel, template, self.covered.end..end);
            self.covered = self.covered.start.max(end.saturating_sub(length))..end;
        }
        if wanted.start < self.covered.start {
            self.fill(kernel, template, wanted.start..self.covered.start);
            self.covered = wanted.start..self.covered.end.min(wanted.start + length);
        }
    }

    fn fill(&mut self, kernel: Kernel, template: &Template, seconds: Range<u64>) {
        let length = self.tags.len() as u64;
        // Seconds that the ring would lose again at once are not worth a hash.
        let mut next = seconds.start.max(seconds.end.saturating_sub(length));
        let mut whole = [0; 128];
        while next < seconds.end {
            let at = (next % length) as usize;
            let run = (self.tags.len() - at).min((seconds.end - next) as usize).min(whole.len());
            kernel.tags(template, next, &mut whole[..run]);
            for (tag, whole) in self.tags[at..at + run].iter_mut().zip(whole) {
                *tag = short(whole);
            }
            next += run as u64;
        }
    }

    /// Where its tags are, for as long as it lives, wherever it is moved to.
    pub fn tags_at(&self) -> *const u8 {
        self.tags.as_ptr().cast()
    }

    /// One pass over all tags.
    #[inline]
    pub fn find(&self, kernel: Kernel, tag: u32) -> Found {
        kernel.scan(&self.tags, short(tag))
    }

    /// The `n`th of several.
    pub fn find_nth(&self, tag: u32, n: u32) -> Option<usize> {
        scan::nth(&self.tags, short(tag), n)
    }

    /// The second that a slot stands for, if it is a covered one.
    #[inline]
    pub fn second_at(&self, index: usize) -> Option<u64> {
        let length = self.tags.len() as u64;
        let start = self.covered.start;
        let ahead = (index as u64 + length - start % length) % length;
        Some(start + ahead).filter(|second| *second < self.covered.end)
    }
}

/// The part of a tag that is kept.
const fn short(tag: u32) -> u16 {
    tag as u16
}
