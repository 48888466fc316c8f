//! The limits file for JavaScript: rules by number, decisions as a number and five more in memory that both share, so
//! that one costs a single crossing and makes nothing. Here the clock is read; `polygate_limits` reads none.
//!
//! Everything of an object belongs to the thread that made it.

// Reason: in a test build nothing registers the functions with Node.
#![cfg_attr(test, allow(dead_code))]

use std::ffi::c_void;
use std::path::Path;
use std::ptr;
use std::time::{SystemTime, UNIX_EPOCH};

use napi::bindgen_prelude::{Env, Error, Object, Result};
use napi::{JsValue, sys};
use napi_derive::napi;
use polygate_limits::{
    Decision, Limits, NEVER, Opened, Options, Period, Rule, Verdict, WhenFull, Window, rate_limit_policy,
};

use crate::arguments::{Arguments, checked, method, value, wrong};

/// Numbers of a decision: window, limit, remaining, seconds until all is there again, seconds to wait. `LimitDecision` in
/// `ts/shared/native-limits.ts`.
const DECISION_NUMBERS: usize = 5;
const SECOND_NS: u64 = 1_000_000_000;
/// The file has been closed.
const CLOSED: i32 = -1;

/// Per open file. Freed with the environment.
struct LimitFile {
    limits: Option<Limits>,
    rules: Vec<Option<Rule>>,
    /// `DECISION_NUMBERS` of them; the memory of a typed array that is kept.
    decision: *mut f64,
    key: Vec<u8>,
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
    let (mut start, mut memory, mut decision) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    let (mut kept, mut text) = (ptr::null_mut(), ptr::null_mut());
    let length = DECISION_NUMBERS;
    let float64 = sys::TypedarrayType::float64_array;
    // SAFETY: the environment is that of the running call, on its thread. The memory belongs to V8 and never moves; the
    // reference, which is never given back, keeps it for as long as the environment lives.
    unsafe {
        checked(sys::napi_create_arraybuffer(raw, length * 8, &raw mut start, &raw mut memory), "no memory")?;
        checked(sys::napi_create_typedarray(raw, float64, length, memory, 0, &raw mut decision), "no numbers")?;
        checked(sys::napi_create_reference(raw, decision, 1, &raw mut kept), "the numbers were not kept")?;
        let bytes = found.as_ptr().cast();
        checked(sys::napi_create_string_utf8(raw, bytes, found.len() as isize, &raw mut text), "no text was made")?;
    }
    let file = LimitFile { limits: Some(limits), rules: Vec::new(), decision: start.cast(), key: Vec::new() };
    let data = Box::into_raw(Box::new(file)).cast::<c_void>();
    // SAFETY: as above; the hook runs once, after the last JS of the environment.
    unsafe { sys::napi_add_env_cleanup_hook(raw, Some(free), data) };
    let object = Object::new(&env)?;
    let properties = [
        value(c"decision", decision),
        value(c"opened", text),
        method(c"rule", rule, data),
        method(c"dropRule", drop_rule, data),
        method(c"policy", policy, data),
        method(c"decide", decide, data),
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
unsafe fn this<'a>(data: *mut c_void) -> &'a mut LimitFile {
    // SAFETY: the caller's promise.
    unsafe { &mut *data.cast::<LimitFile>() }
}

/// `rule(name, windows, admitWhenFull)`: a number, valid until `dropRule`.
unsafe extern "C" fn rule(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<3>::answer(env, info, |call| {
        let name = call.object_at::<String>(0)?;
        let windows = call.object_at::<Vec<LimitWindow>>(1)?;
        let windows = windows.iter().map(LimitWindow::compile).collect::<Result<Vec<_>>>()?;
        let when_full = if call.object_at::<bool>(2)? { WhenFull::Admit } else { WhenFull::ForgetLeastUsed };
        let rule = Rule::new(&name, &windows, when_full).map_err(wrong)?;
        // SAFETY: as in `this`.
        let rules = &mut unsafe { this(call.data) }.rules;
        let index = rules.iter().position(Option::is_none).unwrap_or_else(|| {
            rules.push(None);
            rules.len() - 1
        });
        rules[index] = Some(rule);
        call.integer(index as i32)
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
        let rule = unsafe { this(call.data) }.rules.get(call.number_at(0)?).and_then(Option::as_ref);
        call.latin1(rate_limit_policy(rule_or(rule)?).as_bytes())
    })
}

/// `decide(rule, key)`: asks for one cell; a verdict of `LimitVerdict`. Fills `decision`.
unsafe extern "C" fn decide(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<2>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let LimitFile { limits, rules, decision, key } = unsafe { this(call.data) };
        let rule = rule_or(rules.get(call.number_at(0)?).and_then(Option::as_ref))?;
        key.clear();
        if !call.append_latin1(1, key) {
            return Err(wrong("a key is a text"));
        }
        let Some(limits) = limits else { return call.integer(CLOSED) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        let decided = limits.decide(rule, key, 1, now);
        // SAFETY: the memory of the typed array that `create` made and keeps; JavaScript does not run now.
        unsafe { decision.cast::<[f64; DECISION_NUMBERS]>().write(numbers(&decided)) };
        call.integer(match decided.verdict {
            Verdict::Admitted => 0,
            Verdict::Refused => 1,
            Verdict::FullRefused => 2,
            Verdict::FullAdmitted => 3,
        })
    })
}

/// `close()`: lets go of the file. Decisions are `CLOSED` from then on.
unsafe extern "C" fn close(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<0>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        unsafe { this(call.data) }.limits = None;
        Ok(ptr::null_mut())
    })
}

fn rule_or(rule: Option<&Rule>) -> Result<&Rule> {
    rule.ok_or_else(|| wrong("no such rule"))
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
    ]
}
