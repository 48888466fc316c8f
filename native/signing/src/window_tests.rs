//! Pins our kernels to the crates on every path that this processor has, and the table to what it should hold, however
//! the clock walks.

#![allow(clippy::unwrap_used)] // Reason: a test may panic.

use md5::Md5;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Digest, Hash, Kernel, Table, Template, kernel, scan, table};

const HASHES: [Hash; 2] = [Hash::Md5, Hash::Sha256];

fn reference_tag(hash: Hash, prefix: &[u8], second: u64) -> u32 {
    let text = second.to_string();
    match hash {
        Hash::Md5 => {
            let digest = Md5::new_with_prefix(prefix).chain_update(text).finalize();
            u32::from_le_bytes(digest[..4].try_into().unwrap())
        }
        Hash::Sha256 => {
            let digest = Sha256::new_with_prefix(prefix).chain_update(text).finalize();
            u32::from_be_bytes(digest[..4].try_into().unwrap())
        }
    }
}

/// A small generator, so that a failure can be repeated.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound
    }
}

#[test]
fn this_processor_has_the_paths_that_it_says() {
    let names: Vec<&str> = Kernel::available().into_iter().map(Kernel::name).collect();
    println!("paths: {names:?}");
    assert_eq!(names[0], "portable");
    #[cfg(target_arch = "x86_64")]
    {
        assert_eq!(names.contains(&"avx2"), std::is_x86_feature_detected!("avx2"));
        assert_eq!(names.contains(&"sha-ni"), names.contains(&"avx2") && std::is_x86_feature_detected!("sha"));
    }
    assert_eq!(Kernel::best(), *Kernel::available().last().unwrap());
}

#[test]
fn each_kernel_agrees_with_the_crates_for_every_length_of_prefix() {
    let mut random = Random(1);
    for kernel in Kernel::available() {
        for hash in HASHES {
            for length in 0..=200 {
                let prefix: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
                let template = Template::new(hash, &prefix);
                // Rows of every remainder of lanes, over carries of one digit and of many.
                let first = [1_599_999_993, 1_999_999_990, 1_700_000_000 + random.below(99_999)][length % 3];
                let mut tags = vec![0; 1 + length % 19];
                kernel.tags(&template, first, &mut tags);
                for (second, tag) in (first..).zip(tags) {
                    assert_eq!(tag, reference_tag(hash, &prefix, second), "{kernel:?} {hash:?} {length} {second}");
                    assert_eq!(Digest::of(&template, second).tag(), tag);
                }
            }
        }
    }
}

#[test]
fn a_whole_digest_is_the_crates_and_every_bit_of_it_counts() {
    for length in 0..=130 {
        let prefix = vec![b'k'; length];
        let second = 1_699_999_999 + length as u64;
        let text = second.to_string();
        let sha256 = Sha256::new_with_prefix(&prefix).chain_update(&text).finalize();
        let md5 = Md5::new_with_prefix(&prefix).chain_update(&text).finalize();
        for (hash, expected) in [(Hash::Sha256, sha256.as_slice()), (Hash::Md5, md5.as_slice())] {
            let digest = Digest::of(&Template::new(hash, &prefix), second);
            let hex = digest.to_hex();
            let bytes: Vec<u8> =
                (0..hex.len() / 2).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap()).collect();
            assert_eq!(bytes, expected, "{hash:?} {length}");
            assert!(bool::from(digest.ct_eq(&Digest::decode(hash, hex.as_bytes()).unwrap())));
            for digit in 0..hex.len() {
                let mut wrong = hex.clone().into_bytes();
                wrong[digit] = if wrong[digit] == b'7' { b'6' } else { b'7' };
                assert!(!bool::from(digest.ct_eq(&Digest::decode(hash, &wrong).unwrap())), "digit {digit}");
            }
        }
    }
}

