//! The client as its owner sees it: endpoints, requests, turns. The pool is in `dispatch`, reading and writing in
//! `transfer`, deadlines in `expiry`; all are parts of this one type.

use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::time::Instant;

use crate::connection::Connection;
use crate::endpoint::{Endpoint, EndpointOptions, Stats};
use crate::exchange::{Body, Exchange, Framing, HIGH_WATER, NONE, Stage};
use crate::reactor::{Epoll, Event, Reactor};
use crate::row::{Reason, attempt};
use crate::wheel::{TICK_US, Wheel};

/// A ticket is generation (15 bits) and index (16 bits): positive as an i32, never 0.
const INDEX_BITS: u32 = 16;
const MAX_EXCHANGES: usize = 1 << INDEX_BITS;
const MAX_GENERATION: u16 = 0x7fff;

/// A row that no socket's event brings.
pub(crate) enum Pending {
    Failed { tag: i32, reason: i32, attempt: i32, started_us: u64 },
    Drained { exchange: u32, generation: u16 },
}

/// HTTP/1.1 client of one thread. See the crate's documentation for how it is driven.
pub struct Client {
    pub(crate) reactor: Box<dyn Reactor>,
    pub(crate) events: Vec<Event>,
    pub(crate) cursor: usize,
    pub(crate) full: bool,
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) free_exchanges: Vec<u32>,
    pub(crate) connections: Vec<Connection>,
    pub(crate) free_connections: Vec<u32>,
    pub(crate) endpoints: Vec<Option<Endpoint>>,
    pub(crate) dirty: Vec<(u32, u16)>,
    pub(crate) pending: VecDeque<Pending>,
    pub(crate) wheel: Wheel,
    pub(crate) due: Vec<(u32, u64)>,
    pub(crate) in_flight: usize,
    pub(crate) prefix: Vec<u8>,
    pub(crate) lines: Vec<u8>,
    pub(crate) cipher: Vec<u8>,
    /// The time of the last look at the clock; deadlines need no better.
    pub(crate) clock_us: u64,
    pub(crate) clock_held: bool,
    /// The exchange that was submitted last.
    pub(crate) latest: u32,
    pub(crate) epoch: Instant,
}

impl Client {
    /// On epoll. `header_prefix` is put before the header lines of each response: `"\r\nvia: 1.1 name"`, or nothing.
    /// Fails when no descriptor is left.
    pub fn new(header_prefix: &[u8]) -> io::Result<Self> {
        Ok(Self::with_reactor(header_prefix, Box::new(Epoll::new()?)))
    }

    /// On a reactor of the caller's.
    pub fn with_reactor(header_prefix: &[u8], reactor: Box<dyn Reactor>) -> Self {
        Self {
            reactor,
            events: Vec::new(),
            cursor: 0,
            full: false,
            exchanges: Vec::new(),
            free_exchanges: Vec::new(),
            connections: Vec::new(),
            free_connections: Vec::new(),
            endpoints: Vec::new(),
            dirty: Vec::new(),
            pending: VecDeque::new(),
            wheel: Wheel::new(),
            due: Vec::new(),
            in_flight: 0,
            prefix: header_prefix.to_vec(),
            lines: Vec::new(),
            cipher: Vec::new(),
            clock_us: 0,
            clock_held: false,
            latest: NONE,
            epoch: Instant::now(),
        }
    }

    /// Readable whenever a [`Client::turn`] has something to do for a socket.
    pub fn fd(&self) -> RawFd {
        self.reactor.fd()
    }

    /// Requests that have a ticket.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// When [`Client::tick`] has something to do, on the clock of [`Client::now_us`].
    pub fn next_deadline_us(&self) -> Option<u64> {
        self.wheel.next().map(|tick| tick * TICK_US)
    }

    /// Reads TLS files and checks the address; an error's text is for the operator. Returns the endpoint's id.
    pub fn add_endpoint(&mut self, options: &EndpointOptions) -> Result<u32, String> {
        let endpoint = Some(Endpoint::new(options)?);
        if let Some(free) = self.endpoints.iter().position(Option::is_none) {
            self.endpoints[free] = endpoint;
            return Ok(free as u32);
        }
        self.endpoints.push(endpoint);
        Ok(self.endpoints.len() as u32 - 1)
    }

