//! What the tests of the schemes share: requests from short texts, keys, and bounded random damage.

#![allow(dead_code, clippy::unwrap_used)] // Reason: each test uses a part; a test may panic.

pub mod test_keys;

use polygate_signing::{Algorithm, Keys, NamedKey, Request, Secret, Validity, VerifyingKey};

pub type Headers<'a> = Vec<(&'a [u8], &'a [u8])>;

pub fn headers<'a>(pairs: &[(&'a str, &'a str)]) -> Headers<'a> {
    pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
}

pub fn request<'a>(method: &'a str, target: &'a str, headers: &'a [(&'a [u8], &'a [u8])]) -> Request<'a> {
    Request {
        method: method.as_bytes(),
        scheme: "https",
        authority: b"example.com",
        target: target.as_bytes(),
        headers,
    }
}

pub fn secret(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

pub fn shared(id: &str, algorithm: Algorithm, text: &str) -> NamedKey {
    named(id, VerifyingKey::hmac(algorithm, &secret(text)).unwrap())
}

pub fn named(id: &str, key: VerifyingKey) -> NamedKey {
    NamedKey { id: id.into(), key, validity: Validity::ALWAYS }
}

pub fn keys(list: Vec<NamedKey>) -> Keys {
    Keys::new(list)
}

const ODD: &[u8] = b"\"\\,;=:()%+ \t\0\r\n/?&@.~0aAzZ\xff";

/// A small generator, so that a failure can be repeated.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    /// The text with a byte changed, taken out, put in, doubled, or a piece of it moved.
    pub fn damage(&mut self, text: &[u8]) -> Vec<u8> {
        let mut out = text.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(out.len().max(1)).min(out.len().saturating_sub(1));
            let odd = ODD[self.below(ODD.len())];
            match self.below(5) {
                0 if !out.is_empty() => out[at] = odd,
                1 if !out.is_empty() => drop(out.remove(at)),
                2 => out.insert(at, odd),
                3 => out.truncate(at),
                _ => {
                    let piece = out[at..(at + self.below(24)).min(out.len())].to_vec();
                    let to = self.below(out.len() + 1);
                    out.splice(to..to, piece);
                }
            }
        }
        out
    }
}
