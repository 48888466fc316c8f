//! Pins: many processes and threads on one file are together given exactly the limit; a process killed at any moment
//! loses no limit, corrupts nothing and stops nobody. The processes are this test binary, started again.

// Reason: in a test, what was expected and did not come is the failure.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod support;

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use polygate_limits::{
    Acquired, Concurrency, Decision, Limits, Options, Period, Replay, ReplayWindow, Rule, WhenFull, Window,
};
use support::{NOW, Numbers, Place, SECOND_NS, SMALL, rate, rule};

const WORKERS: u64 = 4;
const LIMIT: u64 = 50_000;
const JOURNAL: u64 = 300_000;

/// Three windows, of which the second is the narrowest.
fn narrow() -> Rule {
    let windows = [
        rate(LIMIT + 1, 3600 * SECOND_NS, LIMIT + 1),
        Window::Quota { limit: LIMIT, period: Period::Day },
        rate(LIMIT * 2, SECOND_NS, LIMIT * 2),
    ];
    rule("narrow", &windows)
}

fn nonces() -> ReplayWindow {
    ReplayWindow::new("n", 600 * SECOND_NS, WhenFull::Refuse).unwrap()
}

/// With room for every value that is recorded here: of as many as `SMALL` says, one file in some hundred lacks it for a few.
const ROOMY: Options = Options { replays: 10_000, ..SMALL };

fn open(path: &Path) -> Limits {
    Limits::open(path, &ROOMY).unwrap().0
}

/// What a started process does. It says that it is there, waits for the word, works, and says what it was given.
fn work(mode: &str, path: &Path, seed: u64) {
    let mut limits = open(path);
    print!("\n<ready>");
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_exact(&mut [0]).unwrap();
    match mode {
        "hammer" => println!("<{}>", hammer(&mut limits, &narrow(), 1)),
        "costs" => println!("<{}>", hammer_with_costs(&mut limits, &narrow(), seed)),
        "nonces" => println!("<{}>", record_all(&mut limits)),
        "journal" => journal(&mut limits, path),
        "churn" => churn(&mut limits, seed),
        other => panic!("{other}"),
    }
}

/// Takes until it has been refused 1,000 times.
fn hammer(limits: &mut Limits, rule: &Rule, cost: u64) -> u64 {
    let (mut admitted, mut refused) = (0, 0);
    while refused < 1000 {
        if limits.decide(rule, b"key", cost, NOW).admits() { admitted += cost } else { refused += 1 }
    }
    admitted
}

/// Takes 1 to 7 at a time, then singly until nothing is left.
fn hammer_with_costs(limits: &mut Limits, rule: &Rule, seed: u64) -> u64 {
    let mut numbers = Numbers(seed);
    let mut admitted = 0;
    for _ in 0..10_000 {
        let cost = 1 + numbers.below(7);
        if limits.decide(rule, b"key", cost, NOW).admits() {
            admitted += cost;
        }
    }
    admitted + hammer(limits, rule, 1)
}

/// Every process records the same values. How many were new to it.
fn record_all(limits: &mut Limits) -> u64 {
    let window = nonces();
    (0..1000_u32).map(|value| u64::from(limits.record(&window, &value.to_le_bytes(), NOW) == Replay::First)).sum()
}

/// Large enough that it is not used up while processes are started and killed.
fn journaled() -> Rule {
    rule("journaled", &[Window::Quota { limit: JOURNAL, period: Period::Day }, rate(JOURNAL, SECOND_NS, JOURNAL)])
}

/// Writes a byte for each admission, at once, so that it counts even if the process is killed next.
fn journal(limits: &mut Limits, path: &Path) {
    let rule = journaled();
    let mut journal = OpenOptions::new().append(true).open(journal_of(path)).unwrap();
    while limits.decide(&rule, b"key", 1, NOW).admits() {
        journal.write_all(b".").unwrap();
    }
}

/// Everything at once over many keys of full buckets: inserting, forgetting, taking and giving back, until killed.
fn churn(limits: &mut Limits, seed: u64) {
    let mut numbers = Numbers(seed);
    let crowd = rule("crowd", &[Window::Quota { limit: 1000, period: Period::Day }]);
    let places = Concurrency::new("places", 2, SECOND_NS, WhenFull::default()).unwrap();
    loop {
        let key = numbers.below(1 << 16).to_le_bytes();
        limits.decide(&crowd, &key, 1, NOW);
        limits.record(&nonces(), &key, NOW);
        if let Acquired::Granted { permit, .. } = limits.acquire(&places, &key, NOW) {
            limits.release(permit, NOW);
        }
    }
}

fn journal_of(path: &Path) -> PathBuf {
    path.with_extension("journal")
}

/// Run by the other tests as a process of its own; without their variables it has nothing to do.
#[test]
#[ignore = "the body of the processes that the other tests start"]
fn worker() {
    let Ok(mode) = std::env::var("LIMITS_TEST_MODE") else { return };
    let path = PathBuf::from(std::env::var("LIMITS_TEST_PATH").unwrap());
    work(&mode, &path, std::env::var("LIMITS_TEST_SEED").unwrap().parse().unwrap());
}

struct Worker {
    child: Child,
    output: ChildStdout,
}

