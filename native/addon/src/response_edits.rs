//! Edits of response heads for JavaScript: compiled per route by number, applied by `direct` without a crossing, and for
//! responses that JavaScript writes by a call.

// Reason: in a test build nothing registers the functions with Node.
#![cfg_attr(test, allow(dead_code))]

use std::ptr;

use napi::sys;
use polygate_head::ResponseEdits;

use crate::arguments::{Arguments, wrong};
use crate::exchanges::this;

/// `responseEdits(removed, added)`: a number above 0. `removed`: names, each followed by a line feed; `added`: lines, each
/// `\r\nname: value`.
pub unsafe extern "C" fn compile(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<2>::answer(env, info, |call| {
        let (mut removed, mut added) = (Vec::new(), Vec::new());
        if !call.append_latin1(0, &mut removed) || !call.append_latin1(1, &mut added) {
            return Err(wrong("names and lines were expected"));
        }
        let names = removed.split(|byte| *byte == b'\n').filter(|name| !name.is_empty());
        // SAFETY: as in `this`.
        let all = &mut unsafe { this(call.data) }.response_edits;
        let index = all.iter().position(Option::is_none).unwrap_or_else(|| {
            all.push(None);
            all.len() - 1
        });
        all[index] = Some(ResponseEdits::new(names, &added));
        call.integer(index as i32 + 1)
    })
}

/// `dropResponseEdits(edits)`
pub unsafe extern "C" fn forget(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        let edits = call.integer_at(0)? as usize;
        // SAFETY: as in `this`.
        if let Some(place) = unsafe { this(call.data) }.response_edits.get_mut(edits.wrapping_sub(1)) {
            *place = None;
        }
        Ok(ptr::null_mut())
    })
}

/// `editResponse(edits, block)`: the edited block.
pub unsafe extern "C" fn apply(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<2>::answer(env, info, |call| {
        let edits = call.integer_at(0)? as usize;
        let mut block = Vec::new();
        if !call.append_latin1(1, &mut block) {
            return Err(wrong("header lines were expected"));
        }
        // SAFETY: as in `this`.
        let edits = unsafe { this(call.data) }.response_edits.get(edits.wrapping_sub(1)).and_then(Option::as_ref);
        let edits = edits.ok_or_else(|| wrong("no such edits"))?;
        let mut out = Vec::new();
        edits.apply(&block, &mut out);
        call.latin1(&out)
    })
}
