//! Pins AWS `SigV4`: the requests that are refused, AWS's own test suite, requests signed by botocore in header and
//! query, and that what [`Signer`] signs is accepted and damaged is not.

#![allow(clippy::unwrap_used)] // Reason: a test may panic.

mod common;

use common::{Headers, Random, headers, request, secret};
use polygate_signing::{
    Refusal, Request, Validity,
    sigv4::{Accepted, AccessKey, Options, Path, Signed, Signer, Verifier},
};

/// 2015-08-30T12:36:00Z.
const NOW: u64 = 1_440_938_160;
const STAMP: &str = "20150830T123600Z";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const HOST: (&str, &str) = ("Host", "example.amazonaws.com");

fn verifier(options: Options) -> Verifier {
    let key = AccessKey { id: b"AKIDEXAMPLE".to_vec(), secret: secret(SECRET), validity: Validity::ALWAYS };
    Verifier::new(options, vec![key])
}

fn sha256(body: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(body).into()
}

fn authorization(service: &str, signed: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request, SignedHeaders={signed}, Signature={signature}"
    )
}

const VANILLA: &str = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
const UNRESERVED: &str = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

type Case = (&'static str, String, Vec<(&'static str, &'static str)>, &'static str, &'static str);

/// AWS's suite: method, target, headers besides host and date, body, signed names besides those, signature. Left out are
/// folded headers and a blank in the request line, which are no HTTP, and a token that is not signed.
fn suite() -> Vec<Case> {
    let mine = |values: &[&'static str]| values.iter().map(|value| ("My-Header1", *value)).collect();
    let token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
    let form = vec![("Content-Type", "application/x-www-form-urlencoded")];
    let form_utf8 = vec![("Content-Type", "application/x-www-form-urlencoded; charset=utf8")];
    let get = |target: &str, signature| ("GET", target.to_string(), Vec::new(), "", signature);
    let post = |target: &str, signature| ("POST", target.to_string(), Vec::new(), "", signature);
    vec![
        get("/", VANILLA),
        (
            "GET",
            "/".into(),
            mine(&["value2", "value2", "value1"]),
            "",
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        ),
        (
            "GET",
            "/".into(),
            mine(&["value4", "value1", "value3", "value2"]),
            "",
            "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
        ),
        (
            "GET",
            "/".into(),
            vec![("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
            "",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        get(&format!("/{UNRESERVED}"), "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
        get("/\u{1234}", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        get("/?Param1=value1", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
        get("/?Param1=value2&Param1=Value1", "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1"),
        get("/?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        get("/?Param1=value2&Param1=value1", "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"),
        get(
            &format!("/?{UNRESERVED}={UNRESERVED}"),
            "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
        ),
        get("/?\u{1234}=bar", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
        post("/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ("POST", "/".into(), mine(&["value1"]), "", "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"),
        ("POST", "/".into(), mine(&["VALUE1"]), "", "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"),
        post("/?Param1=value1", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
        ("POST", "/".into(), form, "Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
        (
            "POST",
            "/".into(),
            form_utf8,
            "Param1=value1",
            "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe",
        ),
        (
            "POST",
            "/".into(),
            vec![("X-Amz-Security-Token", token)],
            "",
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
        ),
        get("/example/..", VANILLA),
        get("/example1/example2/../..", VANILLA),
        get("//", VANILLA),
        get("/./", VANILLA),
        get("/./example", "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"),
        get("//example//", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
    ]
}

#[test]
fn aws_own_suite() {
    let one = verifier(Options::new("us-east-1", "service"));
    for (method, target, extra, body, signature) in suite() {
        let mut names: Vec<String> = extra.iter().map(|(name, _)| name.to_lowercase()).collect();
        names.extend(["host".into(), "x-amz-date".into()]);
        names.sort();
        names.dedup();
        let value = authorization("service", &names.join(";"), signature);
        let all: Headers<'_> =
            [headers(&[HOST, ("X-Amz-Date", STAMP), ("Authorization", &value)]), headers(&extra)].concat();
        let hash = sha256(body.as_bytes());
        let accepted = one.verify(&request(method, &target, &all), Some(&hash), NOW);
        assert!(accepted.is_ok(), "{target} {signature}: {accepted:?}");
        assert!(accepted.unwrap().body.unwrap().matches(body.as_bytes()), "{target}");
        for (method, body) in [("PUT", body), (method, "another body")] {
            let outcome = one.verify(&request(method, &target, &all), Some(&sha256(body.as_bytes())), NOW);
            assert_eq!(outcome, Err(Refusal::BadSignature), "{method} {target}");
        }
        let no_body = one.verify(&request(method, &target, &all), None, NOW);
        assert_eq!(no_body, Err(Refusal::Missing), "the body's hash is signed, and is not known");
    }
}

/// Signed by botocore.
#[test]
fn botocore_is_understood() {
    let api = Options { presigned: true, ..Options::new("us-east-1", "execute-api") };
    let s3 = Options { presigned: true, unsigned_payload: true, ..Options::new("us-east-1", "s3") };
    let value = authorization(
        "execute-api",
        "content-type;host;x-amz-date",
        "0a9def634ac7510c79905f57b092648674af29e448e3d9975231ec91f48ed88e",
    );
    let pairs =
        headers(&[HOST, ("Content-Type", "application/json"), ("X-Amz-Date", STAMP), ("Authorization", &value)]);
    let target = "/a%20b/c%2Fd/~x?b=%20y&a=%C3%A9&a=1&empty";
    let hash = sha256(br#"{"hello": "world"}"#);
    let verify =
        |target: &str| verifier(api.clone()).verify(&request("POST", target, &pairs), Some(&hash), NOW).map(|_| ());
    assert_eq!(verify(target), Ok(()));
    assert_eq!(verify("/a%20b/c%2Fd/~x?empty=&a=1&a=%c3%a9&b=%20%79"), Ok(()), "the same parameters");
    for other in [
        target.replace("%2F", "/"),
        target.replace("%2F", "%2f"),
        target.replace("~x", "~X"),
        target.replace("%C3%A9", "e%CC%81"),
        target.replace("a=1", "A=1"),
        target.replace("&empty", ""),
        target.replace("b=%20y&a=", "b=%20y%26a="),
    ] {
        assert_eq!(verify(&other), Err(Refusal::BadSignature), "{other}");
    }
    for other in [target.replace("%20y", "+y"), target.replace("%20y", "%2")] {
        assert_eq!(verify(&other), Err(Refusal::Malformed), "{other}");
    }

    let content = "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5";
    let value = authorization(
        "s3",
        "content-md5;host;x-amz-content-sha256;x-amz-date",
        "05c990201b2211dd60920ca925dc78aabd5db03f6df6741bea9df91a17f9e757",
    );
    let pairs = headers(&[
        HOST,
        ("Content-MD5", "x"),
        ("X-Amz-Date", STAMP),
        ("X-Amz-Content-SHA256", content),
        ("Authorization", &value),
    ]);
    let put = |target: &str| verifier(s3.clone()).verify(&request("PUT", target, &pairs), None, NOW);
    let accepted = put("/bucket//a%20b/../c%2Fd").unwrap();
    assert!(accepted.body.unwrap().matches(b"body") && !accepted.body.unwrap().matches(b"Body"));
    for other in ["/bucket/a%20b/../c%2Fd", "/bucket//c%2Fd", "/bucket//a%20b/../c/d"] {
        assert_eq!(put(other), Err(Refusal::BadSignature), "{other}");
    }
    let other_body =
        verifier(s3.clone()).verify(&request("PUT", "/bucket//a%20b/../c%2Fd", &pairs), Some(&[0; 32]), NOW);
    assert_eq!(other_body, Err(Refusal::WrongDigest));

    let host = headers(&[HOST]);
    let presigned = |one: &Options, target: &str, now: u64| {
        verifier(one.clone())
            .verify(&request("GET", target, &host), Some(&sha256(b"")), now)
            .map(|accepted| accepted.body.is_some())
    };
    for (one, target, expires, has_body) in [(&s3, S3_QUERY, 3_600, false), (&api, API_QUERY, 60, true)] {
        assert_eq!(presigned(one, target, NOW), Ok(has_body));
        assert_eq!(presigned(one, target, NOW + expires), Ok(has_body));
        assert_eq!(presigned(one, target, NOW + expires + 1), Err(Refusal::TooOld));
        assert_eq!(presigned(one, target, NOW - 301), Err(Refusal::TooNew));
        assert_eq!(
            presigned(one, &target.replace("X-Amz-Expires=", "X-Amz-Expires=1"), NOW),
            Err(Refusal::BadSignature)
        );
        let refused = Options { presigned: false, ..one.clone() };
        assert_eq!(presigned(&refused, target, NOW), Err(Refusal::Missing));
    }
    for (target, now, outcome) in [
        (API_QUERY_WITHOUT_END, NOW + 300, Ok(true)),
        (API_QUERY_WITHOUT_END, NOW + 301, Err(Refusal::TooOld)),
        (API_QUERY_WITHOUT_END, NOW - 301, Err(Refusal::TooNew)),
    ] {
        assert_eq!(presigned(&api, target, now), outcome);
    }
    let with_end = format!("{API_QUERY_WITHOUT_END}&X-Amz-Expires=3600");
    assert_eq!(presigned(&api, &with_end, NOW), Err(Refusal::BadSignature), "an end that is not signed");
    assert_eq!(presigned(&s3, &S3_QUERY.replace("&X-Amz-Expires=3600", ""), NOW), Err(Refusal::Missing));
    let signed_only = Options { unsigned_payload: false, ..s3 };
    assert_eq!(presigned(&signed_only, S3_QUERY, NOW), Err(Refusal::NotCovered));
}

const S3_QUERY: &str = "/bucket/key%20x?versionId=1&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=b46a3cd6807a85434aaf356a8eb1461dca40426b8d1997b06b6bd7b8aaf16491";
const API_QUERY: &str = "/a%20b?x=1&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fexecute-api%2Faws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=3943cde58608f6585cf5dbe97c5d9662b42495af566fe0930f2f4544abaa7174";
/// As aws4fetch writes it for all services but S3.
const API_QUERY_WITHOUT_END: &str = "/a%20b?x=1&X-Amz-Date=20150830T123600Z&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fexecute-api%2Faws4_request&X-Amz-SignedHeaders=host&X-Amz-Signature=0515673c829741d8bb13de7b54e891bfd1f169d5a408aa4160515f1474027f93";

#[test]
fn queries_that_two_readers_would_read_differently() {
    let one = verifier(Options { presigned: true, ..Options::new("us-east-1", "execute-api") });
    let plain = headers(&[HOST]);
    let verify =
        |target: &str, all: &Headers<'_>| one.verify(&request("GET", target, all), Some(&sha256(b"")), NOW).err();
    assert_eq!(verify(API_QUERY, &plain), None);
    for (added, refusal) in [
        ("&X-Amz-Credential=other", Refusal::Duplicate),
        ("&x-amz-credential=other", Refusal::Duplicate),
        ("&X-Amz-%43redential=other", Refusal::Duplicate),
        ("&X-AMZ-SIGNATURE=00", Refusal::Duplicate),
        ("&X-Amz-Security-Token=x", Refusal::BadSignature),
    ] {
        assert_eq!(verify(&format!("{API_QUERY}{added}"), &plain), Some(refusal), "{added}");
    }
    for (from, to, refusal) in [
        ("X-Amz-Credential", "x-amz-credential", Refusal::Malformed),
        ("X-Amz-Expires=60", "X-Amz-Expires=0", Refusal::Malformed),
        ("X-Amz-Expires=60", "X-Amz-Expires=604801", Refusal::Malformed),
        ("X-Amz-Expires=60", "X-Amz-Expires=060", Refusal::Malformed),
        ("X-Amz-Expires=60", "X-Amz-Expires=%2060", Refusal::Malformed),
        ("&X-Amz-Expires=60", "", Refusal::BadSignature),
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", Refusal::WrongAlgorithm),
        ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=", Refusal::Malformed),
        ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=accept", Refusal::NotCovered),
        ("X-Amz-Signature=39", "X-Amz-Signature=", Refusal::Malformed),
        ("20150830T123600Z", "20150831T123600Z", Refusal::Malformed),
    ] {
        assert_eq!(verify(&API_QUERY.replace(from, to), &plain), Some(refusal), "{to}");
    }
    let in_header = authorization("execute-api", "host;x-amz-date", VANILLA);
    let both = headers(&[HOST, ("X-Amz-Date", STAMP), ("Authorization", &in_header)]);
    assert_eq!(verify(API_QUERY, &both), Some(Refusal::Duplicate), "credentials in two places");
    let unsigned = headers(&[HOST, ("X-Amz-Meta", "x")]);
    assert_eq!(verify(API_QUERY, &unsigned), Some(Refusal::NotCovered));
}

#[test]
fn headers_that_are_no_signature() {
    let one = verifier(Options::new("us-east-1", "service"));
    let good = authorization("service", "host;x-amz-date", VANILLA);
    let verify = |value: &str, extra: &[(&str, &str)], now: u64| {
        let all: Headers<'_> = [headers(&[HOST, ("Authorization", value)]), headers(extra)].concat();
        one.verify(&request("GET", "/", &all), Some(&sha256(b"")), now).err()
    };
    let date = ("X-Amz-Date", STAMP);
    assert_eq!(verify(&good, &[date], NOW), None);
    for (value, refusal) in [
        (String::new(), Refusal::Missing),
        ("Bearer x".into(), Refusal::Missing),
        (good.replace("SHA256 ", "SHA1 "), Refusal::WrongAlgorithm),
        (good.replace(", Sig", ", Signature=00, Sig"), Refusal::Duplicate),
        (good.replace(", Sig", ", Other=1, Sig"), Refusal::Malformed),
        (good.replace(", SignedHeaders=host;x-amz-date", ""), Refusal::Missing),
        (good.replace("host;x-amz-date", "x-amz-date;host"), Refusal::Malformed),
        (good.replace("host;x-amz-date", "host;host;x-amz-date"), Refusal::Malformed),
        (good.replace("host;x-amz-date", "Host;x-amz-date"), Refusal::Malformed),
        (good.replace("host;x-amz-date", "x-amz-date"), Refusal::NotCovered),
        (good.replace("host;x-amz-date", "host"), Refusal::NotCovered),
        (good.replace("host;", "accept;host;"), Refusal::Missing),
        (good.replace("5fa0", "5fa"), Refusal::Malformed),
        (good.replace("5fa0", "5FA0"), Refusal::Malformed),
        (format!("{good}00"), Refusal::Malformed),
        (format!("{good},"), Refusal::Malformed),
        (good.replace("20150830", "20150831"), Refusal::Malformed),
        (good.replace("us-east-1", "us-west-1"), Refusal::BadSignature),
        (good.replace("/service", "/s3"), Refusal::BadSignature),
        (good.replace("aws4_request", "aws4"), Refusal::Malformed),
        (good.replace("AKIDEXAMPLE", "NOBODY"), Refusal::UnknownKey),
        (good.replace("5fa0", "5fa1"), Refusal::BadSignature),
    ] {
        assert_eq!(verify(&value, &[date], NOW), Some(refusal), "{value}");
    }
    for (extra, refusal) in [
        (vec![], Refusal::Missing),
        (vec![date, date], Refusal::Duplicate),
        (vec![("X-Amz-Date", "20150830T123600")], Refusal::Malformed),
        (vec![("X-Amz-Date", "20150830T126000Z")], Refusal::Malformed),
        (vec![("X-Amz-Date", "20150230T123600Z")], Refusal::Malformed),
        (vec![date, ("x-amz-target", "Other")], Refusal::NotCovered),
        (vec![date, ("Host", "example.org")], Refusal::Duplicate),
        (vec![date, ("Authorization", &good)], Refusal::Duplicate),
    ] {
        assert_eq!(verify(&good, &extra, NOW), Some(refusal), "{extra:?}");
    }
    assert_eq!((verify(&good, &[date], NOW + 300), verify(&good, &[date], NOW + 301)), (None, Some(Refusal::TooOld)));
    assert_eq!((verify(&good, &[date], NOW - 300), verify(&good, &[date], NOW - 301)), (None, Some(Refusal::TooNew)));
}

#[test]
fn every_other_kind_of_payload_is_refused() {
    let one = verifier(Options::new("us-east-1", "service"));
    let value = authorization("service", "host;x-amz-content-sha256;x-amz-date", VANILLA);
    for (payload, refusal) in [
        ("UNSIGNED-PAYLOAD", Refusal::NotCovered),
        ("unsigned-payload", Refusal::Malformed),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", Refusal::Malformed),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", Refusal::Malformed),
        ("", Refusal::Malformed),
        ("E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855", Refusal::Malformed),
        ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", Refusal::BadSignature),
    ] {
        let pairs =
            headers(&[HOST, ("X-Amz-Date", STAMP), ("X-Amz-Content-Sha256", payload), ("Authorization", &value)]);
        assert_eq!(one.verify(&request("GET", "/", &pairs), None, NOW), Err(refusal), "{payload}");
    }
}

#[test]
fn what_is_signed_is_accepted_and_damaged_is_not() {
    let mut random = Random(17);
    for (service, path) in [("execute-api", Path::Normalized), ("s3", Path::AsSent)] {
        let (key_id, region) = ("AKIDEXAMPLE".into(), "us-east-1".into());
        let signer = Signer { key_id, secret: secret(SECRET), region, service: service.into(), path };
        let one = verifier(Options::new("us-east-1", service));
        let plain = headers(&[HOST, ("Content-Type", "text/plain"), ("X-Amz-Meta-A", " a  b ")]);
        let target = "/a%20b/../c?z=1&a=%2F";
        let hash = sha256(b"body");
        let Signed { date, content_sha256, authorization } =
            signer.sign(&request("POST", target, &plain), Some(&hash), NOW).unwrap();
        assert_eq!(date, STAMP);
        let verify = |target: &[u8], value: &[u8]| -> Result<Accepted, Refusal> {
            let ours = [
                (&b"x-amz-date"[..], date.as_bytes()),
                (b"x-amz-content-sha256", content_sha256.as_bytes()),
                (b"authorization", value),
            ];
            let all = [&plain[..], &ours].concat();
            one.verify(&Request { target, ..request("POST", "", &all) }, None, NOW)
        };
        let accepted = verify(target.as_bytes(), authorization.as_bytes()).unwrap();
        assert!(accepted.body.unwrap().matches(b"body"));
        for _ in 0..4_000 {
            let damaged = random.damage(authorization.as_bytes());
            if let Ok(same) = verify(target.as_bytes(), &damaged) {
                assert_eq!(same, accepted, "{}", String::from_utf8_lossy(&damaged));
            }
            // Other texts of the same path and parameters may pass; nothing may panic.
            let _ = verify(&random.damage(target.as_bytes()), authorization.as_bytes());
        }
        for id in ["", "a/b", "a,b", "a b", "a\n"] {
            let bad =
                Signer { key_id: id.into(), secret: secret(SECRET), region: "r".into(), service: "s".into(), path };
            assert!(bad.sign(&request("GET", "/", &plain), None, NOW).is_err() && !format!("{bad:?}").contains("wJal"));
        }
    }
}
