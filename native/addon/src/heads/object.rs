//! `new RequestHeads(options)`: the object and its functions.

use std::ffi::c_void;
use std::ptr;

use napi::bindgen_prelude::{Buffer, Env, JsObjectValue, Object, Result, ToNapiValue};
use napi::{JsValue, sys};
use napi_derive::napi;
use polygate_head::{EditedHead, Heads, Refusal};

use super::options::{HeadForwarding, HeadPolicyOptions, RequestHeadsOptions};
use super::{FLAGS, INFO_INTS, Instance, SLAB_EXTRA, add, compose_head, forget, limits, take_bytes, with};
use crate::arguments::{Arguments, checked, method, value, wrong};
use crate::shared_memory::{bytes, numbers};

/// See `RequestHeads` in `ts/shared/native-heads.ts`. A function that gives an object: `new` gives that object too.
#[napi(js_name = "RequestHeads", catch_unwind)]
#[allow(clippy::needless_pass_by_value)] // Reason: what N-API gives is owned.
pub fn request_heads(env: Env, options: RequestHeadsOptions) -> Result<Object<'static>> {
    create(env, &options)
}

/// Each refusal's detail, in the order of the codes from 1 on, beginning with `!` where it is `head_too_large`.
#[napi(catch_unwind)]
pub fn request_head_refusals() -> Vec<String> {
    Refusal::ALL
        .iter()
        .map(|refusal| format!("{}{}", if refusal.is_too_large() { "!" } else { "" }, refusal.detail()))
        .collect()
}

/// The bits of `HeadFlag`, in the order of the table.
#[napi(catch_unwind)]
pub fn request_head_flags() -> std::collections::HashMap<String, u32> {
    FLAGS.iter().map(|(name, bit)| ((*name).to_owned(), *bit)).collect()
}

fn create(env: Env, options: &RequestHeadsOptions) -> Result<Object<'static>> {
    let raw = env.raw();
    let limits = limits(options.max_head_bytes, options.max_headers);
    let slab_bytes = limits.max_bytes + SLAB_EXTRA;
    // SAFETY: inside the call that makes the object.
    let (info, slab) = unsafe { (numbers::<i32>(raw, INFO_INTS)?, bytes(raw, slab_bytes)?) };
    let id = add(Instance {
        heads: Heads::new(options.slots as usize, limits),
        policies: Vec::new(),
        info: info.start.cast(),
        slab: slab.start,
        slab_bytes,
        utf8: Vec::new(),
        latin1: Vec::new(),
    });
    env.add_env_cleanup_hook(id, forget)?;

    let mut object = Object::new(&env)?;
    object.set_named_property("id", id as u32)?;
    let data = id as *mut c_void;
    let properties = [
        value(c"info", info.value),
        value(c"slab", slab.value),
        method(c"takeText", take_text, data),
        method(c"header", header, data),
        method(c"sentHeader", sent_header, data),
        method(c"headers", headers, data),
        method(c"release", release, data),
        method(c"setLimits", set_limits, data),
        method(c"policy", policy, data),
        method(c"dropPolicy", drop_policy, data),
        method(c"compose", compose, data),
    ];
    // SAFETY: the environment is that of the running call; names and callbacks are static, the functions' data is a number.
    let status = unsafe { sys::napi_define_properties(raw, object.raw(), properties.len(), properties.as_ptr()) };
    checked(status, "no object was made")?;
    Ok(Object::from_raw(raw, object.raw()))
}

/// The functions' data is the instance's number, not a pointer.
type Call = Arguments<3>;

fn instance_of(call: &Call) -> usize {
    call.data as usize
}

/// `takeText(slot, head)`
unsafe extern "C" fn take_text(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Call::answer(env, info, |call| {
        let slot = call.number_at(0)?;
        let text = with(instance_of(call), |instance| {
            // A latin-1 character has at most two bytes in UTF-8; what is cut off is too long anyway.
            let most = instance.heads.limits().max_bytes * 2 + 2;
            let mut text = std::mem::take(&mut instance.utf8);
            let is_string = call.utf8(1, most, &mut text);
            instance.utf8 = text;
            is_string.then(|| take_string(instance, slot))
        });
        let code = match text.flatten() {
            Some(code) => code,
            None => take_bytes(instance_of(call), slot, call.bytes(1)?),
        };
        if code < 0 {
            return Err(wrong(format_args!("no slot {slot}")));
        }
        call.integer(code)
    })
}

