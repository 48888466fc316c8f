//! Several limits that one request must pass: admitted by all of them, or counted in none. Called through `Limits`.
//!
//! Their keys lie in different buckets, so this is no single transaction. All but the first are looked at before any is
//! asked; then each takes its cell, and if one refuses although it had a cell a moment ago, which takes another process
//! between the two, the cells already taken are given back. No limit ever admits more than it may. A process that is
//! killed in between leaves a cell taken.

use crate::UnixNanos;
use crate::open::Limits;
use crate::rate::{Ask, Decision, Verdict};
use crate::rule::Rule;

/// One cell of one key's limit.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The limit.
    pub rule: &'a Rule,
    /// Whose.
    pub key: &'a [u8],
}

impl Limits {
    /// Takes one cell of each claim, or of none. `decisions` gets one for each claim. `Some`: the claim that refuses; of
    /// several, the one that is to be waited for longest.
    pub fn decide_all(&mut self, claims: &[Claim<'_>], decisions: &mut Vec<Decision>, now: UnixNanos) -> Option<usize> {
        decisions.clear();
        if let [only] = claims {
            let decision = self.decide(only.rule, only.key, 1, now);
            decisions.push(decision);
            return (!decision.admits()).then_some(0);
        }
        for claim in claims.iter().skip(1) {
            decisions.push(self.ask(claim.rule, claim.key, Ask::Look(1), now).0);
        }
        if !decisions.iter().all(Decision::admits) {
            let first = self.ask(claims[0].rule, claims[0].key, Ask::Look(1), now).0;
            decisions.insert(0, first);
            return self.refused(claims, decisions, now);
        }
        decisions.clear();
        for (index, claim) in claims.iter().enumerate() {
            let decision = self.decide(claim.rule, claim.key, 1, now);
            decisions.push(decision);
            if !decision.admits() {
                self.give_all_back(&claims[..index], decisions, now);
                for later in &claims[index + 1..] {
                    decisions.push(self.ask(later.rule, later.key, Ask::Look(1), now).0);
                }
                return self.refused(claims, decisions, now);
            }
        }
        None
    }

    /// What is left where a cell could have been had is told as it is without that cell.
    fn refused(&mut self, claims: &[Claim<'_>], decisions: &mut [Decision], now: UnixNanos) -> Option<usize> {
        for (claim, decision) in claims.iter().zip(&mut *decisions) {
            if decision.verdict == Verdict::Admitted {
                *decision = self.decide(claim.rule, claim.key, 0, now);
            }
        }
        longest(decisions)
    }

    fn give_all_back(&mut self, claims: &[Claim<'_>], decisions: &[Decision], now: UnixNanos) {
        for (claim, decision) in claims.iter().zip(decisions) {
            if decision.verdict == Verdict::Admitted {
                self.give_back(claim.rule, claim.key, 1, now);
            }
        }
    }
}

fn longest(decisions: &[Decision]) -> Option<usize> {
    let refusing = decisions.iter().enumerate().filter(|(_, decision)| !decision.admits());
    refusing.max_by_key(|(_, decision)| decision.retry_ns).map(|(index, _)| index)
}
