//! What has come and happened, for JavaScript: a queue, and its rows.

use memchr::memmem;
use napi::sys;
use polygate_downstream::{Client, Taken};

use super::commands::run_commands;
use super::{EVENT_INTS, MAX_EVENTS, SLAB_BYTES, current};
use crate::exchanges::Exchanges;
use crate::heads::{INFO_INTS, describe_head, take_plain};
use crate::upstream::call_back;

const REQUEST: i32 = 0;
pub const GONE: i32 = 1;
/// Not told.
pub const DRAINED: i32 = 2;

pub fn take(bytes: &[u8], client: &Client<'_>) -> Option<Taken> {
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

pub fn note(slot: u32, what: i32) {
    if let Some(direct) = current().and_then(|exchanges| exchanges.direct.as_mut()) {
        direct.queue.push((slot as usize, what));
    }
}

pub fn deliver() {
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
