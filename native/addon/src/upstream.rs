//! N-API face of the upstream client: one `uv_poll` on the client's descriptor, one `uv_prepare` that sends what the
//! loop's turn submitted, one `uv_timer` for deadlines. Called by `ts/shared/native.ts`; holds no policy of its own.
//!
//! Everything runs on the thread of the environment that made the client. A [`Binding`] lives until that environment
//! is torn down, also after `close()`, so that a function object kept by a script never points to freed memory. No
//! Rust reference into a binding is alive while JavaScript runs: a callback may call any of these functions.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::ptr;

use napi::bindgen_prelude::{FromNapiValue, Object};
use napi::{Env, JsValue, Result, sys};
use polygate_upstream::{Address, Client, EndpointOptions, Framing, Reason, TlsOptions, row};

/// The slab must hold the largest response head, rewritten, and a read behind it.
const MIN_SLAB_BYTES: usize = 256 * 1024;
/// Batches of one wake; then other handles of the loop have their turn.
const MAX_BATCHES: usize = 16;
static TYPE_TAG: sys::napi_type_tag = sys::napi_type_tag { lower: 0x706f_6c79_6761_7465, upper: 0x7570_7374_7265_616d };

mod uv {
    use super::{c_int, c_void};

    pub const POLL: c_int = 8;
    pub const PREPARE: c_int = 9;
    pub const TIMER: c_int = 13;
    pub const READABLE: c_int = 1;

    pub type Handle = *mut c_void;
    pub type HandleCallback = unsafe extern "C" fn(Handle);

    // Exported by the node binary; declared here because the napi crate knows only the loop.
    unsafe extern "C" {
        pub fn uv_handle_size(kind: c_int) -> usize;
        pub fn uv_handle_set_data(handle: Handle, data: *mut c_void);
        pub fn uv_handle_get_data(handle: Handle) -> *mut c_void;
        pub fn uv_ref(handle: Handle);
        pub fn uv_unref(handle: Handle);
        pub fn uv_close(handle: Handle, done: HandleCallback);
        pub fn uv_poll_init(uv_loop: *mut c_void, handle: Handle, fd: c_int) -> c_int;
        pub fn uv_poll_start(
            handle: Handle,
            events: c_int,
            callback: unsafe extern "C" fn(Handle, c_int, c_int),
        ) -> c_int;
        pub fn uv_prepare_init(uv_loop: *mut c_void, handle: Handle) -> c_int;
        pub fn uv_prepare_start(handle: Handle, callback: HandleCallback) -> c_int;
        pub fn uv_timer_init(uv_loop: *mut c_void, handle: Handle) -> c_int;
        pub fn uv_timer_start(handle: Handle, callback: HandleCallback, after_ms: u64, repeat_ms: u64) -> c_int;
        pub fn uv_timer_stop(handle: Handle) -> c_int;
    }
}

/// Memory for a handle, in words so that it is aligned; never moves.
struct Handle(Box<[u64]>);

impl Handle {
    fn new(kind: c_int, owner: *mut Binding) -> Self {
        // SAFETY: a pure function of libuv's.
        let bytes = unsafe { uv::uv_handle_size(kind) };
        let mut handle = Self(vec![0; bytes.div_ceil(8)].into_boxed_slice());
        // SAFETY: the memory is of a handle's size, owned here, and libuv does not use the field before `init`,
        // which leaves it alone.
        unsafe { uv::uv_handle_set_data(handle.raw(), owner.cast()) };
        handle
    }

    fn raw(&mut self) -> uv::Handle {
        self.0.as_mut_ptr().cast()
    }
}

struct Binding {
    env: sys::napi_env,
    client: Client,
    slab: *mut u8,
    slab_bytes: usize,
    rows: *mut i32,
    row_ints: usize,
    /// Callback, slab and rows: kept from the collector while the client is open.
    references: [sys::napi_ref; 3],
    poll: Option<Handle>,
    prepare: Option<Handle>,
    timer: Option<Handle>,
    open_handles: u32,
    /// A callback is on the stack.
    delivering: bool,
    closing: bool,
    closed: bool,
    /// The poll handle keeps the loop alive.
    referenced: bool,
    armed_us: u64,
    /// Set when the environment waits for this binding to be gone.
    teardown: sys::napi_async_cleanup_hook_handle,
}

