//! Request signing: who signed this request, and with which secret; and the tokens ([`jwt`]) that somebody else has signed.
//!
//! Pure Rust, no clock of its own: the caller says what time it is, in whole Unix seconds. A scheme is data (which
//! headers, which algorithm, which skew) and a small function over what the caller read from the request. Nothing here
//! panics on what a client sent. Primitives come from well-kept crates; ours are only the kernels of [`mashery`]'s
//! window, and what they find is always recomputed with those crates before it is believed: a fault in a kernel could
//! refuse an honest request, never let a forged one in.
//!
//! | scheme | signed | clock | replay is known by |
//! |---|---|---|---|
//! | [`mashery`] | key, secret and second: nothing of the request | a window of seconds | nothing: honest clients repeat themselves |
//! | [`cavage`] | what the client lists; target and date have to be in it | `Date`, `(created)` | the signature |
//! | [`rfc9421`] | components; method and target have to be in them | `created`, `expires` | `nonce`, or the signature |
//! | [`sigv4`] | method, path, query, headers, body | `X-Amz-Date` | the signature |
//! | [`webhook`] | the body, or URL and form | where the vendor signs one | what is signed |
//!
//! Where a body is not there yet, an accepted request says what it has to hash to ([`BodyDigest`]): the caller checks
//! that before anything of it goes on.
//!
//! Secrets are wiped when they are dropped, never printed, never empty, and compared in constant time.

mod algorithm;
mod body;
pub mod cavage;
mod der;
mod encoding;
mod http_date;
pub mod jwt;
mod keys;
pub mod mashery;
mod refusal;
mod request;
pub mod rfc9421;
mod secret;
pub mod sigv4;
mod spki;
mod structured;
pub mod upstream;
pub mod webhook;
mod window;

pub use algorithm::{Algorithm, SigningKey, VerifyingKey};
pub use body::{BodyDigest, content_digest, digest_of, sha256};
pub use keys::{Keys, NamedKey};
pub use refusal::Refusal;
pub use request::Request;
pub use secret::{Secret, Validity};
pub use window::{Hash, Kernel};
