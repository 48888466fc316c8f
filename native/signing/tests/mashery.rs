//! Pins `mashery-sha256` and `mashery-md5`: what is refused and how, the published vectors, clocks that step, secrets
//! in rotation, and that keys in any number cannot push each other's tables out without a valid signature.

#![allow(clippy::unwrap_used)] // Reason: a test may panic.

use polygate_signing::{
    Hash, Kernel, Refusal, Secret, Validity,
    mashery::{Accepted, Credential, Mashery, Options, sign},
};

const NOW: u64 = 1_700_000_000;

/// Key, secret, second, MD5, SHA-256, from Mashery's documentation, Tyk's `hash_test.go` and example-code.com.
const VECTORS: [(&str, &str, u64, &str, &str); 3] = [
    ("2fvmer3qbk7f3jnqneg58bu2", "qvxkmw57pec7", 1_200_603_038, "65a08176826fa4621116997e1dd775fa", ""),
    (
        "5bcef48a3f03d311ff27d156630baf849e3b438b8a48fec99239d5c9",
        "foobar",
        1_546_259_837,
        "eb7cc742c07c2ce0d71fa2d5a6f81a91",
        "fce2e80253cd438b666341176f34bde499116b63719e2482dae6965518ffd316",
    ),
    (
        "227b20a2cb705e45f3b0a0944672dc07",
        "54dc7ba9e2",
        1_605_548_842,
        "",
        "6acc4a65c94a2a2870d739c400a8bf9163b28150326e3847f9e8338742ecfd53",
    ),
];

