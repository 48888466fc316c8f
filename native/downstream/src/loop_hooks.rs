//! The functions that stand in for libuv's poll and prepare functions within the front end's image.
//!
//! From them we know which handle polls a connection, and through their callbacks the front end is called again for
//! bytes that the kernel no longer has: from where libuv calls it, never from within itself.

use crate::answers::Answer;
use crate::connection::{Connection, PRIORITIZED, READABLE, WRITABLE};
use crate::direct;
use crate::patience::Wait;
use crate::socket_hooks::{Descriptor, refuse, transmit};
use crate::thread::{self, Binding, Thread};
use crate::uv::{self, PollCallback, PrepareCallback};
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Instant;

/// Messages given to one connection in a row before others get their turn.
const MESSAGES_IN_A_ROW: u32 = 16;
/// The front end's own callbacks: one function each in its image, so they are the same on all threads.
static POLL: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
static PREPARE: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

pub unsafe extern "C" fn uv_poll_init_socket(uv_loop: *mut c_void, handle: *mut c_void, descriptor: c_int) -> c_int {
    if let Some(connection) = thread::current().and_then(|thread| thread.connection(descriptor)) {
        connection.handle = handle;
    }
    // SAFETY: the front end's own arguments, passed on.
    unsafe { (uv::functions().poll_init_socket)(uv_loop, handle, descriptor) }
}

pub unsafe extern "C" fn uv_poll_start(handle: *mut c_void, events: c_int, callback: PollCallback) -> c_int {
    let uv = uv::functions();
    // SAFETY: the front end's own handle, initialised and not closed.
    let descriptor = unsafe { uv::descriptor_of(uv, handle) };
    let Some(thread) = thread::current() else {
        // SAFETY: the front end's own arguments, passed on.
        return unsafe { (uv.poll_start)(handle, events, callback) };
    };
    if let Some(listener) = thread.listeners.iter_mut().find(|one| one.descriptor == descriptor && one.held) {
        listener.start = Some((handle, events, callback));
        return 0;
    }
    let known = POLL.load(Ordering::Relaxed);
    if known.is_null() {
        POLL.store(callback as *mut c_void, Ordering::Relaxed);
    }
    match thread.connection(descriptor) {
        Some(connection) if connection.handle == handle && (known.is_null() || known == callback as *mut c_void) => {
            connection.wanted = events;
            let effective = effective_events(connection);
            settle(thread, descriptor);
            // SAFETY: as above, with our callback in the place of its own.
            unsafe { (uv.poll_start)(handle, effective, polled) }
        }
        connection => {
            if connection.is_none() {
                thread.resting.polled(handle, descriptor, events, callback);
            }
            // SAFETY: a listener, or a handle of another kind: the front end's own arguments, passed on.
            unsafe { (uv.poll_start)(handle, events, callback) }
        }
    }
}

/// What libuv is to watch for, as of now. With input masked we still want to hear of errors, and libuv forgets a handle
/// without events.
fn effective_events(connection: &mut Connection) -> c_int {
    connection.masked = connection.wants_mask();
    connection.flushing = connection.is_stuck();
    connection.writing = !connection.outbox.is_empty();
    let ours = if connection.flushing || connection.writing { WRITABLE } else { 0 };
    let events = connection.wanted | ours;
    if connection.masked { events & !READABLE | PRIORITIZED } else { events }
}

pub unsafe extern "C" fn uv_poll_stop(handle: *mut c_void) -> c_int {
    let uv = uv::functions();
    if let Some(thread) = thread::current() {
        // SAFETY: the front end's own handle, initialised and not closed.
        let descriptor = unsafe { uv::descriptor_of(uv, handle) };
        if let Some(connection) = thread.connection(descriptor).filter(|connection| connection.handle == handle) {
            connection.wanted = 0;
        }
        thread.resting.forget(handle);
    }
    // SAFETY: the front end's own argument, passed on.
    unsafe { (uv.poll_stop)(handle) }
}

pub unsafe extern "C" fn uv_close(handle: *mut c_void, callback: *mut c_void) {
    let uv = uv::functions();
    if let Some(thread) = thread::current() {
        // SAFETY: the front end's own handle. One without a descriptor (a timer) gives -1.
        let descriptor = unsafe { uv::descriptor_of(uv, handle) };
        if let Some(connection) = thread.connection(descriptor).filter(|connection| connection.handle == handle) {
            connection.handle = null_mut();
            connection.wanted = 0;
        }
        thread.resting.forget(handle);
        for listener in &mut thread.listeners {
            listener.start.take_if(|(polled, ..)| *polled == handle);
        }
    }
    // SAFETY: the front end's own arguments, passed on.
    unsafe { (uv.close)(handle, callback) };
}

