//! One call from JavaScript: its arguments, its result, and the client that its function belongs to.

use std::ffi::CString;
use std::ops::Deref;
use std::ptr;

use napi::sys;
use polygate_upstream::Client;

use super::Binding;
use crate::arguments::Arguments;

/// Arguments of a call whose function was made with a binding's pointer.
pub struct Call<const N: usize>(Arguments<N>);

impl<const N: usize> Deref for Call<N> {
    type Target = Arguments<N>;

    fn deref(&self) -> &Arguments<N> {
        &self.0
    }
}

impl<const N: usize> Call<N> {
    /// # Safety
    /// `env` and `info` are those of a call that is running.
    pub unsafe fn new(env: sys::napi_env, info: sys::napi_callback_info) -> Self {
        let none = || Arguments { env, this: ptr::null_mut(), values: [ptr::null_mut(); N], data: ptr::null_mut() };
        // SAFETY: as promised by the caller. N-API gives the arguments of any running call.
        Self(unsafe { Arguments::read(env, info) }.unwrap_or_else(|_| none()))
    }

    pub fn binding(&self) -> *mut Binding {
        self.data.cast()
    }

    /// The argument as an int32; 0 for what is no number.
    pub fn int(&self, index: usize) -> i32 {
        self.integer_at(index).unwrap_or(0)
    }

    pub fn flag(&self, index: usize) -> bool {
        let mut value = false;
        // SAFETY: as in `int`.
        unsafe { sys::napi_get_value_bool(self.env, self.values[index], &raw mut value) };
        value
    }

    pub fn give_int(&self, value: i32) -> sys::napi_value {
        self.integer(value).unwrap_or(ptr::null_mut())
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
        let binding = unsafe { &mut *self.binding() };
        if binding.closing {
            return None;
        }
        let result = binding.guard(act);
        binding.wake_if_needed();
        result
    }
}
