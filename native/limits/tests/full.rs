//! Pins: what happens when the file is full of keys that count: the policies, that a key whose limit is used up is never
//! forgotten before its time, and that keys which count no more make room.

// Reason: in a test, what was expected and did not come is the failure.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod support;

use polygate_limits::{
    Acquired, Concurrency, Limits, Options, Period, Replay, ReplayWindow, Rule, Verdict, WhenFull, Window,
};
use support::{NOW, Place, SECOND_NS, rate};

/// One bucket of 15 keys.
fn tiny(place: &Place) -> Limits {
    Limits::open(place.path(), &Options { keys: 1, replays: 1, gateway: None }).unwrap().0
}

fn daily(when_full: WhenFull) -> Rule {
    Rule::new("daily", &[Window::Quota { limit: 10, period: Period::Day }], when_full).unwrap()
}

fn fill(limits: &mut Limits, rule: &Rule, cost: u64) {
    for key in 0..15_u8 {
        assert_eq!(limits.decide(rule, &[key], cost, NOW).verdict, Verdict::Admitted);
    }
}

#[test]
fn closed_open_and_forgetting() {
    for (when_full, cost, expected) in [
        (WhenFull::Refuse, 1, Verdict::FullRefused),
        (WhenFull::Admit, 1, Verdict::FullAdmitted),
        (WhenFull::ForgetLeastUsed, 1, Verdict::Admitted),
        (WhenFull::ForgetLeastUsed, 10, Verdict::FullRefused),
    ] {
        let place = Place::new();
        let mut limits = tiny(&place);
        let rule = daily(when_full);
        fill(&mut limits, &rule, cost);
        let decision = limits.decide(&rule, b"new", 1, NOW);
        assert_eq!(decision.verdict, expected, "{when_full:?} {cost}");
        assert_eq!(decision.admits(), expected != Verdict::FullRefused);
        // What is there goes on being counted, and looking takes no room.
        assert_eq!(limits.decide(&rule, b"look", 0, NOW).remaining, 10);
        assert_eq!((0..15_u8).filter(|key| limits.decide(&rule, &[*key], 0, NOW).remaining == 10).count(), {
            usize::from(expected == Verdict::Admitted)
        });
        // The next day there is room.
        assert_eq!(limits.decide(&rule, b"new", 1, NOW + 86_400 * SECOND_NS).verdict, Verdict::Admitted);
    }
}

#[test]
fn the_least_used_goes_and_the_exhausted_stay_under_a_flood_of_keys() {
    let place = Place::new();
    let mut limits = tiny(&place);
    let rule = daily(WhenFull::ForgetLeastUsed);
    for key in 0..15_u8 {
        let cost = if key < 5 { 10 } else { 2 + u64::from(key) % 8 };
        assert!(limits.decide(&rule, &[key], cost, NOW).admits());
    }
    for flood in 0..10_000_u32 {
        assert!(limits.decide(&rule, &flood.to_le_bytes(), 1, NOW).admits());
    }
    for key in 0..5_u8 {
        assert_eq!(limits.decide(&rule, &[key], 1, NOW).verdict, Verdict::Refused, "{key}");
    }
    // Only one slot was given up for the whole flood: the one that had used least.
    let forgotten: Vec<u8> = (5..15).filter(|key| limits.decide(&rule, &[*key], 0, NOW).remaining == 10).collect();
    assert_eq!(forgotten.len(), 1);
    assert_eq!(2 + forgotten[0] % 8, 2);
}

#[test]
fn a_rate_makes_room_as_soon_as_it_is_whole_again() {
    let place = Place::new();
    let mut limits = tiny(&place);
    let rule = Rule::new("r", &[rate(10, SECOND_NS, 10)], WhenFull::Refuse).unwrap();
    fill(&mut limits, &rule, 5);
    assert_eq!(limits.decide(&rule, b"new", 1, NOW + SECOND_NS / 2 - 1000).verdict, Verdict::FullRefused);
    // Lifetimes are kept in 256 ns.
    assert_eq!(limits.decide(&rule, b"new", 1, NOW + SECOND_NS / 2 + 256).verdict, Verdict::Admitted);
}

