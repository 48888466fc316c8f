//! Requests that go past the front end (`polygate_downstream::set_taker`), for JavaScript: what happened to them as rows,
//! many in one call of `onEvents`, and their responses, which are composed and sent here.
//!
//! Everything belongs to the thread of the environment that made the `Exchanges`. No reference into them is held while
//! JavaScript runs.

// Reason: in a test build nothing registers the functions with Node.
#![cfg_attr(test, allow(dead_code))]

mod commands;
mod events;
mod responses;

use std::cell::Cell;
use std::ptr;
use std::time::{SystemTime, UNIX_EPOCH};

use napi::sys;
use polygate_downstream::{self as downstream, Taker};

use crate::arguments::{Arguments, checked, wrong};
use crate::exchanges::{Exchanges, this};
use crate::heads::INFO_INTS;
use crate::shared_memory::{bytes, numbers};
use crate::upstream::ClientHandle;

use commands::{COMMAND_INTS, MAX_COMMANDS};
pub use commands::{run, run_commands};
use events::{DRAINED, GONE, deliver, note, take};
pub use responses::{answer, relay, relay_edited};

/// The slots below are those that JavaScript chooses; `firstDirectSlot` in `ts/shared/native-direct.ts`.
const FIRST_SLOT: usize = 0x8000;
const SLOTS: usize = 0x8000;

/// One row: slot, what happened, the head's numbers, requests of the connection, listener. `EventRow` in
/// `ts/shared/native-direct.ts`.
const EVENT_INTS: usize = INFO_INTS + 4;
const MAX_EVENTS: usize = 512;
/// Texts of one batch's heads; the largest head alone must fit.
const SLAB_BYTES: usize = 2 * 1024 * 1024;

thread_local! {
    static CURRENT: Cell<*mut Exchanges> = const { Cell::new(ptr::null_mut()) };
}

/// The part of `Exchanges` that is about these requests.
pub struct Direct {
    env: sys::napi_env,
    on_events: sys::napi_ref,
    client: ClientHandle,
    rows: *mut i32,
    slab: *mut u8,
    commands: *mut i32,
    /// By listener.
    ports: Vec<u16>,
    free: Vec<usize>,
    slots: Vec<Slot>,
    queue: Vec<(usize, i32)>,
    status_lines: Vec<Box<[u8]>>,
    date: String,
    out: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    taken: bool,
    listener: u32,
    /// Of the upstream client; 0: none.
    ticket: i32,
    /// Its response is sent in chunks.
    chunked: bool,
    /// JavaScript is done with it: it is free when the last byte has left, or the client.
    done: bool,
}

impl Direct {
    fn reserve(&mut self) -> Option<usize> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.slots.len() < SLOTS => {
                self.slots.push(Slot::default());
                self.slots.len() - 1
            }
            None => return None,
        };
        self.slots[index] = Slot { taken: true, ..Slot::default() };
        Some(FIRST_SLOT + index)
    }

    fn slot(&mut self, slot: usize) -> Option<&mut Slot> {
        self.slots.get_mut(slot.checked_sub(FIRST_SLOT)?)
    }

    /// The port that the slot's request came by; 0 for a slot that JavaScript chose.
    pub fn port(&self, slot: usize) -> u16 {
        let entry = slot.checked_sub(FIRST_SLOT).and_then(|index| self.slots.get(index));
        entry.and_then(|entry| self.ports.get(entry.listener as usize)).copied().unwrap_or(0)
    }

    /// A slot that JavaScript chose: no-op.
    pub fn free(&mut self, slot: usize) {
        if let Some(entry) = self.slot(slot)
            && std::mem::take(&mut entry.taken)
        {
            self.free.push(slot - FIRST_SLOT);
        }
    }

    fn look_at_clock(&mut self) {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.date = downstream::http_date(seconds);
    }
}

/// Ends it before the `Exchanges` are freed.
pub fn close(exchanges: *mut Exchanges) {
    // At the end of a thread its statics may be gone already.
    let _ = CURRENT.try_with(|current| {
        if current.get() == exchanges {
            current.set(ptr::null_mut());
        }
    });
}

/// The thread's `Exchanges`. The reference ends before anything calls into JavaScript.
fn current<'a>() -> Option<&'a mut Exchanges> {
    // SAFETY: set by `open` on this thread and cleared by `close` before they are freed.
    unsafe { CURRENT.get().as_mut() }
}

/// For the Date field: to be called about once a second.
pub fn look_at_clock() {
    if let Some(direct) = current().and_then(|exchanges| exchanges.direct.as_mut()) {
        direct.look_at_clock();
    }
}

/// `direct(client, onEvents, statusLines)`: `{ rows, slab, commands }`.
pub unsafe extern "C" fn open(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<3>::answer(env, info, |call| {
        let client =
            ClientHandle::from_js(env, call.values[0]).ok_or_else(|| wrong("an upstream client was expected"))?;
        let mut text = Vec::new();
        if !call.append_latin1(2, &mut text) {
            return Err(wrong("the status lines were expected"));
        }
        let (mut object, mut on_events) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: inside a call from JavaScript, on the environment's thread. All out-pointers are locals.
        let (rows, slab, commands) = unsafe {
            let rows = numbers::<i32>(env, MAX_EVENTS * EVENT_INTS)?;
            let slab = bytes(env, SLAB_BYTES)?;
            let commands = numbers::<i32>(env, 1 + MAX_COMMANDS * COMMAND_INTS)?;
            checked(sys::napi_create_reference(env, call.values[1], 1, &raw mut on_events), "a function was expected")?;
            checked(sys::napi_create_object(env, &raw mut object), "no object was made")?;
            for (name, value) in [(c"commands", commands.value), (c"rows", rows.value), (c"slab", slab.value)] {
                checked(sys::napi_set_named_property(env, object, name.as_ptr(), value), "no object was made")?;
            }
            (rows, slab, commands)
        };
        let mut direct = Direct {
            env,
            on_events,
            client,
            rows: rows.start.as_ptr(),
            slab: slab.start.as_ptr(),
            commands: commands.start.as_ptr(),
            ports: Vec::new(),
            free: Vec::new(),
            slots: Vec::new(),
            queue: Vec::new(),
            status_lines: text.split(|byte| *byte == b'\n').map(Into::into).collect(),
            date: String::new(),
            out: Vec::new(),
        };
        direct.look_at_clock();
        // SAFETY: as in `this`.
        unsafe { this(call.data) }.direct = Some(direct);
        CURRENT.set(call.data.cast());
        downstream::set_taker(Taker {
            take,
            gone: |slot| note(slot, GONE),
            drained: |slot| note(slot, DRAINED),
            deliver,
        });
        Ok(object)
    })
}

/// `listening(listener, port)`: the front end has just begun to listen for this listener, numbered from 1. False: unseen.
pub unsafe extern "C" fn listening(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<2>::answer(env, info, |call| {
        let (listener, port) = (call.integer_at(0)? as usize, call.integer_at(1)? as u16);
        // SAFETY: as in `this`.
        if let Some(direct) = unsafe { this(call.data) }.direct.as_mut() {
            direct.ports.resize(direct.ports.len().max(listener + 1), 0);
            direct.ports[listener] = port;
        }
        call.boolean(downstream::listening(listener as u32))
    })
}
