//! The functions that stand in for `listen`, `accept4`, `recv`, `send`, `writev`, `shutdown` and `close` within the
//! front end's image.
//!
//! Each does its part and calls the real one. On a thread without state (see `thread`) they are plain calls.

use crate::answers::Answer;
use crate::connection::{Connection, Received};
use crate::loop_hooks::settle;
use crate::remote::Remote;
use crate::sending::Sent;
use crate::thread::{self, Receiving, Thread};
use crate::tls::{Session, Socket};
use crate::uv;
use libc::{sockaddr, socklen_t, ssize_t};
use std::ffi::{c_int, c_void};
use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::slice;
use std::time::Instant;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
const SWITCHING: &[u8] = b"HTTP/1.1 101";

fn set_errno(value: c_int) {
    // SAFETY: the location is this thread's own.
    unsafe { *libc::__errno_location() = value };
}

fn errno() -> c_int {
    // SAFETY: as above.
    unsafe { *libc::__errno_location() }
}

/// A connection's descriptor, as TLS sees it.
pub struct Descriptor(pub c_int);

impl Socket for Descriptor {
    fn receive(&mut self, space: &mut [u8]) -> io::Result<usize> {
        // SAFETY: `space` is writable for its length.
        counted(unsafe { libc::recv(self.0, space.as_mut_ptr().cast(), space.len(), 0) })
    }

    fn send(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        // SAFETY: all zeros is a valid `msghdr`. `IoSlice` is an `iovec` by its documentation, and the kernel only reads.
        counted(unsafe {
            let mut message: libc::msghdr = std::mem::zeroed();
            message.msg_iov = parts.as_ptr().cast_mut().cast();
            message.msg_iovlen = parts.len().min(libc::UIO_MAXIOV as usize) as _;
            libc::sendmsg(self.0, &raw const message, libc::MSG_NOSIGNAL)
        })
    }
}

impl Descriptor {
    /// `send` of one buffer.
    pub fn send_one(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // SAFETY: `bytes` is readable for its length.
        counted(unsafe { libc::send(self.0, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) })
    }
}

fn counted(result: ssize_t) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// What the front end is told of a TLS result: as of a system call.
fn told(result: io::Result<usize>) -> ssize_t {
    match result {
        Ok(count) => count as ssize_t,
        Err(error) => {
            let would_block = error.kind() == io::ErrorKind::WouldBlock;
            set_errno(if would_block { libc::EAGAIN } else { error.raw_os_error().unwrap_or(libc::ECONNRESET) });
            -1
        }
    }
}

pub unsafe extern "C" fn listen(descriptor: c_int, backlog: c_int) -> c_int {
    // SAFETY: the front end's own arguments, passed on.
    let result = unsafe { libc::listen(descriptor, backlog) };
    if result == 0
        && let Some(thread) = thread::current()
    {
        thread.listens(descriptor);
    }
    result
}

pub unsafe extern "C" fn accept4(
    listener: c_int,
    address: *mut sockaddr,
    length: *mut socklen_t,
    flags: c_int,
) -> c_int {
    // SAFETY: the front end's own arguments, passed on.
    let descriptor = unsafe { libc::accept4(listener, address, length, flags) };
    if descriptor >= 0
        && let Some(thread) = thread::current()
    {
        // SAFETY: after success the kernel has filled `address`, whose size the front end gave, or it is null.
        let remote = unsafe { remote_of(address) };
        if !thread.opened(listener, descriptor, remote) {
            // SAFETY: our own descriptor, of which nobody has heard.
            unsafe { libc::close(descriptor) };
            set_errno(libc::ECONNABORTED);
            return -1;
        }
    } else if descriptor < 0 {
        rest_at_limit(listener);
    }
    descriptor
}

/// Stops polling a listener that failed for want of a descriptor (or of memory for one). See `resting`.
fn rest_at_limit(listener: c_int) {
    let failure = errno();
    if matches!(failure, libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
        && let Some(thread) = thread::current()
        && let Some(handle) = thread.resting.stall(listener, Instant::now())
    {
        // SAFETY: the front end polls the handle, so it is initialised and not closed; libuv allows this within its
        // callback.
        unsafe { (uv::functions().poll_stop)(handle) };
        set_errno(failure);
    }
}

/// SAFETY: `address` is null or a filled socket address that its family says the type of.
unsafe fn remote_of(address: *const sockaddr) -> Remote {
    if address.is_null() {
        return Remote::NONE;
    }
    // SAFETY: by the caller; read unaligned, since the front end's buffer is of bytes.
    unsafe {
        match c_int::from((&raw const (*address).sa_family).read_unaligned()) {
            libc::AF_INET => {
                let v4 = address.cast::<libc::sockaddr_in>().read_unaligned();
                Remote::v4(Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes()), u16::from_be(v4.sin_port))
            }
            libc::AF_INET6 => {
                let v6 = address.cast::<libc::sockaddr_in6>().read_unaligned();
                Remote::v6(Ipv6Addr::from(v6.sin6_addr.s6_addr), u16::from_be(v6.sin6_port))
            }
            _ => Remote::NONE,
        }
    }
}

