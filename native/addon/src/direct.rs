//! Requests that go past the front end (`polygate_downstream::consume`), for JavaScript: what happened to them as rows,
//! many in one call of `onEvents`, and their responses, which are composed and sent here.
//!
//! Everything belongs to the thread of the environment that made the `Exchanges`. No reference into them is held while
//! JavaScript runs.

// Reason: in a test build nothing registers the functions with Node.
#![cfg_attr(test, allow(dead_code))]

use std::cell::Cell;
use std::io::Write as _;
use std::ptr;
use std::time::{SystemTime, UNIX_EPOCH};

use memchr::memmem;
use napi::sys;
use polygate_downstream::{self as downstream, Client, Consumer, Taken};
use polygate_head::Head;
use polygate_upstream::Framing;
use polygate_upstream::row::kind;

use crate::arguments::{Arguments, checked, wrong};
use crate::exchanges::{Exchanges, this};
use crate::heads::{INFO_INTS, compose_head, describe_head, take_plain, with_head};
use crate::upstream::{ClientHandle, call_back};

/// The slots below are those that JavaScript chooses; `firstDirectSlot` in `ts/shared/native.ts`.
const FIRST_SLOT: usize = 0x8000;
const SLOTS: usize = 0x8000;

/// One row: slot, what happened, the head's numbers, requests of the connection, listener. `EventRow` in
/// `ts/shared/native.ts`.
const EVENT_INTS: usize = INFO_INTS + 4;
const MAX_EVENTS: usize = 512;
/// Texts of one batch's heads; the largest head alone must fit.
const SLAB_BYTES: usize = 2 * 1024 * 1024;
const REQUEST: i32 = 0;
const GONE: i32 = 1;
/// Not told.
const DRAINED: i32 = 2;

/// Bits of `flags`; `RespondFlag` in `ts/shared/native.ts`.
const LAST: i32 = 1;
const VIA: i32 = 2;
const BODILESS: i32 = 4;

/// A command: what, slot or tag, three numbers. `Command` in `ts/shared/native-direct.ts`. The first int of the list
/// counts them.
const COMMAND_INTS: usize = 5;
const MAX_COMMANDS: usize = 2048;
const FORWARD: i32 = 1;
const RELAY: i32 = 2;
const CANCEL: i32 = 3;
const ABORT: i32 = 4;
const END: i32 = 5;
/// FORWARD's flags: from this bit on those of `how`.
const HOW_SHIFT: i32 = 8;

/// Parts of a response up to this size are copied together: one short `send` costs less than a list of buffers.
const COPIED_BYTES: usize = 8 * 1024;

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

    /// The status line, the request's id, and where asked for `via`.
    fn begin_head(&mut self, heads: usize, slot: usize, status: u16, flags: i32) {
        let out = &mut self.out;
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(self.status_lines.get(usize::from(status)).map_or(b"500 Unknown", |line| line));
        out.extend_from_slice(b"\r\nx-request-id: ");
        with_head(heads, slot, |head| out.extend_from_slice(head.map_or(b"", Head::request_id)));
        if flags & VIA != 0 {
            out.extend_from_slice(b"\r\nvia: 1.1 polygate");
        }
    }

    fn end_head(&mut self, flags: i32, framing: &BodyFraming) {
        let out = &mut self.out;
        out.extend_from_slice(b"\r\nDate: ");
        out.extend_from_slice(self.date.as_bytes());
        if flags & LAST != 0 {
            out.extend_from_slice(b"\r\nConnection: close");
        }
        match framing {
            BodyFraming::None => {}
            BodyFraming::Length(length) => {
                // Writing to a vector does not fail.
                let _ = write!(out, "\r\nContent-Length: {length}");
            }
            BodyFraming::Chunked => out.extend_from_slice(b"\r\nTransfer-Encoding: chunked"),
        }
        out.extend_from_slice(b"\r\n\r\n");
    }

    /// Sends `out`, the body and `tail`. Returns the bytes that wait for the client, or -1: it is gone.
    fn send(&mut self, slot: usize, body: &[u8], tail: &[u8], last: bool) -> i32 {
        let small = body.len() <= COPIED_BYTES;
        if small {
            self.out.extend_from_slice(body);
            self.out.extend_from_slice(tail);
        }
        let parts: [&[u8]; 3] = if small { [&self.out, &[], &[]] } else { [&self.out, body, tail] };
        downstream::send(slot as u32, parts, last).map_or(-1, |waiting| i32::try_from(waiting).unwrap_or(i32::MAX))
    }
}

