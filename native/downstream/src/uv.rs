//! The functions of libuv that the hooks call on. `node` exports them; `cargo test` has none, and calls none.

use crate::image::loaded;
use std::ffi::{c_int, c_void};
use std::mem::transmute;
use std::sync::OnceLock;

/// `uv_poll_cb`
pub type PollCallback = unsafe extern "C" fn(*mut c_void, c_int, c_int);
/// `uv_prepare_cb`
pub type PrepareCallback = unsafe extern "C" fn(*mut c_void);

/// The real ones.
pub struct Functions {
    pub poll_init_socket: unsafe extern "C" fn(*mut c_void, *mut c_void, c_int) -> c_int,
    pub poll_start: unsafe extern "C" fn(*mut c_void, c_int, PollCallback) -> c_int,
    pub poll_stop: unsafe extern "C" fn(*mut c_void) -> c_int,
    pub close: unsafe extern "C" fn(*mut c_void, *mut c_void),
    pub prepare_start: unsafe extern "C" fn(*mut c_void, PrepareCallback) -> c_int,
    fileno: unsafe extern "C" fn(*const c_void, *mut c_int) -> c_int,
}

static FUNCTIONS: OnceLock<Functions> = OnceLock::new();

/// Looks the functions up. False: this process has no libuv.
pub fn find() -> bool {
    if FUNCTIONS.get().is_some() {
        return true;
    }
    let found =
        [c"uv_poll_init_socket", c"uv_poll_start", c"uv_poll_stop", c"uv_close", c"uv_prepare_start", c"uv_fileno"]
            .map(loaded);
    if found.iter().any(|function| function.is_null()) {
        return false;
    }
    let [poll_init_socket, poll_start, poll_stop, close, prepare_start, fileno] = found;
    // SAFETY: libuv's documented signatures, stable through all of 1.x.
    let functions = unsafe {
        Functions {
            poll_init_socket: transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void, *mut c_void, c_int) -> c_int>(
                poll_init_socket,
            ),
            poll_start: transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void, c_int, PollCallback) -> c_int>(
                poll_start,
            ),
            poll_stop: transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void) -> c_int>(poll_stop),
            close: transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void, *mut c_void)>(close),
            prepare_start: transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void, PrepareCallback) -> c_int>(
                prepare_start,
            ),
            fileno: transmute::<*mut c_void, unsafe extern "C" fn(*const c_void, *mut c_int) -> c_int>(fileno),
        }
    };
    FUNCTIONS.get_or_init(|| functions);
    true
}

/// Only hooks call this, and hooks are installed after `find` has succeeded.
pub fn functions() -> &'static Functions {
    FUNCTIONS.get().unwrap_or_else(|| std::process::abort())
}

/// The handle's descriptor, or -1 for a handle that has none.
///
/// SAFETY: `handle` is an initialised libuv handle.
pub unsafe fn descriptor_of(functions: &Functions, handle: *const c_void) -> c_int {
    let mut descriptor = -1;
    // SAFETY: by the caller; writes one int, and only on success.
    unsafe { (functions.fileno)(handle, &raw mut descriptor) };
    descriptor
}
