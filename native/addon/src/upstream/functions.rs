//! The functions of an `UpstreamClient` object. Each was made with its binding's pointer.

use std::path::PathBuf;
use std::ptr;

use napi::bindgen_prelude::{FromNapiValue, Object};
use napi::{Result, sys};
use polygate_upstream::{Address, EndpointOptions, Framing, Reason, TlsOptions};

use super::call::Call;
use super::{ClientHandle, deliver};

pub unsafe extern "C" fn js_submit(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: N-API's own arguments.
    let call = unsafe { Call::<5>::new(env, info) };
    let framing = match call.int(3) {
        1 => Framing::LengthInHead,
        2 => Framing::Chunked,
        _ => Framing::None,
    };
    let mut readable = true;
    let handle = ClientHandle(call.binding());
    let result = handle.submit_with(call.int(0), call.int(1) as u32, call.int(2) as u32, framing, |out| {
        readable = call.append_latin1(4, out);
    });
    if !readable {
        if result > 0 {
            call.with_client(|client| client.cancel(result));
        }
        return call.throw("submit: head must be a string or a Uint8Array");
    }
    call.give_int(result)
}

pub unsafe extern "C" fn js_write(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: N-API's own arguments.
    let call = unsafe { Call::<3>::new(env, info) };
    let Ok(bytes) = call.bytes(1) else { return call.throw("write: chunk must be an ArrayBuffer or a Uint8Array") };
    let (ticket, last) = (call.int(0), call.flag(2));
    let unsent = call.with_client(|client| client.write(ticket, bytes, last)).unwrap_or(0);
    call.give_int(i32::try_from(unsent).unwrap_or(i32::MAX))
}

pub unsafe extern "C" fn js_pause(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: N-API's own arguments.
    let call = unsafe { Call::<1>::new(env, info) };
    call.with_client(|client| client.pause(call.int(0)));
    ptr::null_mut()
}

pub unsafe extern "C" fn js_resume(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: N-API's own arguments.
    let call = unsafe { Call::<1>::new(env, info) };
    call.with_client(|client| client.resume(call.int(0)));
    ptr::null_mut()
}

pub unsafe extern "C" fn js_cancel(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: N-API's own arguments.
    let call = unsafe { Call::<1>::new(env, info) };
    call.with_client(|client| client.cancel(call.int(0)));
    ptr::null_mut()
}

pub unsafe extern "C" fn js_close(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: N-API's own arguments.
    let call = unsafe { Call::<0>::new(env, info) };
    let closed = call.with_client(|client| client.close_all(Reason::ClientClosed));
    if closed.is_some() {
        // SAFETY: as in `with_client`; inside a callback `deliver` does nothing, and the one below us on the stack
        // goes on until all rows are given, then closes.
        unsafe {
            (*call.binding()).closing = true;
            deliver(call.binding());
        }
    }
    ptr::null_mut()
}

pub unsafe extern "C" fn js_add_endpoint(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: N-API's own arguments.
    let call = unsafe { Call::<1>::new(env, info) };
    let options = match endpoint_options(env, call.values[0]) {
        Ok(options) => options,
        Err(error) => return call.throw(&error.reason),
    };
    match call.with_client(|client| client.add_endpoint(&options)) {
        Some(Ok(id)) => call.give_int(id as i32),
        Some(Err(text)) => call.throw(&text),
        None => call.throw("addEndpoint: the client is closed"),
    }
}

pub unsafe extern "C" fn js_remove_endpoint(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    // SAFETY: N-API's own arguments.
    let call = unsafe { Call::<1>::new(env, info) };
    call.with_client(|client| client.remove_endpoint(call.int(0) as u32));
    ptr::null_mut()
}

// Reason: counts of this size are exact in a double, and nobody makes 2^53 connections.
#[allow(clippy::cast_precision_loss)]
pub unsafe extern "C" fn js_stats(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
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
