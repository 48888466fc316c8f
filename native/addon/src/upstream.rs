//! N-API face of the upstream client: one `uv_poll` on the client's descriptor, one `uv_prepare` that sends what the
//! loop's turn submitted, one `uv_timer` for deadlines, one `uv_idle` against sleeping on unsent work. Called by
//! `ts/shared/native.ts`. After each batch it has `direct` do what JavaScript has written down, before the batch's memory
//! is used again.
//!
//! Everything runs on the thread of the environment that made the client. A [`Binding`] lives until that environment
//! is torn down, also after `close()`, so that a function object kept by a script never points to freed memory. No
//! Rust reference into a binding is alive while JavaScript runs: a callback may call any of these functions.

// Reason: in a test build nothing registers the functions with Node.
#![cfg_attr(test, allow(dead_code))]

mod call;
mod construct;
mod functions;
mod handle;
mod uv;

use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

pub use handle::ClientHandle;
use napi::sys;
use polygate_upstream::{Client, Reason};
use uv::{Handle, RawHandle};

/// Batches of one wake; then other handles of the loop have their turn.
const MAX_BATCHES: usize = 16;
/// Tells our objects from others' (`napi_type_tag_object`).
static TYPE_TAG: sys::napi_type_tag = sys::napi_type_tag { lower: 0x706f_6c79_6761_7465, upper: 0x7570_7374_7265_616d };

// Reason: each is one independent fact of the loop's view.
#[allow(clippy::struct_excessive_bools)]
struct Binding {
    env: sys::napi_env,
    client: Client,
    slab: *mut u8,
    slab_bytes: usize,
    rows: *mut i32,
    row_ints: usize,
    /// Callback, slab and rows: kept from the collector while the client is open.
    references: [sys::napi_ref; 3],
    poll: Option<Handle>,
    prepare: Option<Handle>,
    timer: Option<Handle>,
    /// Active while there is something to send or to tell: a loop with it does not sleep.
    idle: Option<Handle>,
    awake: bool,
    open_handles: u32,
    /// A callback is on the stack.
    delivering: bool,
    closing: bool,
    closed: bool,
    /// The poll handle keeps the loop alive.
    referenced: bool,
    armed_us: u64,
    /// Set when the environment waits for this binding to be gone.
    teardown: sys::napi_async_cleanup_hook_handle,
}

impl Binding {
    /// Runs `act` on the client; after a panic the client starts afresh, and None comes back.
    fn guard<R>(&mut self, act: impl FnOnce(&mut Client) -> R) -> Option<R> {
        if let Ok(result) = catch_unwind(AssertUnwindSafe(|| act(&mut self.client))) {
            return Some(result);
        }
        // Should even that panic, the old state is left to itself: its requests end at nobody's expense but theirs.
        drop(catch_unwind(AssertUnwindSafe(|| self.client.reset_after_panic())));
        None
    }

    fn keep_loop_alive(&mut self, wanted: bool) {
        if wanted == self.referenced {
            return;
        }
        if let Some(poll) = &mut self.poll {
            self.referenced = wanted;
            // SAFETY: on the loop's thread; the handle is initialised and not closed while it is in `self.poll`.
            unsafe { if wanted { uv::uv_ref(poll.raw()) } else { uv::uv_unref(poll.raw()) } }
        }
    }

    /// Keeps the loop from sleeping on what was submitted after this turn's `on_prepare`: by another prepare handle that
    /// libuv runs behind ours, as the front end's, or inside a callback that ours made.
    fn wake_if_needed(&mut self) {
        let wanted = self.client.must_flush() || self.client.more();
        if wanted == self.awake {
            return;
        }
        if let Some(idle) = &mut self.idle {
            self.awake = wanted;
            // SAFETY: on the loop's thread; the handle is initialised and not closed while it is in `self.idle`.
            unsafe {
                if wanted {
                    uv::uv_idle_start(idle.raw(), on_idle);
                } else {
                    uv::uv_idle_stop(idle.raw());
                }
            }
        }
    }

