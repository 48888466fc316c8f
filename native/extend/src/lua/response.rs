//! `response` as a plugin sees it.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::bound::Side;
use super::request::{method, push_upvalue};
use super::stack::{self, Kind};
use crate::Response;

/// What [`index`] finds in its upvalues.
const HEADERS: c_int = ffi::lua_upvalueindex(1);
const METHODS: c_int = ffi::lua_upvalueindex(2);

/// Leaves the table of methods on the stack.
///
/// # Safety
/// As [`stack::set_function`].
pub(super) unsafe fn push_methods(state: *mut lua_State) {
    // SAFETY: the caller's.
    unsafe {
        ffi::lua_createtable(state, 0, 1);
        stack::set_function(state, c"fail", fail);
        ffi::lua_setreadonly(state, -1, 1);
    }
}

/// # Safety
/// As [`stack::object`]; and as for [`super::bound::Bound::response`], the result is for one use.
unsafe fn bound<'a>(state: *mut lua_State) -> &'a mut dyn Response {
    // SAFETY: the caller's.
    unsafe {
        let (bound, _) = stack::object(state, Kind::Response);
        match bound.response() {
            Some(response) => response,
            None => stack::raise_unbound(state, Side::Response),
        }
    }
}

// SAFETY, for each function from here on: as in `headers.rs`.

/// Reads a field: `response.status`.
pub(super) unsafe extern "C-unwind" fn index(state: *mut lua_State) -> c_int {
    // SAFETY: see above; the closure was made with two upvalues.
    unsafe {
        match stack::text(state, 2) {
            b"headers" => push_upvalue(state, HEADERS),
            b"status" => {
                ffi::lua_pushinteger_(state, c_int::from(bound(state).status()));
                1
            }
            b"body" => stack::push_or_nil(state, bound(state).body()),
            field => method(state, METHODS, b"response", field),
        }
    }
}

/// Writes a field: `response.status = 404`.
pub(super) unsafe extern "C-unwind" fn new_index(state: *mut lua_State) -> c_int {
    // SAFETY: see above.
    unsafe {
        let field = stack::text(state, 2);
        let edited = match field {
            b"status" => bound(state).set_status(status(state, 3)),
            b"body" => bound(state).set_body(stack::bytes(state, 3)),
            _ => stack::raise(state, &[b"response.", field, b" cannot be set"]),
        };
        if let Err(refusal) = edited {
            stack::raise(state, &[b"response.", field, b": ", refusal.detail().as_bytes()]);
        }
        0
    }
}

/// A status; what is none of HTTP's becomes 0, which every message refuses.
///
/// # Safety
/// As [`stack::object`].
pub(super) unsafe fn status(state: *mut lua_State, index: c_int) -> u16 {
    // SAFETY: the caller's.
    let number = unsafe { stack::whole_number(state, index) };
    if (100.0..=999.0).contains(&number) { number as u16 } else { 0 }
}

unsafe extern "C-unwind" fn fail(state: *mut lua_State) -> c_int {
    // SAFETY: see above.
    unsafe {
        let message = bound(state);
        message.fail(stack::text(state, 2));
        0
    }
}
