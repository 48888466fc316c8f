//! Pins: what is admitted, refused and answered, against a naive reference over random traffic with clocks that jump by an
//! hour; that refused requests count nowhere; and that no number, however extreme, overflows.

// Reason: in a test, what was expected and did not come is the failure.
#![allow(clippy::expect_used)]

mod support;

use polygate_limits::{
    Decision, LimitEngine, NEVER, Period, Rule, RuleError, Verdict, WhenFull, Window, rate_limit, rate_limit_policy,
};
use support::{HOUR_NS, NOW, Numbers, Place, SECOND_NS, rate, rule};

const DAY_NS: u64 = 24 * HOUR_NS;

#[test]
fn rules_that_cannot_be_are_refused() {
    let good = rate(1, SECOND_NS, 1);
    let with = |window: Window| Rule::new("r", &[window], WhenFull::default()).map(|_| ());
    for name in ["", "a\"b", "a\\b", "a\nb", "ü", &"n".repeat(65)] {
        assert_eq!(Rule::new(name, &[good], WhenFull::default()).map(|_| ()), Err(RuleError::Name), "{name:?}");
    }
    assert_eq!(Rule::new("r", &[], WhenFull::default()).map(|_| ()), Err(RuleError::Windows));
    assert_eq!(Rule::new("r", &[good; 6], WhenFull::default()).map(|_| ()), Err(RuleError::Windows));
    let bad = [
        rate(0, SECOND_NS, 1),
        rate(1, 0, 1),
        rate(1, SECOND_NS, 0),
        rate(11, 10, 11),
        rate(u64::MAX, 1, 1),
        rate(1, u64::MAX, 1),
        rate(1, SECOND_NS, u64::MAX),
        Window::Quota { limit: 0, period: Period::Day },
        Window::Quota { limit: 1 << 36, period: Period::Day },
        Window::Quota { limit: u64::MAX, period: Period::Month },
    ];
    for window in bad {
        assert_eq!(with(window), Err(RuleError::Range), "{window:?}");
    }
    for window in [rate(u64::MAX, u64::MAX, 1), rate(1, 1 << 61, 1), rate(1, 1, 1 << 61)] {
        assert_eq!(with(window), Ok(()), "{window:?}");
    }
}

#[test]
fn a_burst_then_one_at_a_time_and_the_numbers_say_so() {
    let place = Place::new();
    let mut limits = place.open();
    let rule = rule("r", &[rate(10, SECOND_NS, 3)]);
    let tenth = SECOND_NS / 10;
    for left in [2, 1, 0] {
        let decision = limits.decide(&rule, b"k", 1, NOW);
        let expected = Decision {
            verdict: Verdict::Admitted,
            window: 0,
            limit: 10,
            remaining: left,
            reset_ns: (3 - left) * tenth,
            retry_ns: 0,
        };
        assert_eq!(decision, expected);
        assert_eq!(decision.retry_after_seconds(), None);
    }
    let refused = limits.decide(&rule, b"k", 1, NOW);
    assert_eq!((refused.verdict, refused.remaining), (Verdict::Refused, 0));
    assert_eq!((refused.reset_ns, refused.retry_ns), (3 * tenth, tenth));
    assert_eq!(refused.retry_after_seconds(), Some(1));
    assert!(!limits.decide(&rule, b"k", 1, NOW + tenth - 1).admits());
    assert!(limits.decide(&rule, b"k", 1, NOW + tenth).admits());
    assert!(!limits.decide(&rule, b"k", 1, NOW + tenth).admits());
    assert!(limits.decide(&rule, b"another", 3, NOW).admits());
    let beyond = limits.decide(&rule, b"a third", 4, NOW);
    assert_eq!((beyond.verdict, beyond.retry_ns, beyond.retry_after_seconds()), (Verdict::Refused, NEVER, None));
    assert_eq!(limits.decide(&rule, b"a third", 0, NOW).remaining, 3);
}