    /// Brings the loop's view into line with the client: whether to stay alive, when to wake for a deadline.
    fn settle(&mut self) {
        let waits = self.client.in_flight() > 0 || self.client.more();
        self.keep_loop_alive(waits && !self.closing);
        self.wake_if_needed();
        let next = self.client.next_deadline_us().unwrap_or(u64::MAX);
        if next == self.armed_us || (next > self.armed_us && self.armed_us != u64::MAX && next != u64::MAX) {
            return;
        }
        let after_ms = next.saturating_sub(self.client.now_us()) / 1000 + 1;
        if let Some(timer) = &mut self.timer {
            self.armed_us = next;
            // SAFETY: on the loop's thread; the handle is initialised and not closed while it is in `self.timer`.
            unsafe {
                if next == u64::MAX {
                    uv::uv_timer_stop(timer.raw());
                } else {
                    uv::uv_timer_start(timer.raw(), on_timer, after_ms, 0);
                }
            }
        }
    }
}

/// Gives JavaScript what is ready, batch by batch.
///
/// # Safety
/// `this` is a live binding, on its thread, and no reference into it is held by the caller.
unsafe fn deliver(this: *mut Binding) {
    // SAFETY: as promised by the caller; the reference ends before JavaScript runs, and each below likewise.
    let binding = unsafe { &mut *this };
    if binding.delivering || binding.closed {
        return;
    }
    binding.delivering = true;
    let mut batches = 0;
    loop {
        // SAFETY: as above. The slab and the rows belong to buffers that `references` keeps alive, are as long as
        // noted, and are touched by nobody else while this thread is here.
        let (count, more) = unsafe {
            let binding = &mut *this;
            let slab = std::slice::from_raw_parts_mut(binding.slab, binding.slab_bytes);
            let rows = std::slice::from_raw_parts_mut(binding.rows, binding.row_ints);
            let count = binding.guard(|client| client.turn(slab, rows)).unwrap_or(0);
            (count, binding.client.more())
        };
        if count > 0 {
            // SAFETY: no reference into the binding is alive.
            unsafe { call_back((*this).env, (*this).references[0], count) };
            crate::direct::run_commands();
        }
        // SAFETY: as above.
        let binding = unsafe { &mut *this };
        batches += 1;
        if (!more && !binding.client.more()) || (batches >= MAX_BATCHES && !binding.closing) {
            binding.client.leave_turn();
            binding.delivering = false;
            break;
        }
    }
    // SAFETY: as above.
    let binding = unsafe { &mut *this };
    binding.settle();
    if binding.closing {
        // SAFETY: no reference into the binding is used after this.
        unsafe { shut(this) };
    }
}

