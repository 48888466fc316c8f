//! Who may come with which password: the users of one plan.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::credentials::MAX_USERNAME_BYTES;
use crate::hash::{PasswordHash, Scratch};

/// Of one user, so that a password can be replaced by another. Each is tried.
pub const MAX_HASHES: usize = 4;

/// What comes of comparing a password with a user's hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The place of the hash that it fits, among them.
    Place(u8),
    Nothing,
    /// It has waited for too long.
    Late,
    /// It panicked, or there was no memory.
    Failed,
}

/// A user with the hashes of his passwords.
#[derive(Debug)]
pub struct Account {
    hashes: Vec<PasswordHash>,
    /// Says the same of the same user with the same hashes, in this plan and the next.
    pub(crate) id: [u8; 32],
    /// The number of the first hash, over all accounts.
    pub(crate) first: u32,
}

impl Account {
    /// All hashes are tried, also behind the one that fits: who has replaced a password is nobody's business.
    pub(crate) fn verify(&self, password: &[u8], scratch: &mut Scratch) -> Found {
        let mut found = Found::Nothing;
        for (place, hash) in (0..).zip(&self.hashes) {
            match hash.verify(password, scratch) {
                Some(true) if found == Found::Nothing => found = Found::Place(place),
                Some(_) => {}
                None => return Found::Failed,
            }
        }
        found
    }
}

/// All users that a gateway knows.
#[derive(Debug, Default)]
pub struct Accounts {
    by_name: HashMap<Vec<u8>, Arc<Account>>,
    list: Vec<Arc<Account>>,
    hashes: u32,
}

impl Accounts {
    /// Numbers of hashes go on from those of the account before.
    pub fn add(&mut self, username: &[u8], hashes: &[impl AsRef<str>]) -> Result<(), &'static str> {
        if !(1..=MAX_USERNAME_BYTES).contains(&username.len()) || username.contains(&b':') {
            return Err("a username has 1 to 256 bytes and no colon");
        }
        if hashes.is_empty() || hashes.len() > MAX_HASHES {
            return Err("a user has 1 to 4 passwords");
        }
        let mut id = Sha256::new();
        id.update((username.len() as u64).to_le_bytes());
        id.update(username);
        for hash in hashes {
            id.update((hash.as_ref().len() as u64).to_le_bytes());
            id.update(hash.as_ref());
        }
        let parsed = hashes.iter().map(|hash| PasswordHash::parse(hash.as_ref())).collect::<Result<Vec<_>, _>>()?;
        let first = self.hashes;
        let account = Arc::new(Account { hashes: parsed, id: id.finalize().into(), first });
        if self.by_name.insert(username.to_vec(), Arc::clone(&account)).is_some() {
            return Err("two users have one name");
        }
        self.hashes += hashes.len() as u32;
        self.list.push(account);
        Ok(())
    }

    pub(crate) fn of(&self, username: &[u8]) -> Option<&Arc<Account>> {
        self.by_name.get(username)
    }

    /// Somebody else's account in the place of one that does not exist: `chance` decides, and must be the same for the same
    /// name. None: there are no accounts at all.
    pub(crate) fn decoy(&self, chance: u64) -> Option<&Arc<Account>> {
        let count = self.list.len() as u64;
        if count == 0 { None } else { self.list.get((chance % count) as usize) }
    }
}
