//! Edits of a slot's request for JavaScript: one crossing each, checked at once. They lie beside the slot's head
//! (`polygate_head::Edits`) and go when the slot is freed; forwarding writes them at no crossing more.

// Reason: in a test build nothing registers the functions with Node.
#![cfg_attr(test, allow(dead_code))]

use std::ffi::c_void;

use napi::bindgen_prelude::Result;
use napi::sys;
use napi_derive::napi;
use polygate_head::{EditRefusal, EditedHead, Edits, Head};

use crate::arguments::{Arguments, method, wrong};
use crate::exchanges::this;
use crate::heads::{NO_SLOT, keep_edits, with_edited, with_edits};

/// Each refusal's detail, in the order of the codes from 1 on.
#[napi(catch_unwind)]
pub fn edit_refusals() -> Vec<String> {
    EditRefusal::ALL.iter().map(|refusal| refusal.detail().to_owned()).collect()
}

/// The functions, as properties of `Exchanges`.
pub fn methods(data: *mut c_void) -> [sys::napi_property_descriptor; 15] {
    [
        method(c"setHeader", set_header, data),
        method(c"appendHeader", append_header, data),
        method(c"removeHeader", remove_header, data),
        method(c"setMethod", set_method, data),
        method(c"setHost", set_host, data),
        method(c"setPath", set_path, data),
        method(c"setQuery", set_query, data),
        method(c"setBodyLength", set_body_length, data),
        method(c"saveEdits", save, data),
        method(c"restoreEdits", restore, data),
        method(c"guardsPassed", guards_passed, data),
        method(c"editedMethod", edited_method, data),
        method(c"editedHost", edited_host, data),
        method(c"editedPath", edited_path, data),
        method(c"editedQuery", edited_query, data),
    ]
}

/// What JavaScript hears of an edit: 0, a refusal's code, or that the slot holds no head.
pub fn code(outcome: Option<std::result::Result<(), EditRefusal>>) -> i32 {
    match outcome {
        Some(Ok(())) => 0,
        Some(Err(refusal)) => refusal.code(),
        None => NO_SLOT,
    }
}

/// A call with a slot and `N` texts behind it.
fn edit<const N: usize>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    work: impl FnOnce(&Head, &mut Edits, [&[u8]; N]) -> std::result::Result<(), EditRefusal>,
) -> sys::napi_value {
    Arguments::<3>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let this = unsafe { this(call.data) };
        let slot = call.number_at(0)?;
        for (index, text) in this.texts.iter_mut().take(N).enumerate() {
            text.clear();
            if !call.append_bytes(index + 1, text) {
                return Err(wrong("a string or a Uint8Array was expected"));
            }
        }
        let texts = std::array::from_fn(|index| this.texts.get(index).map_or(&b""[..], Vec::as_slice));
        let outcome = with_edits(this.heads, slot, |place| place.map(|(head, edits)| work(head, edits, texts)));
        call.integer(code(outcome))
    })
}

unsafe extern "C" fn set_header(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    edit(env, info, |_, edits, [name, value]| edits.set_header(name, value))
}

unsafe extern "C" fn append_header(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    edit(env, info, |_, edits, [name, value]| edits.append_header(name, value))
}

unsafe extern "C" fn remove_header(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    edit(env, info, |_, edits, [name]| edits.remove_header(name))
}

unsafe extern "C" fn set_method(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    edit(env, info, |head, edits, [text]| edits.set_method(head, text))
}

unsafe extern "C" fn set_host(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    edit(env, info, |_, edits, [text]| edits.set_host(text))
}

unsafe extern "C" fn set_path(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    edit(env, info, |_, edits, [text]| edits.set_path(text))
}

unsafe extern "C" fn set_query(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    edit(env, info, |_, edits, [text]| edits.set_query(text))
}

unsafe extern "C" fn guards_passed(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    edit(env, info, |_, edits, []| {
        edits.pass_guards();
        Ok(())
    })
}

/// `setBodyLength(slot, length)`
unsafe extern "C" fn set_body_length(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<2>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let this = unsafe { this(call.data) };
        let (slot, length) = (call.number_at(0)?, call.number_at(1)? as u64);
        let outcome = with_edits(this.heads, slot, |place| {
            place.map(|(_, edits)| {
                edits.set_body_length(length);
                Ok(())
            })
        });
        call.integer(code(outcome))
    })
}

/// `saveEdits(slot)`
unsafe extern "C" fn save(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    keep(env, info, false)
}

/// `restoreEdits(slot)`
unsafe extern "C" fn restore(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    keep(env, info, true)
}

fn keep(env: sys::napi_env, info: sys::napi_callback_info, back: bool) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let this = unsafe { this(call.data) };
        keep_edits(this.heads, call.number_at(0)?, back);
        Ok(Arguments::<1>::undefined())
    })
}

/// A call with a slot, answered by one text of its head; '' without one.
fn read(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    text: impl FnOnce(EditedHead<'_>) -> &[u8],
) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let this = unsafe { this(call.data) };
        let slot = call.number_at(0)?;
        with_edited(this.heads, slot, |head| -> Result<_> { call.latin1(head.map_or(b"", text)) })
    })
}

unsafe extern "C" fn edited_method(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    read(env, info, |head| head.method_text())
}

unsafe extern "C" fn edited_host(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    read(env, info, |head| head.host())
}

unsafe extern "C" fn edited_path(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    read(env, info, |head| head.path())
}

unsafe extern "C" fn edited_query(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    read(env, info, |head| head.query().unwrap_or_default())
}
