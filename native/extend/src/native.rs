//! Plugins in native code, behind the C interface of `plugins/contract/polygate_plugin.h`. They are trusted: nothing stops
//! one that loops or writes where it must not. What can be checked is checked when it is loaded, and an
//! instance that has panicked is made anew from the library that is loaded: what lies in the file is the next reload's.
//!
//! The addon loads a [`NativePlugin`] when a worker prepares a configuration, and calls it within the request's one
//! crossing.

mod host_table;
mod library;
mod message;

use std::ffi::c_void;
use std::path::PathBuf;
use std::ptr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use polygate_plugin_abi::{self as abi, outcome};

use host_table::HostTable;
use message::{Access, Message, Reason};

use crate::{Failure, FailureCause, Hook, Host, Request, Response};

/// What [`NativePlugin::load`] is given.
#[derive(Clone, Debug)]
pub struct NativeSource {
    /// The plugin's name, for messages.
    pub name: String,
    /// The shared library.
    pub file: PathBuf,
    /// Where copies are kept under names of their content: the loader would take a changed file of the same name for the
    /// one that it has. The gateway's own, and not on a file system that is mounted `noexec`.
    pub folder: PathBuf,
    /// The operator's configuration, as JSON.
    pub config_json: String,
    /// Those that the manifest names: the plugin must have them.
    pub hooks: Vec<Hook>,
}

/// A plugin with its configuration, in one worker.
pub struct NativePlugin {
    name: String,
    config_json: String,
    table: &'static abi::Plugin,
    instance: Instance,
    /// The plugin keeps a pointer to it.
    host: Rc<HostTable>,
    hooks: [bool; Hook::ALL.len()],
}

enum Instance {
    There(*mut c_void),
    /// It has broken, and could not be made anew for this reason; the next attempt comes no sooner.
    Gone {
        reason: String,
        until: Instant,
    },
}

/// Between two attempts to make an instance anew.
const REST: Duration = Duration::from_secs(1);

impl NativePlugin {
    /// Opens the library and creates an instance. What is wrong with them is the failure's reason.
    pub fn load(source: &NativeSource, host: Rc<dyn Host>) -> Result<Self, Failure> {
        let table = library::open(&source.file, &source.folder, &source.name)?;
        for hook in &source.hooks {
            if !has(table, *hook) {
                let text =
                    format!("{}: the manifest names the hook `{}`, which the library lacks", source.name, hook.name());
                return Err(Failure::new(FailureCause::Error, text));
            }
        }
        let host = HostTable::new(host);
        let instance = create(table, &host, &source.config_json)
            .map_err(|reason| Failure::new(FailureCause::Error, format!("{}: {reason}", source.name)))?;
        let mut hooks = [false; Hook::ALL.len()];
        for hook in &source.hooks {
            hooks[*hook as usize] = true;
        }
        let (name, config_json) = (source.name.clone(), source.config_json.clone());
        Ok(Self { name, config_json, table, instance: Instance::There(instance), host, hooks })
    }

    /// Whether the plugin is called in this hook.
    pub fn has(&self, hook: Hook) -> bool {
        self.hooks[hook as usize]
    }

    /// Calls a hook with a request; one that the plugin does not have does nothing. After a failure the request may have
    /// some of the plugin's edits: the caller drops them.
    pub fn on_request(&mut self, hook: Hook, request: &mut dyn Request) -> Result<(), Failure> {
        let function = match hook {
            Hook::Request => self.table.request,
            Hook::Authenticate => self.table.authenticate,
            Hook::Authorize => self.table.authorize,
            Hook::Forward => self.table.forward,
            Hook::Response | Hook::Log => None,
        };
        let Some(function) = function.filter(|_| self.has(hook)) else { return Ok(()) };
        let instance = self.instance()?;
        let mut message = Message::request(request, Access::All);
        let pointer = message.pointer();
        let running = self.host.begin(hook, pointer);
        // SAFETY: a function of the table with its own instance, on its thread, and no other call of it is running: the
        // plugin is borrowed mutably. The message is there until the call ends.
        let returned = unsafe { function(instance, pointer) };
        drop(running);
        self.settle(returned, message.take_failure())
    }