/// A client as other parts of the addon use it. Valid until its environment is torn down.
#[derive(Clone, Copy)]
pub struct ClientHandle(*mut Binding);

impl ClientHandle {
    /// From the JavaScript object; None when it is no `UpstreamClient`.
    pub fn from_js(env: sys::napi_env, value: sys::napi_value) -> Option<Self> {
        let mut tagged = false;
        let mut binding = ptr::null_mut();
        // SAFETY: on the environment's thread inside a call from it, with a live value; the tag tells that what is
        // wrapped is a binding of ours, which lives as long as the environment.
        let ok = unsafe {
            sys::napi_check_object_type_tag(env, value, &raw const TYPE_TAG, &raw mut tagged) == sys::Status::napi_ok
                && tagged
                && sys::napi_unwrap(env, value, &raw mut binding) == sys::Status::napi_ok
        };
        ok.then_some(Self(binding.cast()))
    }

    /// [`Client::submit_with`] with what the loop needs to know of it. Returns a ticket, or a negative reason.
    pub fn submit_with(
        self,
        tag: i32,
        endpoint: u32,
        flags: u32,
        framing: Framing,
        write_head: impl FnOnce(&mut Vec<u8>),
    ) -> i32 {
        // SAFETY: the binding outlives the handle's use (see the type); no other reference into it is alive, for none
        // is held while JavaScript runs, and we were called from there.
        let binding = unsafe { &mut *self.0 };
        if binding.closing {
            return -(Reason::ClientClosed as i32);
        }
        let result = binding.guard(|client| client.submit_with(tag, endpoint, flags, framing, write_head));
        match result {
            Some(Ok(ticket)) => {
                binding.keep_loop_alive(true);
                ticket
            }
            Some(Err(reason)) => -(reason as i32),
            None => -(Reason::ClientPanic as i32),
        }
    }
}

impl ClientHandle {
    /// [`Client::cancel`]; a negative ticket is none.
    pub fn cancel(self, ticket: i32) {
        // SAFETY: as in `submit_with`.
        let binding = unsafe { &mut *self.0 };
        if ticket > 0 && !binding.closing {
            binding.guard(|client| client.cancel(ticket));
        }
    }
}

impl Binding {
    /// Runs `act` on the client; after a panic the client starts afresh, and None comes back.
    fn guard<R>(&mut self, act: impl FnOnce(&mut Client) -> R) -> Option<R> {
        if let Ok(result) = catch_unwind(AssertUnwindSafe(|| act(&mut self.client))) {
            return Some(result);
        }
        // Should even that panic, the old state is left to itself: its requests end at nobody's expense but theirs.
        drop(catch_unwind(AssertUnwindSafe(|| self.client.reset_after_panic())));
        None
    }

    fn keep_loop_alive(&mut self, wanted: bool) {
        if wanted == self.referenced {
            return;
        }
        if let Some(poll) = &mut self.poll {
            self.referenced = wanted;
            // SAFETY: on the loop's thread; the handle is initialised and not closed while it is in `self.poll`.
            unsafe { if wanted { uv::uv_ref(poll.raw()) } else { uv::uv_unref(poll.raw()) } }
        }
    }

    /// Brings the loop's view into line with the client: whether to stay alive, when to wake for a deadline.
    fn settle(&mut self) {
        let waits = self.client.in_flight() > 0 || self.client.more();
        self.keep_loop_alive(waits && !self.closing);
        let next = self.client.next_deadline_us().unwrap_or(u64::MAX);
        if next == self.armed_us || (next > self.armed_us && self.armed_us != u64::MAX && next != u64::MAX) {
            return;
        }
        let after_ms = next.saturating_sub(self.client.now_us()) / 1000 + 1;
        if let Some(timer) = &mut self.timer {
            self.armed_us = next;
            // SAFETY: on the loop's thread; the handle is initialised and not closed while it is in `self.timer`.
            unsafe {
                if next == u64::MAX {
                    uv::uv_timer_stop(timer.raw());
                } else {
                    uv::uv_timer_start(timer.raw(), on_timer, after_ms, 0);
                }
            }
        }
    }
}

