//! Pins: concurrency limits (places come back by release or with the lease) and replay windows (once within their time, and
//! how often an honest value is mistaken).

// Reason: in a test, what was expected and did not come is the failure.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod support;

use polygate_limits::{Acquired, Concurrency, Limits, Options, Permit, Replay, ReplayWindow, RuleError, WhenFull};
use support::{HOUR_NS, NOW, Numbers, Place, SECOND_NS};

const LEASE_NS: u64 = 60 * SECOND_NS;

fn places(limit: u16) -> Concurrency {
    Concurrency::new("c", limit, LEASE_NS, WhenFull::default()).unwrap()
}

fn take(limits: &mut Limits, limit: &Concurrency, now: u64) -> Permit {
    match limits.acquire(limit, b"k", now) {
        Acquired::Granted { permit, .. } => permit,
        other => panic!("{other:?}"),
    }
}

#[test]
fn limits_that_cannot_be_are_refused() {
    let concurrency = |limit, lease| Concurrency::new("c", limit, lease, WhenFull::default()).map(|_| ());
    for (limit, lease) in [(0, LEASE_NS), (1, 0), (1, SECOND_NS - 1), (1, u64::MAX)] {
        assert_eq!(concurrency(limit, lease), Err(RuleError::Range), "{limit} {lease}");
    }
    assert_eq!(Concurrency::new("", 1, LEASE_NS, WhenFull::default()).map(|_| ()), Err(RuleError::Name));
    for ttl in [0, u64::MAX, 367 * 24 * HOUR_NS] {
        assert_eq!(ReplayWindow::new("n", ttl, WhenFull::default()).map(|_| ()), Err(RuleError::Range), "{ttl}");
    }
}

#[test]
fn no_more_than_the_limit_at_once() {
    let place = Place::new();
    let (mut one, mut other) = (place.open(), place.open());
    let three = places(3);
    let mut held: Vec<Permit> = (0..3).map(|_| take(&mut one, &three, NOW)).collect();
    for _ in 0..100 {
        assert_eq!(other.acquire(&three, b"k", NOW), Acquired::Refused);
    }
    assert!(other.release(held.pop().unwrap(), NOW));
    match other.acquire(&three, b"k", NOW) {
        Acquired::Granted { in_use, .. } => assert_eq!(in_use, 3),
        refused => panic!("{refused:?}"),
    }
    assert_eq!(one.acquire(&three, b"k", NOW), Acquired::Refused);
}

#[test]
fn a_permit_goes_through_words_and_wrong_words_give_nothing_back() {
    let place = Place::new();
    let mut limits = place.open();
    let one = places(1);
    let words = take(&mut limits, &one, NOW).into_words();
    for index in 0..3 {
        let mut wrong = words;
        wrong[index] ^= 1 << 20;
        assert!(!limits.release(Permit::from_words(wrong), NOW), "{index}");
    }
    assert!(!limits.release(Permit::from_words([0; 4]), NOW));
    assert!(limits.release(Permit::from_words(words), NOW));
    assert!(!limits.release(Permit::from_words(words), NOW), "nothing is left to give back");
}

#[test]
fn the_places_of_a_dead_worker_come_back_with_the_lease_and_not_before() {
    let place = Place::new();
    let two = places(2);
    let mut dead = place.open();
    let lost = [take(&mut dead, &two, NOW), take(&mut dead, &two, NOW + LEASE_NS / 2)];
    drop(dead);
    let mut limits = place.open();
    assert_eq!(limits.acquire(&two, b"k", NOW + LEASE_NS), Acquired::Refused);
    let back = take(&mut limits, &two, NOW + LEASE_NS + LEASE_NS / 4);
    assert_eq!(limits.acquire(&two, b"k", NOW + LEASE_NS + LEASE_NS / 4), Acquired::Refused);
    let later = NOW + 2 * LEASE_NS;
    assert!(matches!(limits.acquire(&two, b"k", later), Acquired::Granted { in_use: 2, .. }));
    // A late release gives back nothing that another has now.
    for permit in lost {
        assert!(!limits.release(permit, later));
    }
    assert_eq!(limits.acquire(&two, b"k", later), Acquired::Refused);
    assert!(limits.release(back, later));
}

