//! What the addon calls: installing the hooks, and asking about and steering the current request.

use crate::answers::Answer;
use crate::framing::HeadLimits;
use crate::image::{self, Image};
use crate::sending::BodyFraming;
use crate::thread::{self, Binding, NextListener, Receiving};
use crate::tls::{TlsOptions, server_config};
use crate::{Current, direct, loop_hooks, socket_hooks, uv};
use polygate_certificates::ClientCertificate;
use std::ffi::{CStr, CString, c_int, c_void};
use std::rc::Rc;
use std::sync::Mutex;
use std::time::Duration;

/// Head bytes where the limit is "none": something must bound what is kept of an endless head.
const MAX_HEAD_BYTES: usize = 1024 * 1024;

/// The image that was changed, with its path. One per process.
static WATCHED: Mutex<Option<CString>> = Mutex::new(None);

/// Installs the hooks in the front end's file at `path` and starts this thread's state.
///
/// To be called before Node loads the file, on each thread that will: the front end creates its loop while it loads, and
/// what it tells libuv then must pass the hooks. Called again on a thread it only changes the limits. False: nothing was
/// changed, since the file does not load, its table is not as expected, or another file is watched already.
pub fn watch(path: &str, limits: HeadLimits) -> bool {
    let Ok(path) = CString::new(path) else {
        return false;
    };
    let Ok(mut watched) = WATCHED.lock() else {
        return false;
    };
    match watched.as_ref() {
        Some(known) if *known != path => return false,
        Some(_) => {}
        None => {
            if !install(&path) {
                return false;
            }
            *watched = Some(path);
        }
    }
    thread::start(bounded(limits));
    true
}

/// Changes the limits for heads that are not complete yet. Without a watched front end it does nothing.
pub fn set_limits(limits: HeadLimits) {
    if let Some(thread) = thread::current() {
        thread.limits = bounded(limits);
    }
}

fn bounded(limits: HeadLimits) -> HeadLimits {
    let bytes = if limits.bytes == 0 { MAX_HEAD_BYTES } else { limits.bytes.min(MAX_HEAD_BYTES) };
    HeadLimits { bytes, ..limits }
}

/// Every function must be found among the image's imports before the first slot is written.
fn install(path: &CStr) -> bool {
    let functions: [(&CStr, *const c_void); 12] = [
        (c"recv", socket_hooks::recv as *const c_void),
        (c"send", socket_hooks::send as *const c_void),
        (c"writev", socket_hooks::writev as *const c_void),
        (c"listen", socket_hooks::listen as *const c_void),
        (c"shutdown", socket_hooks::shutdown as *const c_void),
        (c"accept4", socket_hooks::accept4 as *const c_void),
        (c"close", socket_hooks::close as *const c_void),
        (c"uv_poll_init_socket", loop_hooks::uv_poll_init_socket as *const c_void),
        (c"uv_poll_start", loop_hooks::uv_poll_start as *const c_void),
        (c"uv_poll_stop", loop_hooks::uv_poll_stop as *const c_void),
        (c"uv_close", loop_hooks::uv_close as *const c_void),
        (c"uv_prepare_start", loop_hooks::uv_prepare_start as *const c_void),
    ];
    if !uv::find() {
        return false;
    }
    let Some(front_end) = Image::open(path) else {
        return false;
    };
    let slots = functions.map(|(name, _)| front_end.slots(name));
    if slots.iter().any(Vec::is_empty) || !image::pin(install as *const c_void) {
        return false;
    }
    let mut replaced = true;
    for (slots, (_, function)) in slots.iter().zip(functions) {
        replaced &= slots.iter().all(|slot| image::replace(*slot, function));
    }
    // Without thread state the hooks are plain calls: a half-changed image (mprotect refused) still works.
    replaced
}

/// Frees this thread's state. The addon calls it when Node's environment on this thread ends.
pub fn stop() {
    thread::stop();
}