#[test]
fn each_scan_finds_one_none_and_several() {
    let mut random = Random(2);
    for kernel in Kernel::available() {
        for length in [0, 1, 7, 8, 31, 640, 1248] {
            let mut tags: Vec<u16> = (0..length).map(|_| random.below(1 << 15) as u16).collect();
            let wanted = 0xf001;
            assert_eq!(kernel.scan(&tags, wanted).count, 0);
            for at in 0..length {
                tags[at] = wanted;
                let found = kernel.scan(&tags, wanted);
                assert_eq!((found.count, found.index), (1, at), "{kernel:?}");
                if at > 0 {
                    let first = std::mem::replace(&mut tags[0], wanted);
                    assert_eq!(kernel.scan(&tags, wanted).count, 2);
                    assert_eq!([0, 1, 2].map(|n| scan::nth(&tags, wanted, n)), [Some(0), Some(at), None]);
                    tags[0] = first;
                }
                tags[at] = 7;
            }
        }
    }
}

/// Every slot of the window is of its second, and every other slot says that it is none of the window's.
fn assert_holds(kernel: Kernel, table: &Table, hash: Hash, prefix: &[u8], window: std::ops::Range<u64>) {
    for second in [window.start, u64::midpoint(window.start, window.end), window.end - 1] {
        let tag = reference_tag(hash, prefix, second);
        let found = table.find(kernel, tag);
        // Of the 600 others some have the same tag.
        let places: Vec<usize> = (0..found.count).filter_map(|n| table.find_nth(tag, n)).collect();
        let right = places.iter().filter(|place| table.second_at(**place) == Some(second)).count();
        assert_eq!((right, places.len()), (1, found.count as usize), "{kernel:?} {hash:?} {second}");
        if let [only] = places[..] {
            assert_eq!(found.index, only);
        }
        assert!(found.count <= 4, "{} tags are equal", found.count);
    }
}

#[test]
fn the_table_holds_its_window_however_the_clock_walks() {
    for kernel in Kernel::available() {
        for hash in HASHES {
            for skew in [0, 1, 30, 300, table::MAX_SKEW_SECONDS] {
                let mut random = Random(3 + u64::from(skew));
                let prefix = b"2fvmer3qbk7f3jnqneg58bu2qvxkmw57pec7";
                let template = Template::new(hash, prefix);
                let mut table = Table::new(skew);
                let mut now = 1_700_000_000_u64;
                for _ in 0..60 {
                    let window = now - u64::from(skew)..now + u64::from(skew) + 1;
                    table.cover(kernel, &template, window.clone());
                    assert_holds(kernel, &table, hash, prefix, window);
                    let step = [0, 1, 1, 2, 7, 40, 599, 640, 641, 3_600, 86_400][random.below(11) as usize];
                    now = if random.below(3) == 0 { now - step } else { now + step };
                }
            }
        }
    }
}

#[test]
fn an_advance_hashes_what_passed_and_no_more() {
    let template = Template::new(Hash::Sha256, b"key");
    let mut table = Table::new(300);
    let covered = |table: &mut Table, now: u64| {
        table.cover(Kernel::PORTABLE, &template, now - 300..now + 301);
        (0..640).filter(|index| table.second_at(*index).is_some()).count()
    };
    assert_eq!(covered(&mut table, 1_700_000_000), 601);
    assert_eq!(covered(&mut table, 1_700_000_001), 602);
    assert_eq!(covered(&mut table, 1_700_000_039), 640);
    assert_eq!(covered(&mut table, 1_700_000_040), 640);
    assert_eq!(covered(&mut table, 1_700_000_020), 640, "a step back by half a minute needs nothing");
    assert_eq!(covered(&mut table, 1_700_003_600), 601, "a step over the whole ring builds it anew");
}

#[test]
fn clocks_without_ten_digits_are_out_of_range() {
    for wrong in [0, 1, 999_999_999, 1_000_000_000, 9_999_999_999, 10_000_000_000, u64::MAX] {
        assert!(!table::in_range(wrong), "{wrong}");
    }
    assert!(table::in_range(1_200_603_038) && table::in_range(9_000_000_000));
    assert_eq!(kernel::Kernel::PORTABLE.name(), "portable");
}
