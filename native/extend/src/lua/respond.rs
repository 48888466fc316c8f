//! `request:respond(status, headers, body)`.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::request::bound;
use super::response::status;
use super::stack::{self, Kind};

/// Where the arguments are, and the table that keeps texts made of numbers alive.
const STATUS: c_int = 2;
const HEADERS: c_int = 3;
const BODY: c_int = 4;
const KEPT: c_int = 5;

type Fields<'a> = Vec<(&'a [u8], &'a [u8])>;

/// # Safety
/// Luau calls this; as in `headers.rs`.
pub(super) unsafe extern "C-unwind" fn respond(state: *mut lua_State) -> c_int {
    // SAFETY: as in `headers.rs`. The texts stay where they are: their tables are on the stack and nothing changes them,
    // for no Lua runs in between. What is owned here is dropped where an error unwinds it.
    unsafe {
        ffi::lua_settop(state, BODY);
        ffi::lua_createtable(state, 0, 0);
        let request = bound(state, Kind::Request);
        let status = status(state, STATUS);
        let mut fields = Fields::new();
        if ffi::lua_type(state, HEADERS) != ffi::LUA_TNIL {
            ffi::luaL_checktype(state, HEADERS, ffi::LUA_TTABLE);
            read_fields(state, &mut fields);
        }
        let body = if ffi::lua_type(state, BODY) == ffi::LUA_TNIL { &[] } else { stack::bytes(state, BODY) };
        if let Err(refusal) = request.respond(status, &fields, body) {
            stack::raise(state, &[b"request:respond: ", refusal.detail().as_bytes()]);
        }
        0
    }
}

/// `{ name = value }` or `{ name = { value, value } }`.
///
/// # Safety
/// As [`stack::object`]: a part of `respond`.
unsafe fn read_fields(state: *mut lua_State, fields: &mut Fields<'_>) {
    // SAFETY: the caller's; two slots more at most.
    unsafe {
        ffi::lua_pushnil(state);
        while ffi::lua_next(state, HEADERS) != 0 {
            if ffi::lua_type(state, -2) != ffi::LUA_TSTRING {
                stack::raise(state, &[b"request:respond: a header's name is a string"]);
            }
            let name = stack::text(state, ffi::lua_absindex(state, -2));
            if ffi::lua_istable(state, -1) == 0 {
                let value = value(state, name);
                fields.push((name, value));
                continue;
            }
            for index in 1.. {
                if ffi::lua_rawgeti_(state, -1, index) == ffi::LUA_TNIL {
                    break;
                }
                let value = value(state, name);
                fields.push((name, value));
            }
            ffi::lua_settop(state, -3);
        }
    }
}

/// Takes the value from the top of the stack. A number becomes a text, which no table has yet.
///
/// # Safety
/// As [`read_fields`].
unsafe fn value<'a>(state: *mut lua_State, name: &[u8]) -> &'a [u8] {
    // SAFETY: the caller's.
    unsafe {
        let kind = ffi::lua_type(state, -1);
        if kind != ffi::LUA_TSTRING && kind != ffi::LUA_TNUMBER {
            stack::raise(state, &[b"request:respond: header `", name, b"`: a string or a list of strings expected"]);
        }
        let text = stack::text(state, ffi::lua_absindex(state, -1));
        if kind == ffi::LUA_TNUMBER {
            ffi::lua_rawseti_(state, KEPT, ffi::lua_objlen_(state, KEPT) + 1);
        } else {
            ffi::lua_settop(state, -2);
        }
        text
    }
}
