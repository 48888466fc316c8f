//! What a connection waits for, as its patience (`patience`) wants to know it: looked at now and then, never in between.

use super::{Connection, End, Kind, READABLE, STASH_LIMIT, WRITABLE};
use crate::patience::{Observed, Patience, Wait};

/// A client that was refused has this long to read why and to go, whatever the bound of the others is.
const LINGER_MS: u64 = 5000;

impl Connection {
    /// What it waits for.
    pub fn wait(&self) -> Wait {
        match self.kind {
            Kind::Raw => Wait::Nothing,
            Kind::Refused { .. } => Wait::Head,
            Kind::Http if self.wanted & WRITABLE != 0 || !self.outbox.is_empty() => Wait::Reader,
            Kind::Http if self.framing.at_start() => {
                if self.pending {
                    Wait::Nothing
                } else {
                    Wait::Head
                }
            }
            // Paused by the front end: the client could send.
            Kind::Http => {
                if self.wanted & READABLE == 0 {
                    Wait::Nothing
                } else {
                    Wait::Body
                }
            }
        }
    }

    /// The beginning of a head has come, and no more.
    pub fn has_partial_head(&self) -> bool {
        self.kind == Kind::Http && self.framing.at_start() && !self.pending && self.stash_len() > 0
    }

    /// Looked at now and then: whether its client has let it wait for too long. `queued`: sent, but not yet received.
    pub fn is_overdue(&mut self, now_ms: u64, idle_ms: u64, queued: impl FnOnce() -> u64) -> bool {
        let wait = self.wait();
        let progress = match wait {
            Wait::Reader => self.sent.wrapping_sub(queued()),
            Wait::Body => self.received,
            Wait::Head | Wait::Nothing => 0,
        };
        let idle_ms = match self.kind {
            Kind::Refused { .. } if idle_ms == 0 => LINGER_MS,
            Kind::Refused { .. } => idle_ms.min(LINGER_MS),
            _ => idle_ms,
        };
        self.patience.ends(now_ms, idle_ms, Observed { wait, requests: self.requests, progress })
    }

    /// The next message must wait: for the response under way, or for its last bytes to leave.
    pub fn blocked(&self) -> bool {
        self.kind == Kind::Http
            && self.framing.at_start()
            && (self.pending || self.last || self.wanted & WRITABLE != 0 || !self.outbox.is_empty())
    }

    /// The front end would get something from a `recv` now, though the kernel may not say so.
    pub fn ready(&self) -> bool {
        let ended = self.end == End::Seen || self.broken;
        // Plain text of which the kernel knows nothing: a blocked connection still reads it, into its stash.
        let more = self.session.as_ref().is_some_and(|session| session.has_plain());
        self.wanted & READABLE != 0
            && !self.handle.is_null()
            && !self.stopped
            && if self.stash_len() == 0 { ended || more } else { !self.blocked() && (ended || more || !self.starved) }
    }

    /// TLS has something to say that the kernel did not take.
    pub fn is_stuck(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_stuck())
    }

    /// It speaks something else than TLS to a TLS listener, or was too slow: from now on as after a refusal.
    pub fn refuse(&mut self) {
        self.drop_stash(self.stash_len());
        self.kind = Kind::Refused { swallowed: 0 };
        self.patience = Patience::default();
    }

    /// The front end has paused it, or we have stopped it. The front end goes on reading all the same while its buffer
    /// comes back full: without an end to that a fast sender is read into memory, and no other connection gets its turn.
    pub fn is_paused(&self) -> bool {
        self.end == End::Open && (self.stopped || (!self.handle.is_null() && self.wanted & READABLE == 0))
    }

    /// Input must not be watched for: there is no room for it, or its end is known and would be reported for ever.
    pub fn wants_mask(&self) -> bool {
        match self.kind {
            Kind::Refused { .. } => self.stopped,
            Kind::Raw => self.stopped || self.end != End::Open,
            Kind::Http => self.stopped || self.end != End::Open || (self.stash_len() >= STASH_LIMIT && self.blocked()),
        }
    }
}
