//! What the other schemes cost, for one request of ordinary size, and what the worst that a stranger can send costs before
//! it is refused. `cargo test --release -p polygate-signing --test speed
//! -- --nocapture` prints it; the bounds are far above what is measured, so that only a change of order fails on a busy
//! machine.

#![allow(clippy::unwrap_used)] // Reason: a test may panic.

mod common;

use std::{hint::black_box, time::Instant};

use common::{
    headers, keys, named, request, secret, shared,
    test_keys::{P256_PRIVATE, P256_PUBLIC, RFC_ED25519_PRIVATE, RFC_ED25519_PUBLIC, RSA_PRIVATE, RSA_PUBLIC, der},
};
use polygate_signing::{
    Algorithm::{EcdsaP256Sha256, Ed25519, HmacSha256, RsaV15Sha256},
    Refusal, SigningKey, Validity, VerifyingKey, jwt, rfc9421, sigv4, webhook,
};

const NOW: u64 = 1_700_000_000;

/// The best of several rounds.
fn measure(what: &str, bound_ns: f64, work: impl FnMut() -> bool) {
    measured(what, bound_ns, 2_000, work);
}

/// The same of what takes milliseconds.
fn measure_few(what: &str, bound_ns: f64, work: impl FnMut() -> bool) {
    measured(what, bound_ns, 2, work);
}

fn measured(what: &str, bound_ns: f64, times: u32, mut work: impl FnMut() -> bool) {
    let (rounds, times) = if cfg!(debug_assertions) { (1, times.min(5)) } else { (7, times) };
    let mut best = f64::MAX;
    for _ in 0..rounds {
        let began = Instant::now();
        for _ in 0..times {
            assert!(black_box(work()));
        }
        best = best.min(began.elapsed().as_secs_f64() * 1e9 / f64::from(times));
    }
    println!("{what}: {best:.0} ns");
    assert!(cfg!(debug_assertions) || best < bound_ns, "{what}: {best:.0} ns");
}

/// `count` names of three letters, none twice.
fn names(count: usize) -> impl Iterator<Item = String> {
    let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
    (0..count).map(move |n| [letter(n), letter(n / 26), letter(n / 676)].iter().collect())
}

