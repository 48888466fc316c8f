//! The raw form of an N-API call: napi-derive's conversions cost more than the calls that are made per request.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use napi::bindgen_prelude::{Error, FromNapiValue, Result, Status};
use napi::sys;

const MOST_ARGUMENTS: usize = 3;

/// One call from JS, on the thread that owns the instance.
pub struct Call {
    pub env: sys::napi_env,
    pub instance: usize,
    arguments: [sys::napi_value; MOST_ARGUMENTS],
}

pub fn checked(status: sys::napi_status, what: &str) -> Result<()> {
    if status == sys::Status::napi_ok { Ok(()) } else { Err(Error::new(Status::from(status), what.to_owned())) }
}

impl Call {
    /// Runs `work` for the call; an error or a panic becomes an exception in JS, the value `undefined`.
    pub fn answer(
        env: sys::napi_env,
        info: sys::napi_callback_info,
        work: impl FnOnce(&Self) -> Result<sys::napi_value>,
    ) -> sys::napi_value {
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&Self::read(env, info)?)));
        let error = match outcome {
            Ok(Ok(value)) => return value,
            Ok(Err(error)) => error,
            Err(_) => Error::from_reason("the native request heads panicked"),
        };
        let message = error.reason.as_str();
        let mut text = ptr::null_mut();
        let mut object = ptr::null_mut();
        // SAFETY: `env` is that of the running call, on its thread; `message` is read before it ends. Where making the
        // error fails, an exception is pending already, and the throw is refused.
        unsafe {
            sys::napi_create_string_utf8(env, message.as_ptr().cast(), message.len() as isize, &raw mut text);
            let create =
                if error.status == Status::InvalidArg { sys::napi_create_type_error } else { sys::napi_create_error };
            create(env, ptr::null_mut(), text, &raw mut object);
            sys::napi_throw(env, object);
        }
        ptr::null_mut()
    }

    fn read(env: sys::napi_env, info: sys::napi_callback_info) -> Result<Self> {
        let mut arguments = [ptr::null_mut(); MOST_ARGUMENTS];
        let mut count = MOST_ARGUMENTS;
        let mut number = ptr::null_mut();
        // SAFETY: `env` and `info` are those of the running call. N-API fills up to `count` arguments and puts `undefined`
        // for those that were not given. The function's data is the instance's number, not a pointer.
        let status = unsafe {
            sys::napi_get_cb_info(env, info, &raw mut count, arguments.as_mut_ptr(), ptr::null_mut(), &raw mut number)
        };
        checked(status, "no arguments")?;
        Ok(Self { env, instance: number as usize, arguments })
    }

    /// An argument that is a whole number of 32 bits without sign.
    #[inline]
    pub fn number(&self, index: usize) -> Result<usize> {
        let mut number = 0;
        // SAFETY: as in `read`; the value belongs to this call.
        let status = unsafe { sys::napi_get_value_uint32(self.env, self.arguments[index], &raw mut number) };
        checked(status, "a number was expected")?;
        Ok(number as usize)
    }

    /// An argument converted by napi-derive.
    pub fn object<T: FromNapiValue>(&self, index: usize) -> Result<T> {
        // SAFETY: as in `number`.
        unsafe { T::from_napi_value(self.env, self.arguments[index]) }
    }

    /// Puts a string's UTF-8 form into `out`, cut at `most` bytes (and up to three more). False: it is no string.
    #[inline]
    pub fn string(&self, index: usize, most: usize, out: &mut Vec<u8>) -> bool {
        // N-API writes a NUL at the end, and no part of a character that does not fit.
        let room = most + 4;
        out.clear();
        out.reserve(room);
        let mut written = 0;
        // SAFETY: `out` has room for `room` bytes, and N-API writes no more than that; of them the first `written` are set.
        unsafe {
            let value = self.arguments[index];
            let status =
                sys::napi_get_value_string_utf8(self.env, value, out.as_mut_ptr().cast(), room, &raw mut written);
            if status != sys::Status::napi_ok {
                return false;
            }
            out.set_len(written);
        }
        true
    }

    /// The bytes of a Buffer or typed array, lent for as long as no JS runs.
    #[inline]
    pub fn bytes(&self, index: usize) -> Result<&[u8]> {
        let mut start = ptr::null_mut();
        let mut length = 0;
        // SAFETY: as in `number`; Node takes any view of an ArrayBuffer here and refuses everything else.
        let status =
            unsafe { sys::napi_get_buffer_info(self.env, self.arguments[index], &raw mut start, &raw mut length) };
        checked(status, "a string or a Uint8Array was expected")?;
        if length == 0 {
            return Ok(&[]);
        }
        // SAFETY: the view's memory stays where it is during the call: no JS runs until it returns, and the slice does not
        // outlive `self`, which `answer` drops with the call.
        Ok(unsafe { std::slice::from_raw_parts(start.cast(), length) })
    }

    pub fn integer(&self, number: i32) -> Result<sys::napi_value> {
        let mut value = ptr::null_mut();
        // SAFETY: as in `number`.
        let status = unsafe { sys::napi_create_int32(self.env, number, &raw mut value) };
        checked(status, "no number was made")?;
        Ok(value)
    }

    /// A string, a character a byte.
    pub fn latin1(&self, text: &[u8]) -> Result<sys::napi_value> {
        let mut value = ptr::null_mut();
        // SAFETY: as in `number`; the text is copied.
        let status = unsafe {
            sys::napi_create_string_latin1(self.env, text.as_ptr().cast(), text.len() as isize, &raw mut value)
        };
        checked(status, "no string was made")?;
        Ok(value)
    }

    pub fn undefined() -> sys::napi_value {
        // N-API reads a null return as `undefined`.
        ptr::null_mut()
    }
}
