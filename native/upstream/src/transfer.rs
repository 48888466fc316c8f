//! What happens on sockets: a connection comes to stand, request bytes go out, response bytes come in.

use std::io;

use crate::client::{Client, Pending};
use crate::connection::Link;
use crate::exchange::{Body, LOW_WATER, NONE, Stage};
use crate::reactor::{Event, Interest};
use crate::response::{Expected, Piece};
use crate::row::{Batch, Reason, Row, flag, kind};
use crate::socket::{self, connect_reason};
use crate::tls::{RECORD_ROOM, Received, Tls};

/// A read is not tried with less room than this: it would cost a call for next to nothing.
const LEAST_ROOM: usize = 16 * 1024;
/// One read at most, so that one large body does not take the whole batch from everyone else.
const MOST_READ: usize = 256 * 1024;
const CIPHER_BYTES: usize = 128 * 1024;

impl Client {
    /// Acts on one event. False when the batch has no room for it: it is to be acted upon in the next batch.
    pub(crate) fn event(&mut self, event: Event, batch: &mut Batch) -> bool {
        let slot = event.key as u32;
        let Some(connection) = self.connections.get(slot as usize) else { return true };
        if connection.socket.is_none() || connection.key(slot) != event.key {
            return true;
        }
        let index = connection.exchange;
        match connection.link {
            Link::Connecting => self.connected(slot),
            Link::Handshaking => self.handshake(slot),
            Link::Ready if index == NONE => self.idle_event(slot),
            Link::Ready => {
                if (event.readable || event.hangup) && !self.has_room(index, batch) {
                    return false;
                }
                if event.writable {
                    self.send(index);
                }
                let connection = &self.connections[slot as usize];
                if (event.readable || event.hangup) && connection.key(slot) == event.key {
                    self.readable(index, event.hangup, batch);
                }
            }
        }
        true
    }

    /// What a read for the exchange needs of the slab.
    fn room(&self, index: u32) -> usize {
        let exchange = &self.exchanges[index as usize];
        let tls = self.connections[exchange.connection as usize].tls.is_some();
        exchange.response.reserve(&self.prefix) + LEAST_ROOM + if tls { RECORD_ROOM } else { 0 }
    }

    fn has_room(&self, index: u32, batch: &mut Batch) -> bool {
        // An empty batch has all the room there ever is.
        batch.count() == 0 || batch.free().len() >= self.room(index)
    }

    /// The connection attempt is over, one way or the other.
    fn connected(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        let (index, id) = (connection.exchange, connection.endpoint);
        let error = connection.socket.as_ref().and_then(|socket| socket.take_error().unwrap_or_else(Some));
        if let Some(error) = error {
            return self.fail(index, connect_reason(&error));
        }
        let endpoint = self.endpoints.get(id as usize).and_then(Option::as_ref);
        match endpoint.and_then(|endpoint| endpoint.tls.clone()) {
            None => self.ready(slot),
            Some(tls) => match Tls::new(&tls) {
                Ok(tls) => {
                    connection.tls = Some(Box::new(tls));
                    connection.link = Link::Handshaking;
                    self.handshake(slot);
                }
                Err(_) => self.fail(index, Reason::Tls),
            },
        }
    }

    fn handshake(&mut self, slot: u32) {
        if self.cipher.is_empty() {
            self.cipher.resize(CIPHER_BYTES, 0);
        }
        let connection = &mut self.connections[slot as usize];
        let index = connection.exchange;
        let (Some(tls), Some(socket)) = (&mut connection.tls, &connection.socket) else { return };
        let mut result = tls.send(socket, &[]).map(|_| ());
        // No plain text can come before the handshake is over, except into this.
        let mut early = vec![0; RECORD_ROOM + 8 * 1024];
        let mut received = Received::default();
        if result.is_ok() && connection.interest.is_some_and(|interest| interest.read) {
            match tls.recv(socket, &mut self.cipher, &mut early) {
                Ok(got) => received = got.unwrap_or_default(),
                Err(error) => result = Err(error),
            }
            if result.is_ok() {
                result = tls.send(socket, &[]).map(|_| ());
            }
        }
        if let Err(error) = result {
            let tls = matches!(error.kind(), io::ErrorKind::InvalidData);
            return self.fail(index, if tls { Reason::Tls } else { lost_reason(&error) });
        }
        if received.closed {
            return self.fail(index, Reason::Closed);
        }
        // A server that speaks before it is asked is not one for us.
        if received.length > 0 {
            return self.fail(index, Reason::BadResponse);
        }
        let wanted = Interest { read: true, write: tls.wants_write() };
        if tls.is_handshaking() {
            connection.watch(self.reactor.as_mut(), slot, Some(wanted));
        } else {
            self.ready(slot);
        }
    }

