//! Pins signed heads on their way to an upstream: each scheme's own verifier accepts them, a client's signature does not
//! go with them, and the rest of the head is as it was.

#![allow(clippy::unwrap_used)] // Reason: a test may panic.

mod common;

use common::{keys, secret, shared};
use polygate_signing::{
    Algorithm, BodyDigest, Refusal, Request, SigningKey, Validity,
    cavage::{self, Dialect},
    rfc9421, sha256, sigv4,
    upstream::{HeadSigner, Scheme},
};

const NOW: u64 = 1_790_000_000;
const SECRET: &str = "a secret of the upstream";
const BODY: &[u8] = b"{\"a\":1}";
const HEAD: &str = "POST /a//b/../c?d=%2f HTTP/1.1\r\nhost: api.example\r\ncontent-length: 7\r\nAuthorization: Bearer x\r\n\
                    Signature: sig1=:AA==:\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\nX-Amz-Date: 19700101T000000Z\r\n\
                    x-two: 1\r\nx-two: 2\r\n\r\n";

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn hmac() -> SigningKey {
    SigningKey::hmac(Algorithm::HmacSha256, &secret(SECRET)).unwrap()
}

fn cavage_signer(dialect: Dialect, names: &[&str]) -> Scheme {
    Scheme::Cavage(cavage::Signer { dialect, key_id: "us".into(), key: hmac(), names: owned(names) })
}

fn rfc9421_signer(components: &[&str]) -> Scheme {
    Scheme::Rfc9421(rfc9421::Signer {
        label: "sig1".into(),
        key_id: "us".into(),
        key: hmac(),
        components: owned(components),
        expires_after_seconds: Some(60),
        tag: Some("polygate".into()),
    })
}

fn sigv4_signer() -> Scheme {
    Scheme::SigV4(sigv4::Signer {
        key_id: "AKID".into(),
        secret: secret(SECRET),
        region: "us-east-1".into(),
        service: "execute-api".into(),
        path: sigv4::Path::Normalized,
    })
}

/// The head behind something else in the buffer, signed; without that.
fn signed(scheme: Scheme, body: Option<&[u8; 32]>) -> String {
    let mut out = [b"before", HEAD.as_bytes()].concat();
    HeadSigner::new(scheme, true).unwrap().sign(&mut out, 6, body, NOW, "n1").unwrap();
    String::from_utf8(out).unwrap().strip_prefix("before").unwrap().to_owned()
}

