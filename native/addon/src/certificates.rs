//! Client certificates for JavaScript: whose the one of a slot's connection is, by the number of a ring.

// Reason: in a test build nothing registers the functions with Node.
#![cfg_attr(test, allow(dead_code))]

use std::time::{SystemTime, UNIX_EPOCH};

use napi::bindgen_prelude::{Error, Result};
use napi::sys;
use napi_derive::napi;
use polygate_certificates::{CertificateRing, Lookup, in_force_until};
use polygate_downstream::{self as downstream, ClientCertificate};
use polygate_head::Certificate;

use crate::arguments::{Arguments, wrong};
use crate::exchanges::this;

/// Below 0 what is no owner's place; `CertificateLookup` in `ts/shared/native.ts`.
const MISSING: i32 = -1;
const AMBIGUOUS: i32 = -2;
const UNKNOWN: i32 = -3;
const EXPIRED: i32 = -4;

/// What an upstream may be told of it.
pub fn texts_of(certificate: &ClientCertificate) -> Certificate<'_> {
    Certificate {
        subject: certificate.subject.as_bytes(),
        names: certificate.names_text.as_bytes(),
        sha256: certificate.sha256.as_bytes(),
        serial: certificate.serial.as_bytes(),
        not_after: certificate.not_after_text.as_bytes(),
    }
}

/// `certificateRing(owners)`: a number. `owners`: what each is known by.
pub unsafe extern "C" fn add(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        let owners = call.object_at::<Vec<Vec<String>>>(0)?;
        let ring = CertificateRing::new(owners.iter().map(Vec::as_slice));
        let ring = ring.ok_or_else(|| wrong("a certificate is known by subject, dns, uri, email or sha256"))?;
        // SAFETY: as in `this`.
        let rings = &mut unsafe { this(call.data) }.certificate_rings;
        let index = rings.iter().position(Option::is_none).unwrap_or_else(|| {
            rings.push(None);
            rings.len() - 1
        });
        rings[index] = Some(ring);
        call.integer(index as i32)
    })
}

/// `dropCertificateRing(ring)`
pub unsafe extern "C" fn forget(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        let index = call.number_at(0)?;
        // SAFETY: as in `this`.
        if let Some(place) = unsafe { this(call.data) }.certificate_rings.get_mut(index) {
            *place = None;
        }
        Ok(Arguments::<1>::undefined())
    })
}

/// `findCertificate(ring, slot)`: whose the certificate is that the slot's client has shown when it connected.
pub unsafe extern "C" fn find(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<2>::answer(env, info, |call| {
        // SAFETY: as in `this`.
        let rings = &unsafe { this(call.data) }.certificate_rings;
        let ring = rings.get(call.number_at(0)?).and_then(Option::as_ref);
        let ring = ring.ok_or_else(|| wrong("no such certificate ring"))?;
        let found = match downstream::client_certificate(call.number_at(1)? as u32) {
            None => MISSING,
            Some(certificate) => match ring.find(&certificate) {
                Lookup::Ambiguous => AMBIGUOUS,
                Lookup::Unknown => UNKNOWN,
                // A connection, and a session that is resumed, may outlive the certificate.
                Lookup::Known(_) if certificate.not_after < now_seconds() => EXPIRED,
                Lookup::Known(owner) => owner as i32,
            },
        };
        call.integer(found)
    })
}

fn now_seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// See `Native.revocationListsUntil`.
#[napi(catch_unwind)]
#[allow(clippy::needless_pass_by_value)] // Reason: what N-API gives is owned.
pub fn revocation_lists_until(pem: String) -> Result<Option<f64>> {
    let until = in_force_until(pem.as_bytes()).map_err(Error::from_reason)?;
    // Reason: years of four digits, in milliseconds, are below 2^53.
    #[allow(clippy::cast_precision_loss)]
    Ok(until.map(|seconds| seconds as f64 * 1000.0))
}
