//! Transactions on one bucket: several words change together or not at all, seen by all processes, without locks.
//! Everything that changes the file goes through here; nothing here knows what the words mean.
//!
//! ```text
//! control word of a bucket:  [ sequence 48 bit | 0 ]            idle
//!                            [ sequence 48 bit | handle + 1 ]   the changes in that handle's descriptor are happening
//!
//! idle(s) --commit: one compare-and-swap--> pending(s, handle) --anyone applies, then one more--> idle(s + 1)
//! ```
//!
//! - A commit names the idle value it saw before it read the bucket. Every change passes through the control word, so
//!   if the swap succeeds nothing that was read has changed: decisions are serial for each bucket.
//! - Once pending, the changes will be made. The owner makes them; whoever meets the bucket before that makes them
//!   too. So a process that was killed or is not running stops nobody.
//! - An owner writes its descriptor only when its last transaction is through, so a helper that still sees the same
//!   pending value after it has copied the descriptor has a true copy.
//! - A helper that sleeps between its last look at the control word and a swap of a word can only succeed if that word
//!   holds the old value again. Lifetimes and states grow, and tags carry a version, so that they do not return.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release, SeqCst};

use crate::layout::{BUCKET_WORDS, CELL_WORDS, DESCRIPTOR_WORDS, HANDLES, Layout};

/// A tag and a whole cell.
const MAX_CHANGES: usize = 1 + CELL_WORDS;
const HANDLE_BITS: u64 = 0xFFFF;
const _: () = assert!(3 + 3 * MAX_CHANGES <= DESCRIPTOR_WORDS);

#[derive(Clone, Copy, Default)]
struct Change {
    word: usize,
    old: u64,
    new: u64,
}

/// Words to change together. At most a tag and a cell: callers are in this crate and ask for no more.
#[derive(Default)]
pub(crate) struct Changes {
    list: [Change; MAX_CHANGES],
    count: usize,
}

impl Changes {
    pub(crate) fn set(&mut self, word: usize, old: u64, new: u64) {
        if old != new {
            debug_assert!(self.count < MAX_CHANGES);
            self.list[self.count] = Change { word, old, new };
            self.count += 1;
        }
    }
}

/// The control word's idle value; finishes what it finds under way.
pub(crate) fn settled(words: &[AtomicU64], control: usize) -> u64 {
    loop {
        let value = words[control].load(Acquire);
        if value & HANDLE_BITS == 0 {
            return value;
        }
        finish(words, control, value);
    }
}

/// Whether what was read since `settled` gave `seen` is one consistent state.
pub(crate) fn unchanged(words: &[AtomicU64], control: usize, seen: u64) -> bool {
    std::sync::atomic::fence(Acquire);
    words[control].load(Acquire) == seen
}

/// `false`: the bucket has changed since `seen`; read it again.
pub(crate) fn commit(words: &[AtomicU64], handle: usize, control: usize, seen: u64, changes: &Changes) -> bool {
    let list = &changes.list[..changes.count];
    if list.is_empty() {
        return unchanged(words, control, seen);
    }
    let pending = seen | (handle as u64 + 1);
    let descriptor = Layout::descriptor(handle);
    words[descriptor].store(pending, Release);
    words[descriptor + 1].store(control as u64, Release);
    words[descriptor + 2].store(list.len() as u64, Release);
    for (index, change) in list.iter().enumerate() {
        let at = descriptor + 3 + 3 * index;
        words[at].store(change.word as u64, Release);
        words[at + 1].store(change.old, Release);
        words[at + 2].store(change.new, Release);
    }
    if words[control].compare_exchange(seen, pending, SeqCst, Acquire).is_err() {
        return false;
    }
    apply(words, control, pending, list);
    true
}

/// Finishes what the former owner of a handle may have left, so that the handle's descriptor can be written again.
pub(crate) fn inherit(words: &[AtomicU64], handle: usize) {
    let control = words[Layout::descriptor(handle) + 1].load(Acquire) as usize;
    if control < Layout::buckets_start() || control >= words.len() {
        return;
    }
    let value = words[control].load(Acquire);
    if value & HANDLE_BITS == handle as u64 + 1 {
        finish(words, control, value);
    }
}

fn finish(words: &[AtomicU64], control: usize, pending: u64) {
    let handle = (pending & HANDLE_BITS) as usize - 1;
    let mut changes = Changes::default();
    let whole = handle < HANDLES && copy(words, handle, control, pending, &mut changes);
    if words[control].load(Acquire) != pending {
        return;
    }
    // Not whole although still pending: no run of this code leaves that. The file was damaged; the bucket goes on with
    // what its words hold.
    let list = if whole { &changes.list[..changes.count] } else { &[] };
    apply(words, control, pending, list);
}

/// Copies a descriptor. It is true only if the control word still holds `pending` afterwards.
fn copy(words: &[AtomicU64], handle: usize, control: usize, pending: u64, changes: &mut Changes) -> bool {
    let descriptor = Layout::descriptor(handle);
    if words[descriptor].load(Acquire) != pending || words[descriptor + 1].load(Acquire) != control as u64 {
        return false;
    }
    let count = words[descriptor + 2].load(Acquire) as usize;
    if count > MAX_CHANGES {
        return false;
    }
    for index in 0..count {
        let at = descriptor + 3 + 3 * index;
        let word = words[at].load(Acquire) as usize;
        if word <= control || word >= words.len().min(control + BUCKET_WORDS) {
            return false;
        }
        changes.set(word, words[at + 1].load(Acquire), words[at + 2].load(Acquire));
    }
    true
}

fn apply(words: &[AtomicU64], control: usize, pending: u64, list: &[Change]) {
    for change in list {
        if words[control].load(Acquire) != pending {
            return;
        }
        // A failure means that another has made this change already.
        let _ = words[change.word].compare_exchange(change.old, change.new, AcqRel, Acquire);
    }
    let idle = ((pending >> 16).wrapping_add(1)) << 16;
    let _ = words[control].compare_exchange(pending, idle, SeqCst, Acquire);
}
