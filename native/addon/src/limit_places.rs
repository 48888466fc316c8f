//! Of the limits file, what is no rate and no quota: places under concurrency limits, held by leases, and replay windows.
//! A lease is a number that a request carries until it ends; it holds the request's places under all its limits.

// Reason: in a test build nothing registers the functions with Node.
#![cfg_attr(test, allow(dead_code))]

use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use napi::sys;
use polygate_limits::{Acquired, Concurrency, Limits, Permit, Replay, ReplayWindow, WhenFull};

use crate::arguments::{Arguments, wrong};
use crate::limits::{CLOSED, LimitFile, now, put, this, when_full};

/// How long the places of a worker that has died stay taken, and a quarter more. A living one renews them by `renew`.
const LEASE_NS: u64 = 10_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;

/// `PlaceVerdict` in `ts/shared/native-limits.ts`; `CLOSED` is another.
const REFUSED: i32 = -2;
const FULL_REFUSED: i32 = -3;
const FULL_ADMITTED: i32 = -4;

/// Longer than any address.
const MAX_OWNER_BYTES: usize = 256;

const INDEX_BITS: u32 = 20;
const TURN_MASK: u32 = 0x7FF;

#[derive(Default)]
struct Lease {
    /// Changes when it is given back: a number is good once.
    turn: u32,
    is_held: bool,
    /// None where all were lost.
    permits: Vec<Permit>,
}

/// The leases of an open file, by number: 20 bits of place, 11 bits of turn, above 0.
pub struct Leases {
    places: Vec<Lease>,
    free: Vec<usize>,
    first_turn: u32,
}

impl Leases {
    pub fn new() -> Self {
        // A lease of a file that has been closed is none of the next file.
        static OPENED: AtomicU32 = AtomicU32::new(0);
        let first_turn = OPENED.fetch_add(1, Ordering::Relaxed).wrapping_mul(97) % TURN_MASK + 1;
        Self { places: Vec::new(), free: Vec::new(), first_turn }
    }

    /// `None`: there are as many as there can be.
    fn begin(&mut self, permit: Permit) -> Option<i32> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.places.len() == 1 << INDEX_BITS => return None,
            None => {
                self.places.push(Lease { turn: self.first_turn, ..Lease::default() });
                self.places.len() - 1
            }
        };
        let lease = &mut self.places[index];
        lease.is_held = true;
        lease.permits.push(permit);
        Some((lease.turn << INDEX_BITS) as i32 | index as i32)
    }

    fn held(&mut self, number: i32) -> Option<(usize, &mut Lease)> {
        let number = u32::try_from(number).ok()?;
        let index = (number & ((1 << INDEX_BITS) - 1)) as usize;
        let lease = self.places.get_mut(index)?;
        (lease.is_held && lease.turn == number >> INDEX_BITS).then_some((index, lease))
    }

    /// Gives all places of a lease back.
    fn end(&mut self, number: i32, limits: &mut Limits, now: u64) {
        let Some((index, lease)) = self.held(number) else { return };
        lease.turn = lease.turn % TURN_MASK + 1;
        lease.is_held = false;
        for permit in lease.permits.drain(..) {
            limits.release(permit, now);
        }
        self.free.push(index);
    }

    pub fn end_all(&mut self, limits: &mut Limits, now: u64) {
        for permit in self.places.iter_mut().flat_map(|lease| lease.permits.drain(..)) {
            limits.release(permit, now);
        }
    }

    /// Keeps all places. How many had been lost, and are counted again.
    fn renew(&mut self, limits: &mut Limits, now: u64) -> usize {
        let mut lost = 0;
        for lease in self.places.iter_mut().filter(|lease| lease.is_held) {
            lease.permits = lease
                .permits
                .drain(..)
                .filter_map(|permit| {
                    let words = permit.into_words();
                    limits.renew(Permit::from_words(words), now).or_else(|| {
                        lost += 1;
                        limits.retake(Permit::from_words(words), now)
                    })
                })
                .collect();
        }
        lost
    }
}

/// `concurrency(name, limit, admitWhenFull)`: a number, valid until `dropConcurrency`.
pub unsafe extern "C" fn concurrency(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<3>::answer(env, info, |call| {
        let name = call.object_at::<String>(0)?;
        let limit = u16::try_from(call.number_at(1)?).map_err(|_| wrong("at most 65,535 at once"))?;
        let limit = Concurrency::new(&name, limit, LEASE_NS, when_full(call.object_at::<bool>(2)?)).map_err(wrong)?;
        // SAFETY: as in `this`.
        call.integer(put(&mut unsafe { this(call.data) }.concurrencies, limit) as i32)
    })
}

/// `dropConcurrency(number)`: its places stay until their leases end.
pub unsafe extern "C" fn drop_concurrency(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        let index = call.number_at(0)?;
        // SAFETY: as in `this`.
        if let Some(place) = unsafe { this(call.data) }.concurrencies.get_mut(index) {
            *place = None;
        }
        Ok(ptr::null_mut())
    })
}

