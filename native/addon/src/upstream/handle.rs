//! The upstream client for the addon's other parts, without a crossing.

use std::ptr;

use napi::sys;
use polygate_upstream::row::ROW_INTS;
use polygate_upstream::{Client, Framing, Reason};

use super::{Binding, TYPE_TAG};

/// What a row says of a response; see `row` in the upstream crate.
pub struct ResponseRow<'a> {
    pub kind: i32,
    pub status: u16,
    /// Header lines, each as `\r\nname: value`.
    pub head: &'a [u8],
    pub body: &'a [u8],
    /// Content-Length, where the kind says so.
    pub length: u64,
}

/// A client as other parts of the addon use it. Valid until its environment is torn down.
#[derive(Clone, Copy)]
pub struct ClientHandle(pub(super) *mut Binding);

impl ClientHandle {
    /// From the JavaScript object; None when it is no `UpstreamClient`.
    pub fn from_js(env: sys::napi_env, value: sys::napi_value) -> Option<Self> {
        let mut tagged = false;
        let mut binding = ptr::null_mut();
        // SAFETY: on the environment's thread inside a call from it, with a live value; the tag tells that what is
        // wrapped is a binding of ours, which lives as long as the environment.
        let ok = unsafe {
            sys::napi_check_object_type_tag(env, value, &raw const TYPE_TAG, &raw mut tagged) == sys::Status::napi_ok
                && tagged
                && sys::napi_unwrap(env, value, &raw mut binding) == sys::Status::napi_ok
        };
        ok.then_some(Self(binding.cast()))
    }

    /// [`Client::submit_with`] with what the loop needs to know of it. Returns a ticket, or a negative reason.
    pub fn submit_with(
        self,
        tag: i32,
        endpoint: u32,
        flags: u32,
        framing: Framing,
        write_head: impl FnOnce(&mut Vec<u8>),
    ) -> i32 {
        // SAFETY: the binding outlives the handle's use (see the type); no other reference into it is alive, for none
        // is held while JavaScript runs, nor when its commands are done after it.
        let binding = unsafe { &mut *self.0 };
        if binding.closing {
            return -(Reason::ClientClosed as i32);
        }
        let result = binding.guard(|client| client.submit_with(tag, endpoint, flags, framing, write_head));
        match result {
            Some(Ok(ticket)) => {
                binding.keep_loop_alive(true);
                binding.wake_if_needed();
                ticket
            }
            Some(Err(reason)) => -(reason as i32),
            None => -(Reason::ClientPanic as i32),
        }
    }

    /// A row of the last batch. None: no such row.
    ///
    /// # Safety
    /// Called inside `onBatch` or right after it, before the client's next turn; the row is dropped before JavaScript goes
    /// on.
    pub unsafe fn row<'a>(self, index: usize) -> Option<ResponseRow<'a>> {
        // SAFETY: as in `submit_with`.
        let binding = unsafe { &*self.0 };
        if binding.closed || (index + 1) * ROW_INTS > binding.row_ints {
            return None;
        }
        // SAFETY: `references` keep slab and rows alive while the client is open; during `onBatch` nobody writes them.
        let (slab, row) = unsafe {
            (
                std::slice::from_raw_parts(binding.slab, binding.slab_bytes),
                std::slice::from_raw_parts(binding.rows.add(index * ROW_INTS), ROW_INTS),
            )
        };
        let part =
            |offset: i32, length: i32| slab.get(offset as usize..(offset as usize).checked_add(length as usize)?);
        Some(ResponseRow {
            kind: row[1],
            status: row[2] as u16,
            head: part(row[3], row[4])?,
            body: part(row[5], row[6])?,
            length: u64::from(row[7] as u32) | u64::from(row[8] as u32) << 32,
        })
    }

    /// [`Client::pause`]
    pub fn pause(self, ticket: i32) {
        self.act(|client| client.pause(ticket));
    }

    /// [`Client::resume`]
    pub fn resume(self, ticket: i32) {
        self.act(|client| client.resume(ticket));
    }

    /// [`Client::hold_clock`]
    pub fn hold_clock(self) {
        self.act(Client::hold_clock);
    }

    /// [`Client::release_clock`]
    pub fn release_clock(self) {
        self.act(Client::release_clock);
    }

    /// A row that says that a submit has failed.
    pub fn fail(self, tag: i32, reason: i32) {
        self.act(|client| client.fail_unsubmitted(tag, reason));
    }

    fn act(self, act: impl FnOnce(&mut Client)) {
        // SAFETY: as in `submit_with`.
        let binding = unsafe { &mut *self.0 };
        if !binding.closing {
            binding.guard(act);
            binding.wake_if_needed();
        }
    }

    /// [`Client::cancel`]; a negative ticket is none.
    pub fn cancel(self, ticket: i32) {
        // SAFETY: as in `submit_with`.
        let binding = unsafe { &mut *self.0 };
        if ticket > 0 && !binding.closing {
            binding.guard(|client| client.cancel(ticket));
            binding.wake_if_needed();
        }
    }
}
