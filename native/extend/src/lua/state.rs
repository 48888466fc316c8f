//! One Luau state with its plugin: made from the file and the configuration, thrown away when it cannot be trusted.

use std::rc::Rc;
use std::time::Duration;

use mlua::chunk::ChunkMode;
use mlua::{AnyUserData, Function, Lua, Table, Value};

use super::deadline::Running;
use super::errors;
use super::services::Services;
use super::{LuaSource, config, objects, sandbox};
use crate::{Failure, FailureCause, Hook, Level};

pub(super) struct State {
    hooks: Hooks,
    request: AnyUserData,
    response: AnyUserData,
    lua: Lua,
}

/// What a hook has returned.
pub(super) enum Answer {
    /// Go on with the request as it is now.
    Nothing,
    /// The client is this consumer.
    Consumer(Vec<u8>),
}

impl State {
    /// Runs the file and its factory.
    pub(super) fn build(
        source: &LuaSource,
        configuration: &serde_json::Value,
        services: &Rc<Services>,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let clock = Running::start(timeout, source.memory_bytes);
        let built = load(source, configuration, services);
        if clock.is_late() {
            let stack = built.err().map(|failure| failure.stack).unwrap_or_default();
            let reason = format!("loading took more than {} ms", timeout.as_millis());
            return Err(Failure { cause: FailureCause::Deadline, reason, stack });
        }
        built
    }

    pub(super) fn has(&self, hook: Hook) -> bool {
        self.hooks[hook as usize].is_some()
    }

    pub(super) fn used_bytes(&self) -> usize {
        self.lua.used_memory()
    }

    /// Calls a hook with the message that is bound.
    pub(super) fn call(&self, hook: Hook) -> Result<Answer, Failure> {
        let Some(function) = &self.hooks[hook as usize] else {
            // Whether it is called was found out by an earlier state of the same plugin.
            let reason = format!("loaded anew, the plugin has no hook `{}` any more", hook.name());
            return Err(Failure::new(FailureCause::Unavailable, reason));
        };
        let returned: mlua::Result<Value> = match hook {
            Hook::Response => function.call((&self.response, &self.request)),
            _ => function.call(&self.request),
        };
        match returned {
            Ok(Value::Nil) => Ok(Answer::Nothing),
            Ok(value) => answer(hook, &value),
            Err(error) => Err(errors::failure(&error)),
        }
    }
}

fn answer(hook: Hook, value: &Value) -> Result<Answer, Failure> {
    if hook == Hook::Authenticate
        && let Value::Table(table) = value
        && let Ok(Value::String(name)) = table.raw_get("consumer")
    {
        return Ok(Answer::Consumer(name.as_bytes().to_vec()));
    }
    let wanted = if hook == Hook::Authenticate { "{ consumer = name } or nothing" } else { "nothing" };
    Err(failed(format!("the hook `{}` returned a {}, but returns {wanted}", hook.name(), kind(value))))
}

fn load(source: &LuaSource, configuration: &serde_json::Value, services: &Rc<Services>) -> Result<State, Failure> {
    let print = |lua: &Lua| services.log_function(lua, Level::Info);
    let lua = sandbox::new_state(source.memory_bytes, print).map_err(|error| errors::failure(&error))?;
    let hooks = run_factory(&lua, source, configuration, services)?;
    let (request, response) =
        objects::make(&lua, Rc::as_ptr(&services.bound)).map_err(|error| errors::failure(&error))?;
    Ok(State { hooks, request, response, lua })
}

fn run_factory(
    lua: &Lua,
    source: &LuaSource,
    configuration: &serde_json::Value,
    services: &Rc<Services>,
) -> Result<Hooks, Failure> {
    let run = || {
        let factory = match compile(lua, &source.name, &source.text)?.call(())? {
            Value::Function(factory) => factory,
            other => return Ok(Err(not_a("file", "function (config, host)", &other))),
        };
        let arguments = (config::to_lua(lua, configuration)?, services.table(lua)?);
        match factory.call(arguments)? {
            Value::Table(hooks) => Ok(read_hooks(&hooks)?.and_then(|hooks| with_all(hooks, &source.hooks))),
            other => Ok(Err(not_a("factory", "table of hooks", &other))),
        }
    };
    run().unwrap_or_else(|error: mlua::Error| Err(errors::failure(&error)))
}

/// The file as a function.
pub(super) fn compile(lua: &Lua, name: &str, text: &[u8]) -> mlua::Result<Function> {
    // `@`: the chunk's name is a file's.
    lua.load(text).set_name(format!("@{name}")).set_mode(ChunkMode::Text).into_function()
}

type Hooks = [Option<Function>; Hook::ALL.len()];

fn read_hooks(table: &Table) -> mlua::Result<Result<Hooks, Failure>> {
    let mut hooks = [const { None }; Hook::ALL.len()];
    for pair in table.pairs::<Value, Value>() {
        let (name, value) = pair?;
        let hook = match &name {
            Value::String(name) => Hook::ALL.into_iter().find(|hook| name.as_bytes() == hook.name().as_bytes()),
            _ => None,
        };
        let Some(hook) = hook else {
            let names = Hook::ALL.map(Hook::name).join(", ");
            return Ok(Err(failed(format!("`{}` is no hook; the hooks are {names}", name.to_string()?))));
        };
        let Value::Function(function) = value else {
            return Ok(Err(failed(format!("the hook `{}` is a {}, not a function", hook.name(), kind(&value)))));
        };
        hooks[hook as usize] = Some(function);
    }
    Ok(Ok(hooks))
}

fn with_all(hooks: Hooks, wanted: &[Hook]) -> Result<Hooks, Failure> {
    match wanted.iter().find(|hook| hooks[**hook as usize].is_none()) {
        Some(hook) => {
            Err(failed(format!("plugin.yaml names the hook {}, and the factory gave no such function", hook.name())))
        }
        None => Ok(hooks),
    }
}

fn not_a(what: &str, expected: &str, found: &Value) -> Failure {
    failed(format!("the {what} returned a {}, but returns a {expected}", kind(found)))
}

/// As Lua calls it; mlua tells whole numbers apart.
fn kind(value: &Value) -> &'static str {
    if value.is_integer() { "number" } else { value.type_name() }
}

fn failed(reason: String) -> Failure {
    Failure::new(FailureCause::Error, reason)
}
