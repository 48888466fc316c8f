//! MD5 and SHA-256 over a row of lanes, one second each. One text for the portable path (a lane is a `u32`) and for AVX2
//! (eight lanes to a register): the compiler makes the second by inlining everything into a function that has AVX2.

#![allow(clippy::inline_always)] // Reason: what is not inlined into `avx2` would be compiled without it.
#![allow(clippy::many_single_char_names)] // Reason: the standards' own names.

use super::{
    Hash,
    template::{BLOCK_BYTES, DIGITS, Digits, Template},
};

/// A word of each lane.
trait Word: Copy {
    const LANES: usize;
    fn splat(value: u32) -> Self;
    fn of(lanes: &[u32; 8]) -> Self;
    fn write(self, lanes: &mut [u32; 8]);
    fn plus(self, other: Self) -> Self;
    fn and(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    fn shift_right<const BITS: i32>(self) -> Self;
    /// `LEFT + RIGHT` is 32: generic arithmetic on constants is not to be had.
    fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self;
}

impl Word for u32 {
    const LANES: usize = 1;
    #[inline(always)]
    fn splat(value: u32) -> Self {
        value
    }
    #[inline(always)]
    fn of(lanes: &[u32; 8]) -> Self {
        lanes[0]
    }
    #[inline(always)]
    fn write(self, lanes: &mut [u32; 8]) {
        lanes[0] = self;
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        self & other
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        self | other
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        self ^ other
    }
    #[inline(always)]
    fn shift_right<const BITS: i32>(self) -> Self {
        self >> BITS
    }
    #[inline(always)]
    fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        self.rotate_left(LEFT as u32)
    }
}

#[cfg(target_arch = "x86_64")]
mod eight {
    use std::arch::x86_64::{
        __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_loadu_si256, _mm256_or_si256, _mm256_set1_epi32,
        _mm256_slli_epi32, _mm256_srli_epi32, _mm256_storeu_si256, _mm256_xor_si256,
    };

    use super::Word;

    /// Private to this file, and used only below [`super::avx2`]: that is what every SAFETY here leans on.
    #[derive(Clone, Copy)]
    pub struct Eight(__m256i);

    macro_rules! operations {
        ($($name:ident $instruction:ident)*) => {$(
            #[inline(always)]
            fn $name(self, other: Self) -> Self {
                // SAFETY: only code below `super::avx2` has an `Eight`, and that has AVX2.
                Self(unsafe { $instruction(self.0, other.0) })
            }
        )*};
    }

    impl Word for Eight {
        const LANES: usize = 8;
        #[inline(always)]
        fn splat(value: u32) -> Self {
            // SAFETY: only code below `super::avx2` asks for an `Eight`, and that has AVX2.
            Self(unsafe { _mm256_set1_epi32(value as i32) })
        }
        #[inline(always)]
        fn of(lanes: &[u32; 8]) -> Self {
            // SAFETY: AVX2 as above; 32 readable bytes, and the load needs no alignment.
            Self(unsafe { _mm256_loadu_si256(lanes.as_ptr().cast()) })
        }
        #[inline(always)]
        fn write(self, lanes: &mut [u32; 8]) {
            // SAFETY: AVX2 as above; 32 writable bytes, and the store needs no alignment.
            unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), self.0) }
        }
        operations!(plus _mm256_add_epi32 and _mm256_and_si256 or _mm256_or_si256 xor _mm256_xor_si256);
        #[inline(always)]
        fn shift_right<const BITS: i32>(self) -> Self {
            // SAFETY: AVX2 as above.
            Self(unsafe { _mm256_srli_epi32::<BITS>(self.0) })
        }
        #[inline(always)]
        fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
            // SAFETY: AVX2 as above.
            Self(unsafe { _mm256_or_si256(_mm256_slli_epi32::<LEFT>(self.0), _mm256_srli_epi32::<RIGHT>(self.0)) })
        }
    }
}

