//! Decisions about rates and quotas: all windows of a rule at once, one transaction. Called through `Limits`.

use crate::UnixNanos;
use crate::calendar::{Span, span};
use crate::open::Limits;
use crate::rule::{Compiled, Rule, WhenFull};
use crate::table::{self, Cell, EXHAUSTED, Lifetime, States};
use crate::txn::{self, Changes};

/// `retry_ns` of what no waiting makes possible: it costs more than the limit.
pub const NEVER: u64 = u64::MAX;

pub(crate) const MAX_NOW: UnixNanos = 1 << 63;
/// Workers read the clock at slightly different moments: up to here, a key's time stands still. Beyond, the clock has
/// been set back.
const JITTER_NS: u64 = 1_000_000_000;
/// A quota's state: number of the period 22 bits, version 6 bits, count 36 bits. The version changes when a cell is given
/// back, so that words do not return (`txn.rs`).
const COUNT_BITS: u32 = 36;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
const PERIOD_BIT: u32 = 42;
const VERSION_MASK: u64 = ((1 << PERIOD_BIT) - 1) & !COUNT_MASK;

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within all windows, and counted in all.
    Admitted,
    /// Beyond one of them, and counted in none.
    Refused,
    /// The file has no room for the key, and the rule says to refuse.
    FullRefused,
    /// The file has no room for the key, and the rule says to admit without counting.
    FullAdmitted,
}

/// A verdict, and what the answer's fields need. The numbers are those of one window: when refused, the one that is to be
/// waited for longest; else the one with the least remaining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What was decided.
    pub verdict: Verdict,
    /// Which window of the rule the numbers are about.
    pub window: usize,
    /// That window's limit.
    pub limit: u64,
    /// Cells that could be had now.
    pub remaining: u64,
    /// Nanoseconds until all of the limit is there again.
    pub reset_ns: u64,
    /// Nanoseconds until the same request would be admitted if nobody else came; 0 when admitted, or `NEVER`.
    pub retry_ns: u64,
}

impl Decision {
    /// Whether the request may go on.
    pub fn admits(&self) -> bool {
        matches!(self.verdict, Verdict::Admitted | Verdict::FullAdmitted)
    }

    /// For `Retry-After`: whole seconds, rounded up, at least 1. `None`: admitted, or never possible.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        if self.admits() || self.retry_ns == NEVER { None } else { Some(self.retry_ns.div_ceil(1_000_000_000).max(1)) }
    }
}

/// How many cells are asked for.
#[derive(Clone, Copy)]
pub(crate) enum Ask {
    Exactly(u64),
    UpTo(u64),
    /// What `Exactly` would be told; nothing is taken.
    Look(u64),
}

/// One window's view of a request.
struct Trial {
    fits: bool,
    /// The state if it is admitted.
    after: u64,
    until_ns: UnixNanos,
    limit: u64,
    /// The most that `remaining` can be.
    most: u64,
    remaining: u64,
    reset_ns: u64,
    retry_ns: u64,
}

/// All windows' view.
struct Outcome {
    decision: Decision,
    after: States,
    lifetime: Lifetime,
}

impl Limits {
    /// Admits `cost` cells of a key's limit, or refuses. 0 only looks.
    pub fn decide(&mut self, rule: &Rule, key: &[u8], cost: u64, now: UnixNanos) -> Decision {
        self.ask(rule, key, Ask::Exactly(cost), now).0
    }

    /// Takes as many cells as there are, up to `most`, and says how many: for an engine that hands them out by itself.
    pub fn lease(&mut self, rule: &Rule, key: &[u8], most: u64, now: UnixNanos) -> (u64, Decision) {
        let (decision, granted) = self.ask(rule, key, Ask::UpTo(most), now);
        (granted, decision)
    }

