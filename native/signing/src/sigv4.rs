//! AWS Signature Version 4, in the `Authorization` header and in the query (presigned).
//!
//! Region, service and the form of the path are the configuration's, never the request's. A request that carries
//! credentials in both places is refused, as is a parameter whose name differs from ours in case only: one of two
//! readers would take the other one. Every `x-amz-*` header has to be signed.
//!
//! What is signed is the path without dot segments and double slashes (except with [`Path::AsSent`]): whoever sends the
//! request on has to send that one.

mod canonical;
mod credential;

use std::{collections::HashMap, fmt};

use subtle::ConstantTimeEq as _;

use crate::{BodyDigest, Refusal, Request, Secret, Validity, encoding};
use canonical::{Payload, canonical_request};
use credential::{Credential, Stamp, find, hash, signature};

/// How the path is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Without dot segments and double slashes, and encoded once more: every service but S3.
    Normalized,
    /// As it is: S3.
    AsSent,
}

/// What to accept.
#[derive(Clone, Debug)]
pub struct Options {
    /// Such as `us-east-1`.
    pub region: String,
    /// Such as `execute-api`.
    pub service: String,
    /// How the path is signed.
    pub path: Path,
    /// How many seconds a client's clock may be off, either way.
    pub skew_seconds: u64,
    /// Whether presigned requests are accepted.
    pub presigned: bool,
    /// Whether the payload may be left unsigned (`UNSIGNED-PAYLOAD`).
    pub unsigned_payload: bool,
    /// Headers that must be signed besides `host` and `x-amz-*`, in lower case.
    pub required: Vec<String>,
}

impl Options {
    /// 300 s, in the header only, the payload signed.
    pub fn new(region: &str, service: &str) -> Self {
        Self {
            region: region.into(),
            service: service.into(),
            path: if service == "s3" { Path::AsSent } else { Path::Normalized },
            skew_seconds: 300,
            presigned: false,
            unsigned_payload: false,
            required: Vec::new(),
        }
    }
}

/// A secret access key.
#[derive(Debug)]
pub struct AccessKey {
    /// The access key id, matched exactly.
    pub id: Vec<u8>,
    /// The secret.
    pub secret: Secret,
    /// When it counts.
    pub validity: Validity,
}

/// A verified signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The place of the key in its list.
    pub key: usize,
    /// The signature, decoded.
    pub signature: [u8; 32],
    /// The signed time, in Unix seconds.
    pub signed_at: u64,
    /// What the body must hash to; `None` when it was left unsigned. Not checked yet.
    pub body: Option<BodyDigest>,
}

/// Verifies requests.
pub struct Verifier {
    options: Options,
    by_id: HashMap<Vec<u8>, Vec<(usize, AccessKey)>>,
}

impl Verifier {
    /// Options and keys together.
    pub fn new(options: Options, keys: Vec<AccessKey>) -> Self {
        let mut by_id: HashMap<Vec<u8>, Vec<(usize, AccessKey)>> = HashMap::new();
        for (place, key) in keys.into_iter().enumerate() {
            by_id.entry(key.id.clone()).or_default().push((place, key));
        }
        Self { options, by_id }
    }

    /// Whether the body's hash is needed to verify a request, for it does not say it itself. Refuses what can be refused
    /// without: whoever asks has not read the body yet.
    pub fn needs_body(&self, request: &Request<'_>, now: u64) -> Result<bool, Refusal> {
        let credential = self.credential(request, now)?;
        if !self.by_id.contains_key(&credential.key_id) {
            return Err(Refusal::UnknownKey);
        }
        let open = credential.presigned && self.options.path == Path::AsSent;
        Ok(request.single(b"x-amz-content-sha256")?.is_none() && !open)
    }

    /// Verifies a request's head. `body_sha256` is the body's, if it was read already: without it, the request has to
    /// say what it is (`x-amz-content-sha256`), and the caller checks that. `now` in Unix seconds.
    pub fn verify(&self, request: &Request<'_>, body_sha256: Option<&[u8; 32]>, now: u64) -> Result<Accepted, Refusal> {
        let credential = self.credential(request, now)?;
        let payload = self.payload(request, &credential, body_sha256)?;
        let all = self.by_id.get(&credential.key_id).ok_or(Refusal::UnknownKey)?;
        let canonical = canonical_request(request, self.options.path, &credential.signed_headers, &[], payload)?;
        let hashed = hash(&canonical);
        let mut outcome = Err(Refusal::NoActiveSecret);
        for (place, key) in all.iter().filter(|(_, key)| key.validity.contains(now)) {
            let ours = signature(&key.secret, &credential.stamp, self.scope(), &hashed);
            let equal = bool::from(ours.ct_eq(&credential.signature));
            outcome = outcome.or(if equal { Ok(*place) } else { Err(Refusal::BadSignature) });
        }
        let body = match payload {
            Payload::Hash(sha256) => Some(BodyDigest { sha256: Some(sha256), sha512: None }),
            Payload::Unsigned => None,
        };
        Ok(Accepted { key: outcome?, signature: credential.signature, signed_at: credential.stamp.seconds, body })
    }

    /// What the request says about its signature, if that is for us, of now, and covers enough.
    fn credential(&self, request: &Request<'_>, now: u64) -> Result<Credential, Refusal> {
        let credential = find(request)?;
        let lacks_expiry = credential.expires_seconds.is_none() && self.options.path == Path::AsSent;
        if credential.presigned && (!self.options.presigned || lacks_expiry) {
            return Err(Refusal::Missing);
        }
        if self.scope() != [credential.region.as_slice(), credential.service.as_slice()] {
            return Err(Refusal::BadSignature);
        }
        self.is_fresh(&credential, now)?;
        self.covers(request, &credential)?;
        Ok(credential)
    }