/// Reads the head in `utf8`, whose characters stand for bytes.
fn take_string(instance: &mut Instance, slot: usize) -> i32 {
    let text = std::mem::take(&mut instance.utf8);
    let code = if text.is_ascii() {
        instance.take(slot, &text)
    } else {
        let mut bytes = std::mem::take(&mut instance.latin1);
        bytes.clear();
        // A narrowing of each character would turn U+010A into a line feed.
        let narrow = String::from_utf8_lossy(&text).chars().all(|character| {
            let byte = u8::try_from(character);
            bytes.extend(byte.ok());
            byte.is_ok()
        });
        let code = if narrow { instance.take(slot, &bytes) } else { instance.refuse(slot, Refusal::NotLatin1) };
        instance.latin1 = bytes;
        code
    };
    instance.utf8 = text;
    code
}

/// `header(slot, name)`
unsafe extern "C" fn header(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    read_header(env, info, false)
}

/// `sentHeader(slot, name)`
unsafe extern "C" fn sent_header(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    read_header(env, info, true)
}

/// `sent`: as the client sent it.
fn read_header(env: sys::napi_env, info: sys::napi_callback_info, sent: bool) -> sys::napi_value {
    Call::answer(env, info, |call| {
        let slot = call.number_at(0)?;
        let mut name = Vec::new();
        if !call.utf8(1, 256, &mut name) {
            return Err(wrong("a header name was expected"));
        }
        let found = with(instance_of(call), |instance| {
            let head = instance.heads.edited(slot)?;
            let head = if sent { EditedHead::new(head.head(), None) } else { head };
            let mut values = head.values(&name);
            let first = values.next()?;
            let Some(second) = values.next() else {
                return Some(call.latin1(first));
            };
            // RFC 9110 5.3; cookies are joined as RFC 6265 4.2.1 writes them.
            let between: &[u8] = if name.eq_ignore_ascii_case(b"cookie") { b"; " } else { b", " };
            let mut joined = [first, second].join(between);
            for value in values {
                joined.extend_from_slice(between);
                joined.extend_from_slice(value);
            }
            Some(call.latin1(&joined))
        });
        found.flatten().unwrap_or(Ok(Call::undefined()))
    })
}

/// `headers(slot)`
unsafe extern "C" fn headers(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Call::answer(env, info, |call| {
        let slot = call.number_at(0)?;
        let mut array = ptr::null_mut();
        // SAFETY: `env` is that of the running call, on its thread.
        let status = unsafe { sys::napi_create_array(env, &raw mut array) };
        checked(status, "no array was made")?;
        let filled = with(instance_of(call), |instance| {
            let mut name = Vec::new();
            let mut index = 0;
            for (raw_name, value) in instance.heads.edited(slot).into_iter().flat_map(EditedHead::headers) {
                name.clear();
                name.extend(raw_name.iter().map(u8::to_ascii_lowercase));
                for text in [&name[..], value] {
                    let text = call.latin1(text)?;
                    // SAFETY: as above; both values belong to this call.
                    let status = unsafe { sys::napi_set_element(env, array, index, text) };
                    checked(status, "no array was made")?;
                    index += 1;
                }
            }
            Ok(array)
        });
        filled.unwrap_or(Ok(array))
    })
}

/// `release(slot)`
unsafe extern "C" fn release(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Call::answer(env, info, |call| {
        let slot = call.number_at(0)?;
        with(instance_of(call), |instance| instance.heads.release(slot));
        Ok(Call::undefined())
    })
}

/// `setLimits(maxHeadBytes, maxHeaders)`
unsafe extern "C" fn set_limits(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Call::answer(env, info, |call| {
        let mut wanted = limits(call.number_at(0)? as u32, call.number_at(1)? as u32);
        with(instance_of(call), |instance| {
            // The slab is made once.
            wanted.max_bytes = wanted.max_bytes.min(instance.slab_bytes - SLAB_EXTRA);
            instance.heads.set_limits(wanted);
        });
        Ok(Call::undefined())
    })
}

/// `policy(options)`
unsafe extern "C" fn policy(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Call::answer(env, info, |call| {
        let compiled = call.object_at::<HeadPolicyOptions>(0)?.compile()?;
        let id = with(instance_of(call), |instance| instance.add_policy(compiled));
        call.integer(id.ok_or_else(|| wrong("the request heads are gone"))? as i32)
    })
}

/// `dropPolicy(id)`
unsafe extern "C" fn drop_policy(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Call::answer(env, info, |call| {
        let id = call.number_at(0)?;
        with(instance_of(call), |instance| instance.drop_policy(id));
        Ok(Call::undefined())
    })
}

/// `compose(slot, policy, forwarding)`
unsafe extern "C" fn compose(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Call::answer(env, info, |call| {
        let (slot, policy) = (call.number_at(0)?, call.number_at(1)?);
        let forwarding = call.object_at::<HeadForwarding>(2)?;
        let mut out = Vec::new();
        forwarding
            .lend(|forwarding| compose_head(instance_of(call), slot, policy, forwarding, &mut out))?
            .map_err(wrong)?;
        // SAFETY: as in `headers`; the bytes are given away.
        unsafe { Buffer::to_napi_value(env, Buffer::from(out)) }
    })
}
