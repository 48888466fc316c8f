//! What one request needs of the native parts, in as few crossings as there can be: `begin` takes its head from the
//! bytes that the front end has just received, `submit` writes the upstream's head straight into the upstream client's
//! send buffer, `end` lets the next request of the connection through. Requests that go past the front end begin in
//! `direct` instead.

// Reason: in a test build nothing registers the functions with Node.
#![cfg_attr(test, allow(dead_code))]

use std::ffi::c_void;
use std::ptr;
use std::rc::Rc;

use napi::JsValue;
use napi::bindgen_prelude::{Env, Object, Result};
use napi::sys;
use napi_derive::napi;
use polygate_certificates::CertificateRing;
use polygate_downstream::{self as downstream, ClientCertificate};
use polygate_head::{Edit, Forwarding, Framing, Head, ResponseEdits};
use polygate_upstream::Framing as Body;

use crate::arguments::{Arguments, checked, method, wrong};
use crate::certificates;
use crate::consumers::{self, Consumers};
use crate::direct::{self, Direct};
use crate::edits;
use crate::heads::{compose_head, framing_of, release, take_bytes, with_head};
use crate::jwt::{self, Tokens};
use crate::keys;
use crate::plugins::{self, Plugins};
use crate::response_edits;
use crate::signing::signers::{self, Signers};
use crate::signing::{self, Signatures};
use crate::upstream::ClientHandle;

/// The head's bytes were not seen: a front end without the hooks. JS takes them from the front end instead.
const NOT_SEEN: i32 = -2;

/// Bits of `submit`'s and `compose`'s `how`; `ForwardHow` in `ts/shared/native.ts`.
pub const TRUSTED: i32 = 1;
pub const TLS: i32 = 2;
const UPGRADE: i32 = 4;
const CERTIFICATE: i32 = 8;
/// From this bit on the number of the consumer.
const CONSUMER_SHIFT: i32 = 4;

/// Per worker. Freed with the environment.
pub struct Exchanges {
    pub heads: usize,
    /// By slot: the client's address, and how many requests its connection has had.
    pub clients: Vec<(Vec<u8>, u32)>,
    path: Vec<u8>,
    host: Vec<u8>,
    /// Of one call, kept for the next.
    pub texts: [Vec<u8>; 2],
    /// By number less 1.
    pub response_edits: Vec<Option<ResponseEdits>>,
    pub consumers: Consumers,
    /// By number.
    pub key_rings: Vec<Option<keys::Ring>>,
    pub signatures: Signatures,
    pub signers: Signers,
    pub tokens: Tokens,
    /// By number.
    pub certificate_rings: Vec<Option<CertificateRing>>,
    pub plugins: Plugins,
    /// Of requests that go past the front end.
    pub direct: Option<Direct>,
}

/// A function that gives an object: `new` gives that object too. `heads` is `RequestHeads.id`.
#[napi(js_name = "Exchanges", catch_unwind)]
pub fn exchanges(env: Env, heads: u32) -> Result<Object<'static>> {
    let raw = env.raw();
    let this = Box::into_raw(Box::new(Exchanges {
        heads: heads as usize,
        clients: Vec::new(),
        path: Vec::new(),
        host: Vec::new(),
        texts: Default::default(),
        response_edits: Vec::new(),
        consumers: Consumers::default(),
        key_rings: Vec::new(),
        signatures: Signatures::default(),
        signers: Signers::default(),
        tokens: Tokens::default(),
        certificate_rings: Vec::new(),
        plugins: Plugins::default(),
        direct: None,
    }));
    let data = this.cast::<c_void>();
    // SAFETY: `env` is that of the running call; the hook runs once, after the last JS of the environment.
    unsafe { sys::napi_add_env_cleanup_hook(raw, Some(free), data) };
    let object = Object::new(&env)?;
    let properties = [
        method(c"begin", begin, data),
        method(c"submit", submit, data),
        method(c"compose", compose, data),
        method(c"remoteAddress", remote_address, data),
        method(c"setRemoteAddress", set_remote_address, data),
        method(c"connectionRequests", connection_requests, data),
        method(c"end", end, data),
        method(c"direct", direct::open, data),
        method(c"relay", direct::relay, data),
        method(c"relayEdited", direct::relay_edited, data),
        method(c"answer", direct::answer, data),
        method(c"run", direct::run, data),
        method(c"listening", direct::listening, data),
        method(c"requestId", request_id, data),
        method(c"responseEdits", response_edits::compile, data),
        method(c"dropResponseEdits", response_edits::forget, data),
        method(c"editResponse", response_edits::apply, data),
        method(c"consumer", consumers::add, data),
        method(c"dropConsumer", consumers::forget, data),
        method(c"keyRing", keys::add, data),
        method(c"dropKeyRing", keys::forget, data),
        method(c"findKey", keys::find, data),
        method(c"findKeyText", keys::find_text, data),
        method(c"signatureVerifier", signing::add, data),
        method(c"dropSignatureVerifier", signing::forget, data),
        method(c"verifySignature", signing::verify, data),
        method(c"verifySignedBody", signing::verify_body, data),
        method(c"verifyMashery", signing::verify_mashery, data),
        method(c"signatureTables", signing::tables, data),
        method(c"signatureReplayValue", signing::replay_value, data),
        method(c"upstreamSigner", signers::add, data),
        method(c"dropUpstreamSigner", signers::forget, data),
        method(c"signBody", signers::sign_body, data),
        method(c"signHead", signers::sign_head, data),
        method(c"jwtKeys", jwt::add_keys, data),
        method(c"dropJwtKeys", jwt::forget_keys, data),
        method(c"jwtVerifier", jwt::add, data),
        method(c"dropJwtVerifier", jwt::forget, data),
        method(c"verifyJwt", jwt::verify, data),
        method(c"verifyJwtText", jwt::verify_text, data),
        method(c"dropClaims", jwt::drop_claims, data),
        method(c"certificateRing", certificates::add, data),
        method(c"dropCertificateRing", certificates::forget, data),
        method(c"findCertificate", certificates::find, data),
    ];
    for properties in [&properties[..], &edits::methods(data), &plugins::methods(data)] {
        // SAFETY: as above; names and callbacks are static.
        let status = unsafe { sys::napi_define_properties(raw, object.raw(), properties.len(), properties.as_ptr()) };
        checked(status, "no object was made")?;
    }
    Ok(Object::from_raw(raw, object.raw()))
}

