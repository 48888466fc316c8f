//! Memory that JavaScript and the addon both see, for as long as the environment lives: what crosses in it costs no call
//! and no object. Made by the objects of the hot path when they are made.

use std::ffi::c_void;
use std::ptr::{self, NonNull};

use napi::bindgen_prelude::Result;
use napi::sys;

use crate::arguments::{checked, wrong};

/// What JavaScript has of it, and where it begins. V8 never moves it, and a reference that is never given back keeps it.
pub struct Shared<T> {
    pub value: sys::napi_value,
    pub start: NonNull<T>,
}

/// A number that a typed array can have.
pub trait Element {
    const KIND: sys::napi_typedarray_type;
}

impl Element for i32 {
    const KIND: sys::napi_typedarray_type = sys::TypedarrayType::int32_array;
}

impl Element for f64 {
    const KIND: sys::napi_typedarray_type = sys::TypedarrayType::float64_array;
}

/// An `Int32Array` or `Float64Array` of zeros.
///
/// # Safety
/// Inside a call from JavaScript, on the environment's thread.
pub unsafe fn numbers<T: Element>(env: sys::napi_env, length: usize) -> Result<Shared<T>> {
    let (mut start, mut memory, mut value) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    let bytes = length * size_of::<T>();
    // SAFETY: as promised. All out-pointers are locals.
    unsafe {
        checked(sys::napi_create_arraybuffer(env, bytes, &raw mut start, &raw mut memory), "no memory was made")?;
        checked(sys::napi_create_typedarray(env, T::KIND, length, memory, 0, &raw mut value), "no numbers were made")?;
        keep(env, value, start, bytes)
    }
}

/// A `Buffer` of zeros.
///
/// # Safety
/// As for [`numbers`].
pub unsafe fn bytes(env: sys::napi_env, length: usize) -> Result<Shared<u8>> {
    let (mut start, mut value) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: as promised. All out-pointers are locals.
    unsafe {
        checked(sys::napi_create_buffer(env, length, &raw mut start, &raw mut value), "no memory was made")?;
        keep(env, value, start, length)
    }
}

/// # Safety
/// As for [`numbers`]; `value` is of `bytes` bytes from `start` on, which are of this type or are none.
unsafe fn keep<T>(env: sys::napi_env, value: sys::napi_value, start: *mut c_void, bytes: usize) -> Result<Shared<T>> {
    let start = NonNull::new(start).ok_or_else(|| wrong("no memory"))?;
    let mut kept = ptr::null_mut();
    // SAFETY: as promised; nobody else knows the memory yet.
    unsafe {
        start.cast::<u8>().write_bytes(0, bytes);
        checked(sys::napi_create_reference(env, value, 1, &raw mut kept), "the memory was not kept")?;
    }
    Ok(Shared { value, start: start.cast() })
}
