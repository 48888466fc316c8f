//! Responses: composed, and sent.

use std::io::Write as _;
use std::ptr;

use napi::sys;
use polygate_downstream as downstream;
use polygate_head::{Head, ResponseEdits};
use polygate_upstream::row::kind;

use super::Direct;
use crate::arguments::{Arguments, wrong};
use crate::exchanges::{Exchanges, this};
use crate::heads::with_head;

/// Bits of `flags`; `RespondFlag` in `ts/shared/native-direct.ts`.
const LAST: i32 = 1;
const VIA: i32 = 2;
const BODILESS: i32 = 4;

/// Parts of a response up to this size are copied together: one short `send` costs less than a list of buffers.
const COPIED_BYTES: usize = 8 * 1024;

enum BodyFraming {
    None,
    Length(u64),
    Chunked,
}

impl Direct {
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

    /// Sends `out`, the body and `tail`. True: some bytes wait for the client.
    fn send(&mut self, slot: usize, body: &[u8], tail: &[u8], last: bool) -> bool {
        let small = body.len() <= COPIED_BYTES;
        if small {
            self.out.extend_from_slice(body);
            self.out.extend_from_slice(tail);
        }
        let parts: [&[u8]; 3] = if small { [&self.out, &[], &[]] } else { [&self.out, body, tail] };
        downstream::send(slot as u32, parts, last).is_some_and(|waiting| waiting > 0)
    }
}

impl Exchanges {
    /// Sends what a row of the upstream client's batch says of the slot's response. `edits`: 0, or a number of
    /// `responseEdits`; `extra` adds header lines. False: no such row.
    pub fn relay(
        &mut self,
        slot: usize,
        row: usize,
        flags: i32,
        edits: usize,
        extra: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        self.send_row(slot, row, flags, None, |edited, head, out| {
            extra(out);
            match edited.get(edits.wrapping_sub(1)).and_then(Option::as_ref) {
                Some(edits) => edits.apply(head, out),
                None => out.extend_from_slice(head),
            }
        })
    }

    /// `status`: in place of the upstream's. `lines` writes the header lines, given the route edits that there are and
    /// the upstream's own lines.
    fn send_row(
        &mut self,
        slot: usize,
        row: usize,
        flags: i32,
        status: Option<u16>,
        lines: impl FnOnce(&[Option<ResponseEdits>], &[u8], &mut Vec<u8>),
    ) -> bool {
        let heads = self.heads;
        let Some(direct) = self.direct.as_mut() else { return false };
        // SAFETY: called inside `onBatch` or right after it, before the client's next turn.
        let Some(row) = (unsafe { direct.client.row(row) }) else { return false };
        let is_end = row.kind & kind::END != 0;
        let has_length = row.kind & kind::LENGTH != 0;
        direct.out.clear();
        if row.kind & kind::HEAD != 0 {
            direct.begin_head(heads, slot, status.unwrap_or(row.status), flags);
            lines(&self.response_edits, row.head, &mut direct.out);
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
        if direct.send(slot, row.body, tail, flags & LAST != 0) && !is_end {
            direct.client.pause(ticket);
        }
        true
    }
}

/// `relay(slot, row, flags, edits, extra)`: the command RELAY with header lines to add.
pub unsafe extern "C" fn relay(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<5>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let exchanges = unsafe { this(call.data) };
        let (slot, row, flags) = (call.integer_at(0)? as usize, call.integer_at(1)? as usize, call.integer_at(2)?);
        let edits = call.integer_at(3)? as usize;
        let extra = |out: &mut Vec<u8>| {
            call.append_latin1(4, out);
        };
        if !exchanges.relay(slot, row, flags, edits, extra) {
            return Err(wrong("no such row or slot"));
        }
        Ok(ptr::null_mut())
    })
}

/// `relayEdited(slot, row, flags, status, block)`: as `relay`, with a status and header lines that plugins have made.
pub unsafe extern "C" fn relay_edited(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<5>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let exchanges = unsafe { this(call.data) };
        let (slot, row, flags) = (call.integer_at(0)? as usize, call.integer_at(1)? as usize, call.integer_at(2)?);
        let status = u16::try_from(call.integer_at(3)?).unwrap_or(500);
        let lines = |_: &[Option<ResponseEdits>], _: &[u8], out: &mut Vec<u8>| {
            call.append_latin1(4, out);
        };
        if !exchanges.send_row(slot, row, flags, Some(status), lines) {
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
        direct.send(slot, if flags & BODILESS == 0 { body } else { &[] }, &[], flags & LAST != 0);
        Ok(ptr::null_mut())
    })
}
