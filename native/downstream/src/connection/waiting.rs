//! What a connection waits for, as its patience (`patience`) wants to know it: looked at now and then, never in between.

use super::{Connection, Kind, READABLE, WRITABLE};
use crate::patience::{Observed, Wait};

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
        self.patience.ends(now_ms, idle_ms, Observed { wait, requests: self.requests, progress })
    }
}