    /// Gives cells back that were taken just now, for a request that is refused by something else. A rate gets a nanosecond
    /// less for each, so that no state of the file returns. What has been forgotten or whose period is over stays so.
    pub fn give_back(&mut self, rule: &Rule, key: &[u8], cost: u64, now: UnixNanos) {
        let now = now.min(MAX_NOW);
        let hash = self.key_hash(rule.id, key);
        let control = self.layout().key_bucket(hash.place);
        let words = self.words();
        loop {
            let seen = txn::settled(words, control);
            let Some(slot) = table::find(words, control, hash) else { return };
            let before = table::read(words, control, slot);
            let now = now.max(before.at_ns);
            let mut after = before;
            for (state, window) in after.states.iter_mut().zip(&rule.compiled) {
                *state = given_back(window.as_ref(), *state, cost, now);
            }
            let mut lifetime = weigh(rule, &after.states, 0, now).lifetime;
            let kept_until = table::kept_until(words, (control, slot));
            lifetime.until_ns = lifetime.until_ns.max(kept_until + table::LIFETIME_STEP_NS);
            let mut changes = Changes::default();
            table::update(&mut changes, words, (control, slot), lifetime, (&before, &after));
            if txn::commit(words, self.handle(), control, seen, &changes) {
                return;
            }
        }
    }

    pub(crate) fn ask(&mut self, rule: &Rule, key: &[u8], ask: Ask, now: UnixNanos) -> (Decision, u64) {
        let now = now.min(MAX_NOW);
        let hash = self.key_hash(rule.id, key);
        let control = self.layout().key_bucket(hash.place);
        let words = self.words();
        loop {
            let seen = txn::settled(words, control);
            let place = table::find(words, control, hash);
            let before = place.map_or_else(Cell::default, |slot| table::read(words, control, slot));
            let back_ns = before.at_ns.saturating_sub(now);
            if let Some(slot) = place.filter(|_| back_ns > JITTER_NS) {
                let after = set_back(rule, &before, back_ns, now);
                let lifetime = weigh(rule, &after.states, 0, now).lifetime;
                let mut changes = Changes::default();
                table::update(&mut changes, words, (control, slot), lifetime, (&before, &after));
                txn::commit(words, self.handle(), control, seen, &changes);
                continue;
            }
            let now = now.max(before.at_ns);
            let cost = match ask {
                Ask::Exactly(cost) | Ask::Look(cost) => cost,
                Ask::UpTo(most) => most.min(available(rule, &before.states, now)),
            };
            let outcome = weigh(rule, &before.states, cost, now);
            let mut decision = outcome.decision;
            let after = Cell { at_ns: now, states: outcome.after };
            let mut changes = Changes::default();
            if decision.verdict == Verdict::Admitted && cost > 0 {
                if let Some(slot) = place {
                    let mut lifetime = outcome.lifetime;
                    // Never earlier than before: after a cell was given back, its word would return.
                    lifetime.until_ns = lifetime.until_ns.max(table::kept_until(words, (control, slot)));
                    table::update(&mut changes, words, (control, slot), lifetime, (&before, &after));
                } else if let Some(slot) = table::vacancy(words, control, now, rule.when_full) {
                    table::occupy(&mut changes, words, (control, slot), hash, outcome.lifetime, &after);
                } else {
                    decision.verdict =
                        if rule.when_full == WhenFull::Admit { Verdict::FullAdmitted } else { Verdict::FullRefused };
                }
            }
            if matches!(ask, Ask::Look(_)) {
                changes = Changes::default();
            }
            if txn::commit(words, self.handle(), control, seen, &changes) {
                let granted = if decision.admits() { cost } else { 0 };
                return (decision, granted);
            }
        }
    }
}

/// What a cell says under a clock that was set back: what was owed at its last change is owed now, and what was counted
/// in a period that is still to come counts in the present one.
fn set_back(rule: &Rule, before: &Cell, back_ns: u64, now: UnixNanos) -> Cell {
    let mut after = Cell { at_ns: now, states: before.states };
    for (state, window) in after.states.iter_mut().zip(&rule.compiled) {
        *state = match *window {
            Some(Compiled::Rate { .. }) => state.saturating_sub(back_ns),
            Some(Compiled::Quota { limit, period }) => try_quota(limit, span(period, now), *state, 0, now).after,
            None => *state,
        };
    }
    after
}

/// Cells that every window could give now.
fn available(rule: &Rule, before: &States, now: UnixNanos) -> u64 {
    rule.compiled
        .iter()
        .zip(before)
        .filter_map(|(window, state)| Some(try_window(window.as_ref()?, *state, 0, now).remaining))
        .min()
        .unwrap_or(0)
}

