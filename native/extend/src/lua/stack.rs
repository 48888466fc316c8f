//! Reading arguments from Luau's stack and raising errors on it, for the functions that plugins call. These are plain C
//! functions, and not closures of mlua, because a plugin's call is made of them: 30 ns each instead of 200.
//!
//! Every function here may raise a Lua error, which unwinds the caller's frame as a foreign exception.

use std::ffi::{CStr, c_int};

use mlua::ffi::{self, lua_State};

use super::bound::{Bound, Side};

/// What an object's userdata holds.
#[repr(C)]
pub(super) struct Handle {
    /// Owned by the plugin, which outlives its state.
    pub(super) bound: *const Bound,
    /// Whose object it is.
    pub(super) side: Side,
}

/// An object's kind: its tag tells Luau's userdata apart (mlua's own have none), and errors name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Headers = 64,
    Request = 65,
    Response = 66,
    Context = 67,
}

impl Kind {
    /// What `typeof` says.
    pub(super) const fn name(self) -> &'static CStr {
        match self {
            Self::Headers => c"Headers",
            Self::Request => c"Request",
            Self::Response => c"Response",
            Self::Context => c"Context",
        }
    }
}

/// The first argument: the object that a method was called on.
///
/// # Safety
/// `state` runs a C function. The result is good until that function returns.
pub(super) unsafe fn object<'a>(state: *mut lua_State, kind: Kind) -> (&'a Bound, Side) {
    // SAFETY: a userdata with one of our tags is a `Handle` of ours, and its `Bound` outlives the state.
    unsafe {
        let handle = ffi::lua_touserdatatagged(state, 1, kind as c_int).cast::<Handle>();
        if handle.is_null() {
            ffi::luaL_typeerror(state, 1, kind.name().as_ptr());
        }
        (&*(*handle).bound, (*handle).side)
    }
}

/// An argument that is a string (or a number, which becomes one in place).
///
/// # Safety
/// As [`object`]; the argument must stay on the stack.
pub(super) unsafe fn text<'a>(state: *mut lua_State, index: c_int) -> &'a [u8] {
    // SAFETY: Luau gives a string's address and length, or raises an error.
    unsafe {
        let mut length = 0;
        let start = ffi::luaL_checklstring(state, index, &raw mut length);
        std::slice::from_raw_parts(start.cast(), length)
    }
}

/// An argument that is a string or a buffer.
///
/// # Safety
/// As [`text`].
pub(super) unsafe fn bytes<'a>(state: *mut lua_State, index: c_int) -> &'a [u8] {
    // SAFETY: as in `text`.
    unsafe {
        if ffi::lua_isbuffer(state, index) == 0 {
            return text(state, index);
        }
        let mut length = 0;
        let start = ffi::lua_tobuffer(state, index, &raw mut length);
        std::slice::from_raw_parts(start.cast(), length)
    }
}

/// An argument that is a whole number.
///
/// # Safety
/// As [`object`].
pub(super) unsafe fn whole_number(state: *mut lua_State, index: c_int) -> f64 {
    // SAFETY: raises an error where there is no number.
    let number = unsafe { ffi::luaL_checknumber(state, index) };
    if number.fract() == 0.0 {
        return number;
    }
    // SAFETY: as above.
    unsafe { ffi::luaL_argerror(state, index, c"whole number expected".as_ptr()) }
}

/// Leaves `text` on the stack.
///
/// # Safety
/// As [`object`].
pub(super) unsafe fn push(state: *mut lua_State, text: &[u8]) -> c_int {
    // SAFETY: Luau copies the bytes.
    unsafe { ffi::lua_pushlstring_(state, text.as_ptr().cast(), text.len()) };
    1
}

/// Leaves `text`, or nil, on the stack.
///
/// # Safety
/// As [`object`].
pub(super) unsafe fn push_or_nil(state: *mut lua_State, text: Option<&[u8]>) -> c_int {
    let Some(text) = text else {
        // SAFETY: the caller's.
        unsafe { ffi::lua_pushnil(state) };
        return 1;
    };
    // SAFETY: the caller's.
    unsafe { push(state, text) }
}

/// Raises an error at the plugin's line; the parts are joined.
///
/// # Safety
/// As [`object`]. The caller's frame is unwound: what it owns is dropped.
pub(super) unsafe fn raise(state: *mut lua_State, parts: &[&[u8]]) -> ! {
    // SAFETY: a C function has 20 free slots, and no caller has more than 10 parts.
    unsafe {
        ffi::luaL_where(state, 1);
        for part in parts {
            push(state, part);
        }
        ffi::lua_concat(state, parts.len() as c_int + 1);
        ffi::lua_error(state)
    }
}

/// Raises the error that no message is bound.
///
/// # Safety
/// As [`raise`].
pub(super) unsafe fn raise_unbound(state: *mut lua_State, side: Side) -> ! {
    let what: &[u8] = match side {
        Side::Request => b"there is no request outside of a hook",
        Side::Response => b"there is no response in this hook",
    };
    // SAFETY: the caller's.
    unsafe { raise(state, &[what]) }
}

/// A C function as a field of the table on top of the stack.
///
/// # Safety
/// `state` is inside a protected call, with three free slots.
pub(super) unsafe fn set_function(state: *mut lua_State, name: &'static CStr, function: ffi::lua_CFunction) {
    // SAFETY: the name lives for ever, as Luau wants of a debug name.
    unsafe {
        ffi::lua_pushcclosurek(state, function, name.as_ptr(), 0, None);
        ffi::lua_rawsetfield(state, -2, name.as_ptr());
    }
}
