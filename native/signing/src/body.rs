//! Digests of bodies that a signature covers. The signature covers only the header; whoever has the body must hash it,
//! and must not send it on before.

use sha2::{Digest as _, Sha256, Sha512};
use subtle::ConstantTimeEq as _;

use crate::{
    Refusal, encoding,
    structured::{self, Bare, Item, Member},
};

/// What a body has to hash to. A stronger and a weaker digest both have to be right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyDigest {
    /// SHA-256 of the content as sent.
    pub sha256: Option<[u8; 32]>,
    /// SHA-512 of the content as sent.
    pub sha512: Option<[u8; 64]>,
}

impl BodyDigest {
    /// `Digest: SHA-256=base64` (RFC 3230), as the dialects of draft-cavage use it. Other algorithms do not count.
    pub fn from_digest_header(value: &[u8]) -> Result<Self, Refusal> {
        let mut digest = Self::default();
        for one in value.split(|byte| *byte == b',') {
            let one = one.trim_ascii();
            let at = one.iter().position(|byte| *byte == b'=').ok_or(Refusal::Malformed)?;
            let (name, text) = (&one[..at], &one[at + 1..]);
            if name.eq_ignore_ascii_case(b"sha-256") {
                put(&mut digest.sha256, encoding::base64(text))?;
            } else if name.eq_ignore_ascii_case(b"sha-512") {
                put(&mut digest.sha512, encoding::base64(text))?;
            }
        }
        digest.filled()
    }

    /// `Content-Digest` (RFC 9530). Algorithms other than sha-256 and sha-512 do not count.
    pub fn from_content_digest(value: &[u8]) -> Result<Self, Refusal> {
        let mut digest = Self::default();
        for (name, member) in structured::dictionary(value)? {
            let Member::Item(Item { bare: Bare::Bytes(bytes), .. }) = member else { return Err(Refusal::Malformed) };
            match name {
                b"sha-256" => put(&mut digest.sha256, Some(bytes))?,
                b"sha-512" => put(&mut digest.sha512, Some(bytes))?,
                _ => {}
            }
        }
        digest.filled()
    }

    /// Itself, if there is anything in it that can be checked.
    fn filled(self) -> Result<Self, Refusal> {
        if self == Self::default() { Err(Refusal::WrongDigest) } else { Ok(self) }
    }

    /// Whether a body is the one that was signed.
    pub fn matches(&self, body: &[u8]) -> bool {
        let sha256 = self.sha256.is_none_or(|digest| Sha256::digest(body).as_slice().ct_eq(&digest).into());
        let sha512 = self.sha512.is_none_or(|digest| Sha512::digest(body).as_slice().ct_eq(&digest).into());
        *self != Self::default() && sha256 && sha512
    }
}

/// `Content-Digest` of a body that is to be signed.
pub fn content_digest(body: &[u8]) -> String {
    content_digest_of_hash(&sha256(body))
}

/// The same, of the body's SHA-256.
pub fn content_digest_of_hash(hash: &[u8; 32]) -> String {
    format!("sha-256=:{}:", encoding::to_base64(hash))
}

/// `Digest` (RFC 3230) of a body's SHA-256.
pub fn digest_of_hash(hash: &[u8; 32]) -> String {
    format!("SHA-256={}", encoding::to_base64(hash))
}

/// The SHA-256 of a body: [`crate::sigv4`] asks for it.
pub fn sha256(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

/// One value for several texts, such as a scheme, a key and a signature: what replays are known by. No two lists of texts
/// have the same.
pub fn digest_of(texts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

/// Once, and of the right length.
fn put<const N: usize>(slot: &mut Option<[u8; N]>, bytes: Option<Vec<u8>>) -> Result<(), Refusal> {
    if slot.is_some() {
        return Err(Refusal::Duplicate);
    }
    let bytes = bytes.and_then(|bytes| <[u8; N]>::try_from(bytes).ok());
    *slot = Some(bytes.ok_or(Refusal::Malformed)?);
    Ok(())
}