    /// Closes idle connections and takes no more requests; those in flight end as they would.
    pub fn remove_endpoint(&mut self, id: u32) {
        let Some(endpoint) = self.endpoint_mut(id) else { return };
        endpoint.removed = true;
        for connection in std::mem::take(&mut endpoint.idle) {
            self.drop_connection(connection);
        }
        self.free_if_removed(id);
    }

    /// Figures of an endpoint; all 0 for an unknown one.
    pub fn stats(&self, id: u32) -> Stats {
        self.endpoints.get(id as usize).and_then(Option::as_ref).map_or_else(Stats::default, |endpoint| Stats {
            in_flight: endpoint.in_flight,
            waiting: endpoint.waiting,
            idle: endpoint.idle.len(),
            connections: endpoint.connections,
            connects: endpoint.connects,
        })
    }

    /// [`Client::submit_with`] for a head that lies ready.
    pub fn submit(&mut self, tag: i32, id: u32, flags: u32, framing: Framing, head: &[u8]) -> Result<i32, Reason> {
        self.submit_with(tag, id, flags, framing, |out| out.extend_from_slice(head))
    }

    /// Takes a request whose head, up to and including the empty line, `write_head` appends to the send buffer. Nothing
    /// is sent before [`Client::flush`]. Returns the ticket, greater than 0. `tag` comes back in each row.
    pub fn submit_with(
        &mut self,
        tag: i32,
        id: u32,
        flags: u32,
        framing: Framing,
        write_head: impl FnOnce(&mut Vec<u8>),
    ) -> Result<i32, Reason> {
        let now = self.look_at_clock();
        let endpoint = self.endpoints.get(id as usize).and_then(Option::as_ref).filter(|endpoint| !endpoint.removed);
        let endpoint = endpoint.ok_or(Reason::NoEndpoint)?;
        let must_wait = endpoint.idle.is_empty() && endpoint.connections >= endpoint.max_connections;
        if must_wait && endpoint.waiting >= endpoint.max_waiting {
            return Err(Reason::PoolFull);
        }
        let index = self.take_exchange().ok_or(Reason::PoolFull)?;
        let exchange = &mut self.exchanges[index as usize];
        exchange.begin(tag, id, flags, now);
        write_head(&mut exchange.out);
        if !exchange.frame(framing) {
            self.free_exchanges.push(index);
            return Err(Reason::BodyMismatch);
        }
        if let Err(reason) = self.place(index) {
            self.free_exchanges.push(index);
            return Err(reason);
        }
        if let Some(endpoint) = self.endpoint_mut(id) {
            endpoint.in_flight += 1;
        }
        self.in_flight += 1;
        self.latest = index;
        Ok(i32::from(self.exchanges[index as usize].generation) << INDEX_BITS | index as i32)
    }

    /// Adds bytes to a request's body, or, after 101, to the stream. Returns the bytes that the kernel has not taken
    /// yet; above 64 KiB a drain row follows when most of them are gone. Unknown ticket: 0.
    pub fn write(&mut self, ticket: i32, bytes: &[u8], last: bool) -> usize {
        let Some(index) = self.live(ticket) else { return 0 };
        let exchange = &mut self.exchanges[index as usize];
        if let Err(reason) = exchange.append(bytes, last) {
            self.fail(index, reason);
            return 0;
        }
        // A large upload need not wait for the end of the turn; a request that is not on its way yet must.
        if exchange.stage == Stage::Active
            && !exchange.untouched()
            && exchange.unsent() >= HIGH_WATER / 2
            && !self.connections[exchange.connection as usize].blocked
        {
            self.look_at_clock();
            self.send(index);
            if self.live(ticket).is_none() {
                return 0;
            }
        }
        self.mark_dirty(index);
        let exchange = &mut self.exchanges[index as usize];
        let unsent = exchange.unsent();
        exchange.drain_wanted |= unsent > HIGH_WATER;
        unsent
    }

    /// Reads no more of the response until [`Client::resume`]. The idle deadline rests meanwhile.
    pub fn pause(&mut self, ticket: i32) {
        if let Some(index) = self.live(ticket) {
            let exchange = &mut self.exchanges[index as usize];
            if !exchange.paused {
                exchange.paused = true;
                self.renew_deadline(index);
            }
        }
    }

