//! Pins `hmac`: what of draft-cavage and its dialects is refused, the published vectors, signatures made by Python's
//! hmac, and that what [`Signer`] signs is accepted, and with one byte changed is not.

#![allow(clippy::unwrap_used)] // Reason: a test may panic.

mod common;

use std::{hint::black_box, time::Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::{Headers, Random, headers, keys, request, secret, shared, test_keys};
use polygate_signing::{
    Algorithm::{self, HmacSha1, HmacSha256, HmacSha384, HmacSha512},
    Refusal, SigningKey, Validity,
    cavage::{Accepted, Dialect, Options, Signer, Verifier},
};

const DATE: &str = "Sun, 05 Jan 2014 21:31:40 GMT";
const NOW: u64 = 1_388_957_500;

fn verifier(dialect: Dialect, algorithm: Algorithm) -> Verifier {
    Verifier::new(Options::new(dialect), keys(vec![shared("me", algorithm, "secret")]))
}

/// A request for `/` with headers, verified.
fn verify(one: &Verifier, target: &str, pairs: &[(&str, &str)], now: u64) -> Result<Accepted, Refusal> {
    let pairs = headers(pairs);
    one.verify(&request("GET", target, &pairs), now)
}

const KONG: &str = r#"hmac username="me", algorithm="hmac-sha256", headers="date request-line", signature="ujWCGHeec9Xd6UD2zlyxiNMCiXnDOWeVFMu5VeRUxtw=""#;
const KONG_DATE: &str = "Thu, 22 Jun 2017 17:15:21 GMT";
const KONG_NOW: u64 = 1_498_151_721;

#[test]
fn headers_that_are_no_signature() {
    let one = verifier(Dialect::Cavage10, HmacSha256);
    let good = r#"Signature keyId="me",algorithm="hmac-sha256",headers="date",signature="aGk=""#;
    for (value, refusal) in [
        ("", Refusal::Missing),
        ("Bearer abc", Refusal::Missing),
        ("Signature", Refusal::Missing),
        ("SignatureX keyId", Refusal::Missing),
        ("Signature keyId", Refusal::Malformed),
        (r#"Signature keyId="me""#, Refusal::Missing),
        (r#"Signature keyId="me",signature="""#, Refusal::Missing),
        (r#"Signature keyId="",signature="aGk=""#, Refusal::Missing),
        (r#"Signature keyId="me",keyId="me",signature="aGk=""#, Refusal::Duplicate),
        (r#"Signature keyId="me",signature="aGk=",signature="aGk=""#, Refusal::Duplicate),
        (r#"Signature keyId="me",headers="",signature="aGk=""#, Refusal::Malformed),
        (r#"Signature keyId="me",headers="date  host",signature="aGk=""#, Refusal::Malformed),
        (r#"Signature keyId="me",headers="Date",signature="aGk=""#, Refusal::Malformed),
        (r#"Signature keyId="me",headers="date date",signature="aGk=""#, Refusal::Duplicate),
        (r#"Signature keyId="me",headers="date (created)",signature="aGk=""#, Refusal::Malformed),
        (r#"Signature keyId="me",unknown="1",signature="aGk=""#, Refusal::Malformed),
        (r#"Signature keyId="m\"e",signature="aGk=""#, Refusal::Malformed),
        (r#"Signature keyId=me,signature="aGk=""#, Refusal::Malformed),
        (r#"Signature keyId="me";signature="aGk=""#, Refusal::Malformed),
        (r#"Signature keyId="me",signature="aGk=","#, Refusal::Malformed),
        (r#"Signature keyId="me",signature="aGk=" x"#, Refusal::Malformed),
        (good, Refusal::NotCovered),
    ] {
        let outcome = verify(&one, "/", &[("Authorization", value), ("Date", DATE)], NOW);
        assert_eq!(outcome, Err(refusal), "{value}");
    }
    let twice = [("Authorization", good), ("authorization", good), ("Date", DATE)];
    assert_eq!(verify(&one, "/", &twice, NOW), Err(Refusal::Duplicate));
    let both = [("Authorization", good), ("Signature", &good[10..]), ("Date", DATE)];
    assert_eq!(verify(&one, "/", &both, NOW), Err(Refusal::Duplicate));
}

#[test]
fn signatures_that_are_short_empty_or_have_a_tail() {
    let one = verifier(Dialect::Kong, HmacSha256);
    let with = |signature: &str| {
        let value = format!(
            r#"hmac username="me", algorithm="hmac-sha256", headers="date request-line", signature="{signature}""#
        );
        verify(&one, "/requests", &[("Authorization", &value), ("Date", KONG_DATE)], KONG_NOW).err()
    };
    let good = "ujWCGHeec9Xd6UD2zlyxiNMCiXnDOWeVFMu5VeRUxtw=";
    assert_eq!(with(good), None);
    for length in 1..good.len() {
        assert!(matches!(with(&good[..length]), Some(Refusal::Malformed | Refusal::BadSignature)), "{length}");
    }
    for wrong in ["ujWCGHeec9Xd6UD2zlyxiNMCiXnDOWeVFMu5VeRUxtx=", &format!("{good}A"), &format!("{good}===="), "===="] {
        assert_eq!(with(wrong), Some(Refusal::Malformed), "{wrong}");
    }
    assert_eq!(with("AAAA"), Some(Refusal::BadSignature));
    assert_eq!(with(""), Some(Refusal::Missing));
}

#[test]
fn the_request_does_not_choose_the_algorithm() {
    let one = verifier(Dialect::Cavage10, HmacSha256);
    let string = format!("(request-target): get /\ndate: {DATE}");
    for (algorithm, name) in [(HmacSha1, "hmac-sha1"), (HmacSha512, "hmac-sha512")] {
        let weak = SigningKey::hmac(algorithm, &secret("secret")).unwrap().sign(&[string.as_bytes()]).unwrap();
        let weak = STANDARD.encode(weak);
        for named in [name, "hs2019", "none", "", "HMAC-SHA256", "md5"] {
            let value = format!(
                r#"Signature keyId="me",algorithm="{named}",headers="(request-target) date",signature="{weak}""#
            );
            let outcome = verify(&one, "/", &[("Authorization", &value), ("Date", DATE)], NOW);
            assert_eq!(outcome, Err(Refusal::WrongAlgorithm), "{named}");
        }
    }
}

/// Two forms of one signature, and two names: `http-signature` writes DER and `ed25519-sha512`.
#[test]
fn elliptic_curves_under_the_names_that_clients_have_for_them() {
    use polygate_signing::VerifyingKey;
    let (ecdsa, ed25519) = (Algorithm::EcdsaP256Sha256, Algorithm::Ed25519);
    let decoded = |text: &str| STANDARD.decode(text).unwrap();
    let string = format!("(request-target): get /\ndate: {DATE}");
    let verify_with = |dialect, algorithm, public: &str, named: &str, signature: &[u8]| {
        let key = VerifyingKey::public(algorithm, &decoded(public)).unwrap();
        let one = Verifier::new(Options::new(dialect), keys(vec![common::named("me", key)]));
        let signature = STANDARD.encode(signature);
        let value = format!(
            r#"Signature keyId="me",algorithm="{named}",headers="(request-target) date",signature="{signature}""#
        );
        verify(&one, "/", &[("Authorization", &value), ("Date", DATE)], NOW).map(|accepted| accepted.signature)
    };
    let key = SigningKey::private(ecdsa, &decoded(test_keys::P256_PRIVATE)).unwrap();
    let public = test_keys::P256_PUBLIC;
    // Until both numbers have been with and without the zero before them.
    for _ in 0..40 {
        let fixed = key.sign(&[string.as_bytes()]).unwrap();
        let number = |bytes: &[u8]| {
            let from = bytes.iter().position(|byte| *byte != 0).unwrap();
            let zero: &[u8] = if bytes[from] >= 0x80 { &[0] } else { &[] };
            let number = [zero, &bytes[from..]].concat();
            [&[2, number.len() as u8][..], &number].concat()
        };
        let (r, s) = (number(&fixed[..32]), number(&fixed[32..]));
        let sequence = |content: &[u8]| [&[0x30, content.len() as u8][..], content].concat();
        let der = sequence(&[&r[..], &s].concat());
        for dialect in [Dialect::Cavage, Dialect::Cavage10] {
            assert_eq!(verify_with(dialect, ecdsa, public, "ecdsa-sha256", &fixed), Ok(fixed.clone()));
            assert_eq!(verify_with(dialect, ecdsa, public, "ecdsa-sha256", &der), Ok(fixed.clone()), "one form");
        }
        for other in [
            [&der[..], &[0]].concat(),
            der[..der.len() - 1].to_vec(),
            sequence(&[&r[..], &s, &[0]].concat()),
            sequence(&[&r[..], &s, &s].concat()),
            sequence(&r),
            sequence(&[&s[..], &r].concat()),
            // A zero more, and one less than the sign needs.
            sequence(&[&[2, r[1] + 1, 0][..], &r[2..], &s].concat()),
            [&[0x30, 0x81, der[1]][..], &der[2..]].concat(),
            vec![0x30, 0],
            vec![0x30],
        ] {
            let outcome = verify_with(Dialect::Cavage, ecdsa, public, "ecdsa-sha256", &other);
            assert_eq!(outcome, Err(Refusal::BadSignature), "{other:02x?}");
        }
        assert_eq!(verify_with(Dialect::Cavage, ecdsa, public, "hs2019", &fixed), Ok(fixed.clone()));
        for (dialect, name, signature) in [
            (Dialect::Cavage, "hs2019", &der),
            (Dialect::Cavage10, "hs2019", &fixed),
            (Dialect::Apisix, "ecdsa-sha256", &fixed),
            (Dialect::Cavage, "ed25519-sha512", &fixed),
            (Dialect::Cavage, "rsa-sha256", &fixed),
        ] {
            assert!(verify_with(dialect, ecdsa, public, name, signature).is_err(), "{dialect:?} {name}");
        }
    }
    let key = SigningKey::private(ed25519, &decoded(test_keys::RFC_ED25519_PRIVATE)).unwrap();
    let signature = key.sign(&[string.as_bytes()]).unwrap();
    for (dialect, name, good) in [
        (Dialect::Cavage, "ed25519-sha512", true),
        (Dialect::Cavage10, "ed25519-sha512", true),
        (Dialect::Cavage10, "ed25519", true),
        (Dialect::Cavage10, "ed25519-sha256", false),
        (Dialect::Cavage10, "ecdsa-sha256", false),
        (Dialect::Apisix, "ed25519-sha512", false),
    ] {
        let outcome = verify_with(dialect, ed25519, test_keys::RFC_ED25519_PUBLIC, name, &signature);
        assert_eq!(outcome.is_ok(), good, "{dialect:?} {name}");
    }
}

#[test]
fn a_date_that_is_not_signed_is_no_proof() {
    // Kong's hole: the signature covers an old Date, a fresh X-Date comes along unsigned.
    let kong = verifier(Dialect::Kong, HmacSha256);
    let (late, fresh) = (KONG_NOW + 100_000, "Fri, 23 Jun 2017 21:02:01 GMT");
    let pairs = [("Authorization", KONG), ("Date", KONG_DATE), ("X-Date", fresh)];
    assert_eq!(verify(&kong, "/requests", &pairs, late), Err(Refusal::NotCovered));
    assert_eq!(verify(&kong, "/requests", &pairs, KONG_NOW), Err(Refusal::NotCovered));
    assert_eq!(verify(&kong, "/requests", &pairs[..2], late), Err(Refusal::TooOld));
    // Tyk's: x-aux-date is not signed where only the target is listed.
    let tyk = verifier(Dialect::Tyk, HmacSha256);
    let value = r#"Signature keyId="me",algorithm="hmac-sha256",headers="(request-target)",signature="AAAA""#;
    for date in ["Date", "x-aux-date"] {
        assert_eq!(verify(&tyk, "/", &[("Authorization", value), (date, DATE)], NOW), Err(Refusal::NotCovered));
    }
    // The draft's: created and expires count only when they are listed.
    let draft = verifier(Dialect::Cavage, HmacSha256);
    for parameters in ["created=1388957500", "expires=1388957600"] {
        let value = format!(r#"Signature keyId="me",{parameters},headers="(request-target) date",signature="AAAA""#);
        assert_eq!(verify(&draft, "/", &[("Authorization", &value), ("Date", DATE)], NOW), Err(Refusal::NotCovered));
    }
}

#[test]
fn dates_have_one_form_and_come_once() {
    let kong = verifier(Dialect::Kong, HmacSha256);
    for (pairs, refusal) in [
        (vec![("Authorization", KONG)], Refusal::Missing),
        (vec![("Authorization", KONG), ("Date", "")], Refusal::Missing),
        (vec![("Authorization", KONG), ("Date", "2017-06-22T17:15:21Z")], Refusal::Malformed),
        (vec![("Authorization", KONG), ("Date", KONG_DATE), ("Date", KONG_DATE)], Refusal::Duplicate),
        (vec![("Authorization", KONG), ("Date", KONG_DATE), ("X-Date", KONG_DATE), ("x-date", "")], Refusal::Duplicate),
    ] {
        assert_eq!(verify(&kong, "/requests", &pairs, KONG_NOW), Err(refusal), "{pairs:?}");
    }
    let good = [("Authorization", KONG), ("Date", KONG_DATE)];
    assert!(verify(&kong, "/requests", &good, KONG_NOW - 300).is_ok());
    assert_eq!(verify(&kong, "/requests", &good, KONG_NOW - 301), Err(Refusal::TooNew));
    assert!(verify(&kong, "/requests", &good, KONG_NOW + 300).is_ok());
    assert_eq!(verify(&kong, "/requests", &good, KONG_NOW + 301), Err(Refusal::TooOld));
    assert_eq!(verify(&kong, "/requests", &good, u64::MAX), Err(Refusal::TooOld));
}

#[test]
fn kong_reads_its_parameters_in_one_order_and_trusts_no_header_named_like_the_target() {
    let kong = verifier(Dialect::Kong, HmacSha256);
    let swapped =
        KONG.replace("username", "algorithm_").replace("algorithm=", "username=").replace("algorithm_", "algorithm");
    let turned = r#"hmac algorithm="hmac-sha256", username="me", headers="date request-line", signature="AAAA""#;
    for value in [turned, &swapped, &KONG.replace("username", "keyId"), &KONG.replace("hmac ", "hmac\u{a0}")] {
        let outcome = verify(&kong, "/requests", &[("Authorization", value), ("Date", KONG_DATE)], KONG_NOW);
        assert!(outcome.is_err(), "{value}: {outcome:?}");
    }
    let pairs = [("Authorization", KONG), ("Date", KONG_DATE), ("request-line", "GET /requests HTTP/1.1")];
    assert_eq!(verify(&kong, "/other", &pairs, KONG_NOW), Err(Refusal::Malformed));
    let proxy = [("Proxy-Authorization", KONG), ("Authorization", "Basic eA=="), ("Date", KONG_DATE)];
    assert!(verify(&kong, "/requests", &proxy, KONG_NOW).is_ok());
    let both = [("Proxy-Authorization", KONG), ("Authorization", KONG), ("Date", KONG_DATE)];
    assert_eq!(verify(&kong, "/requests", &both, KONG_NOW), Err(Refusal::Duplicate));
}

#[test]
fn kongs_vectors() {
    let kong = verifier(Dialect::Kong, HmacSha256);
    assert!(verify(&kong, "/requests", &[("Authorization", KONG), ("Date", KONG_DATE)], KONG_NOW).is_ok());
    for (target, date) in
        [("/requests?a", KONG_DATE), ("/Requests", KONG_DATE), ("/requests", "Thu, 22 Jun 2017 17:15:22 GMT")]
    {
        let outcome = verify(&kong, target, &[("Authorization", KONG), ("Date", date)], KONG_NOW);
        assert_eq!(outcome, Err(Refusal::BadSignature), "{target} {date}");
    }
    let with_digest = r#"hmac username="me", algorithm="hmac-sha256", headers="date request-line digest", signature="gaweQbATuaGmLrUr3HE0DzU1keWGCt3H96M28sSHTG8=""#;
    let digest = "SHA-256=SBH7QEtqnYUpEcIhDbmStNd1MxtHg2+feBfWc1105MA=";
    let date = "Thu, 22 Jun 2017 21:12:36 GMT";
    let pairs = [("Authorization", with_digest), ("Date", date), ("Digest", digest)];
    let body = verify(&kong, "/requests", &pairs, 1_498_165_956).unwrap().body.unwrap();
    assert!(body.matches(b"A small body") && !body.matches(b"A small bodY") && !body.matches(b""));
    // Python's hmac: the target with its query, and a listed header that is not there.
    let target = r#"hmac username="me", algorithm="hmac-sha256", headers="date @request-target x-absent", signature="VplyEKCxv9Rnea1DiznkCIoHp2RzRaVLGsRg8TiU2p0=""#;
    assert!(verify(&kong, "/requests?a=b", &[("Authorization", target), ("Date", DATE)], NOW).is_ok());
    let added = [("Authorization", target), ("Date", DATE), ("X-Absent", "")];
    assert_eq!(verify(&kong, "/requests?a=b", &added, NOW), Err(Refusal::BadSignature));
}

#[test]
fn a_digest_that_is_required_has_to_be_there_and_signed() {
    let options = Options { required: vec!["digest".into()], ..Options::new(Dialect::Kong) };
    let kong = Verifier::new(options, keys(vec![shared("me", HmacSha256, "secret")]));
    let digest = "SHA-256=SBH7QEtqnYUpEcIhDbmStNd1MxtHg2+feBfWc1105MA=";
    let pairs = [("Authorization", KONG), ("Date", KONG_DATE), ("Digest", digest)];
    assert_eq!(verify(&kong, "/requests", &pairs, KONG_NOW), Err(Refusal::NotCovered));
    let listed = KONG.replace("request-line", "request-line digest");
    let pairs = [("Authorization", listed.as_str()), ("Date", KONG_DATE)];
    assert_eq!(verify(&kong, "/requests", &pairs, KONG_NOW), Err(Refusal::Missing));
}

#[test]
fn apisix_signs_its_key_id_and_ends_with_a_line() {
    let one = Verifier::new(
        Options::new(Dialect::Apisix),
        keys(vec![shared("my-access-key", HmacSha256, "my-secret-key"), shared("other", HmacSha256, "my-secret-key")]),
    );
    let value = r#"Signature keyId="my-access-key",algorithm="hmac-sha256",headers="@request-target date",signature="FmI1FHPwGMVbcFZE93GV82OedOkKV3lsSMw74pwJQ8g=""#;
    let (date, now) = ("Tue, 19 Jan 2021 11:33:20 GMT", 1_611_056_000);
    let good = [("Authorization", value), ("Date", date)];
    assert!(verify(&one, "/hello", &good, now).is_ok());
    assert_eq!(verify(&one, "/hello?", &good, now), Err(Refusal::BadSignature));
    let other = value.replace("my-access-key", "other");
    assert_eq!(verify(&one, "/hello", &[("Authorization", &other), ("Date", date)], now), Err(Refusal::BadSignature));
}

#[test]
fn tyk_signs_the_decoded_path_under_every_hmac() {
    let value = |algorithm: &str, signature: &str, names: &str| {
        format!(r#"Signature keyId="me",algorithm="{algorithm}",headers="{names}",signature="{signature}""#)
    };
    for (algorithm, name, signature) in [
        (HmacSha1, "hmac-sha1", "VEckeTRP9PIAy8CEX66UqEFgpKw%3D"),
        (HmacSha256, "hmac-sha256", "cvHbt4n1XWolMtqDX1hOwA2kFznF3RrKLBsNz953vs0%3D"),
        (HmacSha384, "hmac-sha384", "dhrwoHm5IAWV7bluajkAfCcZm87ghTK8JQ3ITHz%2bcfijjY%2fAt3GWf%2bVxcBNO6VFz"),
        (
            HmacSha512,
            "hmac-sha512",
            "sVyELXMPPGfLTOWqOOfuJIM6%2Ftlorz2n1KfzIYtz3Jogo46PXvCpE%2FyegHU5KmbwiyKfXU6p72j28N2q1BmTNw%3D%3D",
        ),
    ] {
        let tyk = verifier(Dialect::Tyk, algorithm);
        let authorization = value(name, signature, "(request-target) Date x-test");
        let pairs = [("Authorization", authorization.as_str()), ("Date", DATE), ("X-Test", "hello")];
        // Tyk's string knows neither the query nor how the path was encoded: that is its form, not a hole of ours.
        for target in ["/a%20b/c", "/a%20b%2Fc", "/a%20b/c?anything"] {
            assert!(verify(&tyk, target, &pairs, NOW).is_ok(), "{name} {target}");
        }
        assert_eq!(verify(&tyk, "/a%20b/C", &pairs, NOW), Err(Refusal::BadSignature));
        assert_eq!(verify(&tyk, "/a%2", &pairs, NOW), Err(Refusal::Malformed));
        assert_eq!(verify(&tyk, "/%0adate", &pairs, NOW), Err(Refusal::Malformed), "a path that writes lines");
    }
    let tyk = verifier(Dialect::Tyk, HmacSha256);
    let auxiliary = value("hmac-sha256", "KBFZ9SWkLHlyAInKbtEabQTUd6986cijTnPWmbCznU0%3D", "(request-target) date");
    let pairs = [("Authorization", auxiliary.as_str()), ("Date", "whenever"), ("x-aux-date", DATE)];
    assert!(verify(&tyk, "/a%20b/c", &pairs, NOW).is_ok());
}

#[test]
fn the_drafts_own_form() {
    let string_of_c3 = "(request-target) host date content-type digest content-length";
    let pairs: Headers<'_> = headers(&[
        ("Host", "example.com"),
        ("Date", DATE),
        ("Content-Type", "application/json"),
        ("Digest", "SHA-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE="),
        ("Content-Length", "18"),
    ]);
    for (algorithm, name, signature) in [
        (HmacSha256, "hmac-sha256", "kJOoMK+AuLAtTm5U69hAAOrpl8iF/VUhDJu7bcZp+f4="),
        (
            HmacSha512,
            "hmac-sha512",
            "SElvO9utJS7jWJTLxvaDbmvCloWRGdr9PZAr8ob99ZACkLusVEndnQUz2DFbGTph51eQgOBE1XpJCvt04L6PQw==",
        ),
    ] {
        for dialect in [Dialect::Cavage, Dialect::Cavage10] {
            let one = verifier(dialect, algorithm);
            let text = format!(r#"keyId="me",algorithm="{name}",headers="{string_of_c3}",signature="{signature}""#);
            let in_authorization = format!("Signature {text}");
            let carriers = [(&b"authorization"[..], in_authorization.as_bytes()), (b"signature", text.as_bytes())];
            for carrier in carriers {
                let all = [&pairs[..], &[carrier]].concat();
                let accepted = one.verify(&request("POST", "/foo?param=value&pet=dog", &all), NOW).unwrap();
                assert_eq!((accepted.key, accepted.signed_at), (0, NOW));
                assert!(accepted.body.unwrap().matches(br#"{"hello": "world"}"#));
                for swapped in 0..pairs.len() {
                    let mut all = all.clone();
                    all[swapped].1 = all[(swapped + 1) % pairs.len()].1;
                    assert!(one.verify(&request("POST", "/foo?param=value&pet=dog", &all), NOW).is_err());
                }
            }
        }
    }
}

#[test]
fn created_and_expires() {
    let one = verifier(Dialect::Cavage, HmacSha256);
    let value = |algorithm: &str, created: &str| {
        format!(
            r#"Signature keyId="me",{algorithm}created={created},expires=1700000060,headers="(request-target) (created) (expires) x-list x-empty",signature="fi1+BGue0KuU/SxqGEipyfOQ5ZygBPdkmL8EtAdpMIA=""#
        )
    };
    let outcome = |value: &str, now: u64| {
        let pairs = [("Authorization", value), ("X-List", "a"), ("x-list", " b "), ("X-Empty", "")];
        verify(&one, "/", &pairs, now).map(|accepted| accepted.signed_at)
    };
    assert_eq!(outcome(&value("", "1700000000"), 1_700_000_000), Ok(1_700_000_000));
    assert_eq!(outcome(&value(r#"algorithm="hs2019","#, "1700000000"), 1_700_000_059), Ok(1_700_000_000));
    assert_eq!(outcome(&value(r#"algorithm="hs2019","#, "1700000000"), 1_700_000_060), Err(Refusal::TooOld));
    assert_eq!(outcome(&value("", "1700000000"), 1_699_999_699), Err(Refusal::TooNew));
    assert_eq!(outcome(&value("", "1700000001"), 1_700_000_000), Err(Refusal::BadSignature));
    // draft-cavage-12, 2.3: an algorithm of before hs2019 has no created.
    assert_eq!(outcome(&value(r#"algorithm="hmac-sha256","#, "1700000000"), 1_700_000_000), Err(Refusal::Malformed));
    for number in ["-1", "1700000000.5", "\"1700000000\"", "01700000000", "99999999999999999999", ""] {
        assert_eq!(outcome(&value("", number), 1_700_000_000), Err(Refusal::Malformed), "{number}");
    }
}

#[test]
fn secrets_in_rotation_and_unknown_keys() {
    let mut old = shared("me", HmacSha256, "old");
    old.validity = Validity { not_before: 0, not_after: KONG_NOW };
    let one = Verifier::new(Options::new(Dialect::Kong), keys(vec![old, shared("me", HmacSha256, "secret")]));
    let pairs = [("Authorization", KONG), ("Date", KONG_DATE)];
    assert_eq!(verify(&one, "/requests", &pairs, KONG_NOW - 1).unwrap().key, 1);
    let mut gone = shared("me", HmacSha256, "secret");
    gone.validity = Validity { not_before: 0, not_after: KONG_NOW };
    let one = Verifier::new(Options::new(Dialect::Kong), keys(vec![gone]));
    assert_eq!(verify(&one, "/requests", &pairs, KONG_NOW), Err(Refusal::NoActiveSecret));
    assert_eq!(
        verify(&Verifier::new(Options::new(Dialect::Kong), keys(vec![])), "/requests", &pairs, KONG_NOW),
        Err(Refusal::UnknownKey)
    );
}

#[test]
fn what_is_signed_is_accepted_and_damaged_is_not() {
    let mut random = Random(7);
    for (dialect, names) in [
        (Dialect::Cavage, "(request-target) (created) host"),
        (Dialect::Cavage10, "(request-target) date host"),
        (Dialect::Tyk, "(request-target) date host"),
        (Dialect::Kong, "@request-target date host"),
        (Dialect::Kong, "request-line date host"),
        (Dialect::Apisix, "@request-target date host"),
    ] {
        let key = SigningKey::hmac(HmacSha256, &secret("secret")).unwrap();
        let names = names.split(' ').map(String::from).collect();
        let signer = Signer { dialect, key_id: "me".into(), key, names };
        let one = verifier(dialect, HmacSha256);
        let plain = headers(&[("Date", DATE), ("Host", "example.com")]);
        let value = signer.sign(&request("GET", "/a?b", &plain), NOW).unwrap();
        let with = |value: &[u8], host: &[u8]| {
            let all = [&plain[..1], &[(&b"host"[..], host), (b"authorization", value)]].concat();
            one.verify(&request("GET", "/a?b", &all), NOW)
        };
        let accepted = with(value.as_bytes(), b"example.com").unwrap();
        assert!(with(value.as_bytes(), b"example.org").is_err());
        for _ in 0..4_000 {
            let damaged = random.damage(value.as_bytes());
            // Damage may leave the meaning: blanks after a comma, the scheme's case. It may not change it.
            if let Ok(same) = with(&damaged, b"example.com") {
                assert_eq!(same, accepted, "{}", String::from_utf8_lossy(&damaged));
            }
        }
    }
}

#[test]
fn a_signer_cannot_be_made_to_write_parameters() {
    let key = || SigningKey::hmac(HmacSha256, &secret("secret")).unwrap();
    let plain = headers(&[("Date", DATE)]);
    for (key_id, names) in
        [("a\",x=\"", "date"), ("", "date"), ("a\n", "date"), ("a", "(created)"), ("a", "da\"te"), ("a", "absent")]
    {
        let signer = Signer { dialect: Dialect::Tyk, key_id: key_id.into(), key: key(), names: vec![names.into()] };
        assert!(signer.sign(&request("GET", "/", &plain), NOW).is_err(), "{key_id} {names}");
        assert!(!format!("{signer:?}").contains("secret"));
    }
}

/// Issue's bar from JavaScript: 1 us for 200 bytes. Prints with `--release -- --nocapture`.
#[test]
fn what_a_signature_of_200_bytes_costs() {
    let key = SigningKey::hmac(HmacSha256, &secret("secret")).unwrap();
    let names = ["(request-target)", "date", "host", "digest"].map(String::from).to_vec();
    let signer = Signer { dialect: Dialect::Cavage10, key_id: "me".into(), key, names };
    let one = verifier(Dialect::Cavage10, HmacSha256);
    let digest = "SHA-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=";
    let plain = headers(&[("Date", DATE), ("Host", "example.com"), ("Digest", digest), ("Accept", "*/*")]);
    let target = "/foo?param=value&pet=dog&and=some-more";
    let value = signer.sign(&request("GET", target, &plain), NOW).unwrap();
    let all = [&plain[..], &[(b"authorization", value.as_bytes())]].concat();
    let (rounds, times) = if cfg!(debug_assertions) { (1, 100) } else { (9, 20_000) };
    let cost = (0..rounds).map(|_| {
        let began = Instant::now();
        for _ in 0..times {
            assert!(one.verify(black_box(&request("GET", target, &all)), NOW).is_ok());
        }
        began.elapsed().as_secs_f64() * 1e9 / f64::from(times)
    });
    let best = cost.fold(f64::MAX, f64::min);
    println!("cavage, hmac-sha256, 200 bytes: {best:.0} ns");
    assert!(cfg!(debug_assertions) || best < 5_000.0, "{best:.0} ns");
}