/// Gives `use_it` the request whose handler is running. None outside a handler, and on connections that were not
/// accepted on this thread since `watch`. `use_it` must not call back into JavaScript or the front end.
pub fn with_current<R>(use_it: impl FnOnce(Current<'_>) -> R) -> Option<R> {
    let thread = thread::current()?;
    let descriptor = thread.touched;
    let has_head = thread.head_of == descriptor;
    let Receiving { connection, head, .. } = thread.receiving(descriptor)?;
    Some(use_it(Current {
        connection: connection.serial,
        earlier_requests: connection.requests,
        head: has_head.then_some(head),
        address: connection.remote.text(),
        port: connection.remote.port,
    }))
}

/// Binds the current request to `slot` and holds back what follows it on its connection until [`end`] of that slot.
/// Returns how many requests the connection has had, this one included; None where there is no current request.
///
/// Each slot holds one request at a time: an earlier binding of the same slot is forgotten.
pub fn begin(slot: u32) -> Option<u32> {
    thread::current()?.begin(slot).map(|connection| connection.requests)
}

/// The response of `slot` is complete, or its connection is gone: what was held back may follow. Never calls the front
/// end; that happens before the loop waits next. Without a binding it does nothing.
pub fn end(slot: u32) {
    if let Some(thread) = thread::current()
        && let Some(descriptor) = thread.end(slot)
    {
        direct::finish(thread, descriptor);
    }
}

/// For callers that do something on this thread's loop after the front end, before it waits: whoever is due by that.
pub fn run_due() {
    if thread::current().is_some_and(|thread| thread.has_work()) {
        loop_hooks::run_due();
    }
}

/// The response of `slot`, whose unfinished head the front end sends next and in one piece, is to begin at once: with
/// its whole head, and `length` (None: chunked) for the body. To be called inside the cork that the head is written in.
/// False: nothing was changed (no such connection), and the head leaves with the first bytes of the body.
pub fn head_alone(slot: u32, length: Option<u64>) -> bool {
    let Some(connection) = thread::current().and_then(|thread| thread.bound_to(slot)) else {
        return false;
    };
    if connection.is_raw() || connection.started {
        return false;
    }
    connection.sending.head_alone(length.map_or(BodyFraming::Chunked, BodyFraming::Length));
    true
}

/// Whether the front end keeps bytes of the response of `slot` that the kernel did not take. None: not known.
pub fn waits(slot: u32) -> Option<bool> {
    Some(thread::current()?.bound_to(slot)?.sending.short)
}

/// Reads the files and returns an id for them, to be given to [`next_listener`] or [`tls_exchange`], and in the end to
/// [`tls_drop`]. Errors are for the operator. Without a watched front end there is no id.
pub fn tls(options: &TlsOptions) -> Result<u32, String> {
    let config = server_config(options)?;
    let thread = thread::current().ok_or("the front end is not watched")?;
    let free = thread.tls.iter().position(Option::is_none);
    let id = free.unwrap_or_else(|| {
        thread.tls.push(None);
        thread.tls.len() - 1
    });
    thread.tls[id] = Some(config);
    Ok(id as u32)
}

/// The listener that the front end opens next on this thread has this TLS, and accepts nobody until [`accept`] if `held`.
pub fn next_listener(tls: Option<u32>, held: bool) {
    if let Some(thread) = thread::current() {
        thread.next_listener = NextListener { tls, held };
    }
}

/// Listeners of this thread that were held accept from now on; clients that came meanwhile have waited.
pub fn accept() {
    if let Some(thread) = thread::current() {
        loop_hooks::accept(thread);
    }
}

/// Connections of this thread that are open and have had no request yet.
pub fn newcomers() -> usize {
    thread::current().map_or(0, |thread| thread.newcomers())
}

/// What listeners with `old` accept from now on has `new`. Open connections go on as they are.
pub fn tls_exchange(old: u32, new: u32) {
    if let Some(thread) = thread::current() {
        thread.exchange_tls(old, new);
    }
}

/// Gives the id back. Open connections go on as they are.
pub fn tls_drop(id: u32) {
    if let Some(tls) = thread::current().and_then(|thread| thread.tls.get_mut(id as usize)) {
        *tls = None;
    }
}

/// To be called about twice a second: ends connections whose client lets them wait for longer than `idle` (see
/// `patience`), before the loop waits next. Zero: none.
pub fn tick(idle: Duration) {
    if let Some(thread) = thread::current() {
        thread.tick(monotonic_ms(), idle.as_millis() as u64, queued);
    }
}

fn monotonic_ms() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec; this clock exists wherever this is compiled for.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}

/// Bytes that were sent and that the client's side has not acknowledged.
fn queued(descriptor: c_int) -> u64 {
    let mut bytes: c_int = 0;
    // SAFETY: writes one int. On a descriptor that has no such count it writes nothing.
    unsafe { libc::ioctl(descriptor, libc::TIOCOUTQ, &raw mut bytes) };
    bytes as u64
}

/// Connections of this thread whose answers have not wholly left for the kernel.
pub fn writing() -> u32 {
    thread::current().map_or(0, |thread| u32::try_from(thread.writing()).unwrap_or(u32::MAX))
}

/// How often a listener of this thread had to rest because no descriptor was free.
pub fn stalls() -> u32 {
    thread::current().map_or(0, |thread| thread.resting.stalls)
}

/// What the verified certificate of the client of `slot` says. None: it has shown none, or one that cannot be read; or the
/// connection is gone.
pub fn client_certificate(slot: u32) -> Option<Rc<ClientCertificate>> {
    thread::current()?.bound_to(slot)?.session.as_ref()?.client_certificate().cloned()
}

/// The connection of the request in `slot`, for [`stop_reading`], also after [`end`] of the slot. None: not watched.
pub fn connection_of(slot: u32) -> Option<u64> {
    let thread = thread::current()?;
    let descriptor = thread.descriptor_of(slot)?;
    let serial = thread.connection(descriptor)?.serial;
    Some(u64::from(descriptor.cast_unsigned()) << 32 | u64::from(serial))
}

/// Stops reading from a connection, or goes on with it: back-pressure where the front end has none, as for an upgraded
/// connection. False: there is no such connection any more.
pub fn stop_reading(connection: u64, stopped: bool) -> bool {
    let binding = Binding { descriptor: ((connection >> 32) as u32).cast_signed(), serial: connection as u32 };
    let Some(thread) = thread::current() else {
        return false;
    };
    let Some(connection) = thread.bound(binding) else {
        return false;
    };
    connection.stopped = stopped;
    loop_hooks::settle(thread, binding.descriptor);
    true
}

/// Answers that were given below JavaScript on this thread, as (status, count).
pub fn answers() -> [(u16, u32); Answer::ALL.len()] {
    let counts = thread::current().map_or([0; Answer::ALL.len()], |thread| thread.answers);
    Answer::ALL.map(|answer| (answer.status(), counts[answer.index()]))
}
