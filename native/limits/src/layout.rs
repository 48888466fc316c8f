//! Where everything lies in the file, and the header that says so. `open.rs` reads and writes it; the rest only asks
//! for positions, which count in 64-bit words from the file's start.
//!
//! ```text
//! header 128 B | 256 descriptors of 256 B | key buckets of 1,088 B | replay buckets of 256 B
//! ```

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"pglimits");
pub(crate) const VERSION: u64 = 2;
/// A handle is one opening of the file: at most so many at once.
pub(crate) const HANDLES: usize = 256;
pub(crate) const HEADER_WORDS: usize = 16;
pub(crate) const DESCRIPTOR_WORDS: usize = 32;
/// Keys in a bucket. With half of the slots used, one bucket of 200 is full; with a third, one of 14,000.
pub(crate) const SLOTS: usize = 15;
/// Windows of a rule, or epochs of a concurrency limit.
pub(crate) const STATES: usize = 5;
/// Second half of the hash, lifetime, time of the last change, states: a cache line.
pub(crate) const CELL_WORDS: usize = 3 + STATES;
/// Control word, tags, cells: 17 cache lines.
pub(crate) const BUCKET_WORDS: usize = 1 + SLOTS + SLOTS * CELL_WORDS;
/// Control word, then entries.
pub(crate) const REPLAY_WORDS: usize = 32;

/// Position of the gateway's identity in the header: the one word of it that changes, outside the checksum.
pub(crate) const GATEWAY_WORD: usize = 9;

/// Why a file is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Shorter or longer than its header says, or than a header.
    Length,
    /// Not a limits file.
    Magic,
    /// Written by another version.
    Version,
    /// Another layout: the sizes in the options have changed, or the processor's byte order.
    Layout,
    /// The header's checksum does not match.
    Checksum,
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Length => "its length is wrong",
            Self::Magic => "it is no limits file",
            Self::Version => "it was written by another version",
            Self::Layout => "it was laid out for other sizes",
            Self::Checksum => "its header is damaged",
        })
    }
}

/// Sizes that the options ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub key_buckets: usize,
    pub replay_buckets: usize,
}

/// What the header holds beside the layout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub secret: [u64; 2],
}

impl Layout {
    /// Twice the slots that the capacities need, so that buckets rarely overflow. `None`: beyond 64 GiB.
    pub(crate) fn for_capacities(keys: usize, replays: usize) -> Option<Self> {
        let layout = Self {
            key_buckets: keys.checked_mul(2)?.div_ceil(SLOTS).max(1),
            replay_buckets: replays.checked_mul(2)?.div_ceil(REPLAY_WORDS - 1).max(1),
        };
        let words = layout
            .key_buckets
            .checked_mul(BUCKET_WORDS)?
            .checked_add(layout.replay_buckets.checked_mul(REPLAY_WORDS)?)?;
        (words <= 1 << 33).then_some(layout)
    }

    pub(crate) const fn descriptor(handle: usize) -> usize {
        HEADER_WORDS + handle * DESCRIPTOR_WORDS
    }

    /// First word of the buckets; everything before it is header and descriptors. A multiple of a cache line.
    pub(crate) const fn buckets_start() -> usize {
        Self::descriptor(HANDLES)
    }

    /// Control word of the bucket that a hash belongs to.
    pub(crate) fn key_bucket(&self, hash: u64) -> usize {
        Self::buckets_start() + spread(hash, self.key_buckets) * BUCKET_WORDS
    }

    pub(crate) fn replay_bucket(&self, hash: u64) -> usize {
        Self::buckets_start() + self.key_buckets * BUCKET_WORDS + spread(hash, self.replay_buckets) * REPLAY_WORDS
    }

    pub(crate) fn words(&self) -> usize {
        Self::buckets_start() + self.key_buckets * BUCKET_WORDS + self.replay_buckets * REPLAY_WORDS
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.words() as u64 * 8
    }

    fn hash(&self) -> u64 {
        let sizes = [
            HANDLES,
            HEADER_WORDS,
            DESCRIPTOR_WORDS,
            SLOTS,
            CELL_WORDS,
            BUCKET_WORDS,
            REPLAY_WORDS,
            self.key_buckets,
            self.replay_buckets,
        ];
        let mut hasher = SipHasher13::new();
        for size in sizes {
            hasher.write_u64(size as u64);
        }
        hasher.write_u32(u32::from_ne_bytes([1, 2, 3, 4]));
        hasher.finish()
    }

    pub(crate) fn header(&self, secret: [u64; 2]) -> [u64; HEADER_WORDS] {
        let mut words = [0; HEADER_WORDS];
        words[0] = MAGIC;
        words[1] = VERSION;
        words[2] = self.hash();
        words[3] = self.key_buckets as u64;
        words[4] = self.replay_buckets as u64;
        words[5] = secret[0];
        words[6] = secret[1];
        words[8] = checksum(&words);
        words
    }

    /// `length` is the file's, in bytes.
    pub(crate) fn read_header(&self, words: &[u64; HEADER_WORDS], length: u64) -> Result<Header, Flaw> {
        if words[0] != MAGIC {
            return Err(Flaw::Magic);
        }
        if words[1] != VERSION {
            return Err(Flaw::Version);
        }
        if words[8] != checksum(words) {
            return Err(Flaw::Checksum);
        }
        if words[2] != self.hash() {
            return Err(Flaw::Layout);
        }
        if length != self.bytes() {
            return Err(Flaw::Length);
        }
        Ok(Header { secret: [words[5], words[6]] })
    }
}

fn checksum(words: &[u64; HEADER_WORDS]) -> u64 {
    let mut hasher = SipHasher13::new();
    for word in &words[..8] {
        hasher.write_u64(*word);
    }
    hasher.finish()
}

/// Maps a hash evenly to `0..count` by its high bits, without a division.
fn spread(hash: u64, count: usize) -> usize {
    ((u128::from(hash) * count as u128) >> 64) as usize
}
