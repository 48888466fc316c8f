//! Raw N-API calls: napi-derive's conversions cost more than the calls that are made per request.

use std::ffi::{CStr, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use napi::bindgen_prelude::{Error, FromNapiValue, Result, Status};
use napi::sys;

/// The arguments of one call from JS, on the environment's thread; `data` is the function's own. What was not given is
/// `undefined`.
pub struct Arguments<const N: usize> {
    pub env: sys::napi_env,
    pub this: sys::napi_value,
    pub values: [sys::napi_value; N],
    pub data: *mut c_void,
}

pub type NativeFunction = unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value;

/// An error whose text JS sees as a `TypeError`.
pub fn wrong(message: impl std::fmt::Display) -> Error {
    Error::new(Status::InvalidArg, message.to_string())
}

pub fn checked(status: sys::napi_status, what: &str) -> Result<()> {
    if status == sys::Status::napi_ok { Ok(()) } else { Err(Error::new(Status::from(status), what.to_owned())) }
}

/// A property of an object that is being defined.
pub fn value(name: &'static CStr, value: sys::napi_value) -> sys::napi_property_descriptor {
    sys::napi_property_descriptor {
        utf8name: name.as_ptr(),
        name: ptr::null_mut(),
        method: None,
        getter: None,
        setter: None,
        value,
        attributes: sys::PropertyAttributes::enumerable,
        data: ptr::null_mut(),
    }
}

/// A method of an object that is being defined.
pub fn method(name: &'static CStr, function: NativeFunction, data: *mut c_void) -> sys::napi_property_descriptor {
    sys::napi_property_descriptor { method: Some(function), data, ..value(name, ptr::null_mut()) }
}

impl<const N: usize> Arguments<N> {
    /// Runs `work` for the call; an error or a panic becomes an exception in JS.
    pub fn answer(
        env: sys::napi_env,
        info: sys::napi_callback_info,
        work: impl FnOnce(&Self) -> Result<sys::napi_value>,
    ) -> sys::napi_value {
        // SAFETY: the caller hands on what N-API gave it.
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&unsafe { Self::read(env, info) }?)));
        let error = match outcome {
            Ok(Ok(value)) => return value,
            Ok(Err(error)) => error,
            Err(_) => Error::from_reason("the addon panicked"),
        };
        let message = error.reason.as_str();
        let (mut text, mut object) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: `env` is that of the running call, on its thread; `message` is read before it ends.
        unsafe {
            sys::napi_create_string_utf8(env, message.as_ptr().cast(), message.len() as isize, &raw mut text);
            let create =
                if error.status == Status::InvalidArg { sys::napi_create_type_error } else { sys::napi_create_error };
            create(env, ptr::null_mut(), text, &raw mut object);
            sys::napi_throw(env, object);
        }
        ptr::null_mut()
    }

    /// # Safety
    /// `env` and `info` are those of the running call.
    pub unsafe fn read(env: sys::napi_env, info: sys::napi_callback_info) -> Result<Self> {
        let mut values = [ptr::null_mut(); N];
        let mut count = N;
        let (mut this, mut data) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: as promised. N-API fills up to `count` values, `undefined` for those that were not given.
        let status = unsafe {
            sys::napi_get_cb_info(env, info, &raw mut count, values.as_mut_ptr(), &raw mut this, &raw mut data)
        };
        checked(status, "no arguments")?;
        Ok(Self { env, this, values, data })
    }

    /// A whole number of 32 bits without sign.
    #[inline]
    pub fn number_at(&self, index: usize) -> Result<usize> {
        let mut number = 0;
        // SAFETY: as in `read`; the value belongs to this call.
        let status = unsafe { sys::napi_get_value_uint32(self.env, self.values[index], &raw mut number) };
        checked(status, "a number was expected")?;
        Ok(number as usize)
    }

    /// Converted by napi-derive.
    pub fn object_at<T: FromNapiValue>(&self, index: usize) -> Result<T> {
        // SAFETY: as in `number_at`.
        unsafe { T::from_napi_value(self.env, self.values[index]) }
    }

    #[inline]
    pub fn integer_at(&self, index: usize) -> Result<i32> {
        let mut number = 0;
        // SAFETY: as in `read`; the value belongs to this call.
        let status = unsafe { sys::napi_get_value_int32(self.env, self.values[index], &raw mut number) };
        checked(status, "a number was expected")?;
        Ok(number)
    }

    /// Appends a string, a byte a character (what lies above U+00FF loses its upper half), or the bytes of a buffer. False:
    /// it is neither.
    #[inline]
    pub fn append_latin1(&self, index: usize, out: &mut Vec<u8>) -> bool {
        let value = self.values[index];
        // Most texts fit: then there is no need to ask for the length first.
        let mut room = 2048;
        loop {
            out.reserve(room);
            let mut written = 0;
            // SAFETY: as above; `room` bytes behind the vector's length are reserved, N-API writes at most that many, the
            // final NUL included, and reports how many without it.
            let status = unsafe {
                let end = out.as_mut_ptr().add(out.len()).cast();
                sys::napi_get_value_string_latin1(self.env, value, end, room, &raw mut written)
            };
            if status != sys::Status::napi_ok {
                return self.bytes(index).is_ok_and(|bytes| {
                    out.extend_from_slice(bytes);
                    true
                });
            }
            if written < room - 1 {
                // SAFETY: `written` bytes behind the length were just initialised.
                unsafe { out.set_len(out.len() + written) };
                return true;
            }
            let mut length = 0;
            // SAFETY: as above; a null buffer asks for the length.
            unsafe { sys::napi_get_value_string_latin1(self.env, value, ptr::null_mut(), 0, &raw mut length) };
            room = length + 2;
        }
    }

    /// Appends a string whose characters stand for bytes, or the bytes of a buffer. A character that no byte stands for
    /// becomes a NUL, which no grammar of ours lets through. False: it is neither.
    pub fn append_bytes(&self, index: usize, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        // Most texts fit: then there is no need to ask for the length first.
        let mut room = 512;
        loop {
            out.reserve(room);
            let mut written = 0;
            // SAFETY: as above; `room` bytes behind the vector's length are reserved, N-API writes at most that many, the
            // final NUL included, and reports how many without it.
            let status = unsafe {
                let end = out.as_mut_ptr().add(start).cast();
                sys::napi_get_value_string_utf8(self.env, self.values[index], end, room, &raw mut written)
            };
            if status != sys::Status::napi_ok {
                return self.bytes(index).is_ok_and(|bytes| {
                    out.extend_from_slice(bytes);
                    true
                });
            }
            // A character that does not fit is left out whole, and none has more than four bytes.
            if written + 4 < room {
                // SAFETY: `written` bytes behind the length were just initialised.
                unsafe { out.set_len(start + written) };
                break;
            }
            let mut length = 0;
            let (env, value) = (self.env, self.values[index]);
            // SAFETY: as above; a null buffer asks for the length.
            unsafe { sys::napi_get_value_string_utf8(env, value, ptr::null_mut(), 0, &raw mut length) };
            room = length + 8;
        }
        if !out[start..].is_ascii() {
            let text = String::from_utf8_lossy(&out[start..]).into_owned();
            out.truncate(start);
            out.extend(text.chars().map(|character| u8::try_from(character).unwrap_or(0)));
        }
        true
    }

    /// Puts a string's UTF-8 form into `out`, cut at `most` bytes (and up to three more). False: it is no string.
    #[inline]
    pub fn utf8(&self, index: usize, most: usize, out: &mut Vec<u8>) -> bool {
        // N-API writes a NUL at the end, and no part of a character that does not fit.
        let room = most + 4;
        out.clear();
        out.reserve(room);
        let mut written = 0;
        // SAFETY: `out` has room for `room` bytes, and N-API writes no more than that; of them the first `written` are set.
        unsafe {
            let end = out.as_mut_ptr().cast();
            let status = sys::napi_get_value_string_utf8(self.env, self.values[index], end, room, &raw mut written);
            if status != sys::Status::napi_ok {
                return false;
            }
            out.set_len(written);
        }
        true
    }

    /// A string as latin-1, or None for null and undefined.
    pub fn optional_latin1(&self, index: usize, out: &mut Vec<u8>) -> bool {
        out.clear();
        let mut kind = 0;
        // SAFETY: as above.
        unsafe { sys::napi_typeof(self.env, self.values[index], &raw mut kind) };
        kind == sys::ValueType::napi_string && self.append_latin1(index, out)
    }

    /// The bytes of an `ArrayBuffer` or `Uint8Array`, lent for as long as no JS runs.
    #[inline]
    pub fn bytes(&self, index: usize) -> Result<&[u8]> {
        let value = self.values[index];
        let (mut start, mut length) = (ptr::null_mut(), 0);
        // SAFETY: as above; the memory stays where it is during the call, and the slice does not outlive `self`.
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
                    return Err(wrong("a string or a Uint8Array was expected"));
                }
            }
            Ok(if length == 0 { &[] } else { std::slice::from_raw_parts(start.cast(), length) })
        }
    }

    pub fn integer(&self, number: i32) -> Result<sys::napi_value> {
        let mut value = ptr::null_mut();
        // SAFETY: as above.
        checked(unsafe { sys::napi_create_int32(self.env, number, &raw mut value) }, "no number was made")?;
        Ok(value)
    }

    pub fn boolean(&self, truth: bool) -> Result<sys::napi_value> {
        let mut value = ptr::null_mut();
        // SAFETY: as above.
        checked(unsafe { sys::napi_get_boolean(self.env, truth, &raw mut value) }, "no boolean was made")?;
        Ok(value)
    }

    /// N-API reads a null return as `undefined`.
    pub fn undefined() -> sys::napi_value {
        ptr::null_mut()
    }

    /// A string, a character a byte.
    pub fn latin1(&self, text: &[u8]) -> Result<sys::napi_value> {
        let mut value = ptr::null_mut();
        // SAFETY: as above; the text is copied.
        let status = unsafe {
            sys::napi_create_string_latin1(self.env, text.as_ptr().cast(), text.len() as isize, &raw mut value)
        };
        checked(status, "no string was made")?;
        Ok(value)
    }
}