    /// The connection stands: its request goes out.
    fn ready(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        connection.link = Link::Ready;
        let index = connection.exchange;
        self.exchanges[index as usize].stage = Stage::Active;
        self.renew_deadline(index);
        self.send(index);
        self.watch_exchange(index);
    }

    /// Whatever happens on an idle connection ends it, save what TLS has to say to itself.
    fn idle_event(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        let id = connection.endpoint;
        if let (Some(tls), Some(socket)) = (&mut connection.tls, &connection.socket) {
            let mut plain = vec![0; RECORD_ROOM + 8 * 1024];
            if let Ok(received) = tls.recv(socket, &mut self.cipher, &mut plain) {
                let received = received.unwrap_or_default();
                if received.length == 0 && !received.closed && tls.send(socket, &[]).is_ok_and(|sent| !sent.blocked) {
                    return;
                }
            }
        }
        self.drop_connection(slot);
        self.free_if_removed(id);
    }

    /// Sends what the exchange has, as far as the kernel takes it.
    pub(crate) fn send(&mut self, index: u32) {
        let exchange = &mut self.exchanges[index as usize];
        let slot = exchange.connection;
        let connection = &mut self.connections[slot as usize];
        let Some(socket) = &connection.socket else { return };
        if exchange.deaf {
            return;
        }
        let bytes = &exchange.out[exchange.sent..];
        let written = match &mut connection.tls {
            Some(tls) => tls.send(socket, bytes).map(|written| (written.taken, written.blocked)),
            None if bytes.is_empty() => Ok((0, false)),
            None => socket::send(socket, bytes).map(|taken| {
                let taken = taken.unwrap_or(0);
                (taken, taken < bytes.len())
            }),
        };
        let Ok((taken, blocked)) = written else {
            if exchange.may_replay(connection.served > 0) {
                return self.replay(index);
            }
            // What the peer said before it closed is still to be read; the reactor tells of the hang-up.
            exchange.grow_deaf();
            connection.blocked = false;
            self.note_drained(index);
            self.watch_exchange(index);
            return;
        };
        connection.blocked = blocked;
        exchange.sent += taken;
        exchange.ever_sent |= taken > 0;
        let reused = connection.served > 0;
        let keep = reused && exchange.flags & flag::REPLAYABLE != 0 && !exchange.response.started();
        if exchange.unsent() == 0 && exchange.body == Body::RawEnded && !blocked {
            // Our end of an upgraded stream. A peer that is gone already tells so by itself.
            if let Some(tls) = &mut connection.tls {
                tls.end(socket);
            }
            drop(socket.shutdown(std::net::Shutdown::Write));
        }
        exchange.discard_sent(keep);
        if taken > 0 {
            self.renew_deadline(index);
        }
        if self.exchanges[index as usize].unsent() <= LOW_WATER {
            self.note_drained(index);
        }
        self.watch_exchange(index);
    }

    fn note_drained(&mut self, index: u32) {
        let exchange = &mut self.exchanges[index as usize];
        if std::mem::take(&mut exchange.drain_wanted) && !exchange.drained {
            exchange.drained = true;
            self.pending.push_back(Pending::Drained { exchange: index, generation: exchange.generation });
        }
    }

    /// Brings what the reactor watches for into line with what the exchange wants.
    pub(crate) fn watch_exchange(&mut self, index: u32) {
        let exchange = &self.exchanges[index as usize];
        if exchange.stage != Stage::Active {
            return;
        }
        let slot = exchange.connection;
        let connection = &mut self.connections[slot as usize];
        // Being paused alone does not stop the watch: only bytes that come meanwhile do (see `readable`).
        let stopped = exchange.paused && connection.interest.is_none_or(|interest| !interest.read);
        let wanted = Interest { read: !stopped, write: connection.blocked };
        if connection.interest.is_some() || !stopped {
            connection.watch(self.reactor.as_mut(), slot, Some(wanted));
        }
    }

