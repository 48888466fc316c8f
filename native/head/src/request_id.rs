//! Request ids: the client's where it is sane, else one of our own.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::bytes::{REQUEST_ID, all};

const HEX: &[u8; 16] = b"0123456789abcdef";

static PREFIX: OnceLock<[u8; 16]> = OnceLock::new();
static MADE: AtomicU64 = AtomicU64::new(0);

/// 1 to 128 characters of `A-Z a-z 0-9 . _ ~ + / = : @ -`: harmless in headers, logs and URLs.
pub fn sane_request_id(text: &[u8]) -> bool {
    (1..=128).contains(&text.len()) && all(text, REQUEST_ID)
}

/// Appends a new id: 16 hex digits that are random per process, then a counter of 8 hex digits or, later, 16.
/// Unique, not secret.
pub fn push_new(out: &mut Vec<u8>) {
    // RandomState is seeded by the operating system; hashing nothing gives 64 bits of that seed.
    let prefix = PREFIX.get_or_init(|| {
        let mut text = Vec::with_capacity(16);
        push_hex(&mut text, RandomState::new().hash_one(std::process::id()), 16);
        text.try_into().unwrap_or([b'0'; 16])
    });
    out.extend_from_slice(prefix);
    let count = MADE.fetch_add(1, Ordering::Relaxed);
    push_hex(out, count, if count > u64::from(u32::MAX) { 16 } else { 8 });
}

fn push_hex(out: &mut Vec<u8>, number: u64, digits: u32) {
    let mut text = [0u8; 16];
    for (at, digit) in (0..digits).rev().zip(&mut text) {
        *digit = HEX[(number >> (at * 4) & 15) as usize];
    }
    out.extend_from_slice(&text[..digits as usize]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_sane_and_differ() {
        let mut made: Vec<Vec<u8>> = (0..1000)
            .map(|_| {
                let mut out = Vec::new();
                push_new(&mut out);
                out
            })
            .collect();
        assert!(made.iter().all(|id| id.len() == 24 && sane_request_id(id) && id[..16] == made[0][..16]));
        made.sort();
        made.dedup();
        assert_eq!(made.len(), 1000);
    }

    #[test]
    fn insane_ids() {
        for text in [&b""[..], b"a b", b"a\r\nb: c", b"a\"", b"\xe9", &[b'a'; 129]] {
            assert!(!sane_request_id(text));
        }
        assert!(sane_request_id(&[b'a'; 128]));
    }

    #[test]
    fn hex() {
        let mut out = Vec::new();
        push_hex(&mut out, 0x1_2345_6789_abcd, 16);
        push_hex(&mut out, 0xf, 8);
        assert_eq!(out, b"000123456789abcd0000000f");
    }
}
