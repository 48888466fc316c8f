//! Credentials -> user: from memory, or by a hash that others with the same credentials share. Everything here belongs to
//! one thread, the loop's; only the hashes are computed elsewhere.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::accounts::{Account, Accounts, Found};
use crate::credentials::{Absent, Credentials};
use crate::memory::{CredentialDigest, Memory};
use crate::queue::{Job, MAX_QUEUED_MS, Queue};

/// Requests that wait for a hash, those with the same credentials included.
const MAX_WAITING: usize = 4096;

/// What is known of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The number of the hash that the password fits.
    Known(u32),
    /// There are no credentials, or of another scheme.
    Missing,
    /// There are several.
    Ambiguous,
    /// They are not as RFC 7617 has them.
    Malformed,
    /// There is no such user.
    Unknown,
    /// There is, with another password.
    Wrong,
    /// `take` will say.
    Later,
    /// Too many wait, or it has waited for too long.
    Overloaded,
    /// The hash could not be computed.
    Failed,
}

/// All that a worker knows of users who prove who they are by a password.
pub struct Verifier {
    /// Has taken in the key; what is digested starts from a copy.
    keyed: Sha256,
    memory: Memory,
    queue: Queue,
    /// By the digest of a job that is queued or being computed.
    waiting: HashMap<CredentialDigest, Vec<Waiter>>,
    waiters: usize,
    done: Vec<(CredentialDigest, Found)>,
    started: Instant,
}

struct Waiter {
    tag: i32,
    /// The number of the user's first hash in the accounts that the request was checked against; None: nobody.
    first: Option<u32>,
}

impl Verifier {
    /// `key` is random, and of this process alone. `wake` is called on another thread when `take` has something to give.
    pub fn new(key: [u8; 32], wake: impl Fn() + Send + Sync + 'static) -> Self {
        let longest = Duration::from_millis(MAX_QUEUED_MS);
        Self::with_queue(key, Queue::new(Box::new(Account::verify), longest, Box::new(wake)))
    }

    fn with_queue(key: [u8; 32], queue: Queue) -> Self {
        let mut keyed = Sha256::new();
        keyed.update(key);
        // A whole block, so that a copy has nothing left to do for the key.
        keyed.update([0; 32]);
        Self {
            keyed,
            memory: Memory::default(),
            queue,
            waiting: HashMap::new(),
            waiters: 0,
            done: Vec::new(),
            started: Instant::now(),
        }
    }

    /// `values`: of all Authorization headers of a request. With `Later`, `tag` comes back from `take`, once.
    pub fn check<'a>(&mut self, accounts: &Accounts, values: impl Iterator<Item = &'a [u8]>, tag: i32) -> Outcome {
        let credentials = match Credentials::read(values) {
            Ok(credentials) => credentials,
            Err(Absent::Missing) => return Outcome::Missing,
            Err(Absent::Ambiguous) => return Outcome::Ambiguous,
            Err(Absent::Malformed) => return Outcome::Malformed,
        };
        let known = accounts.of(credentials.username());
        // Who does not exist costs the hash of somebody who does, always of the same one.
        let Some(account) = known.or_else(|| accounts.decoy(self.chance(credentials.username()))) else {
            return Outcome::Unknown;
        };
        let first = known.map(|account| account.first);
        let digest = self.digest(account, first.is_some(), &credentials);
        if let Some(found) = self.memory.recall(&digest, self.now_ms()) {
            return outcome(first, found);
        }
        self.wait(account, credentials.password(), digest, Waiter { tag, first })
    }

    fn wait(&mut self, account: &Arc<Account>, password: &[u8], digest: CredentialDigest, waiter: Waiter) -> Outcome {
        if self.waiters >= MAX_WAITING {
            return Outcome::Overloaded;
        }
        if let Some(waiters) = self.waiting.get_mut(&digest) {
            waiters.push(waiter);
        } else {
            let password = Zeroizing::new(password.to_vec());
            if !self.queue.push(Job { digest, account: Arc::clone(account), password, queued: Instant::now() }) {
                return Outcome::Overloaded;
            }
            self.waiting.insert(digest, vec![waiter]);
        }
        self.waiters += 1;
        Outcome::Later
    }

    /// Tells each request that has waited what came of it.
    pub fn take(&mut self, mut tell: impl FnMut(i32, Outcome)) {
        let mut done = std::mem::take(&mut self.done);
        self.queue.take(&mut done);
        for (digest, found) in done.drain(..) {
            self.memory.remember(digest, found, self.now_ms());
            for Waiter { tag, first } in self.waiting.remove(&digest).unwrap_or_default() {
                self.waiters -= 1;
                tell(tag, outcome(first, found));
            }
        }
        self.done = done;
    }

    fn digest(&self, account: &Account, known: bool, credentials: &Credentials) -> CredentialDigest {
        let mut digest = self.keyed.clone();
        digest.update([1 + u8::from(known)]);
        digest.update(account.id);
        digest.update((credentials.username().len() as u64).to_le_bytes());
        digest.update(credentials.username());
        digest.update(credentials.password());
        digest.finalize().into()
    }

    /// Looks random, and stays the same for the same name.
    fn chance(&self, username: &[u8]) -> u64 {
        let digest = self.keyed.clone().chain_update([0]).chain_update(username).finalize();
        digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }
}

/// `first`: of the user, if there is one; a password that fits the hash of a decoy is worth nothing.
fn outcome(first: Option<u32>, found: Found) -> Outcome {
    match (found, first) {
        (Found::Late, _) => Outcome::Overloaded,
        (Found::Failed, _) => Outcome::Failed,
        (_, None) => Outcome::Unknown,
        (Found::Nothing, _) => Outcome::Wrong,
        (Found::Place(place), Some(first)) => Outcome::Known(first + u32::from(place)),
    }
}

#[cfg(test)]
#[path = "verifier_tests.rs"]
mod tests;
