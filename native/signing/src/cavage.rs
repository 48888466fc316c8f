//! `hmac`: draft-cavage-http-signatures, and what Tyk, Kong and APISIX made of it.
//!
//! The client lists the headers that it signs. That list is the client's, so [`Verifier`] wants more than a right
//! signature: the target has to be in it, what the configuration requires, and the very header whose date is checked.
//! (Kong accepts a fresh unsigned `X-Date` beside an old signed `Date`; Tyk an unsigned `Date`.)
//!
//! A key's algorithm comes from the configuration. What the request names must be the same, or, in the draft's own
//! form, `hs2019`. Headers that come twice are refused by the dialects, whose gateways read one or the other.

mod header;
mod message;

use crate::{Algorithm, BodyDigest, Keys, Refusal, Request, SigningKey, der, encoding, http_date};
use header::Parameters;

/// Whose reading of the draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// draft-cavage-http-signatures-12: `(created)` and `(expires)`; without a list, `(created)` is signed.
    Cavage,
    /// draft-cavage-http-signatures-10: no `(created)`; without a list, `date` is signed.
    Cavage10,
    /// Tyk: the decoded path without the query, `x-aux-date` in place of `date`, the signature percent-encoded.
    Tyk,
    /// Kong's hmac-auth: `hmac username=..`, in one order; `@request-target`, or the `request-line` of
    /// HTTP/1.1; `x-date` first.
    Kong,
    /// APISIX's hmac-auth since 3.11: the key id as first line, a line end after each.
    Apisix,
}

/// What to accept.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose reading.
    pub dialect: Dialect,
    /// How many seconds a client's clock may be off, either way.
    pub skew_seconds: u64,
    /// Whether method and target must be signed.
    pub require_target: bool,
    /// Other headers that must be there and be signed, in lower case, such as `host` or `digest`.
    pub required: Vec<String>,
}

impl Options {
    /// 300 s, the target required.
    pub const fn new(dialect: Dialect) -> Self {
        Self { dialect, skew_seconds: 300, require_target: true, required: Vec::new() }
    }
}

/// A verified signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The place of the key in its list.
    pub key: usize,
    /// The signature, decoded. What a replay is known by is its [`Algorithm::fixed_part`].
    pub signature: Vec<u8>,
    /// The signed time, in Unix seconds.
    pub signed_at: u64,
    /// What the body must hash to, when the signature covers a digest. Not checked yet.
    pub body: Option<BodyDigest>,
}

/// Verifies requests.
#[derive(Debug)]
pub struct Verifier {
    options: Options,
    keys: Keys,
}

impl Verifier {
    /// Options and keys together.
    pub const fn new(options: Options, keys: Keys) -> Self {
        Self { options, keys }
    }

    /// Verifies a request's head. `now` in Unix seconds.
    pub fn verify(&self, request: &Request<'_>, now: u64) -> Result<Accepted, Refusal> {
        let dialect = self.options.dialect;
        let parameters = header::find(dialect, request)?;
        let listed = parameters.listed(dialect)?;
        let signed_at = self.time(request, &parameters, &listed, now)?;
        self.covers(request, &listed)?;
        let mut signature = parameters.signature(dialect)?;
        if parameters.algorithm == Some(b"ecdsa-sha256") {
            // Some sign the two numbers in DER, some in 32 bytes each. One form, so that a replay cannot take the other.
            if let Some(fixed) = der::ecdsa_p256(&signature) {
                signature = fixed.to_vec();
            }
        }
        let message = message::build(dialect, request, &parameters, &listed)?;
        let named = |algorithm| is_named(dialect, &parameters, algorithm);
        let key = self.keys.verify(parameters.key_id, now, named, &[&message], &signature)?;
        let body = match request.single(b"digest")? {
            Some(value) if contains(&listed, b"digest") => Some(BodyDigest::from_digest_header(value)?),
            _ => None,
        };
        Ok(Accepted { key, signature, signed_at, body })
    }

    /// The signed time, which has to be within the skew. A header that decides about freshness has to be signed.
    fn time(
        &self,
        request: &Request<'_>,
        parameters: &Parameters<'_>,
        listed: &[&[u8]],
        now: u64,
    ) -> Result<u64, Refusal> {
        if let Some(expires) = parameters.expires {
            if !contains(listed, b"(expires)") {
                return Err(Refusal::NotCovered);
            }
            if expires <= now {
                return Err(Refusal::TooOld);
            }
        }
        let signed_at = match parameters.created {
            Some(created) if contains(listed, b"(created)") => created,
            Some(_) => return Err(Refusal::NotCovered),
            None => {
                let name = self.date_header(request)?;
                // Tyk's clients list `date` and sign what `x-aux-date` says under its own name.
                let tyk = self.options.dialect == Dialect::Tyk && contains(listed, b"date");
                if !tyk && !contains(listed, name) {
                    return Err(Refusal::NotCovered);
                }
                http_date::parse(request.needed(name)?).ok_or(Refusal::Malformed)?
            }
        };
        if signed_at > now.saturating_add(self.options.skew_seconds) {
            return Err(Refusal::TooNew);
        }
        if now > signed_at.saturating_add(self.options.skew_seconds) {
            return Err(Refusal::TooOld);
        }
        Ok(signed_at)
    }

