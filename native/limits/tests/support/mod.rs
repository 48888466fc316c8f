//! What the tests share: a file of their own that goes with them, numbers that look random, and a fixed time.

// Reason: each test file uses a part of it; a test that cannot be set up has failed.
#![allow(dead_code, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use polygate_limits::{Limits, Options, Rule, WhenFull, Window};

pub const SECOND_NS: u64 = 1_000_000_000;
pub const HOUR_NS: u64 = 3600 * SECOND_NS;
/// 15 January 2027, 08:00 UTC.
pub const NOW: u64 = 1_800_000_000 * SECOND_NS;
pub const SMALL: Options = Options { keys: 1000, replays: 1000, gateway: None };

/// A path for one file, which is removed at the end, and its journal with it.
pub struct Place(PathBuf);

impl Place {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("polygate-limits-test-{}-{count}", std::process::id())))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn open(&self) -> Limits {
        Limits::open(&self.0, &SMALL).expect("the limits file opens").0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
        let _ = std::fs::remove_file(self.0.with_extension("journal"));
    }
}

/// Splitmix64: the same numbers in each run.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

pub fn rate(limit: u64, period_ns: u64, burst: u64) -> Window {
    Window::Rate { limit, period_ns, burst }
}

pub fn rule(name: &str, windows: &[Window]) -> Rule {
    Rule::new(name, windows, WhenFull::default()).expect("a rule")
}
