//! The pool: which connection a request goes out on, what becomes of a connection that is free, lost or not wanted.

use std::os::fd::AsRawFd;

use crate::client::{Client, Pending};
use crate::connection::{Connection, Link};
use crate::exchange::{NONE, Stage};
use crate::expiry::CONNECTION_BIT;
use crate::reactor::Interest;
use crate::row::Reason;
use crate::socket;
use crate::wheel::tick_of;

const READ: Interest = Interest { read: true, write: false };

impl Client {
    /// Gives a new exchange the most recently used idle connection, or a new one, or a place in the queue.
    pub(crate) fn place(&mut self, index: u32) -> Result<(), Reason> {
        let id = self.exchanges[index as usize].endpoint;
        let Some(endpoint) = self.endpoint_mut(id) else { return Err(Reason::NoEndpoint) };
        if let Some(connection) = endpoint.idle.pop() {
            self.attach(index, connection);
            return Ok(());
        }
        let connect_timeout = endpoint.connect_timeout_us;
        if endpoint.connections < endpoint.max_connections {
            self.open(index)?;
        } else {
            let generation = self.exchanges[index as usize].generation;
            if let Some(endpoint) = self.endpoint_mut(id) {
                endpoint.queue.push_back((index, generation));
                endpoint.waiting += 1;
            }
            self.exchanges[index as usize].stage = Stage::Waiting;
        }
        self.exchanges[index as usize].set_deadline(&mut self.wheel, index, self.clock_us, connect_timeout);
        Ok(())
    }

    /// Binds an exchange to a connection that stands; it is sent at the next flush.
    fn attach(&mut self, index: u32, connection: u32) {
        let exchange = &mut self.exchanges[index as usize];
        exchange.stage = Stage::Active;
        exchange.connection = connection;
        let connection = &mut self.connections[connection as usize];
        connection.exchange = index;
        connection.deadline_us = u64::MAX;
        self.renew_deadline(index);
        self.mark_dirty(index);
    }

    /// Begins a connection for an exchange.
    fn open(&mut self, index: u32) -> Result<(), Reason> {
        let id = self.exchanges[index as usize].endpoint;
        let Some(endpoint) = self.endpoints.get_mut(id as usize).and_then(Option::as_mut) else {
            return Err(Reason::NoEndpoint);
        };
        endpoint.connects += 1;
        let socket = socket::connect(&endpoint.address)?;
        let slot = self.free_connections.pop().unwrap_or_else(|| {
            self.connections.push(Connection::new());
            self.connections.len() as u32 - 1
        });
        let connection = &mut self.connections[slot as usize];
        let interest = Interest { read: false, write: true };
        let key = connection.key(slot);
        if self.reactor.add(socket.as_raw_fd(), key, interest).is_err() {
            self.free_connections.push(slot);
            return Err(Reason::DescriptorLimit);
        }
        connection.socket = Some(socket);
        connection.link = Link::Connecting;
        connection.tls = None;
        connection.endpoint = id;
        connection.exchange = index;
        connection.served = 0;
        connection.blocked = false;
        connection.interest = Some(interest);
        connection.deadline_us = u64::MAX;
        endpoint.connections += 1;
        let exchange = &mut self.exchanges[index as usize];
        exchange.stage = Stage::Connecting;
        exchange.connection = slot;
        Ok(())
    }

    /// Closes a connection, whatever it does; its exchange, if any, is not looked at.
    pub(crate) fn drop_connection(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        // Closing takes it out of the reactor.
        if connection.socket.take().is_none() {
            return;
        }
        connection.tls = None;
        connection.exchange = NONE;
        connection.interest = None;
        connection.deadline_us = u64::MAX;
        connection.generation = connection.generation.wrapping_add(1);
        let id = connection.endpoint;
        self.free_connections.push(slot);
        if let Some(endpoint) = self.endpoint_mut(id) {
            endpoint.connections = endpoint.connections.saturating_sub(1);
            if let Some(at) = endpoint.idle.iter().rposition(|idle| *idle == slot) {
                endpoint.idle.remove(at);
            }
        }
    }

