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

#[cfg(test)]
mod tests {
    //! Pins: a transaction whose owner stopped after any of its steps is finished by the next who comes, as a whole; a
    //! descriptor that is passed on is finished first; a late owner or helper changes nothing; damage does not spread.

    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering::SeqCst;

    use super::{Changes, apply, commit, finish, inherit, settled};
    use crate::layout::Layout;

    const CONTROL: usize = Layout::buckets_start();
    const IDLE: u64 = 7 << 16;
    const NEXT: u64 = 8 << 16;

    fn file() -> Vec<AtomicU64> {
        let words: Vec<AtomicU64> = (0..CONTROL + 300).map(|_| AtomicU64::new(0)).collect();
        words[CONTROL].store(IDLE, SeqCst);
        words
    }

    fn changes(value: u64) -> Changes {
        let mut changes = Changes::default();
        for word in 1..=5 {
            changes.set(CONTROL + word, 0, value);
        }
        changes
    }

    fn read(words: &[AtomicU64]) -> [u64; 6] {
        std::array::from_fn(|index| words[CONTROL + index].load(SeqCst))
    }

    /// A transaction of handle 3 that got as far as `steps` of its five changes.
    fn stopped_after(steps: usize) -> Vec<AtomicU64> {
        let words = file();
        // Fails at its swap, as the control word is another's: so only the descriptor is written.
        words[CONTROL].store(NEXT, SeqCst);
        assert!(!commit(&words, 3, CONTROL, IDLE, &changes(9)));
        words[CONTROL].store(IDLE | 4, SeqCst);
        for word in 1..=steps {
            words[CONTROL + word].store(9, SeqCst);
        }
        words
    }

    #[test]
    fn whoever_comes_next_finishes_it_after_whatever_step_it_stopped() {
        for steps in 0..=5 {
            let words = stopped_after(steps);
            assert_eq!(settled(&words, CONTROL), NEXT, "{steps}");
            assert_eq!(read(&words), [NEXT, 9, 9, 9, 9, 9], "{steps}");
            let words = stopped_after(steps);
            inherit(&words, 3);
            assert_eq!(read(&words), [NEXT, 9, 9, 9, 9, 9], "{steps}");
        }
    }

    #[test]
    fn another_descriptor_is_not_the_ones_to_inherit() {
        let words = stopped_after(2);
        inherit(&words, 2);
        assert_eq!(read(&words), [IDLE | 4, 9, 9, 0, 0, 0]);
    }

    #[test]
    fn an_owner_or_helper_that_comes_late_changes_nothing() {
        let words = stopped_after(2);
        settled(&words, CONTROL);
        let mut more = Changes::default();
        for word in 1..=5 {
            more.set(CONTROL + word, 9, 0);
        }
        assert!(commit(&words, 5, CONTROL, NEXT, &more));
        // The words are what they were before the first transaction, but the bucket has moved on.
        finish(&words, CONTROL, IDLE | 4);
        apply(&words, CONTROL, IDLE | 4, &changes(9).list[..5]);
        assert_eq!(read(&words), [9 << 16, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn what_was_read_before_another_commit_cannot_be_committed() {
        let words = file();
        assert!(commit(&words, 0, CONTROL, IDLE, &changes(1)));
        assert!(!commit(&words, 1, CONTROL, IDLE, &changes(2)));
        assert!(!commit(&words, 1, CONTROL, IDLE, &Changes::default()), "nor was it true when it was looked at");
        assert!(commit(&words, 1, CONTROL, NEXT, &Changes::default()));
        assert_eq!(read(&words), [NEXT, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn a_descriptor_that_cannot_be_true_is_dropped_and_writes_nowhere_else() {
        let descriptor = Layout::descriptor(3);
        for (word, value) in
            [(0, 1), (1, 1), (2, 99), (3, 0), (3, CONTROL as u64), (3, u64::MAX), (3, CONTROL as u64 + 250)]
        {
            let words = stopped_after(0);
            words[descriptor + word].store(value, SeqCst);
            let before: Vec<u64> = words.iter().map(|word| word.load(SeqCst)).collect();
            assert_eq!(settled(&words, CONTROL), NEXT, "{word} {value}");
            let after: Vec<u64> = words.iter().map(|word| word.load(SeqCst)).collect();
            assert_eq!(before.iter().zip(&after).filter(|(old, new)| old != new).count(), 1, "{word} {value}");
        }
        let words = stopped_after(0);
        words[CONTROL].store(IDLE | 0xFFFF, SeqCst);
        assert_eq!(settled(&words, CONTROL), NEXT, "a handle that there is not");
    }

    #[test]
    fn threads_that_help_one_another_make_every_commit_once() {
        let words = file();
        words[CONTROL].store(0, SeqCst);
        std::thread::scope(|scope| {
            for handle in 0..4 {
                let words = &words;
                scope.spawn(move || {
                    for _ in 0..20_000 {
                        loop {
                            let seen = settled(words, CONTROL);
                            let mut changes = Changes::default();
                            for (index, word) in words[CONTROL + 1..=CONTROL + 5].iter().enumerate() {
                                let old = word.load(SeqCst);
                                changes.set(CONTROL + 1 + index, old, old + 1);
                            }
                            if commit(words, handle, CONTROL, seen, &changes) {
                                break;
                            }
                        }
                    }
                });
            }
        });
        assert_eq!(read(&words), [80_000 << 16, 80_000, 80_000, 80_000, 80_000, 80_000]);
    }
}