#[test]
fn a_quota_ends_with_its_calendar_period() {
    let place = Place::new();
    let mut limits = place.open();
    let rule = rule("q", &[Window::Quota { limit: 2, period: Period::Month }]);
    // 31 January 2027, 23:59:59.999999999 UTC.
    let last = 1_801_440_000 * SECOND_NS - 1;
    assert!(limits.decide(&rule, b"k", 2, last).admits());
    let refused = limits.decide(&rule, b"k", 1, last);
    assert_eq!((refused.retry_ns, refused.reset_ns, refused.retry_after_seconds()), (1, 1, Some(1)));
    assert_eq!(limits.decide(&rule, b"k", 3, last).retry_ns, NEVER);
    assert!(limits.decide(&rule, b"k", 1, last + 1).admits());
    assert_eq!(limits.decide(&rule, b"k", 0, last + 1).remaining, 1);
}

#[test]
fn a_request_that_one_window_refuses_counts_in_none() {
    let place = Place::new();
    let mut limits = place.open();
    let windows =
        [rate(100, SECOND_NS, 100), rate(2, 60 * SECOND_NS, 2), Window::Quota { limit: 9, period: Period::Day }];
    let three = rule("three", &windows);
    assert!(limits.decide(&three, b"k", 2, NOW).admits());
    for _ in 0..1000 {
        let refused = limits.decide(&three, b"k", 1, NOW);
        assert_eq!((refused.window, refused.limit, refused.retry_ns), (1, 2, 30 * SECOND_NS));
    }
    // A minute later the second window is whole again; had refusals counted, the quota would be gone.
    let later = limits.decide(&three, b"k", 2, NOW + 60 * SECOND_NS);
    assert!(later.admits());
    assert_eq!(limits.decide(&three, b"k", 0, NOW + 120 * SECOND_NS).remaining, 2);
    assert_eq!(limits.decide(&three, b"k", 2, NOW + 120 * SECOND_NS).verdict, Verdict::Admitted);
    assert_eq!(limits.decide(&three, b"k", 2, NOW + 180 * SECOND_NS).verdict, Verdict::Admitted);
    let last = limits.decide(&three, b"k", 2, NOW + 240 * SECOND_NS);
    assert_eq!((last.verdict, last.window, last.remaining), (Verdict::Refused, 2, 1));
}

#[test]
fn a_lease_is_given_what_there_is() {
    let place = Place::new();
    let mut limits = place.open();
    let engine: &mut dyn LimitEngine = &mut limits;
    let two = rule("lease", &[rate(100, SECOND_NS, 100), Window::Quota { limit: 25, period: Period::Day }]);
    assert_eq!(engine.lease(&two, b"k", 10, NOW).0, 10);
    assert_eq!(engine.lease(&two, b"k", 10, NOW).0, 10);
    let (granted, decision) = engine.lease(&two, b"k", u64::MAX, NOW);
    assert_eq!((granted, decision.window, decision.remaining), (5, 1, 0));
    assert_eq!(engine.lease(&two, b"k", 10, NOW).0, 0);
    assert!(!engine.decide(&two, b"k", 1, NOW).admits());
}

#[test]
fn changing_a_limit_keeps_what_was_used() {
    let place = Place::new();
    let mut limits = place.open();
    let day = |limit| Window::Quota { limit, period: Period::Day };
    assert!(limits.decide(&rule("r", &[day(10)]), b"k", 10, NOW).admits());
    assert_eq!(limits.decide(&rule("r", &[day(12)]), b"k", 0, NOW).remaining, 2);
    assert_eq!(limits.decide(&rule("r", &[day(5)]), b"k", 0, NOW).remaining, 0);
    assert_eq!(limits.decide(&rule("other", &[day(5)]), b"k", 0, NOW).remaining, 5);
    assert!(limits.decide(&rule("s", &[rate(1, HOUR_NS, 10)]), b"k", 10, NOW).admits());
    // Ten hours are owed; the new limit cannot be owed more than two.
    let lowered = rule("s", &[rate(1, HOUR_NS, 2)]);
    assert_eq!(limits.decide(&lowered, b"k", 2, NOW).retry_ns, 2 * HOUR_NS);
}