/// Gives JavaScript what is ready, batch by batch.
///
/// # Safety
/// `this` is a live binding, on its thread, and no reference into it is held by the caller.
unsafe fn deliver(this: *mut Binding) {
    // SAFETY: as promised by the caller; the reference ends before JavaScript runs, and each below likewise.
    let binding = unsafe { &mut *this };
    if binding.delivering || binding.closed {
        return;
    }
    binding.delivering = true;
    let mut batches = 0;
    loop {
        // SAFETY: as above. The slab and the rows belong to buffers that `references` keeps alive, are as long as
        // noted, and are touched by nobody else while this thread is here.
        let (count, more) = unsafe {
            let binding = &mut *this;
            let slab = std::slice::from_raw_parts_mut(binding.slab, binding.slab_bytes);
            let rows = std::slice::from_raw_parts_mut(binding.rows, binding.row_ints);
            let count = binding.guard(|client| client.turn(slab, rows)).unwrap_or(0);
            (count, binding.client.more())
        };
        if count > 0 {
            // SAFETY: no reference into the binding is alive.
            unsafe { call_back((*this).env, (*this).references[0], count) };
        }
        // SAFETY: as above.
        let binding = unsafe { &mut *this };
        batches += 1;
        if (!more && !binding.client.more()) || (batches >= MAX_BATCHES && !binding.closing) {
            binding.client.leave_turn();
            binding.delivering = false;
            break;
        }
    }
    // SAFETY: as above.
    let binding = unsafe { &mut *this };
    binding.settle();
    if binding.closing {
        // SAFETY: no reference into the binding is used after this.
        unsafe { shut(this) };
    }
}

