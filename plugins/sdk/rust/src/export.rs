//! The functions of a plugin's table. Each is wrapped so that no panic leaves it: unwinding into the gateway would end
//! its process. Used by [`crate::polygate_plugin!`] alone.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::marker::PhantomData;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use polygate_plugin_abi as abi;
use polygate_plugin_abi::outcome;

use crate::{Config, Host, Plugin, Request, Response, Result, Verdict};

/// What the gateway gets as an instance.
struct Instance<P> {
    plugin: P,
    host: *const abi::Host,
}

/// Builds a plugin's table, hook by hook.
#[derive(Debug)]
pub struct Table<P> {
    pub table: abi::Plugin,
    plugin: PhantomData<P>,
}

impl<P: Plugin> Default for Table<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Plugin> Table<P> {
    pub const fn new() -> Self {
        let table = abi::Plugin {
            abi_version: abi::ABI_VERSION,
            struct_size: size_of::<abi::Plugin>() as u32,
            create: Some(create::<P>),
            destroy: Some(destroy::<P>),
            request: None,
            authenticate: None,
            authorize: None,
            forward: None,
            response: None,
            log: None,
        };
        Self { table, plugin: PhantomData }
    }

    #[must_use]
    pub const fn request(mut self) -> Self {
        self.table.request = Some(request::<P>);
        self
    }

    #[must_use]
    pub const fn authenticate(mut self) -> Self {
        self.table.authenticate = Some(authenticate::<P>);
        self
    }

    #[must_use]
    pub const fn authorize(mut self) -> Self {
        self.table.authorize = Some(authorize::<P>);
        self
    }

    #[must_use]
    pub const fn forward(mut self) -> Self {
        self.table.forward = Some(forward::<P>);
        self
    }

    #[must_use]
    pub const fn response(mut self) -> Self {
        self.table.response = Some(response::<P>);
        self
    }

    #[must_use]
    pub const fn log(mut self) -> Self {
        self.table.log = Some(log::<P>);
        self
    }
}

unsafe extern "C" fn create<P: Plugin>(host: *const abi::Host, config: abi::Text, instance: *mut *mut c_void) -> i32 {
    // SAFETY: the gateway's table, of this version (it has compared them); it begins with these two numbers.
    let (version, size) = unsafe { ((*host).abi_version, (*host).struct_size as usize) };
    if version != abi::ABI_VERSION {
        return outcome::FAILED;
    }
    // SAFETY: as above; the table is there until `destroy` has returned.
    let gateway = unsafe { Host::new(host) };
    if size < size_of::<abi::Host>() {
        gateway.refuse("this gateway is older than the plugin's polygate-plugin crate");
        return outcome::FAILED;
    }
    let made = caught(|| {
        // SAFETY: lent until this function returns.
        let json = std::str::from_utf8(unsafe { config.bytes() }.unwrap_or_default())?;
        P::new(&Config::new(json), &gateway)
    });
    match made {
        Ok(Ok(plugin)) => {
            let made = Box::into_raw(Box::new(Instance { plugin, host }));
            // SAFETY: a place of the gateway's for one pointer.
            unsafe { *instance = made.cast() };
            outcome::DONE
        }
        Ok(Err(error)) => {
            gateway.refuse(error.reason());
            outcome::FAILED
        }
        Err(panicked) => {
            gateway.refuse(&panicked);
            outcome::BROKEN
        }
    }
}

unsafe extern "C" fn destroy<P: Plugin>(instance: *mut c_void) {
    // SAFETY: made by `create`, and not used after this.
    let instance = unsafe { Box::from_raw(instance.cast::<Instance<P>>()) };
    let Instance { plugin, host } = *instance;
    if let Err(panicked) = caught(|| drop(plugin)) {
        // SAFETY: the host's table is there until this function returns.
        unsafe { Host::new(host) }.error(panicked);
    }
}

