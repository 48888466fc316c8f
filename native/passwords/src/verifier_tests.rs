//! Who is told what, and how many hashes that costs. The hash is a stand-in here that counts, waits or panics; real ones
//! are in `tests/hash.rs`.

// Reason: in a test, what was expected and did not come is the failure.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;

use super::{Outcome, Verifier};
use crate::accounts::{Account, Accounts, Found};
use crate::queue::{MAX_QUEUED, MAX_QUEUED_MS, Queue, THREADS};

const HASH: &str = "$2b$04$abcdefghijklmnopqrstuuHCSenwm8buK215m4R4q2ZmPL95d0lX2"; // alice-secret
const OTHER: &str = "$argon2id$v=19$m=8,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$hbJ1ohlLKVU4J4P1p07fhg"; // empty

fn accounts(users: &[(&str, &[&str])]) -> Accounts {
    let mut accounts = Accounts::default();
    for (name, hashes) in users {
        accounts.add(name.as_bytes(), hashes).unwrap();
    }
    accounts
}

fn header(user: &str, password: &str) -> Vec<u8> {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"))).into_bytes()
}

struct Desk {
    verifier: Verifier,
    woken: Receiver<()>,
    /// Ends one stand-in that waits.
    go: Sender<()>,
    /// Stand-ins that have begun, by password.
    begun: Receiver<String>,
    hashes: Arc<AtomicU32>,
}

/// `right` fits the first hash; `panic` panics; a password that begins with `wait` waits for `go`.
fn desk(longest: Duration) -> Desk {
    let (wake, woken) = channel();
    let (go, gone) = channel::<()>();
    let (tell, begun) = channel();
    let hashes = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&hashes);
    let (gone, tell, wake) = (Mutex::new(gone), Mutex::new(tell), Mutex::new(wake));
    let work = move |_: &_, password: &[u8], _: &mut _| {
        counted.fetch_add(1, Ordering::SeqCst);
        let password = String::from_utf8_lossy(password).into_owned();
        tell.lock().unwrap().send(password.clone()).unwrap();
        if password.starts_with("wait") {
            gone.lock().unwrap().recv().unwrap();
        }
        assert_ne!(password, "panic", "a stand-in panics");
        if password.ends_with("right") { Found::Place(0) } else { Found::Nothing }
    };
    let wake = move || wake.lock().unwrap().send(()).unwrap();
    let queue = Queue::new(Box::new(work), longest, Box::new(wake));
    Desk { verifier: Verifier::with_queue([7; 32], queue), woken, go, begun, hashes }
}

impl Desk {
    fn check(&mut self, accounts: &Accounts, user: &str, password: &str, tag: i32) -> Outcome {
        self.verifier.check(accounts, std::iter::once(&header(user, password)[..]), tag)
    }

    /// Until so many have been told.
    fn told(&mut self, count: usize) -> HashMap<i32, Outcome> {
        let mut told = HashMap::new();
        while told.len() < count {
            self.woken.recv_timeout(Duration::from_secs(20)).expect("nobody was told");
            self.verifier.take(|tag, outcome| assert_eq!(told.insert(tag, outcome), None));
        }
        told
    }

    fn one(&mut self, accounts: &Accounts, user: &str, password: &str) -> Outcome {
        match self.check(accounts, user, password, 1) {
            Outcome::Later => self.told(1)[&1],
            outcome => outcome,
        }
    }

    fn hashes(&self) -> u32 {
        self.hashes.load(Ordering::SeqCst)
    }
}

const LONGEST: Duration = Duration::from_millis(MAX_QUEUED_MS);

#[test]
fn without_credentials_there_is_no_hash() {
    let mut desk = desk(LONGEST);
    let accounts = accounts(&[("alice", &[HASH])]);
    let mut check = |values: &[&[u8]]| desk.verifier.check(&accounts, values.iter().copied(), 1);
    assert_eq!(check(&[]), Outcome::Missing);
    assert_eq!(check(&[b"Bearer x"]), Outcome::Missing);
    assert_eq!(check(&[b"Basic x"]), Outcome::Malformed);
    assert_eq!(check(&[&header("alice", "right"), &header("alice", "right")]), Outcome::Ambiguous);
    assert_eq!(desk.one(&Accounts::default(), "alice", "right"), Outcome::Unknown);
    assert_eq!(desk.hashes(), 0);
}

