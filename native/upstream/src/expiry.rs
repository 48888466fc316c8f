//! Deadlines: which one runs for an exchange at each stage, and what happens when it is over.

use crate::client::Client;
use crate::exchange::{NONE, Stage};
use crate::row::Reason;
use crate::wheel::{TICK_US, tick_of};

/// Marks a connection's id in the wheel; an exchange's has it clear.
pub(crate) const CONNECTION_BIT: u32 = 1 << 31;

impl Client {
    /// Sets the deadline of an exchange on a standing connection: for the response head once the request is out, else
    /// for any byte in either direction. A paused response has none: the silence is the reader's.
    pub(crate) fn renew_deadline(&mut self, index: u32) {
        let now = self.clock_us;
        let exchange = &mut self.exchanges[index as usize];
        if exchange.stage != Stage::Active {
            return;
        }
        let Some(Some(endpoint)) = self.endpoints.get(exchange.endpoint as usize) else { return };
        let after = if exchange.paused {
            0
        } else if exchange.request_done() && !exchange.response.head_done() {
            endpoint.response_timeout_us
        } else {
            endpoint.idle_timeout_us
        };
        exchange.set_deadline(&mut self.wheel, index, now, after);
    }

    /// Ends what is over by now. Rows, if any, come with the next [`Client::turn`].
    pub fn tick(&mut self) {
        let now = self.look_at_clock();
        let mut due = std::mem::take(&mut self.due);
        self.wheel.advance(now / TICK_US, &mut due);
        for (id, tick) in due.drain(..) {
            if id & CONNECTION_BIT != 0 {
                self.connection_due(id & !CONNECTION_BIT, tick, now);
            } else {
                self.exchange_due(id, tick, now);
            }
        }
        self.due = due;
    }

    fn connection_due(&mut self, slot: u32, tick: u64, now: u64) {
        let Some(connection) = self.connections.get_mut(slot as usize) else { return };
        if connection.timer_at != tick {
            return;
        }
        connection.timer_at = 0;
        if connection.deadline_us == u64::MAX || connection.exchange != NONE {
            return;
        }
        if connection.deadline_us > now {
            connection.timer_at = self.wheel.insert(slot | CONNECTION_BIT, tick_of(connection.deadline_us));
            return;
        }
        let id = connection.endpoint;
        self.drop_connection(slot);
        self.free_if_removed(id);
    }

    fn exchange_due(&mut self, index: u32, tick: u64, now: u64) {
        let Some(exchange) = self.exchanges.get_mut(index as usize) else { return };
        if exchange.timer_at != tick {
            return;
        }
        exchange.timer_at = 0;
        if exchange.stage == Stage::Free || exchange.deadline_us == u64::MAX {
            return;
        }
        if exchange.deadline_us > now {
            exchange.timer_at = self.wheel.insert(index, tick_of(exchange.deadline_us));
            return;
        }
        let reason = match exchange.stage {
            Stage::Waiting | Stage::Connecting | Stage::Free => Reason::ConnectTimeout,
            Stage::Active if exchange.request_done() && !exchange.response.head_done() => Reason::ResponseTimeout,
            Stage::Active => Reason::IdleTimeout,
        };
        self.fail(index, reason);
    }
}
