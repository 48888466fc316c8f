//! JSON Web Tokens (RFC 7519, 7515, 8725): whether the issuer that the configuration trusts has signed this token, for
//! this audience and this moment, and who it is about.
//!
//! Strict, since two readers of one token must not find two different clients in it: the compact form alone, base64url
//! without padding or spare bits, no member twice in any JSON, nothing critical that is not understood. The algorithm is
//! one that the configuration lists and that the key is for; what a token names is only compared with both. Keys that a
//! token brings along (`jwk`, `jku`, `x5c`, `x5u`) are never looked at. Claims are read after the signature was verified.
//!
//! A verified token is remembered by its SHA-256, until it ends or the keys change, in bounded memory.

mod cache;
mod claims;
mod json;
mod keys;
mod options;
mod token;

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

pub use keys::KeySet;
pub use token::{MAX_TOKEN_BYTES, bearer, only};

use crate::Algorithm;
use cache::{Cache, Entry};
use claims::Rules;
use token::Token;

/// Why a token was not accepted. For logs and metrics: holds nothing that the client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Refusal {
    /// There is none.
    Missing = 1,
    /// There is more than one.
    Ambiguous,
    /// Not a compact JWS with a JSON object in it, letter by letter, or with members that are not understood.
    Malformed,
    /// Signed with an algorithm that the configuration does not list.
    WrongAlgorithm,
    /// No key that it may be signed with.
    UnknownKey,
    /// Not signed with that key.
    BadSignature,
    /// `exp` has passed.
    Expired,
    /// `nbf` is still to come.
    NotYet,
    /// Another `iss`.
    WrongIssuer,
    /// Another `aud`.
    WrongAudience,
    /// Another `typ`.
    WrongType,
    /// A claim that the configuration requires is missing, or has another value.
    Claims,
    /// Nobody that the configuration knows.
    UnknownConsumer,
    /// There are no keys yet.
    NoKeys,
}

/// What an accepted token says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The number that the configuration gives to its consumer.
    pub consumer: Option<u32>,
    /// Claims for the upstream: name of the header, and a value that may stand in one.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Verifies the tokens of one guard.
#[derive(Debug)]
pub struct Verifier {
    algorithms: Vec<Algorithm>,
    kind: Option<String>,
    rules: Rules,
    cache: Cache,
}

impl Verifier {
    /// From JSON; the error says what is wrong with it.
    ///
    /// ```json
    /// { "algorithms": ["RS256"], "type": "at+jwt", "issuers": ["https://a"], "audiences": ["api"], "anyAudience": false,
    ///   "expiryRequired": true, "clockSkewSeconds": 30,
    ///   "required": [{ "claim": "scope", "all": ["read"] }, { "claim": "/a/b", "any": [1, true] }, { "claim": "sub" }],
    ///   "consumer": { "claim": "sub", "subjects": [{ "subject": "x", "issuer": null, "consumer": 0 }], "admitUnknown": false },
    ///   "headers": [{ "name": "x-user", "claim": "sub" }] }
    /// ```
    pub fn new(json: &str) -> Result<Self, String> {
        options::verifier(json)
    }

    /// `now`: Unix time in seconds. The cost of a token that is refused is one verification of its signature, and that of
    /// one that was accepted before is its hash.
    pub fn verify(&mut self, keys: &KeySet, token: &[u8], now: f64) -> Result<Arc<Accepted>, Refusal> {
        if keys.is_empty() {
            return Err(Refusal::NoKeys);
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::Malformed);
        }
        let digest = Sha256::digest(token).into();
        self.cache.keep_for(keys.generation());
        if let Some(entry) = self.cache.find(&digest) {
            return entry.at(now);
        }
        let entry = self.read(keys, token, now)?;
        let accepted = Arc::clone(&entry.accepted);
        self.cache.put(digest, entry);
        Ok(accepted)
    }

    fn read(&self, keys: &KeySet, token: &[u8], now: f64) -> Result<Entry, Refusal> {
        let token = Token::parse(token)?;
        let algorithm = keys::algorithm(&token.algorithm)
            .filter(|algorithm| self.algorithms.contains(algorithm))
            .ok_or(Refusal::WrongAlgorithm)?;
        keys.verify(algorithm, token.key_id.as_deref(), token.signed, &token.signature)?;
        if let Some(kind) = &self.kind
            && token.kind.as_deref() != Some(kind)
        {
            return Err(Refusal::WrongType);
        }
        self.rules.apply(&token.claims()?, now)
    }
}