/// Calls `onBatch(count)`; what it throws is an uncaught exception.
///
/// # Safety
/// On the environment's thread, outside of any reference into a binding.
pub unsafe fn call_back(env: sys::napi_env, callback: sys::napi_ref, count: usize) {
    let mut scope = ptr::null_mut();
    let (mut function, mut global, mut argument, mut result) =
        (ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: on the environment's thread; all out-pointers are locals; the values live in the scope opened here.
    unsafe {
        if sys::napi_open_handle_scope(env, &raw mut scope) != sys::Status::napi_ok {
            return;
        }
        sys::napi_get_reference_value(env, callback, &raw mut function);
        sys::napi_get_global(env, &raw mut global);
        sys::napi_create_int32(env, count as i32, &raw mut argument);
        let status =
            sys::napi_make_callback(env, ptr::null_mut(), global, function, 1, &raw const argument, &raw mut result);
        if status == sys::Status::napi_pending_exception {
            let mut error = ptr::null_mut();
            if sys::napi_get_and_clear_last_exception(env, &raw mut error) == sys::Status::napi_ok {
                sys::napi_fatal_exception(env, error);
            }
        }
        sys::napi_close_handle_scope(env, scope);
    }
}

/// Closes the handles; the descriptors close with the last of them.
///
/// # Safety
/// As [`deliver`].
unsafe fn shut(this: *mut Binding) {
    // SAFETY: as promised by the caller.
    let binding = unsafe { &mut *this };
    if binding.closed {
        return;
    }
    binding.closed = true;
    binding.closing = true;
    drop(catch_unwind(AssertUnwindSafe(|| binding.client.close_all(Reason::ClientClosed))));
    if binding.teardown.is_null() {
        for reference in std::mem::replace(&mut binding.references, [ptr::null_mut(); 3]) {
            // SAFETY: made in the constructor, deleted once, on the environment's thread.
            unsafe { sys::napi_delete_reference(binding.env, reference) };
        }
    }
    for handle in [&mut binding.poll, &mut binding.prepare, &mut binding.timer, &mut binding.idle].into_iter().flatten()
    {
        // SAFETY: initialised in the constructor, closed once; its memory stays until the callback of the last one.
        unsafe { uv::uv_close(handle.raw(), on_closed) };
    }
}

unsafe extern "C" fn on_closed(handle: RawHandle) {
    // SAFETY: libuv calls this once per handle on the loop's thread; the data is the binding, which is freed only
    // below and in `on_teardown`, after the last of these calls.
    unsafe {
        let this = uv::uv_handle_get_data(handle).cast::<Binding>();
        (*this).open_handles -= 1;
        if (*this).open_handles == 0 {
            (*this).poll = None;
            (*this).prepare = None;
            (*this).timer = None;
            (*this).idle = None;
            if !(*this).teardown.is_null() {
                free(this);
            }
        }
    }
}

/// # Safety
/// The environment is being torn down, all handles are closed, nobody uses the binding any more.
unsafe fn free(this: *mut Binding) {
    // SAFETY: made by `Box::into_raw` in the constructor; this is the only place that takes it back.
    unsafe {
        let binding = Box::from_raw(this);
        sys::napi_remove_async_cleanup_hook(binding.teardown);
    }
}

unsafe extern "C" fn on_teardown(hook: sys::napi_async_cleanup_hook_handle, data: *mut c_void) {
    let this = data.cast::<Binding>();
    // SAFETY: the environment calls this once, on its thread, before it goes; the binding lives until `free`.
    unsafe {
        (*this).teardown = hook;
        if (*this).open_handles == 0 {
            free(this);
        } else {
            shut(this);
        }
    }
}

unsafe extern "C" fn on_poll(handle: RawHandle, _status: c_int, _events: c_int) {
    // SAFETY: libuv calls this on the loop's thread for an open handle, whose data is its binding.
    unsafe { deliver(uv::uv_handle_get_data(handle).cast()) };
}

unsafe extern "C" fn on_prepare(handle: RawHandle) {
    // SAFETY: as in `on_poll`; the reference ends before `deliver`.
    unsafe {
        let this = uv::uv_handle_get_data(handle).cast::<Binding>();
        let binding = &mut *this;
        if binding.client.must_flush() {
            binding.guard(Client::flush);
        }
        if binding.client.more() {
            deliver(this);
            // What was answered now may have let a stashed request through.
            polygate_downstream::run_due();
        } else {
            binding.settle();
        }
    }
}

/// Being active is all that it is for; `on_prepare` comes next.
unsafe extern "C" fn on_idle(_handle: RawHandle) {}

unsafe extern "C" fn on_timer(handle: RawHandle) {
    // SAFETY: as in `on_prepare`.
    unsafe {
        let this = uv::uv_handle_get_data(handle).cast::<Binding>();
        let binding = &mut *this;
        binding.armed_us = u64::MAX;
        binding.guard(Client::tick);
        if binding.client.more() {
            deliver(this);
        } else {
            binding.settle();
        }
    }
}