enum BodyFraming {
    None,
    Length(u64),
    Chunked,
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
        let (mut object, mut rows, mut memory, mut slab) =
            (ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        let (mut rows_start, mut slab_start) = (ptr::null_mut(), ptr::null_mut());
        let (mut commands, mut commands_start) = (ptr::null_mut(), ptr::null_mut());
        let (mut on_events, mut kept) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the environment is that of the running call, on its thread. Both memories belong to V8 and never move;
        // the references, which are never given back, keep them for as long as the environment lives.
        unsafe {
            checked(sys::napi_create_object(env, &raw mut object), "no object was made")?;
            checked(
                sys::napi_create_arraybuffer(env, MAX_EVENTS * EVENT_INTS * 4, &raw mut rows_start, &raw mut memory),
                "no rows were made",
            )?;
            let int32 = sys::TypedarrayType::int32_array;
            checked(
                sys::napi_create_typedarray(env, int32, MAX_EVENTS * EVENT_INTS, memory, 0, &raw mut rows),
                "no rows were made",
            )?;
            let command_ints = 1 + MAX_COMMANDS * COMMAND_INTS;
            checked(
                sys::napi_create_arraybuffer(env, command_ints * 4, &raw mut commands_start, &raw mut memory),
                "no commands were made",
            )?;
            commands_start.cast::<u8>().write_bytes(0, command_ints * 4);
            checked(
                sys::napi_create_typedarray(env, int32, command_ints, memory, 0, &raw mut commands),
                "no commands were made",
            )?;
            checked(sys::napi_create_reference(env, commands, 1, &raw mut kept), "the commands were not kept")?;
            checked(sys::napi_set_named_property(env, object, c"commands".as_ptr(), commands), "no object was made")?;
            checked(sys::napi_create_buffer(env, SLAB_BYTES, &raw mut slab_start, &raw mut slab), "no slab was made")?;
            slab_start.cast::<u8>().write_bytes(0, SLAB_BYTES);
            checked(sys::napi_create_reference(env, rows, 1, &raw mut kept), "the rows were not kept")?;
            checked(sys::napi_create_reference(env, slab, 1, &raw mut kept), "the slab was not kept")?;
            checked(sys::napi_create_reference(env, call.values[1], 1, &raw mut on_events), "a function was expected")?;
            checked(sys::napi_set_named_property(env, object, c"rows".as_ptr(), rows), "no object was made")?;
            checked(sys::napi_set_named_property(env, object, c"slab".as_ptr(), slab), "no object was made")?;
        }
        let mut direct = Direct {
            env,
            on_events,
            client,
            rows: rows_start.cast(),
            slab: slab_start.cast(),
            commands: commands_start.cast(),
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
        downstream::consume(Consumer {
            take,
            gone: |slot| note(slot, GONE),
            drained: |slot| note(slot, DRAINED),
            deliver,
        });
        Ok(object)
    })
}

fn take(bytes: &[u8], client: &Client<'_>) -> Option<Taken> {
    let consumed = memmem::find(bytes, b"\r\n\r\n")? + 4;
    let exchanges = current()?;
    let heads = exchanges.heads;
    let direct = exchanges.direct.as_mut()?;
    let slot = direct.reserve()?;
    if !take_plain(heads, slot, &bytes[..consumed]) {
        direct.free(slot);
        return None;
    }
    direct.slot(slot)?.listener = client.listener;
    direct.queue.push((slot, REQUEST));
    let known = exchanges.client(slot);
    known.0.clear();
    known.0.extend_from_slice(client.address);
    known.1 = client.requests;
    Some(Taken { slot: slot as u32, consumed })
}

fn note(slot: u32, what: i32) {
    if let Some(direct) = current().and_then(|exchanges| exchanges.direct.as_mut()) {
        direct.queue.push((slot as usize, what));
    }
}

fn deliver() {
    let mut told = 0;
    while let Some((count, env, callback)) = current().and_then(|exchanges| describe(exchanges, &mut told)) {
        // SAFETY: on the environment's thread (libuv's callbacks come there); no reference into `Exchanges` is alive.
        unsafe { call_back(env, callback, count) };
        let client = current().and_then(|exchanges| exchanges.direct.as_ref()).map(|direct| direct.client);
        client.inspect(|client| client.hold_clock());
        run_commands();
        client.inspect(|client| client.release_clock());
    }
}

