//! Usernames and passwords of HTTP Basic authentication (RFC 7617), known by their argon2 and bcrypt hashes alone. Called
//! by the addon, on the loop's thread; hashes are computed on a few threads of this crate, and what they have said is
//! remembered for a while, so that a client who sends the same credentials again costs no hash.
//!
//! What is bounded, and where: the cost of one hash (`hash`), how many wait and for how long (`queue`), what is remembered
//! (`memory`), the length of what clients send (`credentials`). A user whom nobody knows costs as much as a known one.

mod accounts;
mod credentials;
mod hash;
mod memory;
mod queue;
mod verifier;

pub use accounts::{Accounts, MAX_HASHES};
pub use credentials::{MAX_PASSWORD_BYTES, MAX_USERNAME_BYTES};
pub use hash::{MAX_BCRYPT_COST, MAX_MEMORY_KIB, MAX_WORK_KIB, PasswordHash, Scratch, make_argon2id};
pub use memory::{KEPT_GOOD, KEPT_WRONG, REMEMBER_GOOD_MS, REMEMBER_WRONG_MS};
pub use queue::{MAX_QUEUED, MAX_QUEUED_MS, THREADS};
pub use verifier::{Outcome, Verifier};
