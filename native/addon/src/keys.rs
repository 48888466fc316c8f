//! API keys for JavaScript: a ring of digests by number, and what the head of a slot, or a text, is in it.

// Reason: in a test build nothing registers the functions with Node.
#![cfg_attr(test, allow(dead_code))]

use napi::sys;
use polygate_head::EditedHead;
use polygate_keys::{Digest, KeyRing, Lookup};

use crate::arguments::{Arguments, wrong};
use crate::exchanges::this;
use crate::heads::with_edited;

/// Below 0 what is no key's number; `KeyLookup` in `ts/shared/native.ts`.
const MISSING: i32 = -1;
const AMBIGUOUS: i32 = -2;
const UNKNOWN: i32 = -3;

/// Keys, and the header that `findKey` reads them from.
pub struct Ring {
    keys: KeyRing,
    header: Vec<u8>,
}

fn number(lookup: Lookup) -> i32 {
    match lookup {
        Lookup::Known(number) => number as i32,
        Lookup::Missing => MISSING,
        Lookup::Ambiguous => AMBIGUOUS,
        Lookup::Unknown => UNKNOWN,
    }
}

/// `keyRing(digests, header)`: a number. `digests`: 32 bytes a key.
pub unsafe extern "C" fn add(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<2>::answer(env, info, |call| {
        let (digests, rest) = call.bytes(0)?.as_chunks::<{ size_of::<Digest>() }>();
        if !rest.is_empty() {
            return Err(wrong("a digest has 32 bytes"));
        }
        let mut header = Vec::new();
        call.optional_latin1(1, &mut header);
        // SAFETY: as in `this`.
        let rings = &mut unsafe { this(call.data) }.key_rings;
        let index = rings.iter().position(Option::is_none).unwrap_or_else(|| {
            rings.push(None);
            rings.len() - 1
        });
        rings[index] = Some(Ring { keys: KeyRing::new(digests.iter().copied()), header });
        call.integer(index as i32)
    })
}

/// `dropKeyRing(ring)`
pub unsafe extern "C" fn forget(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        let index = call.number_at(0)?;
        // SAFETY: as in `this`.
        if let Some(place) = unsafe { this(call.data) }.key_rings.get_mut(index) {
            *place = None;
        }
        Ok(Arguments::<1>::undefined())
    })
}

/// `findKey(ring, slot)`: in the ring's header of the slot's head.
pub unsafe extern "C" fn find(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<2>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let this = unsafe { this(call.data) };
        let Ring { keys, header } = ring(&this.key_rings, call.number_at(0)?)?;
        let found = with_edited(this.heads, call.number_at(1)?, |head: Option<EditedHead<'_>>| {
            head.map_or(Lookup::Missing, |head| keys.find(head.values(header)))
        });
        call.integer(number(found))
    })
}

/// `findKeyText(ring, text)`
pub unsafe extern "C" fn find_text(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<2>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let Ring { keys, .. } = ring(&unsafe { this(call.data) }.key_rings, call.number_at(0)?)?;
        // UTF-8: a character beyond latin-1 must not look like another.
        let text = call.object_at::<String>(1)?;
        call.integer(number(keys.find(std::iter::once(text.as_bytes()))))
    })
}

fn ring(rings: &[Option<Ring>], index: usize) -> napi::Result<&Ring> {
    rings.get(index).and_then(Option::as_ref).ok_or_else(|| wrong("no such key ring"))
}
