//! Pins JSON Web Tokens: each algorithm, what is refused and as what, that no key serves an algorithm it is not for, that
//! keys and moments are asked again for remembered tokens, and that damage is never accepted as another token.

#![allow(clippy::unwrap_used)] // Reason: a test may panic.

mod common;

use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use common::{
    Random,
    test_keys::{
        P256_PRIVATE, P256_PUBLIC, P384_PRIVATE, P384_PUBLIC, RFC_ED25519_PRIVATE, RFC_ED25519_PUBLIC, RSA_PRIVATE,
        RSA_PUBLIC, der,
    },
};
use polygate_signing::{
    Algorithm, Secret, SigningKey,
    jwt::{Accepted, KeySet, MAX_TOKEN_BYTES, Refusal, Verifier},
};

const NOW: f64 = 1_700_000_000.0;
const SECRET: &str = "a secret of sixty-four bytes, which is what a hash of 512 bits asks";

const ALGORITHMS: [(&str, Algorithm); 13] = [
    ("HS256", Algorithm::HmacSha256),
    ("HS384", Algorithm::HmacSha384),
    ("HS512", Algorithm::HmacSha512),
    ("RS256", Algorithm::RsaV15Sha256),
    ("RS384", Algorithm::RsaV15Sha384),
    ("RS512", Algorithm::RsaV15Sha512),
    ("PS256", Algorithm::RsaPssSha256),
    ("PS384", Algorithm::RsaPssSha384),
    ("PS512", Algorithm::RsaPssSha512),
    ("ES256", Algorithm::EcdsaP256Sha256),
    ("ES384", Algorithm::EcdsaP384Sha384),
    ("EdDSA", Algorithm::Ed25519),
    ("Ed25519", Algorithm::Ed25519),
];

fn signing_key(algorithm: Algorithm) -> SigningKey {
    let private = match algorithm {
        Algorithm::HmacSha256 | Algorithm::HmacSha384 | Algorithm::HmacSha512 => {
            return SigningKey::hmac(algorithm, &Secret::new(SECRET).unwrap()).unwrap();
        }
        Algorithm::EcdsaP256Sha256 => P256_PRIVATE,
        Algorithm::EcdsaP384Sha384 => P384_PRIVATE,
        Algorithm::Ed25519 => RFC_ED25519_PRIVATE,
        _ => RSA_PRIVATE,
    };
    SigningKey::private(algorithm, &der(private)).unwrap()
}

