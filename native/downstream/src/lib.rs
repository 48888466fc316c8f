//! What makes uWebSockets.js a gateway's front end, below JavaScript.
//!
//! uWebSockets.js reads, parses and answers by itself; some of it cannot be reached from JavaScript: the raw bytes of a
//! head, the client's address without a system call, two requests sent at once to a handler that answers later, answers
//! to malformed requests. [`watch`] puts functions of ours into the global offset table of its loaded image, in the place
//! of `recv`, `send` and a few more. They call the real ones; no code of the image is changed.
//!
//! ```text
//!   kernel ── recv ──> (TLS) ──┬──> framing ──> gate ──> front end ──> handler (JS) ──> begin(slot) … end(slot)
//!                              │       │         └─ the next message waits here until end(slot)
//!                              │       └─ head as received, for with_current()
//!                              └──> taker: a whole head and no body goes past the front end (see `direct`)
//! ```
//!
//! Threads: state is per thread, since a front end belongs to one libuv loop; the image is changed once per process.
//! Where anything is not as expected `watch` changes nothing and says false, and the front end runs as it is.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![cfg_attr(not(target_os = "linux"), allow(dead_code, unused))]

mod answers;
mod connection;
#[cfg(target_os = "linux")]
mod direct;
mod edit;
mod framing;
mod head_lines;
#[cfg(target_os = "linux")]
mod image;
#[cfg(target_os = "linux")]
mod loop_hooks;
mod outbox;
mod patience;
mod remote;
#[cfg(target_os = "linux")]
mod resting;
mod sending;
#[cfg(target_os = "linux")]
mod socket_hooks;
mod taker;
#[cfg(target_os = "linux")]
mod thread;
mod tls;
#[cfg(target_os = "linux")]
mod uv;
#[cfg(target_os = "linux")]
mod watch;

pub use answers::http_date;
#[cfg(target_os = "linux")]
pub use direct::{abort, listening, send, set_taker, waiting};
pub use framing::HeadLimits;
pub use polygate_certificates::ClientCertificate;
pub use taker::{Client, Taken, Taker};
pub use tls::{ClientOptions, Identity, PemFile, TlsOptions};
#[cfg(target_os = "linux")]
pub use watch::{
    accept, answers, begin, client_certificate, connection_of, end, head_alone, newcomers, next_listener, run_due,
    set_limits, stalls, stop, stop_reading, tick, tls, tls_drop, tls_exchange, waits, watch, with_current, writing,
};

/// The request whose handler the front end is calling.
#[derive(Debug)]
pub struct Current<'a> {
    /// The connection's number on this thread, never 0 and never used twice (until 2^32 connections).
    pub connection: u32,
    /// Requests bound to slots on this connection before this one.
    pub earlier_requests: u32,
    /// The head as received, to the empty line and with it. None where the handler is not the head's.
    pub head: Option<&'a [u8]>,
    /// The client's address, without port; empty for unix sockets.
    pub address: &'a str,
    /// The client's port; 0 for unix sockets.
    pub port: u16,
}

/// Where there is no ELF image to watch, the front end runs as it is.
#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::{Current, HeadLimits, Taker};

    /// Always false.
    pub fn watch(_path: &str, _limits: HeadLimits) -> bool {
        false
    }
    /// Nothing to do.
    pub fn set_limits(_limits: HeadLimits) {}
    /// Nothing to do.
    pub fn stop() {}
    /// Always None.
    pub fn with_current<R>(_use: impl FnOnce(Current<'_>) -> R) -> Option<R> {
        None
    }
    /// Always None.
    pub fn begin(_slot: u32) -> Option<u32> {
        None
    }
    /// Nothing to do.
    pub fn end(_slot: u32) {}
    /// Always false.
    pub fn head_alone(_slot: u32, _length: Option<u64>) -> bool {
        false
    }
    /// Not known.
    pub fn waits(_slot: u32) -> Option<bool> {
        None
    }
    /// Nothing to do.
    pub fn set_taker(_taker: Taker) {}
    /// Always false.
    pub fn listening(_listener: u32) -> bool {
        false
    }
    /// Always gone.
    pub fn send(_slot: u32, _parts: [&[u8]; 3], _last: bool) -> Option<usize> {
        None
    }
    /// Always false.
    pub fn abort(_slot: u32) -> bool {
        false
    }
    /// Always gone.
    pub fn waiting(_slot: u32) -> Option<usize> {
        None
    }
    /// Nothing to do.
    pub fn run_due() {}
    /// Nothing to do.
    pub fn tick(_idle: std::time::Duration) {}
    /// Always an error.
    pub fn tls(_options: &super::TlsOptions) -> Result<u32, String> {
        Err("the front end is not watched on this platform".to_owned())
    }
    /// Nothing to do.
    pub fn next_listener(_tls: Option<u32>, _held: bool) {}
    /// Nothing to do.
    pub fn accept() {}
    /// Always 0.
    pub fn newcomers() -> usize {
        0
    }
    /// Nothing to do.
    pub fn tls_exchange(_old: u32, _new: u32) {}
    /// Nothing to do.
    pub fn tls_drop(_id: u32) {}
    /// None.
    pub fn client_certificate(_slot: u32) -> Option<std::rc::Rc<super::ClientCertificate>> {
        None
    }
    /// None.
    pub fn connection_of(_slot: u32) -> Option<u64> {
        None
    }
    /// Always false.
    pub fn stop_reading(_connection: u64, _stopped: bool) -> bool {
        false
    }
    /// Always empty.
    pub fn answers() -> [(u16, u32); 4] {
        [(400, 0), (408, 0), (431, 0), (505, 0)]
    }
    /// Always 0.
    pub fn writing() -> u32 {
        0
    }
    /// Always 0.
    pub fn stalls() -> u32 {
        0
    }
}
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{
    abort, accept, answers, begin, client_certificate, connection_of, end, head_alone, listening, newcomers,
    next_listener, run_due, send, set_limits, set_taker, stalls, stop, stop_reading, tick, tls, tls_drop, tls_exchange,
    waiting, waits, watch, with_current, writing,
};