unsafe extern "C" fn free(data: *mut c_void) {
    direct::close(data.cast());
    // SAFETY: made by `exchanges`, given to this hook alone.
    drop(unsafe { Box::from_raw(data.cast::<Exchanges>()) });
}

/// # Safety
/// `data` is that of a function made by `exchanges`, on the environment's thread, one call at a time.
pub unsafe fn this<'a>(data: *mut c_void) -> &'a mut Exchanges {
    // SAFETY: the caller's promise.
    unsafe { &mut *data.cast::<Exchanges>() }
}

impl Exchanges {
    /// The slot's response is complete or aborted. Safe to call twice.
    pub fn end(&mut self, slot: usize) {
        downstream::end(slot as u32);
        release(self.heads, slot);
        self.signatures.end(slot);
        self.signers.end(slot);
        self.tokens.forget(slot);
        if let Some(direct) = &mut self.direct {
            direct.free(slot);
        }
    }

    /// How a request of the slot goes upstream that nothing is changed of. `certificate`: as `certificate_of` gives it.
    pub fn forwarding<'a>(
        &'a self,
        slot: usize,
        how: i32,
        edits: &'a [Edit<'a>],
        certificate: Option<&'a ClientCertificate>,
    ) -> Forwarding<'a> {
        Forwarding {
            edits,
            client_address: self.clients.get(slot).map_or(b"", |client| &client.0),
            trusted: how & TRUSTED != 0,
            tls: how & TLS != 0,
            port: self.direct.as_ref().map_or(0, |direct| direct.port(slot)),
            consumer: self.consumers.name(how >> CONSUMER_SHIFT),
            certificate: certificate.map(certificates::texts_of),
            ..Forwarding::default()
        }
    }

    pub fn client(&mut self, slot: usize) -> &mut (Vec<u8>, u32) {
        if slot >= self.clients.len() {
            self.clients.resize_with(slot + 1, Default::default);
        }
        &mut self.clients[slot]
    }
}

/// `begin(slot)`: 0, a refusal's code, or `notSeen`.
unsafe extern "C" fn begin(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let this = unsafe { this(call.data) };
        let slot = call.integer_at(0)? as usize;
        let heads = this.heads;
        let client = this.client(slot);
        client.0.clear();
        let taken = downstream::with_current(|current| {
            client.0.extend_from_slice(current.address.as_bytes());
            current.head.map_or(NOT_SEEN, |head| take_bytes(heads, slot, head))
        });
        client.1 = downstream::begin(slot as u32).unwrap_or(0);
        call.integer(taken.unwrap_or(NOT_SEEN))
    })
}

/// The client's, where the upstream is to be told of it.
pub fn certificate_of(slot: usize, how: i32) -> Option<Rc<ClientCertificate>> {
    if how & CERTIFICATE == 0 { None } else { downstream::client_certificate(slot as u32) }
}