    fn scope(&self) -> [&[u8]; 2] {
        [self.options.region.as_bytes(), self.options.service.as_bytes()]
    }

    fn is_fresh(&self, credential: &Credential, now: u64) -> Result<(), Refusal> {
        let signed_at = credential.stamp.seconds;
        let good_for = credential.expires_seconds.unwrap_or(self.options.skew_seconds);
        if signed_at > now.saturating_add(self.options.skew_seconds) {
            Err(Refusal::TooNew)
        } else if now > signed_at.saturating_add(good_for) {
            Err(Refusal::TooOld)
        } else {
            Ok(())
        }
    }

    fn covers(&self, request: &Request<'_>, credential: &Credential) -> Result<(), Refusal> {
        let signed = |name: &[u8]| credential.signed_headers.iter().any(|one| one.eq_ignore_ascii_case(name));
        let amazons = request
            .headers
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| name.get(..6).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"x-amz-")));
        let all = signed(b"host")
            && (credential.presigned || signed(b"x-amz-date"))
            && amazons.into_iter().all(signed)
            && self.options.required.iter().all(|name| signed(name.as_bytes()));
        if all { Ok(()) } else { Err(Refusal::NotCovered) }
    }

    /// What stands for the body in the canonical request.
    fn payload(
        &self,
        request: &Request<'_>,
        credential: &Credential,
        body_sha256: Option<&[u8; 32]>,
    ) -> Result<Payload, Refusal> {
        let said = match request.single(b"x-amz-content-sha256")? {
            // S3's presigned requests leave the body open.
            None if credential.presigned && self.options.path == Path::AsSent => Some(&b"UNSIGNED-PAYLOAD"[..]),
            said => said,
        };
        match said {
            Some(b"UNSIGNED-PAYLOAD") if self.options.unsigned_payload => Ok(Payload::Unsigned),
            Some(b"UNSIGNED-PAYLOAD") => Err(Refusal::NotCovered),
            // `STREAMING-..` too: its chunks have signatures of their own, which are not read here.
            Some(text) => {
                let said: [u8; 32] = encoding::hex(text).ok_or(Refusal::Malformed)?;
                if text.iter().any(u8::is_ascii_uppercase) {
                    return Err(Refusal::Malformed);
                }
                if body_sha256.is_some_and(|body| body != &said) {
                    Err(Refusal::WrongDigest)
                } else {
                    Ok(Payload::Hash(said))
                }
            }
            None => body_sha256.copied().map(Payload::Hash).ok_or(Refusal::Missing),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Verifier").field("ids", &self.by_id.len()).finish_non_exhaustive()
    }
}

/// Signs requests to an upstream.
#[derive(Debug)]
pub struct Signer {
    /// The access key id.
    pub key_id: String,
    /// The secret.
    pub secret: Secret,
    /// Such as `us-east-1`.
    pub region: String,
    /// Such as `execute-api`.
    pub service: String,
    /// How the path is signed.
    pub path: Path,
}

/// The headers that sign a request: to be set, in place of any of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// `x-amz-date`.
    pub date: String,
    /// `x-amz-content-sha256`.
    pub content_sha256: String,
    /// `authorization`.
    pub authorization: String,
}

impl Signer {
    /// Signs `host`, `content-type` and all `x-amz-*` headers of a request. Without the body's hash the payload is
    /// left unsigned, which only S3 takes.
    pub fn sign(&self, request: &Request<'_>, body_sha256: Option<&[u8; 32]>, now: u64) -> Result<Signed, Refusal> {
        let plain = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"/,;=".contains(&byte))
        };
        if ![&self.key_id, &self.region, &self.service].into_iter().all(|text| plain(text)) {
            return Err(Refusal::Malformed);
        }
        let stamp = Stamp::at(now).ok_or(Refusal::ImpossibleClock)?;
        let payload = body_sha256.map_or(Payload::Unsigned, |hash| Payload::Hash(*hash));
        let content_sha256 = payload.text();
        let ours: [(&[u8], &[u8]); 2] =
            [(b"x-amz-date", stamp.text.as_bytes()), (b"x-amz-content-sha256", content_sha256.as_bytes())];
        let mut names: Vec<Vec<u8>> = request
            .headers
            .iter()
            .map(|(name, _)| name.to_ascii_lowercase())
            .filter(|name| name.starts_with(b"x-amz-") || name == b"content-type")
            .chain([b"host".to_vec()])
            .chain(ours.iter().map(|(name, _)| name.to_vec()))
            .collect();
        names.sort();
        names.dedup();
        let canonical = canonical_request(request, self.path, &names, &ours, payload)?;
        let scope = [self.region.as_bytes(), self.service.as_bytes()];
        let signature = encoding::to_hex(&signature(&self.secret, &stamp, scope, &hash(&canonical)));
        let listed = String::from_utf8(names.join(&b';')).map_err(|_| Refusal::Malformed)?;
        let (id, day, region, service) = (&self.key_id, stamp.day(), &self.region, &self.service);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={id}/{day}/{region}/{service}/aws4_request, SignedHeaders={listed}, Signature={signature}"
        );
        Ok(Signed { date: stamp.text, content_sha256, authorization })
    }
}
