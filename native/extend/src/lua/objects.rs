//! Makes the objects that a state's plugin sees: `request` and `response`, once per state. They cannot be changed, and
//! their metatables cannot be reached.

use std::ffi::{CStr, c_int};

use mlua::ffi::{self, lua_State};
use mlua::{AnyUserData, Lua};

use super::bound::{Bound, Side};
use super::stack::{Handle, Kind};
use super::{headers, request, response};

/// `request` and `response`. `bound` must outlive the state.
pub(super) fn make(lua: &Lua, bound: *const Bound) -> mlua::Result<(AnyUserData, AnyUserData)> {
    // SAFETY: inside a protected call; errors (there is only "not enough memory") unwind to it, and no frame below has a
    // destructor. The stack is made large enough first.
    unsafe {
        lua.exec_raw((), |state| {
            ffi::luaL_checkstack(state, 16, c"objects".as_ptr());
            push_request(state, bound);
            push_response(state, bound);
        })
    }
}

/// # Safety
/// `state` is inside a protected call, with ten free slots.
unsafe fn push_request(state: *mut lua_State, bound: *const Bound) {
    // SAFETY: the caller's.
    unsafe {
        push_object(state, Kind::Request, bound, Side::Request, |state| {
            push_headers(state, bound, Side::Request);
            push_object(state, Kind::Context, bound, Side::Request, |state| {
                request::push_context_methods(state);
                ffi::lua_rawsetfield(state, -2, c"__index".as_ptr());
            });
            request::push_methods(state);
            set_closure(state, c"__index", request::index, 3);
            set_closure(state, c"__newindex", request::new_index, 0);
        });
    }
}

/// # Safety
/// As [`push_request`].
unsafe fn push_response(state: *mut lua_State, bound: *const Bound) {
    // SAFETY: the caller's.
    unsafe {
        push_object(state, Kind::Response, bound, Side::Response, |state| {
            push_headers(state, bound, Side::Response);
            response::push_methods(state);
            set_closure(state, c"__index", response::index, 2);
            set_closure(state, c"__newindex", response::new_index, 0);
        });
    }
}

/// # Safety
/// As [`push_request`].
unsafe fn push_headers(state: *mut lua_State, bound: *const Bound, side: Side) {
    // SAFETY: the caller's.
    unsafe {
        push_object(state, Kind::Headers, bound, side, |state| {
            // A table, and no function: Luau finds a method in it without a call.
            headers::push_methods(state);
            ffi::lua_rawsetfield(state, -2, c"__index".as_ptr());
        });
    }
}

/// Leaves an object on the stack. `fill` sets what it wants in the metatable, which it finds on top.
///
/// # Safety
/// As [`push_request`].
unsafe fn push_object(
    state: *mut lua_State,
    kind: Kind,
    bound: *const Bound,
    side: Side,
    fill: impl FnOnce(*mut lua_State),
) {
    // SAFETY: the caller's. The userdata is as large as a `Handle`, and Luau aligns it to 16 bytes.
    unsafe {
        let handle = ffi::lua_newuserdatatagged(state, size_of::<Handle>(), kind as c_int).cast::<Handle>();
        handle.write(Handle { bound, side });
        ffi::lua_createtable(state, 0, 4);
        fill(state);
        ffi::lua_pushstring_(state, kind.name().as_ptr());
        ffi::lua_rawsetfield(state, -2, c"__type".as_ptr());
        ffi::lua_pushboolean(state, 0);
        ffi::lua_rawsetfield(state, -2, c"__metatable".as_ptr());
        ffi::lua_setreadonly(state, -1, 1);
        ffi::lua_setmetatable(state, -2);
    }
}

/// A field of the metatable: a function whose upvalues are on top of it.
///
/// # Safety
/// As [`push_request`].
unsafe fn set_closure(state: *mut lua_State, name: &'static CStr, function: ffi::lua_CFunction, upvalues: c_int) {
    // SAFETY: the caller's.
    unsafe {
        ffi::lua_pushcclosurek(state, function, name.as_ptr(), upvalues, None);
        ffi::lua_rawsetfield(state, -2, name.as_ptr());
    }
}
