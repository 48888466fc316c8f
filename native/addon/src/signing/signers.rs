//! Signers of upstreams for JavaScript, by number, and what they need of a slot.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::ptr;

use napi::bindgen_prelude::{Buffer, Result};
use napi::sys;
use napi_derive::napi;
use polygate_head::Framing;
use polygate_signing::{
    Secret, cavage, rfc9421, sha256, sigv4,
    upstream::{HeadSigner, Scheme, key},
};

use super::options::{algorithm, dialect};
use super::real_time;
use crate::arguments::{Arguments, wrong};
use crate::exchanges::this;

/// See `UpstreamSignerOptions` in `ts/shared/native-signing.ts`. Of a scheme that has no such thing, texts are empty.
#[napi(object, object_to_js = false)]
pub struct UpstreamSignerOptions {
    pub scheme: String,
    pub key_id: String,
    /// A secret, or a private key in PKCS #8, DER.
    pub key: Buffer,
    pub algorithm: String,
    pub dialect: String,
    pub cover: Vec<String>,
    pub tag: String,
    pub expires_after_seconds: u32,
    pub region: String,
    pub service: String,
    pub as_sent: bool,
    /// Bodies are sent without being signed.
    pub unsigned_body: bool,
    pub tls: bool,
}

impl UpstreamSignerOptions {
    fn compile(&self) -> Result<Entry> {
        // What a key is must not be said.
        let unfit = || wrong("the key does not fit its algorithm");
        let signing_key = || {
            let algorithm = algorithm(&self.algorithm).ok_or_else(|| wrong("an unknown algorithm"))?;
            key(algorithm, &self.key).ok_or_else(unfit)
        };
        let scheme = match self.scheme.as_str() {
            "cavage" => Scheme::Cavage(cavage::Signer {
                dialect: dialect(&self.dialect).ok_or_else(|| wrong("an unknown dialect"))?,
                key_id: self.key_id.clone(),
                key: signing_key()?,
                names: self.cover.clone(),
            }),
            "rfc9421" => Scheme::Rfc9421(rfc9421::Signer {
                label: "sig1".to_owned(),
                key_id: self.key_id.clone(),
                key: signing_key()?,
                components: self.cover.clone(),
                expires_after_seconds: Some(u64::from(self.expires_after_seconds)).filter(|seconds| *seconds > 0),
                tag: Some(self.tag.clone()).filter(|tag| !tag.is_empty()),
            }),
            "sigv4" => Scheme::SigV4(sigv4::Signer {
                key_id: self.key_id.clone(),
                secret: Secret::new(self.key.as_ref()).ok_or_else(unfit)?,
                region: self.region.clone(),
                service: self.service.clone(),
                path: if self.as_sent { sigv4::Path::AsSent } else { sigv4::Path::Normalized },
            }),
            _ => return Err(wrong("an unknown scheme")),
        };
        let signer = HeadSigner::new(scheme, self.tls)
            .map_err(|refusal| wrong(format_args!("no request can be signed like this: {}", refusal.name())))?;
        Ok(Entry { needs_body: signer.signs_body() && !self.unsigned_body, signer })
    }
}

/// What is wrong with the options; '' if nothing is.
#[napi(catch_unwind)]
#[allow(clippy::needless_pass_by_value)] // Reason: what N-API gives is owned.
pub fn upstream_signer_problem(options: UpstreamSignerOptions) -> String {
    options.compile().err().map(|error| error.reason.clone()).unwrap_or_default()
}

struct Entry {
    signer: HeadSigner,
    /// A body that was not given to `signBody` does not leave.
    needs_body: bool,
}

/// The part of `Exchanges` that signs for upstreams.
pub struct Signers {
    /// By number less 1: 0 is nobody.
    list: Vec<Option<Entry>>,
    /// By slot: SHA-256 of bodies that are signed.
    bodies: HashMap<usize, [u8; 32]>,
    empty: [u8; 32],
    /// Two that make a nonce which nobody has had.
    seed: u64,
    count: u64,
}

impl Default for Signers {
    fn default() -> Self {
        let seed = RandomState::new().hash_one(std::process::id());
        Self { list: Vec::new(), bodies: HashMap::new(), empty: sha256(b""), seed, count: 0 }
    }
}

impl Signers {
    /// Signs the head that begins at `from` of `out`. `number`: of the signer, 0 for none. False: it cannot be signed,
    /// and is as it was.
    pub fn sign(&mut self, number: usize, slot: usize, framing: Framing, out: &mut Vec<u8>, from: usize) -> bool {
        let without = if framing == Framing::None { Some(self.empty) } else { None };
        let body = self.bodies.get(&slot).copied().or(without);
        number == 0 || self.sign_with(number, body, out, from)
    }

    fn sign_with(&mut self, number: usize, body: Option<[u8; 32]>, out: &mut Vec<u8>, from: usize) -> bool {
        let Some(entry) = self.list.get(number.wrapping_sub(1)).and_then(Option::as_ref) else { return false };
        if body.is_none() && entry.needs_body {
            return false;
        }
        self.count += 1;
        let nonce = format!("{:016x}{:x}", self.seed, self.count);
        entry.signer.sign(out, from, body.as_ref(), real_time(), &nonce).is_ok()
    }

    /// The slot's request has ended.
    pub fn end(&mut self, slot: usize) {
        if !self.bodies.is_empty() {
            self.bodies.remove(&slot);
        }
    }
}

/// `upstreamSigner(options)`: a number above 0.
pub unsafe extern "C" fn add(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        let signer = call.object_at::<UpstreamSignerOptions>(0)?.compile()?;
        // SAFETY: as in `this`.
        let list = &mut unsafe { this(call.data) }.signers.list;
        let index = list.iter().position(Option::is_none).unwrap_or_else(|| {
            list.push(None);
            list.len() - 1
        });
        list[index] = Some(signer);
        call.integer(index as i32 + 1)
    })
}

/// `dropUpstreamSigner(signer)`
pub unsafe extern "C" fn forget(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<1>::answer(env, info, |call| {
        let index = call.number_at(0)?.wrapping_sub(1);
        // SAFETY: as in `this`.
        if let Some(place) = unsafe { this(call.data) }.signers.list.get_mut(index) {
            *place = None;
        }
        Ok(ptr::null_mut())
    })
}

/// `signBody(slot, body)`: what is sent as the slot's body.
pub unsafe extern "C" fn sign_body(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<2>::answer(env, info, |call| {
        let (slot, body) = (call.number_at(0)?, call.bytes(1)?);
        // SAFETY: as in `this`.
        unsafe { this(call.data) }.signers.bodies.insert(slot, sha256(body));
        Ok(ptr::null_mut())
    })
}

/// `signHead(signer, head, body)`, an empty body for none: the signed head, as latin-1; '' where it cannot be signed.
pub unsafe extern "C" fn sign_head(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    Arguments::<3>::answer(env, info, |call| {
        let mut head = Vec::new();
        if !call.append_latin1(1, &mut head) {
            return Err(wrong("a head was expected"));
        }
        let body = sha256(call.bytes(2)?);
        // SAFETY: as in `this`.
        let signers = &mut unsafe { this(call.data) }.signers;
        if !signers.sign_with(call.number_at(0)?, Some(body), &mut head, 0) {
            head.clear();
        }
        call.latin1(&head)
    })
}
