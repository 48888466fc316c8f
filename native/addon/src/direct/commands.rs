//! What JavaScript has written down to be done, for no crossing each.

use std::ptr;

use napi::sys;
use polygate_downstream as downstream;
use polygate_upstream::{Framing, Reason};

use super::{FIRST_SLOT, SLOTS, current};
use crate::arguments::Arguments;
use crate::exchanges::{Exchanges, certificate_of};
use crate::heads::{Problem, compose_head};

/// A command: what, slot or tag, three numbers. `Command` in `ts/shared/native-direct.ts`. The first int of the list
/// counts them.
pub const COMMAND_INTS: usize = 5;
pub const MAX_COMMANDS: usize = 2048;
const FORWARD: i32 = 1;
const RELAY: i32 = 2;
const CANCEL: i32 = 3;
const ABORT: i32 = 4;
const END: i32 = 5;
const DONE: i32 = 6;
/// FORWARD's flags: from this bit on those of `how`.
const HOW_SHIFT: i32 = 8;

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
                exchanges.relay(slot, a as usize, b, c as usize, |_| {});
            }
            CANCEL => exchanges.cancel(slot),
            ABORT if downstream::abort(slot as u32) => exchanges.end(slot),
            ABORT => exchanges.end_when_gone(slot),
            END => exchanges.end(slot),
            DONE => exchanges.done(slot),
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
        let certificate = certificate_of(slot, flags >> HOW_SHIFT);
        let ticket = self.tokens.with_edits(slot, |edits| {
            let forwarding = self.forwarding(slot, flags >> HOW_SHIFT, edits, certificate.as_deref());
            client.submit_with(tag, endpoint, (flags & 0xff) as u32, Framing::None, |out| {
                composed = compose_head(heads, slot, policy, &forwarding, out);
            })
        });
        if let Err(problem) = composed {
            // Nothing was written, and nothing is sent before the loop's turn ends.
            client.cancel(ticket);
            // Without a head the request has ended meanwhile, and nobody waits.
            if problem != Problem::NoHead {
                client.fail(tag, Reason::ClientPanic as i32);
            }
        } else if ticket < 0 {
            client.fail(tag, -ticket);
        } else if let Some(entry) = self.direct.as_mut().and_then(|direct| direct.slot(slot)) {
            entry.ticket = ticket;
        }
    }

    /// The last byte of a slot's response has been given away: it ends when that has left, or the client.
    fn done(&mut self, slot: usize) {
        match downstream::waiting(slot as u32) {
            Some(0) => self.end(slot),
            _ => self.end_when_gone(slot),
        }
    }

    /// An event about the slot is still to come, which must not be taken for one of another request.
    fn end_when_gone(&mut self, slot: usize) {
        if let Some(entry) = self.direct.as_mut().and_then(|direct| direct.slot(slot)) {
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

/// `run()`: what was written down so far, where the list is full or no callback of ours is about to return.
pub unsafe extern "C" fn run(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<0>::answer(env, info, |_| {
        run_commands();
        Ok(ptr::null_mut())
    })
}
