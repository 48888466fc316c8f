//! What the binding uses of libuv. The node binary exports these; the napi crate knows only the loop.

use std::ffi::{c_int, c_void};

pub const IDLE: c_int = 6;
pub const POLL: c_int = 8;
pub const PREPARE: c_int = 9;
pub const TIMER: c_int = 13;
pub const READABLE: c_int = 1;

pub type RawHandle = *mut c_void;
pub type HandleCallback = unsafe extern "C" fn(RawHandle);

// Exported by the node binary; declared here because the napi crate knows only the loop.
unsafe extern "C" {
    pub fn uv_handle_size(kind: c_int) -> usize;
    pub fn uv_handle_set_data(handle: RawHandle, data: *mut c_void);
    pub fn uv_handle_get_data(handle: RawHandle) -> *mut c_void;
    pub fn uv_ref(handle: RawHandle);
    pub fn uv_unref(handle: RawHandle);
    pub fn uv_close(handle: RawHandle, done: HandleCallback);
    pub fn uv_poll_init(uv_loop: *mut c_void, handle: RawHandle, fd: c_int) -> c_int;
    pub fn uv_poll_start(
        handle: RawHandle,
        events: c_int,
        callback: unsafe extern "C" fn(RawHandle, c_int, c_int),
    ) -> c_int;
    pub fn uv_prepare_init(uv_loop: *mut c_void, handle: RawHandle) -> c_int;
    pub fn uv_prepare_start(handle: RawHandle, callback: HandleCallback) -> c_int;
    pub fn uv_idle_init(uv_loop: *mut c_void, handle: RawHandle) -> c_int;
    pub fn uv_idle_start(handle: RawHandle, callback: HandleCallback) -> c_int;
    pub fn uv_idle_stop(handle: RawHandle) -> c_int;
    pub fn uv_timer_init(uv_loop: *mut c_void, handle: RawHandle) -> c_int;
    pub fn uv_timer_start(handle: RawHandle, callback: HandleCallback, after_ms: u64, repeat_ms: u64) -> c_int;
    pub fn uv_timer_stop(handle: RawHandle) -> c_int;
}

/// Memory for a handle, in words so that it is aligned; never moves.
pub struct Handle(Box<[u64]>);

impl Handle {
    pub fn new(kind: c_int, owner: *mut c_void) -> Self {
        // SAFETY: a pure function of libuv's.
        let bytes = unsafe { uv_handle_size(kind) };
        let mut handle = Self(vec![0; bytes.div_ceil(8)].into_boxed_slice());
        // SAFETY: the memory is of a handle's size, owned here, and libuv does not use the field before `init`,
        // which leaves it alone.
        unsafe { uv_handle_set_data(handle.raw(), owner) };
        handle
    }

    pub fn raw(&mut self) -> RawHandle {
        self.0.as_mut_ptr().cast()
    }
}
