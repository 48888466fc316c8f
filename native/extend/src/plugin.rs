//! What a plugin is to whoever calls it, whatever runs it.

use std::time::Duration;

use crate::{Failure, FailureCause, Hook, NativePlugin, Reply, Request, Response, SlotRequest};

/// A plugin with its configuration, in one worker. A call ends before another begins. One that has lost its state makes it
/// anew by itself.
pub trait Plugin {
    /// Whether the plugin is called in this hook.
    fn has(&self, hook: Hook) -> bool;

    /// Calls a hook with a request; one that the plugin does not have does nothing. After a failure the request may have
    /// some of the plugin's edits: the caller drops them. What can be stopped is stopped after `timeout`.
    fn on_request(&mut self, hook: Hook, request: &mut dyn Request, timeout: Duration) -> Result<(), Failure>;

    /// As `on_request`, for the hooks that have a response too: None for the hook `log` of a request that the upstream did
    /// not answer.
    fn on_response(
        &mut self,
        hook: Hook,
        response: Option<&mut dyn Response>,
        request: &mut dyn Request,
        timeout: Duration,
    ) -> Result<(), Failure>;
}

impl dyn Plugin {
    /// Calls the request's hook; `reply`: the upstream's, for those that have one. That the plugin says it fails is a failure
    /// too, whatever else it has said.
    pub fn call(
        &mut self,
        request: &mut SlotRequest<'_>,
        mut reply: Option<&mut Reply<'_>>,
        timeout: Duration,
    ) -> Result<(), Failure> {
        let hook = request.hook();
        let called = match hook {
            Hook::Response | Hook::Log => {
                let response = reply.as_deref_mut().map(|reply| reply as &mut dyn Response);
                self.on_response(hook, response, request, timeout)
            }
            _ => self.on_request(hook, request, timeout),
        };
        let said = reply.and_then(Reply::take_failure).or_else(|| request.take_failure());
        let outcome = match (called, said) {
            (Ok(()), Some(reason)) => Err(Failure::new(FailureCause::Error, String::from_utf8_lossy(&reason))),
            (called, _) => called,
        };
        outcome.map_err(Failure::cut)
    }
}

/// Nothing stops native code: who calls it looks at the clock afterwards.
impl Plugin for NativePlugin {
    fn has(&self, hook: Hook) -> bool {
        self.has(hook)
    }

    fn on_request(&mut self, hook: Hook, request: &mut dyn Request, _timeout: Duration) -> Result<(), Failure> {
        self.on_request(hook, request)
    }

    fn on_response(
        &mut self,
        hook: Hook,
        response: Option<&mut dyn Response>,
        request: &mut dyn Request,
        _timeout: Duration,
    ) -> Result<(), Failure> {
        self.on_response(hook, response, request)
    }
}
