//! Plugins that run in the worker's own thread, for JavaScript: by number, and each call of a hook one crossing. What a
//! plugin edits lies in the slot at once; what else it says JavaScript asks for when the verdict tells that there is some.

// Reason: in a test build nothing registers the functions with Node.
#![cfg_attr(test, allow(dead_code))]

mod lines;
mod load;
mod said;

use std::ffi::c_void;
use std::rc::Rc;
use std::time::Duration;

use napi::bindgen_prelude::{Result, ToNapiValue};
use napi::sys;
use polygate_extend::{Carried, Facts, Hook, Plugin, Reply, SlotRequest};
use polygate_head::Edits;

use crate::arguments::{Arguments, method, wrong};
use crate::exchanges::{Exchanges, this};
use crate::heads::{NO_SLOT, with_edits};
use lines::Lines;
use said::Said;

/// Bits of `callPlugin`'s flags; the lowest three are the hook. `PluginCall` in `ts/shared/native-plugins.ts`.
const TENTATIVE: usize = 8;
const TLS: usize = 16;
const BODY: usize = 32;
const CONTEXT: usize = 64;
const REPLY: usize = 128;
/// From this bit on the number of the consumer.
const CONSUMER_SHIFT: usize = 8;

/// Bits of its verdict; `PluginVerdict` there.
const FAILED: i32 = 1;
const SAID: i32 = 2;
const LOGGED: i32 = 4;

type Call = Arguments<10>;

/// The part of `Exchanges` that is about plugins.
#[derive(Default)]
pub struct Plugins {
    /// By number.
    list: Vec<Option<Entry>>,
    /// Of the call that is running, or was the last.
    carried: Carried,
    said: Said,
    route: Vec<u8>,
    block: Vec<u8>,
}

struct Entry {
    plugin: Box<dyn Plugin>,
    lines: Rc<Lines>,
}

/// The functions, as properties of `Exchanges`.
pub fn methods(data: *mut c_void) -> [sys::napi_property_descriptor; 6] {
    [
        method(c"loadNativePlugin", load::native, data),
        method(c"loadLuaPlugin", load::lua, data),
        method(c"dropPlugin", forget, data),
        method(c"callPlugin", call, data),
        method(c"pluginSaid", said, data),
        method(c"pluginLines", lines, data),
    ]
}

/// `dropPlugin(plugin)`: its last lines, as `pluginLines`.
unsafe extern "C" fn forget(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        let index = call.number_at(0)?;
        // SAFETY: as in `this`.
        let entry = unsafe { this(call.data) }.plugins.list.get_mut(index).and_then(Option::take);
        let last = entry.map(|Entry { plugin, lines }| {
            drop(plugin);
            lines.take()
        });
        // SAFETY: `env` is that of the running call, on its thread.
        unsafe { Vec::to_napi_value(env, last.unwrap_or_default()) }
    })
}

/// `pluginLines(plugin)`: level, message, level, message, ... since the last time.
unsafe extern "C" fn lines(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        let index = call.number_at(0)?;
        // SAFETY: as in `this`.
        let entry = unsafe { this(call.data) }.plugins.list.get(index).and_then(Option::as_ref);
        // SAFETY: as above.
        unsafe { Vec::to_napi_value(env, entry.map(|entry| entry.lines.take()).unwrap_or_default()) }
    })
}

/// `pluginSaid()`: what the call has said whose verdict was the last.
unsafe extern "C" fn said(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<0>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let said = std::mem::take(&mut unsafe { this(call.data) }.plugins.said);
        // SAFETY: `env` is that of the running call, on its thread.
        unsafe { Said::to_napi_value(env, said) }
    })
}

/// `callPlugin(plugin, flags, slot, timeoutMs, route, body?, context?, status?, block?, replyBody?)`: bits of the verdict,
/// or `noHead`.
unsafe extern "C" fn call(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Call::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let Exchanges { plugins, consumers, clients, heads, .. } = unsafe { this(call.data) };
        let (index, flags, slot) = (call.number_at(0)?, call.number_at(1)?, call.number_at(2)?);
        let timeout = Duration::from_millis(call.number_at(3)? as u64);
        let hook = Hook::of(flags & 7).ok_or_else(|| wrong("no such hook"))?;
        let Plugins { list, carried, said, route, block } = plugins;
        let entry = list.get_mut(index).and_then(Option::as_mut).ok_or_else(|| wrong("no such plugin"))?;
        route.clear();
        if !call.append_latin1(4, route) {
            return Err(wrong("the route's name was expected"));
        }
        carried.clear(flags & TENTATIVE != 0);
        if flags & CONTEXT != 0 {
            for pair in call.object_at::<Vec<String>>(6)?.as_chunks::<2>().0 {
                carried.bring(pair[0].as_bytes(), pair[1].as_bytes());
            }
        }
        let mut reply = read_reply(call, flags, block)?;
        let facts = Facts {
            hook,
            tls: flags & TLS != 0,
            body: if flags & BODY == 0 { None } else { Some(call.bytes(5)?) },
            remote_address: clients.get(slot).map_or(b"", |client| &client.0),
            route,
            consumer: consumers.name((flags >> CONSUMER_SHIFT) as i32),
        };
        let outcome = with_edits(*heads, slot, |place| {
            let (head, edits) = place?;
            let mut run = |edits: &mut Edits| {
                entry.plugin.call(&mut SlotRequest::new(head, edits, carried, facts), reply.as_mut(), timeout)
            };
            // What is only tried leaves the slot as it was.
            Some(if flags & TENTATIVE == 0 { run(edits) } else { run(&mut edits.clone()) })
        });
        let Some(outcome) = outcome else { return call.integer(NO_SLOT) };
        let mut verdict = 0;
        if let Err(failure) = outcome {
            *said = Said::failed(failure);
            verdict |= FAILED;
        } else if let Some(all) = Said::of(carried, reply.as_mut()) {
            *said = all;
            verdict |= SAID;
        }
        if !entry.lines.is_empty() {
            verdict |= LOGGED;
        }
        call.integer(verdict)
    })
}

fn read_reply<'a>(call: &'a Call, flags: usize, block: &'a mut Vec<u8>) -> Result<Option<Reply<'a>>> {
    if flags & REPLY == 0 {
        return Ok(None);
    }
    block.clear();
    if !call.append_latin1(8, block) {
        return Err(wrong("header lines were expected"));
    }
    let status = u16::try_from(call.number_at(7)?).map_err(|_| wrong("a status was expected"))?;
    // What is no buffer is null: the body was not asked for.
    Ok(Some(Reply::new(status, block, call.bytes(9).ok())))
}
