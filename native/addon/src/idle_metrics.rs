//! Node has libuv measure how long its loop sleeps, and libuv does so by looking for events twice before each sleep: a
//! system call more in every turn, two for a request that comes alone. Nobody asks a worker for that figure, so it is
//! switched off.
//!
//! libuv has a function that switches it on (`uv_loop_configure` with `UV_METRICS_IDLE_TIME`) and none for off. The flag
//! is the first word of the loop's internal fields since 1.39; where anything is not as known it is left alone.

use std::ffi::{c_int, c_uint, c_ulong, c_void};

/// Versions whose loops are laid out as below.
const KNOWN: std::ops::RangeInclusive<u32> = 1 << 16 | 39 << 8..=1 << 16 | 52 << 8 | 0xff;
const IDLE_TIME: c_uint = 1;

unsafe extern "C" {
    fn uv_version() -> c_uint;
    fn uv_backend_fd(uv_loop: *const c_void) -> c_int;
}

/// The beginning of `uv_loop_t` (uv.h, uv/unix.h).
#[repr(C)]
struct Loop {
    data: *mut c_void,
    active_handles: c_uint,
    handle_queue: [*mut c_void; 2],
    active_requests: *mut c_void,
    internal_fields: *mut c_uint,
    stop_flag: c_uint,
    flags: c_ulong,
    backend_fd: c_int,
}

/// Switches it off. False: it is not on, or the loop is not as known.
///
/// # Safety
/// `uv_loop` is a live loop of this process's libuv, on whose thread this is called.
pub unsafe fn stop(uv_loop: *mut c_void) -> bool {
    // SAFETY: no arguments.
    if !KNOWN.contains(&unsafe { uv_version() }) {
        return false;
    }
    let known = uv_loop.cast::<Loop>();
    // SAFETY: by the caller. The public part of a loop is at least this long, and its descriptor shows whether its fields
    // lie where we think; only then the pointer before it is followed. Nobody else touches the loop meanwhile.
    unsafe {
        if (*known).backend_fd != uv_backend_fd(uv_loop) || (*known).internal_fields.is_null() {
            return false;
        }
        let flags = (*known).internal_fields;
        let on = *flags == IDLE_TIME;
        if on {
            *flags = 0;
        }
        on
    }
}
