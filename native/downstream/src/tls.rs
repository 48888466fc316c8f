//! TLS of client connections, between the kernel and the gate: the front end itself only ever sees plain text.
//!
//! So that whatever holds for plain connections (framing, order, limits, answers, addresses) holds for these, and a
//! certificate is exchanged by exchanging a pointer: listening sockets and open connections are not touched.

mod config;
mod session;

pub use config::{ClientOptions, Identity, PemFile, TlsOptions, server_config};
pub use session::{Session, Socket};
