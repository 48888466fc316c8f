//! `mashery-sha256`, `mashery-md5`: `hex(H(key ‖ secret ‖ decimal Unix second))`, and the second is not sent.
//!
//! The verifier has to try every second of the skew on both sides: 601 hashes for 300 s. Here they are made once and
//! kept as tags in a table a key; a request costs one scan over the tags and one hash, whether its signature is valid
//! or forged. Sources: Mashery's and Hotelbeds' documentation, Tyk's `signature_validator`.
//!
//! What the scheme cannot do: nothing of the request is signed, and honest clients send the same signature for a whole
//! second, so a replay cannot be told from a client. Keys are matched exactly: with no separator between them,
//! (`ab`, `cd`) and (`abc`, `d`) sign alike.
//!
//! ```
//! use polygate_signing::{Hash, Refusal, Secret, Validity, mashery::{Credential, Mashery, Options}};
//!
//! let secret = Secret::new("foobar").unwrap();
//! let key = "5bcef48a3f03d311ff27d156630baf849e3b438b8a48fec99239d5c9";
//! let one = Credential { key: key.into(), secret, validity: Validity::ALWAYS };
//! let mut scheme = Mashery::new(&Options::new(Hash::Sha256), vec![one]).unwrap();
//! let signature = b"fce2e80253cd438b666341176f34bde499116b63719e2482dae6965518ffd316";
//! assert_eq!(scheme.verify(key.as_bytes(), signature, 1_546_259_800).unwrap().second, 1_546_259_837);
//! assert_eq!(scheme.verify(key.as_bytes(), signature, 1_546_260_138), Err(Refusal::BadSignature));
//! ```

mod key_index;
mod residents;

use std::{fmt, ops::Range};

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    Hash, Kernel, Refusal, Secret, Validity,
    window::{Digest, MAX_SKEW_SECONDS, Table, Template, in_range, prefetch_item},
};

use key_index::KeyIndex;
use residents::Residents;

/// How to verify.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The hash.
    pub hash: Hash,
    /// How many seconds a client's clock may be off, either way; at most 900.
    pub skew_seconds: u32,
    /// How many secrets have a table at the same time; at least 1. A table of 300 s takes 1.3 KB.
    pub tables: u32,
    /// How many whole windows of keys without a table may be computed in one second, when all tables are taken. This
    /// is what cycling through more keys than there are tables can cost: 10 µs each.
    pub cold_per_second: u32,
    /// The code that hashes.
    pub kernel: Kernel,
}

impl Options {
    /// 300 s, 16,384 tables (21 MB), 10,000 cold windows a second (a tenth of a core), the fastest kernel.
    pub fn new(hash: Hash) -> Self {
        Self { hash, skew_seconds: 300, tables: 16_384, cold_per_second: 10_000, kernel: Kernel::best() }
    }
}

/// A key and one of its secrets. A key may come several times: all its secrets that are valid at the time are tried.
#[derive(Debug)]
pub struct Credential {
    /// The public name, matched exactly.
    pub key: Vec<u8>,
    /// The secret.
    pub secret: Secret,
    /// When it counts.
    pub validity: Validity,
}

/// A verified signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The place of the credential in the list given to [`Mashery::new`].
    pub credential: usize,
    /// The second that the client signed.
    pub second: u64,
}

/// A credential as it is verified. In as few lines of memory as it fits in.
#[repr(align(64))]
struct Entry {
    given_at: usize,
    validity: Validity,
    template: Template,
}

/// The scheme with its keys and their tables. One thread at a time.
pub struct Mashery {
    skew: u64,
    kernel: Kernel,
    by_key: KeyIndex,
    /// Those of one key side by side.
    entries: Vec<Entry>,
    residents: Residents,
    /// The window of a key that has no table, and must not push out another's before it has proved itself.
    visitor: Table,
    cold: ColdBudget,
}

impl Mashery {
    /// `None` when the skew is over 900 s, there is no table at all, or a key is empty.
    pub fn new(options: &Options, credentials: Vec<Credential>) -> Option<Self> {
        if options.skew_seconds > MAX_SKEW_SECONDS || options.tables == 0 {
            return None;
        }
        if credentials.iter().any(|one| one.key.is_empty()) {
            return None;
        }
        let mut given: Vec<(usize, Credential)> = credentials.into_iter().enumerate().collect();
        given.sort_by(|(_, one), (_, other)| one.key.cmp(&other.key));
        let by_key = KeyIndex::new(&given.iter().map(|(_, one)| one.key.as_slice()));
        let entries: Vec<Entry> = given
            .into_iter()
            .map(|(given_at, Credential { key, secret, validity })| {
                let template = Template::new(options.hash, &prefix(&key, &secret));
                Entry { given_at, validity, template }
            })
            .collect();
        Some(Self {
            skew: u64::from(options.skew_seconds),
            kernel: options.kernel,
            by_key,
            residents: Residents::new(entries.len(), options.tables, options.skew_seconds),
            entries,
            visitor: Table::new(options.skew_seconds),
            cold: ColdBudget { per_second: options.cold_per_second, second: 0, left: options.cold_per_second },
        })
    }

