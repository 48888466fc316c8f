//! Tokens for JavaScript: key sets and verifiers by number, what the head of a slot or a text is to them, and the claims
//! of an accepted one until its request is composed for the upstream.

// Reason: in a test build nothing registers the functions with Node.
#![cfg_attr(test, allow(dead_code))]

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use napi::sys;
use polygate_head::{Edit, EditKind};
use polygate_signing::jwt::{Accepted, KeySet, MAX_TOKEN_BYTES, Refusal, Verifier, bearer, only};

use crate::arguments::{Arguments, wrong};
use crate::exchanges::this;
use crate::heads::with_head;

/// `JwtVerdict` in `ts/shared/native-jwt.ts`: the number of a consumer, this for nobody's, or less for a refusal.
const NOBODY: i32 = -1;

/// A verifier, and the header that it reads.
struct Place {
    verifier: Verifier,
    header: Vec<u8>,
    bearer: bool,
}

/// Of one worker.
#[derive(Default)]
pub struct Tokens {
    key_sets: Vec<Option<KeySet>>,
    verifiers: Vec<Option<Place>>,
    /// By slot: what an accepted token says to the upstream.
    claims: Vec<Option<Arc<Accepted>>>,
}

impl Tokens {
    /// The slot's request has ended, or its token counts no more.
    pub fn forget(&mut self, slot: usize) {
        if let Some(claims) = self.claims.get_mut(slot) {
            *claims = None;
        }
    }

    /// Lends the header edits of the slot's request. The names are hidden from clients by the route's policy.
    pub fn with_edits<R>(&self, slot: usize, work: impl FnOnce(&[Edit<'_>]) -> R) -> R {
        let Some(Some(accepted)) = self.claims.get(slot) else { return work(&[]) };
        let edits: Vec<_> =
            accepted.headers.iter().map(|(name, value)| Edit { kind: EditKind::Set, name, value }).collect();
        work(&edits)
    }

    fn answer(&mut self, slot: usize, outcome: Result<Arc<Accepted>, Refusal>) -> i32 {
        self.forget(slot);
        match outcome {
            Err(refusal) => NOBODY - refusal as i32,
            Ok(accepted) => {
                let consumer = accepted.consumer.map_or(NOBODY, |consumer| consumer as i32);
                if !accepted.headers.is_empty() {
                    if slot >= self.claims.len() {
                        self.claims.resize_with(slot + 1, Default::default);
                    }
                    self.claims[slot] = Some(accepted);
                }
                consumer
            }
        }
    }
}

fn put<T>(list: &mut Vec<Option<T>>, item: T) -> usize {
    let index = list.iter().position(Option::is_none).unwrap_or_else(|| {
        list.push(None);
        list.len() - 1
    });
    list[index] = Some(item);
    index
}

fn drop_from<T>(list: &mut [Option<T>], index: usize) {
    if let Some(place) = list.get_mut(index) {
        *place = None;
    }
}

/// `jwtKeys(json)`: a number. Throws what is wrong, and shows no key.
pub unsafe extern "C" fn add_keys(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        let keys = KeySet::new(&call.object_at::<String>(0)?).map_err(wrong)?;
        // SAFETY: as in `this`.
        let number = put(&mut unsafe { this(call.data) }.tokens.key_sets, keys);
        call.integer(number as i32)
    })
}

/// `dropJwtKeys(keys)`
pub unsafe extern "C" fn forget_keys(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        drop_from(&mut unsafe { this(call.data) }.tokens.key_sets, call.number_at(0)?);
        Ok(Arguments::<1>::undefined())
    })
}

/// `jwtVerifier(json, header, isBearer)`: a number. Throws what is wrong.
pub unsafe extern "C" fn add(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<3>::answer(env, info, |call| {
        let verifier = Verifier::new(&call.object_at::<String>(0)?).map_err(wrong)?;
        let mut header = Vec::new();
        call.optional_latin1(1, &mut header);
        let place = Place { verifier, header, bearer: call.object_at::<bool>(2)? };
        // SAFETY: as in `this`.
        let number = put(&mut unsafe { this(call.data) }.tokens.verifiers, place);
        call.integer(number as i32)
    })
}

/// `dropJwtVerifier(verifier)`
pub unsafe extern "C" fn forget(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        drop_from(&mut unsafe { this(call.data) }.tokens.verifiers, call.number_at(0)?);
        Ok(Arguments::<1>::undefined())
    })
}

/// `verifyJwt(verifier, keys, slot)`: the token in the verifier's header.
pub unsafe extern "C" fn verify(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<3>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let this = unsafe { this(call.data) };
        let slot = call.number_at(2)?;
        let heads = this.heads;
        let (place, keys) = parts(&mut this.tokens, call.number_at(0)?, call.number_at(1)?)?;
        let outcome = with_head(heads, slot, |head| {
            let values = head.ok_or(Refusal::Missing)?.values(&place.header);
            let token = if place.bearer { bearer(values)? } else { only(values)? };
            place.verifier.verify(keys, token, now())
        });
        call.integer(this.tokens.answer(slot, outcome))
    })
}

/// `verifyJwtText(verifier, keys, slot, token)`
pub unsafe extern "C" fn verify_text(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<4>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let this = unsafe { this(call.data) };
        let slot = call.number_at(2)?;
        let (place, keys) = parts(&mut this.tokens, call.number_at(0)?, call.number_at(1)?)?;
        let mut token = Vec::new();
        let outcome = if call.utf8(3, MAX_TOKEN_BYTES + 1, &mut token) {
            place.verifier.verify(keys, &token, now())
        } else {
            Err(Refusal::Missing)
        };
        call.integer(this.tokens.answer(slot, outcome))
    })
}

/// `dropClaims(slot)`: the token of the slot's request counts no more.
pub unsafe extern "C" fn drop_claims(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        unsafe { this(call.data) }.tokens.forget(call.number_at(0)?);
        Ok(Arguments::<1>::undefined())
    })
}

fn parts(tokens: &mut Tokens, verifier: usize, keys: usize) -> napi::Result<(&mut Place, &KeySet)> {
    let place = tokens.verifiers.get_mut(verifier).and_then(Option::as_mut);
    let keys = tokens.key_sets.get(keys).and_then(Option::as_ref);
    place.zip(keys).ok_or_else(|| wrong("no such verifier, or no such keys"))
}

/// Unix time in seconds. A clock before 1970 is no clock: every token is of the future then.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}
