//! What a call costs inside this crate. `cargo test --release -p polygate-extend --test lua speed -- --nocapture` prints
//! it; the bounds are far above what is measured, so that only a change of order fails on a busy machine.

use std::time::Instant;

use crate::support::{Sent, call, on_request};

#[test]
fn calls_are_cheap() {
    for (what, bound_ns, body) in [
        ("a hook that does nothing", 1_000.0, ""),
        (
            "a header set, one removed",
            2_000.0,
            "request.headers:set('x-greeting', 'hi') request.headers:delete('x-internal')",
        ),
        (
            "one header read, one set, one removed",
            2_000.0,
            "if request.headers:get('x-block') then return request:respond(403) end
            request.headers:set('x-greeting', 'hi') request.headers:delete('x-internal')",
        ),
        ("a loop over all headers", 10_000.0, "for name, value in request.headers:entries() do end"),
        ("method, path and consumer read", 2_000.0, "local a, b, c = request.method, request.path, request.consumer"),
        ("the store asked and told", 4_000.0, "host.store.set('a', host.store.get('a') or 'b', 1000)"),
        ("a loop of 1000 rounds", 50_000.0, "for index = 1, 1000 do end"),
        ("an error with its stack", 50_000.0, "request.headers:set('x a', '')"),
    ] {
        let (mut plugin, mut request) = (on_request(body), Sent::default());
        let (rounds, times) = if cfg!(debug_assertions) { (1, 100) } else { (7, 20_000) };
        let mut best = f64::MAX;
        for _ in 0..rounds {
            let began = Instant::now();
            for _ in 0..times {
                request.forget_edits();
                let _ = call(&mut plugin, &mut request);
            }
            best = best.min(began.elapsed().as_secs_f64() * 1e9 / f64::from(times));
        }
        println!("{what}: {best:.0} ns");
        assert!(cfg!(debug_assertions) || best < bound_ns, "{what}: {best:.0} ns");
    }
}