    /// Verifies what a client sent: its key, and the signature in hex of either case. `now` in Unix seconds.
    ///
    /// An unknown key costs no hashing. A valid and a forged signature of a known one cost the same.
    pub fn verify(&mut self, key: &[u8], signature: &[u8], now: u64) -> Result<Accepted, Refusal> {
        if key.is_empty() || signature.is_empty() {
            return Err(Refusal::Missing);
        }
        if !in_range(now) {
            return Err(Refusal::ImpossibleClock);
        }
        let place = self.by_key.candidate(key).ok_or(Refusal::UnknownKey)?;
        let range = place.credentials();
        // With many keys none of this is in the cache: what will be read is asked for at once, not one after another.
        for at in range.clone() {
            self.residents.prefetch(at);
            prefetch_item(&self.entries[at]);
        }
        if !self.by_key.is(place, key) {
            return Err(Refusal::UnknownKey);
        }
        let mut outcome = Err(Refusal::NoActiveSecret);
        for at in range {
            // No early end: how many secrets a key has is no secret, which one fits is.
            if self.entries[at].validity.contains(now) {
                let one = self.verify_one(at, signature, now);
                if outcome.is_err() {
                    outcome = one;
                }
            }
        }
        outcome
    }

    /// Bytes that a secret with a table takes.
    pub fn bytes_per_secret(&self) -> usize {
        self.visitor.bytes() + size_of::<Entry>() + Residents::BYTES_PER_TABLE + Residents::BYTES_PER_ENTRY
    }

    /// How many secrets have a table now.
    pub fn tables_in_use(&self) -> usize {
        self.residents.in_use()
    }

    fn verify_one(&mut self, at: usize, signature: &[u8], now: u64) -> Result<Accepted, Refusal> {
        let entry = &self.entries[at];
        let signature = Digest::decode(entry.template.hash, signature).ok_or(Refusal::Malformed)?;
        let window = now - self.skew..now + self.skew + 1;
        if let Some(table) = self.residents.table_of(at) {
            let second = seek(table, self.kernel, entry, &signature, window, now);
            if second.is_some() {
                self.residents.keep(at);
            }
            return second.map(|second| Accepted { credential: entry.given_at, second }).ok_or(Refusal::BadSignature);
        }
        if !self.residents.has_room() && !self.cold.spend(now) {
            return Err(Refusal::Overloaded);
        }
        self.visitor.clear();
        let second = seek(&mut self.visitor, self.kernel, entry, &signature, window, now);
        if second.is_some() || self.residents.has_room() {
            self.residents.admit(at, &mut self.visitor, second.is_some());
        }
        second.map(|second| Accepted { credential: entry.given_at, second }).ok_or(Refusal::BadSignature)
    }
}

impl fmt::Debug for Mashery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (keys, tables) = (self.by_key.len(), self.tables_in_use());
        formatter.debug_struct("Mashery").field("keys", &keys).field("tables", &tables).finish_non_exhaustive()
    }
}

/// Signs as a client does: for requests to an upstream that wants this scheme.
pub fn sign(hash: Hash, key: &[u8], secret: &Secret, now: u64) -> String {
    Digest::of(&Template::new(hash, &prefix(key, secret)), now).to_hex()
}

fn prefix(key: &[u8], secret: &Secret) -> Zeroizing<Vec<u8>> {
    let mut prefix = Zeroizing::new(Vec::with_capacity(key.len() + secret.bytes().len()));
    prefix.extend_from_slice(key);
    prefix.extend_from_slice(secret.bytes());
    prefix
}

/// The second of `window` that the signature is of. Always one scan and one hash: where no tag is equal, `now`'s
/// digest is compared, and is different.
fn seek(
    table: &mut Table,
    kernel: Kernel,
    entry: &Entry,
    signature: &Digest,
    window: Range<u64>,
    now: u64,
) -> Option<u64> {
    table.cover(kernel, &entry.template, window.clone());
    let tag = signature.tag();
    let found = table.find(kernel, tag);
    let fits = |index: Option<usize>| {
        let second = index.and_then(|index| table.second_at(index)).filter(|second| window.contains(second));
        let equal = Digest::of(&entry.template, second.unwrap_or(now)).ct_eq(signature);
        second.filter(|_| bool::from(equal))
    };
    match found.count {
        0 => fits(None),
        1 => fits(Some(found.index)),
        several => (0..several).find_map(|n| fits(table.find_nth(tag, n))),
    }
}

/// How many more windows may be computed for keys without a table.
struct ColdBudget {
    per_second: u32,
    second: u64,
    left: u32,
}

impl ColdBudget {
    fn spend(&mut self, now: u64) -> bool {
        if self.second != now {
            (self.second, self.left) = (now, self.per_second);
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}
