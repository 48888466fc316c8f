//! The algorithms that a key can be for, and the keys. A key has one algorithm, from the configuration: what a request
//! names is only compared with it, never obeyed (that is how public keys became HMAC secrets elsewhere).

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
        ECDSA_P384_SHA384_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
        RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
        RSA_PSS_SHA512, RsaEncoding, RsaKeyPair, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq as _;

use crate::{Secret, spki};

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Only where a scheme or a dialect still asks for it.
    HmacSha1,
    /// RFC 2104 with SHA-256.
    HmacSha256,
    /// RFC 2104 with SHA-384.
    HmacSha384,
    /// RFC 2104 with SHA-512.
    HmacSha512,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits and more.
    RsaV15Sha256,
    /// The same with SHA-384.
    RsaV15Sha384,
    /// The same with SHA-512.
    RsaV15Sha512,
    /// RSASSA-PSS with SHA-256, salt of 32 bytes, 2048 bits and more.
    RsaPssSha256,
    /// The same with SHA-384, salt of 48 bytes.
    RsaPssSha384,
    /// The same with SHA-512, salt of 64 bytes.
    RsaPssSha512,
    /// ECDSA on P-256 with SHA-256; the signature is r and s, 32 bytes each.
    EcdsaP256Sha256,
    /// ECDSA on P-384 with SHA-384; the signature is r and s, 48 bytes each.
    EcdsaP384Sha384,
    /// RFC 8032.
    Ed25519,
}

impl Algorithm {
    /// The part of a valid signature that cannot be changed without the key: what a replay is known by. ECDSA's `s` has
    /// two valid values, and anyone can turn one into the other; `r` has one.
    pub fn fixed_part(self, signature: &[u8]) -> &[u8] {
        match self {
            Self::EcdsaP256Sha256 => signature.get(..32).unwrap_or(signature),
            _ => signature,
        }
    }
}

/// A keyed HMAC state, cloned for each message.
#[derive(Clone)]
enum Mac {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
}

impl Mac {
    fn new(algorithm: Algorithm, secret: &[u8]) -> Option<Self> {
        // HMAC takes keys of any length.
        match algorithm {
            Algorithm::HmacSha1 => Hmac::new_from_slice(secret).ok().map(Self::Sha1),
            Algorithm::HmacSha256 => Hmac::new_from_slice(secret).ok().map(Self::Sha256),
            Algorithm::HmacSha384 => Hmac::new_from_slice(secret).ok().map(Self::Sha384),
            Algorithm::HmacSha512 => Hmac::new_from_slice(secret).ok().map(Self::Sha512),
            _ => None,
        }
    }

    fn of(&self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Sha1(state) => fed(state, parts).finalize().into_bytes().to_vec(),
            Self::Sha256(state) => fed(state, parts).finalize().into_bytes().to_vec(),
            Self::Sha384(state) => fed(state, parts).finalize().into_bytes().to_vec(),
            Self::Sha512(state) => fed(state, parts).finalize().into_bytes().to_vec(),
        }
    }

    /// In constant time; a signature of another length is none.
    fn verify(&self, parts: &[&[u8]], signature: &[u8]) -> bool {
        let verified = match self {
            Self::Sha1(state) => fed(state, parts).verify_slice(signature),
            Self::Sha256(state) => fed(state, parts).verify_slice(signature),
            Self::Sha384(state) => fed(state, parts).verify_slice(signature),
            Self::Sha512(state) => fed(state, parts).verify_slice(signature),
        };
        verified.is_ok()
    }
}

/// A copy of the keyed state that has read the parts.
fn fed<M: hmac::Mac + Clone>(state: &M, parts: &[&[u8]]) -> M {
    let mut state = state.clone();
    for part in parts {
        state.update(part);
    }
    state
}

/// A key that verifies.
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Mac(Box<Mac>),
    Public(Vec<u8>),
}

impl VerifyingKey {
    /// A shared secret. `None` if the algorithm has public keys.
    pub fn hmac(algorithm: Algorithm, secret: &Secret) -> Option<Self> {
        Some(Self { algorithm, material: Material::Mac(Box::new(Mac::new(algorithm, secret.bytes())?)) })
    }

    /// A public key as `SubjectPublicKeyInfo` in DER. `None` if it is not one for this algorithm.
    pub fn public(algorithm: Algorithm, spki_der: &[u8]) -> Option<Self> {
        Some(Self { algorithm, material: Material::Public(spki::public_key(algorithm, spki_der)?.to_vec()) })
    }

    /// A bare Ed25519 public key.
    pub(crate) fn ed25519(key: &[u8]) -> Option<Self> {
        (key.len() == 32).then(|| Self { algorithm: Algorithm::Ed25519, material: Material::Public(key.to_vec()) })
    }