fn secret(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

fn credential(key: &str, text: &str) -> Credential {
    Credential { key: key.into(), secret: secret(text), validity: Validity::ALWAYS }
}

fn numbered(count: usize) -> Vec<Credential> {
    (0..count).map(|n| credential(&format!("key-{n}"), "secret")).collect()
}

fn scheme(credentials: Vec<Credential>) -> Mashery {
    Mashery::new(&Options::new(Hash::Sha256), credentials).unwrap()
}

fn signed(key: &str, text: &str, second: u64) -> Vec<u8> {
    sign(Hash::Sha256, key.as_bytes(), &secret(text), second).into_bytes()
}

#[test]
fn what_is_no_signature_is_refused() {
    let mut one = scheme(vec![credential("key", "secret")]);
    let good = signed("key", "secret", NOW);
    assert!(one.verify(b"key", &good, NOW).is_ok());
    assert_eq!(one.verify(b"key", b"", NOW), Err(Refusal::Missing));
    assert_eq!(one.verify(b"", &good, NOW), Err(Refusal::Missing));
    for length in 1..64 {
        assert_eq!(one.verify(b"key", &good[..length], NOW), Err(Refusal::Malformed), "{length}");
    }
    for tail in [&b"0"[..], b"00", b"zz", b" ", b"\0"] {
        assert_eq!(one.verify(b"key", &[&good, tail].concat(), NOW), Err(Refusal::Malformed));
    }
    for at in 0..64 {
        let mut wrong = good.clone();
        wrong[at] = b'g';
        assert_eq!(one.verify(b"key", &wrong, NOW), Err(Refusal::Malformed));
        wrong[at] = if good[at] == b'0' { b'1' } else { b'0' };
        assert_eq!(one.verify(b"key", &wrong, NOW), Err(Refusal::BadSignature), "one digit at {at}");
    }
    let md5 = sign(Hash::Md5, b"key", &secret("secret"), NOW);
    assert_eq!(one.verify(b"key", md5.as_bytes(), NOW), Err(Refusal::Malformed), "another algorithm");
}

#[test]
fn the_first_four_bytes_do_not_suffice() {
    let mut one = scheme(vec![credential("key", "secret")]);
    for second in NOW - 300..=NOW + 300 {
        let mut half = signed("key", "secret", second);
        half[8..].fill(b'0');
        assert_eq!(one.verify(b"key", &half, NOW), Err(Refusal::BadSignature));
    }
    assert_eq!(one.verify(b"key", &[b'0'; 64], NOW), Err(Refusal::BadSignature), "an unfilled slot is no tag");
}

#[test]
fn a_secret_cannot_be_empty_nor_a_skew_endless() {
    for blank in ["", " ", "\t\r\n "] {
        assert!(Secret::new(blank).is_none());
    }
    let options = Options::new(Hash::Sha256);
    assert!(Mashery::new(&Options { skew_seconds: 901, ..options }, Vec::new()).is_none());
    assert!(Mashery::new(&Options { tables: 0, ..options }, Vec::new()).is_none());
    assert!(Mashery::new(&options, vec![credential("", "secret")]).is_none());
}

#[test]
fn keys_are_matched_exactly() {
    let mut two = scheme(vec![credential("ab", "cd"), credential("Key", "secret")]);
    let good = signed("ab", "cd", NOW);
    assert_eq!(good, signed("abc", "d", NOW), "without a separator they sign alike");
    for unknown in ["abc", "a", "AB", "ab ", "ab\0"] {
        assert_eq!(two.verify(unknown.as_bytes(), &good, NOW), Err(Refusal::UnknownKey));
    }
    assert_eq!(two.tables_in_use(), 0, "an unknown key costs no hashing");
    assert_eq!(two.verify(b"Key", &good, NOW), Err(Refusal::BadSignature), "another key's signature");
    assert_eq!(two.verify(b"ab", &good, NOW), Ok(Accepted { credential: 0, second: NOW }));
}

#[test]
fn the_published_vectors() {
    for kernel in Kernel::available() {
        for (key, text, second, md5, sha256) in VECTORS {
            for (hash, signature) in [(Hash::Md5, md5), (Hash::Sha256, sha256)] {
                if signature.is_empty() {
                    continue;
                }
                assert_eq!(sign(hash, key.as_bytes(), &secret(text), second), signature);
                let options = Options { kernel, ..Options::new(hash) };
                let mut one = Mashery::new(&options, vec![credential(key, text)]).unwrap();
                for now in [second - 300, second - 1, second, second + 300] {
                    let accepted = one.verify(key.as_bytes(), signature.as_bytes(), now);
                    assert_eq!(accepted, Ok(Accepted { credential: 0, second }));
                    let upper = signature.to_uppercase();
                    assert_eq!(one.verify(key.as_bytes(), upper.as_bytes(), now), accepted);
                }
                for now in [second - 301, second + 301, second + 86_400] {
                    assert_eq!(one.verify(key.as_bytes(), signature.as_bytes(), now), Err(Refusal::BadSignature));
                }
            }
        }
    }
}

#[test]
fn every_second_of_the_window_and_none_outside_of_it() {
    for kernel in Kernel::available() {
        for hash in [Hash::Md5, Hash::Sha256] {
            for skew in [0, 5, 300] {
                let options = Options { kernel, skew_seconds: skew, ..Options::new(hash) };
                let mut one = Mashery::new(&options, vec![credential("key", "secret")]).unwrap();
                for second in NOW - 340..=NOW + 340 {
                    let signature = sign(hash, b"key", &secret("secret"), second);
                    let inside = second.abs_diff(NOW) <= u64::from(skew);
                    let expected =
                        if inside { Ok(Accepted { credential: 0, second }) } else { Err(Refusal::BadSignature) };
                    assert_eq!(one.verify(b"key", signature.as_bytes(), NOW), expected);
                }
            }
        }
    }
}

#[test]
fn the_clock_goes_back_and_forth() {
    let mut one = scheme(vec![credential("key", "secret")]);
    for step in [0_i64, 1, -1, 30, -60, 3_600, -3_600, 7_200, -7_200, 86_400 * 365, 0] {
        let now = NOW.saturating_add_signed(step);
        for second in [now - 300, now, now + 300] {
            let signature = signed("key", "secret", second);
            assert_eq!(one.verify(b"key", &signature, now).unwrap().second, second, "{step}");
        }
        for second in [now - 301, now + 301, now - 3_600, now + 3_600] {
            assert_eq!(one.verify(b"key", &signed("key", "secret", second), now), Err(Refusal::BadSignature));
        }
    }
    for now in [0, 1, 999_999_999, 10_000_000_000, u64::MAX] {
        assert_eq!(one.verify(b"key", &signed("key", "secret", NOW), now), Err(Refusal::ImpossibleClock));
    }
}

#[test]
fn secrets_in_rotation() {
    let of = |text: &str, not_before: u64, not_after: u64| Credential {
        key: b"key".to_vec(),
        secret: secret(text),
        validity: Validity { not_before, not_after },
    };
    let old_and_new = vec![of("old", 0, NOW), credential("other", "old"), of("new", NOW - 100, NOW + 100)];
    let mut one = scheme(old_and_new);
    let mut verify = |text: &str, now: u64| one.verify(b"key", &signed("key", text, now), now);
    assert_eq!(verify("old", NOW - 101).unwrap().credential, 0);
    assert_eq!(verify("new", NOW - 101), Err(Refusal::BadSignature));
    assert_eq!(verify("old", NOW - 1).unwrap().credential, 0);
    assert_eq!(verify("new", NOW - 1).unwrap().credential, 2);
    assert_eq!(verify("old", NOW), Err(Refusal::BadSignature));
    assert_eq!(verify("new", NOW + 99).unwrap().credential, 2);
    assert_eq!(verify("new", NOW + 100), Err(Refusal::NoActiveSecret));
}

#[test]
fn forgeries_for_any_number_of_known_keys_push_no_table_out() {
    let options = Options { tables: 4, cold_per_second: 50, ..Options::new(Hash::Sha256) };
    let mut many = Mashery::new(&options, numbered(100)).unwrap();
    let honest: Vec<String> = (0..4).map(|n| format!("key-{n}")).collect();
    for key in &honest {
        many.verify(key.as_bytes(), &signed(key, "secret", NOW), NOW).unwrap();
    }
    assert_eq!(many.tables_in_use(), 4);
    // The flood: the budget is spent, and then nothing is computed any more.
    let mut overloaded = 0;
    for n in 4..100 {
        match many.verify(format!("key-{n}").as_bytes(), &[b'a'; 64], NOW) {
            Err(Refusal::BadSignature) => {}
            Err(Refusal::Overloaded) => overloaded += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(overloaded, 96 - 50);
    for key in &honest {
        let accepted = many.verify(key.as_bytes(), &signed(key, "secret", NOW), NOW);
        assert!(accepted.is_ok(), "an honest client has its table still, so needs no budget: {accepted:?}");
    }
    // A valid signature of a fifth key gets a table in the next second, and all others remain usable.
    many.verify(b"key-50", &signed("key-50", "secret", NOW + 1), NOW + 1).unwrap();
    assert_eq!(many.tables_in_use(), 4);
    for _ in 0..1_000 {
        many.verify(b"key-50", &signed("key-50", "secret", NOW + 1), NOW + 1).unwrap();
    }
    // Whoever lost its table is computed anew, and nobody gets another's.
    for key in honest.iter().map(String::as_str).chain(["key-50", "key-51"]) {
        let accepted = many.verify(key.as_bytes(), &signed(key, "secret", NOW + 1), NOW + 1);
        assert!(accepted.is_ok(), "{key}: {accepted:?}");
    }
}

#[test]
fn a_table_in_use_outlives_one_that_is_not() {
    let options = Options { tables: 3, cold_per_second: 1, ..Options::new(Hash::Sha256) };
    let mut many = Mashery::new(&options, numbered(5)).unwrap();
    let mut good = |n: usize, now: u64| {
        let key = format!("key-{n}");
        many.verify(key.as_bytes(), &signed(&key, "secret", now), now)
    };
    for n in 0..3 {
        assert!(good(n, NOW).is_ok());
    }
    assert!(good(3, NOW + 1).is_ok(), "takes the table of key-0");
    assert!(good(1, NOW + 1).is_ok(), "key-1 is used");
    assert!(good(4, NOW + 2).is_ok(), "takes a table, and the budget of this second");
    assert!(good(1, NOW + 2).is_ok(), "not that of key-1");
    assert_eq!(good(2, NOW + 2), Err(Refusal::Overloaded), "but that of key-2");
}

#[test]
fn tables_filled_by_forgeries_are_the_first_to_go() {
    let options = Options { tables: 3, cold_per_second: 1, ..Options::new(Hash::Sha256) };
    let mut many = Mashery::new(&options, numbered(10)).unwrap();
    let good = |many: &mut Mashery, n: usize, now: u64| {
        let key = format!("key-{n}");
        many.verify(key.as_bytes(), &signed(&key, "secret", now), now).is_ok()
    };
    assert!(good(&mut many, 0, NOW));
    assert_eq!(many.verify(b"key-1", &[b'a'; 64], NOW), Err(Refusal::BadSignature));
    assert_eq!(many.verify(b"key-2", &[b'a'; 64], NOW), Err(Refusal::BadSignature));
    assert!(good(&mut many, 3, NOW) && good(&mut many, 4, NOW + 1), "each costs the budget of its second");
    assert!(!good(&mut many, 5, NOW + 1), "spent");
    assert!(good(&mut many, 0, NOW + 1) && good(&mut many, 3, NOW + 1), "these kept their tables");
}

#[test]
fn memory_is_bounded() {
    let mut many = Mashery::new(&Options { tables: 8, ..Options::new(Hash::Sha256) }, numbered(64)).unwrap();
    assert!(many.bytes_per_secret() <= 4_096, "{} bytes", many.bytes_per_secret());
    for n in 0..64 {
        let key = format!("key-{n}");
        many.verify(key.as_bytes(), &signed(&key, "secret", NOW), NOW).unwrap();
    }
    assert_eq!(many.tables_in_use(), 8);
}

#[test]
fn nothing_prints_a_secret() {
    let one = credential("key", "hunter2-hunter2");
    let printed = format!("{one:?} {:?}", scheme(vec![credential("key", "hunter2-hunter2")]));
    assert!(!printed.contains("hunter2"), "{printed}");
}

/// Whatever comes, it is answered, and never with yes.
#[test]
fn random_texts() {
    let mut one = scheme(vec![credential("key", "secret")]);
    let mut state = 0x1234_5678_9abc_def0_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..20_000 {
        let length = (next() % 70) as usize;
        let digits = next() % 2 == 0;
        let text: Vec<u8> = (0..length)
            .map(|_| if digits { b"0123456789abcdefABCDEF"[(next() % 22) as usize] } else { next() as u8 })
            .collect();
        let now = if next() % 4 == 0 { next() } else { NOW + next() % 1_000 };
        assert!(one.verify(b"key", &text, now).is_err());
        assert!(one.verify(&text, &text, now).is_err());
    }
}
