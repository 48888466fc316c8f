//! Hashes of other implementations: argon2 of the reference implementation in C (some of them its own test vectors),
//! bcrypt of crypt(3) and of OpenBSD's. And what no configuration may have.

// Reason: in a test, what was expected and did not come is the failure.
#![allow(clippy::unwrap_used)]

use polygate_passwords::{MAX_BCRYPT_COST, MAX_MEMORY_KIB, PasswordHash, Scratch, make_argon2id};

fn verify(hash: &str, password: &[u8]) -> bool {
    let hash = PasswordHash::parse(hash).unwrap_or_else(|reason| panic!("{hash}: {reason}"));
    hash.verify(password, &mut Scratch::default()).unwrap()
}

const LONG: &[u8] = &[b'x'; 1024];

#[test]
fn argon2_of_the_reference_implementation() {
    for (password, hash) in [
        (&b"password"[..], "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
        (b"password", "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"),
        (b"password", "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8"),
        (b"password", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"),
        (
            "päss wörd".as_bytes(),
            "$argon2id$v=19$m=64,t=3,p=4$MDEyMzQ1Njc4OWFiY2RlZg$ix1wJa6KcZOaI5e0aP4087Wi5Sg8XNZyAyMLB0JPHCs",
        ),
        (b"", "$argon2id$v=19$m=8,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$hbJ1ohlLKVU4J4P1p07fhg"),
        (
            LONG,
            "$argon2id$v=19$m=32,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg$ElHbNydwpJenGJFTTjDEh/p8JgJPEt8qu7eKpCXPoiqA/HNOgrGhVRNyHcL+z2OJbL8UPNwxcvnpDnnSSua2iA",
        ),
    ] {
        assert!(verify(hash, password), "{hash}");
        assert!(!verify(hash, &[password, b"x"].concat()), "{hash}");
        assert!(!verify(hash, b"other"), "{hash}");
    }
}

#[test]
fn bcrypt_of_others() {
    for (password, hash) in [
        (&b"U*U"[..], "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        (b"U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"),
        (b"U*U*U", "$2y$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"),
        (b"", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy"),
        (b"\xa3", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq"),
        (b"\xff\xff\xa3", "$2b$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"),
        (b"alice-secret", "$2b$04$abcdefghijklmnopqrstuuHCSenwm8buK215m4R4q2ZmPL95d0lX2"),
        ("123£".as_bytes(), "$2b$05$......................nQiyTnYP3MQ7Xz2Em5c1OXflzqct8Im"),
        (&[b'y'; 71], "$2b$04$CCCCCCCCCCCCCCCCCCCCC.Xd3/t8gvDr2HvNAPYSOMlq4jdFhHRpW"),
        (&[b'y'; 72], "$2b$04$CCCCCCCCCCCCCCCCCCCCC.olSXpuc4ZGGRn3LpF81R/aG0spMona6"),
    ] {
        assert!(verify(hash, password), "{hash}");
        assert!(!verify(hash, &[password, b"x"].concat()), "{hash}");
        assert!(!verify(hash, b"other"), "{hash}");
    }
}

#[test]
fn what_bcrypt_would_cut_is_refused() {
    // crypt(3) gives this hash for 72 bytes, and for 80 that begin with them.
    let hash = "$2y$04$abcdefghijklmnopqrstuuwurWIdVVT4m5pTArtqnFNM69nySdHj.";
    assert!(verify(hash, &[b'y'; 72]));
    assert!(!verify(hash, &[b'y'; 80]));
    assert!(!verify(hash, &[b'y'; 73]));
}

#[test]
fn scratch_is_used_again() {
    let large =
        PasswordHash::parse("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4")
            .unwrap();
    let small =
        PasswordHash::parse("$argon2id$v=19$m=8,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$hbJ1ohlLKVU4J4P1p07fhg").unwrap();
    let mut scratch = Scratch::default();
    for _ in 0..2 {
        assert_eq!(small.verify(b"", &mut scratch), Some(true));
        assert_eq!(large.verify(b"password", &mut scratch), Some(true));
        assert_eq!(large.verify(b"Password", &mut scratch), Some(false));
        scratch.give_back();
    }
}

#[test]
fn our_own_hash() {
    let hash = make_argon2id("päss".as_bytes(), b"0123456789abcdef").unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"));
    assert!(verify(&hash, "päss".as_bytes()));
    assert!(!verify(&hash, b"pass"));
}

const SALT: &str = "MDEyMzQ1Njc4OWFiY2RlZg";
const OUTPUT: &str = "hbJ1ohlLKVU4J4P1p07fhg";

#[test]
fn no_hash() {
    for text in [
        "",
        "$",
        "password",
        "alice-secret",
        "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        "$apr1$lZL6V/ci$eIMz/iKDkbtys/uU7LEK00",
        "$1$abc$def",
        "$5$abc$def",
        "$6$abc$def",
        "$y$j9T$abc$def",
        "$2$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2b$5$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2b$005$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2b$+5$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe",
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeWx",
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe+",
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOé",
        "$2b$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2b$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW$",
    ] {
        assert!(PasswordHash::parse(text).is_err(), "{text}");
    }
    for (version, costs, salt, output) in [
        ("v=19", "m=8,t=1", SALT, OUTPUT),
        ("v=19", "m=8,t=1,p=1,x=1", SALT, OUTPUT),
        ("v=19", "t=1,m=8,p=1", SALT, OUTPUT),
        ("v=19", "m=08,t=1,p=1", SALT, OUTPUT),
        ("v=19", "m=+8,t=1,p=1", SALT, OUTPUT),
        ("v=19", "m=7,t=1,p=1", SALT, OUTPUT),
        ("v=19", "m=8,t=0,p=1", SALT, OUTPUT),
        ("v=19", "m=8,t=1,p=0", SALT, OUTPUT),
        ("v=19", "m=15,t=1,p=2", SALT, OUTPUT),
        ("v=19", "m=1024,t=1,p=17", SALT, OUTPUT),
        ("v=19", "m=65537,t=1,p=1", SALT, OUTPUT),
        ("v=19", "m=65536,t=5,p=1", SALT, OUTPUT),
        ("v=19", "m=8,t=32769,p=1", SALT, OUTPUT),
        ("v=19", "m=4294967295,t=1,p=1", SALT, OUTPUT),
        ("v=19", "m=8,t=4294967296,p=1", SALT, OUTPUT),
        ("v=16", "m=8,t=1,p=1", SALT, OUTPUT),
        ("v=20", "m=8,t=1,p=1", SALT, OUTPUT),
        ("m=8,t=1,p=1", "m=8,t=1,p=1", SALT, OUTPUT),
        ("v=19", "m=8,t=1,p=1", "c2hvcnQ", OUTPUT),
        ("v=19", "m=8,t=1,p=1", "", OUTPUT),
        ("v=19", "m=8,t=1,p=1", "MDEyMzQ1Njc4OWFiY2RlZg==", OUTPUT),
        ("v=19", "m=8,t=1,p=1", SALT, "c2hvcnQ"),
        ("v=19", "m=8,t=1,p=1", SALT, "hbJ1ohlLKVU4J4P1p07fhg="),
        ("v=19", "m=8,t=1,p=1", SALT, "hbJ1ohlLKVU4J4P1p07fh_"),
        ("v=19", "m=8,t=1,p=1", SALT, ""),
        ("v=19", "m=8,t=1,p=1", SALT, "hbJ1ohlLKVU4J4P1p07fhg$"),
    ] {
        let text = format!("$argon2id${version}${costs}${salt}${output}");
        assert!(PasswordHash::parse(&text).is_err(), "{text}");
        assert!(PasswordHash::parse(&text.replace("argon2id", "argon2d")).is_err(), "{text}");
    }
    let good = format!("$argon2id$v=19$m=8,t=1,p=1${SALT}${OUTPUT}");
    assert!(PasswordHash::parse(&good).is_ok());
    assert!(PasswordHash::parse(&good.replace("argon2id", "argon2d")).is_err());
}

#[test]
fn the_costliest_hashes_end_in_time() {
    let argon2 = format!("$argon2id$v=19$m={MAX_MEMORY_KIB},t=4,p=1${SALT}${OUTPUT}");
    let bcrypt = format!("$2b${MAX_BCRYPT_COST}$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW");
    for hash in [argon2, bcrypt] {
        let start = std::time::Instant::now();
        assert!(!verify(&hash, b"x"));
        println!("{hash}: {:?}", start.elapsed());
    }
}
