//! One socket to an endpoint, and what the reactor was told about it.

use socket2::Socket;

use crate::exchange::NONE;
use crate::reactor::{Interest, Reactor};
use crate::tls::Tls;
use std::os::fd::AsRawFd;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Connecting,
    Handshaking,
    Ready,
}

pub(crate) struct Connection {
    /// Counts the sockets that had this slot: events and timers of earlier ones are told apart by it.
    pub generation: u32,
    pub socket: Option<Socket>,
    pub link: Link,
    pub tls: Option<Box<Tls>>,
    pub endpoint: u32,
    /// NONE while idle.
    pub exchange: u32,
    /// Responses it has brought.
    pub served: u32,
    /// The kernel takes no more for now.
    pub blocked: bool,
    /// What the reactor watches for; None when it does not watch.
    pub interest: Option<Interest>,
    pub deadline_us: u64,
    pub timer_at: u64,
}

impl Connection {
    pub(crate) fn new() -> Self {
        Self {
            generation: 0,
            socket: None,
            link: Link::Connecting,
            tls: None,
            endpoint: 0,
            exchange: NONE,
            served: 0,
            blocked: false,
            interest: None,
            deadline_us: u64::MAX,
            timer_at: 0,
        }
    }

    /// Tells the reactor what to watch for, if it does not know. One system call at most, and none on the usual way of
    /// a request over an idle connection.
    pub(crate) fn watch(&mut self, reactor: &mut dyn Reactor, index: u32, wanted: Option<Interest>) {
        if self.interest == wanted {
            return;
        }
        let Some(socket) = &self.socket else { return };
        let (fd, key) = (socket.as_raw_fd(), self.key(index));
        let done = match (self.interest, wanted) {
            (None, Some(interest)) => reactor.add(fd, key, interest),
            (Some(_), Some(interest)) => reactor.modify(fd, key, interest),
            (_, None) => reactor.remove(fd),
        };
        // An epoll_ctl on an open socket fails only without memory; the deadlines then end the request.
        if done.is_ok() {
            self.interest = wanted;
        }
    }

    /// What names this socket in events.
    pub(crate) fn key(&self, index: u32) -> u64 {
        u64::from(self.generation) << 32 | u64::from(index)
    }
}