pub unsafe extern "C" fn close(descriptor: c_int) -> c_int {
    if let Some(thread) = thread::current() {
        end_session(thread, descriptor);
        thread.closed(descriptor);
    }
    // SAFETY: the front end's own argument, passed on.
    unsafe { libc::close(descriptor) }
}

pub unsafe extern "C" fn shutdown(descriptor: c_int, how: c_int) -> c_int {
    if how != libc::SHUT_RD
        && let Some(thread) = thread::current()
    {
        end_session(thread, descriptor);
    }
    // SAFETY: the front end's own arguments, passed on.
    unsafe { libc::shutdown(descriptor, how) }
}

fn end_session(thread: &mut Thread, descriptor: c_int) {
    if let Some(session) = thread.connection(descriptor).and_then(|connection| connection.session.as_mut()) {
        session.end(&mut Descriptor(descriptor));
    }
}

pub unsafe extern "C" fn recv(descriptor: c_int, buffer: *mut c_void, length: usize, flags: c_int) -> ssize_t {
    // SAFETY: the front end's own arguments, passed on.
    let plain = || unsafe { libc::recv(descriptor, buffer, length, flags) };
    let Some(thread) = thread::current() else {
        return plain();
    };
    thread.touched = descriptor;
    thread.head_of = -1;
    if flags != 0 || length == 0 || buffer.is_null() {
        return plain();
    }
    let Some(Receiving { connection, limits, head, scratch }) = thread.receiving(descriptor) else {
        return plain();
    };
    if connection.is_paused() {
        set_errno(libc::EAGAIN);
        return -1;
    }
    // SAFETY: the front end gives a receive buffer of `length` bytes that nothing else refers to during the call. It was
    // written by earlier reads or is fresh memory of the allocator; only bytes that `read` wrote are looked at.
    let out = unsafe { slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
    let mut session = connection.session.take();
    let (received, has_head) = connection.receive(out, limits, head, |space| match &mut session {
        Some(session) => told(session.receive(&mut Descriptor(descriptor), scratch, space)),
        // SAFETY: `space` is writable for its length.
        None => unsafe { libc::recv(descriptor, space.as_mut_ptr().cast(), space.len(), 0) },
    });
    let failure = errno();
    if session.as_ref().is_some_and(|session| session.is_foreign()) {
        connection.refuse();
        refuse(thread, descriptor, Answer::BadRequest);
        set_errno(libc::EAGAIN);
        return -1;
    }
    connection.session = session;
    let unsettled = connection.masked != connection.wants_mask() || connection.flushing != connection.is_stuck();
    if has_head {
        thread.head_of = descriptor;
    }
    if unsettled {
        settle(thread, descriptor);
    }
    let fail = |value| {
        set_errno(value);
        -1
    };
    match received {
        Received::Bytes(count) => count as ssize_t,
        Received::Nothing => fail(libc::EAGAIN),
        Received::End => 0,
        Received::Failed => fail(failure),
        Received::Close => fail(libc::ECONNRESET),
        Received::Refused { why, answerable, close } => {
            if answerable {
                refuse(thread, descriptor, why.into());
            }
            fail(if close || !answerable { libc::ECONNRESET } else { libc::EAGAIN })
        }
    }
}

/// Answers a client that the front end will not hear of, and ends our side.
pub fn refuse(thread: &mut Thread, descriptor: c_int, answer: Answer) {
    let bytes = thread.answer(answer);
    // A client that cannot take 400 bytes now will not get them.
    transmit(thread, descriptor, &bytes, libc::MSG_NOSIGNAL);
    end_session(thread, descriptor);
    // SAFETY: the descriptor is the front end's open connection.
    unsafe { libc::shutdown(descriptor, libc::SHUT_WR) };
}

/// Sends the front end's bytes (or ours in their place) by way of the connection's [`Sending`], through TLS where it has
/// that; the result is for the front end.
pub fn transmit(thread: &mut Thread, descriptor: c_int, bytes: &[u8], flags: c_int) -> ssize_t {
    let Some(connection) = thread.connection(descriptor) else {
        return -1;
    };
    let Connection { sending, session, sent, .. } = connection;
    let outcome = sending.send(bytes, flags & libc::MSG_MORE != 0, |first, second, more| {
        let flags = if more { flags | libc::MSG_MORE } else { flags & !libc::MSG_MORE };
        let count = give(session.as_deref_mut(), descriptor, first, second, flags);
        *sent += u64::try_from(count).unwrap_or(0);
        count
    });
    match outcome {
        Sent::Bytes(count) => count as ssize_t,
        Sent::Nothing => {
            set_errno(libc::EAGAIN);
            -1
        }
        Sent::Failed => -1,
        Sent::Broken => {
            // The front end waits until it can write, and then learns that the connection is gone.
            // SAFETY: the descriptor is the front end's open connection.
            unsafe { libc::shutdown(descriptor, libc::SHUT_RDWR) };
            set_errno(libc::ECONNRESET);
            -1
        }
    }
}

/// `send` of two parts as one.
fn give(session: Option<&mut Session>, descriptor: c_int, first: &[u8], second: &[u8], flags: c_int) -> ssize_t {
    if let Some(session) = session {
        return told(session.send_parts(&mut Descriptor(descriptor), &[first, second]));
    }
    if second.is_empty() {
        // SAFETY: the bytes outlive the call.
        return unsafe { libc::send(descriptor, first.as_ptr().cast(), first.len(), flags) };
    }
    let mut parts = [first, second]
        .map(|part| libc::iovec { iov_base: part.as_ptr().cast_mut().cast::<c_void>(), iov_len: part.len() });
    // SAFETY: zero is a valid value of this plain struct; it is filled in below.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = parts.as_mut_ptr();
    message.msg_iovlen = parts.len() as _;
    // SAFETY: message, parts and bytes outlive the call, which only reads them.
    unsafe { libc::sendmsg(descriptor, &raw const message, flags) }
}

pub unsafe extern "C" fn send(descriptor: c_int, buffer: *const c_void, length: usize, flags: c_int) -> ssize_t {
    // SAFETY: the front end's own arguments, passed on.
    let plain = || unsafe { libc::send(descriptor, buffer, length, flags) };
    let Some(thread) = thread::current() else {
        return plain();
    };
    let Some(connection) = thread.connection(descriptor) else {
        return plain();
    };
    if length == 0 || buffer.is_null() {
        return plain();
    }
    // SAFETY: the front end gives `length` readable bytes for the time of the call.
    let bytes = unsafe { slice::from_raw_parts(buffer.cast::<u8>(), length) };
    if connection.started || connection.is_raw() {
        return transmit(thread, descriptor, bytes, flags);
    }
    if let Some(rest) = bytes.strip_prefix(CONTINUE) {
        if rest.is_empty() {
            return transmit(thread, descriptor, bytes, flags);
        }
        // Expect: 100-continue was answered with a final status: the client must not be told to go on.
        let sent = transmit(thread, descriptor, rest, flags);
        if sent < 0 {
            return sent;
        }
        if let Some(connection) = thread.connection(descriptor) {
            connection.started = true;
        }
        return sent + CONTINUE.len() as ssize_t;
    }
    connection.started = true;
    if bytes.starts_with(SWITCHING) {
        connection.become_raw();
        let sent = transmit(thread, descriptor, without_last(bytes), flags | libc::MSG_MORE);
        settle(thread, descriptor);
        return sent;
    }
    let Some(answer) = Answer::of_front_end(bytes) else {
        return transmit(thread, descriptor, bytes, flags);
    };
    let ours = thread.answer(answer);
    // All or nothing for the front end, which closes the connection next: a rest of ours could not be sent later.
    let sent = transmit(thread, descriptor, &ours, flags);
    if sent < 0 { sent } else { length as ssize_t }
}

/// A WebSocket's beginning as the front end is told that it has left: it still has a byte to send when its handler
/// returns, and sends it, with what is held of the others, before anything else.
///
/// Mends a fault: after a handler that has upgraded a connection, `HttpResponse::cork` looks whether the response asked
/// for the connection's end, and only then whether bytes wait. Where the socket's memory was made smaller in place it
/// takes the WebSocket's for the response's, and what it reads there is chance: now and then it closes a WebSocket that
/// has just begun (mended in its core in July 2026, uNetworking/uWebSockets#1929).
fn without_last(bytes: &[u8]) -> &[u8] {
    bytes.split_last().map_or(bytes, |(_, rest)| rest)
}

pub unsafe extern "C" fn writev(descriptor: c_int, parts: *const libc::iovec, count: c_int) -> ssize_t {
    // SAFETY: the front end's own arguments, passed on.
    let plain = || unsafe { libc::writev(descriptor, parts, count) };
    let Some(thread) = thread::current() else {
        return plain();
    };
    let Some(connection) = thread.connection(descriptor) else {
        return plain();
    };
    connection.started = true;
    let Connection { sending, session, sent, .. } = connection;
    let free =
        sending.flush(|first, second, _| give(session.as_deref_mut(), descriptor, first, second, libc::MSG_NOSIGNAL));
    if !free {
        set_errno(libc::EAGAIN);
        return -1;
    }
    if session.is_none() {
        let count = plain();
        *sent += u64::try_from(count).unwrap_or(0);
        return count;
    }
    let mut total = 0;
    // SAFETY: the front end gives `count` parts for the time of the call.
    for part in unsafe { slice::from_raw_parts(parts, usize::try_from(count).unwrap_or(0)) } {
        if part.iov_len == 0 {
            continue;
        }
        // SAFETY: as above; the part is not empty.
        let bytes = unsafe { slice::from_raw_parts(part.iov_base.cast::<u8>(), part.iov_len) };
        let sent = transmit(thread, descriptor, bytes, 0);
        if sent < 0 {
            return if total == 0 { sent } else { total };
        }
        total += sent;
        if sent < bytes.len() as ssize_t {
            break;
        }
    }
    total
}