/// Fills the rows with what comes after the first `told` entries of the queue, and does what JavaScript need not know.
/// None: there is nothing more to tell.
fn describe(exchanges: &mut Exchanges, told: &mut usize) -> Option<(usize, sys::napi_env, sys::napi_ref)> {
    let heads = exchanges.heads;
    let mut used = 0;
    let mut count = 0;
    while count < MAX_EVENTS {
        let direct = exchanges.direct.as_mut()?;
        let Some(&(slot, what)) = direct.queue.get(*told) else { break };
        let client = direct.client;
        let Some(entry) = direct.slot(slot) else { break };
        let (listener, ticket, done) = (entry.listener, entry.ticket, entry.done);
        match what {
            REQUEST => {
                // SAFETY: the memory of the typed array and the buffer that `open` made and keeps; JavaScript does not
                // run now, and no other slice of them is alive.
                let (row, slab) = unsafe {
                    (
                        std::slice::from_raw_parts_mut(direct.rows.add(count * EVENT_INTS), EVENT_INTS),
                        std::slice::from_raw_parts_mut(direct.slab.add(used), SLAB_BYTES - used),
                    )
                };
                match describe_head(heads, slot, &mut row[2..], slab) {
                    Some(bytes) => {
                        for offset in [1, 3, 5, 11, 13] {
                            row[2 + offset] += used as i32;
                        }
                        used += bytes;
                        row[0] = slot as i32;
                        row[1] = REQUEST;
                        row[2 + INFO_INTS] = exchanges.client(slot).1 as i32;
                        row[3 + INFO_INTS] = listener as i32;
                        count += 1;
                    }
                    // No room: in the next batch.
                    None if used > 0 => break,
                    None => {}
                }
            }
            _ if done => exchanges.end(slot),
            GONE => {
                // SAFETY: as above.
                unsafe { direct.rows.add(count * EVENT_INTS).cast::<[i32; 2]>().write([slot as i32, GONE]) };
                count += 1;
            }
            _ => client.resume(ticket),
        }
        *told += 1;
    }
    let direct = exchanges.direct.as_mut()?;
    if count == 0 {
        direct.queue.clear();
        *told = 0;
        return None;
    }
    Some((count, direct.env, direct.on_events))
}

/// Does what JavaScript has written down, in its order. Called when a callback that may write has returned.
pub fn run_commands() {
    let Some(exchanges) = current() else { return };
    let Some(commands) = exchanges.direct.as_ref().map(|direct| direct.commands) else { return };
    // SAFETY: the memory of the typed array that `open` made and keeps; JavaScript does not run now. The list is copied
    // one command at a time, so nothing else refers to it.
    let count = unsafe { std::mem::take(&mut *commands) };
    if count == 0 {
        return;
    }
    for index in 0..(count as usize).min(MAX_COMMANDS) {
        // SAFETY: as above.
        let [what, tag, a, b, c] =
            unsafe { commands.add(1 + index * COMMAND_INTS).cast::<[i32; COMMAND_INTS]>().read() };
        let slot = tag as usize & (FIRST_SLOT + SLOTS - 1);
        match what {
            FORWARD => exchanges.forward(tag, slot, a as u32, b, c as usize),
            RELAY => {
                exchanges.relay(slot, a as usize, b, |_| {}, |_| false);
            }
            CANCEL => exchanges.cancel(slot),
            ABORT => {
                downstream::abort(slot as u32);
                exchanges.end(slot);
            }
            END => exchanges.end(slot),
            _ => {}
        }
    }
}

impl Exchanges {
    /// Sends a request upstream as it came. What fails comes back as a row of the upstream client.
    fn forward(&mut self, tag: i32, slot: usize, endpoint: u32, flags: i32, policy: usize) {
        let Some(client) = self.direct.as_ref().map(|direct| direct.client) else { return };
        let heads = self.heads;
        let mut composed = Ok(());
        let forwarding = self.forwarding(slot, flags >> HOW_SHIFT);
        let ticket = client.submit_with(tag, endpoint, (flags & 0xff) as u32, Framing::None, |out| {
            composed = compose_head(heads, slot, policy, &forwarding, out);
        });
        if composed.is_err() {
            // The request has ended meanwhile. Nothing was written, and nothing is sent before the loop's turn ends.
            client.cancel(ticket);
        } else if ticket < 0 {
            client.fail(tag, -ticket);
        } else if let Some(entry) = self.direct.as_mut().and_then(|direct| direct.slot(slot)) {
            entry.ticket = ticket;
        }
    }

