//! The fields `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers) of an answer.

use std::fmt::Write;

use crate::rule::{Period, Rule, Window};
use crate::{Decision, Verdict};

const SECOND_NS: u64 = 1_000_000_000;

/// `RateLimit-Policy`: every window. The same for each answer, so made once for a rule.
pub fn rate_limit_policy(rule: &Rule) -> String {
    let mut text = String::new();
    for (index, window) in rule.windows().iter().enumerate() {
        if rule.compiled[index].is_none() {
            continue;
        }
        let separator = if text.is_empty() { "" } else { ", " };
        let (limit, seconds) = match *window {
            Window::Rate { limit, period_ns, .. } => {
                (limit, period_ns.is_multiple_of(SECOND_NS).then_some(period_ns / SECOND_NS))
            }
            Window::Quota { limit, period } => (limit, calendar_seconds(period)),
        };
        text.push_str(separator);
        text.push_str(&rate_limit_name(rule, index));
        // Writing to a string does not fail.
        let _ = write!(text, ";q={limit}");
        if let Some(seconds) = seconds {
            let _ = write!(text, ";w={seconds}");
        }
    }
    text
}

/// `RateLimit`: the window that the decision is about. `None` for a key that was not counted.
pub fn rate_limit(rule: &Rule, decision: &Decision) -> Option<String> {
    if !matches!(decision.verdict, Verdict::Admitted | Verdict::Refused) {
        return None;
    }
    let name = rate_limit_name(rule, decision.window);
    Some(format!("{name};r={};t={}", decision.remaining, decision.reset_ns.div_ceil(SECOND_NS)))
}

/// A month has no fixed length, so no `w`.
fn calendar_seconds(period: Period) -> Option<u64> {
    match period {
        Period::Hour => Some(3600),
        Period::Day => Some(86_400),
        Period::Month => None,
    }
}

/// What both fields call a window: the rule's name, with the window's number where there are several, as a structured
/// field's string.
pub fn rate_limit_name(rule: &Rule, window: usize) -> String {
    match rule.windows().len() {
        1 => format!("\"{}\"", rule.name()),
        _ => format!("\"{}-{}\"", rule.name(), window + 1),
    }
}