    /// A connection is free: the longest waiting request gets it, or it idles.
    pub(crate) fn give_back(&mut self, slot: u32) {
        let now = self.clock_us;
        let id = self.connections[slot as usize].endpoint;
        let Some(endpoint) = self.endpoints.get_mut(id as usize).and_then(Option::as_mut) else {
            return self.drop_connection(slot);
        };
        while let Some((index, generation)) = endpoint.queue.pop_front() {
            let exchange = &self.exchanges[index as usize];
            if exchange.generation == generation && exchange.stage == Stage::Waiting {
                endpoint.waiting = endpoint.waiting.saturating_sub(1);
                self.attach(index, slot);
                return;
            }
        }
        if endpoint.removed || endpoint.pool_idle_us == 0 {
            return self.drop_connection(slot);
        }
        endpoint.idle.push(slot);
        let connection = &mut self.connections[slot as usize];
        connection.deadline_us = now + endpoint.pool_idle_us;
        let tick = tick_of(connection.deadline_us);
        if connection.timer_at == 0 || tick < connection.timer_at {
            connection.timer_at = self.wheel.insert(slot | CONNECTION_BIT, tick);
        }
        connection.watch(self.reactor.as_mut(), slot, Some(READ));
    }

    /// Opens connections for waiting requests while there is room.
    pub(crate) fn serve_waiting(&mut self, id: u32) {
        loop {
            let Some(endpoint) = self.endpoints.get_mut(id as usize).and_then(Option::as_mut) else { return };
            if endpoint.connections >= endpoint.max_connections {
                return;
            }
            let Some((index, generation)) = endpoint.queue.pop_front() else { return };
            let exchange = &self.exchanges[index as usize];
            if exchange.generation != generation || exchange.stage != Stage::Waiting {
                continue;
            }
            endpoint.waiting = endpoint.waiting.saturating_sub(1);
            // Its connect deadline runs on: waiting counts.
            self.exchanges[index as usize].stage = Stage::Connecting;
            if let Err(reason) = self.open(index) {
                self.fail(index, reason);
            }
        }
    }

    /// Ends an exchange with an error row and closes its connection.
    pub(crate) fn fail(&mut self, index: u32, reason: Reason) {
        let exchange = &self.exchanges[index as usize];
        let (id, slot) = (exchange.endpoint, exchange.connection);
        let reused = slot != NONE && self.connections[slot as usize].served > 0;
        let attempt = exchange.attempt(reused);
        let (tag, started_us) = (exchange.tag, exchange.started_us);
        self.pending.push_back(Pending::Failed { tag, reason: reason as i32, attempt, started_us });
        self.release(index);
        if slot != NONE {
            self.drop_connection(slot);
            self.serve_waiting(id);
        }
        self.free_if_removed(id);
    }

    /// The connection of an exchange broke. Once more on a fresh one if that is safe, else an error.
    pub(crate) fn lose(&mut self, index: u32, reason: Reason) {
        let slot = self.exchanges[index as usize].connection;
        let reused = self.connections[slot as usize].served > 0;
        if self.exchanges[index as usize].may_replay(reused) {
            self.replay(index);
        } else {
            self.fail(index, reason);
        }
    }

    /// Sends an exchange once more, on a fresh connection: another idle one may be as stale as the first.
    pub(crate) fn replay(&mut self, index: u32) {
        let slot = self.exchanges[index as usize].connection;
        self.drop_connection(slot);
        let exchange = &mut self.exchanges[index as usize];
        exchange.connection = NONE;
        exchange.sent = 0;
        exchange.replayed = true;
        exchange.deaf = false;
        exchange.response.reset();
        let id = exchange.endpoint;
        let connect_timeout = self.endpoint_mut(id).map_or(0, |endpoint| endpoint.connect_timeout_us);
        if let Err(reason) = self.open(index) {
            return self.fail(index, reason);
        }
        self.exchanges[index as usize].set_deadline(&mut self.wheel, index, self.clock_us, connect_timeout);
    }

    /// Frees the id of a removed endpoint that has nothing left.
    pub(crate) fn free_if_removed(&mut self, id: u32) {
        if let Some(slot) = self.endpoints.get_mut(id as usize)
            && slot.as_ref().is_some_and(|e| e.removed && e.connections == 0 && e.in_flight == 0)
        {
            *slot = None;
        }
    }
}
