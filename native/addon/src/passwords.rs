//! Usernames and passwords for JavaScript: accounts by number, and what the Authorization header of a slot's head says of
//! them. What costs a hash is answered later, in one call of JavaScript a wake: the threads of `polygate_passwords` wake
//! the loop by one thread-safe function, which is made once.
//!
//! Everything of an object belongs to the thread that made it, but that function.

// Reason: in a test build nothing registers the functions with Node.
#![cfg_attr(test, allow(dead_code))]

use std::ffi::c_void;
use std::ptr;

use napi::bindgen_prelude::{Env, Object, Result, Uint8Array};
use napi::{JsValue, sys};
use napi_derive::napi;
use polygate_head::Head;
use polygate_passwords::{Accounts, Outcome, Verifier, make_argon2id};

use crate::arguments::{Arguments, checked, method, value, wrong};
use crate::heads::with_head;
use crate::upstream::call_back;

/// Below 0 what is no hash's number; `PasswordCheck` in `ts/shared/native-passwords.ts`.
const MISSING: i32 = -1;
const AMBIGUOUS: i32 = -2;
const UNKNOWN: i32 = -3;
const WRONG: i32 = -4;
const MALFORMED: i32 = -5;
const LATER: i32 = -6;
const OVERLOADED: i32 = -7;
const FAILED: i32 = -8;

const HEADER: &[u8] = b"authorization";
/// Tag and outcome of each.
const RESULT_INTS: usize = 2;
const MAX_RESULTS: usize = 256;

/// Per worker. Freed with the environment.
struct Passwords {
    env: sys::napi_env,
    heads: usize,
    /// None: the environment ends.
    verifier: Option<Verifier>,
    /// By number.
    accounts: Vec<Option<Accounts>>,
    /// `MAX_RESULTS` of `RESULT_INTS`; the memory of a typed array that is kept.
    results: *mut i32,
    on_checked: sys::napi_ref,
}

/// See `PasswordAccount` in `ts/shared/native-passwords.ts`.
#[napi(object, object_to_js = false)]
pub struct PasswordAccount {
    pub username: String,
    pub hashes: Vec<String>,
}

/// What the hashing threads have of the loop.
struct Wake(sys::napi_threadsafe_function);

// SAFETY: N-API allows any thread to call it, until it is finalized. That happens behind `free`, which waits for the
// threads that have it.
unsafe impl Send for Wake {}
// SAFETY: as above; it has no state of ours.
unsafe impl Sync for Wake {}

impl Wake {
    fn call(&self) {
        // SAFETY: as above. It never waits: the queue is not bounded, and holds one call at most.
        unsafe {
            sys::napi_call_threadsafe_function(self.0, ptr::null_mut(), sys::ThreadsafeFunctionCallMode::nonblocking);
        }
    }
}

fn number(outcome: Outcome) -> i32 {
    match outcome {
        Outcome::Known(number) => number as i32,
        Outcome::Missing => MISSING,
        Outcome::Ambiguous => AMBIGUOUS,
        Outcome::Unknown => UNKNOWN,
        Outcome::Wrong => WRONG,
        Outcome::Malformed => MALFORMED,
        Outcome::Later => LATER,
        Outcome::Overloaded => OVERLOADED,
        Outcome::Failed => FAILED,
    }
}

/// `new Passwords(heads, key, onChecked)`. `heads` is `RequestHeads.id`; `key`: 32 random bytes.
#[napi(js_name = "Passwords", catch_unwind)]
#[allow(clippy::needless_pass_by_value)] // Reason: what N-API gives is owned.
pub fn passwords(env: Env, heads: u32, key: Uint8Array, on_checked: Object) -> Result<Object<'static>> {
    let key: [u8; 32] = key.as_ref().try_into().map_err(|_| wrong("a key has 32 bytes"))?;
    let raw = env.raw();
    let (mut start, mut memory, mut results) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    let (mut kept, mut callback) = (ptr::null_mut(), ptr::null_mut());
    let length = MAX_RESULTS * RESULT_INTS;
    // SAFETY: the environment is that of the running call, on its thread. The memory belongs to V8 and never moves; the
    // references, which are never given back, keep it and the function for as long as the environment lives.
    unsafe {
        checked(sys::napi_create_arraybuffer(raw, length * 4, &raw mut start, &raw mut memory), "no memory")?;
        let int32 = sys::TypedarrayType::int32_array;
        checked(sys::napi_create_typedarray(raw, int32, length, memory, 0, &raw mut results), "no results")?;
        checked(sys::napi_create_reference(raw, results, 1, &raw mut kept), "the results were not kept")?;
        checked(sys::napi_create_reference(raw, on_checked.raw(), 1, &raw mut callback), "a function was expected")?;
    }
    let state = Passwords {
        env: raw,
        heads: heads as usize,
        verifier: None,
        accounts: Vec::new(),
        results: start.cast(),
        on_checked: callback,
    };
    let data = Box::into_raw(Box::new(state)).cast::<c_void>();
    let wake = wake_for(raw, data)?;
    // SAFETY: as in `this`.
    unsafe { this(data) }.verifier = Some(Verifier::new(key, move || wake.call()));
    // SAFETY: as above; the hook runs once, after the last JS of the environment.
    unsafe { sys::napi_add_env_cleanup_hook(raw, Some(free), data) };
    let object = Object::new(&env)?;
    let properties = [
        value(c"results", results),
        method(c"accounts", add, data),
        method(c"dropAccounts", forget, data),
        method(c"check", check, data),
    ];
    // SAFETY: as above; names and callbacks are static.
    let status = unsafe { sys::napi_define_properties(raw, object.raw(), properties.len(), properties.as_ptr()) };
    checked(status, "no object was made")?;
    Ok(Object::from_raw(raw, object.raw()))
}