/// The common end of `submit` and `compose`: arguments from `at` on are `path`, `host`, `how`, `port`.
fn forwarding<const N: usize, R>(
    this: &mut Exchanges,
    call: &Arguments<N>,
    slot: usize,
    at: usize,
    work: impl FnOnce(&Forwarding<'_>) -> Result<R>,
) -> Result<R> {
    let (mut path, mut host) = (std::mem::take(&mut this.path), std::mem::take(&mut this.host));
    let has_path = call.optional_latin1(at, &mut path);
    let has_host = call.optional_latin1(at + 1, &mut host);
    let how = call.integer_at(at + 2)?;
    let port = call.integer_at(at + 3)?;
    let certificate = certificate_of(slot, how);
    let result = this.tokens.with_edits(slot, |edits| {
        work(&Forwarding {
            path: has_path.then_some(&path),
            host: has_host.then_some(&host),
            framing: framing_of(this.heads, slot),
            upgrade: how & UPGRADE != 0,
            client_address: this.clients.get(slot).map_or(b"", |client| &client.0),
            trusted: how & TRUSTED != 0,
            tls: how & TLS != 0,
            port: port as u16,
            consumer: this.consumers.name(how >> CONSUMER_SHIFT),
            edits,
            certificate: certificate.as_deref().map(certificates::texts_of),
            ..Forwarding::default()
        })
    });
    this.path = path;
    this.host = host;
    result
}

/// `submit(client, tag, endpoint, flags, slot, policy, path, host, how, port, signer)`: a ticket, a negative reason, or 0: the
/// head cannot be signed.
unsafe extern "C" fn submit(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<11>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let this = unsafe { this(call.data) };
        let client =
            ClientHandle::from_js(env, call.values[0]).ok_or_else(|| wrong("an upstream client was expected"))?;
        let (tag, endpoint, flags) = (call.integer_at(1)?, call.integer_at(2)? as u32, call.integer_at(3)? as u32);
        let (slot, policy, heads) = (call.integer_at(4)? as usize, call.integer_at(5)? as usize, this.heads);
        let signer = call.number_at(10)?;
        // What signs is no part of what a forwarding borrows.
        let mut signers = (signer > 0).then(|| std::mem::take(&mut this.signers));
        let ticket = forwarding(this, call, slot, 6, |forwarding| {
            let body = match forwarding.framing {
                Framing::None => Body::None,
                Framing::Length(length) => Body::Length(length),
                Framing::Chunked => Body::Chunked,
            };
            let (mut composed, mut may_leave) = (Ok(()), true);
            let ticket = client.submit_with(tag, endpoint, flags, body, |out| {
                let from = out.len();
                composed = compose_head(heads, slot, policy, forwarding, out);
                if let Some(signers) = signers.as_mut().filter(|_| composed.is_ok()) {
                    may_leave = signers.sign(signer, slot, forwarding.framing, out, from);
                }
            });
            if let Err(problem) = composed {
                // Nothing was written, and nothing is sent before the loop's turn ends.
                client.cancel(ticket);
                return Err(wrong(problem));
            }
            if !may_leave {
                // As above: the head has not left.
                client.cancel(ticket);
                return Ok(0);
            }
            Ok(ticket)
        });
        if let Some(signers) = signers {
            this.signers = signers;
        }
        let ticket = ticket?;
        this.submitted(slot, ticket);
        call.integer(ticket)
    })
}

/// `compose(slot, policy, path, host, how, port, signer)`: the head that `submit` would send, as latin-1; '' where it cannot
/// be signed.
unsafe extern "C" fn compose(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<7>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let this = unsafe { this(call.data) };
        let (slot, policy, heads) = (call.integer_at(0)? as usize, call.integer_at(1)? as usize, this.heads);
        let mut out = Vec::new();
        forwarding(this, call, slot, 2, |forwarding| {
            compose_head(heads, slot, policy, forwarding, &mut out).map_err(wrong)
        })?;
        let framing = framing_of(heads, slot);
        if !this.signers.sign(call.number_at(6)?, slot, framing, &mut out, 0) {
            out.clear();
        }
        call.latin1(&out)
    })
}

/// `remoteAddress(slot)`: text, '' where it is not known.
unsafe extern "C" fn remote_address(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let this = unsafe { this(call.data) };
        let slot = call.integer_at(0)? as usize;
        call.latin1(this.clients.get(slot).map_or(b"", |client| &client.0))
    })
}

/// `setRemoteAddress(slot, address)`: for a front end without the hooks.
unsafe extern "C" fn set_remote_address(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<2>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let this = unsafe { this(call.data) };
        let client = this.client(call.integer_at(0)? as usize);
        client.0.clear();
        client.0.extend_from_slice(call.bytes(1)?);
        Ok(ptr::null_mut())
    })
}

/// `connectionRequests(slot)`: requests on its connection so far, this one included; 0: not known.
unsafe extern "C" fn connection_requests(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let this = unsafe { this(call.data) };
        let slot = call.integer_at(0)? as usize;
        call.integer(this.clients.get(slot).map_or(0, |client| client.1 as i32))
    })
}

/// `end(slot)`
unsafe extern "C" fn end(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let this = unsafe { this(call.data) };
        this.end(call.integer_at(0)? as usize);
        Ok(ptr::null_mut())
    })
}

/// `requestId(slot)`: '' for a slot without a head.
unsafe extern "C" fn request_id(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let this = unsafe { this(call.data) };
        let slot = call.integer_at(0)? as usize;
        with_head(this.heads, slot, |head| call.latin1(head.map_or(b"", Head::request_id)))
    })
}