/// Calls `work` with the request that an upstream reads.
fn read<R>(head: &str, work: impl FnOnce(&Request<'_>) -> R) -> R {
    let (start, fields) = head.strip_suffix("\r\n\r\n").unwrap().split_once("\r\n").unwrap();
    assert_eq!(start, "POST /a//b/../c?d=%2f HTTP/1.1");
    let headers: Vec<(&[u8], &[u8])> = fields
        .split("\r\n")
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    work(&Request {
        method: b"POST",
        scheme: "https",
        authority: b"api.example",
        target: b"/a//b/../c?d=%2f",
        headers: &headers,
    })
}

fn count(head: &str, name: &str) -> usize {
    head.to_ascii_lowercase().matches(&format!("\r\n{name}: ")).count()
}

#[test]
fn cavage_in_all_dialects() {
    for (dialect, target) in [
        (Dialect::Cavage, "(request-target)"),
        (Dialect::Cavage10, "(request-target)"),
        (Dialect::Tyk, "(request-target)"),
        (Dialect::Kong, "@request-target"),
        (Dialect::Apisix, "@request-target"),
    ] {
        // Only the drafts say how a header that comes twice is signed.
        let is_draft = matches!(dialect, Dialect::Cavage | Dialect::Cavage10);
        let twice = if is_draft { "x-two" } else { "x-absent" };
        let names = [target, "host", "date", "digest", twice, "content-type"];
        let head = signed(cavage_signer(dialect, &names), Some(&sha256(BODY)));
        assert_eq!([count(&head, "authorization"), count(&head, "date"), count(&head, "digest")], [1, 1, 1], "{head}");
        assert_eq!([count(&head, "signature"), count(&head, "x-two")], [0, 2], "{head}");
        let mut options = cavage::Options::new(dialect);
        options.required = owned(&["host", "digest"]);
        let key = shared("us", Algorithm::HmacSha256, SECRET);
        let verifier = cavage::Verifier::new(options, keys(vec![key]));
        let accepted = read(&head, |request| verifier.verify(request, NOW)).unwrap();
        assert!(accepted.body.unwrap().matches(BODY), "{dialect:?}");
    }
}

#[test]
fn rfc9421_with_a_digest_and_another_nonce_each_time() {
    let components = ["@method", "@target-uri", "content-digest", "date", "x-two", "x-absent"];
    let head = signed(rfc9421_signer(&components), Some(&sha256(BODY)));
    assert_eq!([count(&head, "signature"), count(&head, "signature-input"), count(&head, "date")], [1, 1, 1], "{head}");
    assert_eq!(count(&head, "authorization"), 1, "not RFC 9421's: {head}");
    assert!(head.contains(";nonce=\"n1\";tag=\"polygate\"") && !head.contains("x-absent"), "{head}");
    let mut options = rfc9421::Options::new();
    options.required = owned(&["content-digest"]);
    let verifier = rfc9421::Verifier::new(options, keys(vec![shared("us", Algorithm::HmacSha256, SECRET)]));
    let accepted = read(&head, |request| verifier.verify(request, NOW)).unwrap();
    assert!(accepted.body.unwrap().matches(BODY));
    assert_eq!(accepted.nonce.unwrap(), b"n1");
    let late = read(&head, |request| verifier.verify(request, NOW + 61));
    assert_eq!(late.unwrap_err(), Refusal::TooOld, "it has expired");
}

#[test]
fn sigv4_with_and_without_the_body() {
    for body in [Some(sha256(BODY)), None] {
        let head = signed(sigv4_signer(), body.as_ref());
        assert_eq!([count(&head, "authorization"), count(&head, "x-amz-date")], [1, 1], "{head}");
        assert!(head.contains("x-amz-content-sha256: ") && !head.contains("Bearer"), "{head}");
        let mut options = sigv4::Options::new("us-east-1", "execute-api");
        options.unsigned_payload = body.is_none();
        let key = sigv4::AccessKey { id: b"AKID".to_vec(), secret: secret(SECRET), validity: Validity::ALWAYS };
        let verifier = sigv4::Verifier::new(options, vec![key]);
        read(&head, |request| verifier.verify(request, body.as_ref(), NOW)).unwrap();
    }
}

#[test]
fn a_body_that_is_not_signed() {
    let head = signed(rfc9421_signer(&["@method", "@target-uri", "content-digest"]), None);
    assert_eq!(count(&head, "content-digest"), 0, "{head}");
    let verifier =
        rfc9421::Verifier::new(rfc9421::Options::new(), keys(vec![shared("us", Algorithm::HmacSha256, SECRET)]));
    assert_eq!(read(&head, |request| verifier.verify(request, NOW)).unwrap().body, None::<BodyDigest>);
}

#[test]
fn what_cannot_sign_is_found_before_the_first_request() {
    assert!(HeadSigner::new(rfc9421_signer(&["@method", "@made-up"]), false).is_err());
    assert!(HeadSigner::new(rfc9421_signer(&["@method", "@method"]), false).is_err());
    assert!(HeadSigner::new(cavage_signer(Dialect::Kong, &["(created)"]), false).is_err());
    assert!(HeadSigner::new(cavage_signer(Dialect::Cavage, &[]), false).is_err());
    let Scheme::SigV4(mut signer) = sigv4_signer() else { unreachable!() };
    signer.region = "us east".into();
    assert!(HeadSigner::new(Scheme::SigV4(signer), false).is_err());
}

#[test]
fn a_head_that_cannot_be_signed_stays_as_it_is() {
    let signer = HeadSigner::new(rfc9421_signer(&["@method", "x-text"]), false).unwrap();
    for head in ["GET / HTTP/1.1\r\nx-a: b\r\n\r\n", "", "GET\r\n\r\n"] {
        let mut out = head.as_bytes().to_vec();
        let outcome = signer.sign(&mut out, 0, None, NOW, "n");
        assert!(outcome.is_err(), "{head:?}");
        assert_eq!(out, head.as_bytes());
    }
    assert_eq!(signer.sign(&mut Vec::new(), 9, None, NOW, "n"), Err(Refusal::Malformed));
}