    /// What it is for.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Which of several signatures, decoded, is of these parts. All are compared; that of a shared secret is computed once,
    /// for the parts can be long.
    pub(crate) fn fitting<'a>(&self, parts: &[&[u8]], signatures: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
        let right = match &self.material {
            Material::Mac(mac) => Some(mac.of(parts)),
            Material::Public(_) => None,
        };
        let fits = |signature: &[u8]| match &right {
            Some(right) => right.ct_eq(signature).into(),
            None => self.verify(parts, signature),
        };
        signatures.fold(None, |fitting, one| if fits(one) { fitting.or(Some(one)) } else { fitting })
    }

    /// Whether the signature, decoded, is of these parts, one after the other. Its whole length counts.
    pub fn verify(&self, parts: &[&[u8]], signature: &[u8]) -> bool {
        match &self.material {
            Material::Mac(mac) => mac.verify(parts, signature),
            Material::Public(key) => {
                let algorithm: &dyn VerificationAlgorithm = match self.algorithm {
                    Algorithm::RsaV15Sha256 => &RSA_PKCS1_2048_8192_SHA256,
                    Algorithm::RsaV15Sha384 => &RSA_PKCS1_2048_8192_SHA384,
                    Algorithm::RsaV15Sha512 => &RSA_PKCS1_2048_8192_SHA512,
                    Algorithm::RsaPssSha256 => &RSA_PSS_2048_8192_SHA256,
                    Algorithm::RsaPssSha384 => &RSA_PSS_2048_8192_SHA384,
                    Algorithm::RsaPssSha512 => &RSA_PSS_2048_8192_SHA512,
                    Algorithm::EcdsaP256Sha256 => &ECDSA_P256_SHA256_FIXED,
                    Algorithm::EcdsaP384Sha384 => &ECDSA_P384_SHA384_FIXED,
                    Algorithm::Ed25519 => &ED25519,
                    Algorithm::HmacSha1 | Algorithm::HmacSha256 | Algorithm::HmacSha384 | Algorithm::HmacSha512 => {
                        return false;
                    }
                };
                UnparsedPublicKey::new(algorithm, key).verify(&parts.concat(), signature).is_ok()
            }
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("VerifyingKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// A key that signs.
pub struct SigningKey {
    algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Mac(Mac),
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// A shared secret. `None` if the algorithm has private keys.
    pub fn hmac(algorithm: Algorithm, secret: &Secret) -> Option<Self> {
        Some(Self { algorithm, pair: Pair::Mac(Mac::new(algorithm, secret.bytes())?) })
    }

    /// A private key as PKCS #8 in DER. `None` if it is not one for this algorithm.
    pub fn private(algorithm: Algorithm, pkcs8_der: &[u8]) -> Option<Self> {
        let random = SystemRandom::new();
        let ecdsa = |curve| EcdsaKeyPair::from_pkcs8(curve, pkcs8_der, &random).ok().map(Pair::Ecdsa);
        let pair = match algorithm {
            Algorithm::RsaV15Sha256
            | Algorithm::RsaV15Sha384
            | Algorithm::RsaV15Sha512
            | Algorithm::RsaPssSha256
            | Algorithm::RsaPssSha384
            | Algorithm::RsaPssSha512 => Pair::Rsa(RsaKeyPair::from_pkcs8(pkcs8_der).ok()?),
            Algorithm::EcdsaP256Sha256 => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING)?,
            Algorithm::EcdsaP384Sha384 => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING)?,
            Algorithm::Ed25519 => Pair::Ed25519(Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8_der).ok()?),
            Algorithm::HmacSha1 | Algorithm::HmacSha256 | Algorithm::HmacSha384 | Algorithm::HmacSha512 => return None,
        };
        Some(Self { algorithm, pair })
    }

    /// What it is for.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Signs the parts, one after the other. `None` when the system has no randomness.
    pub fn sign(&self, parts: &[&[u8]]) -> Option<Vec<u8>> {
        match &self.pair {
            Pair::Mac(mac) => Some(mac.of(parts)),
            Pair::Ed25519(pair) => Some(pair.sign(&parts.concat()).as_ref().to_vec()),
            Pair::Ecdsa(pair) => Some(pair.sign(&SystemRandom::new(), &parts.concat()).ok()?.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let random = SystemRandom::new();
                let message = parts.concat();
                let encoding: &dyn RsaEncoding = match self.algorithm {
                    Algorithm::RsaV15Sha384 => &RSA_PKCS1_SHA384,
                    Algorithm::RsaV15Sha512 => &RSA_PKCS1_SHA512,
                    Algorithm::RsaPssSha256 => &RSA_PSS_SHA256,
                    Algorithm::RsaPssSha384 => &RSA_PSS_SHA384,
                    Algorithm::RsaPssSha512 => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                pair.sign(encoding, &random, &message, &mut signature).ok()?;
                Some(signature)
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SigningKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
