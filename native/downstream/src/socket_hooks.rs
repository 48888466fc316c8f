//! The functions that stand in for `accept4`, `close`, `recv`, `send` and `writev` within the front end's image.
//!
//! Each does its part and calls the real one. On a thread without state (see `thread`) they are plain calls.

use crate::answers::Answer;
use crate::connection::{Connection, Received};
use crate::loop_hooks::settle;
use crate::remote::Remote;
use crate::sending::Sent;
use crate::thread::{self, Thread};
use libc::{sockaddr, socklen_t, ssize_t};
use std::ffi::{c_int, c_void};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::slice;

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
        thread.opened(descriptor, unsafe { remote_of(address) });
    }
    descriptor
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
        thread.closed(descriptor);
    }
    // SAFETY: the front end's own argument, passed on.
    unsafe { libc::close(descriptor) }
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
    let Some((connection, limits, head)) = thread.receiving(descriptor) else {
        return plain();
    };
    if connection.is_paused() {
        set_errno(libc::EAGAIN);
        return -1;
    }
    // SAFETY: the front end gives a receive buffer of `length` bytes that nothing else refers to during the call. It was
    // written by earlier reads or is fresh memory of the allocator; only bytes that `read` wrote are looked at.
    let out = unsafe { slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
    let (received, has_head) = connection.receive(out, limits, head, |space| {
        // SAFETY: `space` is writable for its length.
        unsafe { libc::recv(descriptor, space.as_mut_ptr().cast(), space.len(), 0) }
    });
    let failure = errno();
    let masks = connection.masked != connection.wants_mask();
    if has_head {
        thread.head_of = descriptor;
    }
    if masks {
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
fn refuse(thread: &mut Thread, descriptor: c_int, answer: Answer) {
    let bytes = thread.answer(answer);
    // SAFETY: the descriptor is the front end's open connection; the bytes outlive the call. A client that cannot take
    // 400 bytes now will not get them.
    unsafe {
        libc::send(descriptor, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL);
        libc::shutdown(descriptor, libc::SHUT_WR);
    }
}

pub unsafe extern "C" fn send(descriptor: c_int, buffer: *const c_void, length: usize, flags: c_int) -> ssize_t {
    let Some(thread) = thread::current() else {
        // SAFETY: the front end's own arguments, passed on.
        return unsafe { libc::send(descriptor, buffer, length, flags) };
    };
    let Some(connection) = thread.connection(descriptor) else {
        // SAFETY: as above.
        return unsafe { libc::send(descriptor, buffer, length, flags) };
    };
    // SAFETY: the front end gives `length` readable bytes for the time of the call.
    let bytes = unsafe { slice::from_raw_parts(buffer.cast::<u8>(), length) };
    if connection.started || connection.is_raw() {
        return give(connection, descriptor, bytes, flags);
    }
    if let Some(rest) = bytes.strip_prefix(CONTINUE) {
        if rest.is_empty() {
            return give(connection, descriptor, bytes, flags);
        }
        // Expect: 100-continue was answered with a final status: the client must not be told to go on.
        connection.started = true;
        let sent = give(connection, descriptor, rest, flags);
        return if sent < 0 { sent } else { sent + CONTINUE.len() as ssize_t };
    }
    connection.started = true;
    if bytes.starts_with(SWITCHING) {
        connection.become_raw();
        let sent = give(connection, descriptor, bytes, flags);
        settle(thread, descriptor);
        return sent;
    }
    let Some(answer) = Answer::of_front_end(bytes) else {
        return give(connection, descriptor, bytes, flags);
    };
    let ours = thread.answer(answer);
    // SAFETY: the bytes outlive the call.
    let sent = unsafe { libc::send(descriptor, ours.as_ptr().cast(), ours.len(), flags) };
    // All or nothing for the front end, which closes the connection next: a rest of ours could not be sent later.
    if sent < 0 { sent } else { length as ssize_t }
}

/// Sends the front end's bytes by way of the connection's [`Sending`]; the result is for the front end.
fn give(connection: &mut Connection, descriptor: c_int, bytes: &[u8], flags: c_int) -> ssize_t {
    let sent = connection.sending.send(bytes, flags & libc::MSG_MORE != 0, |first, second, more| {
        let flags = if more { flags | libc::MSG_MORE } else { flags & !libc::MSG_MORE };
        send_both(descriptor, first, second, flags)
    });
    match sent {
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
fn send_both(descriptor: c_int, first: &[u8], second: &[u8], flags: c_int) -> ssize_t {
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

pub unsafe extern "C" fn writev(descriptor: c_int, parts: *const libc::iovec, count: c_int) -> ssize_t {
    if let Some(connection) = thread::current().and_then(|thread| thread.connection(descriptor)) {
        connection.started = true;
        let free = connection.sending.flush(|first, _, _| send_both(descriptor, first, &[], libc::MSG_NOSIGNAL));
        if !free {
            set_errno(libc::EAGAIN);
            return -1;
        }
    }
    // SAFETY: the front end's own arguments, passed on.
    unsafe { libc::writev(descriptor, parts, count) }
}
