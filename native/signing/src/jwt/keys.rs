//! Whose signatures count: keys by `kid`, each for the algorithms that it may be used with.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{Refusal, options};
use crate::{Algorithm, VerifyingKey};

/// Keys of one `kid` beyond so many are not tried.
const MOST_OF_ONE_ID: usize = 4;

/// The algorithm of a JOSE name (RFC 7518, 3.1; RFC 8037).
pub fn algorithm(name: &str) -> Option<Algorithm> {
    Some(match name {
        "HS256" => Algorithm::HmacSha256,
        "HS384" => Algorithm::HmacSha384,
        "HS512" => Algorithm::HmacSha512,
        "RS256" => Algorithm::RsaV15Sha256,
        "RS384" => Algorithm::RsaV15Sha384,
        "RS512" => Algorithm::RsaV15Sha512,
        "PS256" => Algorithm::RsaPssSha256,
        "PS384" => Algorithm::RsaPssSha384,
        "PS512" => Algorithm::RsaPssSha512,
        "ES256" => Algorithm::EcdsaP256Sha256,
        "ES384" => Algorithm::EcdsaP384Sha384,
        "EdDSA" | "Ed25519" => Algorithm::Ed25519,
        _ => return None,
    })
}

static GENERATIONS: AtomicU64 = AtomicU64::new(1);

/// A key for one algorithm.
pub struct Key {
    pub id: Option<String>,
    pub key: VerifyingKey,
}

/// The keys of an issuer.
pub struct KeySet {
    keys: Vec<Key>,
    most_without_id: usize,
    generation: u64,
}

impl KeySet {
    /// From JSON; the error says what is wrong with it, and shows no key. `spki` and `secret` are base64.
    /// `mostWithoutId`: a token without `kid` is verified only if it fits at most so many keys.
    ///
    /// ```json
    /// { "keys": [{ "id": "a", "algorithms": ["RS256", "PS256"], "spki": "MII..." },
    ///            { "id": null, "algorithms": ["HS256"], "secret": "..." }], "mostWithoutId": 1 }
    /// ```
    pub fn new(json: &str) -> Result<Self, String> {
        let (keys, most_without_id) = options::key_set(json)?;
        Ok(Self { keys, most_without_id, generation: GENERATIONS.fetch_add(1, Ordering::Relaxed) })
    }

    /// Another one for each set.
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn verify(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), Refusal> {
        let fitting = || self.keys.iter().filter(|key| key.key.algorithm() == algorithm);
        let signs = |key: &Key| key.key.verify(&[signed], signature);
        let verified = match id {
            None => match fitting().count() {
                0 => return Err(Refusal::UnknownKey),
                count if count > self.most_without_id => return Err(Refusal::UnknownKey),
                _ => fitting().any(signs),
            },
            Some(id) => {
                // A key without an id may be any.
                let named = fitting().any(|key| key.id.as_deref() == Some(id));
                let mut candidates = fitting()
                    .filter(|key| key.id.as_deref() == if named { Some(id) } else { None })
                    .take(MOST_OF_ONE_ID)
                    .peekable();
                if candidates.peek().is_none() {
                    return Err(Refusal::UnknownKey);
                }
                candidates.any(signs)
            }
        };
        if verified { Ok(()) } else { Err(Refusal::BadSignature) }
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KeySet").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}