/// Calls a hook, and tells the gateway how it ended.
///
/// # Safety
/// `instance` was made by `create`; this is its thread, and no other call of it is running. `message` and what `call`
/// reads are there while the hook lasts.
unsafe fn run<P: Plugin>(
    instance: *mut c_void,
    message: *mut abi::Message,
    call: impl FnOnce(&mut P, &abi::Host) -> Result<()>,
) -> i32 {
    // SAFETY: the caller's promise; the host's table lives longer than the instance.
    let (instance, host) = unsafe {
        let instance = &mut *instance.cast::<Instance<P>>();
        let host = &*instance.host;
        (instance, host)
    };
    let (reason, outcome) = match caught(|| call(&mut instance.plugin, host)) {
        Ok(Ok(())) => return outcome::DONE,
        Ok(Err(error)) => (error.reason().to_owned(), outcome::FAILED),
        Err(panicked) => (panicked, outcome::BROKEN),
    };
    // SAFETY: the caller's promise; the text is copied.
    unsafe { (host.fail)(message, abi::Text::of(reason.as_bytes())) };
    outcome
}

/// # Safety
/// As [`run`].
unsafe fn run_request<P: Plugin>(
    instance: *mut c_void,
    message: *mut abi::Message,
    call: impl FnOnce(&mut P, &mut Request<'_>) -> Result<Verdict>,
) -> i32 {
    // SAFETY: the caller's promise; nobody else edits the message meanwhile.
    unsafe {
        run::<P>(instance, message, |plugin, host| call(plugin, &mut Request::new(message, host)).map(|_verdict| ()))
    }
}

unsafe extern "C" fn request<P: Plugin>(instance: *mut c_void, message: *mut abi::Message) -> i32 {
    // SAFETY: the gateway's promise in the header.
    unsafe { run_request::<P>(instance, message, P::request) }
}

unsafe extern "C" fn authenticate<P: Plugin>(instance: *mut c_void, message: *mut abi::Message) -> i32 {
    // SAFETY: as above.
    unsafe { run_request::<P>(instance, message, P::authenticate) }
}

unsafe extern "C" fn authorize<P: Plugin>(instance: *mut c_void, message: *mut abi::Message) -> i32 {
    // SAFETY: as above.
    unsafe { run_request::<P>(instance, message, P::authorize) }
}

unsafe extern "C" fn forward<P: Plugin>(instance: *mut c_void, message: *mut abi::Message) -> i32 {
    // SAFETY: as above.
    unsafe { run_request::<P>(instance, message, P::forward) }
}

unsafe extern "C" fn response<P: Plugin>(
    instance: *mut c_void,
    response: *mut abi::Message,
    request: *mut abi::Message,
) -> i32 {
    // SAFETY: as above; two messages that are not the same.
    unsafe {
        run::<P>(instance, response, |plugin, host| {
            let (mut response, request) = (Response::new(response, host), Request::new(request, host));
            plugin.response(&mut response, &request).map(|_verdict| ())
        })
    }
}

unsafe extern "C" fn log<P: Plugin>(
    instance: *mut c_void,
    request: *mut abi::Message,
    response: *mut abi::Message,
) -> i32 {
    // SAFETY: as above; a response that is not there is null.
    unsafe {
        run::<P>(instance, request, |plugin, host| {
            let request = Request::new(request, host);
            let response = (!response.is_null()).then(|| Response::new(response, host));
            plugin.log(&request, response.as_ref())
        })
    }
}

thread_local! {
    /// A call of ours is on this thread's stack: its panic is reported, not printed.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// This library has a standard library of its own, so the hook is for the plugin's panics alone.
fn report_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                return print(info);
            }
            PANIC.with_borrow_mut(|text| *text = info.to_string().replacen(":\n", ": ", 1).replace('\n', " "));
        }));
    });
}

/// Runs code of the plugin; a panic becomes its text, with the place.
fn caught<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    report_panics();
    let before = GUARDED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    result.map_err(|payload| {
        // Dropping what was thrown could panic once more.
        std::mem::forget(payload);
        PANIC.take()
    })
}
