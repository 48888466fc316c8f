//! `request.headers` and `response.headers` as a plugin sees them: `get`, `getAll`, `set`, `append`, `delete`, `entries`.

use std::borrow::Cow;
use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::stack::{self, Kind};
use crate::{EditRefusal, Headers};

/// Leaves the table of methods on the stack.
///
/// # Safety
/// As [`stack::set_function`].
pub(super) unsafe fn push_methods(state: *mut lua_State) {
    // SAFETY: the caller's.
    unsafe {
        ffi::lua_createtable(state, 0, 6);
        stack::set_function(state, c"get", get);
        stack::set_function(state, c"getAll", get_all);
        stack::set_function(state, c"set", set);
        stack::set_function(state, c"append", append);
        stack::set_function(state, c"delete", delete);
        stack::set_function(state, c"entries", entries);
        ffi::lua_setreadonly(state, -1, 1);
    }
}

/// # Safety
/// As [`stack::object`]; and as for [`super::bound::Bound::request`], the result is for one use.
unsafe fn bound<'a>(state: *mut lua_State) -> &'a mut dyn Headers {
    // SAFETY: the caller's.
    unsafe {
        let (bound, side) = stack::object(state, Kind::Headers);
        match bound.headers(side) {
            Some(headers) => headers,
            None => stack::raise_unbound(state, side),
        }
    }
}

/// # Safety
/// As [`stack::raise`].
unsafe fn settle(state: *mut lua_State, edited: Result<(), EditRefusal>, name: &[u8]) -> c_int {
    if let Err(refusal) = edited {
        // SAFETY: the caller's.
        unsafe { stack::raise(state, &[b"header `", name, b"`: ", refusal.detail().as_bytes()]) }
    }
    0
}

// SAFETY, for each function from here on: Luau calls it on the thread that runs the plugin, with its arguments on the
// stack. The message is used for one thing at a time: no method of `Headers` calls Lua.

unsafe extern "C-unwind" fn set(state: *mut lua_State) -> c_int {
    // SAFETY: see above.
    unsafe {
        let headers = bound(state);
        let (name, value) = (stack::text(state, 2), stack::text(state, 3));
        settle(state, headers.set_header(name, value), name)
    }
}

unsafe extern "C-unwind" fn append(state: *mut lua_State) -> c_int {
    // SAFETY: see above.
    unsafe {
        let headers = bound(state);
        let (name, value) = (stack::text(state, 2), stack::text(state, 3));
        settle(state, headers.append_header(name, value), name)
    }
}

unsafe extern "C-unwind" fn delete(state: *mut lua_State) -> c_int {
    // SAFETY: see above.
    unsafe {
        let headers = bound(state);
        let name = stack::text(state, 2);
        settle(state, headers.remove_header(name), name)
    }
}

unsafe extern "C-unwind" fn get(state: *mut lua_State) -> c_int {
    // SAFETY: see above.
    unsafe {
        let headers = bound(state);
        let name = stack::text(state, 2);
        stack::push_or_nil(state, headers.header(name))
    }
}

unsafe extern "C-unwind" fn get_all(state: *mut lua_State) -> c_int {
    // SAFETY: see above. The values are collected first, because to push one may raise an error, which must not unwind
    // through the visit. `values` is dropped then too.
    unsafe {
        let headers = bound(state);
        let name = stack::text(state, 2);
        let mut values = Vec::new();
        headers.headers(&mut |other, value| {
            if other.eq_ignore_ascii_case(name) {
                values.push(value);
            }
        });
        ffi::lua_createtable(state, values.len() as c_int, 0);
        for (index, value) in (1..).zip(&values) {
            stack::push(state, value);
            ffi::lua_rawseti_(state, -2, index);
        }
        1
    }
}

/// An iterator over what is there now, names in lower case: edits made on the way do not disturb it.
unsafe extern "C-unwind" fn entries(state: *mut lua_State) -> c_int {
    // SAFETY: see above, and `get_all`.
    unsafe {
        let mut texts: Vec<Cow<'_, [u8]>> = Vec::new();
        bound(state).headers(&mut |name, value| {
            let is_lower = !name.iter().any(u8::is_ascii_uppercase);
            let name = if is_lower { Cow::Borrowed(name) } else { Cow::Owned(name.to_ascii_lowercase()) };
            texts.extend([name, Cow::Borrowed(value)]);
        });
        ffi::lua_createtable(state, texts.len() as c_int, 0);
        for (index, text) in (1..).zip(&texts) {
            stack::push(state, text);
            ffi::lua_rawseti_(state, -2, index);
        }
        ffi::lua_pushinteger_(state, 1);
        ffi::lua_pushcclosurek(state, next_entry, c"entries".as_ptr(), 2, None);
        1
    }
}

unsafe extern "C-unwind" fn next_entry(state: *mut lua_State) -> c_int {
    let (texts, position) = (ffi::lua_upvalueindex(1), ffi::lua_upvalueindex(2));
    // SAFETY: see above; the closure was made with these two upvalues.
    unsafe {
        let index = ffi::lua_tointegerx_(state, position, std::ptr::null_mut());
        ffi::lua_pushinteger_(state, index + 2);
        ffi::lua_replace(state, position);
        ffi::lua_rawgeti_(state, texts, index);
        ffi::lua_rawgeti_(state, texts, index + 1);
        2
    }
}