    /// Reads on.
    pub fn resume(&mut self, ticket: i32) {
        if let Some(index) = self.live(ticket) {
            let exchange = &mut self.exchanges[index as usize];
            if exchange.paused {
                exchange.paused = false;
                self.look_at_clock();
                self.renew_deadline(index);
                self.watch_exchange(index);
            }
        }
    }

    /// Forgets a request; no row follows. Its connection is closed unless nothing was sent on it.
    pub fn cancel(&mut self, ticket: i32) {
        let Some(index) = self.live(ticket) else { return };
        let exchange = &self.exchanges[index as usize];
        let (stage, id, connection) = (exchange.stage, exchange.endpoint, exchange.connection);
        let untouched = stage == Stage::Active && exchange.untouched();
        self.look_at_clock();
        self.release(index);
        if connection != NONE {
            if untouched && !self.connections[connection as usize].blocked {
                self.connections[connection as usize].exchange = NONE;
                self.give_back(connection);
            } else {
                self.drop_connection(connection);
            }
        }
        self.serve_waiting(id);
        self.free_if_removed(id);
    }

    /// For owners that learn of the outcome of a submit by rows only: a row that says that it has failed. `reason`: that
    /// of [`Client::submit_with`], as a number.
    pub fn fail_unsubmitted(&mut self, tag: i32, reason: i32) {
        let started_us = self.look_at_clock();
        self.pending.push_back(Pending::Failed {
            tag,
            reason,
            attempt: attempt::NOTHING_SENT | attempt::NOTHING_RECEIVED,
            started_us,
        });
    }

    /// Sends what was submitted or written since the last flush.
    pub fn flush(&mut self) {
        if self.dirty.is_empty() {
            return;
        }
        self.look_at_clock();
        let mut dirty = std::mem::take(&mut self.dirty);
        for (index, generation) in dirty.drain(..) {
            let exchange = &mut self.exchanges[index as usize];
            if exchange.generation == generation && exchange.dirty {
                exchange.dirty = false;
                if exchange.stage == Stage::Active {
                    self.send(index);
                }
            }
        }
        // Nothing that sending does submits anything, but a replay marks its exchange.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    /// Whether [`Client::flush`] has something to do.
    pub fn must_flush(&self) -> bool {
        !self.dirty.is_empty()
    }

    pub(crate) fn endpoint_mut(&mut self, id: u32) -> Option<&mut Endpoint> {
        self.endpoints.get_mut(id as usize).and_then(Option::as_mut)
    }

    /// The exchange of a ticket that is not over.
    fn live(&self, ticket: i32) -> Option<u32> {
        let ticket = u32::try_from(ticket).ok()?;
        let index = ticket & (MAX_EXCHANGES as u32 - 1);
        let exchange = self.exchanges.get(index as usize)?;
        (exchange.stage != Stage::Free && u32::from(exchange.generation) == ticket >> INDEX_BITS).then_some(index)
    }

    fn take_exchange(&mut self) -> Option<u32> {
        if let Some(index) = self.free_exchanges.pop() {
            return Some(index);
        }
        if self.exchanges.len() == MAX_EXCHANGES {
            return None;
        }
        self.exchanges.push(Exchange::new());
        Some(self.exchanges.len() as u32 - 1)
    }

    /// Ends an exchange: its ticket is dead, its slot free.
    pub(crate) fn release(&mut self, index: u32) {
        let exchange = &mut self.exchanges[index as usize];
        let (stage, id) = (exchange.stage, exchange.endpoint);
        exchange.stage = Stage::Free;
        exchange.body = Body::Done;
        exchange.deadline_us = u64::MAX;
        exchange.connection = NONE;
        exchange.generation = if exchange.generation == MAX_GENERATION { 1 } else { exchange.generation + 1 };
        if exchange.out.capacity() > 2 * HIGH_WATER {
            exchange.out = Vec::new();
            exchange.sent = 0;
        }
        self.free_exchanges.push(index);
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(endpoint) = self.endpoint_mut(id) {
            endpoint.in_flight = endpoint.in_flight.saturating_sub(1);
            if stage == Stage::Waiting {
                endpoint.waiting = endpoint.waiting.saturating_sub(1);
            }
        }
    }

    pub(crate) fn mark_dirty(&mut self, index: u32) {
        let exchange = &mut self.exchanges[index as usize];
        if !exchange.dirty {
            exchange.dirty = true;
            self.dirty.push((index, exchange.generation));
        }
    }
}
