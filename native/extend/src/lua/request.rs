//! `request` and `request.context` as a plugin sees them.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::bound::Side;
use super::respond::respond;
use super::stack::{self, Kind};
use crate::{EditRefusal, Request};

/// What [`index`] finds in its upvalues.
const HEADERS: c_int = ffi::lua_upvalueindex(1);
const CONTEXT: c_int = ffi::lua_upvalueindex(2);
const METHODS: c_int = ffi::lua_upvalueindex(3);

/// Leaves the table of methods on the stack.
///
/// # Safety
/// As [`stack::set_function`].
pub(super) unsafe fn push_methods(state: *mut lua_State) {
    // SAFETY: the caller's.
    unsafe {
        ffi::lua_createtable(state, 0, 3);
        stack::set_function(state, c"forwardTo", forward_to);
        stack::set_function(state, c"respond", respond);
        stack::set_function(state, c"fail", fail);
        ffi::lua_setreadonly(state, -1, 1);
    }
}

/// Leaves the context's table of methods on the stack.
///
/// # Safety
/// As [`stack::set_function`].
pub(super) unsafe fn push_context_methods(state: *mut lua_State) {
    // SAFETY: the caller's.
    unsafe {
        ffi::lua_createtable(state, 0, 2);
        stack::set_function(state, c"get", context_get);
        stack::set_function(state, c"set", context_set);
        ffi::lua_setreadonly(state, -1, 1);
    }
}

/// # Safety
/// As [`stack::object`]; and as for [`super::bound::Bound::request`], the result is for one use.
pub(super) unsafe fn bound<'a>(state: *mut lua_State, kind: Kind) -> &'a mut dyn Request {
    // SAFETY: the caller's.
    unsafe {
        let (bound, _) = stack::object(state, kind);
        match bound.request() {
            Some(request) => request,
            None => stack::raise_unbound(state, Side::Request),
        }
    }
}

// SAFETY, for each function from here on: as in `headers.rs`.

/// Reads a field: `request.path`.
pub(super) unsafe extern "C-unwind" fn index(state: *mut lua_State) -> c_int {
    // SAFETY: see above; the closure was made with three upvalues.
    unsafe {
        let field = stack::text(state, 2);
        match field {
            b"headers" => return push_upvalue(state, HEADERS),
            b"context" => return push_upvalue(state, CONTEXT),
            _ => {}
        }
        let request = bound(state, Kind::Request);
        let text = match field {
            b"method" => request.method(),
            b"scheme" => request.scheme(),
            b"host" => request.host(),
            b"path" => request.path(),
            b"query" => request.query(),
            b"remoteAddress" => request.remote_address(),
            b"requestId" => request.request_id(),
            b"route" => request.route(),
            b"consumer" => {
                let consumer = request.consumer();
                return stack::push_or_nil(state, Some(consumer).filter(|name| !name.is_empty()));
            }
            b"body" => return stack::push_or_nil(state, request.body()),
            _ => return method(state, METHODS, b"request", field),
        };
        stack::push(state, text)
    }
}

/// Writes a field: `request.path = '/other'`.
pub(super) unsafe extern "C-unwind" fn new_index(state: *mut lua_State) -> c_int {
    // SAFETY: see above.
    unsafe {
        let field = stack::text(state, 2);
        let edit: fn(&mut dyn Request, &[u8]) -> Result<(), EditRefusal> = match field {
            b"method" => |request, text| request.set_method(text),
            b"host" => |request, text| request.set_host(text),
            b"path" => |request, text| request.set_path(text),
            b"query" => |request, text| request.set_query(text),
            b"body" => |request, text| request.set_body(text),
            b"consumer" => stack::raise(
                state,
                &[b"request.consumer cannot be set: the hook authenticate returns { consumer = name }"],
            ),
            _ => stack::raise(state, &[b"request.", field, b" cannot be set"]),
        };
        let request = bound(state, Kind::Request);
        let value = if field == b"body" { stack::bytes(state, 3) } else { stack::text(state, 3) };
        if let Err(refusal) = edit(request, value) {
            stack::raise(state, &[b"request.", field, b": ", refusal.detail().as_bytes()]);
        }
        0
    }
}

unsafe extern "C-unwind" fn fail(state: *mut lua_State) -> c_int {
    // SAFETY: see above.
    unsafe {
        let message = bound(state, Kind::Request);
        message.fail(stack::text(state, 2));
        0
    }
}

unsafe extern "C-unwind" fn forward_to(state: *mut lua_State) -> c_int {
    // SAFETY: see above.
    unsafe {
        let request = bound(state, Kind::Request);
        let upstream = stack::text(state, 2);
        if let Err(refusal) = request.set_upstream(upstream) {
            stack::raise(state, &[b"request:forwardTo: ", refusal.detail().as_bytes()]);
        }
        0
    }
}

unsafe extern "C-unwind" fn context_get(state: *mut lua_State) -> c_int {
    // SAFETY: see above.
    unsafe {
        let request = bound(state, Kind::Context);
        let name = stack::text(state, 2);
        stack::push_or_nil(state, request.context(name))
    }
}

unsafe extern "C-unwind" fn context_set(state: *mut lua_State) -> c_int {
    // SAFETY: see above.
    unsafe {
        let request = bound(state, Kind::Context);
        let (name, value) = (stack::text(state, 2), stack::text(state, 3));
        if let Err(refusal) = request.set_context(name, value) {
            stack::raise(state, &[b"context `", name, b"`: ", refusal.detail().as_bytes()]);
        }
        0
    }
}

/// # Safety
/// As [`stack::object`].
pub(super) unsafe fn push_upvalue(state: *mut lua_State, upvalue: c_int) -> c_int {
    // SAFETY: the caller's.
    unsafe { ffi::lua_pushvalue(state, upvalue) };
    1
}

/// The method of a name from the table in an upvalue.
///
/// # Safety
/// As [`stack::object`], with the name as the second argument.
pub(super) unsafe fn method(state: *mut lua_State, methods: c_int, object: &[u8], name: &[u8]) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        ffi::lua_pushvalue(state, 2);
        if ffi::lua_rawget(state, methods) == ffi::LUA_TNIL {
            stack::raise(state, &[object, b" has no `", name, b"`"]);
        }
        1
    }
}
