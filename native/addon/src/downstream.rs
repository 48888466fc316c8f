//! The front end's hooks for JavaScript: conversions of `polygate_downstream`.

// Reason: in a test build nothing registers the functions with Node.
#![cfg_attr(test, allow(dead_code))]
// Reason: what N-API gives is owned.
#![allow(clippy::needless_pass_by_value)]

use std::time::Duration;

use napi::bindgen_prelude::{Buffer, Either, Env, Error, Null, Result};
use napi_derive::napi;
use polygate_downstream::{self as downstream, ClientOptions, HeadLimits, Identity, PemFile, TlsOptions};

/// See `Native.frontEndWatch` in `ts/shared/native.ts`.
#[napi(catch_unwind)]
pub fn front_end_watch(env: Env, path: String, max_head_bytes: u32, max_headers: u32) -> Result<bool> {
    let watched = downstream::watch(&path, limits(max_head_bytes, max_headers));
    if watched {
        // The front end outlives this environment by a moment; without state the hooks are plain calls.
        env.add_env_cleanup_hook((), |()| downstream::stop())?;
    }
    Ok(watched)
}

/// See `Native.frontEndLimits`.
#[napi(catch_unwind)]
pub fn front_end_limits(max_head_bytes: u32, max_headers: u32) {
    downstream::set_limits(limits(max_head_bytes, max_headers));
}

/// An entry of `Native.frontEndTls`.
#[napi(object)]
pub struct FrontEndCertificate {
    /// Lower case, `*.` allowed.
    pub hosts: Vec<String>,
    /// Certificate and chain.
    pub certificate: FrontEndPem,
    /// Private key.
    pub key: FrontEndPem,
}

/// `PemFile` in `ts/shared/native.ts`.
#[napi(object)]
pub struct FrontEndPem {
    /// For messages.
    pub name: String,
    /// Content.
    pub text: String,
}

impl From<FrontEndPem> for PemFile {
    fn from(file: FrontEndPem) -> Self {
        Self { name: file.name, text: file.text }
    }
}

/// `FrontEndClients` in `ts/shared/native.ts`.
#[napi(object, object_to_js = false)]
pub struct FrontEndClients {
    /// Of clients' certificates.
    pub authorities: FrontEndPem,
    /// A client may have no certificate.
    pub optional: bool,
    /// Lists of revoked ones.
    pub revoked: Either<FrontEndPem, Null>,
}

/// See `Native.frontEndTls`.
#[napi(catch_unwind)]
pub fn front_end_tls(
    certificates: Vec<FrontEndCertificate>,
    clients: Option<FrontEndClients>,
    only_tls13: bool,
) -> Result<u32> {
    let identity = |one: FrontEndCertificate| Identity {
        hosts: one.hosts,
        certificate: one.certificate.into(),
        key: one.key.into(),
    };
    let options = TlsOptions {
        identities: certificates.into_iter().map(identity).collect(),
        clients: clients.map(|clients| ClientOptions {
            authorities: clients.authorities.into(),
            optional: clients.optional,
            revoked: match clients.revoked {
                Either::A(file) => Some(file.into()),
                Either::B(_) => None,
            },
        }),
        only_tls13,
    };
    downstream::tls(&options).map_err(Error::from_reason)
}

/// See `Native.frontEndNextListener`.
#[napi(catch_unwind)]
pub fn front_end_next_listener(tls: Option<u32>, held: bool) {
    downstream::next_listener(tls, held);
}

/// See `Native.frontEndAccept`.
#[napi(catch_unwind)]
pub fn front_end_accept() {
    downstream::accept();
}

/// See `Native.frontEndNewcomers`.
#[napi(catch_unwind)]
pub fn front_end_newcomers() -> u32 {
    downstream::newcomers() as u32
}

/// See `Native.frontEndTlsExchange`.
#[napi(catch_unwind)]
pub fn front_end_tls_exchange(old: u32, next: u32) {
    downstream::tls_exchange(old, next);
}

/// See `Native.frontEndTlsDrop`.
#[napi(catch_unwind)]
pub fn front_end_tls_drop(id: u32) {
    downstream::tls_drop(id);
}

/// See `Native.frontEndTick`.
#[napi(catch_unwind)]
pub fn front_end_tick(idle_ms: f64) {
    crate::direct::look_at_clock();
    downstream::tick(Duration::try_from_secs_f64(idle_ms / 1000.0).unwrap_or(Duration::ZERO));
}

/// See `Native.frontEndBegin`.
#[napi(catch_unwind)]
pub fn front_end_begin(slot: u32) -> u32 {
    downstream::begin(slot).unwrap_or(0)
}

/// See `Native.frontEndEnd`.
#[napi(catch_unwind)]
pub fn front_end_end(slot: u32) {
    downstream::end(slot);
}

/// See `Native.frontEndHeadAlone`.
#[napi(catch_unwind)]
pub fn front_end_head_alone(slot: u32, length: f64) -> bool {
    // A length is a whole number below 2^53, or negative.
    downstream::head_alone(slot, (length >= 0.0).then_some(length as u64))
}

/// See `Native.frontEndWaits`.
#[napi(catch_unwind)]
pub fn front_end_waits(slot: u32) -> bool {
    downstream::waits(slot).unwrap_or(false)
}

/// See `Native.frontEndConnection`.
#[napi(catch_unwind)]
pub fn front_end_connection(slot: u32) -> f64 {
    // A descriptor is below 2^21 (fs.nr_open allows no more without being told to), so that a double holds both halves.
    let connection = downstream::connection_of(slot).unwrap_or(0);
    f64::from((connection >> 32) as u32) * 4_294_967_296.0 + f64::from(connection as u32)
}

/// See `Native.frontEndStopReading`.
#[napi(catch_unwind)]
pub fn front_end_stop_reading(connection: f64, stopped: bool) -> bool {
    downstream::stop_reading(connection as u64, stopped)
}

/// See `Native.frontEndHead`.
#[napi(catch_unwind)]
pub fn front_end_head() -> Option<Buffer> {
    downstream::with_current(|current| current.head.map(Buffer::from)).flatten()
}

/// See `Native.frontEndAddress`.
#[napi(catch_unwind)]
pub fn front_end_address() -> Option<String> {
    downstream::with_current(|current| current.address.to_owned())
}

/// See `Native.frontEndWriting`.
#[napi(catch_unwind)]
pub fn front_end_writing() -> u32 {
    downstream::writing()
}

/// See `Native.frontEndStalls`.
#[napi(catch_unwind)]
pub fn front_end_stalls() -> u32 {
    downstream::stalls()
}

/// See `Native.frontEndAnswers`.
#[napi(catch_unwind)]
pub fn front_end_answers() -> Vec<Vec<u32>> {
    downstream::answers().iter().map(|(status, count)| vec![u32::from(*status), *count]).collect()
}

fn limits(max_head_bytes: u32, max_headers: u32) -> HeadLimits {
    HeadLimits { bytes: max_head_bytes as usize, lines: max_headers as usize }
}
