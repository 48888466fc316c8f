//! The part of a connection that is about requests that go past the front end (`crate::direct`).

use super::{Client, Connection, End, Kind, Outbox, Patience, Taken, Taker};

impl Connection {
    /// Whether a request may go past the front end now: the one condition for both ways that it can come.
    fn takes_direct(&self) -> bool {
        self.listener != 0 && self.kind == Kind::Http && self.framing.at_start() && !self.blocked() && !self.broken
    }

    /// Whether the next bytes may be such a request.
    pub fn may_be_direct(&self) -> bool {
        self.takes_direct() && self.stash_len() == 0 && self.end == End::Open
    }

    /// Offers received bytes to the taker; what it does not take is stashed for the front end. True: it took a request.
    pub fn offer(&mut self, bytes: &[u8], taker: &Taker) -> bool {
        let request = (taker.take)(bytes, &self.client());
        if let Some(request) = request {
            self.begin_directly(request);
        }
        self.stash.extend_from_slice(&bytes[request.map_or(0, |request| request.consumed).min(bytes.len())..]);
        request.is_some()
    }

    /// As [`Connection::offer`], with bytes that wait in the stash.
    pub fn offer_stash(&mut self, taker: &Taker) -> bool {
        if !self.takes_direct() || self.stash_len() == 0 || self.starved {
            return false;
        }
        let Some(request) = (taker.take)(&self.stash[self.stash_start..], &self.client()) else { return false };
        self.begin_directly(request);
        self.drop_stash(request.consumed);
        true
    }

    fn client(&self) -> Client<'_> {
        Client { listener: self.listener, requests: self.requests.saturating_add(1), address: self.remote.bytes() }
    }

    fn begin_directly(&mut self, request: Taken) {
        self.begin();
        self.slot = request.slot;
        self.started = false;
    }

    /// The last response on this connection: nothing of the client is read as a request any more.
    pub fn end_after_this(&mut self) {
        self.last = true;
    }

    /// All is said and has left. The client may read it before it closes; then the front end hears of the end.
    pub fn must_shut(&self) -> bool {
        self.last && !self.pending && self.outbox.is_empty() && self.kind == Kind::Http && !self.broken
    }

    /// What follows is swallowed.
    pub fn shut(&mut self) {
        self.kind = Kind::Refused { swallowed: 0 };
        self.patience = Patience::default();
        self.drop_stash(self.stash_len());
    }

    /// There is no sense in going on: the front end closes it with its next `recv`.
    pub fn break_off(&mut self) {
        self.broken = true;
        self.outbox = Outbox::default();
        self.drop_stash(self.stash_len());
    }

    /// The end was reached by a read of ours.
    pub fn saw_end(&mut self) {
        self.end = End::Seen;
    }
}
