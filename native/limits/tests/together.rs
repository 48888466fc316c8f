//! Pins: several limits of one request are decided together: a request that one of them refuses counts in none, whichever
//! it is, also when several processes ask at once; cells that are given back can be had again, and no more than those;
//! a window that is left out is neither looked at nor changed.

// Reason: a test that cannot be set up has failed.
#![allow(clippy::unwrap_used)]

mod support;

use polygate_limits::{Claim, Decision, Limits, Period, Rule, Verdict, WhenFull, Window, rate_limit_policy};
use support::{HOUR_NS, NOW, Numbers, Place, SECOND_NS, rate, rule};

fn quota(limit: u64) -> Window {
    Window::Quota { limit, period: Period::Day }
}

fn ask(limits: &mut Limits, claims: &[(&Rule, &[u8])], now: u64) -> (Option<usize>, Vec<Decision>) {
    let claims: Vec<Claim<'_>> = claims.iter().map(|(rule, key)| Claim { rule, key }).collect();
    let mut decisions = Vec::new();
    let refusing = limits.decide_all(&claims, &mut decisions, now);
    assert_eq!(decisions.len(), claims.len());
    (refusing, decisions)
}

fn left(limits: &mut Limits, rule: &Rule, key: &[u8], now: u64) -> u64 {
    limits.decide(rule, key, 0, now).remaining
}

#[test]
fn what_one_refuses_counts_in_none_whichever_it_is() {
    let place = Place::new();
    let mut limits = place.open();
    let (wide, narrow) = (rule("wide", &[quota(100)]), rule("narrow", &[rate(2, HOUR_NS, 2)]));
    for (claims, refusing) in [([(&wide, &b"k"[..]), (&narrow, b"a")], 1), ([(&narrow, b"b"), (&wide, b"k")], 0)] {
        let before = left(&mut limits, &wide, b"k", NOW);
        assert_eq!(ask(&mut limits, &claims, NOW).0, None);
        assert_eq!(ask(&mut limits, &claims, NOW).0, None);
        let (refused, decisions) = ask(&mut limits, &claims, NOW);
        assert_eq!(refused, Some(refusing));
        assert_eq!(decisions[refusing].verdict, Verdict::Refused);
        assert_eq!(decisions[refusing].retry_ns, HOUR_NS / 2);
        assert_eq!(decisions[1 - refusing].remaining, before - 2, "as it is without this request");
        assert_eq!(left(&mut limits, &wide, b"k", NOW), before - 2);
    }
}

#[test]
fn of_several_that_refuse_the_one_to_be_waited_for_longest_answers() {
    let place = Place::new();
    let mut limits = place.open();
    let rules = [1, 3, 2].map(|hours| rule(&format!("r{hours}"), &[rate(1, hours * HOUR_NS, 1)]));
    let claims: Vec<(&Rule, &[u8])> = rules.iter().map(|rule| (rule, &b"k"[..])).collect();
    assert_eq!(ask(&mut limits, &claims, NOW).0, None);
    assert_eq!(ask(&mut limits, &claims, NOW).0, Some(1));
    assert_eq!(ask(&mut limits, &claims, NOW + 3 * HOUR_NS).0, None);
    assert_eq!(ask(&mut limits, &[], NOW).0, None);
}

#[test]
fn cells_given_back_can_be_had_again_and_no_more_than_those() {
    let place = Place::new();
    let mut limits = place.open();
    for windows in [vec![rate(100, 100 * SECOND_NS, 10)], vec![quota(10)], vec![rate(1, SECOND_NS, 10), quota(10)]] {
        let rule = rule(&format!("{windows:?}")[..20], &windows);
        limits.give_back(&rule, b"unknown", 1, NOW);
        assert_eq!(left(&mut limits, &rule, b"unknown", NOW), 10);
        assert!(limits.decide(&rule, b"k", 10, NOW).admits());
        limits.give_back(&rule, b"k", 3, NOW);
        // A rate gives each back after a nanosecond.
        assert_eq!(left(&mut limits, &rule, b"k", NOW + 3), 3);
    }
}

#[test]
fn a_day_that_is_over_gives_nothing_back_to_the_next() {
    let place = Place::new();
    let mut limits = place.open();
    let daily = rule("daily", &[quota(5)]);
    assert!(limits.decide(&daily, b"k", 5, NOW).admits());
    limits.give_back(&daily, b"k", 2, NOW + 24 * HOUR_NS);
    assert_eq!(left(&mut limits, &daily, b"k", NOW), 0);
    assert!(limits.decide(&daily, b"k", 4, NOW + 24 * HOUR_NS).admits());
    limits.give_back(&daily, b"k", 9, NOW + 24 * HOUR_NS);
    assert_eq!(left(&mut limits, &daily, b"k", NOW + 24 * HOUR_NS), 5);
}