/// Listeners that were held accept from now on.
pub fn accept(thread: &mut Thread) {
    for listener in &mut thread.listeners {
        listener.held = false;
        if let Some((handle, events, callback)) = listener.start.take() {
            thread.resting.polled(handle, listener.descriptor, events, callback);
            // SAFETY: what the front end had asked for; `uv_close` of the handle would have taken it away.
            unsafe { (uv::functions().poll_start)(handle, events, callback) };
        }
    }
}

pub unsafe extern "C" fn uv_prepare_start(handle: *mut c_void, callback: PrepareCallback) -> c_int {
    let uv = uv::functions();
    let known = PREPARE.load(Ordering::Relaxed);
    if thread::current().is_none() || !(known.is_null() || known == callback as *mut c_void) {
        // SAFETY: the front end's own arguments, passed on.
        return unsafe { (uv.prepare_start)(handle, callback) };
    }
    PREPARE.store(callback as *mut c_void, Ordering::Relaxed);
    // SAFETY: as above, with our callback in the place of its own.
    unsafe { (uv.prepare_start)(handle, prepared) }
}

/// Brings libuv's view of a connection in line with ours: masked or not, and due when it could go on.
pub fn settle(thread: &mut Thread, descriptor: c_int) {
    let Some(connection) = thread.connection(descriptor) else {
        return;
    };
    if connection.handle.is_null() {
        return;
    }
    let is_as_watched = connection.wants_mask() == connection.masked
        && connection.is_stuck() == connection.flushing
        && connection.outbox.is_empty() != connection.writing;
    if !is_as_watched && connection.wanted != 0 {
        let events = effective_events(connection);
        // SAFETY: the handle is polled (`wanted`), so it is neither closed nor stopped.
        unsafe { (uv::functions().poll_start)(connection.handle, events, polled) };
    }
    if connection.ready() && !connection.due {
        connection.due = true;
        let serial = connection.serial;
        thread.due.push(Binding { descriptor, serial });
    }
}

/// Stands in for the front end's poll callback of an accepted connection.
unsafe extern "C" fn polled(handle: *mut c_void, status: c_int, events: c_int) {
    let mut events = events;
    if let Some(thread) = thread::current() {
        // SAFETY: libuv's handle, live during its callback.
        let descriptor = unsafe { uv::descriptor_of(uv::functions(), handle) };
        if events & PRIORITIZED != 0 {
            // Input is masked, and yet something is reported: both sides are closed (or it is urgent data, which HTTP
            // does not know).
            events = events & !PRIORITIZED | READABLE;
            if let Some(connection) = thread.connection(descriptor) {
                connection.hang_up();
            }
        }
        if status == 0 {
            if events & WRITABLE != 0 {
                events = flush(thread, descriptor, events);
            }
            if events == 0 || (events == READABLE && direct::read(thread, descriptor)) {
                return;
            }
        }
    }
    // SAFETY: libuv's handle, live during its callback.
    unsafe { dispatch(handle, status, events) };
}

/// What waits for room on our side goes on. Returns the events that are left for the front end.
fn flush(thread: &mut Thread, descriptor: c_int, events: c_int) -> c_int {
    let Some(connection) = thread.connection(descriptor).filter(|connection| connection.flushing || connection.writing)
    else {
        return events;
    };
    let left = events & (connection.wanted | !WRITABLE);
    if let Some(session) = connection.session.as_deref_mut().filter(|_| connection.flushing) {
        // A connection that is broken is reported by the next read.
        drop(session.flush(&mut Descriptor(descriptor)));
    }
    if connection.writing {
        direct::write_outbox(thread, descriptor);
    }
    settle(thread, descriptor);
    left
}