#[test]
fn what_was_verified_is_known_at_once_the_next_time() {
    let mut desk = desk(LONGEST);
    let accounts = accounts(&[("alice", &[HASH, OTHER]), ("bob", &[HASH])]);
    for _ in 0..3 {
        assert_eq!(desk.one(&accounts, "alice", "right"), Outcome::Known(0));
        assert_eq!(desk.one(&accounts, "alice", "false"), Outcome::Wrong);
        assert_eq!(desk.one(&accounts, "bob", "right"), Outcome::Known(2));
        assert_eq!(desk.one(&accounts, "nobody", "right"), Outcome::Unknown);
        assert_eq!(desk.hashes(), 4);
    }
    assert_eq!(desk.check(&accounts, "alice", "right", 1), Outcome::Known(0));
    assert_eq!(desk.check(&accounts, "nobody", "right", 1), Outcome::Unknown);
}

#[test]
fn another_hash_is_another_user_and_a_reload_that_changes_nothing_changes_nothing() {
    let mut desk = desk(LONGEST);
    assert_eq!(desk.one(&accounts(&[("alice", &[HASH])]), "alice", "right"), Outcome::Known(0));
    let reloaded = accounts(&[("new", &[HASH, OTHER]), ("alice", &[HASH])]);
    assert_eq!(desk.check(&reloaded, "alice", "right", 1), Outcome::Known(2));
    assert_eq!(desk.check(&accounts(&[("alice", &[OTHER])]), "alice", "right", 1), Outcome::Later);
    assert_eq!(desk.check(&accounts(&[("bob", &[HASH])]), "bob", "right", 2), Outcome::Later);
    assert_eq!(desk.check(&accounts(&[("bob", &[HASH])]), "alice", "right", 3), Outcome::Later);
    assert_eq!(desk.told(3), [(1, Outcome::Known(0)), (2, Outcome::Known(0)), (3, Outcome::Unknown)].into());
}

#[test]
fn the_same_credentials_at_once_cost_one_hash() {
    let mut desk = desk(LONGEST);
    let accounts = accounts(&[("alice", &[HASH]), ("bob", &[HASH])]);
    for tag in 0..100 {
        assert_eq!(desk.check(&accounts, "alice", "wait right", tag), Outcome::Later);
    }
    assert_eq!(desk.check(&accounts, "bob", "wait right", 100), Outcome::Later);
    for _ in 0..2 {
        desk.go.send(()).unwrap();
    }
    let told = desk.told(101);
    assert!((0..100).all(|tag| told[&tag] == Outcome::Known(0)));
    assert_eq!(told[&100], Outcome::Known(1));
    assert_eq!(desk.hashes(), 2);
}

#[test]
fn a_hash_that_panics_costs_its_own_requests_and_nobody_else() {
    let mut desk = desk(LONGEST);
    let accounts = accounts(&[("alice", &[HASH])]);
    for round in 0..3 * THREADS as u32 {
        assert_eq!(desk.one(&accounts, "alice", "panic"), Outcome::Failed);
        assert_eq!(desk.one(&accounts, "alice", &format!("{round} right")), Outcome::Known(0));
    }
    assert_eq!(desk.hashes(), 6 * THREADS as u32);
}

#[test]
fn no_more_wait_than_may_and_afterwards_all_is_as_before() {
    let mut desk = desk(LONGEST);
    let accounts = accounts(&[("alice", &[HASH])]);
    for tag in 0..THREADS as i32 {
        assert_eq!(desk.check(&accounts, "alice", &format!("wait {tag} right"), tag), Outcome::Later);
        desk.begun.recv_timeout(Duration::from_secs(20)).unwrap();
    }
    let all = (THREADS + MAX_QUEUED) as i32;
    for tag in THREADS as i32..all {
        assert_eq!(desk.check(&accounts, "alice", &format!("{tag} right"), tag), Outcome::Later);
    }
    assert_eq!(desk.check(&accounts, "alice", "one more right", 1000), Outcome::Overloaded);
    // Whose hash is on its way does not need another.
    assert_eq!(desk.check(&accounts, "alice", "wait 0 right", 1001), Outcome::Later);
    for _ in 0..THREADS {
        desk.go.send(()).unwrap();
    }
    let told = desk.told(all as usize + 1);
    assert!(told.values().all(|outcome| *outcome == Outcome::Known(0)));
    assert_eq!(desk.one(&accounts, "alice", "one more right"), Outcome::Known(0));
}

