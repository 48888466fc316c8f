//! Makes a Luau state in which a plugin reaches nothing but its own memory and what the host hands it.

use std::ffi::c_int;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Once;

use mlua::chunk::{ChunkMode, Compiler};
use mlua::ffi::{self, lua_State};
use mlua::state::{GcIncParams, GcMode};
use mlua::{Function, Lua, LuaOptions, StdLib, Table};

use super::deadline;
use super::stack;

/// Of Luau's base library, what reaches other files, other code, the collector, or functions' environments.
const REMOVED: [&str; 7] = ["collectgarbage", "gcinfo", "getfenv", "loadstring", "newproxy", "require", "setfenv"];

/// `table.move` over a range that is almost empty otherwise takes a step for each number of the range, uninterrupted.
const WANTED_FLAG: &str = "LuauTableMoveTimeoutFix";

/// A state with its limits. `print` is what the plugin calls by that name.
pub(super) fn new_state(memory_bytes: usize, print: impl FnOnce(&Lua) -> mlua::Result<Function>) -> mlua::Result<Lua> {
    set_flags();
    // No `debug`: it shows other functions' frames. No `vector`, whose metatable Luau leaves open.
    let libraries = StdLib::COROUTINE
        | StdLib::TABLE
        | StdLib::OS
        | StdLib::STRING
        | StdLib::UTF8
        | StdLib::BIT
        | StdLib::MATH
        | StdLib::BUFFER;
    let lua = Lua::new_with(libraries, LuaOptions::new())?;
    lua.set_memory_limit(memory_bytes)?;
    // Luau's collector does work for 2 KB at an allocation, whatever its size: bodies of some megabytes would outrun it.
    lua.gc_set_mode(GcMode::Incremental(GcIncParams::default().step_size(64)));
    // Not 2: that inlines functions, and they are missing from stacks then.
    lua.set_compiler(Compiler::new().set_optimization_level(1).set_debug_level(1));
    let globals = lua.globals();
    for name in REMOVED {
        globals.raw_remove(name)?;
    }
    globals.raw_set("print", print(&lua)?)?;
    // SAFETY: the function keeps to Luau's conventions for C functions.
    let find_literal = unsafe { lua.create_c_function(find_literal)? };
    lua.load(include_str!("prelude.luau")).set_name("=prelude").set_mode(ChunkMode::Text).call::<()>(find_literal)?;
    seal(&lua, &globals)?;
    Ok(lua)
}

fn set_flags() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An older or newer Luau without the flag needs none; a test holds what it is for.
        let _ = Lua::set_fflag(WANTED_FLAG, true);
    });
}

/// Nothing in the globals, the libraries or the strings' metatable can be changed from now on; and the deadline counts.
fn seal(lua: &Lua, globals: &Table) -> mlua::Result<()> {
    let metatable = lua.create_table()?;
    // SAFETY: as above.
    metatable.raw_set("__newindex", unsafe { lua.create_c_function(refuse_global)? })?;
    metatable.raw_set("__metatable", false)?;
    metatable.set_readonly(true);
    globals.set_metatable(Some(metatable))?;
    // SAFETY: inside a protected call. `interrupt` is Luau's to call from now on, on this thread.
    unsafe {
        lua.exec_raw((), |state| {
            ffi::luaL_sandbox(state, 1);
            // What `tostring` shows of an object tells nothing of where memory is.
            ffi::lua_setpointerencodekey(state, random(), random(), random(), random());
            (*ffi::lua_callbacks(state)).interrupt = Some(deadline::interrupt);
        })
    }
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A global would be seen by the next request.
///
/// # Safety
/// Luau calls this, with the table, the name and the value.
unsafe extern "C-unwind" fn refuse_global(state: *mut lua_State) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        let name = stack::text(state, 2);
        stack::raise(state, &[b"`", name, b"` is no local: write `local ", name, b"`, for globals cannot be set"])
    }
}

/// `string.find` for long patterns: the builtin, the text, the pattern, where to begin, whether it is a literal.
///
/// # Safety
/// The prelude calls this.
unsafe extern "C-unwind" fn find_literal(state: *mut lua_State) -> c_int {
    // SAFETY: the caller's; the texts stay on the stack.
    unsafe {
        let (text, pattern) = (stack::text(state, 2), stack::text(state, 3));
        let literal = ffi::lua_toboolean(state, 5) != 0 || !pattern.iter().any(|byte| b"^$*+?.([%-".contains(byte));
        if !literal {
            ffi::lua_pushvalue(state, 1);
            ffi::lua_insert(state, 2);
            ffi::lua_call(state, ffi::lua_gettop(state) - 2, ffi::LUA_MULTRET);
            return ffi::lua_gettop(state) - 1;
        }
        let begin = match ffi::luaL_optnumber(state, 4, 1.0) {
            begin if begin >= 1.0 => begin as usize - 1,
            begin if begin < 0.0 => text.len().saturating_sub(-begin as usize),
            _ => 0,
        };
        let found = text.get(begin..).and_then(|rest| memchr::memmem::find(rest, pattern));
        let Some(found) = found else {
            ffi::lua_pushnil(state);
            return 1;
        };
        // Luau's strings are shorter than 2^30 bytes.
        let first = (begin + found) as c_int;
        ffi::lua_pushinteger_(state, first + 1);
        ffi::lua_pushinteger_(state, first + pattern.len() as c_int);
        2
    }
}
