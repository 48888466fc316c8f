//! Sockets that never block, and what their errors mean for a request.

use std::io::{self, Read};

use socket2::{Domain, Protocol, Socket, Type};

use crate::endpoint::Address;
use crate::row::Reason;

/// Begins to connect. Whether it worked is known when the socket becomes writable ([`Socket::take_error`]).
pub(crate) fn connect(address: &Address) -> Result<Socket, Reason> {
    let (domain, protocol) = match address {
        Address::Ip(ip) => (Domain::for_address(*ip), Some(Protocol::TCP)),
        Address::Unix(_) => (Domain::UNIX, None),
    };
    let socket = Socket::new(domain, Type::STREAM.nonblocking().cloexec(), protocol).map_err(|e| connect_reason(&e))?;
    if let Address::Ip(_) = address {
        // Reason: a refused option costs latency, not correctness.
        drop(socket.set_tcp_nodelay(true));
    }
    match socket.connect(&address.to_sockaddr().map_err(|e| connect_reason(&e))?) {
        Ok(()) => Ok(socket),
        Err(e) if e.raw_os_error() == Some(libc::EINPROGRESS) => Ok(socket),
        Err(e) => Err(connect_reason(&e)),
    }
}

/// Bytes taken, or None when the kernel takes none now.
pub(crate) fn send(socket: &Socket, bytes: &[u8]) -> io::Result<Option<usize>> {
    loop {
        match socket.send_with_flags(bytes, libc::MSG_NOSIGNAL) {
            Ok(count) => return Ok(Some(count)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Bytes read (0 at the end of the stream), or None when there are none now.
pub(crate) fn recv(mut socket: &Socket, into: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match socket.read(into) {
            Ok(count) => return Ok(Some(count)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// What a failure before the connection stood means.
pub(crate) fn connect_reason(error: &io::Error) -> Reason {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => Reason::DescriptorLimit,
        Some(libc::ETIMEDOUT) => Reason::ConnectTimeout,
        Some(libc::ECONNRESET) => Reason::Reset,
        // A full backlog of a unix socket says EAGAIN; a socket file that is missing or not ours is nobody listening.
        Some(libc::ECONNREFUSED | libc::EAGAIN | libc::ENOENT | libc::EACCES | libc::EPERM | libc::ENOTSOCK) => {
            Reason::Refused
        }
        _ => Reason::Unreachable,
    }
}