#[test]
fn an_exhausted_limit_stays_so_when_the_clock_is_set_back_and_comes_back_in_its_time() {
    let place = Place::new();
    let mut limits = place.open();
    let rate_rule = rule("rate", &[rate(10, 10 * SECOND_NS, 10)]);
    let quota_rule = rule("quota", &[Window::Quota { limit: 10, period: Period::Hour }]);
    for key in [&b"used up"[..], b"used once"] {
        let cost = if key == b"used once" { 1 } else { 10 };
        assert!(limits.decide(&rate_rule, key, cost, NOW).admits());
        assert!(limits.decide(&quota_rule, key, cost, NOW).admits());
    }
    let back = NOW - HOUR_NS;
    let refused = limits.decide(&rate_rule, b"used up", 1, back);
    assert_eq!((refused.verdict, refused.retry_ns), (Verdict::Refused, SECOND_NS));
    assert!(limits.decide(&rate_rule, b"used up", 1, back + SECOND_NS).admits());
    assert!(!limits.decide(&rate_rule, b"used up", 1, back + SECOND_NS).admits());
    // Who has used little is not locked out.
    assert_eq!(limits.decide(&rate_rule, b"used once", 0, back).remaining, 9);
    assert!(!limits.decide(&quota_rule, b"used up", 1, back).admits());
    assert_eq!(limits.decide(&quota_rule, b"used once", 0, back).remaining, 9);
    // And forth again.
    assert!(limits.decide(&rate_rule, b"used up", 10, NOW + HOUR_NS).admits());
    assert!(limits.decide(&quota_rule, b"used up", 10, NOW).admits());
}

#[test]
fn workers_whose_clocks_differ_by_a_little_share_one_time() {
    let place = Place::new();
    let mut limits = place.open();
    let rule = rule("r", &[rate(1000, SECOND_NS, 10)]);
    let admitted =
        (0..1000).filter(|index| limits.decide(&rule, b"k", 1, NOW - index % 2 * SECOND_NS).admits()).count();
    assert_eq!(admitted, 10);
}

/// One window as a book-keeper would do it: what is owed and when that was written down, or what was counted in which
/// hour. No arrival times, no packed words.
struct Naive {
    window: Window,
    owed_ns: u128,
    hour: u64,
    count: u64,
}

struct NaiveKey {
    at_ns: u64,
    windows: Vec<Naive>,
}

impl NaiveKey {
    fn new(windows: &[Window]) -> Self {
        let fresh = |window: &Window| Naive { window: *window, owed_ns: 0, hour: 0, count: 0 };
        Self { at_ns: 0, windows: windows.iter().map(fresh).collect() }
    }

    fn decide(&mut self, cost: u64, now: u64) -> bool {
        let known = self.at_ns > 0;
        if known && self.at_ns > now + SECOND_NS {
            self.at_ns = now;
            for window in &mut self.windows {
                window.hour = window.hour.min(now / HOUR_NS);
            }
        }
        let now = now.max(self.at_ns);
        let fits = self.windows.iter().all(|one| match one.window {
            Window::Rate { limit, period_ns, burst } => {
                let cell = u128::from(period_ns.div_ceil(limit));
                let owed = one.owed_ns.saturating_sub(u128::from(now - self.at_ns));
                owed + u128::from(cost) * cell <= u128::from(burst) * cell
            }
            Window::Quota { limit, .. } => (if one.hour == now / HOUR_NS { one.count } else { 0 }) + cost <= limit,
        });
        if !fits || cost == 0 {
            return fits;
        }
        for one in &mut self.windows {
            match one.window {
                Window::Rate { limit, period_ns, .. } => {
                    let owed = one.owed_ns.saturating_sub(u128::from(now - self.at_ns));
                    one.owed_ns = owed + u128::from(cost) * u128::from(period_ns.div_ceil(limit));
                }
                Window::Quota { .. } => {
                    one.count = if one.hour == now / HOUR_NS { one.count } else { 0 } + cost;
                    one.hour = now / HOUR_NS;
                }
            }
        }
        self.at_ns = now;
        true
    }
}

