//! RFC 9421, HTTP message signatures of requests, with RFC 9530 digests.
//!
//! Which components are signed is the client's choice; which have to be is ours, and they are compared whole: an
//! identifier with a parameter is another one. What is not understood (`sf`, `tr`, `req`, parameters without meaning) is
//! refused. Labels are not signed, so a verifier that expects one of several signatures names its `tag`.

mod base;

use crate::{Algorithm, BodyDigest, Keys, Refusal, Request, SigningKey, structured};
use structured::{Bare, Item, Member, Parameters};

/// What to accept.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many seconds a client's clock may be off, either way.
    pub skew_seconds: u64,
    /// Whether `@method` must be signed, and `@target-uri`, `@request-target`, or `@path` with `@query`.
    pub require_target: bool,
    /// Other components that must be signed, such as `content-digest` or `@authority`.
    pub required: Vec<String>,
    /// The `tag` that tells our signature from others'. Without, there may be only one signature.
    pub tag: Option<String>,
}

impl Options {
    /// 300 s, the target required, any tag.
    pub const fn new() -> Self {
        Self { skew_seconds: 300, require_target: true, required: Vec::new(), tag: None }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

/// A verified signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The place of the key in its list.
    pub key: usize,
    /// The signature, decoded. What a replay is known by, where there is no nonce, is its [`Algorithm::fixed_part`].
    pub signature: Vec<u8>,
    /// `nonce`, if there is one.
    pub nonce: Option<Vec<u8>>,
    /// `created`, in Unix seconds.
    pub created: u64,
    /// What the body must hash to, when the signature covers `content-digest`. Not checked yet.
    pub body: Option<BodyDigest>,
}

/// Verifies requests.
#[derive(Debug)]
pub struct Verifier {
    options: Options,
    keys: Keys,
}

/// What the parameters of a signature say.
#[derive(Default)]
struct Meaning<'a> {
    created: Option<u64>,
    expires: Option<u64>,
    key_id: Option<&'a [u8]>,
    algorithm: Option<&'a [u8]>,
    nonce: Option<&'a [u8]>,
    tag: Option<&'a [u8]>,
}

impl Verifier {
    /// Options and keys together.
    pub const fn new(options: Options, keys: Keys) -> Self {
        Self { options, keys }
    }

    /// Verifies a request's head. `now` in Unix seconds.
    pub fn verify(&self, request: &Request<'_>, now: u64) -> Result<Accepted, Refusal> {
        let (inputs, signatures) = (joined(request, b"signature-input"), joined(request, b"signature"));
        let (inputs, signatures) = (structured::dictionary(&inputs)?, structured::dictionary(&signatures)?);
        let (label, components, parameters) = self.ours(&inputs)?;
        let meaning = meaning(parameters)?;
        let signature = match signatures.iter().find(|(one, _)| *one == label) {
            Some((_, Member::Item(Item { bare: Bare::Bytes(bytes), parameters })))
                if !bytes.is_empty() && parameters.is_empty() =>
            {
                bytes.clone()
            }
            Some(_) => return Err(Refusal::Malformed),
            None => return Err(Refusal::Missing),
        };
        let key_id = meaning.key_id.filter(|id| !id.is_empty()).ok_or(Refusal::Missing)?;
        let created = meaning.created.ok_or(Refusal::Missing)?;
        self.is_fresh(created, meaning.expires, now)?;
        self.covers(components)?;
        let message = base::build(request, components, parameters)?;
        let named =
            |algorithm| meaning.algorithm.is_none_or(|name| name_of(algorithm).is_some_and(|ours| ours == name));
        let key = self.keys.verify(key_id, now, named, &[&message], &signature)?;
        let body = if has(components, b"content-digest") {
            Some(BodyDigest::from_content_digest(&joined(request, b"content-digest"))?)
        } else {
            None
        };
        Ok(Accepted { key, signature, nonce: meaning.nonce.map(<[u8]>::to_vec), created, body })
    }

