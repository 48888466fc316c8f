//! A plugin's configuration as Lua tables.

use mlua::{Lua, Value};
use serde_json::Value as Json;

/// Tables all the way down, and none can be changed: what one request did would be seen by the next. In an object a null
/// is a field that is not there; in a list it would leave a hole, and is refused.
pub(super) fn to_lua(lua: &Lua, config: &Json) -> mlua::Result<Value> {
    Ok(match config {
        Json::Null => Value::Nil,
        Json::Bool(flag) => Value::Boolean(*flag),
        Json::Number(number) => Value::Number(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Value::String(lua.create_string(text)?),
        Json::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for (index, item) in (1..).zip(items) {
                if item.is_null() {
                    return Err(mlua::Error::runtime("the configuration has a null in a list, which Lua cannot hold"));
                }
                table.raw_set(index, to_lua(lua, item)?)?;
            }
            table.set_readonly(true);
            Value::Table(table)
        }
        Json::Object(fields) => {
            let table = lua.create_table_with_capacity(0, fields.len())?;
            for (name, field) in fields {
                table.raw_set(name.as_str(), to_lua(lua, field)?)?;
            }
            table.set_readonly(true);
            Value::Table(table)
        }
    })
}
