//! Signatures of requests for JavaScript: verifiers by number, and what the head of a slot is worth to one of them, in one
//! crossing. Here the clock is read, the real one: what clients sign is a date.

// Reason: in a test build nothing registers the functions with Node.
#![cfg_attr(test, allow(dead_code))]

mod options;
mod request;
pub mod signers;
mod verifier;

use std::collections::HashMap;
use std::ptr;
use std::time::{SystemTime, UNIX_EPOCH};

use napi::sys;
use napi_derive::napi;
use polygate_signing::{BodyDigest, Kernel, Refusal};

use crate::arguments::{Arguments, checked, wrong};
use crate::exchanges::{Exchanges, TLS, TRUSTED, this};
use crate::heads::with_head;
use options::SignatureVerifierOptions;
use request::{Lines, Reached};
use verifier::{Accepted, Asked, Scheme, Verdict, Verifier};

/// Far longer than any key id, and than any signature of Mashery's.
const MAX_TEXT_BYTES: usize = 1024;
/// Instead of a place; the same names are in `ts/shared/native-signing.ts`.
const SIGNED_BODY_NEEDED: i32 = 1 << 30;
const WHOLE_BODY_NEEDED: i32 = SIGNED_BODY_NEEDED + 1;
const REPLAY_BYTES: usize = 32;
/// A bit of `verify`'s `how`, beside those of forwarding; `replayUnwanted` in the same file.
const REPLAY_UNWANTED: i32 = 16;

/// The part of `Exchanges` that is about signatures.
pub struct Signatures {
    verifiers: Vec<Option<Verifier>>,
    /// By slot: what is left to do when the body is there.
    waiting: HashMap<usize, Waiting>,
    lines: Lines,
    /// Of the last accepted one; the memory of a typed array that is kept. Null before JavaScript has asked for it.
    replay: *mut u8,
    replay_array: sys::napi_ref,
    key: Vec<u8>,
    text: Vec<u8>,
}

struct Waiting {
    /// When the head came, and was fresh.
    now: u64,
    due: Due,
}

enum Due {
    Digest(Accepted, BodyDigest),
    Whole { verifier: usize, how: i32 },
}

impl Default for Signatures {
    fn default() -> Self {
        Self {
            verifiers: Vec::new(),
            waiting: HashMap::new(),
            lines: Lines::default(),
            replay: ptr::null_mut(),
            replay_array: ptr::null_mut(),
            key: Vec::new(),
            text: Vec::new(),
        }
    }
}

impl Signatures {
    /// The slot's request has ended.
    pub fn end(&mut self, slot: usize) {
        if !self.waiting.is_empty() {
            self.waiting.remove(&slot);
        }
    }

    /// The number for JavaScript.
    fn answer(&mut self, result: Result<Accepted, Refusal>) -> i32 {
        match result {
            Ok(accepted) => {
                self.tell(accepted);
                accepted.place as i32
            }
            Err(refusal) => number(refusal),
        }
    }

    fn tell(&mut self, accepted: Accepted) {
        if let Some(replay) = accepted.replay.filter(|_| !self.replay.is_null()) {
            // SAFETY: the memory of the typed array that `replay_value` made and keeps, on the environment's thread, while
            // no JavaScript runs.
            unsafe { self.replay.cast::<[u8; REPLAY_BYTES]>().write_unaligned(replay) };
        }
    }
}

/// Below 0, in the order of `Refusal::ALL`.
fn number(refusal: Refusal) -> i32 {
    -1 - Refusal::ALL.iter().position(|one| *one == refusal).unwrap_or_default() as i32
}

fn asked(how: i32) -> Asked {
    let reached = Reached { tls: how & TLS != 0, trusted: how & TRUSTED != 0 };
    Asked { reached, replay: how & REPLAY_UNWANTED == 0 }
}

fn real_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The time to verify at: the argument of that index if it is a number.
fn now_at<const N: usize>(call: &Arguments<N>, index: usize) -> u64 {
    let mut seconds = 0.0;
    // SAFETY: the environment and the value are those of the running call.
    let status = unsafe { sys::napi_get_value_double(call.env, call.values[index], &raw mut seconds) };
    if status == sys::Status::napi_ok { seconds as u64 } else { real_time() }
}

/// The names of the refusals, in the order of their numbers: -1, -2, ...
#[napi(catch_unwind)]
pub fn signature_refusals() -> Vec<String> {
    Refusal::ALL.iter().map(|refusal| refusal.name().to_owned()).collect()
}

/// The names of the kernels for Mashery's window that this processor has, the fastest last.
#[napi(catch_unwind)]
pub fn signature_kernels() -> Vec<String> {
    Kernel::available().into_iter().map(|kernel| kernel.name().to_owned()).collect()
}

/// `signatureVerifier(options)`: a number.
pub unsafe extern "C" fn add(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        let verifier = call.object_at::<SignatureVerifierOptions>(0)?.compile()?;
        // SAFETY: as in `this`.
        let verifiers = &mut unsafe { this(call.data) }.signatures.verifiers;
        let index = verifiers.iter().position(Option::is_none).unwrap_or_else(|| {
            verifiers.push(None);
            verifiers.len() - 1
        });
        verifiers[index] = Some(verifier);
        call.integer(index as i32)
    })
}

/// `dropSignatureVerifier(verifier)`
pub unsafe extern "C" fn forget(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        let index = call.number_at(0)?;
        // SAFETY: as in `this`.
        if let Some(place) = unsafe { this(call.data) }.signatures.verifiers.get_mut(index) {
            *place = None;
        }
        Ok(ptr::null_mut())
    })
}