#[test]
fn a_renewed_place_is_held_for_as_long_as_it_is_renewed() {
    let place = Place::new();
    let mut limits = place.open();
    let one = places(1);
    let mut permit = take(&mut limits, &one, NOW);
    let mut now = NOW;
    for _ in 0..100 {
        now += LEASE_NS / 3;
        permit = limits.renew(permit, now).expect("held");
        assert_eq!(limits.acquire(&one, b"k", now), Acquired::Refused);
    }
    let later = now + 2 * LEASE_NS;
    assert_eq!(limits.renew(permit, later), None, "too late");
    assert!(matches!(limits.acquire(&one, b"k", later), Acquired::Granted { in_use: 1, .. }));
}

#[test]
fn a_jumping_clock_never_lets_more_than_the_limit_in_and_the_places_come_back() {
    let place = Place::new();
    let mut limits = place.open();
    let mut numbers = Numbers(11);
    let limit = places(20);
    let mut held: Vec<Permit> = Vec::new();
    let mut now = NOW;
    for step in 0..20_000 {
        now = match numbers.below(500) {
            0 => now - HOUR_NS,
            1 => now + HOUR_NS,
            _ => now + numbers.below(SECOND_NS / 100),
        };
        if numbers.below(5) < 3 {
            match limits.acquire(&limit, b"k", now) {
                Acquired::Granted { permit, in_use } => {
                    assert!(in_use <= 20);
                    held.push(permit);
                }
                Acquired::Refused => {}
                other => panic!("{step} {other:?}"),
            }
        } else if !held.is_empty() {
            let permit = held.swap_remove(numbers.below(held.len() as u64) as usize);
            limits.release(permit, now);
        }
    }
    drop(held);
    let later = now + 300 * HOUR_NS;
    for _ in 0..20 {
        take(&mut limits, &limit, later);
    }
    assert_eq!(limits.acquire(&limit, b"k", later), Acquired::Refused);
}

#[test]
fn a_value_is_first_once_within_its_time() {
    let place = Place::new();
    let (mut one, mut other) = (place.open(), place.open());
    let window = ReplayWindow::new("n", 600 * SECOND_NS, WhenFull::Refuse).unwrap();
    let another = ReplayWindow::new("m", 600 * SECOND_NS, WhenFull::Refuse).unwrap();
    assert!(!one.seen(&window, b"v", NOW));
    assert!(!one.seen(&window, b"v", NOW), "looking records nothing");
    assert_eq!(one.record(&window, b"v", NOW), Replay::First);
    assert!(other.seen(&window, b"v", NOW));
    assert_eq!(other.record(&window, b"v", NOW + 600 * SECOND_NS), Replay::Seen);
    assert_eq!(other.record(&another, b"v", NOW), Replay::First);
    assert_eq!(other.record(&window, b"", NOW), Replay::First);
    assert_eq!(other.record(&window, b"", NOW), Replay::Seen);
    // Seen does not prolong it; 16 seconds is the grain.
    assert_eq!(other.record(&window, b"v", NOW + 616 * SECOND_NS), Replay::First);
    for now in [NOW - HOUR_NS, NOW, NOW + HOUR_NS, u64::MAX, 0] {
        assert_eq!(other.record(&window, &now.to_le_bytes(), now), Replay::First);
        assert_eq!(other.record(&window, &now.to_le_bytes(), now), Replay::Seen);
    }
    // Set back by an hour: what was recorded is remembered.
    assert_eq!(other.record(&window, b"w", NOW), Replay::First);
    assert_eq!(other.record(&window, b"w", NOW - HOUR_NS), Replay::Seen);
}