#[test]
fn a_full_file_refuses_or_admits_all_of_a_request() {
    let place = Place::new();
    let (mut limits, _) =
        Limits::open(place.path(), &polygate_limits::Options { keys: 1, replays: 1, gateway: None }).unwrap();
    let filler = rule("filler", &[quota(1)]);
    for key in 0..15_u8 {
        assert!(limits.decide(&filler, &[key], 1, NOW).admits());
    }
    let spare = Rule::new("spare", &[quota(1)], WhenFull::Admit).unwrap();
    let strict = rule("strict", &[quota(1)]);
    let (refused, decisions) = ask(&mut limits, &[(&spare, b"x"), (&strict, b"y")], NOW);
    assert_eq!((refused, decisions[1].verdict), (Some(1), Verdict::FullRefused));
    let (refused, decisions) = ask(&mut limits, &[(&spare, b"x"), (&spare, b"z")], NOW);
    assert_eq!((refused, decisions[0].verdict), (None, Verdict::FullAdmitted));
}

#[test]
fn several_at_once_admit_exactly_the_tightest_and_the_others_count_the_same() {
    let place = Place::new();
    let (wide, tight) = (rule("wide", &[quota(40_000)]), rule("tight", &[rate(10_000, HOUR_NS, 10_000)]));
    let admitted: u64 = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4_u64)
            .map(|seed| {
                let (place, wide, tight) = (&place, &wide, &tight);
                scope.spawn(move || {
                    let mut limits = place.open();
                    let mut numbers = Numbers(seed);
                    // Each in an order of its own.
                    let order = |one: bool| {
                        if one { [(wide, &b"k"[..]), (tight, b"k")] } else { [(tight, &b"k"[..]), (wide, b"k")] }
                    };
                    (0..6000).filter(|_| ask(&mut limits, &order(numbers.below(2) == 0), NOW).0.is_none()).count()
                        as u64
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(admitted, 10_000);
    assert_eq!(left(&mut place.open(), &wide, b"k", NOW), 30_000);
}

#[test]
fn two_that_are_tight_in_turn_never_admit_more_than_either() {
    let place = Place::new();
    let both = [rule("one", &[quota(5000)]), rule("other", &[quota(5000)])];
    let admitted: u64 = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|seed| {
                let (place, [one, other]) = (&place, &both);
                scope.spawn(move || {
                    let mut limits = place.open();
                    let claims = if seed % 2 == 0 {
                        [(one, &b"k"[..]), (other, b"k")]
                    } else {
                        [(other, &b"k"[..]), (one, b"k")]
                    };
                    (0..3000).filter(|_| ask(&mut limits, &claims, NOW).0.is_none()).count() as u64
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    // What two took from one another at the end has been given back, and can be had.
    let mut limits = place.open();
    let claims = [(&both[0], &b"k"[..]), (&both[1], b"k")];
    let rest = (0..5000).take_while(|_| ask(&mut limits, &claims, NOW).0.is_none()).count() as u64;
    assert_eq!(admitted + rest, 5000);
}

#[test]
fn a_window_left_out_is_neither_looked_at_nor_changed() {
    let place = Place::new();
    let mut limits = place.open();
    let whole = rule("r", &[rate(1, HOUR_NS, 3), quota(10)]);
    let is_rate = |window: &Window| matches!(window, Window::Rate { .. });
    let quota_only = whole.without(is_rate).unwrap();
    assert!(whole.without(|_| true).is_none());
    assert_eq!(rate_limit_policy(&quota_only), "\"r-2\";q=10;w=86400");
    assert!(limits.decide(&whole, b"k", 3, NOW).admits());
    assert!(!limits.decide(&whole, b"k", 1, NOW).admits());
    let decision = limits.decide(&quota_only, b"k", 5, NOW);
    assert_eq!((decision.verdict, decision.window, decision.remaining), (Verdict::Admitted, 1, 2));
    assert_eq!(left(&mut limits, &whole, b"k", NOW), 0, "the rate is still used up");
    assert_eq!(left(&mut limits, &whole, b"k", NOW + 3 * HOUR_NS), 2, "and the quota has counted all");
    assert!(!limits.decide(&quota_only, b"k", 3, NOW + HOUR_NS).admits());
}
