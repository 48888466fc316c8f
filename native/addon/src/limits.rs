//! The limits file for JavaScript: rules by number, decisions as a number and six more a claim in memory that both share,
//! so that one costs a single crossing and makes nothing. Places and replay windows: `limit_places.rs`. Here the clock is
//! read; `polygate_limits` reads none.
//!
//! Everything of an object belongs to the thread that made it.

// Reason: in a test build nothing registers the functions with Node.
#![cfg_attr(test, allow(dead_code))]

use std::ffi::c_void;
use std::path::Path;
use std::ptr;

use napi::bindgen_prelude::{Env, Error, Object, Result};
use napi::{JsValue, sys};
use napi_derive::napi;
use polygate_limits::{
    Claim, Concurrency, Decision, Limits, NEVER, Opened, Options, Period, ReplayWindow, Rule, Verdict, WhenFull,
    Window, rate_limit_name, rate_limit_policy,
};

use crate::arguments::{Arguments, checked, method, value, wrong};
use crate::limit_places::{self as places, Leases};
use crate::shared_memory;

/// Numbers of a decision: window, limit, remaining, seconds until all is there again, seconds to wait, verdict.
/// `LimitDecision` in `ts/shared/native-limits.ts`.
const DECISION_NUMBERS: usize = 6;
/// Claims that one request can have, `mostClaims` there.
const MOST_CLAIMS: usize = 8;
const SECOND_NS: u64 = 1_000_000_000;
/// The file has been closed, or is not what it was.
pub(crate) const CLOSED: i32 = -1;
/// Of several claims, none refuses.
const NONE_REFUSES: i32 = -2;

/// Per open file. Freed with the environment.
pub(crate) struct LimitFile {
    pub limits: Option<Limits>,
    rules: Vec<Option<Rule>>,
    pub windows: Vec<Option<ReplayWindow>>,
    pub concurrencies: Vec<Option<Concurrency>>,
    pub leases: Leases,
    /// `DECISION_NUMBERS` for each of `MOST_CLAIMS`; the memory of a typed array that is kept.
    decision: *mut f64,
    decisions: Vec<Decision>,
    pub key: Vec<u8>,
}

impl LimitFile {
    /// Whether what was just decided means something. If not, the file is let go.
    #[inline]
    pub fn stands(&mut self) -> bool {
        let stands = self.limits.as_ref().is_some_and(Limits::intact);
        if !stands {
            self.limits = None;
        }
        stands
    }

    #[inline]
    fn tell(&mut self, index: usize, decision: &Decision) {
        if index < MOST_CLAIMS {
            // SAFETY: the memory of the typed array that `create` made and keeps, of `MOST_CLAIMS` times
            // `DECISION_NUMBERS`; JavaScript does not run now.
            unsafe { self.decision.cast::<[f64; DECISION_NUMBERS]>().add(index).write(numbers(decision)) };
        }
    }
}

/// See `LimitWindow` in `ts/shared/native-limits.ts`.
#[napi(object, object_to_js = false)]
pub struct LimitWindow {
    pub kind: String,
    pub limit: f64,
    pub period_ms: f64,
    pub burst: f64,
}

impl LimitWindow {
    fn compile(&self) -> Result<Window> {
        // Whole and in range by the configuration; what is not, `Rule::new` refuses as 0 or too large.
        let (limit, burst) = (self.limit as u64, self.burst as u64);
        Ok(match self.kind.as_str() {
            "rate" => Window::Rate { limit, period_ns: self.period_ms as u64 * 1_000_000, burst },
            "hour" => Window::Quota { limit, period: Period::Hour },
            "day" => Window::Quota { limit, period: Period::Day },
            "month" => Window::Quota { limit, period: Period::Month },
            _ => return Err(wrong("a window is rate, hour, day or month")),
        })
    }
}

/// `new Limits(file, keys, replays)`: opens the file, or throws an Error that says why it cannot be had.
#[napi(js_name = "Limits", catch_unwind)]
#[allow(clippy::needless_pass_by_value)] // Reason: what N-API gives is owned.
pub fn limits(env: Env, file: String, keys: u32, replays: u32) -> Result<Object<'static>> {
    let options = Options { keys: keys as usize, replays: replays as usize, gateway: None };
    let (limits, opened) =
        Limits::open(Path::new(&file), &options).map_err(|error| Error::from_reason(error.to_string()))?;
    let found = match opened {
        Opened::Kept => "kept".to_owned(),
        Opened::Created => "created".to_owned(),
        Opened::Rebuilt(flaw) => format!("rebuilt: {flaw}"),
    };
    create(env, limits, &found)
}

