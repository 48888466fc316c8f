//! The public key inside a `SubjectPublicKeyInfo` (RFC 5280, 4.1), for the kinds that are used here: the
//! algorithm identifier of each kind is one fixed row of bytes, and is compared with it.

use crate::{Algorithm, der::element};

const RSA: &[u8] = &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
const RSA_PSS: &[u8] = &[0x30, 0x0b, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
const P256: &[u8] = &[
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07,
];
const P384: &[u8] =
    &[0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
const ED25519: &[u8] = &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70];

/// The key as `ring` takes it; `None` if the bytes are anything else.
pub fn public_key(algorithm: Algorithm, der: &[u8]) -> Option<&[u8]> {
    let (sequence, nothing) = element(0x30, der)?;
    let identifiers: &[&[u8]] = match algorithm {
        Algorithm::RsaV15Sha256 | Algorithm::RsaV15Sha384 | Algorithm::RsaV15Sha512 => &[RSA],
        Algorithm::RsaPssSha256 | Algorithm::RsaPssSha384 | Algorithm::RsaPssSha512 => &[RSA, RSA_PSS],
        Algorithm::EcdsaP256Sha256 => &[P256],
        Algorithm::EcdsaP384Sha384 => &[P384],
        Algorithm::Ed25519 => &[ED25519],
        _ => return None,
    };
    let bits = identifiers.iter().find_map(|identifier| sequence.strip_prefix(*identifier))?;
    let (bits, trailing) = element(0x03, bits)?;
    // The first byte of a BIT STRING says how many bits of the last one do not count.
    let key = bits.strip_prefix(&[0])?;
    let fits = match algorithm {
        Algorithm::EcdsaP256Sha256 => key.len() == 65,
        Algorithm::EcdsaP384Sha384 => key.len() == 97,
        Algorithm::Ed25519 => key.len() == 32,
        _ => rsa_bytes(key).is_some_and(|bytes| bytes >= 256),
    };
    (nothing.is_empty() && trailing.is_empty() && fits).then_some(key)
}

/// How long the modulus of an `RSAPublicKey` is.
fn rsa_bytes(key: &[u8]) -> Option<usize> {
    let (sequence, _) = element(0x30, key)?;
    let (modulus, _) = element(0x02, sequence)?;
    Some(modulus.strip_prefix(&[0]).unwrap_or(modulus).len())
}