#[test]
fn requests_with_the_same_credentials_are_bounded_too() {
    let mut desk = desk(LONGEST);
    let accounts = accounts(&[("alice", &[HASH])]);
    for tag in 0..super::MAX_WAITING as i32 {
        assert_eq!(desk.check(&accounts, "alice", "wait right", tag), Outcome::Later);
    }
    assert_eq!(desk.check(&accounts, "alice", "wait right", 9999), Outcome::Overloaded);
    desk.go.send(()).unwrap();
    assert_eq!(desk.told(super::MAX_WAITING).len(), super::MAX_WAITING);
    assert_eq!(desk.check(&accounts, "alice", "wait right", 1), Outcome::Known(0));
    assert_eq!(desk.one(&accounts, "alice", "right"), Outcome::Known(0));
}

#[test]
fn what_has_waited_for_too_long_costs_no_hash_and_is_not_remembered() {
    let mut desk = desk(Duration::ZERO);
    let accounts = accounts(&[("alice", &[HASH])]);
    for _ in 0..2 {
        assert_eq!(desk.check(&accounts, "alice", "right", 1), Outcome::Later);
        assert_eq!(desk.told(1), [(1, Outcome::Overloaded)].into());
    }
    assert_eq!(desk.hashes(), 0);
}

#[test]
fn a_closed_desk_waits_for_the_hash_that_is_computed_and_for_no_other() {
    let mut desk = desk(LONGEST);
    let accounts = accounts(&[("alice", &[HASH])]);
    for tag in 0..10 {
        assert_eq!(desk.check(&accounts, "alice", &format!("wait {tag}"), tag), Outcome::Later);
    }
    for _ in 0..THREADS {
        desk.begun.recv_timeout(Duration::from_secs(20)).unwrap();
        desk.go.send(()).unwrap();
    }
    let Desk { verifier, woken, hashes, go, .. } = desk;
    // Those that still begin before it is closed.
    for _ in 0..10 {
        go.send(()).unwrap();
    }
    drop(verifier);
    assert!(hashes.load(Ordering::SeqCst) <= 10);
    // The threads are gone, and with them whoever could call.
    while woken.recv().is_ok() {}
}

#[test]
fn an_unknown_user_costs_the_hash_of_a_known_one_always_of_the_same() {
    let (wake, woken) = channel();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let work = move |account: &Account, password: &[u8], scratch: &mut _| {
        noted.lock().unwrap().push(account.first);
        account.verify(password, scratch)
    };
    let wake = Mutex::new(wake);
    let queue = Queue::new(Box::new(work), LONGEST, Box::new(move || wake.lock().unwrap().send(()).unwrap()));
    let mut verifier = Verifier::with_queue([7; 32], queue);
    let accounts = accounts(&[("alice", &[HASH]), ("bob", &[HASH]), ("carol", &[HASH]), ("dave", &[HASH])]);
    let mut hashed = |name: &str, password: &str| {
        assert_eq!(verifier.check(&accounts, std::iter::once(&header(name, password)[..]), 1), Outcome::Later);
        woken.recv_timeout(Duration::from_secs(20)).unwrap();
        verifier.take(|_, outcome| assert_eq!(outcome, Outcome::Unknown));
        seen.lock().unwrap().pop().unwrap()
    };
    let mut places = std::collections::HashSet::new();
    for number in 0..40 {
        let name = format!("nobody-{number}");
        // The password of each of them, and it is worth nothing.
        let place = hashed(&name, "alice-secret");
        assert_eq!(hashed(&name, "another"), place);
        places.insert(place);
    }
    assert_eq!(places.len(), 4);
}
