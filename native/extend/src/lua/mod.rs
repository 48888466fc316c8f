//! Plugins in Luau. One state per configuration of a plugin and worker: sandboxed, with a memory limit and a deadline for
//! each call. What a plugin keeps in its locals lives from request to request; globals it cannot set.
//!
//! The addon loads a [`LuaPlugin`] when a worker prepares a configuration, and calls it within the request's one crossing.

mod bound;
mod config;
mod deadline;
mod errors;
mod headers;
mod objects;
mod request;
mod respond;
mod response;
mod sandbox;
mod services;
mod stack;
mod state;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

use mlua::{Lua, LuaOptions, StdLib};

use bound::Bound;
use deadline::Running;
use services::Services;
use state::{Answer, State};

use crate::store::Store;
use crate::{Failure, FailureCause, Hook, Host, Plugin, Request, Response};

/// After a state could not be made, the next attempt comes no sooner.
const REBUILD_PAUSE: Duration = Duration::from_secs(1);

/// What [`LuaPlugin::load`] is given.
#[derive(Clone, Debug)]
pub struct LuaSource {
    /// What errors and stacks call the file, such as `greeting/plugin.lua`.
    pub name: String,
    /// The file: Luau's text, no bytecode.
    pub text: Vec<u8>,
    /// The operator's configuration, as JSON.
    pub config_json: String,
    /// Those that the manifest names: the plugin must have them.
    pub hooks: Vec<Hook>,
    /// What the state may use; a plugin that wants more has failed, and loses it.
    pub memory_bytes: usize,
    /// What `host.store` may use.
    pub store_bytes: usize,
    /// How long the file and its factory may run.
    pub load_timeout: Duration,
    /// As `load_timeout`, where a lost state is made anew: a request waits for that, and all others of the worker.
    pub reload_timeout: Duration,
}

impl LuaSource {
    /// With the usual limits: 32 MiB, 16 MiB, a second and a quarter of one. It must have no hook.
    pub fn new(name: impl Into<String>, text: impl Into<Vec<u8>>, config_json: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
            config_json: config_json.into(),
            hooks: Vec::new(),
            memory_bytes: 32 << 20,
            store_bytes: 16 << 20,
            load_timeout: Duration::from_secs(1),
            reload_timeout: Duration::from_millis(250),
        }
    }
}

/// A plugin with its configuration, in one worker.
pub struct LuaPlugin {
    // Before `services`, whose `Bound` the state's objects point to.
    state: Option<State>,
    source: LuaSource,
    config: serde_json::Value,
    services: Rc<Services>,
    hooks: [bool; Hook::ALL.len()],
    not_before: Option<Instant>,
}

impl LuaPlugin {
    /// Runs the file and its factory. What is wrong with them is the failure's reason.
    pub fn load(source: LuaSource, host: Rc<dyn Host>) -> Result<Self, Failure> {
        let config = serde_json::from_str(&source.config_json)
            .map_err(|error| Failure::new(FailureCause::Error, format!("the configuration is no JSON: {error}")))?;
        let services = Rc::new(Services {
            host,
            bound: Rc::new(Bound::default()),
            values: RefCell::new(Store::new(source.store_bytes)),
        });
        let state = State::build(&source, &config, &services, source.load_timeout)?;
        let hooks = Hook::ALL.map(|hook| state.has(hook));
        Ok(Self { state: Some(state), source, config, services, hooks, not_before: None })
    }

    /// What the state uses now, in bytes.
    pub fn used_bytes(&self) -> usize {
        self.state.as_ref().map_or(0, State::used_bytes)
    }

    fn run(
        &mut self,
        hook: Hook,
        request: &mut dyn Request,
        response: Option<&mut dyn Response>,
        timeout: Duration,
    ) -> Result<(), Failure> {
        if !self.has(hook) {
            return Ok(());
        }
        let mut left = timeout;
        if self.state.is_none() {
            let began = Instant::now();
            self.rebuild()?;
            left = timeout.saturating_sub(began.elapsed());
        }
        let Some(state) = &self.state else { return Err(unavailable("there is no state")) };
        let bound = Rc::clone(&self.services.bound);
        let binding = bound.bind(hook, &mut *request, response.filter(|_| hook == Hook::Response));
        let clock = Running::start(left, self.source.memory_bytes);
        let called = catch_unwind(AssertUnwindSafe(|| state.call(hook)));
        let late = clock.is_late();
        drop(clock);
        drop(binding);
        // A panic came through Luau's own frames, which do not expect it: the state cannot be trusted after it.
        let answer = called
            .unwrap_or_else(|_panic| Err(Failure::new(FailureCause::Unavailable, "the gateway panicked in this call")));
        if let Err(Failure { cause: FailureCause::Memory | FailureCause::Unavailable, .. }) = answer {
            self.state = None;
        }
        match answer {
            Ok(_) if late => Err(too_late(timeout, String::new())),
            Err(failure) if late => Err(too_late(timeout, failure.stack)),
            Err(failure) => Err(failure),
            Ok(Answer::Nothing) => Ok(()),
            Ok(Answer::Consumer(name)) => request
                .set_consumer(&name)
                .map_err(|refusal| Failure::new(FailureCause::Error, format!("consumer: {}", refusal.detail()))),
        }
    }

    fn rebuild(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        if self.not_before.is_some_and(|not_before| now < not_before) {
            return Err(unavailable("the plugin could not be loaded anew a moment ago"));
        }
        match State::build(&self.source, &self.config, &self.services, self.source.reload_timeout) {
            Ok(state) => {
                self.state = Some(state);
                self.not_before = None;
                Ok(())
            }
            Err(failure) => {
                self.not_before = Some(Instant::now() + REBUILD_PAUSE);
                let reason = format!("the plugin could not be loaded anew: {}", failure.reason);
                Err(Failure { cause: FailureCause::Unavailable, reason, ..failure })
            }
        }
    }
}

/// A state that was lost is made anew by the next call.
impl Plugin for LuaPlugin {
    fn has(&self, hook: Hook) -> bool {
        self.hooks[hook as usize]
    }

    fn on_request(&mut self, hook: Hook, request: &mut dyn Request, timeout: Duration) -> Result<(), Failure> {
        self.run(hook, request, None, timeout)
    }

    fn on_response(
        &mut self,
        hook: Hook,
        response: Option<&mut dyn Response>,
        request: &mut dyn Request,
        timeout: Duration,
    ) -> Result<(), Failure> {
        self.run(hook, request, response, timeout)
    }
}

/// What keeps the text from being a plugin's at all, in one line with its place; it is compiled, and nothing of it runs.
pub fn syntax_problem(name: &str, text: &[u8]) -> Option<String> {
    let compiled = Lua::new_with(StdLib::NONE, LuaOptions::new()).and_then(|lua| state::compile(&lua, name, text));
    compiled.err().map(|error| errors::failure(&error).reason)
}

fn unavailable(reason: &str) -> Failure {
    Failure::new(FailureCause::Unavailable, reason)
}

fn too_late(timeout: Duration, stack: String) -> Failure {
    let reason = format!("the call took more than {} ms", timeout.as_millis());
    Failure { cause: FailureCause::Deadline, reason, stack }
}
