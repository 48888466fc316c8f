//! One key's message, padded, with ten holes for the digits of the second, and the hash state before it.

use zeroize::Zeroize;

use super::Hash;

pub const BLOCK_BYTES: usize = 64;

/// How many digits a Unix second has, from 2001-09-09 to 2286-11-20. A clock outside of that is wrong.
pub const DIGITS: usize = 10;

/// `H(prefix ‖ digits)` up to the digits.
pub struct Template {
    pub hash: Hash,
    /// The state after the whole blocks of the prefix. MD5 uses the first four words.
    pub state: [u32; 8],
    /// What is left of the prefix, the digits, the padding: one block, or two.
    pub blocks: [u8; 2 * BLOCK_BYTES],
    pub block_count: usize,
    pub digits_at: usize,
}

impl Template {
    pub fn new(hash: Hash, prefix: &[u8]) -> Self {
        let (whole, rest) = prefix.as_chunks::<BLOCK_BYTES>();
        let mut template =
            Self { hash, state: initial(hash), blocks: [0; 2 * BLOCK_BYTES], block_count: 1, digits_at: rest.len() };
        absorb(hash, &mut template.state, whole);
        let end = rest.len() + DIGITS;
        // One byte of 0x80 and eight of length have to follow.
        template.block_count = if end + 9 <= BLOCK_BYTES { 1 } else { 2 };
        template.blocks[..rest.len()].copy_from_slice(rest);
        template.blocks[rest.len()..end].fill(b'0');
        template.blocks[end] = 0x80;
        let bits = (prefix.len() + DIGITS) as u64 * 8;
        let length_at = template.block_count * BLOCK_BYTES - 8;
        let length = match hash {
            Hash::Md5 => bits.to_le_bytes(),
            Hash::Sha256 => bits.to_be_bytes(),
        };
        template.blocks[length_at..length_at + 8].copy_from_slice(&length);
        template
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        self.state.zeroize();
        self.blocks.zeroize();
    }
}

/// The state before any block: the standards' constants.
const fn initial(hash: Hash) -> [u32; 8] {
    match hash {
        Hash::Md5 => [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0, 0, 0, 0],
        Hash::Sha256 => {
            [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19]
        }
    }
}

/// Blocks into a state.
#[inline]
pub fn absorb(hash: Hash, state: &mut [u32; 8], blocks: &[[u8; BLOCK_BYTES]]) {
    match hash {
        Hash::Sha256 => sha2::block_api::compress256(state, blocks),
        Hash::Md5 => {
            let mut four = [state[0], state[1], state[2], state[3]];
            md5::block_api::compress(&mut four, blocks);
            state[..4].copy_from_slice(&four);
        }
    }
}

/// A second in decimal, counting up.
#[derive(Clone, Copy)]
pub struct Digits(pub [u8; DIGITS]);

impl Digits {
    /// `second` must have ten digits (see [`super::table::in_range`]); the lowest ten are taken otherwise.
    pub fn of(second: u64) -> Self {
        let mut digits = [b'0'; DIGITS];
        let mut rest = second;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        Self(digits)
    }

    pub fn advance(&mut self) {
        for digit in self.0.iter_mut().rev() {
            if *digit != b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
    }
}
