//! Pins RFC 9421: the requests that are refused, the vectors of its appendix B.2, requests signed by Python's
//! http-message-signatures with each algorithm, and that what [`Signer`] signs is accepted and damaged is not.

#![allow(clippy::unwrap_used)] // Reason: a test may panic.

mod common;

use common::{
    Headers, Random, headers, keys, named, request, shared,
    test_keys::{
        P256_PRIVATE, P256_PUBLIC, RFC_ED25519_PRIVATE, RFC_ED25519_PUBLIC, RFC_P256_PUBLIC, RFC_RSA_PSS_PUBLIC,
        RFC_SHARED, RSA_PRIVATE, RSA_PUBLIC, der,
    },
};
use polygate_signing::{
    Algorithm::{self, EcdsaP256Sha256, Ed25519, HmacSha256, RsaPssSha512, RsaV15Sha256},
    BodyDigest, NamedKey, Refusal, Request, Secret, SigningKey, VerifyingKey, content_digest,
    rfc9421::{Accepted, Options, Signed, Signer, Verifier},
};

const CREATED: u64 = 1_618_884_473;

fn public(id: &str, algorithm: Algorithm, spki: &str) -> NamedKey {
    named(id, VerifyingKey::public(algorithm, &der(spki)).unwrap())
}

fn verifier(options: Options, key: NamedKey) -> Verifier {
    Verifier::new(options, keys(vec![key]))
}

fn lax() -> Options {
    Options { require_target: false, ..Options::new() }
}

/// RFC 9421, B.2, `test-request`.
fn test_request() -> Headers<'static> {
    headers(&[
        ("Host", "example.com"),
        ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("Content-Type", "application/json"),
        (
            "Content-Digest",
            "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
        ),
        ("Content-Length", "18"),
    ])
}

fn with<'a>(plain: &Headers<'a>, input: &'a str, signature: &'a str) -> Headers<'a> {
    [&plain[..], &headers(&[("Signature-Input", input), ("Signature", signature)])].concat()
}

fn post<'a>(all: &'a Headers<'a>) -> Request<'a> {
    request("POST", "/foo?param=Value&Pet=dog", all)
}

const B21: (&str, &str) = (
    r#"sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd""#,
    "sig-b21=:d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==:",
);
const B22: (&str, &str) = (
    r#"sig-b22=("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example""#,
    "sig-b22=:LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==:",
);
const B23: (&str, &str) = (
    r#"sig-b23=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss""#,
    "sig-b23=:bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==:",
);
const B25: (&str, &str) = (
    r#"sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#,
    "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
);
const B26: (&str, &str) = (
    r#"sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#,
    "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
);

fn rfc_shared() -> Secret {
    Secret::new(der(RFC_SHARED)).unwrap()
}

fn rfc_keys() -> Vec<NamedKey> {
    vec![
        public("test-key-rsa-pss", RsaPssSha512, RFC_RSA_PSS_PUBLIC),
        public("test-key-ed25519", Ed25519, RFC_ED25519_PUBLIC),
        named("test-shared-secret", VerifyingKey::hmac(HmacSha256, &rfc_shared()).unwrap()),
    ]
}