    /// The one signature with our tag.
    fn ours<'a, 'b>(
        &self,
        inputs: &'b [(&'a [u8], Member<'a>)],
    ) -> Result<(&'a [u8], &'b [Item<'a>], &'b Parameters<'a>), Refusal> {
        let mut found = None;
        for (label, member) in inputs {
            let Member::List(components, parameters) = member else { return Err(Refusal::Malformed) };
            let tag = self.options.tag.as_ref();
            if tag.is_none() || meaning(parameters)?.tag == tag.map(String::as_bytes) {
                if found.is_some() {
                    return Err(Refusal::Duplicate);
                }
                found = Some((*label, components.as_slice(), parameters));
            }
        }
        found.ok_or(Refusal::Missing)
    }

    fn is_fresh(&self, created: u64, expires: Option<u64>, now: u64) -> Result<(), Refusal> {
        if created > now.saturating_add(self.options.skew_seconds) {
            return Err(Refusal::TooNew);
        }
        let too_old = now > created.saturating_add(self.options.skew_seconds);
        if too_old || expires.is_some_and(|expires| expires <= now) { Err(Refusal::TooOld) } else { Ok(()) }
    }

    fn covers(&self, components: &[Item<'_>]) -> Result<(), Refusal> {
        let has = |name: &[u8]| has(components, name);
        let target =
            has(b"@method") && (has(b"@target-uri") || has(b"@request-target") || (has(b"@path") && has(b"@query")));
        let required = self.options.required.iter().all(|name| has(name.as_bytes()));
        if required && (target || !self.options.require_target) { Ok(()) } else { Err(Refusal::NotCovered) }
    }
}

/// Signs requests to an upstream.
#[derive(Debug)]
pub struct Signer {
    /// The label of the signature, such as `sig1`.
    pub label: String,
    /// The key's public name.
    pub key_id: String,
    /// The key.
    pub key: SigningKey,
    /// Fields and derived components without parameters, such as `@method`, `@target-uri`, `content-digest`.
    pub components: Vec<String>,
    /// How many seconds the signature is good for, if it says so.
    pub expires_after_seconds: Option<u64>,
    /// `tag`, if the upstream wants one.
    pub tag: Option<String>,
}

/// The two headers that sign a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// `Signature-Input`.
    pub input: String,
    /// `Signature`.
    pub signature: String,
}

impl Signer {
    /// Signs a request that has every field to be signed. `now` in Unix seconds.
    pub fn sign(&self, request: &Request<'_>, now: u64, nonce: Option<&str>) -> Result<Signed, Refusal> {
        let components: Vec<&str> = self.components.iter().map(String::as_str).collect();
        self.sign_components(request, &components, now, nonce)
    }

    /// As [`Signer::sign`], with other components than its own.
    pub(crate) fn sign_components(
        &self,
        request: &Request<'_>,
        components: &[&str],
        now: u64,
        nonce: Option<&str>,
    ) -> Result<Signed, Refusal> {
        let mut text = self.label.as_bytes().to_vec();
        text.extend_from_slice(b"=(");
        for (place, name) in components.iter().enumerate() {
            if place > 0 {
                text.push(b' ');
            }
            structured::quote(name.as_bytes(), &mut text);
        }
        text.extend_from_slice(format!(");created={now}").as_bytes());
        if let Some(seconds) = self.expires_after_seconds {
            text.extend_from_slice(format!(";expires={}", now.saturating_add(seconds)).as_bytes());
        }
        for (name, value) in [("keyid", Some(self.key_id.as_str())), ("nonce", nonce), ("tag", self.tag.as_deref())] {
            if let Some(value) = value {
                text.extend_from_slice(format!(";{name}=").as_bytes());
                structured::quote(value.as_bytes(), &mut text);
            }
        }
        // Read back by the reader that verifies: what it would not accept is not sent.
        let read = structured::dictionary(&text)?;
        let [(label, Member::List(components, parameters))] = read.as_slice() else { return Err(Refusal::Malformed) };
        meaning(parameters)?;
        let message = base::build(request, components, parameters)?;
        name_of(self.key.algorithm()).ok_or(Refusal::WrongAlgorithm)?;
        let bytes = self.key.sign(&[&message]).ok_or(Refusal::WrongAlgorithm)?;
        let mut signature = label.to_vec();
        signature.push(b'=');
        Member::Item(Item { bare: Bare::Bytes(bytes), parameters: Vec::new() }).write(&mut signature);
        let ascii = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| Refusal::Malformed);
        Ok(Signed { signature: ascii(signature)?, input: ascii(text.clone())? })
    }
}

/// The registry's name of an algorithm.
const fn name_of(algorithm: Algorithm) -> Option<&'static [u8]> {
    match algorithm {
        Algorithm::HmacSha256 => Some(b"hmac-sha256"),
        Algorithm::RsaV15Sha256 => Some(b"rsa-v1_5-sha256"),
        Algorithm::RsaPssSha512 => Some(b"rsa-pss-sha512"),
        Algorithm::EcdsaP256Sha256 => Some(b"ecdsa-p256-sha256"),
        Algorithm::Ed25519 => Some(b"ed25519"),
        _ => None,
    }
}

fn meaning<'a>(parameters: &'a Parameters<'_>) -> Result<Meaning<'a>, Refusal> {
    let mut meaning = Meaning::default();
    for (name, value) in parameters {
        match (*name, value) {
            (b"created", Bare::Integer(seconds)) => meaning.created = Some(positive(*seconds)?),
            (b"expires", Bare::Integer(seconds)) => meaning.expires = Some(positive(*seconds)?),
            (b"keyid", Bare::Text(text)) => meaning.key_id = Some(text),
            (b"alg", Bare::Text(text)) => meaning.algorithm = Some(text),
            (b"nonce", Bare::Text(text)) => meaning.nonce = Some(text),
            (b"tag", Bare::Text(text)) => meaning.tag = Some(text),
            _ => return Err(Refusal::Malformed),
        }
    }
    Ok(meaning)
}

fn positive(seconds: i64) -> Result<u64, Refusal> {
    u64::try_from(seconds).map_err(|_| Refusal::Malformed)
}

/// Whether a component is signed under this identifier, without any parameter.
fn has(components: &[Item<'_>], name: &[u8]) -> bool {
    let is = |item: &Item<'_>| item.parameters.is_empty() && matches!(&item.bare, Bare::Text(text) if text == name);
    components.iter().any(is)
}

fn joined(request: &Request<'_>, name: &[u8]) -> Vec<u8> {
    request.values(name).collect::<Vec<_>>().join(&b", "[..])
}