    fn readable(&mut self, index: u32, hangup: bool, batch: &mut Batch) {
        let room = self.room(index);
        let exchange = &mut self.exchanges[index as usize];
        let slot = exchange.connection;
        let connection = &mut self.connections[slot as usize];
        if exchange.paused {
            // A hang-up cannot be masked; a connection that has one is taken out until it is read again.
            let wanted = (!hangup).then_some(Interest { read: false, write: connection.blocked });
            return connection.watch(self.reactor.as_mut(), slot, wanted);
        }
        if exchange.untouched() && !connection.blocked {
            // It spoke, or closed, before it was asked: what it says belongs to no request of ours.
            return self.replay(index);
        }
        if batch.free().len() < room {
            // Only an empty batch comes this far: the slab is too small for such a head.
            return self.fail(index, Reason::HeadTooLarge);
        }
        let region = batch.free();
        let at = exchange.response.prepare(region, &self.prefix);
        let limit = region.len().min(at + MOST_READ);
        let Some(socket) = &connection.socket else { return };
        let received = match &mut connection.tls {
            Some(tls) => tls.recv(socket, &mut self.cipher, &mut region[at..limit]),
            None => socket::recv(socket, &mut region[at..limit])
                .map(|length| length.map(|length| Received { length, closed: length == 0 })),
        };
        match received {
            Ok(None) => {}
            Ok(Some(received)) => self.received(index, at, &received, batch),
            Err(error) => {
                let reason = if error.kind() == io::ErrorKind::InvalidData { Reason::Tls } else { lost_reason(&error) };
                self.lose(index, reason);
            }
        }
    }

    fn received(&mut self, index: u32, at: usize, received: &Received, batch: &mut Batch) {
        let exchange = &mut self.exchanges[index as usize];
        let mut piece = Piece::default();
        if received.length > 0 {
            let expected = Expected {
                head_request: exchange.flags & flag::HEAD != 0,
                upgrade: exchange.flags & flag::UPGRADE != 0,
                prefix: &self.prefix,
            };
            let had_head = exchange.response.head_done();
            match exchange.response.consume(batch.free(), at + received.length, expected, &mut self.lines) {
                Ok(found) => piece = found,
                Err(reason) => return self.fail(index, reason),
            }
            if !had_head && exchange.response.upgraded() {
                exchange.body = Body::Raw;
            }
            if !exchange.whole || exchange.unsent() == 0 {
                exchange.discard_sent(false);
            }
        }
        if received.closed && !piece.end {
            if !exchange.response.end_of_stream() {
                let reason = if exchange.deaf { Reason::Reset } else { Reason::Closed };
                return self.lose(index, reason);
            }
            piece.end = true;
            piece.leftover = true;
        }
        self.push_piece(index, &piece, batch);
        if piece.end {
            self.finish(index, !piece.leftover && !received.closed);
        } else if self.exchanges[index as usize].response.head_done() {
            // Bytes of a head do not count: a head that never ends must end at the response deadline.
            self.renew_deadline(index);
        }
    }

    fn push_piece(&mut self, index: u32, piece: &Piece, batch: &mut Batch) {
        let now = self.look_at_clock();
        let exchange = &mut self.exchanges[index as usize];
        let mut row = Row { tag: exchange.tag, body: piece.body, ..Row::default() };
        let mut bytes = piece.body.0 + piece.body.1;
        if let Some(head) = &piece.head {
            row.kind |= kind::HEAD;
            row.status = i32::from(head.status);
            row.head = (0, head.lines);
            bytes = bytes.max(head.lines);
            row.length = head.content_length.unwrap_or(0);
            for (set, bit) in [
                (head.content_length.is_some(), kind::LENGTH),
                (head.bodiless, kind::BODILESS),
                (head.upgraded, kind::UPGRADED),
                (head.ascii, kind::ASCII_HEAD),
            ] {
                row.kind |= if set { bit } else { 0 };
            }
        }
        if piece.body.1 > 0 {
            row.kind |= kind::DATA | if piece.ascii_body { kind::ASCII_BODY } else { 0 };
        } else {
            row.body = (0, 0);
        }
        if piece.end {
            row.kind |= kind::END;
        }
        if row.kind != 0 {
            if std::mem::take(&mut exchange.drained) {
                row.kind |= kind::DRAIN;
            }
            row.elapsed_us = now.saturating_sub(exchange.started_us);
            batch.push(&row, bytes);
        }
    }

    /// The response is complete. The connection serves again only if both sides are done with it.
    fn finish(&mut self, index: u32, reusable: bool) {
        let exchange = &self.exchanges[index as usize];
        let (slot, id) = (exchange.connection, exchange.endpoint);
        let connection = &mut self.connections[slot as usize];
        // An answer to an unfinished upload: the rest of the body is not wanted, and cannot be left out otherwise.
        let reusable = reusable && exchange.response.keep_alive() && exchange.request_done() && !connection.blocked;
        connection.exchange = NONE;
        connection.served += 1;
        self.release(index);
        if reusable {
            self.give_back(slot);
        } else {
            self.drop_connection(slot);
            self.serve_waiting(id);
        }
        self.free_if_removed(id);
    }
}

/// What a broken standing connection means.
fn lost_reason(error: &io::Error) -> Reason {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Reason::Closed,
        _ => Reason::Reset,
    }
}
