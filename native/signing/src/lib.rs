//! Request signing: who signed this request, and with which secret.
//!
//! Pure Rust, no clock of its own: the caller says what time it is, in whole Unix seconds. A scheme is data (which
//! headers, which algorithm, which skew) and a small function over what the caller read from the request. Nothing here
//! panics on what a client sent. Primitives come from well-kept crates; ours are only the kernels of [`mashery`]'s
//! window, and what they find is always recomputed with those crates before it is believed: a fault in a kernel could
//! refuse an honest request, never let a forged one in.
//!
//! Secrets are wiped when they are dropped, never printed, never empty, and compared in constant time.

mod algorithm;
mod body;
pub mod cavage;
mod encoding;
mod http_date;
mod keys;
pub mod mashery;
mod refusal;
mod request;
pub mod rfc9421;
mod secret;
pub mod sigv4;
mod spki;
mod structured;
pub mod webhook;
mod window;

pub use algorithm::{Algorithm, SigningKey, VerifyingKey};
pub use body::{BodyDigest, content_digest};
pub use keys::{Keys, NamedKey};
pub use refusal::Refusal;
pub use request::Request;
pub use secret::{Secret, Validity};
pub use window::{Hash, Kernel};
