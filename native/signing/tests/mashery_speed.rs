//! What a Mashery signature costs: warm, at 10,000 keys, and cold on each path of this processor.
//! `cargo test --release -p polygate-signing --test mashery_speed -- --nocapture` prints it; the bounds are far above
//! what is measured, so that only a change of order fails on a busy machine.

#![allow(clippy::unwrap_used)] // Reason: a test may panic.

use std::{hint::black_box, time::Instant};

use polygate_signing::{
    Hash, Kernel, Secret, Validity,
    mashery::{Credential, Mashery, Options, sign},
};

const NOW: u64 = 1_700_000_000;
const QUICK: bool = cfg!(debug_assertions);

/// The best of several rounds, in nanoseconds for one.
fn best_ns(times: u32, mut work: impl FnMut(u32)) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..if QUICK { 2 } else { 9 } {
        let began = Instant::now();
        for n in 0..times {
            work(n);
        }
        best = best.min(began.elapsed().as_secs_f64() * 1e9 / f64::from(times));
    }
    best
}

/// Keys and secrets as long as Hotelbeds': 42 bytes together.
fn credentials(count: usize) -> Vec<Credential> {
    let secret = || Secret::new("54dc7ba9e2").unwrap();
    let one = |n: usize| Credential { key: key(n), secret: secret(), validity: Validity::ALWAYS };
    (0..count).map(one).collect()
}

fn key(n: usize) -> Vec<u8> {
    format!("{n:032x}").into_bytes()
}

fn bound(what: &str, measured_ns: f64, bound_ns: f64) {
    println!("{what}: {measured_ns:.0} ns");
    assert!(QUICK || measured_ns < bound_ns, "{what}: {measured_ns:.0} ns");
}

#[test]
fn warm_valid_and_forged() {
    for hash in [Hash::Sha256, Hash::Md5] {
        let mut one = Mashery::new(&Options::new(hash), credentials(1)).unwrap();
        let key = key(0);
        let valid = sign(hash, &key, &Secret::new("54dc7ba9e2").unwrap(), NOW - 100).into_bytes();
        let forged = vec![b'a'; valid.len()];
        let times = if QUICK { 1_000 } else { 200_000 };
        let cost_valid =
            best_ns(times, |_| assert!(black_box(one.verify(black_box(&key), black_box(&valid), NOW)).is_ok()));
        let cost_forged =
            best_ns(times, |_| assert!(black_box(one.verify(black_box(&key), black_box(&forged), NOW)).is_err()));
        bound(&format!("{hash:?} warm, valid"), cost_valid, 2_000.0);
        bound(&format!("{hash:?} warm, forged"), cost_forged, 2_000.0);
        assert!(QUICK || cost_forged < 2.0 * cost_valid && cost_valid < 2.0 * cost_forged, "they are to cost the same");
    }
}

#[test]
fn ten_thousand_keys_in_random_order() {
    let count = if QUICK { 200 } else { 10_000 };
    let mut many = Mashery::new(&Options::new(Hash::Sha256), credentials(count)).unwrap();
    let secret = Secret::new("54dc7ba9e2").unwrap();
    let requests: Vec<(Vec<u8>, Vec<u8>)> = (0..count)
        .map(|n| {
            let key = key(n * 7_919 % count);
            let signature = sign(Hash::Sha256, &key, &secret, NOW).into_bytes();
            (key, signature)
        })
        .collect();
    let cost = best_ns(count as u32, |n| {
        let (key, signature) = &requests[n as usize];
        assert!(many.verify(key, signature, NOW).is_ok());
    });
    bound(&format!("{count} keys, {} bytes each", many.bytes_per_secret()), cost, 4_000.0);
    let mut now = NOW;
    let passing = best_ns(count as u32, |n| {
        now += u64::from(n == 0);
        let (key, signature) = &requests[n as usize];
        assert!(many.verify(key, signature, now).is_ok());
    });
    bound("the same, each with a second passed since", passing, 6_000.0);
}

#[test]
fn a_cold_window_of_601() {
    for hash in [Hash::Sha256, Hash::Md5] {
        for kernel in Kernel::available() {
            // One table and no proof: each request to the other key computes a whole window.
            let options = Options { kernel, tables: 1, cold_per_second: u32::MAX, ..Options::new(hash) };
            let mut two = Mashery::new(&options, credentials(2)).unwrap();
            let valid = sign(hash, &key(0), &Secret::new("54dc7ba9e2").unwrap(), NOW);
            two.verify(&key(0), valid.as_bytes(), NOW).unwrap();
            let (other, forged) = (key(1), vec![b'a'; valid.len()]);
            let cost = best_ns(if QUICK { 2 } else { 1_000 }, |_| assert!(two.verify(&other, &forged, NOW).is_err()));
            bound(&format!("{hash:?} cold, {}", kernel.name()), cost, 1_000_000.0);
        }
    }
}
