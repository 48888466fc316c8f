//! One call from JavaScript: its arguments, its result, and the client that its function belongs to.

use std::ffi::{CString, c_char};
use std::ptr;

use napi::sys;
use polygate_upstream::Client;

use super::Binding;

/// Arguments of a call, and the pointer that its function was made with.
pub struct Call<const N: usize> {
    pub env: sys::napi_env,
    pub this: sys::napi_value,
    pub arguments: [sys::napi_value; N],
    pub binding: *mut Binding,
}

impl<const N: usize> Call<N> {
    /// # Safety
    /// `env` and `info` are those of a call that is running.
    pub unsafe fn new(env: sys::napi_env, info: sys::napi_callback_info) -> Self {
        let mut arguments = [ptr::null_mut(); N];
        let mut count = N;
        let (mut this, mut data) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: as promised by the caller; missing arguments are filled in as `undefined`.
        unsafe {
            sys::napi_get_cb_info(env, info, &raw mut count, arguments.as_mut_ptr(), &raw mut this, &raw mut data);
        }
        Self { env, this, arguments, binding: data.cast() }
    }

    /// The argument as an int32; 0 for what is no number.
    pub fn int(&self, index: usize) -> i32 {
        let mut value = 0;
        // SAFETY: a value of the running call; the out-pointer is a local.
        unsafe { sys::napi_get_value_int32(self.env, self.arguments[index], &raw mut value) };
        value
    }

    pub fn flag(&self, index: usize) -> bool {
        let mut value = false;
        // SAFETY: as in `int`.
        unsafe { sys::napi_get_value_bool(self.env, self.arguments[index], &raw mut value) };
        value
    }

    /// The bytes of an `ArrayBuffer` or `Uint8Array`, valid until JavaScript runs again; None for anything else.
    pub fn bytes(&self, index: usize) -> Option<&[u8]> {
        let value = self.arguments[index];
        let (mut start, mut length) = (ptr::null_mut(), 0);
        // SAFETY: as in `int`; the bytes belong to a buffer that an argument of the running call keeps alive.
        unsafe {
            if sys::napi_get_arraybuffer_info(self.env, value, &raw mut start, &raw mut length) != sys::Status::napi_ok
            {
                let mut kind = 0;
                let status = sys::napi_get_typedarray_info(
                    self.env,
                    value,
                    &raw mut kind,
                    &raw mut length,
                    &raw mut start,
                    ptr::null_mut(),
                    ptr::null_mut(),
                );
                if status != sys::Status::napi_ok || kind != sys::TypedarrayType::uint8_array {
                    return None;
                }
            }
            Some(if length == 0 { &[] } else { std::slice::from_raw_parts(start.cast(), length) })
        }
    }

    /// Appends a string, one byte a character (what lies above U+00FF loses its upper half). False for no string.
    pub fn append_latin1(&self, index: usize, out: &mut Vec<u8>) -> bool {
        let value = self.arguments[index];
        let mut room = 2048;
        loop {
            out.reserve(room);
            let mut written = 0;
            // SAFETY: as in `int`; `room` bytes behind the vector's length are reserved, N-API writes at most that
            // many, the final NUL included, and reports how many without it.
            let status = unsafe {
                let end = out.as_mut_ptr().add(out.len()).cast::<c_char>();
                sys::napi_get_value_string_latin1(self.env, value, end, room, &raw mut written)
            };
            if status != sys::Status::napi_ok {
                return false;
            }
            if written < room - 1 {
                // SAFETY: `written` bytes behind the length were just initialised.
                unsafe { out.set_len(out.len() + written) };
                return true;
            }
            let mut length = 0;
            // SAFETY: as in `int`; a null buffer asks for the length.
            unsafe { sys::napi_get_value_string_latin1(self.env, value, ptr::null_mut(), 0, &raw mut length) };
            room = length + 2;
        }
    }

    pub fn give_int(&self, value: i32) -> sys::napi_value {
        let mut result = ptr::null_mut();
        // SAFETY: inside the running call; the out-pointer is a local.
        unsafe { sys::napi_create_int32(self.env, value, &raw mut result) };
        result
    }

    pub fn throw(&self, text: &str) -> sys::napi_value {
        let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
        // SAFETY: inside the running call; the text is NUL-terminated and copied.
        unsafe { sys::napi_throw_error(self.env, ptr::null(), text.as_ptr()) };
        ptr::null_mut()
    }

    /// Runs `act` on the client of this function.
    pub fn with_client<R>(&self, act: impl FnOnce(&mut Client) -> R) -> Option<R> {
        // SAFETY: functions are made with their binding's pointer, which lives as long as the environment; no other
        // reference into it is alive, for none is held while JavaScript runs, and JavaScript called us.
        let binding = unsafe { &mut *self.binding };
        if binding.closing {
            return None;
        }
        let result = binding.guard(act);
        binding.wake_if_needed();
        result
    }
}