    /// Sends what a row of the upstream client's batch says of the slot's response. `extra` adds header lines; `block`
    /// may write lines in place of the row's. False: no such row.
    fn relay(
        &mut self,
        slot: usize,
        row: usize,
        flags: i32,
        extra: impl FnOnce(&mut Vec<u8>),
        block: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> bool {
        let heads = self.heads;
        let Some(direct) = self.direct.as_mut() else { return false };
        // SAFETY: called inside `onBatch` or right after it, before the client's next turn.
        let Some(row) = (unsafe { direct.client.row(row) }) else { return false };
        let is_end = row.kind & kind::END != 0;
        let has_length = row.kind & kind::LENGTH != 0;
        direct.out.clear();
        if row.kind & kind::HEAD != 0 {
            direct.begin_head(heads, slot, row.status, flags);
            extra(&mut direct.out);
            if !block(&mut direct.out) {
                direct.out.extend_from_slice(row.head);
            }
            let framing = if row.kind & kind::BODILESS != 0 {
                if has_length { BodyFraming::Length(row.length) } else { BodyFraming::None }
            } else if is_end {
                BodyFraming::Length(row.body.len() as u64)
            } else if has_length {
                BodyFraming::Length(row.length)
            } else {
                BodyFraming::Chunked
            };
            if let Some(slot) = direct.slot(slot) {
                slot.chunked = matches!(framing, BodyFraming::Chunked);
            }
            direct.end_head(flags, &framing);
        }
        let Some(entry) = direct.slot(slot) else { return false };
        let (chunked, ticket) = (entry.chunked, entry.ticket);
        let mut tail: &[u8] = b"";
        if chunked {
            if !row.body.is_empty() {
                // Writing to a vector does not fail.
                let _ = write!(direct.out, "{:x}\r\n", row.body.len());
            }
            tail = match (row.body.is_empty(), is_end) {
                (false, false) => b"\r\n",
                (false, true) => b"\r\n0\r\n\r\n",
                (true, true) => b"0\r\n\r\n",
                (true, false) => b"",
            };
        }
        let nothing = direct.out.is_empty() && row.body.is_empty() && tail.is_empty();
        let waiting = if nothing { 0 } else { direct.send(slot, row.body, tail, flags & LAST != 0) };
        if is_end {
            self.done(slot, waiting);
        } else if waiting > 0 {
            direct.client.pause(ticket);
        }
        true
    }

    /// The last byte of a slot's response has been given away; so many of its bytes wait.
    fn done(&mut self, slot: usize, waiting: i32) {
        if waiting == 0 {
            self.end(slot);
        } else if let Some(entry) = self.direct.as_mut().and_then(|direct| direct.slot(slot)) {
            entry.done = true;
        }
    }

    /// Forgets the upstream's part of a request.
    fn cancel(&mut self, slot: usize) {
        let Some(direct) = self.direct.as_mut() else { return };
        let client = direct.client;
        if let Some(entry) = direct.slot(slot) {
            client.cancel(std::mem::take(&mut entry.ticket));
        }
    }

    /// Notes the ticket of a request that JavaScript has submitted.
    pub fn submitted(&mut self, slot: usize, ticket: i32) {
        if ticket > 0
            && let Some(entry) = self.direct.as_mut().and_then(|direct| direct.slot(slot))
        {
            entry.ticket = ticket;
        }
    }
}

/// `relay(slot, row, flags, extra, block)`: the command RELAY with header lines to add, and lines in place of the row's;
/// null for none.
pub unsafe extern "C" fn relay(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<5>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let exchanges = unsafe { this(call.data) };
        let (slot, row, flags) = (call.integer_at(0)? as usize, call.integer_at(1)? as usize, call.integer_at(2)?);
        let extra = |out: &mut Vec<u8>| {
            call.optional_latin1_onto(3, out);
        };
        if !exchanges.relay(slot, row, flags, extra, |out| call.optional_latin1_onto(4, out)) {
            return Err(wrong("no such row or slot"));
        }
        Ok(ptr::null_mut())
    })
}

/// `answer(slot, status, flags, block, body)`: a whole response of the gateway's own. `block`: header lines; `body`:
/// bytes, or the length of a body that is not sent (HEAD).
pub unsafe extern "C" fn answer(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<5>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let exchanges = unsafe { this(call.data) };
        let heads = exchanges.heads;
        let direct = exchanges.direct.as_mut().ok_or_else(|| wrong("not opened"))?;
        let (slot, status, flags) = (call.integer_at(0)? as usize, call.integer_at(1)?, call.integer_at(2)?);
        direct.out.clear();
        direct.begin_head(heads, slot, u16::try_from(status).unwrap_or(500), flags);
        if !call.append_latin1(3, &mut direct.out) {
            return Err(wrong("header lines were expected"));
        }
        let body = call.bytes(4).unwrap_or_default();
        let framing = if flags & BODILESS != 0 {
            BodyFraming::None
        } else if body.is_empty() {
            BodyFraming::Length(call.integer_at(4).map_or(0, |length| length as u32).into())
        } else {
            BodyFraming::Length(body.len() as u64)
        };
        direct.end_head(flags, &framing);
        let waiting = direct.send(slot, if flags & BODILESS == 0 { body } else { &[] }, &[], flags & LAST != 0);
        exchanges.done(slot, waiting);
        Ok(ptr::null_mut())
    })
}

/// `run()`: what was written down so far, where the list is full or no callback of ours is about to return.
pub unsafe extern "C" fn run(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<0>::answer(env, info, |_| {
        run_commands();
        Ok(ptr::null_mut())
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
