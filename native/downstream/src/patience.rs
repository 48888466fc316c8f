//! How long a client may let its connection wait. Connections are looked at once a tick; nothing is done for them in
//! between, so a request costs no clock. All bounds are therefore late by up to two ticks, never early.
//!
//! ```text
//!   Head    from opening, or from the end of the last response, to a whole head: one bound, however the bytes drip
//!   Body    the bound for each pause, and on average MIN_BODY_RATE
//!   Reader  the bound for each time in which the client takes no byte of a response
//! ```
//! The upstream's time is not the client's: while a handler is to answer there is no bound.

/// Bytes a second. Slower bodies hold up an upstream connection for next to nothing (slow-body attacks).
pub const MIN_BODY_RATE: u64 = 240;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Not for its client.
    #[default]
    Nothing,
    /// A request's head.
    Head,
    /// Bytes of a body.
    Body,
    /// That the client takes bytes of a response.
    Reader,
}

/// What is seen of a connection at one tick.
#[derive(Clone, Copy, Debug)]
pub struct Observed {
    pub wait: Wait,
    /// Requests begun so far.
    pub requests: u32,
    /// Changes with each byte, for Body and Reader; for Body a count of bytes.
    pub progress: u64,
}

/// The memory of one connection from tick to tick.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    wait: Wait,
    requests: u32,
    progress: u64,
    /// Since when there was no progress.
    since_ms: u64,
    /// Where the average is measured from.
    window_ms: u64,
    window_progress: u64,
}

impl Patience {
    /// Whether it ends now. `idle_ms` is the bound, 0 for none.
    pub fn ends(&mut self, now_ms: u64, idle_ms: u64, seen: Observed) -> bool {
        if seen.wait != self.wait || seen.requests != self.requests {
            *self = Self {
                wait: seen.wait,
                requests: seen.requests,
                progress: seen.progress,
                since_ms: now_ms,
                window_ms: now_ms,
                window_progress: seen.progress,
            };
            return false;
        }
        if idle_ms == 0 || seen.wait == Wait::Nothing {
            return false;
        }
        if seen.progress != self.progress {
            self.progress = seen.progress;
            self.since_ms = now_ms;
        }
        if now_ms - self.since_ms >= idle_ms {
            return true;
        }
        let window = now_ms - self.window_ms;
        if seen.wait != Wait::Body || window < idle_ms {
            return false;
        }
        let slow = (seen.progress - self.window_progress) * 1000 < MIN_BODY_RATE * window;
        self.window_ms = now_ms;
        self.window_progress = seen.progress;
        slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: u64 = 1000;

    fn run(patience: &mut Patience, wait: Wait, ticks: &[(u64, u32, u64)]) -> Vec<bool> {
        ticks
            .iter()
            .map(|&(now_ms, requests, progress)| patience.ends(now_ms, IDLE, Observed { wait, requests, progress }))
            .collect()
    }

    #[test]
    fn a_head_has_the_bound_however_its_bytes_drip_and_each_request_starts_it_anew() {
        let mut patience = Patience::default();
        let ticks = [(0, 0, 0), (500, 0, 0), (999, 0, 0), (1000, 0, 0)];
        assert_eq!(run(&mut patience, Wait::Head, &ticks), [false, false, false, true]);
        let ticks = [(1500, 1, 0), (2400, 2, 0), (3300, 2, 0), (3400, 2, 0)];
        assert_eq!(run(&mut patience, Wait::Head, &ticks), [false, false, false, true]);
    }

    #[test]
    fn a_request_is_no_wait_and_what_comes_after_it_starts_anew() {
        let mut patience = Patience::default();
        assert_eq!(run(&mut patience, Wait::Head, &[(0, 0, 0), (900, 0, 0)]), [false, false]);
        assert_eq!(run(&mut patience, Wait::Nothing, &[(1000, 1, 0), (99_000, 1, 0)]), [false, false]);
        assert_eq!(run(&mut patience, Wait::Head, &[(99_500, 1, 0), (100_500, 1, 0)]), [false, true]);
    }

    #[test]
    fn a_body_may_pause_below_the_bound_but_not_crawl() {
        let mut patience = Patience::default();
        assert_eq!(run(&mut patience, Wait::Body, &[(0, 1, 0), (500, 1, 0), (1000, 1, 0)]), [false, false, true]);
        let mut patience = Patience::default();
        let drip = [(0, 1, 0), (500, 1, 1), (1000, 1, 2)];
        assert_eq!(run(&mut patience, Wait::Body, &drip), [false, false, true]);
        let mut patience = Patience::default();
        let slow = [(0, 1, 0), (500, 1, 240), (1000, 1, 240), (1500, 1, 480), (2000, 1, 480), (2500, 1, 500)];
        assert_eq!(run(&mut patience, Wait::Body, &slow), [false, false, false, false, false, false]);
        assert_eq!(run(&mut patience, Wait::Body, &[(3000, 1, 501)]), [true]);
    }

    #[test]
    fn a_reader_may_be_as_slow_as_it_likes_but_not_stop() {
        let mut patience = Patience::default();
        let slow = [(0, 1, 0), (900, 1, 1), (1800, 1, 2), (2700, 1, 3)];
        assert_eq!(run(&mut patience, Wait::Reader, &slow), [false, false, false, false]);
        assert_eq!(run(&mut patience, Wait::Reader, &[(3600, 1, 3), (3700, 1, 3)]), [false, true]);
    }

    #[test]
    fn no_bound_is_for_ever() {
        let mut patience = Patience::default();
        let seen = Observed { wait: Wait::Head, requests: 0, progress: 0 };
        assert!(!patience.ends(0, 0, seen) && !patience.ends(u64::MAX, 0, seen));
    }
}