#[test]
fn random_traffic_with_a_jumping_clock_is_decided_as_the_naive_reference_does() {
    let mut numbers = Numbers(42);
    let (mut admitted, mut refused) = (0_u32, 0_u32);
    for round in 0..300 {
        let place = Place::new();
        let mut limits = place.open();
        let count = 1 + numbers.below(5);
        let windows: Vec<Window> = (0..count)
            .map(|_| {
                if numbers.below(3) == 0 {
                    return Window::Quota { limit: 1 + numbers.below(200), period: Period::Hour };
                }
                let period_ns = [1000, SECOND_NS, 7 * SECOND_NS, HOUR_NS][numbers.below(4) as usize];
                rate(1 + numbers.below(99), period_ns, 1 + numbers.below(50))
            })
            .collect();
        let rule = rule("r", &windows);
        let mut keys: Vec<NaiveKey> = (0..3).map(|_| NaiveKey::new(&windows)).collect();
        let mut now = NOW + numbers.below(DAY_NS);
        for step in 0..400 {
            now = match numbers.below(60) {
                0 => now + HOUR_NS,
                1 => now - HOUR_NS,
                2 => now - numbers.below(SECOND_NS),
                3..=20 => now,
                _ => {
                    let most = [10, 1000, SECOND_NS, 60 * SECOND_NS][numbers.below(4) as usize];
                    now + numbers.below(most)
                }
            };
            let (key, cost) = (numbers.below(3), numbers.below(8));
            let expected = keys[key as usize].decide(cost, now);
            let decision = limits.decide(&rule, &key.to_le_bytes(), cost, now);
            assert_eq!(decision.admits(), expected, "round {round} step {step} {windows:?} {decision:?}");
            if expected {
                admitted += 1;
            } else {
                refused += 1;
            }
            if decision.admits() && decision.remaining > 0 {
                let all = limits.decide(&rule, &key.to_le_bytes(), decision.remaining + 1, now);
                assert!(!all.admits(), "more than remaining, {decision:?}");
            }
            if !decision.admits() && decision.retry_ns != NEVER && decision.retry_ns < HOUR_NS {
                let early = limits.decide(&rule, &key.to_le_bytes(), cost, now + decision.retry_ns - 1);
                assert!(!early.admits(), "before its time, {decision:?}");
            }
        }
    }
    assert!(admitted > 20_000 && refused > 20_000, "both happen: {admitted}, {refused}");
}

#[test]
fn no_number_overflows() {
    let place = Place::new();
    let mut limits = place.open();
    let mut numbers = Numbers(7);
    let extremes =
        [0, 1, 2, 255, 256, 1 << 32, (1 << 36) - 1, 1 << 61, 1 << 62, (1 << 63) - 1, 1 << 63, u64::MAX - 1, u64::MAX];
    let mut windows = Vec::new();
    for limit in extremes {
        for period_ns in extremes {
            for burst in extremes {
                windows.push(rate(limit, period_ns, burst));
            }
        }
        for period in [Period::Hour, Period::Day, Period::Month] {
            windows.push(Window::Quota { limit, period });
        }
    }
    let rules: Vec<Rule> =
        windows.iter().filter_map(|window| Rule::new("r", &[*window], WhenFull::default()).ok()).collect();
    assert!(rules.len() > 100);
    for rule in &rules {
        for _ in 0..60 {
            let cost = extremes[numbers.below(extremes.len() as u64) as usize];
            let now = extremes[numbers.below(extremes.len() as u64) as usize];
            let key = [numbers.below(4) as u8];
            let decision = limits.decide(rule, &key, cost, now);
            let most = match rule.windows()[0] {
                Window::Rate { burst, .. } => burst,
                Window::Quota { limit, .. } => limit,
            };
            assert!(decision.remaining <= most, "{rule:?} {decision:?}");
            assert!(cost <= most || !decision.admits(), "{rule:?} {cost} {decision:?}");
        }
    }
}

#[test]
fn the_fields_of_an_answer() {
    let place = Place::new();
    let mut limits = place.open();
    let one = rule("search", &[rate(10, 2 * SECOND_NS, 20)]);
    assert_eq!(rate_limit_policy(&one), "\"search\";q=10;w=2");
    let decision = limits.decide(&one, b"k", 1, NOW);
    assert_eq!(rate_limit(&one, &decision).as_deref(), Some("\"search\";r=19;t=1"));
    let quota = |period| Window::Quota { limit: 7, period };
    let more = rule("a", &[rate(10, SECOND_NS / 2, 20), quota(Period::Month), quota(Period::Hour), quota(Period::Day)]);
    assert_eq!(rate_limit_policy(&more), "\"a-1\";q=10, \"a-2\";q=7, \"a-3\";q=7;w=3600, \"a-4\";q=7;w=86400");
    let decision = limits.decide(&more, b"k", 1, NOW);
    assert_eq!(rate_limit(&more, &decision).as_deref(), Some("\"a-2\";r=6;t=1440000"));
    let uncounted = Decision { verdict: Verdict::FullAdmitted, ..decision };
    assert_eq!(rate_limit(&more, &uncounted), None);
}
