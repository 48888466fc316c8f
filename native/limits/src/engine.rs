//! What the gateway asks of limits, whoever keeps them. `Limits`, the shared file, answers at once and exactly. An engine
//! over a network answers at once as well: it takes cells from its store ahead of need (`lease`) and hands them out,
//! so over all gateways no more than the limit is admitted, though a gateway may sit on cells that another lacks.

use crate::{Acquired, Claim, Concurrency, Decision, Limits, Permit, Replay, ReplayWindow, Rule, UnixNanos};

/// The methods are those of `Limits`, where they are described.
pub trait LimitEngine {
    /// Admits `cost` cells, or refuses.
    fn decide(&mut self, rule: &Rule, key: &[u8], cost: u64, now: UnixNanos) -> Decision;

    /// Takes up to `most` cells. They are used from that moment; what is not handed out is lost until it grows again.
    fn lease(&mut self, rule: &Rule, key: &[u8], most: u64, now: UnixNanos) -> (u64, Decision);

    /// Takes a cell of each claim, or of none: the claim that refuses.
    fn decide_all(&mut self, claims: &[Claim<'_>], decisions: &mut Vec<Decision>, now: UnixNanos) -> Option<usize>;

    /// Gives back cells that were taken just now.
    fn give_back(&mut self, rule: &Rule, key: &[u8], cost: u64, now: UnixNanos);

    /// Takes a place under a concurrency limit.
    fn acquire(&mut self, limit: &Concurrency, key: &[u8], now: UnixNanos) -> Acquired;

    /// Gives it back.
    fn release(&mut self, permit: Permit, now: UnixNanos) -> bool;

    /// Keeps it for another lease.
    fn renew(&mut self, permit: Permit, now: UnixNanos) -> Option<Permit>;

    /// Records a value that may be seen once.
    fn record(&mut self, window: &ReplayWindow, value: &[u8], now: UnixNanos) -> Replay;
}

impl LimitEngine for Limits {
    fn decide(&mut self, rule: &Rule, key: &[u8], cost: u64, now: UnixNanos) -> Decision {
        Self::decide(self, rule, key, cost, now)
    }

    fn lease(&mut self, rule: &Rule, key: &[u8], most: u64, now: UnixNanos) -> (u64, Decision) {
        Self::lease(self, rule, key, most, now)
    }

    fn decide_all(&mut self, claims: &[Claim<'_>], decisions: &mut Vec<Decision>, now: UnixNanos) -> Option<usize> {
        Self::decide_all(self, claims, decisions, now)
    }

    fn give_back(&mut self, rule: &Rule, key: &[u8], cost: u64, now: UnixNanos) {
        Self::give_back(self, rule, key, cost, now);
    }

    fn acquire(&mut self, limit: &Concurrency, key: &[u8], now: UnixNanos) -> Acquired {
        Self::acquire(self, limit, key, now)
    }

    fn release(&mut self, permit: Permit, now: UnixNanos) -> bool {
        Self::release(self, permit, now)
    }

    fn renew(&mut self, permit: Permit, now: UnixNanos) -> Option<Permit> {
        Self::renew(self, permit, now)
    }

    fn record(&mut self, window: &ReplayWindow, value: &[u8], now: UnixNanos) -> Replay {
        Self::record(self, window, value, now)
    }
}
