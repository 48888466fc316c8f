//! HTTP/1.1 client for a gateway's event loop: one thread, one epoll descriptor, no allocation per request once warm.
//!
//! The owner polls [`Client::fd`], and when it is readable calls [`Client::turn`] until [`Client::more`] is false. A
//! turn writes rows (see [`row`]) whose header and body bytes lie in a slab that the owner gives. [`Client::flush`]
//! at the end of the loop's turn sends what was submitted in it; [`Client::tick`] at [`Client::next_deadline_us`]
//! ends what took too long. Nothing here blocks, and nothing here knows of N-API.
//!
//! ```text
//! submit -> [idle connection] ----------------> sending -> response head -> body -> end -> idle | closed
//!        -> [room for one]    -> connecting -> (TLS) -^
//!        -> [pool is full]    -> waiting ------------^        (a lost reused connection: once more on a fresh one)
//! ```

mod chunked;
mod client;
mod clock;
mod connection;
mod dispatch;
mod endpoint;
mod exchange;
mod expiry;
mod failing;
mod reactor;
mod response;
pub mod row;
mod socket;
mod tls;
mod transfer;
mod turn;
mod wheel;

pub use client::Client;
pub use endpoint::{Address, EndpointOptions, Stats, TlsOptions};
pub use exchange::Framing;
pub use reactor::{Epoll, Event, Interest, Reactor};
pub use response::MAX_HEAD_BYTES;
pub use row::Reason;