    /// As [`NativePlugin::on_request`], for the hooks that have a response too: it is None for the hook `log` of a request
    /// that the upstream did not answer.
    pub fn on_response(
        &mut self,
        hook: Hook,
        response: Option<&mut dyn Response>,
        request: &mut dyn Request,
    ) -> Result<(), Failure> {
        if !self.has(hook) {
            return Ok(());
        }
        let instance = self.instance()?;
        let access = if hook == Hook::Log { Access::Read } else { Access::All };
        let mut request = Message::request(request, if hook == Hook::Log { Access::Read } else { Access::Context });
        let mut response = response.map(|response| Message::response(response, access));
        let asked = request.pointer();
        let answer = response.as_mut().map_or(ptr::null_mut(), Message::pointer);
        let running = self.host.begin(hook, asked);
        let returned = match (hook, self.table.response, self.table.log) {
            // SAFETY: as in `on_request`.
            (Hook::Response, Some(function), _) if !answer.is_null() => unsafe { function(instance, answer, asked) },
            // SAFETY: as in `on_request`.
            (Hook::Log, _, Some(function)) => unsafe { function(instance, asked, answer) },
            _ => outcome::DONE,
        };
        drop(running);
        let failure = response.as_mut().and_then(Message::take_failure).or_else(|| request.take_failure());
        self.settle(returned, failure)
    }

    /// The one to call: made anew, where it is due.
    fn instance(&mut self) -> Result<*mut c_void, Failure> {
        if matches!(&self.instance, Instance::Gone { until, .. } if *until <= Instant::now()) {
            self.renew();
        }
        match &self.instance {
            Instance::There(instance) => Ok(*instance),
            Instance::Gone { reason, .. } => {
                let text = format!("{}: the plugin could not be made anew: {reason}", self.name);
                Err(Failure::new(FailureCause::Unavailable, text))
            }
        }
    }

    fn renew(&mut self) {
        self.destroy();
        self.instance = match create(self.table, &self.host, &self.config_json) {
            Ok(instance) => Instance::There(instance),
            Err(reason) => Instance::Gone { reason, until: Instant::now() + REST },
        };
    }

    fn destroy(&mut self) {
        let gone = Instance::Gone { reason: String::new(), until: Instant::now() };
        if let (Instance::There(instance), Some(destroy)) =
            (std::mem::replace(&mut self.instance, gone), self.table.destroy)
        {
            // SAFETY: the last call of this instance, on its thread; the host's table is dropped after it.
            unsafe { destroy(instance) };
        }
    }

    fn settle(&mut self, returned: i32, failure: Option<Reason>) -> Result<(), Failure> {
        let reason = || failure.map_or_else(|| format!("the hook returned {returned} without a reason"), Reason::into);
        match returned {
            outcome::DONE => Ok(()),
            outcome::FAILED => Err(Failure::new(FailureCause::Error, reason())),
            _ => {
                // It has panicked, or says that it cannot go on.
                self.renew();
                Err(Failure::new(FailureCause::Error, reason()))
            }
        }
    }
}

impl Drop for NativePlugin {
    fn drop(&mut self) {
        self.destroy();
    }
}

/// An instance of a library, or why there is none.
fn create(table: &abi::Plugin, host: &HostTable, config_json: &str) -> Result<*mut c_void, String> {
    let create = table.create.ok_or("the library's table has no `create`")?;
    let mut instance = ptr::null_mut();
    // SAFETY: a function of the table, which `library::open` has checked; the host's table stays in its box until the
    // instance is destroyed, and what else is lent, for this call.
    let created = unsafe { create(host.table(), abi::Text::of(config_json.as_bytes()), &raw mut instance) };
    if created == outcome::DONE {
        return Ok(instance);
    }
    Err(host.refusal().unwrap_or_else(|| format!("`create` returned {created} without a reason")))
}

impl std::fmt::Debug for NativePlugin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("NativePlugin")
            .field("hooks", &self.hooks)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn has(table: &abi::Plugin, hook: Hook) -> bool {
    match hook {
        Hook::Request => table.request.is_some(),
        Hook::Authenticate => table.authenticate.is_some(),
        Hook::Authorize => table.authorize.is_some(),
        Hook::Forward => table.forward.is_some(),
        Hook::Response => table.response.is_some(),
        Hook::Log => table.log.is_some(),
    }
}