/// `verifySignature(verifier, slot, how, now)`: of the slot's head. A place, where the body has to be looked at one of the
/// codes above, or a refusal's number.
pub unsafe extern "C" fn verify(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<4>::answer(env, info, |call| {
        let (index, slot, how) = (call.number_at(0)?, call.number_at(1)?, call.integer_at(2)?);
        let now = now_at(call, 3);
        // SAFETY: as in `this`.
        let Exchanges { heads, signatures, .. } = unsafe { this(call.data) };
        let Signatures { verifiers, lines, .. } = signatures;
        let verifier = verifier_or(verifiers.get_mut(index).and_then(Option::as_mut))?;
        let verdict = with_head(*heads, slot, |head| {
            head.map_or(Err(Refusal::Missing), |head| verifier.verify(head, asked(how), lines, now))
        });
        call.integer(match verdict {
            Ok(Verdict::Accepted(accepted)) => signatures.answer(Ok(accepted)),
            Ok(Verdict::WithDigest(accepted, digest)) => {
                signatures.tell(accepted);
                signatures.waiting.insert(slot, Waiting { now, due: Due::Digest(accepted, digest) });
                SIGNED_BODY_NEEDED
            }
            Ok(Verdict::WithBody) => {
                signatures.waiting.insert(slot, Waiting { now, due: Due::Whole { verifier: index, how } });
                WHOLE_BODY_NEEDED
            }
            Err(refusal) => number(refusal),
        })
    })
}

/// `verifySignedBody(slot, body, withinSeconds, now)`: after one of those codes, once. A place or a refusal's number. What
/// comes more than so many seconds after its head is too old: a replay of it may have been forgotten by then. 0: it may.
pub unsafe extern "C" fn verify_body(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<4>::answer(env, info, |call| {
        let (slot, body, within) = (call.number_at(0)?, call.bytes(1)?, call.number_at(2)?);
        let body_at = now_at(call, 3);
        // SAFETY: as in `this`.
        let Exchanges { heads, signatures, .. } = unsafe { this(call.data) };
        let waiting = signatures.waiting.remove(&slot);
        let Waiting { now, due } = waiting.ok_or_else(|| wrong("no signature waits for this slot's body"))?;
        let result = if within > 0 && body_at > now.saturating_add(within as u64) {
            Err(Refusal::TooOld)
        } else {
            match due {
                Due::Digest(accepted, digest) => verifier::checked(accepted, &digest, body),
                Due::Whole { verifier, how } => {
                    let Signatures { verifiers, lines, .. } = signatures;
                    let verifier = verifier_or(verifiers.get_mut(verifier).and_then(Option::as_mut))?;
                    with_head(*heads, slot, |head| {
                        head.map_or(Err(Refusal::Missing), |head| {
                            verifier.verify_whole(head, body, asked(how), lines, now)
                        })
                    })
                }
            }
        };
        call.integer(signatures.answer(result))
    })
}

/// `verifyMashery(verifier, key, signature, now)`: of two texts.
pub unsafe extern "C" fn verify_mashery(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<4>::answer(env, info, |call| {
        let index = call.number_at(0)?;
        let now = now_at(call, 3);
        // SAFETY: as in `this`.
        let Signatures { verifiers, key, text, .. } = &mut unsafe { this(call.data) }.signatures;
        // UTF-8: a character beyond latin-1 must not look like another.
        if !call.utf8(1, MAX_TEXT_BYTES, key) || !call.utf8(2, MAX_TEXT_BYTES, text) {
            return Err(wrong("a key and a signature are texts"));
        }
        let verifier = verifier_or(verifiers.get_mut(index).and_then(Option::as_mut))?;
        let Scheme::Mashery { keys, .. } = &mut verifier.scheme else {
            return Err(wrong("a verifier of Mashery's signatures was expected"));
        };
        call.integer(match keys.verify(key, text, now) {
            Ok(accepted) => accepted.credential as i32,
            Err(refusal) => number(refusal),
        })
    })
}

/// `signatureTables(verifier)`: how many secrets have a table of Mashery's window.
pub unsafe extern "C" fn tables(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let verifiers = &mut unsafe { this(call.data) }.signatures.verifiers;
        let verifier = verifier_or(verifiers.get_mut(call.number_at(0)?).and_then(Option::as_mut))?;
        let Scheme::Mashery { keys, .. } = &verifier.scheme else { return call.integer(0) };
        call.integer(keys.tables_in_use() as i32)
    })
}

/// `signatureReplayValue()`: 32 bytes, always the same, that hold what a replay of the last accepted request is known by.
pub unsafe extern "C" fn replay_value(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<0>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let signatures = &mut unsafe { this(call.data) }.signatures;
        let (mut start, mut memory, mut array) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        let uint8 = sys::TypedarrayType::uint8_array;
        // SAFETY: the environment is that of the running call, on its thread. The memory belongs to V8 and never moves; the
        // reference, which is never given back, keeps it for as long as the environment lives.
        unsafe {
            if signatures.replay.is_null() {
                checked(sys::napi_create_arraybuffer(env, REPLAY_BYTES, &raw mut start, &raw mut memory), "no memory")?;
                checked(sys::napi_create_typedarray(env, uint8, REPLAY_BYTES, memory, 0, &raw mut array), "no bytes")?;
                let kept = sys::napi_create_reference(env, array, 1, &raw mut signatures.replay_array);
                checked(kept, "the bytes were not kept")?;
                start.cast::<u8>().write_bytes(0, REPLAY_BYTES);
                signatures.replay = start.cast();
            } else {
                checked(sys::napi_get_reference_value(env, signatures.replay_array, &raw mut array), "no bytes")?;
            }
        }
        Ok(array)
    })
}

fn verifier_or(verifier: Option<&mut Verifier>) -> napi::Result<&mut Verifier> {
    verifier.ok_or_else(|| wrong("no such verifier"))
}