#[test]
fn what_is_no_signature() {
    let one = verifier(lax(), shared("me", HmacSha256, "secret"));
    let good = r#"sig=("date");created=1618884473;keyid="me""#;
    for (input, signature, refusal) in [
        ("", "", Refusal::Missing),
        (good, "", Refusal::Missing),
        (good, "other=:aGk=:", Refusal::Missing),
        (good, "sig=:aGk=:, sig=:aGk=:", Refusal::Duplicate),
        (good, "sig=::", Refusal::Malformed),
        (good, "sig=aGk", Refusal::Malformed),
        (good, "sig=:aGl=:", Refusal::Malformed),
        (good, "sig=:aGk=:,", Refusal::Malformed),
        (good, "sig=:aGk=", Refusal::Malformed),
        (r#"sig="date""#, "sig=:aGk=:", Refusal::Malformed),
        (r#"sig=("date")"#, "sig=:aGk=:", Refusal::Missing),
        (r#"sig=("date");created=1618884473"#, "sig=:aGk=:", Refusal::Missing),
        (r#"sig=("date");keyid="me""#, "sig=:aGk=:", Refusal::Missing),
        (r#"sig=("date");created=1618884473;created=1618884473;keyid="me""#, "sig=:aGk=:", Refusal::Duplicate),
        (r#"sig=("date");created=01618884473;keyid="me""#, "sig=:aGk=:", Refusal::Malformed),
        (r#"sig=("date");created=1618884473.0;keyid="me""#, "sig=:aGk=:", Refusal::Malformed),
        (r#"sig=("date");created=-1;keyid="me""#, "sig=:aGk=:", Refusal::Malformed),
        (r#"sig=("date");created="1618884473";keyid="me""#, "sig=:aGk=:", Refusal::Malformed),
        (r#"sig=("date");created=1618884473;keyid=me"#, "sig=:aGk=:", Refusal::Malformed),
        (r#"sig=("date");created=1618884473;keyid="me";crit="x""#, "sig=:aGk=:", Refusal::Malformed),
        (r#"sig=("date" "date");created=1618884473;keyid="me""#, "sig=:aGk=:", Refusal::Duplicate),
        (r#"sig=("Date");created=1618884473;keyid="me""#, "sig=:aGk=:", Refusal::Malformed),
        (r#"sig=("");created=1618884473;keyid="me""#, "sig=:aGk=:", Refusal::Malformed),
        (r#"sig=(date);created=1618884473;keyid="me""#, "sig=:aGk=:", Refusal::Malformed),
        (r#"sig=("absent");created=1618884473;keyid="me""#, "sig=:aGk=:", Refusal::Missing),
        (r#"sig=("@signature-params");created=1618884473;keyid="me""#, "sig=:aGk=:", Refusal::Malformed),
        (r#"sig=("@status");created=1618884473;keyid="me""#, "sig=:aGk=:", Refusal::Malformed),
        (r#"sig=("@method";req);created=1618884473;keyid="me""#, "sig=:aGk=:", Refusal::Malformed),
        (r#"sig=("date";sf);created=1618884473;keyid="me""#, "sig=:aGk=:", Refusal::Malformed),
        (r#"sig=("date";tr);created=1618884473;keyid="me""#, "sig=:aGk=:", Refusal::Malformed),
        (r#"sig=("date");created=1618884473;keyid="nobody""#, "sig=:aGk=:", Refusal::UnknownKey),
        (r#"sig=("date");created=1618884473;keyid="me";alg="none""#, "sig=:aGk=:", Refusal::WrongAlgorithm),
        (r#"sig=("date");created=1618884473;keyid="me";alg="ed25519""#, "sig=:aGk=:", Refusal::WrongAlgorithm),
        (good, "sig=:aGk=:", Refusal::BadSignature),
    ] {
        let plain = test_request();
        let all = with(&plain, input, signature);
        assert_eq!(one.verify(&post(&all), CREATED), Err(refusal), "{input} {signature}");
    }
}

#[test]
fn lists_are_bounded() {
    let one = verifier(lax(), shared("me", HmacSha256, "secret"));
    let plain = test_request();
    let verify =
        |input: &str, signature: &str| one.verify(&post(&with(&plain, input, signature)), CREATED).unwrap_err();
    let names = |count: usize| (0..count).map(|n| format!("a{n}")).collect::<Vec<_>>();
    let good = r#"sig=("date");created=1618884473;keyid="me""#;
    for (count, refusal) in [(128, Refusal::BadSignature), (129, Refusal::Malformed)] {
        let members = names(count - 1).join(",");
        assert_eq!(verify(good, &format!("sig=:aGk=:,{members}")), refusal, "{count} members");
        let parameters = names(count).join(";");
        assert_eq!(verify(good, &format!("sig=:aGk=:,b=1;{parameters}")), refusal, "{count} parameters");
    }
    for (count, refusal) in [(128, Refusal::Missing), (129, Refusal::Malformed)] {
        let items = names(count).join("\" \"");
        let input = good.replace("date", &items);
        assert_eq!(verify(&input, "sig=:aGk=:"), refusal, "{count} components");
    }
}

#[test]
fn what_has_to_be_signed_is_compared_whole() {
    let plain = test_request();
    for (components, options) in [
        ("()", Options::new()),
        (r#"("@method")"#, Options::new()),
        (r#"("@method" "@path")"#, Options::new()),
        (r#"("@path" "@query")"#, Options::new()),
        (r#"("@method";req "@target-uri")"#, Options::new()),
        (r#"("@method" "@target-uri")"#, Options { required: vec!["content-digest".into()], ..Options::new() }),
        (r#"("content-digest";bs)"#, Options { required: vec!["content-digest".into()], ..lax() }),
    ] {
        let one = verifier(options, shared("me", HmacSha256, "secret"));
        let input = format!(r#"sig={components};created=1618884473;keyid="me""#);
        let all = with(&plain, &input, "sig=:aGk=:");
        assert_eq!(one.verify(&post(&all), CREATED), Err(Refusal::NotCovered), "{components}");
    }
}

#[test]
fn keys_are_for_one_algorithm() {
    for (algorithm, spki) in [
        (Ed25519, RSA_PUBLIC),
        (RsaV15Sha256, P256_PUBLIC),
        (EcdsaP256Sha256, RFC_ED25519_PUBLIC),
        (HmacSha256, RSA_PUBLIC),
        (Ed25519, ""),
    ] {
        assert!(VerifyingKey::public(algorithm, &der(spki)).is_none(), "{algorithm:?}");
    }
    assert!(
        VerifyingKey::hmac(Ed25519, &rfc_shared()).is_none() && SigningKey::hmac(RsaV15Sha256, &rfc_shared()).is_none()
    );
    assert!(SigningKey::private(Ed25519, &der(RSA_PRIVATE)).is_none());
    let mut random = Random(11);
    for spki in [RSA_PUBLIC, P256_PUBLIC, RFC_ED25519_PUBLIC] {
        let good = der(spki);
        assert!((0..good.len()).all(|length| {
            [RsaPssSha512, EcdsaP256Sha256, Ed25519].iter().all(|a| VerifyingKey::public(*a, &good[..length]).is_none())
        }));
        let longer = [&good[..], b"\0"].concat();
        assert!([RsaPssSha512, EcdsaP256Sha256, Ed25519].iter().all(|a| VerifyingKey::public(*a, &longer).is_none()));
        for _ in 0..500 {
            let damaged = random.damage(&good);
            for algorithm in [RsaV15Sha256, EcdsaP256Sha256, Ed25519] {
                // Some damage is another key; it may verify nothing, and nothing may panic.
                let verified = VerifyingKey::public(algorithm, &damaged).map(|key| key.verify(&[b"x"], &[1; 64]));
                assert_ne!(verified, Some(true));
            }
        }
    }
}

#[test]
fn the_vectors_of_appendix_b() {
    let one = Verifier::new(lax(), keys(rfc_keys()));
    let plain = test_request();
    for (key, (input, signature)) in [(0, B21), (0, B22), (0, B23), (2, B25), (1, B26)] {
        let all = with(&plain, input, signature);
        let accepted = one.verify(&post(&all), CREATED).unwrap();
        assert_eq!((accepted.key, accepted.created), (key, CREATED));
        if let Some(body) = accepted.body {
            assert!(body.matches(br#"{"hello": "world"}"#) && !body.matches(b"{\"hello\": \"world\"}\n"));
        }
        assert_eq!(one.verify(&post(&all), CREATED + 301), Err(Refusal::TooOld));
        assert_eq!(one.verify(&post(&all), CREATED - 301), Err(Refusal::TooNew));
        let other = input.replace("created=1618884473", "created=1618884474");
        assert_eq!(one.verify(&post(&with(&plain, &other, signature)), CREATED), Err(Refusal::BadSignature));
    }
    let all = with(&plain, B21.0, B21.1);
    assert_eq!(one.verify(&post(&all), CREATED).unwrap().nonce.unwrap(), b"b3k2pp5k7z-50gnwp.yemd");
    // B.2.4 signs a response: its base, as printed, with the key that it names.
    let base = r#""@status": 200
"content-type": application/json
"content-digest": sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:
"content-length": 23
"@signature-params": ("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256""#;
    let signature = der("wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==");
    let key = VerifyingKey::public(EcdsaP256Sha256, &der(RFC_P256_PUBLIC)).unwrap();
    assert!(key.verify(&[base.as_bytes()], &signature) && !key.verify(&[base.as_bytes()], &signature[1..]));
}

#[test]
fn what_the_appendix_signs_is_signed_alike() {
    let plain = test_request();
    for (key, key_id, label, names, (input, signature)) in [
        (
            SigningKey::hmac(HmacSha256, &rfc_shared()),
            "test-shared-secret",
            "sig-b25",
            "date @authority content-type",
            B25,
        ),
        (
            SigningKey::private(Ed25519, &der(RFC_ED25519_PRIVATE)),
            "test-key-ed25519",
            "sig-b26",
            "date @method @path @authority content-type content-length",
            B26,
        ),
    ] {
        let components = names.split(' ').map(String::from).collect();
        let (label, key_id) = (label.into(), key_id.into());
        let signer = Signer { label, key_id, key: key.unwrap(), components, expires_after_seconds: None, tag: None };
        let expected = Signed { input: input.into(), signature: signature.into() };
        assert_eq!(signer.sign(&post(&plain), CREATED, None), Ok(expected));
    }
}

/// Signed by Python's http-message-signatures 1.x.
#[test]
fn an_independent_client_is_understood() {
    let plain = headers(&[
        ("Content-Type", "application/json"),
        ("Content-Digest", "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"),
    ]);
    for (key, name, signature) in [
        (
            public("me", RsaV15Sha256, RSA_PUBLIC),
            "rsa-v1_5-sha256",
            "euz01zsZgMz/1YQQw+vIFMwtkN2I68VlV/JRQysUAaaZbyK0Ufur3y6qVGTKRDgVerr4BB4jLsrqt19ISXeGbeUdB240OAtmYP8Cosk5ZcFWgH4OveB/dRiHYM6GMmBVRAthuWzZeIPdYuw4AtVdqvtiFZrAkJsbJMWRPXdPaNKLsnb013ovb/GEjNgU33r7cqkFnvLw9z61Sy7oT2lU4gfiE9xPyB6tIJ9fTDrlvFIJSyPCmCkKJgE9ZmATfG67wupwvwnNF95ApP8dWRMEIc/V84lfONvQbcz/N31c2GD14XHWmTzA86B5jefW5OnOKEN7zR94aWBo461pAGUzsA==",
        ),
        (
            public("me", RsaPssSha512, RSA_PUBLIC),
            "rsa-pss-sha512",
            "FwmsOGXarOLcIkiTr8OUwYnUeguFDf50z5QcdJes7b7reN65AxyrDTIzcl4vTWLgvZnb5gXAYkW6OK/MW5tI15slT8yyXayoA7E6FXSVvH6HZxZn5ObTZ1SPYlD1+q7PdIWAplF4YuncLNk0grVt6Pd6B/XJty8VqQSKf8uj1C0ZQu9ujIchsbVTJds+zwl1PK69Xw0TMm8l1yf/iT5jMvAeiJkc6V2SeEJTNfY1K+T54r7UxpyP78m+FtI6ArZyDnibL+FqCgl0Uptx9B7O/G0MmBekQ5lac6VQWW78Wnz9xBHZpSEX71898uiUX6XJnpC6OazhBhrk52IKZi9OeQ==",
        ),
        (
            public("me", EcdsaP256Sha256, P256_PUBLIC),
            "ecdsa-p256-sha256",
            "gA40pPDh0ntMoaFq540mXZq5iTCgrUXZyG0smYcGn4NEuHJpnWRnv9WqVJLSSb+wNHZR60OTCdITfHSC5TyNyA==",
        ),
        (shared("me", HmacSha256, "secret"), "hmac-sha256", "zrjiK7EmxAIGgZa38Hhswk+jOI5KOGS+hKXGBG7hRGw="),
    ] {
        let input = format!(
            r#"sig1=("@method" "@target-uri" "@authority" "@path" "@query" "content-type" "content-digest");created=1618884473;keyid="me";alg="{name}";nonce="n1";tag="app""#
        );
        let signature = format!("sig1=:{signature}:");
        let options = Options { required: vec!["content-digest".into()], tag: Some("app".into()), ..Options::new() };
        let one = verifier(options, key);
        let all = with(&plain, &input, &signature);
        let verify = |authority: &str, target: &str, all: &Headers<'_>| {
            one.verify(&Request { authority: authority.as_bytes(), ..request("POST", target, all) }, CREATED)
        };
        let target = "/foo?param=Value&Pet=dog%20x";
        let accepted = verify("example.com", target, &all).unwrap();
        assert!(accepted.body.unwrap().matches(br#"{"hello": "world"}"#), "{name}");
        assert_eq!(verify("Example.COM:443", target, &all), Ok(accepted));
        for (authority, target) in [
            ("example.com:80", target),
            ("example.org", target),
            ("example.com", "/foo?param=Value&Pet=dog+x"),
            ("example.com", "/foo?param=Value&Pet=dog%20x&"),
            ("example.com", "/%66oo?param=Value&Pet=dog%20x"),
            ("example.com", "//foo?param=Value&Pet=dog%20x"),
        ] {
            assert_eq!(verify(authority, target, &all), Err(Refusal::BadSignature), "{authority} {target}");
        }
        let without = with(&headers(&[("Content-Type", "application/json")]), &input, &signature);
        assert_eq!(verify("example.com", target, &without), Err(Refusal::Missing));
    }
}

#[test]
fn several_signatures_need_a_tag() {
    let plain = test_request();
    let input = format!("{}, {}", B22.0, B25.0);
    let signature = format!("{}, {}", B25.1, B22.1);
    let all = with(&plain, &input, &signature);
    let by_tag = |tag: Option<&str>| {
        let options = Options { tag: tag.map(String::from), ..lax() };
        Verifier::new(options, keys(rfc_keys())).verify(&post(&all), CREATED).map(|accepted| accepted.key)
    };
    assert_eq!(by_tag(Some("header-example")), Ok(0));
    assert_eq!(by_tag(Some("other")), Err(Refusal::Missing));
    assert_eq!(by_tag(None), Err(Refusal::Duplicate));
}

/// RFC 9421, 2.2.8 and 2.1.
#[test]
fn components_with_parameters() {
    let key = || SigningKey::hmac(HmacSha256, &common::secret("secret")).unwrap();
    let one = verifier(lax(), shared("me", HmacSha256, "secret"));
    let check = |components: &str, line: &str, target: &str| {
        let base = format!("{line}\n\"@signature-params\": {components};created=1618884473;keyid=\"me\"");
        let signature = key().sign(&[base.as_bytes()]).unwrap();
        let signature =
            format!("sig=:{}:", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, signature));
        let input = format!("sig={components};created=1618884473;keyid=\"me\"");
        let plain = headers(&[
            ("X-Dict", " a=1,  b=2;x=1;y=2, c=(a  b)"),
            ("x-dict", "d"),
            ("X-List", "a, b"),
            ("X-List", "c"),
        ]);
        one.verify(&request("GET", target, &with(&plain, &input, &signature)), CREATED).map(|_| ())
    };
    let target = "/parameters?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something&twice=1&twice=2&%2=bad&empty";
    let good = target.replace("&%2=bad", "");
    for (id, value) in [
        (r#""@query-param";name="var""#, "this%20is%20a%20big%0Amultiline%20value"),
        (r#""@query-param";name="bar""#, "with%20plus%20whitespace"),
        (r#""@query-param";name="fa%C3%A7ade%22%3A%20""#, "something"),
        (r#""@query-param";name="empty""#, ""),
        (r#""x-dict";key="a""#, "1"),
        (r#""x-dict";key="b""#, "2;x=1;y=2"),
        (r#""x-dict";key="c""#, "(a b)"),
        (r#""x-dict";key="d""#, "?1"),
        (r#""x-list""#, "a, b, c"),
        (r#""x-list";bs"#, ":YSwgYg==:, :Yw==:"),
    ] {
        assert_eq!(check(&format!("({id})"), &format!("{id}: {value}"), &good), Ok(()), "{id}");
    }
    let refused = |id: &str, target: &str| check(&format!("({id})"), &format!("{id}: 1"), target).unwrap_err();
    assert_eq!(refused(r#""@query-param";name="twice""#, &good), Refusal::Duplicate);
    assert_eq!(refused(r#""@query-param";name="none""#, &good), Refusal::Missing);
    assert_eq!(refused(r#""@query-param""#, &good), Refusal::Malformed);
    assert_eq!(refused(r#""@query-param";name="var""#, target), Refusal::Malformed);
    assert_eq!(refused(r#""x-dict";key="z""#, &good), Refusal::Missing);
}

#[test]
fn digests() {
    let body = b"{\"hello\": \"world\"}\n";
    // RFC 9530, appendix B.1.
    let right = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
    assert_eq!(content_digest(body), right);
    assert!(BodyDigest::from_content_digest(right.as_bytes()).unwrap().matches(body));
    let both = format!("{right}, sha-512=:{}:", "A".repeat(86) + "==");
    assert!(!BodyDigest::from_content_digest(both.as_bytes()).unwrap().matches(body), "a second digest that is wrong");
    for (text, refusal) in [
        ("", Refusal::WrongDigest),
        ("md5=:aGk=:", Refusal::WrongDigest),
        ("sha-256=:aGk=:", Refusal::Malformed),
        ("sha-256=aGk", Refusal::Malformed),
        ("sha-256", Refusal::Malformed),
        (&format!("{right}, {right}"), Refusal::Duplicate),
    ] {
        assert_eq!(BodyDigest::from_content_digest(text.as_bytes()), Err(refusal), "{text}");
    }
    assert!(!BodyDigest::default().matches(b""), "no digest matches nothing");
}

#[test]
fn what_is_signed_is_accepted_and_damaged_is_not() {
    let mut random = Random(13);
    let list: [(SigningKey, NamedKey, usize); 5] = [
        (SigningKey::hmac(HmacSha256, &common::secret("secret")).unwrap(), shared("me", HmacSha256, "secret"), 8_000),
        (
            SigningKey::private(Ed25519, &der(RFC_ED25519_PRIVATE)).unwrap(),
            public("me", Ed25519, RFC_ED25519_PUBLIC),
            100,
        ),
        (
            SigningKey::private(EcdsaP256Sha256, &der(P256_PRIVATE)).unwrap(),
            public("me", EcdsaP256Sha256, P256_PUBLIC),
            100,
        ),
        (SigningKey::private(RsaPssSha512, &der(RSA_PRIVATE)).unwrap(), public("me", RsaPssSha512, RSA_PUBLIC), 100),
        (SigningKey::private(RsaV15Sha256, &der(RSA_PRIVATE)).unwrap(), public("me", RsaV15Sha256, RSA_PUBLIC), 100),
    ];
    for (key, named, times) in list {
        let components = ["@method", "@target-uri", "content-digest", "date"].map(String::from).to_vec();
        let (label, key_id, tag) = ("sig1".into(), "me".into(), Some("app".into()));
        let signer = Signer { label, key_id, key, components, expires_after_seconds: Some(60), tag };
        let one = verifier(Options::new(), named);
        let plain = test_request();
        let Signed { input, signature } = signer.sign(&post(&plain), CREATED, Some("once")).unwrap();
        let verify = |input: &[u8], signature: &[u8], now: u64| -> Result<Accepted, Refusal> {
            let all = [&plain[..], &[(&b"signature-input"[..], input), (b"signature", signature)]].concat();
            one.verify(&post(&all), now)
        };
        let accepted = verify(input.as_bytes(), signature.as_bytes(), CREATED).unwrap();
        assert_eq!(accepted.nonce.as_deref(), Some(&b"once"[..]));
        assert_eq!(verify(input.as_bytes(), signature.as_bytes(), CREATED + 60), Err(Refusal::TooOld));
        for _ in 0..times {
            let (input_too, signature_too) = (random.damage(input.as_bytes()), random.damage(signature.as_bytes()));
            for (input, signature) in
                [(input_too.as_slice(), signature.as_bytes()), (input.as_bytes(), signature_too.as_slice())]
            {
                // Blanks may come and go; what it means may not change.
                if let Ok(same) = verify(input, signature, CREATED) {
                    assert_eq!(same, accepted, "{}", String::from_utf8_lossy(input));
                }
            }
        }
    }
}

#[test]
fn a_signer_cannot_be_made_to_write_parameters() {
    let plain = test_request();
    for (label, key_id, component) in [
        ("", "me", "date"),
        ("A", "me", "date"),
        ("a=1, b", "me", "date"),
        ("a", "m\u{e9}", "date"),
        ("a", "m\n", "date"),
        ("a", "me", "Date"),
        ("a", "me", "@status"),
    ] {
        let key = SigningKey::hmac(HmacSha256, &common::secret("secret")).unwrap();
        let (label, key_id, components) = (label.into(), key_id.into(), vec![component.into()]);
        let signer = Signer { label, key_id, key, components, expires_after_seconds: None, tag: None };
        assert!(signer.sign(&post(&plain), CREATED, None).is_err(), "{signer:?}");
    }
}