pub fn portable(template: &Template, first: u64, out: &mut [u32]) {
    row::<u32>(template, first, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
pub fn avx2(template: &Template, first: u64, out: &mut [u32]) {
    row::<eight::Eight>(template, first, out);
}

#[inline(always)]
fn row<W: Word>(template: &Template, first: u64, out: &mut [u32]) {
    let word = |bytes: &[u8], index: usize| {
        let four = [bytes[4 * index], bytes[4 * index + 1], bytes[4 * index + 2], bytes[4 * index + 3]];
        match template.hash {
            Hash::Md5 => u32::from_le_bytes(four),
            Hash::Sha256 => u32::from_be_bytes(four),
        }
    };
    let mut digits = Digits::of(first);
    let mut bytes = template.blocks;
    let mut words: [W; 2 * BLOCK_BYTES / 4] = std::array::from_fn(|index| W::splat(word(&bytes, index)));
    // Only these words differ between lanes.
    let varying = template.digits_at / 4..=(template.digits_at + DIGITS - 1) / 4;
    for chunk in out.chunks_mut(W::LANES) {
        let mut rows = [[0_u32; 8]; 4];
        for lane in 0..W::LANES {
            bytes[template.digits_at..template.digits_at + DIGITS].copy_from_slice(&digits.0);
            digits.advance();
            for (row, index) in rows.iter_mut().zip(varying.clone()) {
                row[lane] = word(&bytes, index);
            }
        }
        for (row, index) in rows.iter().zip(varying.clone()) {
            words[index] = W::of(row);
        }
        let mut state = template.state.map(W::splat);
        let (blocks, _) = words.as_chunks::<16>();
        for block in &blocks[..template.block_count] {
            match template.hash {
                Hash::Md5 => md5(&mut state, block),
                Hash::Sha256 => sha256(&mut state, block),
            }
        }
        let mut tags = [0; 8];
        state[0].write(&mut tags);
        chunk.copy_from_slice(&tags[..chunk.len()]);
    }
}

/// The rounds of FIPS 180-4, 6.2.2.
#[inline(always)]
fn sha256<W: Word>(state: &mut [W; 8], block: &[W; 16]) {
    let mut words = *block;
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    // By sixteen, so that the compiler unrolls the inner loop and keeps the schedule's places fixed.
    for sixteen in 0..4 {
        for slot in 0..16 {
            if sixteen > 0 {
                let (old, young) = (words[(slot + 1) % 16], words[(slot + 14) % 16]);
                let low = old.rotate::<25, 7>().xor(old.rotate::<14, 18>()).xor(old.shift_right::<3>());
                let high = young.rotate::<15, 17>().xor(young.rotate::<13, 19>()).xor(young.shift_right::<10>());
                words[slot] = words[slot].plus(low).plus(words[(slot + 9) % 16]).plus(high);
            }
            let sum1 = e.rotate::<26, 6>().xor(e.rotate::<21, 11>()).xor(e.rotate::<7, 25>());
            let choice = g.xor(e.and(f.xor(g)));
            let constant = W::splat(SHA256_K[16 * sixteen + slot]);
            let first = h.plus(sum1).plus(choice).plus(constant).plus(words[slot]);
            let sum0 = a.rotate::<30, 2>().xor(a.rotate::<19, 13>()).xor(a.rotate::<10, 22>());
            let majority = a.and(b).or(c.and(a.or(b)));
            (h, g, f, e, d, c, b, a) = (g, f, e, d.plus(first), c, b, a, first.plus(sum0).plus(majority));
        }
    }
    for (word, add) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.plus(add);
    }
}

/// The rounds of RFC 1321, 3.4. The state's upper half is not used.
#[inline(always)]
fn md5<W: Word>(state: &mut [W; 8], block: &[W; 16]) {
    let ones = W::splat(u32::MAX);
    let [mut a, mut b, mut c, mut d, ..] = *state;
    macro_rules! sixteen {
        ($from:literal, $mix:expr, $word:expr, $($left:literal $right:literal)*) => {
            for four in 0..4 {
                let mut round = $from + 4 * four;
                $(
                    let sum = a.plus($mix(b, c, d)).plus(W::splat(MD5_T[round])).plus(block[$word(round)]);
                    (a, d, c, b) = (d, c, b, b.plus(sum.rotate::<$left, $right>()));
                    round += 1;
                )*
                debug_assert_eq!(round % 4, 0);
            }
        };
    }
    sixteen!(0, |b: W, c: W, d: W| d.xor(b.and(c.xor(d))), |i: usize| i, 7 25 12 20 17 15 22 10);
    sixteen!(16, |b: W, c: W, d: W| c.xor(d.and(b.xor(c))), |i: usize| (5 * i + 1) % 16, 5 27 9 23 14 18 20 12);
    sixteen!(32, |b: W, c: W, d: W| b.xor(c).xor(d), |i: usize| (3 * i + 5) % 16, 4 28 11 21 16 16 23 9);
    sixteen!(48, |b: W, c: W, d: W| c.xor(b.or(d.xor(ones))), |i: usize| (7 * i) % 16, 6 26 10 22 15 17 21 11);
    for (word, add) in state.iter_mut().zip([a, b, c, d]) {
        *word = word.plus(add);
    }
}

/// FIPS 180-4, 4.2.2.
#[rustfmt::skip]
pub const SHA256_K: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// RFC 1321, 3.4.
#[rustfmt::skip]
const MD5_T: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];