/// Does not keep the loop alive: a request that waits has a connection that does.
fn wake_for(env: sys::napi_env, data: *mut c_void) -> Result<Wake> {
    let (mut name, mut function) = (ptr::null_mut(), ptr::null_mut());
    let text = "polygate passwords";
    // SAFETY: the environment is that of the running call, on its thread. `on_wake` gets `data`, which lives until `free`;
    // hooks run in reverse order, so `free` runs before the one by which Node ends this function.
    unsafe {
        let length = text.len() as isize;
        checked(sys::napi_create_string_utf8(env, text.as_ptr().cast(), length, &raw mut name), "no name was made")?;
        let status = sys::napi_create_threadsafe_function(
            env,
            ptr::null_mut(),
            ptr::null_mut(),
            name,
            0,
            1,
            ptr::null_mut(),
            None,
            data,
            Some(on_wake),
            &raw mut function,
        );
        checked(status, "no wake-up was made")?;
        checked(sys::napi_unref_threadsafe_function(env, function), "the wake-up keeps the loop alive")?;
    }
    Ok(Wake(function))
}

unsafe extern "C" fn free(data: *mut c_void) {
    // SAFETY: made by `passwords`, given to this hook alone. With the verifier its threads end, and this waits for them.
    drop(unsafe { Box::from_raw(data.cast::<Passwords>()) });
}

/// # Safety
/// `data` is that of a function made by `passwords`, on the environment's thread, one call at a time, and no reference
/// outlives a call into JavaScript.
unsafe fn this<'a>(data: *mut c_void) -> &'a mut Passwords {
    // SAFETY: the caller's promise.
    unsafe { &mut *data.cast::<Passwords>() }
}

/// Tells JavaScript what hashes have said.
unsafe extern "C" fn on_wake(env: sys::napi_env, _function: sys::napi_value, data: *mut c_void, _call: *mut c_void) {
    // What was called and not delivered when the environment ended.
    if env.is_null() {
        return;
    }
    let mut told = Vec::new();
    // SAFETY: as in `this`: on the environment's thread, before `free`; the reference ends here.
    let (env, results, callback) = unsafe {
        let this = this(data);
        if let Some(verifier) = &mut this.verifier {
            verifier.take(|tag, outcome| told.push([tag, number(outcome)]));
        }
        (this.env, this.results.cast::<[i32; RESULT_INTS]>(), this.on_checked)
    };
    for batch in told.chunks(MAX_RESULTS) {
        // SAFETY: the memory has room for `MAX_RESULTS`, and nobody else touches it while this thread is here; no
        // reference into the object is alive while JavaScript runs.
        unsafe {
            ptr::copy_nonoverlapping(batch.as_ptr(), results, batch.len());
            call_back(env, callback, batch.len());
        }
    }
}

/// `accounts(list)`: a number.
unsafe extern "C" fn add(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        let mut accounts = Accounts::default();
        for PasswordAccount { username, hashes } in call.object_at::<Vec<PasswordAccount>>(0)? {
            accounts.add(username.as_bytes(), &hashes).map_err(wrong)?;
        }
        // SAFETY: as in `this`.
        let list = &mut unsafe { this(call.data) }.accounts;
        let index = list.iter().position(Option::is_none).unwrap_or_else(|| {
            list.push(None);
            list.len() - 1
        });
        list[index] = Some(accounts);
        call.integer(index as i32)
    })
}

/// `dropAccounts(accounts)`
unsafe extern "C" fn forget(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        let index = call.number_at(0)?;
        // SAFETY: as in `this`.
        if let Some(place) = unsafe { this(call.data) }.accounts.get_mut(index) {
            *place = None;
        }
        Ok(Arguments::<1>::undefined())
    })
}

/// `check(accounts, slot, tag)`: the number of the hash that the password of the slot's head fits, or a `PasswordCheck`.
unsafe extern "C" fn check(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<3>::answer(env, info, |call| {
        let (index, slot, tag) = (call.number_at(0)?, call.number_at(1)?, call.integer_at(2)?);
        // SAFETY: as in `this`.
        let Passwords { heads, verifier, accounts, .. } = unsafe { this(call.data) };
        let (Some(verifier), Some(Some(accounts))) = (verifier, accounts.get(index)) else {
            return Err(wrong("no such accounts"));
        };
        let outcome = with_head(*heads, slot, |head: Option<&Head>| {
            head.map_or(Outcome::Missing, |head| verifier.check(accounts, head.values(HEADER), tag))
        });
        call.integer(number(outcome))
    })
}

/// A hash for the configuration. `salt`: 16 random bytes.
#[napi(catch_unwind)]
#[allow(clippy::needless_pass_by_value)] // Reason: what N-API gives is owned.
pub fn password_hash(password: Uint8Array, salt: Uint8Array) -> Result<String> {
    let salt = salt.as_ref().try_into().map_err(|_| wrong("a salt has 16 bytes"))?;
    make_argon2id(&password, salt).ok_or_else(|| wrong("there is no memory for a hash"))
}
