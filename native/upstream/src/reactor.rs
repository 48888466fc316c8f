//! How the client learns that a socket is ready. Readiness is level-triggered: what is not read now is told again.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// What to be told of. Errors and hang-ups are told always, except after [`Reactor::remove`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Bytes or an end of stream can be read.
    pub read: bool,
    /// Bytes can be written, or the connection attempt is over.
    pub write: bool,
}

/// One socket's readiness.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// What [`Reactor::add`] was given.
    pub key: u64,
    /// Reading makes progress.
    pub readable: bool,
    /// Writing makes progress.
    pub writable: bool,
    /// The connection is broken or closed in both directions.
    pub hangup: bool,
}

/// The kernel's readiness interface. A closed descriptor needs no [`Reactor::remove`].
pub trait Reactor: Send {
    /// A descriptor that is readable whenever [`Reactor::wait`] has something to tell.
    fn fd(&self) -> RawFd;
    /// Begins to watch.
    fn add(&mut self, fd: RawFd, key: u64, interest: Interest) -> io::Result<()>;
    /// Changes what is watched for.
    fn modify(&mut self, fd: RawFd, key: u64, interest: Interest) -> io::Result<()>;
    /// Watches no more, not even for errors.
    fn remove(&mut self, fd: RawFd) -> io::Result<()>;
    /// Appends what is ready now, without waiting. Returns true when more may be ready than was asked for.
    fn wait(&mut self, events: &mut Vec<Event>) -> io::Result<bool>;
}

const EVENTS: usize = 256;

/// epoll(7), level-triggered.
pub struct Epoll {
    epoll: OwnedFd,
    ready: Vec<libc::epoll_event>,
}

impl Epoll {
    /// Fails when no descriptor is left.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointer is passed; the result is checked before it is used.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` was just made by the kernel for this call and has no other owner.
        let epoll = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { epoll, ready: vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS] })
    }

    fn control(&self, operation: i32, fd: RawFd, key: u64, interest: Interest) -> io::Result<()> {
        let mut events = 0;
        if interest.read {
            events |= libc::EPOLLIN as u32;
        }
        if interest.write {
            events |= libc::EPOLLOUT as u32;
        }
        let mut event = libc::epoll_event { events, u64: key };
        // SAFETY: `event` lives on this stack for the whole call; the kernel copies it and keeps no pointer.
        let result = unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, fd, &raw mut event) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl Reactor for Epoll {
    fn fd(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }

    fn add(&mut self, fd: RawFd, key: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, key, interest)
    }

    fn modify(&mut self, fd: RawFd, key: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, key, interest)
    }

    fn remove(&mut self, fd: RawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, Interest { read: false, write: false })
    }

    fn wait(&mut self, events: &mut Vec<Event>) -> io::Result<bool> {
        // SAFETY: `ready` holds EVENTS initialised entries, is owned by self, and the kernel writes at most EVENTS.
        let count = unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), self.ready.as_mut_ptr(), EVENTS as i32, 0) };
        if count < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(true) } else { Err(error) };
        }
        let count = count as usize;
        events.extend(self.ready[..count].iter().map(|ready| {
            let bits = ready.events as i32;
            Event {
                key: ready.u64,
                readable: bits & libc::EPOLLIN != 0,
                writable: bits & libc::EPOLLOUT != 0,
                hangup: bits & (libc::EPOLLHUP | libc::EPOLLERR) != 0,
            }
        }));
        Ok(count == EVENTS)
    }
}