#[test]
fn a_value_belongs_to_who_asks_first() {
    let place = Place::new();
    let (mut one, mut other) = (place.open(), place.open());
    let window = ReplayWindow::new("n", 600 * SECOND_NS, WhenFull::Refuse).unwrap();
    let another = ReplayWindow::new("m", 600 * SECOND_NS, WhenFull::Refuse).unwrap();
    assert_eq!(one.claim(&window, b"v", b"a", NOW), Replay::First);
    assert_eq!(other.claim(&window, b"v", b"a", NOW), Replay::First);
    assert_eq!(other.claim(&window, b"v", b"b", NOW), Replay::Seen);
    assert_eq!(other.claim(&window, b"v", b"b", NOW), Replay::Seen, "asking makes nobody the owner");
    assert_eq!(one.claim(&window, b"v", b"", NOW), Replay::Seen);
    assert_eq!(one.claim(&another, b"v", b"b", NOW), Replay::First);
    assert_eq!(one.claim(&window, b"va", b"", NOW), Replay::First, "where a value ends counts");
    assert_eq!(one.claim(&window, b"va", b"", NOW), Replay::First);
    // Asking again does not prolong it; 16 seconds is the grain.
    assert_eq!(one.claim(&window, b"v", b"a", NOW + 600 * SECOND_NS), Replay::First);
    assert_eq!(one.claim(&window, b"v", b"b", NOW + 600 * SECOND_NS), Replay::Seen);
    assert_eq!(one.claim(&window, b"v", b"b", NOW + 616 * SECOND_NS), Replay::First);
    assert_eq!(one.claim(&window, b"v", b"a", NOW + 616 * SECOND_NS), Replay::Seen);
}

#[test]
fn of_many_owners_at_once_one_gets_the_value() {
    let place = Place::new();
    let window = ReplayWindow::new("n", 600 * SECOND_NS, WhenFull::Refuse).unwrap();
    let owners_of: Vec<Vec<bool>> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..4_u8)
            .map(|owner| {
                let options = Options { keys: 1, replays: 10_000, gateway: None };
                let (mut limits, window) = (Limits::open(place.path(), &options).unwrap().0, window.clone());
                scope.spawn(move || {
                    let mut claim = |value: u32| limits.claim(&window, &value.to_le_bytes(), &[owner], NOW);
                    // Twice: who was first stays it.
                    (0..2000)
                        .map(|value| [claim(value), claim(value)])
                        .map(|both| match both {
                            [Replay::First, Replay::First] => true,
                            [Replay::Seen, Replay::Seen] => false,
                            other => panic!("{other:?}"),
                        })
                        .collect()
                })
            })
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for value in 0..2000 {
        assert_eq!(owners_of.iter().filter(|owns| owns[value]).count(), 1, "value {value}");
    }
}

#[test]
fn a_million_honest_values_and_their_replays_at_full_capacity() {
    let place = Place::new();
    let options = Options { keys: 1, replays: 1_000_000, gateway: None };
    let (mut limits, _) = Limits::open(place.path(), &options).unwrap();
    let window = ReplayWindow::new("n", 600 * SECOND_NS, WhenFull::Refuse).unwrap();
    let (mut first, mut full) = (0, 0);
    for value in 0..1_000_000_u32 {
        match limits.record(&window, &value.to_le_bytes(), NOW) {
            Replay::First => first += 1,
            Replay::FullRefused => full += 1,
            other => panic!("an honest value is taken for a replay: {other:?}"),
        }
    }
    assert!(full < 100, "{full} of a million found no room");
    let seen = (0..1_000_000_u32).filter(|value| limits.seen(&window, &value.to_le_bytes(), NOW)).count();
    assert_eq!(seen, first);
}

#[test]
fn a_place_lost_with_its_lease_is_taken_again_while_its_request_goes_on() {
    let place = Place::new();
    let mut limits = place.open();
    let limit = places(2);
    let (one, other) = (take(&mut limits, &limit, NOW), take(&mut limits, &limit, NOW));
    let words = one.into_words();
    let later = NOW + HOUR_NS;
    assert!(limits.renew(Permit::from_words(words), later).is_none());
    let one = limits.retake(Permit::from_words(words), later).unwrap();
    take(&mut limits, &limit, later);
    assert!(matches!(limits.acquire(&limit, b"k", later), Acquired::Refused));
    // Beyond the limit, as that request is under way.
    let other = limits.retake(other, later).unwrap();
    assert!(limits.release(one, later));
    assert!(matches!(limits.acquire(&limit, b"k", later), Acquired::Refused));
    assert!(limits.release(other, later));
    take(&mut limits, &limit, later);
}
