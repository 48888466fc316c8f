//! What one ordinary head costs, read and composed. `cargo test --release -p polygate-head --test speed -- --nocapture`
//! prints it; the bound is far above what is measured, so that only a change of order fails on a busy machine.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Reason: a test may panic.

use std::hint::black_box;
use std::time::Instant;

use polygate_head::{
    EditedHead, Edits, Forwarding, Head, HeaderEdits, Limits, Policy, PolicyOptions, compose, compose_edited,
};

const HEAD: &[u8] = b"GET /api/v1/things/4711?expand=owner&page=2 HTTP/1.1\r\nHost: api.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\nAccept: application/json, text/plain, */*\r\n\
    Accept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n\r\n";

fn nanoseconds(mut work: impl FnMut()) -> f64 {
    const TIMES: u32 = if cfg!(debug_assertions) { 2_000 } else { 200_000 };
    let mut best = f64::MAX;
    for _ in 0..7 {
        let began = Instant::now();
        for _ in 0..TIMES {
            work();
        }
        best = best.min(began.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES));
    }
    best
}

#[test]
fn one_head() {
    let limits = Limits::default();
    let mut head = Head::default();
    let mut out = Vec::new();
    let forwarding = Forwarding { client_address: b"192.168.100.200", port: 8080, ..Forwarding::default() };
    let plain = Policy::default();
    let pairs = |names: &[&str]| names.iter().map(|name| (name.as_bytes().to_vec(), b"value".to_vec())).collect();
    let edits = HeaderEdits { set: pairs(&["x-one", "x-two"]), append: Vec::new(), remove: vec![b"cookie2".to_vec()] };
    let edited = Policy::new(PolicyOptions { via: true, rfc7239: true, edits, ..PolicyOptions::default() }).unwrap();

    let read = nanoseconds(|| head.read(black_box(HEAD), &limits).unwrap());
    let mut write = |policy: &Policy| {
        nanoseconds(|| {
            out.clear();
            compose(black_box(&head), black_box(policy), black_box(&forwarding), &mut out).unwrap();
            black_box(&out);
        })
    };
    let (plain, edited) = (write(&plain), write(&edited));

    let mut edits = Edits::default();
    let make = nanoseconds(|| {
        edits.clear();
        edits.set_header(black_box(b"x-greeting"), black_box(b"hello")).unwrap();
        edits.remove_header(black_box(b"x-internal")).unwrap();
    });
    let by_plugin = nanoseconds(|| {
        out.clear();
        let head = EditedHead::new(black_box(&head), black_box(Some(&edits)));
        compose_edited(head, black_box(&Policy::default()), black_box(&forwarding), &mut out).unwrap();
        black_box(&out);
    });
    println!("two edits of a plugin: made {make:.0} ns, composed with them {by_plugin:.0} ns");
    println!(
        "read {read:.0} ns, compose {plain:.0} ns, with via, Forwarded and three edits {edited:.0} ns; {} bytes",
        HEAD.len()
    );
    if !cfg!(debug_assertions) {
        assert!(read + plain < 2_000.0, "a head costs {:.0} ns", read + plain);
    }
}