fn encoded(text: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn sign(algorithm: Algorithm, header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", encoded(header.as_bytes()), encoded(payload.as_bytes()));
    let signature = signing_key(algorithm).sign(&[signed.as_bytes()]).unwrap();
    format!("{signed}.{}", encoded(&signature))
}

/// All keys; of each its algorithms.
fn all_keys() -> KeySet {
    let key = |id: &str, algorithms: &str, form: &str, text: &str| {
        format!(r#"{{"id":"{id}","algorithms":[{algorithms}],"{form}":"{}"}}"#, text.trim())
    };
    let list = [
        key("hmac", r#""HS256","HS384","HS512""#, "secret", &STANDARD.encode(SECRET)),
        key("rsa", r#""RS256","RS384","RS512","PS256","PS384","PS512""#, "spki", RSA_PUBLIC),
        key("p256", r#""ES256""#, "spki", P256_PUBLIC),
        key("p384", r#""ES384""#, "spki", P384_PUBLIC),
        key("ed", r#""EdDSA""#, "spki", RFC_ED25519_PUBLIC),
    ];
    key_set(&list.join(","), 1)
}

fn key_set(list: &str, most_without_id: usize) -> KeySet {
    KeySet::new(&format!(r#"{{"keys":[{list}],"mostWithoutId":{most_without_id}}}"#)).unwrap()
}

fn id_of(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::HmacSha256 | Algorithm::HmacSha384 | Algorithm::HmacSha512 => "hmac",
        Algorithm::EcdsaP256Sha256 => "p256",
        Algorithm::EcdsaP384Sha384 => "p384",
        Algorithm::Ed25519 => "ed",
        _ => "rsa",
    }
}

/// Options as the gateway writes them, with one part replaced.
fn verifier(algorithms: &str, change: &[(&str, &str)]) -> Verifier {
    let mut parts = vec![
        ("algorithms", format!("[{algorithms}]")),
        ("type", "null".into()),
        ("issuers", r#"["https://issuer.example"]"#.into()),
        ("audiences", r#"["api","other"]"#.into()),
        ("anyAudience", "false".into()),
        ("expiryRequired", "true".into()),
        ("clockSkewSeconds", "30".into()),
        ("required", "[]".into()),
        ("consumer", "null".into()),
        ("headers", "[]".into()),
    ];
    for (name, value) in change {
        (*value).clone_into(&mut parts.iter_mut().find(|(one, _)| one == name).unwrap().1);
    }
    let members: Vec<_> = parts.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    Verifier::new(&format!("{{{}}}", members.join(","))).unwrap()
}

fn payload() -> String {
    with(r#""sub":"alice""#)
}

fn with(more: &str) -> String {
    format!(r#"{{"iss":"https://issuer.example","aud":"api","exp":1700000100,{more}}}"#)
}

fn check(verifier: &mut Verifier, token: &str) -> Result<Accepted, Refusal> {
    verifier.verify(&all_keys(), token.as_bytes(), NOW).map(|accepted| (*accepted).clone())
}

/// An HS256 token with this header and payload, against the usual options.
fn refused(header: &str, payload: &str) -> Refusal {
    check(&mut verifier(r#""HS256""#, &[]), &sign(Algorithm::HmacSha256, header, payload)).unwrap_err()
}

const HEADER: &str = r#"{"alg":"HS256"}"#;

#[test]
fn headers_that_are_none() {
    let long = format!(r#"{{"alg":"HS256","x":"{}"}}"#, "x".repeat(2000));
    for header in [
        "",
        "{}",
        "[]",
        "null",
        "HS256",
        r#"{"typ":"JWT"}"#,
        r#"{"alg":null}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"HS256","\u0061lg":"none"}"#,
        r#"{"alg":"HS256","kid":"hmac","kid":"rsa"}"#,
        r#"{"alg":"HS256","kid":1}"#,
        r#"{"alg":"HS256","kid":null}"#,
        r#"{"alg":"HS256","typ":{}}"#,
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"HS256","crit":["exp"],"exp":1}"#,
        r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
        r#"{"alg":"HS256","b64":false}"#,
        r#"{"alg":"HS256","b64":true}"#,
        r#"{"alg":"HS256"} {}"#,
        r#"{"alg":"HS256"}x"#,
        "\u{feff}{\"alg\":\"HS256\"}",
        &long,
    ] {
        assert_eq!(refused(header, &payload()), Refusal::Malformed, "{header}");
    }
}

#[test]
fn forms_that_are_none() {
    let good = sign(Algorithm::HmacSha256, HEADER, &payload());
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!() };
    // The last character has bits to spare: another with the same value would be another text of one token.
    let last = signature.as_bytes()[signature.len() - 1];
    let spare = (b'A'..=b'z').map(char::from).find(|&other| {
        let changed = format!("{}{other}", &signature[..signature.len() - 1]);
        u32::from(other) != u32::from(last) && URL_SAFE_NO_PAD.decode(changed).is_err() && other.is_ascii_alphabetic()
    });
    for wrong in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        header.into(),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{header}..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{good}."),
        format!("{good}.{signature}"),
        format!("{good}="),
        format!("{good} "),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{good}\0"),
        format!("{header}.{claims}.{signature}é"),
        format!("{header}=.{claims}.{signature}"),
        format!("{header}.{claims}.{}{}", &signature[..signature.len() - 1], spare.unwrap()),
        format!("{header}.{claims}.+/{}", &signature[2..]),
        format!("{good}{}", "A".repeat(MAX_TOKEN_BYTES)),
        format!("{header}.{}.{signature}", "A".repeat(MAX_TOKEN_BYTES)),
    ] {
        assert_eq!(check(&mut verifier(r#""HS256""#, &[]), &wrong), Err(Refusal::Malformed), "{wrong}");
    }
    assert!(check(&mut verifier(r#""HS256""#, &[]), &good).is_ok());
}

#[test]
fn claims_that_are_none() {
    for payload in [
        "",
        "[]",
        "null",
        "\"{}\"",
        r#"{"exp":1700000100,"exp":1700000100}"#,
        r#"{"iss":"https://issuer.example","aud":"api","exp":1700000100,"a":{"b":1,"b":1}}"#,
        &with(r#""nbf":"0""#),
        &with(r#""nbf":null"#),
        &with(r#""iat":"yesterday""#),
        &with(r#""nbf":1e999"#),
        &with(r#""nbf":NaN"#),
        &with("\"a\":\"\n\""),
        &with(r#""a":"\ud800""#),
        &with(&format!(r#""a":{}1{}"#, "[".repeat(500), "]".repeat(500))),
        &payload().replace("1700000100", "\"1700000100\""),
        &payload().replace("1700000100", "true"),
        &payload().replace("\"api\"", "1"),
        &payload().replace("\"api\"", "null"),
        &payload().replace("\"api\"", r#"["api",1]"#),
        &payload().replace("\"https://issuer.example\"", r#"["https://issuer.example"]"#),
        // Without an end, where one is required.
        r#"{"iss":"https://issuer.example","aud":"api"}"#,
    ] {
        assert_eq!(refused(HEADER, payload), Refusal::Malformed, "{payload}");
    }
    let mut bytes = payload().into_bytes();
    let at = bytes.len() - 3;
    bytes[at] = 0xff;
    let signed = format!("{}.{}", encoded(HEADER.as_bytes()), encoded(&bytes));
    let signature = signing_key(Algorithm::HmacSha256).sign(&[signed.as_bytes()]).unwrap();
    let token = format!("{signed}.{}", encoded(&signature));
    assert_eq!(check(&mut verifier(r#""HS256""#, &[]), &token), Err(Refusal::Malformed));
}

#[test]
fn every_algorithm_and_each_against_every_other() {
    for (name, algorithm) in ALGORITHMS {
        let header = format!(r#"{{"alg":"{name}","kid":"{}"}}"#, id_of(algorithm));
        let token = sign(algorithm, &header, &payload());
        assert_eq!(check(&mut verifier(&format!("\"{name}\""), &[]), &token), Ok(Accepted::default()), "{name}");
        for (other, as_other) in ALGORITHMS {
            if algorithm == as_other {
                continue;
            }
            // Configured for another.
            let outcome = check(&mut verifier(&format!("\"{other}\""), &[]), &token);
            assert_eq!(outcome, Err(Refusal::WrongAlgorithm), "{name} where {other} is configured");
            // It says that it is another, and that is configured.
            for id in [id_of(algorithm), id_of(as_other)] {
                let token = sign(algorithm, &format!(r#"{{"alg":"{other}","kid":"{id}"}}"#), &payload());
                let outcome = check(&mut verifier(&format!("\"{name}\",\"{other}\""), &[]), &token);
                assert!(
                    matches!(outcome, Err(Refusal::UnknownKey | Refusal::BadSignature)),
                    "{name} as {other}: {outcome:?}"
                );
            }
        }
    }
}

#[test]
fn no_algorithm_and_unknown_ones() {
    let all = ALGORITHMS.map(|(name, _)| format!("\"{name}\"")).join(",");
    for name in ["none", "None", "NONE", "", "hs256", "HS256 ", "HS1", "RS1", "ES512", "ES256K", "RSA-OAEP", "dir"] {
        let header = format!(r#"{{"alg":"{name}"}}"#);
        let token = sign(Algorithm::HmacSha256, &header, &payload());
        assert_eq!(check(&mut verifier(&all, &[]), &token), Err(Refusal::WrongAlgorithm), "{name}");
        let (unsigned, _) = token.rsplit_once('.').unwrap();
        assert_eq!(check(&mut verifier(&all, &[]), &format!("{unsigned}.")), Err(Refusal::Malformed), "{name}");
    }
    assert!(Verifier::new("{}").is_err());
}

/// The oldest trick: the public key, which everybody has, as the secret of an HMAC.
#[test]
fn a_public_key_is_no_secret() {
    for form in [RSA_PUBLIC.trim().as_bytes().to_vec(), der(RSA_PUBLIC)] {
        let key = SigningKey::hmac(Algorithm::HmacSha256, &Secret::new(form).unwrap()).unwrap();
        for header in [r#"{"alg":"HS256","kid":"rsa"}"#, HEADER] {
            let signed = format!("{}.{}", encoded(header.as_bytes()), encoded(payload().as_bytes()));
            let token = format!("{signed}.{}", encoded(&key.sign(&[signed.as_bytes()]).unwrap()));
            let only_rsa = format!(r#"{{"id":"rsa","algorithms":["RS256"],"spki":"{}"}}"#, RSA_PUBLIC.trim());
            let outcome = verifier(r#""RS256""#, &[]).verify(&key_set(&only_rsa, 1), token.as_bytes(), NOW);
            assert_eq!(outcome, Err(Refusal::WrongAlgorithm));
            let outcome = verifier(r#""RS256","HS256""#, &[]).verify(&key_set(&only_rsa, 1), token.as_bytes(), NOW);
            assert_eq!(outcome, Err(Refusal::UnknownKey));
        }
    }
}

#[test]
fn key_sets_that_are_none() {
    let secret = |bytes: usize| STANDARD.encode("x".repeat(bytes));
    for (key, reason) in [
        (r#"{"id":null,"algorithms":["none"],"secret":"AAAA"}"#.into(), "unknown algorithm \"none\""),
        (r#"{"id":null,"algorithms":["HS256"]}"#.into(), "either spki or secret"),
        (r#"{"id":null,"algorithms":["HS256"],"spki":"AA==","secret":"AA=="}"#.into(), "either spki or secret"),
        (r#"{"id":null,"algorithms":["HS256"],"secret":"a b"}"#.into(), "base64 was expected"),
        (format!(r#"{{"id":null,"algorithms":["HS256"],"secret":"{}"}}"#, secret(31)), "at least 32 bytes"),
        (format!(r#"{{"id":null,"algorithms":["HS384"],"secret":"{}"}}"#, secret(47)), "at least 48 bytes"),
        (format!(r#"{{"id":null,"algorithms":["HS512"],"secret":"{}"}}"#, secret(63)), "at least 64 bytes"),
        (format!(r#"{{"id":null,"algorithms":["RS256"],"secret":"{}"}}"#, secret(64)), "no shared secret"),
        (format!(r#"{{"id":null,"algorithms":["HS256"],"spki":"{}"}}"#, RSA_PUBLIC.trim()), "not a key for this"),
        (format!(r#"{{"id":null,"algorithms":["ES256"],"spki":"{}"}}"#, P384_PUBLIC.trim()), "not a key for this"),
        (format!(r#"{{"id":null,"algorithms":["ES384"],"spki":"{}"}}"#, P256_PUBLIC.trim()), "not a key for this"),
        ("{".into(), "a key set in JSON was expected"),
    ] {
        let error = KeySet::new(&format!(r#"{{"keys":[{key}],"mostWithoutId":1}}"#)).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
    let blank = STANDARD.encode(" ".repeat(64));
    let blank = format!(r#"{{"keys":[{{"id":null,"algorithms":["HS256"],"secret":"{blank}"}}],"mostWithoutId":1}}"#);
    assert!(KeySet::new(&blank).unwrap_err().contains("blank"));
}

#[test]
fn keys_by_their_ids() {
    let hmac =
        |id: &str, text: &str| format!(r#"{{"id":{id},"algorithms":["HS256"],"secret":"{}"}}"#, STANDARD.encode(text));
    let ours = |id: &str| hmac(id, SECRET);
    let other = |id: &str| hmac(id, &"y".repeat(40));
    let named = sign(Algorithm::HmacSha256, r#"{"alg":"HS256","kid":"a"}"#, &payload());
    let unnamed = sign(Algorithm::HmacSha256, HEADER, &payload());
    for (token, list, most, outcome) in [
        (&named, ours(r#""a""#), 1, Ok(())),
        (&named, ours(r#""b""#), 1, Err(Refusal::UnknownKey)),
        (&named, ours("null"), 1, Ok(())),
        (&named, ours(r#""A""#), 1, Err(Refusal::UnknownKey)),
        (&named, ours(r#""a ""#), 1, Err(Refusal::UnknownKey)),
        // One id twice: a key of it is enough.
        (&named, [other(r#""a""#), ours(r#""a""#)].join(","), 1, Ok(())),
        (&named, [other(r#""a""#), ours("null")].join(","), 1, Err(Refusal::BadSignature)),
        (&named, vec![other(r#""a""#); 4].join(",") + "," + &ours(r#""a""#), 9, Err(Refusal::BadSignature)),
        (&unnamed, ours(r#""a""#), 1, Ok(())),
        (&unnamed, [other(r#""a""#), ours(r#""b""#)].join(","), 1, Err(Refusal::UnknownKey)),
        (&unnamed, [other(r#""a""#), ours(r#""b""#)].join(","), 2, Ok(())),
        (&unnamed, [other("null"), other("null")].join(","), 2, Err(Refusal::BadSignature)),
        (&unnamed, String::new(), 2, Err(Refusal::NoKeys)),
    ] {
        let found = verifier(r#""HS256""#, &[]).verify(&key_set(&list, most), token.as_bytes(), NOW);
        assert_eq!(found.map(|_| ()), outcome, "{list}");
    }
}

#[test]
fn moments_with_their_skew() {
    let at = |claims: &str, now: f64| {
        let token = sign(Algorithm::HmacSha256, HEADER, claims);
        verifier(r#""HS256""#, &[]).verify(&all_keys(), token.as_bytes(), now).map(|_| ())
    };
    let claims = with(r#""nbf":1700000000,"iat":99999999999"#);
    for (now, outcome) in [
        (1_699_999_969.9, Err(Refusal::NotYet)),
        (1_699_999_970.0, Ok(())),
        (1_700_000_129.9, Ok(())),
        (1_700_000_130.0, Err(Refusal::Expired)),
        (0.0, Err(Refusal::NotYet)),
        (1e15, Err(Refusal::Expired)),
    ] {
        assert_eq!(at(&claims, now), outcome, "{now}");
    }
    let fraction = payload().replace("1700000100", "1700000100.5");
    assert_eq!(at(&fraction, 1_700_000_130.4), Ok(()));
    assert_eq!(at(&fraction, 1_700_000_130.5), Err(Refusal::Expired));
    assert_eq!(at(&payload().replace("1700000100", "-1"), NOW), Err(Refusal::Expired));
    assert_eq!(at(&payload().replace("1700000100", "1e300"), NOW), Ok(()));
    // Expired is what its client hears, whatever else is wrong.
    let both = claims.replace("\"api\"", "\"nobody\"");
    assert_eq!(at(&both, 1e15), Err(Refusal::Expired));
    let endless = r#"{"iss":"https://issuer.example","aud":"api"}"#;
    let token = sign(Algorithm::HmacSha256, HEADER, endless);
    assert!(check(&mut verifier(r#""HS256""#, &[("expiryRequired", "false")]), &token).is_ok());
}

#[test]
fn issuers_audiences_and_types() {
    let issuer = "\"https://issuer.example\"";
    for wrong in ["\"https://issuer.example/\"", "\"HTTPS://issuer.example\"", "\"\"", "\"https://issuer.example \""] {
        assert_eq!(refused(HEADER, &payload().replace(issuer, wrong)), Refusal::WrongIssuer, "{wrong}");
    }
    assert_eq!(refused(HEADER, r#"{"aud":"api","exp":1700000100}"#), Refusal::WrongIssuer);
    let no_audience = r#"{"iss":"https://issuer.example","exp":1700000100}"#;
    for wrong in [&payload().replace("\"api\"", "\"API\""), &payload().replace("\"api\"", "[]"), no_audience] {
        assert_eq!(refused(HEADER, wrong), Refusal::WrongAudience, "{wrong}");
    }
    let check = |change: &[(&str, &str)], header: &str, payload: &str| {
        check(&mut verifier(r#""HS256""#, change), &sign(Algorithm::HmacSha256, header, payload)).map(|_| ())
    };
    assert_eq!(check(&[], HEADER, &payload().replace("\"api\"", r#"["x","other"]"#)), Ok(()));
    // RFC 7519, 4.1.3: who has no name is in no audience.
    assert_eq!(check(&[("audiences", "[]")], HEADER, &payload()), Err(Refusal::WrongAudience));
    assert_eq!(check(&[("audiences", "[]")], HEADER, no_audience), Ok(()));
    for any in [&payload(), no_audience] {
        assert_eq!(check(&[("anyAudience", "true")], HEADER, any), Ok(()));
    }
    assert_eq!(check(&[("issuers", "[]")], HEADER, &payload().replace(issuer, "\"anyone\"")), Ok(()));
    for (typ, outcome) in [
        (r#","typ":"at+jwt""#, Ok(())),
        (r#","typ":"application/AT+JWT""#, Ok(())),
        (r#","typ":"JWT""#, Err(Refusal::WrongType)),
        ("", Err(Refusal::WrongType)),
    ] {
        let header = format!(r#"{{"alg":"HS256"{typ}}}"#);
        assert_eq!(check(&[("type", r#""at+jwt""#)], &header, &payload()), outcome, "{typ}");
    }
}

#[test]
fn required_claims_consumers_and_headers() {
    let check = |change: &[(&str, &str)], more: &str| {
        check(&mut verifier(r#""HS256""#, change), &sign(Algorithm::HmacSha256, HEADER, &with(more)))
    };
    let required = [("required", r#"[{"claim":"scope","all":["read"]},{"claim":"level","any":[1,2]}]"#)];
    assert_eq!(check(&required, r#""scope":"write read","level":2"#), Ok(Accepted::default()));
    assert_eq!(check(&required, r#""scope":"write read","level":"2""#), Err(Refusal::Claims));
    assert_eq!(check(&required, r#""scope":"write","level":2"#), Err(Refusal::Claims));

    let subjects = r#"[{"subject":"alice","issuer":null,"consumer":3},{"subject":"7","issuer":null,"consumer":4},
        {"subject":"bob","issuer":"https://other.example","consumer":5},
        {"subject":"bob","issuer":"https://issuer.example","consumer":6},
        {"subject":"carol","issuer":"https://other.example","consumer":7}]"#;
    for (more, consumer) in [
        (r#""sub":"alice""#, Some(3)),
        (r#""sub":7"#, Some(4)),
        (r#""sub":"bob""#, Some(6)),
        (r#""sub":"carol""#, None),
        (r#""sub":"Alice""#, None),
        (r#""sub":["alice"]"#, None),
        (r#""sub":null"#, None),
        (r#""other":"alice""#, None),
    ] {
        for admit in ["false", "true"] {
            let rule = format!(r#"{{"claim":"sub","subjects":{subjects},"admitUnknown":{admit}}}"#);
            let outcome = check(&[("consumer", &rule)], more).map(|accepted| accepted.consumer);
            let wanted =
                if consumer.is_none() && admit == "false" { Err(Refusal::UnknownConsumer) } else { Ok(consumer) };
            assert_eq!(outcome, wanted, "{more}");
        }
    }

    let headers = [("headers", r#"[{"name":"x-user","claim":"sub"},{"name":"x-roles","claim":"/realm/roles"}]"#)];
    let accepted = check(&headers, r#""sub":"a\r\nb","realm":{"roles":["x"]}"#).unwrap();
    let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    assert_eq!(accepted.headers, [pair("x-user", "a%0D%0Ab"), pair("x-roles", r#"["x"]"#)]);
    assert_eq!(check(&headers, r#""sub":null"#).unwrap().headers, []);
}

#[test]
fn a_remembered_token_ends_with_its_time_and_its_keys() {
    let token = sign(Algorithm::HmacSha256, HEADER, &payload());
    let mut verifier = verifier(r#""HS256""#, &[]);
    let keys = all_keys();
    let mut at = |keys: &KeySet, now: f64| verifier.verify(keys, token.as_bytes(), now).map(|_| ());
    assert_eq!(at(&keys, NOW), Ok(()));
    assert_eq!(at(&keys, NOW), Ok(()));
    assert_eq!(at(&keys, NOW + 130.0), Err(Refusal::Expired));
    assert_eq!(at(&keys, NOW), Ok(()), "a clock that goes back");
    let others =
        key_set(&format!(r#"{{"id":"hmac","algorithms":["HS256"],"secret":"{}"}}"#, STANDARD.encode([7; 32])), 1);
    assert_eq!(at(&others, NOW), Err(Refusal::BadSignature));
    assert_eq!(at(&key_set("", 1), NOW), Err(Refusal::NoKeys));
    assert_eq!(at(&keys, NOW), Ok(()));
}

#[test]
fn damage_is_refused() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let keys = all_keys();
    let all = ALGORITHMS.map(|(name, _)| format!("\"{name}\"")).join(",");
    let mut verifier = verifier(&all, &[]);
    for (name, algorithm) in [ALGORITHMS[0], ALGORITHMS[3], ALGORITHMS[9], ALGORITHMS[11]] {
        let header = format!(r#"{{"alg":"{name}","kid":"{}","typ":"JWT"}}"#, id_of(algorithm));
        let token = sign(algorithm, &header, &with(r#""sub":"alice","scope":"read write","a":[{"b":null}]"#));
        assert!(verifier.verify(&keys, token.as_bytes(), NOW).is_ok());
        for _ in 0..if cfg!(debug_assertions) { 1_500 } else { 30_000 } {
            let damaged = random.damage(token.as_bytes());
            if damaged != token.as_bytes() {
                assert!(verifier.verify(&keys, &damaged, NOW).is_err(), "{}", String::from_utf8_lossy(&damaged));
            }
            // Damage below the encoding, signed anew: it may be another token, but nothing panics.
            let texts = [random.damage(header.as_bytes()), random.damage(payload().as_bytes())];
            let signed = format!("{}.{}", encoded(&texts[0]), encoded(&texts[1]));
            if algorithm == Algorithm::HmacSha256 {
                let signature = signing_key(algorithm).sign(&[signed.as_bytes()]).unwrap();
                let _ = verifier.verify(&keys, format!("{signed}.{}", encoded(&signature)).as_bytes(), NOW);
            }
        }
    }
}
