//! The time as the client sees it: looked at now and then, since each look costs.

use crate::client::Client;

impl Client {
    /// Microseconds since this client was made.
    pub fn now_us(&self) -> u64 {
        self.epoch.elapsed().as_micros() as u64
    }

    pub(crate) fn look_at_clock(&mut self) -> u64 {
        if !self.clock_held {
            self.clock_us = self.now_us();
        }
        self.clock_us
    }

    /// For callers that are about to do many things in little time: the clock is looked at now, and not again before
    /// [`Client::release_clock`].
    pub fn hold_clock(&mut self) {
        self.clock_us = self.now_us();
        self.clock_held = true;
    }

    /// Ends what [`Client::hold_clock`] began.
    pub fn release_clock(&mut self) {
        self.clock_held = false;
    }
}
