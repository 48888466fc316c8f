//! The threads that compute hashes. They start when there is something to do, and one that has had nothing to do for a
//! while gives back its memory, then ends. A hash that panics costs its own requests an error and nobody else anything.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::accounts::{Account, Found};
use crate::hash::Scratch;
use crate::memory::CredentialDigest;

/// Of one worker process.
pub const THREADS: usize = 2;
/// Hashes that wait for a thread; past them the gateway is overloaded.
pub const MAX_QUEUED: usize = 64;
/// A hash waits no longer than that for a thread.
pub const MAX_QUEUED_MS: u64 = 5000;

/// After so long without work a thread gives its memory back, after as long again it ends.
const REST: Duration = Duration::from_secs(2);
/// Loops and the upstream's answers come first.
const NICENESS: i32 = 5;

pub struct Job {
    pub digest: CredentialDigest,
    pub account: Arc<Account>,
    pub password: Zeroizing<Vec<u8>>,
    pub queued: Instant,
}

/// What is done with a job; tests put something else in its place.
pub type Work = Box<dyn Fn(&Account, &[u8], &mut Scratch) -> Found + Send + Sync>;

pub struct Queue {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// There is a job, or nothing will come any more.
    changed: Condvar,
    work: Work,
    longest: Duration,
    /// Called on a thread of the queue when there is something done where there was nothing.
    wake: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    done: Vec<(CredentialDigest, Found)>,
    /// Threads that wait for a job, and all.
    resting: usize,
    threads: usize,
    closing: bool,
}

impl Shared {
    /// Nothing that holds the lock leaves the state half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// What has waited for longer than `longest` is not worth a hash any more.
    pub fn new(work: Work, longest: Duration, wake: Box<dyn Fn() + Send + Sync>) -> Self {
        let shared = Shared { state: Mutex::default(), changed: Condvar::new(), work, longest, wake };
        Self { shared: Arc::new(shared), threads: Vec::new() }
    }

    /// False: too many wait, or no thread can be had.
    pub fn push(&mut self, job: Job) -> bool {
        let mut state = self.shared.lock();
        if state.jobs.len() >= MAX_QUEUED {
            return false;
        }
        if state.resting <= state.jobs.len() && state.threads < THREADS {
            self.threads.retain(|thread| !thread.is_finished());
            let shared = Arc::clone(&self.shared);
            match thread::Builder::new().name("password".to_owned()).spawn(move || serve(&shared)) {
                Ok(thread) => {
                    state.threads += 1;
                    self.threads.push(thread);
                }
                Err(_) if state.threads == 0 => return false,
                Err(_) => {}
            }
        }
        state.jobs.push_back(job);
        drop(state);
        self.shared.changed.notify_one();
        true
    }

    /// Moves what is done into `out`.
    pub fn take(&self, out: &mut Vec<(CredentialDigest, Found)>) {
        out.append(&mut self.shared.lock().done);
    }
}

impl Drop for Queue {
    /// Waits for the hashes that are being computed: a second at most. Nobody hears of them, or of those that wait.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closing = true;
        state.jobs.clear();
        drop(state);
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

fn serve(shared: &Shared) {
    // SAFETY: no memory is involved. On Linux 0 is the calling thread; where it fails, the thread is as urgent as others.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
    let mut scratch = Scratch::default();
    while let Some(job) = next_job(shared, &mut scratch) {
        let found = if job.queued.elapsed() > shared.longest {
            Found::Late
        } else {
            let work = AssertUnwindSafe(|| (shared.work)(&job.account, &job.password, &mut scratch));
            catch_unwind(work).unwrap_or(Found::Failed)
        };
        let mut state = shared.lock();
        let first = state.done.is_empty();
        state.done.push((job.digest, found));
        let wake = first && !state.closing;
        drop(state);
        if wake {
            (shared.wake)();
        }
    }
}

/// None: the thread has nothing to do any more, and has been taken off the count.
fn next_job(shared: &Shared, scratch: &mut Scratch) -> Option<Job> {
    let mut rests = 0;
    let mut state = shared.lock();
    loop {
        if state.closing {
            break;
        }
        if let Some(job) = state.jobs.pop_front() {
            return Some(job);
        }
        if rests == 2 {
            break;
        }
        state.resting += 1;
        let (woken, timeout) = shared.changed.wait_timeout(state, REST).unwrap_or_else(PoisonError::into_inner);
        state = woken;
        state.resting -= 1;
        if timeout.timed_out() {
            rests += 1;
            scratch.give_back();
        }
    }
    state.threads -= 1;
    None
}
