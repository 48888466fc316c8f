//! API keys, known by their SHA-256 alone: what a client sends is hashed once, whoever it belongs to, and looked up by
//! the digest, so that neither memory nor time tells anything of a key. Called by the addon.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

/// SHA-256 of a key.
pub type Digest = [u8; 32];

/// No key is longer; `maxKeyChars` in `ts/shared/api-key.ts`.
pub const MAX_KEY_BYTES: usize = 512;

/// What was found of a request's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The number of the key, in the order of `KeyRing::new`.
    Known(u32),
    /// There is none, or an empty one.
    Missing,
    /// There is more than one: two readers of one request must not find two different clients in it.
    Ambiguous,
    /// Nobody's, or nothing that could be a key.
    Unknown,
}

/// All keys that a gateway knows.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    numbers: HashMap<Digest, u32>,
}

impl KeyRing {
    /// Of two equal digests the first counts.
    pub fn new(digests: impl IntoIterator<Item = Digest>) -> Self {
        let mut numbers = HashMap::new();
        for (number, digest) in digests.into_iter().enumerate() {
            numbers.entry(digest).or_insert(number as u32);
        }
        Self { numbers }
    }

    /// Looks up the one value that there is, each as it came.
    pub fn find<'a>(&self, mut values: impl Iterator<Item = &'a [u8]>) -> Lookup {
        let Some(first) = values.next() else { return Lookup::Missing };
        if values.next().is_some() {
            return Lookup::Ambiguous;
        }
        match first.len() {
            0 => Lookup::Missing,
            // Printable ASCII without blanks, and not longer than any key: nothing else is worth a hash.
            1..=MAX_KEY_BYTES if first.iter().all(u8::is_ascii_graphic) => {
                let digest: Digest = Sha256::digest(first).into();
                self.numbers.get(&digest).map_or(Lookup::Unknown, |number| Lookup::Known(*number))
            }
            _ => Lookup::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(keys: &[&str]) -> KeyRing {
        KeyRing::new(keys.iter().map(|key| Sha256::digest(key).into()))
    }

    fn find(ring: &KeyRing, values: &[&[u8]]) -> Lookup {
        ring.find(values.iter().copied())
    }

    #[test]
    fn only_one_whole_known_key_is_known() {
        let ring = ring(&["alpha-key", "beta-key", "alpha-key"]);
        for (values, found) in [
            (&[][..], Lookup::Missing),
            (&[&b""[..]], Lookup::Missing),
            (&[b"alpha-key"], Lookup::Known(0)),
            (&[b"beta-key"], Lookup::Known(1)),
            (&[b"alpha-ke"], Lookup::Unknown),
            (&[b"alpha-key "], Lookup::Unknown),
            (&[b"Alpha-key"], Lookup::Unknown),
            (&[b"alpha-key, alpha-key"], Lookup::Unknown),
            (&[b"alpha-key\0"], Lookup::Unknown),
            (&[b"\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9"], Lookup::Unknown),
            (&[b"alpha-key", b"alpha-key"], Lookup::Ambiguous),
            (&[b"", b"alpha-key"], Lookup::Ambiguous),
        ] {
            assert_eq!(find(&ring, values), found, "{values:?}");
        }
    }

    #[test]
    fn the_longest_key_and_one_more() {
        let longest = "k".repeat(MAX_KEY_BYTES);
        let longer = "k".repeat(MAX_KEY_BYTES + 1);
        let ring = ring(&[&longest, &longer]);
        assert_eq!(find(&ring, &[longest.as_bytes()]), Lookup::Known(0));
        assert_eq!(find(&ring, &[longer.as_bytes()]), Lookup::Unknown);
    }

    #[test]
    fn the_digest_is_that_of_everybody() {
        // FIPS 180-2, appendix B.1.
        let abc = [
            0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03,
            0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
        ];
        assert_eq!(find(&KeyRing::new([abc]), &[b"abc"]), Lookup::Known(0));
    }
}