fn create(env: Env, limits: Limits, found: &str) -> Result<Object<'static>> {
    let raw = env.raw();
    // SAFETY: inside the call that makes the object.
    let decision = unsafe { shared_memory::numbers::<f64>(raw, DECISION_NUMBERS * MOST_CLAIMS)? };
    let mut text = ptr::null_mut();
    // SAFETY: the environment is that of the running call, on its thread; the text is copied.
    unsafe {
        let bytes = found.as_ptr().cast();
        checked(sys::napi_create_string_utf8(raw, bytes, found.len() as isize, &raw mut text), "no text was made")?;
    }
    let file = LimitFile {
        limits: Some(limits),
        rules: Vec::new(),
        windows: Vec::new(),
        concurrencies: Vec::new(),
        leases: Leases::new(),
        decision: decision.start.as_ptr(),
        decisions: Vec::new(),
        key: Vec::new(),
    };
    let data = Box::into_raw(Box::new(file)).cast::<c_void>();
    // SAFETY: as above; the hook runs once, after the last JS of the environment.
    unsafe { sys::napi_add_env_cleanup_hook(raw, Some(free), data) };
    let object = Object::new(&env)?;
    let properties = [
        value(c"decision", decision.value),
        value(c"opened", text),
        method(c"rule", rule, data),
        method(c"ruleWithout", rule_without, data),
        method(c"dropRule", drop_rule, data),
        method(c"policy", policy, data),
        method(c"windowNames", window_names, data),
        method(c"decide", decide, data),
        method(c"decideAll", decide_all, data),
        method(c"giveBack", give_back, data),
        method(c"replayWindow", places::replay_window, data),
        method(c"dropReplayWindow", places::drop_replay_window, data),
        method(c"replay", places::replay, data),
        method(c"replaySeen", places::replay_seen, data),
        method(c"replayClaim", places::replay_claim, data),
        method(c"concurrency", places::concurrency, data),
        method(c"dropConcurrency", places::drop_concurrency, data),
        method(c"acquire", places::acquire, data),
        method(c"release", places::release, data),
        method(c"renew", places::renew, data),
        method(c"current", current, data),
        method(c"close", close, data),
    ];
    // SAFETY: as above; names and callbacks are static.
    let status = unsafe { sys::napi_define_properties(raw, object.raw(), properties.len(), properties.as_ptr()) };
    checked(status, "no object was made")?;
    Ok(Object::from_raw(raw, object.raw()))
}

unsafe extern "C" fn free(data: *mut c_void) {
    // SAFETY: made by `create`, given to this hook alone.
    drop(unsafe { Box::from_raw(data.cast::<LimitFile>()) });
}

/// # Safety
/// `data` is that of a function made by `create`, on the environment's thread, one call at a time.
pub(crate) unsafe fn this<'a>(data: *mut c_void) -> &'a mut LimitFile {
    // SAFETY: the caller's promise.
    unsafe { &mut *data.cast::<LimitFile>() }
}

/// Puts a thing where there is room: its number, valid until its place is emptied.
pub(crate) fn put<T>(places: &mut Vec<Option<T>>, thing: T) -> usize {
    let index = places.iter().position(Option::is_none).unwrap_or_else(|| {
        places.push(None);
        places.len() - 1
    });
    places[index] = Some(thing);
    index
}

pub(crate) fn when_full(admits: bool) -> WhenFull {
    if admits { WhenFull::Admit } else { WhenFull::ForgetLeastUsed }
}

/// Nanoseconds since 1970. A third cheaper than `SystemTime`, which counts in 128 bits: this is asked for each request.
pub(crate) fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills the structure, which lives until it returns. The clock exists, so it does not fail.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time) };
    u64::try_from(time.tv_sec).unwrap_or(0).saturating_mul(SECOND_NS) + time.tv_nsec as u64
}

/// `rule(name, windows, admitWhenFull)`: a number, valid until `dropRule`.
unsafe extern "C" fn rule(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<3>::answer(env, info, |call| {
        let name = call.object_at::<String>(0)?;
        let windows = call.object_at::<Vec<LimitWindow>>(1)?;
        let windows = windows.iter().map(LimitWindow::compile).collect::<Result<Vec<_>>>()?;
        let rule = Rule::new(&name, &windows, when_full(call.object_at::<bool>(2)?)).map_err(wrong)?;
        // SAFETY: as in `this`.
        call.integer(put(&mut unsafe { this(call.data) }.rules, rule) as i32)
    })
}

/// `ruleWithout(rule, rates, quotas)`: the same rule without its rates, its quotas; -1: without windows.
unsafe extern "C" fn rule_without(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<3>::answer(env, info, |call| {
        let (rates, quotas) = (call.object_at::<bool>(1)?, call.object_at::<bool>(2)?);
        // SAFETY: as in `this`.
        let rules = &mut unsafe { this(call.data) }.rules;
        let rest = rule_at(rules, call.number_at(0)?)?.without(|window| match window {
            Window::Rate { .. } => rates,
            Window::Quota { .. } => quotas,
        });
        call.integer(rest.map_or(-1, |rest| put(rules, rest) as i32))
    })
}

/// `dropRule(rule)`
unsafe extern "C" fn drop_rule(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        let index = call.number_at(0)?;
        // SAFETY: as in `this`.
        if let Some(place) = unsafe { this(call.data) }.rules.get_mut(index) {
            *place = None;
        }
        Ok(Arguments::<1>::undefined())
    })
}