/// Calls `onBatch(count)`; what it throws is an uncaught exception.
///
/// # Safety
/// On the environment's thread, outside of any reference into a binding.
unsafe fn call_back(env: sys::napi_env, callback: sys::napi_ref, count: usize) {
    let mut scope = ptr::null_mut();
    let (mut function, mut global, mut argument, mut result) =
        (ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: on the environment's thread; all out-pointers are locals; the values live in the scope opened here.
    unsafe {
        if sys::napi_open_handle_scope(env, &raw mut scope) != sys::Status::napi_ok {
            return;
        }
        sys::napi_get_reference_value(env, callback, &raw mut function);
        sys::napi_get_global(env, &raw mut global);
        sys::napi_create_int32(env, count as i32, &raw mut argument);
        let status =
            sys::napi_make_callback(env, ptr::null_mut(), global, function, 1, &raw const argument, &raw mut result);
        if status == sys::Status::napi_pending_exception {
            let mut error = ptr::null_mut();
            if sys::napi_get_and_clear_last_exception(env, &raw mut error) == sys::Status::napi_ok {
                sys::napi_fatal_exception(env, error);
            }
        }
        sys::napi_close_handle_scope(env, scope);
    }
}

/// Closes the handles; the descriptors close with the last of them.
///
/// # Safety
/// As [`deliver`].
unsafe fn shut(this: *mut Binding) {
    // SAFETY: as promised by the caller.
    let binding = unsafe { &mut *this };
    if binding.closed {
        return;
    }
    binding.closed = true;
    binding.closing = true;
    drop(catch_unwind(AssertUnwindSafe(|| binding.client.close_all(Reason::ClientClosed))));
    if binding.teardown.is_null() {
        for reference in std::mem::replace(&mut binding.references, [ptr::null_mut(); 3]) {
            // SAFETY: made in the constructor, deleted once, on the environment's thread.
            unsafe { sys::napi_delete_reference(binding.env, reference) };
        }
    }
    for handle in [&mut binding.poll, &mut binding.prepare, &mut binding.timer].into_iter().flatten() {
        // SAFETY: initialised in the constructor, closed once; its memory stays until the callback of the last one.
        unsafe { uv::uv_close(handle.raw(), on_closed) };
    }
}

unsafe extern "C" fn on_closed(handle: uv::Handle) {
    // SAFETY: libuv calls this once per handle on the loop's thread; the data is the binding, which is freed only
    // below and in `on_teardown`, after the last of these calls.
    unsafe {
        let this = uv::uv_handle_get_data(handle).cast::<Binding>();
        (*this).open_handles -= 1;
        if (*this).open_handles == 0 {
            (*this).poll = None;
            (*this).prepare = None;
            (*this).timer = None;
            if !(*this).teardown.is_null() {
                free(this);
            }
        }
    }
}

/// # Safety
/// The environment is being torn down, all handles are closed, nobody uses the binding any more.
unsafe fn free(this: *mut Binding) {
    // SAFETY: made by `Box::into_raw` in the constructor; this is the only place that takes it back.
    unsafe {
        let binding = Box::from_raw(this);
        sys::napi_remove_async_cleanup_hook(binding.teardown);
    }
}

unsafe extern "C" fn on_teardown(hook: sys::napi_async_cleanup_hook_handle, data: *mut c_void) {
    let this = data.cast::<Binding>();
    // SAFETY: the environment calls this once, on its thread, before it goes; the binding lives until `free`.
    unsafe {
        (*this).teardown = hook;
        if (*this).open_handles == 0 {
            free(this);
        } else {
            shut(this);
        }
    }
}

unsafe extern "C" fn on_poll(handle: uv::Handle, _status: c_int, _events: c_int) {
    // SAFETY: libuv calls this on the loop's thread for an open handle, whose data is its binding.
    unsafe { deliver(uv::uv_handle_get_data(handle).cast()) };
}

unsafe extern "C" fn on_prepare(handle: uv::Handle) {
    // SAFETY: as in `on_poll`; the reference ends before `deliver`.
    unsafe {
        let this = uv::uv_handle_get_data(handle).cast::<Binding>();
        let binding = &mut *this;
        if binding.client.must_flush() {
            binding.guard(Client::flush);
        }
        if binding.client.more() {
            deliver(this);
        } else {
            binding.settle();
        }
    }
}

unsafe extern "C" fn on_timer(handle: uv::Handle) {
    // SAFETY: as in `on_prepare`.
    unsafe {
        let this = uv::uv_handle_get_data(handle).cast::<Binding>();
        let binding = &mut *this;
        binding.armed_us = u64::MAX;
        binding.guard(Client::tick);
        if binding.client.more() {
            deliver(this);
        } else {
            binding.settle();
        }
    }
}

/// Arguments of a call, and the pointer that its function was made with.
struct Call<const N: usize> {
    env: sys::napi_env,
    this: sys::napi_value,
    arguments: [sys::napi_value; N],
    binding: *mut Binding,
}

impl<const N: usize> Call<N> {
    /// # Safety
    /// `env` and `info` are those of a call that is running.
    unsafe fn new(env: sys::napi_env, info: sys::napi_callback_info) -> Self {
        let mut arguments = [ptr::null_mut(); N];
        let mut count = N;
        let (mut this, mut data) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: as promised by the caller; missing arguments are filled in as `undefined`.
        unsafe {
            sys::napi_get_cb_info(env, info, &raw mut count, arguments.as_mut_ptr(), &raw mut this, &raw mut data);
        }
        Self { env, this, arguments, binding: data.cast() }
    }

    /// The argument as an int32; 0 for what is no number.
    fn int(&self, index: usize) -> i32 {
        let mut value = 0;
        // SAFETY: a value of the running call; the out-pointer is a local.
        unsafe { sys::napi_get_value_int32(self.env, self.arguments[index], &raw mut value) };
        value
    }

    fn flag(&self, index: usize) -> bool {
        let mut value = false;
        // SAFETY: as in `int`.
        unsafe { sys::napi_get_value_bool(self.env, self.arguments[index], &raw mut value) };
        value
    }

    /// The bytes of an `ArrayBuffer` or `Uint8Array`, valid until JavaScript runs again; None for anything else.
    fn bytes(&self, index: usize) -> Option<&[u8]> {
        let value = self.arguments[index];
        let (mut start, mut length) = (ptr::null_mut(), 0);
        // SAFETY: as in `int`; the bytes belong to a buffer that an argument of the running call keeps alive.
        unsafe {
            if sys::napi_get_arraybuffer_info(self.env, value, &raw mut start, &raw mut length) != sys::Status::napi_ok
            {
                let mut kind = 0;
                let status = sys::napi_get_typedarray_info(
                    self.env,
                    value,
                    &raw mut kind,
                    &raw mut length,
                    &raw mut start,
                    ptr::null_mut(),
                    ptr::null_mut(),
                );
                if status != sys::Status::napi_ok || kind != sys::TypedarrayType::uint8_array {
                    return None;
                }
            }
            Some(if length == 0 { &[] } else { std::slice::from_raw_parts(start.cast(), length) })
        }
    }

    /// Appends a string, one byte a character (what lies above U+00FF loses its upper half). False for no string.
    fn append_latin1(&self, index: usize, out: &mut Vec<u8>) -> bool {
        let value = self.arguments[index];
        let mut room = 2048;
        loop {
            out.reserve(room);
            let mut written = 0;
            // SAFETY: as in `int`; `room` bytes behind the vector's length are reserved, N-API writes at most that
            // many, the final NUL included, and reports how many without it.
            let status = unsafe {
                let end = out.as_mut_ptr().add(out.len()).cast::<c_char>();
                sys::napi_get_value_string_latin1(self.env, value, end, room, &raw mut written)
            };
            if status != sys::Status::napi_ok {
                return false;
            }
            if written < room - 1 {
                // SAFETY: `written` bytes behind the length were just initialised.
                unsafe { out.set_len(out.len() + written) };
                return true;
            }
            let mut length = 0;
            // SAFETY: as in `int`; a null buffer asks for the length.
            unsafe { sys::napi_get_value_string_latin1(self.env, value, ptr::null_mut(), 0, &raw mut length) };
            room = length + 2;
        }
    }

    fn give_int(&self, value: i32) -> sys::napi_value {
        let mut result = ptr::null_mut();
        // SAFETY: inside the running call; the out-pointer is a local.
        unsafe { sys::napi_create_int32(self.env, value, &raw mut result) };
        result
    }

    fn throw(&self, text: &str) -> sys::napi_value {
        let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
        // SAFETY: inside the running call; the text is NUL-terminated and copied.
        unsafe { sys::napi_throw_error(self.env, ptr::null(), text.as_ptr()) };
        ptr::null_mut()
    }

    /// Runs `act` on the client of this function.
    fn with_client<R>(&self, act: impl FnOnce(&mut Client) -> R) -> Option<R> {
        // SAFETY: functions are made with their binding's pointer, which lives as long as the environment; no other
        // reference into it is alive, for none is held while JavaScript runs, and JavaScript called us.
        let binding = unsafe { &mut *self.binding };
        if binding.closing { None } else { binding.guard(act) }
    }
}

unsafe extern "C" fn js_submit(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: N-API's own arguments.
    let call = unsafe { Call::<5>::new(env, info) };
    let framing = match call.int(3) {
        1 => Framing::LengthInHead,
        2 => Framing::Chunked,
        _ => Framing::None,
    };
    let mut readable = true;
    let handle = ClientHandle(call.binding);
    let result = handle.submit_with(call.int(0), call.int(1) as u32, call.int(2) as u32, framing, |out| {
        if !call.append_latin1(4, out) {
            match call.bytes(4) {
                Some(bytes) => out.extend_from_slice(bytes),
                None => readable = false,
            }
        }
    });
    if !readable {
        if result > 0 {
            call.with_client(|client| client.cancel(result));
        }
        return call.throw("submit: head must be a string or a Uint8Array");
    }
    call.give_int(result)
}

unsafe extern "C" fn js_write(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: N-API's own arguments.
    let call = unsafe { Call::<3>::new(env, info) };
    let Some(bytes) = call.bytes(1) else { return call.throw("write: chunk must be an ArrayBuffer or a Uint8Array") };
    let (ticket, last) = (call.int(0), call.flag(2));
    let unsent = call.with_client(|client| client.write(ticket, bytes, last)).unwrap_or(0);
    call.give_int(i32::try_from(unsent).unwrap_or(i32::MAX))
}

unsafe extern "C" fn js_pause(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: N-API's own arguments.
    let call = unsafe { Call::<1>::new(env, info) };
    call.with_client(|client| client.pause(call.int(0)));
    ptr::null_mut()
}

unsafe extern "C" fn js_resume(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: N-API's own arguments.
    let call = unsafe { Call::<1>::new(env, info) };
    call.with_client(|client| client.resume(call.int(0)));
    ptr::null_mut()
}

unsafe extern "C" fn js_cancel(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: N-API's own arguments.
    let call = unsafe { Call::<1>::new(env, info) };
    call.with_client(|client| client.cancel(call.int(0)));
    ptr::null_mut()
}

unsafe extern "C" fn js_close(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: N-API's own arguments.
    let call = unsafe { Call::<0>::new(env, info) };
    let closed = call.with_client(|client| client.close_all(Reason::ClientClosed));
    if closed.is_some() {
        // SAFETY: as in `with_client`; inside a callback `deliver` does nothing, and the one below us on the stack
        // goes on until all rows are given, then closes.
        unsafe {
            (*call.binding).closing = true;
            deliver(call.binding);
        }
    }
    ptr::null_mut()
}

unsafe extern "C" fn js_add_endpoint(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: N-API's own arguments.
    let call = unsafe { Call::<1>::new(env, info) };
    let options = match endpoint_options(env, call.arguments[0]) {
        Ok(options) => options,
        Err(error) => return call.throw(&error.reason),
    };
    match call.with_client(|client| client.add_endpoint(&options)) {
        Some(Ok(id)) => call.give_int(id as i32),
        Some(Err(text)) => call.throw(&text),
        None => call.throw("addEndpoint: the client is closed"),
    }
}

unsafe extern "C" fn js_remove_endpoint(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: N-API's own arguments.
    let call = unsafe { Call::<1>::new(env, info) };
    call.with_client(|client| client.remove_endpoint(call.int(0) as u32));
    ptr::null_mut()
}

unsafe extern "C" fn js_stats(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: N-API's own arguments.
    let call = unsafe { Call::<1>::new(env, info) };
    let stats = call.with_client(|client| client.stats(call.int(0) as u32)).unwrap_or_default();
    let mut object = ptr::null_mut();
    // SAFETY: inside the running call; names are NUL-terminated, out-pointers are locals.
    unsafe {
        sys::napi_create_object(env, &raw mut object);
        for (name, value) in [
            (c"inFlight", stats.in_flight as f64),
            (c"waiting", stats.waiting as f64),
            (c"idle", stats.idle as f64),
            (c"connections", stats.connections as f64),
            (c"connects", stats.connects as f64),
        ] {
            let mut number = ptr::null_mut();
            sys::napi_create_double(env, value, &raw mut number);
            sys::napi_set_named_property(env, object, name.as_ptr(), number);
        }
    }
    object
}

fn endpoint_options(env: sys::napi_env, value: sys::napi_value) -> Result<EndpointOptions> {
    let bad = |text: &str| napi::Error::from_reason(format!("addEndpoint: {text}"));
    // SAFETY: inside the running call, with a value of it; the conversion checks what it is.
    let options = unsafe { Object::from_napi_value(env, value) }.map_err(|_| bad("options must be an object"))?;
    let text = |object: &Object, name: &str| object.get::<Option<String>>(name).map(Option::flatten);
    let number = |name: &str| -> Result<u32> {
        let value = options.get::<f64>(name)?.ok_or_else(|| bad(&format!("{name} is missing")))?;
        if value >= 0.0 { Ok(value.min(f64::from(u32::MAX)) as u32) } else { Err(bad(&format!("{name} is negative"))) }
    };
    let address = match (text(&options, "unix")?, text(&options, "ip")?) {
        (Some(path), _) => Address::Unix(PathBuf::from(path)),
        (None, Some(ip)) => {
            let port = u16::try_from(number("port")?).map_err(|_| bad("port is above 65535"))?;
            Address::ip(&ip, port).map_err(|e| bad(&e))?
        }
        (None, None) => return Err(bad("neither ip nor unix is given")),
    };
    let tls = match options.get::<Option<Object>>("tls")?.flatten() {
        None => None,
        Some(tls) => Some(TlsOptions {
            server_name: text(&tls, "serverName")?.ok_or_else(|| bad("tls.serverName is missing"))?,
            ca: text(&tls, "ca")?.map(PathBuf::from),
            certificate: text(&tls, "certificate")?.map(PathBuf::from),
            key: text(&tls, "key")?.map(PathBuf::from),
            verify: tls.get::<bool>("verify")?.unwrap_or(true),
        }),
    };
    Ok(EndpointOptions {
        address,
        tls,
        connect_timeout_ms: number("connectTimeoutMs")?,
        response_timeout_ms: number("responseTimeoutMs")?,
        idle_timeout_ms: number("idleTimeoutMs")?,
        max_connections: number("maxConnections")?,
        max_waiting: number("maxWaiting")?,
        pool_idle_ms: number("poolIdleMs")?,
    })
}

unsafe extern "C" fn js_construct(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: N-API's own arguments.
    let call = unsafe { Call::<2>::new(env, info) };
    match catch_unwind(AssertUnwindSafe(|| construct(&call))) {
        Ok(Ok(())) => call.this,
        Ok(Err(text)) => call.throw(&format!("UpstreamClient: {text}")),
        Err(_) => call.throw("UpstreamClient: the constructor panicked"),
    }
}

fn construct(call: &Call<2>) -> std::result::Result<(), String> {
    let env = call.env;
    let text = |e: napi::Error| e.reason.clone();
    // SAFETY: inside the running call, with a value of it; the conversion checks what it is.
    let options = unsafe { Object::from_napi_value(env, call.arguments[0]) }
        .map_err(|_| "options must be an object".to_owned())?;
    let slab_bytes = options.get::<u32>("slabBytes").map_err(text)?.unwrap_or(0) as usize;
    let max_rows = options.get::<u32>("maxRows").map_err(text)?.unwrap_or(0) as usize;
    let prefix = options.get::<String>("headerPrefix").map_err(text)?.unwrap_or_default();
    let slab_bytes = slab_bytes.clamp(MIN_SLAB_BYTES, i32::MAX as usize);
    let row_ints = max_rows.clamp(16, 1 << 20) * row::ROW_INTS;
    let mut kind = 0;
    // SAFETY: a value of the running call.
    unsafe { sys::napi_typeof(env, call.arguments[1], &raw mut kind) };
    if kind != sys::ValueType::napi_function {
        return Err("onBatch must be a function".to_owned());
    }
    let client = Client::new(prefix.as_bytes()).map_err(|e| format!("epoll: {e}"))?;
    let this = Box::into_raw(Box::new(Binding {
        env,
        client,
        slab: ptr::null_mut(),
        slab_bytes,
        rows: ptr::null_mut(),
        row_ints,
        references: [ptr::null_mut(); 3],
        poll: None,
        prepare: None,
        timer: None,
        open_handles: 0,
        delivering: false,
        closing: false,
        closed: false,
        referenced: false,
        armed_us: u64::MAX,
        teardown: ptr::null_mut(),
    }));
    // SAFETY: `this` was made just now and nobody else knows it; on the environment's thread.
    let opened = unsafe { open(call, this) };
    if let Err(status) = opened {
        // SAFETY: no handle was initialised and no hook added when `open` failed, so nobody points to it.
        drop(unsafe { Box::from_raw(this) });
        return Err(format!("N-API or libuv failed with status {status}"));
    }
    Ok(())
}

/// Makes the buffers, the functions and the handles. What cannot be undone comes last.
///
/// # Safety
/// Inside the running constructor call, with a binding that nobody else knows.
unsafe fn open(call: &Call<2>, this: *mut Binding) -> std::result::Result<(), i32> {
    let env = call.env;
    let ok = |status: sys::napi_status| if status == sys::Status::napi_ok { Ok(()) } else { Err(status) };
    // SAFETY: as promised by the caller. All out-pointers are locals or fields of the binding; values live in the
    // call's scope; the handles' memory is owned by the binding and stays until libuv has closed them.
    unsafe {
        let binding = &mut *this;
        let (mut slab, mut store, mut rows) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        let (mut slab_start, mut rows_start) = (ptr::null_mut(), ptr::null_mut());
        ok(sys::napi_create_buffer(env, binding.slab_bytes, &raw mut slab_start, &raw mut slab))?;
        ok(sys::napi_create_arraybuffer(env, binding.row_ints * 4, &raw mut rows_start, &raw mut store))?;
        let int32 = sys::TypedarrayType::int32_array;
        ok(sys::napi_create_typedarray(env, int32, binding.row_ints, store, 0, &raw mut rows))?;
        binding.slab = slab_start.cast();
        binding.rows = rows_start.cast();
        for (reference, value) in binding.references.iter_mut().zip([call.arguments[1], slab, rows]) {
            ok(sys::napi_create_reference(env, value, 1, &raw mut *reference))?;
        }
        ok(sys::napi_set_named_property(env, call.this, c"slab".as_ptr(), slab))?;
        ok(sys::napi_set_named_property(env, call.this, c"rows".as_ptr(), rows))?;
        let functions: [(&CStr, sys::napi_callback); 9] = [
            (c"addEndpoint", Some(js_add_endpoint)),
            (c"removeEndpoint", Some(js_remove_endpoint)),
            (c"submit", Some(js_submit)),
            (c"write", Some(js_write)),
            (c"pause", Some(js_pause)),
            (c"resume", Some(js_resume)),
            (c"cancel", Some(js_cancel)),
            (c"stats", Some(js_stats)),
            (c"close", Some(js_close)),
        ];
        for (name, function) in functions {
            let mut value = ptr::null_mut();
            let length = name.count_bytes() as isize;
            ok(sys::napi_create_function(env, name.as_ptr(), length, function, this.cast(), &raw mut value))?;
            ok(sys::napi_set_named_property(env, call.this, name.as_ptr(), value))?;
        }
        ok(sys::napi_type_tag_object(env, call.this, &raw const TYPE_TAG))?;
        ok(sys::napi_wrap(env, call.this, this.cast(), None, ptr::null_mut(), ptr::null_mut()))?;
        let mut uv_loop = ptr::null_mut();
        ok(sys::napi_get_uv_event_loop(env, &raw mut uv_loop))?;
        let uv_loop = uv_loop.cast::<c_void>();
        let poll = binding.poll.insert(Handle::new(uv::POLL, this)).raw();
        let prepare = binding.prepare.insert(Handle::new(uv::PREPARE, this)).raw();
        let timer = binding.timer.insert(Handle::new(uv::TIMER, this)).raw();
        // It alone can fail: the descriptor must be registered.
        ok(uv::uv_poll_init(uv_loop, poll, binding.client.fd()))?;
        uv::uv_prepare_init(uv_loop, prepare);
        uv::uv_timer_init(uv_loop, timer);
        binding.open_handles = 3;
        uv::uv_poll_start(poll, uv::READABLE, on_poll);
        uv::uv_prepare_start(prepare, on_prepare);
        for handle in [poll, prepare, timer] {
            uv::uv_unref(handle);
        }
        // The handle comes again when the hook runs; it fails only for a null argument.
        sys::napi_add_async_cleanup_hook(env, Some(on_teardown), this.cast(), ptr::null_mut());
    }
    Ok(())
}

/// Puts the `UpstreamClient` class among the addon's exports.
#[napi_derive::napi(module_exports)]
pub fn export_upstream_client(exports: Object, env: Env) -> Result<()> {
    let mut class = ptr::null_mut();
    let name = c"UpstreamClient";
    // SAFETY: on the environment's thread while the module loads; the name is NUL-terminated, the out-pointer a local.
    let status = unsafe {
        let define = sys::napi_define_class(
            env.raw(),
            name.as_ptr(),
            name.count_bytes() as isize,
            Some(js_construct),
            ptr::null_mut(),
            0,
            ptr::null(),
            &raw mut class,
        );
        if define == sys::Status::napi_ok {
            sys::napi_set_named_property(env.raw(), exports.raw(), name.as_ptr(), class)
        } else {
            define
        }
    };
    napi::check_status!(status, "UpstreamClient")
}
