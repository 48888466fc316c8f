//! The `UpstreamClient` class: options, buffers, functions, handles.

use std::ffi::{CStr, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use napi::bindgen_prelude::{FromNapiValue, Object};
use napi::{Env, JsValue, Result, sys};
use polygate_upstream::{Client, row};

use crate::idle_metrics;

use super::call::Call;
use super::functions::{
    js_add_endpoint, js_cancel, js_close, js_pause, js_remove_endpoint, js_resume, js_stats, js_submit, js_write,
};
use super::uv::{self, Handle};
use super::{Binding, TYPE_TAG, on_poll, on_prepare, on_teardown};

/// The slab must hold the largest response head, rewritten, and a read behind it.
const MIN_SLAB_BYTES: usize = 256 * 1024;

pub unsafe extern "C" fn js_construct(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
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
    let options =
        unsafe { Object::from_napi_value(env, call.values[0]) }.map_err(|_| "options must be an object".to_owned())?;
    let slab_bytes = options.get::<u32>("slabBytes").map_err(text)?.unwrap_or(0) as usize;
    let max_rows = options.get::<u32>("maxRows").map_err(text)?.unwrap_or(0) as usize;
    let prefix = options.get::<String>("headerPrefix").map_err(text)?.unwrap_or_default();
    let slab_bytes = slab_bytes.clamp(MIN_SLAB_BYTES, i32::MAX as usize);
    let row_ints = max_rows.clamp(16, 1 << 20) * row::ROW_INTS;
    let mut kind = 0;
    // SAFETY: a value of the running call.
    unsafe { sys::napi_typeof(env, call.values[1], &raw mut kind) };
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
        idle: None,
        awake: false,
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
        for (reference, value) in binding.references.iter_mut().zip([call.values[1], slab, rows]) {
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
        idle_metrics::stop(uv_loop);
        let poll = binding.poll.insert(Handle::new(uv::POLL, this.cast())).raw();
        let prepare = binding.prepare.insert(Handle::new(uv::PREPARE, this.cast())).raw();
        let timer = binding.timer.insert(Handle::new(uv::TIMER, this.cast())).raw();
        let idle = binding.idle.insert(Handle::new(uv::IDLE, this.cast())).raw();
        // It alone can fail: the descriptor must be registered.
        ok(uv::uv_poll_init(uv_loop, poll, binding.client.fd()))?;
        uv::uv_prepare_init(uv_loop, prepare);
        uv::uv_timer_init(uv_loop, timer);
        uv::uv_idle_init(uv_loop, idle);
        binding.open_handles = 4;
        uv::uv_poll_start(poll, uv::READABLE, on_poll);
        uv::uv_prepare_start(prepare, on_prepare);
        for handle in [poll, prepare, timer, idle] {
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
