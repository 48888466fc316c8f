//! The ends that concern every request of a client: closing it, and starting afresh after a panic.

use crate::client::{Client, Pending};
use crate::exchange::Stage;
use crate::row::Reason;
use crate::wheel::Wheel;

impl Client {
    /// Fails every request in flight and closes every connection. Endpoints stay.
    pub fn close_all(&mut self, reason: Reason) {
        self.leave_turn();
        self.dirty.clear();
        for index in 0..self.exchanges.len() as u32 {
            let exchange = &mut self.exchanges[index as usize];
            if exchange.stage != Stage::Free {
                let (tag, started_us) = (exchange.tag, exchange.started_us);
                let attempt = exchange.attempt(false);
                self.pending.push_back(Pending::Failed { tag, reason: reason as i32, attempt, started_us });
                self.release(index);
            }
        }
        for index in 0..self.connections.len() as u32 {
            self.drop_connection(index);
        }
        for id in 0..self.endpoints.len() as u32 {
            self.free_if_removed(id);
        }
    }

    /// After a panic was caught somewhere in this client: nothing of its state is believed but the list of who waits
    /// for an answer. All of them fail, all sockets close, endpoints and the numbers of tickets stay.
    pub fn reset_after_panic(&mut self) {
        self.close_all(Reason::ClientPanic);
        self.wheel = Wheel::new();
        self.lines = Vec::new();
        self.in_flight = 0;
        self.free_exchanges = (0..self.exchanges.len() as u32).rev().collect();
        self.free_connections = (0..self.connections.len() as u32).rev().collect();
        for exchange in &mut self.exchanges {
            exchange.timer_at = 0;
            exchange.out = Vec::new();
            exchange.sent = 0;
        }
        for connection in &mut self.connections {
            connection.timer_at = 0;
        }
        for endpoint in self.endpoints.iter_mut().flatten() {
            endpoint.idle.clear();
            endpoint.queue.clear();
            endpoint.waiting = 0;
            endpoint.in_flight = 0;
            endpoint.connections = 0;
        }
    }
}