/// A head may have 16 KiB, a body 1 MiB, unless the configuration says otherwise. What takes long here holds up everybody.
#[test]
fn the_worst_that_a_stranger_can_send() {
    // Of a head, and of a body.
    let (head_ns, body_ns) = (5_000_000.0, 40_000_000.0);
    let message = rfc9421::Verifier::new(rfc9421::Options::new(), keys(vec![shared("me", HmacSha256, "secret")]));
    let refused = |what: &str, target: &str, input: &str, refusal| {
        let pairs = headers(&[("signature-input", input), ("signature", "sig=:AAAA:")]);
        let one = request("GET", target, &pairs);
        measure_few(what, head_ns, || message.verify(&one, NOW) == Err(refusal));
    };
    let all = names(4000).collect::<Vec<_>>();
    refused("RFC 9421, 4,000 members", "/", &all.join(","), Refusal::Malformed);
    refused("RFC 9421, 4,000 parameters", "/", &format!("sig=();{}", all.join(";")), Refusal::Malformed);
    let signed = names(120).collect::<Vec<_>>().join("\" \"@query-param\";name=\"");
    let query = names(1800).collect::<Vec<_>>().join("=&");
    let input =
        format!("sig=(\"@method\" \"@target-uri\" \"@query-param\";name=\"{signed}\");created={NOW};keyid=\"me\"");
    refused("RFC 9421, 120 parameters of 1,800", &format!("/?{query}"), &input, Refusal::BadSignature);

    let refused = |scheme, pairs: &[(&str, &str)], body: &str, refusal| {
        let one = webhook::Verifier::new(scheme, 300, &[(secret("secret"), Validity::ALWAYS)]).unwrap();
        let pairs = headers(pairs);
        let what = format!("{scheme:?}, {} bytes", body.len());
        measure_few(&what, body_ns, || one.verify(&request("POST", "/", &pairs), body.as_bytes(), NOW) == Err(refusal));
    };
    let form = ("content-type", "application/x-www-form-urlencoded");
    let signature = ("x-twilio-signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
    refused(webhook::Scheme::Twilio, &[form, signature], &"a&".repeat(1 << 19), Refusal::Malformed);
    let fields = (0..1024).rev().map(|n| format!("{}{n:04}", "a".repeat(1019))).collect::<Vec<_>>().join("&");
    refused(webhook::Scheme::Twilio, &[form, signature], &fields, Refusal::BadSignature);
    let list = format!("t={NOW}{}", format!(",v1={}", "0".repeat(64)).repeat(8));
    refused(webhook::Scheme::Stripe, &[("stripe-signature", &list)], &fields, Refusal::BadSignature);
}

#[test]
fn rfc9421_verify() {
    for (key, verifying, bound_ns) in [
        (SigningKey::hmac(HmacSha256, &secret("secret")), shared("me", HmacSha256, "secret"), 20_000.0),
        (
            SigningKey::private(Ed25519, &der(RFC_ED25519_PRIVATE)),
            named("me", VerifyingKey::public(Ed25519, &der(RFC_ED25519_PUBLIC)).unwrap()),
            1_000_000.0,
        ),
        (
            SigningKey::private(EcdsaP256Sha256, &der(P256_PRIVATE)),
            named("me", VerifyingKey::public(EcdsaP256Sha256, &der(P256_PUBLIC)).unwrap()),
            1_000_000.0,
        ),
        (
            SigningKey::private(RsaV15Sha256, &der(RSA_PRIVATE)),
            named("me", VerifyingKey::public(RsaV15Sha256, &der(RSA_PUBLIC)).unwrap()),
            1_000_000.0,
        ),
    ] {
        let key = key.unwrap();
        let what = format!("RFC 9421, {:?}, verify", key.algorithm());
        let components = ["@method", "@target-uri", "date", "content-digest"].map(String::from).to_vec();
        let (label, key_id) = ("sig1".into(), "me".into());
        let signer = rfc9421::Signer { label, key_id, key, components, expires_after_seconds: None, tag: None };
        let digest = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
        let plain =
            headers(&[("Host", "example.com"), ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"), ("Content-Digest", digest)]);
        let sent = signer.sign(&request("POST", "/foo?bar", &plain), NOW, None).unwrap();
        let all = [&plain[..], &headers(&[("Signature-Input", &sent.input), ("Signature", &sent.signature)])].concat();
        let one = rfc9421::Verifier::new(rfc9421::Options::new(), keys(vec![verifying]));
        measure(&what, bound_ns, || one.verify(black_box(&request("POST", "/foo?bar", &all)), NOW).is_ok());
    }
}

#[test]
fn sigv4_verify() {
    let (key_id, region, service) = ("AKIDEXAMPLE".into(), "us-east-1".into(), "execute-api".into());
    let signer = sigv4::Signer { key_id, secret: secret("secret"), region, service, path: sigv4::Path::Normalized };
    let plain = headers(&[("Host", "example.com"), ("Content-Type", "application/json"), ("Accept", "*/*")]);
    let sent = signer.sign(&request("POST", "/foo/bar?a=b&c=d", &plain), Some(&[7; 32]), NOW).unwrap();
    let ours = headers(&[
        ("X-Amz-Date", &sent.date),
        ("X-Amz-Content-Sha256", &sent.content_sha256),
        ("Authorization", &sent.authorization),
    ]);
    let all = [plain, ours].concat();
    let key = sigv4::AccessKey { id: b"AKIDEXAMPLE".to_vec(), secret: secret("secret"), validity: Validity::ALWAYS };
    let one = sigv4::Verifier::new(sigv4::Options::new("us-east-1", "execute-api"), vec![key]);
    measure("SigV4, verify", 50_000.0, || {
        one.verify(black_box(&request("POST", "/foo/bar?a=b&c=d", &all)), None, NOW).is_ok()
    });
}

#[test]
fn webhook_verify() {
    let key = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let body = [b'x'; 1_000];
    let signature = webhook::sign(webhook::Scheme::StandardWebhooks, &key, "id", &body, NOW).unwrap();
    let time = NOW.to_string();
    let all = headers(&[("webhook-id", "id"), ("webhook-timestamp", &time), ("webhook-signature", &signature)]);
    let scheme = webhook::Scheme::StandardWebhooks;
    let one = webhook::Verifier::new(scheme, scheme.skew_seconds(), &[(key, Validity::ALWAYS)]).unwrap();
    measure("Standard Webhooks, 1,000 bytes, verify", 50_000.0, || {
        one.verify(black_box(&request("POST", "/", &all)), &body, NOW).is_ok()
    });
}

/// A token that is seen for the first time, and one that comes again.
#[test]
fn jwt_verify() {
    let encoded = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, bytes);
    let claims = r#"{"iss":"https://issuer.example/","aud":"api","sub":"alice","scope":"read write","exp":1800000000}"#;
    let secret_text = "a secret of thirty-two bytes, at least";
    let shared = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, secret_text);
    for (name, key, material, bound_ns) in [
        ("HS256", SigningKey::hmac(HmacSha256, &secret(secret_text)), ("secret", shared.as_str()), 50_000.0),
        ("RS256", SigningKey::private(RsaV15Sha256, &der(RSA_PRIVATE)), ("spki", RSA_PUBLIC.trim()), 1_000_000.0),
        ("ES256", SigningKey::private(EcdsaP256Sha256, &der(P256_PRIVATE)), ("spki", P256_PUBLIC.trim()), 1_000_000.0),
    ] {
        let signed = format!("{}.{}", encoded(format!(r#"{{"alg":"{name}"}}"#).as_bytes()), encoded(claims.as_bytes()));
        let token = format!("{signed}.{}", encoded(&key.unwrap().sign(&[signed.as_bytes()]).unwrap()));
        let one = format!(r#"{{"id":null,"algorithms":["{name}"],"{}":"{}"}}"#, material.0, material.1);
        let keys = [0, 1].map(|_| jwt::KeySet::new(&format!(r#"{{"keys":[{one}],"mostWithoutId":1}}"#)).unwrap());
        let mut verifier = jwt::Verifier::new(&format!(
            r#"{{"algorithms":["{name}"],"type":null,"issuers":["https://issuer.example/"],"audiences":["api"],
                "anyAudience":false,"expiryRequired":true,"clockSkewSeconds":30,
                "required":[{{"claim":"scope","all":["read"]}}],"consumer":null,"headers":[]}}"#
        ))
        .unwrap();
        let now = 1_700_000_000.0;
        // Other keys each time: what was remembered is forgotten.
        let mut turn = 0;
        measure(&format!("JWT, {name}, {} bytes, first", token.len()), bound_ns, || {
            turn ^= 1;
            verifier.verify(&keys[turn], black_box(token.as_bytes()), now).is_ok()
        });
        measure(&format!("JWT, {name}, again"), 20_000.0, || {
            verifier.verify(&keys[0], black_box(token.as_bytes()), now).is_ok()
        });
    }
}