    /// The header whose date counts: another one than `date` only if it is there.
    fn date_header(&self, request: &Request<'_>) -> Result<&'static [u8], Refusal> {
        let alternative: &[u8] = match self.options.dialect {
            Dialect::Tyk => b"x-aux-date",
            Dialect::Kong => b"x-date",
            Dialect::Cavage | Dialect::Cavage10 | Dialect::Apisix => return Ok(b"date"),
        };
        Ok(if request.single(alternative)?.is_some() { alternative } else { b"date" })
    }

    /// What the configuration requires is signed, and is there: Kong and APISIX sign absent headers too.
    fn covers(&self, request: &Request<'_>, listed: &[&[u8]]) -> Result<(), Refusal> {
        let is_target = |name: &&[u8]| message::target_names(self.options.dialect).contains(name);
        if self.options.require_target && !listed.iter().any(is_target) {
            return Err(Refusal::NotCovered);
        }
        for name in self.options.required.iter().map(String::as_bytes) {
            if !contains(listed, name) {
                return Err(Refusal::NotCovered);
            }
            if name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
                && request.values(name).next().is_none()
            {
                return Err(Refusal::Missing);
            }
        }
        Ok(())
    }
}

/// Signs requests to an upstream.
#[derive(Debug)]
pub struct Signer {
    /// Whose reading.
    pub dialect: Dialect,
    /// The key's public name: visible ASCII without `"` and `\`.
    pub key_id: String,
    /// The key.
    pub key: SigningKey,
    /// What to sign, in the dialect's names, such as `(request-target)`, `host`, `date`.
    pub names: Vec<String>,
}

impl Signer {
    /// The value of `Authorization` for a request that has every header to be signed. `now` goes into `created`.
    pub fn sign(&self, request: &Request<'_>, now: u64) -> Result<String, Refusal> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        self.sign_names(request, &names, now)
    }

    /// As [`Signer::sign`], with other names than its own.
    pub(crate) fn sign_names(&self, request: &Request<'_>, names: &[&str], now: u64) -> Result<String, Refusal> {
        let listed: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        let quotable =
            |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\');
        if listed.is_empty()
            || self.key_id.is_empty()
            || !quotable(&self.key_id)
            || !names.iter().all(|name| quotable(name))
        {
            return Err(Refusal::Malformed);
        }
        let created = names.contains(&"(created)").then_some(now);
        let modern = self.dialect == Dialect::Cavage;
        if created.is_some() && !modern {
            return Err(Refusal::Malformed);
        }
        let algorithm = if modern { "hs2019" } else { name_of(self.key.algorithm()).ok_or(Refusal::WrongAlgorithm)? };
        let parameters = Parameters { key_id: self.key_id.as_bytes(), created, ..Parameters::default() };
        let message = message::build(self.dialect, request, &parameters, &listed)?;
        let signature = encoding::to_base64(&self.key.sign(&[&message]).ok_or(Refusal::WrongAlgorithm)?);
        let (id, names) = (&self.key_id, names.join(" "));
        let created = created.map(|now| format!("created={now},")).unwrap_or_default();
        Ok(match self.dialect {
            Dialect::Kong => {
                format!(r#"hmac username="{id}", algorithm="{algorithm}", headers="{names}", signature="{signature}""#)
            }
            Dialect::Tyk => {
                let signature = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
                format!(r#"Signature keyId="{id}",algorithm="{algorithm}",headers="{names}",signature="{signature}""#)
            }
            Dialect::Cavage | Dialect::Cavage10 | Dialect::Apisix => {
                format!(
                    r#"Signature keyId="{id}",algorithm="{algorithm}",{created}headers="{names}",signature="{signature}""#
                )
            }
        })
    }
}

/// The drafts' name of an algorithm.
const fn name_of(algorithm: Algorithm) -> Option<&'static str> {
    match algorithm {
        Algorithm::HmacSha1 => Some("hmac-sha1"),
        Algorithm::HmacSha256 => Some("hmac-sha256"),
        Algorithm::HmacSha384 => Some("hmac-sha384"),
        Algorithm::HmacSha512 => Some("hmac-sha512"),
        Algorithm::RsaV15Sha256 => Some("rsa-sha256"),
        Algorithm::Ed25519 => Some("ed25519"),
        // The drafts do not say in which form an ECDSA signature is, their PSS has no name of its own but hs2019, and the others are not theirs.
        _ => None,
    }
}

/// Whether the request names this algorithm, or leaves it to the key where the dialect may.
fn is_named(dialect: Dialect, parameters: &Parameters<'_>, algorithm: Algorithm) -> bool {
    let modern = dialect == Dialect::Cavage;
    let drafts = modern || dialect == Dialect::Cavage10;
    match parameters.algorithm {
        // Kong's reader has refused it already.
        None => true,
        Some(b"hs2019") => modern,
        // Not names of the drafts' registry, but what clients call them.
        Some(b"ecdsa-sha256") => drafts && algorithm == Algorithm::EcdsaP256Sha256,
        Some(b"ed25519-sha512") => drafts && algorithm == Algorithm::Ed25519,
        Some(name) => name_of(algorithm).is_some_and(|ours| ours.as_bytes() == name),
    }
}

fn contains(listed: &[&[u8]], name: &[u8]) -> bool {
    listed.iter().any(|one| one.eq_ignore_ascii_case(name))
}