fn weigh(rule: &Rule, before: &States, cost: u64, now: UnixNanos) -> Outcome {
    let mut after = *before;
    let mut lifetime = Lifetime::OVER;
    let mut decision =
        Decision { verdict: Verdict::Admitted, window: 0, limit: 0, remaining: u64::MAX, reset_ns: 0, retry_ns: 0 };
    let mut first = true;
    for (index, window) in rule.compiled.iter().enumerate() {
        let Some(window) = window else { continue };
        let trial = try_window(window, before[index], cost, now);
        after[index] = trial.after;
        lifetime.until_ns = lifetime.until_ns.max(trial.until_ns);
        lifetime.used = lifetime.used.max(used(trial.remaining, trial.most));
        let tighter = match (decision.verdict, trial.fits) {
            (Verdict::Admitted, true) => trial.remaining < decision.remaining,
            (Verdict::Admitted, false) => true,
            (_, fits) => !fits && trial.retry_ns > decision.retry_ns,
        };
        if tighter || first {
            first = false;
            let verdict = if trial.fits { Verdict::Admitted } else { Verdict::Refused };
            let Trial { limit, remaining, reset_ns, retry_ns, .. } = trial;
            decision = Decision { verdict, window: index, limit, remaining, reset_ns, retry_ns };
        }
    }
    Outcome { decision, after, lifetime }
}

fn used(remaining: u64, most: u64) -> u8 {
    if remaining == 0 {
        return EXHAUSTED;
    }
    // Both lose the same low bits, so that the product fits.
    let shift = 56_u32.saturating_sub(most.leading_zeros());
    let free = (remaining >> shift) * 254 / (most >> shift).max(1);
    254_u8.saturating_sub(free as u8)
}

fn try_window(window: &Compiled, state: u64, cost: u64, now: UnixNanos) -> Trial {
    match *window {
        Compiled::Rate { interval, capacity, burst, limit } => {
            try_rate((interval, capacity, burst, limit), state, cost, now)
        }
        Compiled::Quota { limit, period } => try_quota(limit, span(period, now), state, cost, now),
    }
}

/// GCRA. The state is the time at which nothing would be owed any more, if nobody came ("theoretical arrival time").
fn try_rate((interval, capacity, burst, limit): (u64, u64, u64, u64), state: u64, cost: u64, now: UnixNanos) -> Trial {
    // More than can be owed (a lower limit since, or a damaged file): the limit is used up, for no longer than it takes.
    let base = state.clamp(now, now + capacity);
    let debt = base - now;
    let room = capacity - debt;
    match cost.checked_mul(interval) {
        Some(price) if price <= room => Trial {
            fits: true,
            after: base + price,
            until_ns: base + price,
            limit,
            most: burst,
            remaining: (room - price) / interval,
            reset_ns: debt + price,
            retry_ns: 0,
        },
        price => Trial {
            fits: false,
            after: state,
            until_ns: base,
            limit,
            most: burst,
            remaining: room / interval,
            reset_ns: debt,
            retry_ns: price.filter(|price| *price <= capacity).map_or(NEVER, |price| price - room),
        },
    }
}

fn given_back(window: Option<&Compiled>, state: u64, cost: u64, now: UnixNanos) -> u64 {
    match window {
        Some(Compiled::Rate { interval, .. }) => state.saturating_sub(cost.saturating_mul(interval - 1)),
        Some(Compiled::Quota { period, .. }) if state >> PERIOD_BIT >= span(*period, now).index => {
            let version = (state & VERSION_MASK).wrapping_add(1 << COUNT_BITS) & VERSION_MASK;
            let count = (state & COUNT_MASK).saturating_sub(cost);
            state >> PERIOD_BIT << PERIOD_BIT | version | count
        }
        _ => state,
    }
}

/// The state is the number of the period, and the count in it.
fn try_quota(limit: u64, span: Span, state: u64, cost: u64, now: UnixNanos) -> Trial {
    // A period that is still to come: the clock was set back. What was counted counts in the present one.
    let count = if state >> PERIOD_BIT >= span.index { state & COUNT_MASK } else { 0 };
    let free = limit.saturating_sub(count);
    let left_ns = span.end_ns - now;
    let fits = cost <= free;
    let (after, remaining) = if fits { (count + cost, free - cost) } else { (count, free) };
    Trial {
        fits,
        after: span.index << PERIOD_BIT | state & VERSION_MASK | after,
        until_ns: span.end_ns,
        limit,
        most: limit,
        remaining,
        reset_ns: left_ns,
        retry_ns: match (fits, cost <= limit) {
            (true, _) => 0,
            (false, true) => left_ns,
            (false, false) => NEVER,
        },
    }
}