/// `acquire(lease, concurrency, key)`: a place for the lease, or for a new one where it is 0. The lease, or a verdict below 0.
pub unsafe extern "C" fn acquire(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<3>::answer(env, info, |call| {
        let lease = call.integer_at(0)?;
        // SAFETY: as in `this`.
        let file = unsafe { this(call.data) };
        file.key.clear();
        if !call.append_latin1(2, &mut file.key) {
            return Err(wrong("a key is a text"));
        }
        let LimitFile { limits, concurrencies, key, .. } = file;
        let limit = concurrencies.get(call.number_at(1)?).and_then(Option::as_ref);
        let limit = limit.ok_or_else(|| wrong("no such concurrency limit"))?;
        let Some(limits) = limits else { return call.integer(CLOSED) };
        let now = now();
        let acquired = limits.acquire(limit, key, now);
        if !file.stands() {
            return call.integer(CLOSED);
        }
        call.integer(match acquired {
            Acquired::Granted { permit, .. } => match file.leases.held(lease) {
                Some((_, held)) => {
                    held.permits.push(permit);
                    lease
                }
                None => file.leases.begin(permit).unwrap_or(FULL_REFUSED),
            },
            Acquired::Refused => REFUSED,
            Acquired::FullRefused => FULL_REFUSED,
            Acquired::FullAdmitted(_) => FULL_ADMITTED,
        })
    })
}

/// `release(lease)`: gives its places back. A lease that has ended, or is of a file that was open before, is ignored.
pub unsafe extern "C" fn release(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        let lease = call.integer_at(0)?;
        // SAFETY: as in `this`.
        let file = unsafe { this(call.data) };
        if let Some(limits) = &mut file.limits {
            file.leases.end(lease, limits, now());
        }
        Ok(ptr::null_mut())
    })
}

/// `renew()`: keeps all places that are held, for another lease. How many had been lost in between.
pub unsafe extern "C" fn renew(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<0>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let file = unsafe { this(call.data) };
        let Some(limits) = &mut file.limits else { return call.integer(0) };
        let lost = file.leases.renew(limits, now());
        call.integer(lost as i32)
    })
}

/// `replayWindow(name, ttlSeconds, admitWhenFull)`: a number, valid until `dropReplayWindow`.
pub unsafe extern "C" fn replay_window(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<3>::answer(env, info, |call| {
        let name = call.object_at::<String>(0)?;
        let ttl_ns = (call.number_at(1)? as u64).saturating_mul(SECOND_NS);
        let when_full = if call.object_at::<bool>(2)? { WhenFull::Admit } else { WhenFull::Refuse };
        let window = ReplayWindow::new(&name, ttl_ns, when_full).map_err(wrong)?;
        // SAFETY: as in `this`.
        call.integer(put(&mut unsafe { this(call.data) }.windows, window) as i32)
    })
}

/// `dropReplayWindow(number)`: what it has seen stays seen.
pub unsafe extern "C" fn drop_replay_window(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        let index = call.number_at(0)?;
        // SAFETY: as in `this`.
        if let Some(place) = unsafe { this(call.data) }.windows.get_mut(index) {
            *place = None;
        }
        Ok(ptr::null_mut())
    })
}

/// `replay(window, value)`: records a value, a text or bytes, once; a `ReplayVerdict`.
pub unsafe extern "C" fn replay(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<2>::answer(env, info, |call| {
        ask(call, |limits, window, value, now| verdict(limits.record(window, value, now)))
    })
}

/// `replaySeen(window, value)`: whether it is recorded; first or seen of `ReplayVerdict`. Records nothing.
pub unsafe extern "C" fn replay_seen(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<2>::answer(env, info, |call| {
        ask(call, |limits, window, value, now| i32::from(limits.seen(window, value, now)))
    })
}

/// `replayClaim(window, value, owner)`: a `ReplayVerdict`, seen where another owner was first.
pub unsafe extern "C" fn replay_claim(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<3>::answer(env, info, |call| {
        let mut owner = Vec::new();
        if !call.utf8(2, MAX_OWNER_BYTES, &mut owner) {
            return Err(wrong("an owner is a text"));
        }
        ask(call, |limits, window, value, now| verdict(limits.claim(window, value, &owner, now)))
    })
}

/// The common part: window and value are the first arguments.
fn ask<const N: usize>(
    call: &Arguments<N>,
    work: impl FnOnce(&mut Limits, &ReplayWindow, &[u8], u64) -> i32,
) -> napi::Result<sys::napi_value> {
    // SAFETY: as in `this`.
    let file = unsafe { this(call.data) };
    file.key.clear();
    if !call.append_latin1(1, &mut file.key) {
        return Err(wrong("a value is a text or bytes"));
    }
    let window = file.windows.get(call.number_at(0)?).and_then(Option::as_ref);
    let window = window.ok_or_else(|| wrong("no such replay window"))?;
    let Some(limits) = &mut file.limits else { return call.integer(CLOSED) };
    let verdict = work(limits, window, &file.key, now());
    call.integer(if file.stands() { verdict } else { CLOSED })
}

const fn verdict(replay: Replay) -> i32 {
    match replay {
        Replay::First => 0,
        Replay::Seen => 1,
        Replay::FullRefused => 2,
        Replay::FullAdmitted => 3,
    }
}