/// Calls the front end, again while it can have another message, and ends what `current` and `begin` refer to.
///
/// SAFETY: `handle` is a polled handle of this thread's front end.
unsafe fn dispatch(handle: *mut c_void, status: c_int, events: c_int) {
    let callback = POLL.load(Ordering::Relaxed);
    if callback.is_null() {
        return;
    }
    // SAFETY: stored by `uv_poll_start` from an argument of this type.
    let callback = unsafe { std::mem::transmute::<*mut c_void, PollCallback>(callback) };
    if let Some(thread) = thread::current() {
        thread.touched = -1;
    }
    // SAFETY: what libuv would have done.
    unsafe { callback(handle, status, events) };
    for turn in 0..=MESSAGES_IN_A_ROW {
        let Some(thread) = thread::current() else {
            return;
        };
        let descriptor = thread.touched;
        let again =
            thread.connection(descriptor).is_some_and(|connection| connection.handle == handle && connection.ready());
        thread.touched = -1;
        if !again {
            break;
        }
        if turn == MESSAGES_IN_A_ROW {
            settle(thread, descriptor);
            break;
        }
        if direct::take_stashed(thread, descriptor) {
            break;
        }
        // SAFETY: the connection is open, and its handle is this one and polled for input: the front end sees one more
        // readable event, from where libuv gives them.
        unsafe { callback(handle, 0, READABLE) };
    }
    if let Some(thread) = thread::current() {
        thread.touched = -1;
        thread.head_of = -1;
    }
}

/// Listeners that rested are polled again: see `resting`. The loop turns often enough for that, since the front end
/// and the worker have timers of their own.
fn poll_rested() {
    let Some(thread) = thread::current().filter(|thread| thread.resting.any_resting()) else {
        return;
    };
    for listener in thread.resting.rested(Instant::now()) {
        // SAFETY: the front end has asked for this poll, and neither stopped nor closed the handle since: `forget`.
        unsafe { (uv::functions().poll_start)(listener.handle, listener.events, listener.callback) };
    }
}

/// Stands in for the front end's prepare callback, which runs before the loop waits: whoever is due gets its turn here.
unsafe extern "C" fn prepared(handle: *mut c_void) {
    let callback = PREPARE.load(Ordering::Relaxed);
    if !callback.is_null() {
        // SAFETY: stored by `uv_prepare_start` from an argument of this type.
        let callback = unsafe { std::mem::transmute::<*mut c_void, PrepareCallback>(callback) };
        // SAFETY: what libuv would have done.
        unsafe { callback(handle) };
    }
    poll_rested();
    run_due();
}

/// Gives everybody who is due a turn, and tells the addon of the requests that went past the front end, until nothing is
/// left. To be the last before the loop waits, which may be for long. It ends: a turn only uses up what is stashed.
pub fn run_due() {
    loop {
        while let Some(binding) = thread::current().and_then(|thread| thread.due.pop()) {
            let Some(thread) = thread::current() else { return };
            let Some(connection) = thread.bound(binding) else { continue };
            if connection.expired {
                connection.expired = false;
                expire(binding.descriptor);
                continue;
            }
            connection.due = false;
            if connection.ready() {
                let handle = connection.handle;
                if !direct::take_stashed(thread, binding.descriptor) {
                    // SAFETY: `ready` says that the handle is polled.
                    unsafe { dispatch(handle, 0, READABLE) };
                }
            }
        }
        let Some(taker) = thread::current().and_then(Thread::take_untold) else { return };
        (taker.deliver)();
    }
}

/// Ends a connection whose client has let it wait for too long. Called from where libuv calls the front end.
fn expire(descriptor: c_int) {
    let Some(thread) = thread::current() else {
        return;
    };
    let Some(connection) = thread.connection(descriptor).filter(|connection| !connection.handle.is_null()) else {
        return;
    };
    if connection.has_partial_head() {
        // The front end knows nothing of the request: there is time to let the answer be read.
        connection.refuse();
        return refuse(thread, descriptor, Answer::Timeout);
    }
    let handle = connection.handle;
    if connection.wait() == Wait::Body && !connection.started {
        connection.started = true;
        let answer = thread.answer(Answer::Timeout);
        transmit(thread, descriptor, &answer, libc::MSG_NOSIGNAL);
    }
    let callback = POLL.load(Ordering::Relaxed);
    if callback.is_null() {
        return;
    }
    // SAFETY: stored by `uv_poll_start` from an argument of this type.
    let callback = unsafe { std::mem::transmute::<*mut c_void, PollCallback>(callback) };
    thread.touched = -1;
    // SAFETY: the handle is the connection's and not closed; to the front end it is as if the client had reset it.
    unsafe { callback(handle, -libc::ECONNRESET, 0) };
}
