//! The whole digest of one second, by the crates' compression functions: what decides. The state after the whole blocks
//! of the prefix is kept, so that it costs the last block only.

use subtle::{Choice, ConstantTimeEq};

use super::{
    Hash,
    template::{BLOCK_BYTES, DIGITS, Digits, Template, absorb},
};
use crate::encoding;

/// Computed, or decoded from what a client sent. MD5 leaves the upper half zero.
#[derive(Clone, Copy)]
pub struct Digest {
    hash: Hash,
    bytes: [u8; 32],
}

impl Digest {
    /// The digest of `prefix ‖ second`.
    #[inline]
    pub fn of(template: &Template, second: u64) -> Self {
        let mut blocks = template.blocks;
        blocks[template.digits_at..template.digits_at + DIGITS].copy_from_slice(&Digits::of(second).0);
        let mut state = template.state;
        let (blocks, _) = blocks.as_chunks::<BLOCK_BYTES>();
        absorb(template.hash, &mut state, &blocks[..template.block_count]);
        let mut bytes = [0; 32];
        for (four, word) in bytes.chunks_exact_mut(4).zip(state) {
            four.copy_from_slice(&match template.hash {
                Hash::Md5 => word.to_le_bytes(),
                Hash::Sha256 => word.to_be_bytes(),
            });
        }
        Self { hash: template.hash, bytes }
    }

    /// Hex of exactly this hash's length.
    #[inline]
    pub fn decode(hash: Hash, text: &[u8]) -> Option<Self> {
        let bytes = match hash {
            Hash::Md5 => {
                let mut bytes = [0; 32];
                bytes[..16].copy_from_slice(&encoding::hex::<16>(text)?);
                bytes
            }
            Hash::Sha256 => encoding::hex(text)?,
        };
        Some(Self { hash, bytes })
    }

    /// The first word, as the hash itself counts it: what a kernel writes for this second.
    #[inline]
    pub fn tag(&self) -> u32 {
        let [a, b, c, d, ..] = self.bytes;
        match self.hash {
            Hash::Md5 => u32::from_le_bytes([a, b, c, d]),
            Hash::Sha256 => u32::from_be_bytes([a, b, c, d]),
        }
    }

    pub fn to_hex(self) -> String {
        let length = match self.hash {
            Hash::Md5 => 16,
            Hash::Sha256 => 32,
        };
        encoding::to_hex(&self.bytes[..length])
    }
}

impl ConstantTimeEq for Digest {
    /// By words: `subtle` compares slices byte by byte, which takes as long as the hash.
    #[inline]
    fn ct_eq(&self, other: &Self) -> Choice {
        let (ours, sent) = (self.bytes.as_chunks::<8>().0, other.bytes.as_chunks::<8>().0);
        ours.iter().zip(sent).fold(Choice::from(1), |equal, (one, other)| {
            equal & u64::from_ne_bytes(*one).ct_eq(&u64::from_ne_bytes(*other))
        })
    }
}