#[test]
fn places_under_way_are_not_forgotten() {
    let place = Place::new();
    let mut limits = tiny(&place);
    let quota = daily(WhenFull::ForgetLeastUsed);
    let places = |when_full| Concurrency::new("c", 9, 60 * SECOND_NS, when_full).unwrap();
    let mut permits = Vec::new();
    for key in 0..15_u8 {
        match limits.acquire(&places(WhenFull::ForgetLeastUsed), &[key], NOW) {
            Acquired::Granted { permit, .. } => permits.push(permit),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(limits.decide(&quota, b"new", 1, NOW).verdict, Verdict::FullRefused);
    assert_eq!(limits.acquire(&places(WhenFull::ForgetLeastUsed), b"new", NOW), Acquired::FullRefused);
    match limits.acquire(&places(WhenFull::Admit), b"new", NOW) {
        Acquired::FullAdmitted(permit) => assert!(limits.release(permit, NOW)),
        other => panic!("{other:?}"),
    }
    assert!(limits.release(permits.pop().unwrap(), NOW));
    assert_eq!(limits.decide(&quota, b"new", 1, NOW).verdict, Verdict::Admitted, "an ended request makes room");
}

#[test]
fn a_full_replay_bucket() {
    for (when_full, expected) in [
        (WhenFull::Refuse, Replay::FullRefused),
        (WhenFull::Admit, Replay::FullAdmitted),
        (WhenFull::ForgetLeastUsed, Replay::First),
    ] {
        let place = Place::new();
        let mut limits = tiny(&place);
        let window = |ttl| ReplayWindow::new("n", ttl * SECOND_NS, when_full).unwrap();
        for value in 0..31_u8 {
            // The seventh ends first.
            let ttl = if value == 7 { 300 } else { 600 };
            assert_eq!(limits.record(&window(ttl), &[value], NOW), Replay::First);
        }
        assert_eq!(limits.record(&window(600), b"new", NOW), expected);
        assert_eq!(limits.seen(&window(600), b"new", NOW), expected == Replay::First);
        let gone: Vec<u8> = (0..31).filter(|value| !limits.seen(&window(600), &[*value], NOW)).collect();
        assert_eq!(gone, if expected == Replay::First { vec![7] } else { vec![] }, "{when_full:?}");
        assert_eq!(limits.record(&window(600), b"later", NOW + 700 * SECOND_NS), Replay::First);
    }
}

#[test]
fn a_value_with_an_owner_needs_room_for_both() {
    for (when_full, expected) in [
        (WhenFull::Refuse, Replay::FullRefused),
        (WhenFull::Admit, Replay::FullAdmitted),
        (WhenFull::ForgetLeastUsed, Replay::First),
    ] {
        let place = Place::new();
        let mut limits = tiny(&place);
        let window = |ttl| ReplayWindow::new("n", ttl * SECOND_NS, when_full).unwrap();
        for value in 0..30_u8 {
            let ttl = if value == 7 { 300 } else { 600 };
            assert_eq!(limits.record(&window(ttl), &[value], NOW), Replay::First);
        }
        // One entry is free.
        assert_eq!(limits.claim(&window(600), b"new", b"a", NOW), expected, "{when_full:?}");
        let gone: Vec<u8> = (0..30).filter(|value| !limits.seen(&window(600), &[*value], NOW)).collect();
        assert_eq!(gone, if expected == Replay::First { vec![7] } else { vec![] }, "{when_full:?}");
        assert_eq!(limits.claim(&window(600), b"later", b"a", NOW + 700 * SECOND_NS), Replay::First);
        assert_eq!(limits.claim(&window(600), b"later", b"b", NOW + 700 * SECOND_NS), Replay::Seen);
    }
}
