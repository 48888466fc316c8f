//! `host` as a plugin sees it: `host.log`, `host.store`; and `print`.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mlua::{Function, Lua, LuaString, Table, Value, Variadic};

use super::bound::Bound;
use crate::store::Store;
use crate::{Host, Level, LogLine};

/// What outlives a state: the same for each state that one plugin is given.
pub(super) struct Services {
    pub(super) host: Rc<dyn Host>,
    pub(super) bound: Rc<Bound>,
    pub(super) values: RefCell<Store>,
}

impl Services {
    /// `host`, for a state.
    pub(super) fn table(self: &Rc<Self>, lua: &Lua) -> mlua::Result<Table> {
        let log = lua.create_table()?;
        for level in Level::ALL {
            log.raw_set(level.name(), self.log_function(lua, level)?)?;
        }
        let host = lua.create_table()?;
        host.raw_set("log", sealed(log))?;
        host.raw_set("store", sealed(self.store(lua)?))?;
        Ok(sealed(host))
    }

    /// Writes its arguments to the log, with tabs between, as Lua's `print` does.
    pub(super) fn log_function(self: &Rc<Self>, lua: &Lua, level: Level) -> mlua::Result<Function> {
        let services = Rc::clone(self);
        lua.create_function(move |_, values: Variadic<Value>| {
            let mut message = Vec::new();
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    message.push(b'\t');
                }
                match value {
                    Value::String(text) => message.extend_from_slice(&text.as_bytes()),
                    other => message.extend_from_slice(other.to_string()?.as_bytes()),
                }
            }
            message.truncate(LogLine::MAX_MESSAGE_BYTES);
            services.log(level, &message);
            Ok(())
        })
    }

    fn log(&self, level: Level, message: &[u8]) {
        let hook = self.bound.hook();
        // SAFETY: the request is read for this line only, and a host does not call the plugin.
        let request = unsafe { self.bound.request() };
        let (route, request_id) = request.map_or((&[][..], &[][..]), |request| (request.route(), request.request_id()));
        self.host.log(&LogLine { level, message, hook, route, request_id });
    }

    fn store(self: &Rc<Self>, lua: &Lua) -> mlua::Result<Table> {
        let table = lua.create_table()?;
        let services = Rc::clone(self);
        let get = move |lua: &Lua, key: LuaString| {
            let mut values = services.values.borrow_mut();
            values.get(&key.as_bytes(), Instant::now()).map(|value| lua.create_string(value)).transpose()
        };
        table.raw_set("get", lua.create_function(get)?)?;
        let services = Rc::clone(self);
        let set = move |_: &Lua, (key, value, ttl_ms): (LuaString, LuaString, f64)| {
            let time_to_live = time_to_live(ttl_ms)?;
            let mut values = services.values.borrow_mut();
            values
                .set(&key.as_bytes(), &value.as_bytes(), time_to_live, Instant::now())
                .map_err(|refusal| mlua::Error::runtime(format!("host.store.set: {}", refusal.detail())))
        };
        table.raw_set("set", lua.create_function(set)?)?;
        let services = Rc::clone(self);
        let delete = move |_: &Lua, key: LuaString| {
            services.values.borrow_mut().delete(&key.as_bytes());
            Ok(())
        };
        table.raw_set("delete", lua.create_function(delete)?)?;
        Ok(table)
    }
}

fn time_to_live(ttl_ms: f64) -> mlua::Result<Duration> {
    if ttl_ms > 0.0 {
        // More than the clock can count is for ever.
        return Ok(Duration::try_from_secs_f64(ttl_ms / 1000.0).unwrap_or(Duration::MAX));
    }
    Err(mlua::Error::runtime("host.store.set: ttlMs must be a number above 0"))
}

fn sealed(table: Table) -> Table {
    table.set_readonly(true);
    table
}
