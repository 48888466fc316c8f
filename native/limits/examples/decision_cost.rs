//! What a decision costs: `cargo run --release -p polygate-limits --example decision_cost`. Medians of 15 runs of 200,000
//! decisions each, one process, the file warm in a temporary folder; the lowest and the highest run are shown too.

// Reason: a measurement that cannot be made ends with its cause.
#![allow(clippy::expect_used)]

use std::hint::black_box;
use std::path::Path;
use std::sync::Barrier;
use std::time::Instant;

use polygate_limits::{Acquired, Concurrency, Limits, Options, Period, ReplayWindow, Rule, WhenFull, Window};

const RUNS: usize = 15;
const ROUND: u32 = 200_000;
const NOW: u64 = 1_800_000_000_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;

fn measure(what: &str, mut one: impl FnMut(u64)) {
    let mut count = 0;
    let mut runs: Vec<f64> = (0..=RUNS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..ROUND {
                one(count);
                count += 1;
            }
            start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUND)
        })
        .skip(1)
        .collect();
    runs.sort_by(f64::total_cmp);
    println!("{what:<48} {:6.1} ns  ({:.1} to {:.1})", runs[RUNS / 2], runs[0], runs[RUNS - 1]);
}

fn main() {
    let path = std::env::temp_dir().join(format!("polygate-limits-cost-{}", std::process::id()));
    let options = Options { keys: 100_000, replays: 8_000_000, gateway: None };
    let (mut limits, _) = Limits::open(&path, &options).expect("a limits file");
    let rate = Window::Rate { limit: 1_000_000_000, period_ns: SECOND_NS, burst: 1_000_000_000 };
    let quota = |period| Window::Quota { limit: 1 << 35, period };
    let one = Rule::new("one", &[rate], WhenFull::default()).expect("a rule");
    let three =
        Rule::new("three", &[rate, quota(Period::Day), quota(Period::Month)], WhenFull::default()).expect("a rule");
    let none = Rule::new("none", &[Window::Rate { limit: 1, period_ns: SECOND_NS, burst: 1 }], WhenFull::default())
        .expect("a rule");
    let keys: Vec<String> = (0..10_000).map(|index| format!("consumer-{index}-key")).collect();
    // Visits keys far apart, as clients come.
    let key = |count: u64| keys[(count * 7919 % 10_000) as usize].as_bytes();
    measure("admitted, 1 window, 1 key", |count| {
        black_box(limits.decide(&one, b"consumer-1-key", 1, NOW + count * 100));
    });
    measure("admitted, 1 window, 10,000 keys", |count| {
        black_box(limits.decide(&one, key(count), 1, NOW + count * 100));
    });
    measure("admitted, rate + day + month, 1 key", |count| {
        black_box(limits.decide(&three, b"consumer-1-key", 1, NOW + count * 100));
    });
    measure("refused, 1 window, 1 key", |_| {
        black_box(limits.decide(&none, b"consumer-1-key", 1, NOW));
    });
    let places = Concurrency::new("places", 100, 60 * SECOND_NS, WhenFull::default()).expect("a limit");
    measure("concurrency, acquire and release", |count| {
        if let Acquired::Granted { permit, .. } = limits.acquire(&places, b"consumer-1-key", NOW + count * 100) {
            black_box(limits.release(permit, NOW + count * 100));
        }
    });
    let nonces = ReplayWindow::new("nonces", 600 * SECOND_NS, WhenFull::Refuse).expect("a window");
    measure("replay, a new value of 32 bytes", |count| {
        let mut value = [7; 32];
        value[..8].copy_from_slice(&count.to_le_bytes());
        black_box(limits.record(&nonces, &value, NOW));
    });
    measure("replay, a seen value", |count| {
        let mut value = [7; 32];
        value[..8].copy_from_slice(&(count % 10_000).to_le_bytes());
        black_box(limits.record(&nonces, &value, NOW));
    });
    contended(&path, &options, &one);
    std::fs::remove_file(&path).expect("its removal");
}

/// Two workers that do nothing but ask for the same key: the worst that contention can cost.
fn contended(path: &Path, options: &Options, rule: &Rule) {
    let start = Barrier::new(2);
    let costs: Vec<f64> = std::thread::scope(|scope| {
        let work = || {
            let (mut limits, _) = Limits::open(path, options).expect("the file");
            start.wait();
            let from = Instant::now();
            for count in 0..10 * ROUND {
                black_box(limits.decide(rule, b"contended", 1, NOW + u64::from(count) * 100));
            }
            from.elapsed().as_secs_f64() * 1e9 / f64::from(10 * ROUND)
        };
        let workers = [scope.spawn(work), scope.spawn(work)];
        workers.into_iter().map(|worker| worker.join().expect("a worker")).collect()
    });
    println!("{:<48} {:6.1} and {:.1} ns", "admitted, 1 window, 1 key, 2 workers at once", costs[0], costs[1]);
}