/// `policy(rule)`: the value of `RateLimit-Policy`.
unsafe extern "C" fn policy(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let rule = rule_at(&unsafe { this(call.data) }.rules, call.number_at(0)?)?;
        call.latin1(rate_limit_policy(rule).as_bytes())
    })
}

/// `windowNames(rule)`: what `RateLimit` calls its windows, a line each.
unsafe extern "C" fn window_names(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let rule = rule_at(&unsafe { this(call.data) }.rules, call.number_at(0)?)?;
        let names: Vec<_> = (0..rule.windows().len()).map(|window| rate_limit_name(rule, window)).collect();
        call.latin1(names.join("\n").as_bytes())
    })
}

/// `decide(rule, key)`: asks for one cell; a verdict of `LimitVerdict`. Fills `decision`.
unsafe extern "C" fn decide(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<2>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let file = unsafe { this(call.data) };
        file.key.clear();
        if !call.append_latin1(1, &mut file.key) {
            return Err(wrong("a key is a text"));
        }
        let rule = rule_at(&file.rules, call.number_at(0)?)?;
        let Some(limits) = &mut file.limits else { return call.integer(CLOSED) };
        let decided = limits.decide(rule, &file.key, 1, now());
        if !file.stands() {
            return call.integer(CLOSED);
        }
        file.tell(0, &decided);
        call.integer(verdict_number(decided.verdict))
    })
}

/// `decideAll(count, rule, key, rule, key, ...)`: asks for one cell of each, or of none. The claim that refuses, from 0, or
/// `NONE_REFUSES`. Fills `decision`.
unsafe extern "C" fn decide_all(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<{ 1 + 2 * MOST_CLAIMS }>::answer(env, info, |call| {
        let count = call.number_at(0)?.min(MOST_CLAIMS);
        // SAFETY: as in `this`.
        let file = unsafe { this(call.data) };
        file.key.clear();
        let mut ends = [0; MOST_CLAIMS];
        for (claim, end) in ends.iter_mut().enumerate().take(count) {
            if !call.append_latin1(2 + 2 * claim, &mut file.key) {
                return Err(wrong("a key is a text"));
            }
            *end = file.key.len();
        }
        let first = rule_at(&file.rules, call.number_at(1)?)?;
        let mut claims = [Claim { rule: first, key: b"" }; MOST_CLAIMS];
        let mut begin = 0;
        for (claim, end) in ends.into_iter().enumerate().take(count) {
            let rule = rule_at(&file.rules, call.number_at(1 + 2 * claim)?)?;
            claims[claim] = Claim { rule, key: &file.key[begin..end] };
            begin = end;
        }
        let Some(limits) = &mut file.limits else { return call.integer(CLOSED) };
        let refusing = limits.decide_all(&claims[..count], &mut file.decisions, now());
        if !file.stands() {
            return call.integer(CLOSED);
        }
        for index in 0..count {
            let decision = file.decisions[index];
            file.tell(index, &decision);
        }
        call.integer(refusing.map_or(NONE_REFUSES, |index| index as i32))
    })
}

/// `giveBack(rule, key)`: a cell that was taken for a request which something else then refused.
unsafe extern "C" fn give_back(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<2>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let file = unsafe { this(call.data) };
        file.key.clear();
        if !call.append_latin1(1, &mut file.key) {
            return Err(wrong("a key is a text"));
        }
        let rule = rule_at(&file.rules, call.number_at(0)?)?;
        if let Some(limits) = &mut file.limits {
            limits.give_back(rule, &file.key, 1, now());
        }
        Ok(ptr::null_mut())
    })
}

/// `current()`: whether the open file is still the one at its path, and whole.
unsafe extern "C" fn current(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<0>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        call.boolean(unsafe { this(call.data) }.limits.as_ref().is_some_and(Limits::current))
    })
}

/// `close()`: lets go of the file, and gives all places back. Decisions are `CLOSED` from then on.
unsafe extern "C" fn close(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<0>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let file = unsafe { this(call.data) };
        if let Some(mut limits) = file.limits.take() {
            file.leases.end_all(&mut limits, now());
        }
        Ok(ptr::null_mut())
    })
}

fn rule_at(rules: &[Option<Rule>], index: usize) -> Result<&Rule> {
    rules.get(index).and_then(Option::as_ref).ok_or_else(|| wrong("no such rule"))
}

fn verdict_number(verdict: Verdict) -> i32 {
    match verdict {
        Verdict::Admitted => 0,
        Verdict::Refused => 1,
        Verdict::FullRefused => 2,
        Verdict::FullAdmitted => 3,
    }
}

// Reason: limits are below 2^37, and seconds of 64-bit nanoseconds below 2^35.
#[allow(clippy::cast_precision_loss)]
fn numbers(decision: &Decision) -> [f64; DECISION_NUMBERS] {
    let seconds = |ns: u64| if ns == NEVER { 0.0 } else { ns.div_ceil(SECOND_NS) as f64 };
    [
        decision.window as f64,
        decision.limit as f64,
        decision.remaining as f64,
        seconds(decision.reset_ns),
        seconds(decision.retry_ns),
        f64::from(verdict_number(decision.verdict)),
    ]
}
