//! One turn of the client: what has become ready, read and described in rows.

use crate::client::{Client, Pending};
use crate::exchange::Stage;
use crate::reactor::Event;
use crate::row::{Batch, Row, kind};

impl Client {
    /// Whether a [`Client::turn`] has rows to give without any socket being ready.
    pub fn more(&self) -> bool {
        self.cursor < self.events.len() || self.full || !self.pending.is_empty()
    }

    /// Forgets readiness that was fetched but not acted upon; the reactor tells it again.
    pub fn leave_turn(&mut self) {
        self.events.clear();
        self.cursor = 0;
        self.full = false;
        self.release_clock();
    }

    /// Reads what is ready into `slab` and describes it in `rows`. Returns the number of rows; an exchange has at most
    /// one in a batch. When [`Client::more`] then holds, slab or rows were full: call again once they are read. The
    /// clock is held until [`Client::leave_turn`].
    pub fn turn(&mut self, slab: &mut [u8], rows: &mut [i32]) -> usize {
        self.hold_clock();
        let mut batch = Batch::new(slab, rows);
        let mut guessed = false;
        if self.cursor >= self.events.len() {
            match self.sole_event() {
                Some(event) => {
                    guessed = true;
                    self.events.clear();
                    self.cursor = 0;
                    self.events.push(event);
                }
                None => self.fetch_events(),
            }
        }
        if !self.act_on_events(&mut batch) {
            return batch.count();
        }
        if guessed && batch.count() == 0 {
            self.fetch_events();
            if !self.act_on_events(&mut batch) {
                return batch.count();
            }
        }
        while batch.has_row() {
            let Some(pending) = self.pending.pop_front() else { break };
            self.push_pending(&pending, &mut batch);
        }
        batch.count()
    }

    fn fetch_events(&mut self) {
        self.events.clear();
        self.cursor = 0;
        // A failing epoll_wait means a broken descriptor of our own; the deadlines end what hangs on it.
        self.full = self.reactor.wait(&mut self.events).unwrap_or(false);
    }

    /// False: the batch is full.
    fn act_on_events(&mut self, batch: &mut Batch) -> bool {
        while let Some(event) = self.events.get(self.cursor).copied() {
            if !batch.has_row() || !self.event(event, batch) {
                return false;
            }
            self.cursor += 1;
        }
        true
    }

    /// With one request in flight that waits for its response, a turn is most likely about that: asking the reactor would
    /// cost as much again as reading. Readiness is level-triggered, so nothing else is missed, only told later.
    fn sole_event(&self) -> Option<Event> {
        let exchange = self.exchanges.get(self.latest as usize).filter(|_| self.in_flight == 1)?;
        if exchange.stage != Stage::Active || exchange.paused || exchange.untouched() || !exchange.request_done() {
            return None;
        }
        let connection = self.connections.get(exchange.connection as usize)?;
        let key = connection.key(exchange.connection);
        Some(Event { key, readable: true, writable: false, hangup: false })
    }

    fn push_pending(&mut self, pending: &Pending, batch: &mut Batch) {
        let now = self.clock_us;
        match *pending {
            Pending::Failed { tag, reason, attempt, started_us } => {
                let elapsed_us = now.saturating_sub(started_us);
                let row = Row { tag, kind: kind::ERROR, reason, attempt, elapsed_us, ..Row::default() };
                batch.push(&row, 0);
            }
            Pending::Drained { exchange, generation } => {
                let exchange = &mut self.exchanges[exchange as usize];
                if exchange.generation == generation && exchange.drained {
                    exchange.drained = false;
                    let elapsed_us = now.saturating_sub(exchange.started_us);
                    batch.push(&Row { tag: exchange.tag, kind: kind::DRAIN, elapsed_us, ..Row::default() }, 0);
                }
            }
        }
    }
}