impl Worker {
    /// Returns when it has the file open.
    fn start(mode: &str, path: &Path, seed: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "worker", "--ignored", "--nocapture"])
            .env("LIMITS_TEST_MODE", mode)
            .env("LIMITS_TEST_PATH", path)
            .env("LIMITS_TEST_SEED", seed.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let mut worker = Self { child, output };
        assert_eq!(worker.said(), "ready");
        worker
    }

    fn go(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"!").unwrap();
    }

    /// What comes next between angle brackets.
    fn said(&mut self) -> String {
        let mut text = String::new();
        loop {
            let mut byte = [0];
            assert_eq!(self.output.read(&mut byte).unwrap(), 1, "it ended after {text:?}");
            match byte[0] {
                b'<' => text.clear(),
                b'>' => return text,
                other => text.push(other.into()),
            }
        }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sum of what all processes say that they were given.
fn together(mode: &str, place: &Place) -> u64 {
    let mut workers: Vec<Worker> = (0..WORKERS).map(|seed| Worker::start(mode, place.path(), seed)).collect();
    workers.iter_mut().for_each(Worker::go);
    workers.iter_mut().map(|worker| worker.said().parse::<u64>().unwrap()).sum()
}

#[test]
fn processes_are_together_given_exactly_the_limit() {
    for mode in ["hammer", "costs"] {
        let place = Place::new();
        assert_eq!(together(mode, &place), LIMIT, "{mode}");
        let now = open(place.path()).decide(&narrow(), b"key", 0, NOW);
        assert_eq!((now.window, now.remaining), (1, 0));
    }
}

#[test]
fn each_value_is_new_to_one_process_only() {
    assert_eq!(together("nonces", &Place::new()), 1000);
}

#[test]
fn killed_at_any_moment_they_lose_no_admission_and_gain_none() {
    let place = Place::new();
    let mut limits = open(place.path());
    let journal = journal_of(place.path());
    std::fs::write(&journal, "").unwrap();
    let length = || std::fs::metadata(&journal).unwrap().len();
    let mut numbers = Numbers(5);
    let mut kills = 0;
    while kills < 40 && length() < JOURNAL / 2 {
        // Both at work, one killed, the other goes on alone for a while, and is killed as well.
        let mut pair: Vec<Worker> = (0..2).map(|_| Worker::start("journal", place.path(), 0)).collect();
        pair.iter_mut().for_each(Worker::go);
        for worker in pair {
            let until = length() + numbers.below(400);
            while length() < until {
                thread::yield_now();
            }
            worker.kill();
            kills += 1;
        }
    }
    assert!(kills >= 4, "{kills}");
    let mut last: Vec<Worker> = (0..2).map(|_| Worker::start("journal", place.path(), 0)).collect();
    last.iter_mut().for_each(Worker::go);
    for worker in &mut last {
        assert!(worker.child.wait().unwrap().success());
    }
    let counted = limits.decide(&journaled(), b"key", 0, NOW);
    assert_eq!(counted.remaining, 0);
    // A process that was killed between its admission and its byte has used one that nobody saw.
    let seen = length();
    assert!(seen <= JOURNAL && seen + kills >= JOURNAL, "{seen} of {JOURNAL} after {kills} kills");
}

#[test]
fn killed_in_full_buckets_they_stop_nobody_and_no_exhausted_limit_is_forgotten() {
    let place = Place::new();
    let mut limits = open(place.path());
    let exhausted = rule("exhausted", &[Window::Quota { limit: 3, period: Period::Day }]);
    let keys: Vec<[u8; 4]> = (0..200_u32).map(u32::to_le_bytes).collect();
    for key in &keys {
        assert!(limits.decide(&exhausted, key, 3, NOW).admits());
    }
    let mut numbers = Numbers(9);
    let mut churning: Vec<Worker> = (0..2).map(|seed| Worker::start("churn", place.path(), seed)).collect();
    churning.iter_mut().for_each(Worker::go);
    for seed in 10..60 {
        for _ in 0..numbers.below(20) {
            for key in &keys {
                assert!(!limits.decide(&exhausted, key, 1, NOW).admits(), "{key:?}");
            }
        }
        churning.swap_remove(0).kill();
        let mut next = Worker::start("churn", place.path(), seed);
        next.go();
        churning.push(next);
    }
    drop(churning);
    let crowd = rule("crowd", &[Window::Quota { limit: 1000, period: Period::Day }]);
    for key in 0..1000_u32 {
        limits.decide(&crowd, &key.to_le_bytes(), 1, NOW);
    }
    for key in &keys {
        assert!(!limits.decide(&exhausted, key, 1, NOW).admits());
    }
    // All descriptors of the dead can be had again.
    let all: Vec<Limits> = (0..255).map(|_| open(place.path())).collect();
    assert_eq!(all.len(), 255);
}

#[test]
fn threads_are_together_given_exactly_the_limit_and_no_more_places_than_there_are() {
    let place = Place::new();
    let (admitted, held, most) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let start = Barrier::new(8);
    let places = Concurrency::new("c", 5, 60 * SECOND_NS, WhenFull::default()).unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut limits = open(place.path());
                start.wait();
                admitted.fetch_add(hammer(&mut limits, &narrow(), 1), Ordering::SeqCst);
                for _ in 0..20_000 {
                    if let Acquired::Granted { permit, .. } = limits.acquire(&places, b"k", NOW) {
                        most.fetch_max(held.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        held.fetch_sub(1, Ordering::SeqCst);
                        assert!(limits.release(permit, NOW));
                    }
                }
            });
        }
    });
    assert_eq!(admitted.load(Ordering::SeqCst), LIMIT);
    assert!((1..=5).contains(&most.load(Ordering::SeqCst)), "{most:?}");
    let mut limits = open(place.path());
    assert!(matches!(limits.acquire(&places, b"k", NOW), Acquired::Granted { in_use: 1, .. }), "all were given back");
}

#[test]
fn an_empty_path_opened_by_all_at_once_is_made_once() {
    let place = Place::new();
    let start = Barrier::new(8);
    let once = rule("once", &[rate(1, 3600 * SECOND_NS, 1)]);
    let decisions: Vec<Decision> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    open(place.path()).decide(&once, b"k", 1, NOW)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(decisions.iter().filter(|decision| decision.admits()).count(), 1);
}
