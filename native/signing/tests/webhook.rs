//! Pins the webhooks' schemes: each vendor's vector, what is refused of each, secrets in rotation, and that damage to
//! headers, queries and forms is never accepted as something else.

#![allow(clippy::unwrap_used)] // Reason: a test may panic.

mod common;

use common::{
    Headers, Random, headers, request, secret,
    test_keys::{RFC_ED25519_PRIVATE, RFC_ED25519_PUBLIC, der},
};
use polygate_signing::{
    Algorithm, Refusal, Request, SigningKey, Validity,
    webhook::{Accepted, Scheme, Verifier, sign},
};

const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const STANDARD_BODY: &str = r#"{"test": 2432232314}"#;
const STANDARD_SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const STRIPE_SIGNATURE: &str = "e135cdbed3dda004bf8a2fb350f2541d299393c770e0b9e6e319dc595e9072aa";
const SLACK_BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
const TWILIO_BODY: &str =
    "Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE";
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8");

/// A request that a vendor signed.
struct Case {
    scheme: Scheme,
    secret: &'static str,
    target: &'static str,
    pairs: Vec<(&'static str, &'static str)>,
    body: &'static str,
    now: u64,
    signed_at: Option<u64>,
}

fn cases() -> Vec<Case> {
    let case = |scheme, secret, pairs, body, signed_at: Option<u64>| Case {
        scheme,
        secret,
        target: "/",
        pairs,
        body,
        now: signed_at.unwrap_or(1_614_265_330),
        signed_at,
    };
    let query = |scheme, target, signed_at| Case { target, ..case(scheme, "hush", vec![], "", Some(signed_at)) };
    vec![
        case(
            Scheme::StandardWebhooks,
            STANDARD_SECRET,
            vec![
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("webhook-timestamp", "1614265330"),
                ("webhook-signature", STANDARD_SIGNATURE),
            ],
            STANDARD_BODY,
            Some(1_614_265_330),
        ),
        case(
            Scheme::Svix,
            STANDARD_SECRET,
            vec![
                ("svix-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("svix-timestamp", "1614265330"),
                ("svix-signature", STANDARD_SIGNATURE),
            ],
            STANDARD_BODY,
            Some(1_614_265_330),
        ),
        case(
            Scheme::Stripe,
            "whsec_test_secret",
            vec![(
                "Stripe-Signature",
                "t=1614265330,v1=e135cdbed3dda004bf8a2fb350f2541d299393c770e0b9e6e319dc595e9072aa,v0=x",
            )],
            r#"{"id":"evt_1"}"#,
            Some(1_614_265_330),
        ),
        case(
            Scheme::GitHub,
            "It's a Secret to Everybody",
            vec![("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")],
            "Hello, World!",
            None,
        ),
        case(
            Scheme::Slack,
            "8f742231b10e8888abcd99yyyzzz85a5",
            vec![
                ("X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
                ("X-Slack-Request-Timestamp", "1531420618"),
            ],
            SLACK_BODY,
            Some(1_531_420_618),
        ),
        Case {
            target: "/myapp.php?foo=1&bar=2",
            ..case(
                Scheme::Twilio,
                "12345",
                vec![FORM, ("X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=")],
                TWILIO_BODY,
                None,
            )
        },
        case(
            Scheme::Shopify,
            "hush",
            vec![("X-Shopify-Hmac-Sha256", "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY=")],
            r#"{"id":1}"#,
            None,
        ),
        query(
            Scheme::ShopifyOauth,
            "/?code=0907a61c0c8d55e99db179b68161bc00&hmac=4712bf92ffc2917d15a2f5a273e39f0116667419aa4b6ac0b3baaf26fa3c4d20&shop=some-shop.myshopify.com&timestamp=1337178173",
            1_337_178_173,
        ),
        query(
            Scheme::ShopifyOauth,
            "/?timestamp=1337178173&host=YQ%3D%3D&code=a+b&hmac=5e121f2667480102ff02f0b4e5c49c807787841881c23158b1ef8d682f583a8c&shop=some-shop.myshopify.com",
            1_337_178_173,
        ),
        query(
            Scheme::ShopifyProxy,
            "/?extra=1&extra=2&shop=shop-name.myshopify.com&path_prefix=%2Fapps%2Fawesome_reviews&timestamp=1317327555&signature=a9718877bea71c2484f91608a7eaea1532bdf71f5c56825065fa4ccabe549ef3",
            1_317_327_555,
        ),
    ]
}

fn verifier(scheme: Scheme, text: &str) -> Verifier {
    Verifier::new(scheme, scheme.skew_seconds(), &[(secret(text), Validity::ALWAYS)]).unwrap()
}

fn verify(one: &Verifier, target: &str, pairs: &Headers<'_>, body: &str, now: u64) -> Result<Accepted, Refusal> {
    one.verify(&Request { authority: b"mycompany.com", ..request("POST", target, pairs) }, body.as_bytes(), now)
}

#[test]
fn the_vendors_vectors() {
    for case in cases() {
        let one = verifier(case.scheme, case.secret);
        let pairs = headers(&case.pairs);
        let at = |now: u64| verify(&one, case.target, &pairs, case.body, now).map(|accepted| accepted.signed_at);
        assert_eq!(at(case.now), Ok(case.signed_at), "{:?}", case.scheme);
        let skew = case.scheme.skew_seconds();
        if case.signed_at.is_some() {
            assert_eq!((at(case.now + skew), at(case.now + skew + 1)), (Ok(case.signed_at), Err(Refusal::TooOld)));
            assert_eq!((at(case.now - skew), at(case.now - skew - 1)), (Ok(case.signed_at), Err(Refusal::TooNew)));
        }
        // Another secret, another body, no header, a header twice.
        let other = verifier(case.scheme, if case.secret.starts_with("whsec_M") { "whsec_AAAA" } else { "other" });
        assert_eq!(verify(&other, case.target, &pairs, case.body, case.now), Err(Refusal::BadSignature));
        if !case.pairs.is_empty() {
            let body = format!("{} ", case.body);
            assert_eq!(verify(&one, case.target, &pairs, &body, case.now), Err(Refusal::BadSignature));
        }
        for place in 0..pairs.len() {
            let mut fewer = pairs.clone();
            let taken = fewer.remove(place);
            assert!(verify(&one, case.target, &fewer, case.body, case.now).is_err(), "{taken:?}");
            let twice = [&pairs[..], &[taken]].concat();
            assert_eq!(verify(&one, case.target, &twice, case.body, case.now), Err(Refusal::Duplicate));
        }
    }
}

#[test]
fn short_empty_and_long_signatures() {
    for case in cases().into_iter().filter(|case| !case.pairs.is_empty()) {
        let one = verifier(case.scheme, case.secret);
        let place = case
            .pairs
            .iter()
            .position(|(name, _)| name.to_lowercase().contains("hmac") || name.to_lowercase().contains("signature"));
        let (name, value) = case.pairs[place.unwrap()];
        let with = |value: &str| {
            let mut pairs = case.pairs.clone();
            pairs[place.unwrap()] = (name, Box::leak(value.to_string().into_boxed_str()));
            verify(&one, case.target, &headers(&pairs), case.body, case.now)
        };
        let end = value.len() - if case.scheme == Scheme::Stripe { 5 } else { 0 };
        for length in 0..end {
            assert!(with(&value[..length]).is_err(), "{:?} {}", case.scheme, &value[..length]);
        }
        for tail in ["0", "00", "zz", "=", "A", "\0", "%"] {
            assert!(with(&format!("{}{tail}", &value[..end])).is_err(), "{:?} {tail}", case.scheme);
        }
    }
}

#[test]
fn lists_of_signatures() {
    let standard = verifier(Scheme::StandardWebhooks, STANDARD_SECRET);
    let with = |id: &str, timestamp: &str, list: &str, body: &str| {
        let pairs = headers(&[("webhook-id", id), ("webhook-timestamp", timestamp), ("webhook-signature", list)]);
        verify(&standard, "/", &pairs, body, 1_614_265_330).map(|accepted| accepted.id)
    };
    let (id, now) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330");
    let zeros = format!("v1,{}=", "A".repeat(43));
    assert_eq!(with(id, now, &format!("{zeros} {STANDARD_SIGNATURE} v9,x"), STANDARD_BODY), Ok(id.into()));
    for (list, refusal) in [
        ("v1,".to_string(), Refusal::Malformed),
        (format!("v1, {STANDARD_SIGNATURE}"), Refusal::Malformed),
        (format!("{STANDARD_SIGNATURE}  "), Refusal::BadSignature),
        (format!("{zeros}  {STANDARD_SIGNATURE}"), Refusal::Malformed),
        (zeros.clone(), Refusal::BadSignature),
        ("v9,x".into(), Refusal::Missing),
        (STANDARD_SIGNATURE.replace("v1,", "v1a,"), Refusal::Malformed),
        (vec![zeros; 9].join(" "), Refusal::Malformed),
    ] {
        let outcome = with(id, now, &list, STANDARD_BODY);
        // Blanks around a header's value are not its own.
        let expected = if list.ends_with("  ") { Ok(id.into()) } else { Err(refusal) };
        assert_eq!(outcome, expected, "{list}");
    }
    for (id, timestamp, refusal) in [
        ("msg.p5", now, Refusal::Malformed),
        ("", now, Refusal::Missing),
        (id, "01614265330", Refusal::Malformed),
        (id, "1614265330.0", Refusal::Malformed),
        (id, "1614265330abc", Refusal::Malformed),
        (id, "-1", Refusal::Malformed),
        (id, "1614265331", Refusal::BadSignature),
    ] {
        assert_eq!(with(id, timestamp, STANDARD_SIGNATURE, STANDARD_BODY), Err(refusal), "{id} {timestamp}");
    }

    let stripe = verifier(Scheme::Stripe, "whsec_test_secret");
    let with = |value: &str| {
        verify(&stripe, "/", &headers(&[("Stripe-Signature", value)]), r#"{"id":"evt_1"}"#, 1_614_265_330)
            .map(|accepted| accepted.id)
    };
    let good = format!("v1={STRIPE_SIGNATURE}");
    let zeros = "0".repeat(64);
    let accepted = with(&format!("t=1614265330,{good}")).unwrap();
    assert_eq!(with(&format!("t=1614265330,v1={zeros},{good}")), Ok(accepted), "a replay is known by what fits");
    for (value, refusal) in [
        (good.clone(), Refusal::Missing),
        ("t=1614265330".into(), Refusal::Missing),
        (format!("t=1614265330,v0={STRIPE_SIGNATURE}"), Refusal::Missing),
        (format!("t=1614265330,t=1614265330,{good}"), Refusal::Duplicate),
        (format!("t=1614265330, {good}"), Refusal::Missing),
        (format!("t=1614265330;{good}"), Refusal::Malformed),
        (format!("t=1614265330,{good},"), Refusal::Malformed),
        (format!("t=,{good}"), Refusal::Malformed),
        (format!("t=1614265330,v1=,{good}"), Refusal::Malformed),
    ] {
        assert_eq!(with(&value), Err(refusal), "{value}");
    }
}

#[test]
fn ed25519_webhooks() {
    let public = der(RFC_ED25519_PUBLIC);
    let text = format!("whpk_{}", base64(&public[12..]));
    let one = verifier(Scheme::StandardWebhooks, &text);
    let key = SigningKey::private(Algorithm::Ed25519, &der(RFC_ED25519_PRIVATE)).unwrap();
    let signature = base64(&key.sign(&[b"id.1614265330.body"]).unwrap());
    for (version, body, fits) in [("v1a", "body", true), ("v1a", "Body", false), ("v1", "body", false)] {
        let value = format!("{version},{signature}");
        let pairs =
            headers(&[("webhook-id", "id"), ("webhook-timestamp", "1614265330"), ("webhook-signature", &value)]);
        assert_eq!(verify(&one, "/", &pairs, body, 1_614_265_330).is_ok(), fits, "{version} {body}");
    }
}

fn base64(bytes: &[u8]) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
}

#[test]
fn secrets_have_the_vendors_form_and_rotate() {
    let bad = |scheme, text: &str| Verifier::new(scheme, 300, &[(secret(text), Validity::ALWAYS)]).is_none();
    for text in ["MfKQ9r8G", "whsec_", "whsec_%%%%", "whsec_MfKQ9r8", "whpk_AAAA", "WHSEC_MfKQ9r8G"] {
        assert!(bad(Scheme::StandardWebhooks, text) && bad(Scheme::Svix, text), "{text}");
    }
    let github = &cases()[3];
    let nobody = Verifier::new(Scheme::GitHub, 300, &[]).unwrap();
    assert_eq!(verify(&nobody, "/", &headers(&github.pairs), github.body, 0), Err(Refusal::NoActiveSecret));
    let until = |not_after| Validity { not_before: 0, not_after };
    let secrets = [(secret("other"), Validity::ALWAYS), (secret("It's a Secret to Everybody"), until(100))];
    let one = Verifier::new(Scheme::GitHub, 300, &secrets).unwrap();
    let at = |now| verify(&one, "/", &headers(&github.pairs), github.body, now).map(|accepted| accepted.key);
    assert_eq!((at(99), at(100)), (Ok(1), Err(Refusal::BadSignature)));
    let gone = Verifier::new(Scheme::GitHub, 300, &secrets[1..]).unwrap();
    assert_eq!(verify(&gone, "/", &headers(&github.pairs), github.body, 100), Err(Refusal::NoActiveSecret));
    assert!(!format!("{one:?} {secrets:?}").contains("Everybody"));
}

#[test]
fn twilio_signs_urls_forms_and_hashes_of_other_bodies() {
    let one = verifier(Scheme::Twilio, "12345");
    let with = |authority: &'static str, target: &str, pairs: &[(&str, &str)], body: &str| {
        let pairs = headers(pairs);
        let request = Request { authority: authority.as_bytes(), ..request("POST", target, &pairs) };
        one.verify(&request, body.as_bytes(), 0).err()
    };
    let form = [FORM, ("X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=")];
    let target = "/myapp.php?foo=1&bar=2";
    assert_eq!(with("mycompany.com:443", target, &form, TWILIO_BODY), None, "signed without the port");
    let ported = [("X-Twilio-Signature", "ZL7HHRlAT0sQ/LgaOIWNwwj+yrk=")];
    assert_eq!(with("example.com", "/hook", &ported, ""), None, "signed with the port");
    assert_eq!(with("example.com:8443", "/hook", &ported, ""), Some(Refusal::BadSignature));
    // Values once and sorted: Twilio's own test of repeated fields.
    let repeated = [FORM, ("X-Twilio-Signature", "IK+Dwps556ElfBT0I3Rgjkr1wJU=")];
    let body = "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234";
    assert_eq!(with("mycompany.com", target, &repeated, body), None);
    assert_eq!(with("mycompany.com", target, &repeated, &format!("{body}&Digits=9")), Some(Refusal::BadSignature));
    assert_eq!(with("mycompany.com", target, &form, &TWILIO_BODY.replace("1234&", "123%&")), Some(Refusal::Malformed));
    for (fields, refusal) in [(1024, Refusal::BadSignature), (1025, Refusal::Malformed)] {
        assert_eq!(with("mycompany.com", target, &form, &"a&&".repeat(fields)), Some(refusal), "{fields} fields");
    }

    let json = [("Content-Type", "application/json"), ("X-Twilio-Signature", "2e7mH/NA6FwzvUqLZxhsETU/4bw=")];
    let hashed = "/hook?bodySHA256=015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862";
    assert_eq!(with("example.com", hashed, &json, r#"{"a":1}"#), None);
    for (target, body, refusal) in [
        (hashed.to_string(), r#"{"a":2}"#, Refusal::WrongDigest),
        ("/hook".into(), r#"{"a":1}"#, Refusal::NotCovered),
        (hashed.replace("015a", "015"), r#"{"a":1}"#, Refusal::Malformed),
        (format!("{hashed}&bodySHA256=00"), r#"{"a":1}"#, Refusal::Duplicate),
        (hashed.replace("bodySHA256", "x=1&bodySHA256"), r#"{"a":1}"#, Refusal::BadSignature),
    ] {
        assert_eq!(with("example.com", &target, &json, body), Some(refusal), "{target} {body}");
    }
}

#[test]
fn shopifys_queries() {
    let oauth = cases().remove(7);
    let proxy = cases().remove(9);
    let with =
        |case: &Case, target: &str| verify(&verifier(case.scheme, "hush"), target, &headers(&[]), "", case.now).err();
    for (case, added, refusal) in [
        (&oauth, "&shop=other.myshopify.com", Refusal::Duplicate),
        (&oauth, "&hmac=00", Refusal::Duplicate),
        (&oauth, "&code=x", Refusal::Duplicate),
        (&oauth, "&state=x", Refusal::BadSignature),
        (&oauth, "&x=%", Refusal::Malformed),
        (&proxy, "&shop=other.myshopify.com", Refusal::Duplicate),
        (&proxy, "&timestamp=1317327556", Refusal::Duplicate),
        (&proxy, "&extra=3", Refusal::BadSignature),
    ] {
        assert_eq!(with(case, &format!("{}{added}", case.target)), Some(refusal), "{added}");
    }
    for (case, from, to, refusal) in [
        (&oauth, "hmac=", "hmac_=", Refusal::Missing),
        (&oauth, "hmac=", "signature=", Refusal::Missing),
        (&oauth, "timestamp=", "time=", Refusal::Missing),
        (&oauth, "&timestamp", "%26timestamp", Refusal::Missing),
        (&oauth, "00&hmac", "00%26x&hmac", Refusal::BadSignature),
        (&proxy, "extra=1&extra=2", "extra=2&extra=1", Refusal::BadSignature),
        (&proxy, "signature=a9", "signature=", Refusal::Malformed),
    ] {
        assert_eq!(with(case, &case.target.replace(from, to)), Some(refusal), "{to}");
    }
    assert_eq!(with(&proxy, &proxy.target.replace("extra=1&extra=2", "extra=1,2")), None, "the vendor's own ambiguity");
}

#[test]
fn what_is_signed_is_accepted_and_damage_is_not() {
    let mut random = Random(19);
    for case in cases() {
        let one = verifier(case.scheme, case.secret);
        let accepted = verify(&one, case.target, &headers(&case.pairs), case.body, case.now).unwrap();
        for _ in 0..2_000 {
            let mut pairs = headers(&case.pairs);
            let (mut target, mut body) = (case.target.as_bytes().to_vec(), case.body.as_bytes().to_vec());
            let damaged;
            match random.below(3) {
                0 if !pairs.is_empty() => {
                    let place = random.below(pairs.len());
                    damaged = random.damage(pairs[place].1);
                    pairs[place].1 = &damaged;
                }
                1 => target = random.damage(&target),
                _ => body = random.damage(&body),
            }
            let request = Request { authority: b"mycompany.com", target: &target, ..request("POST", "", &pairs) };
            if let Ok(same) = one.verify(&request, &body, case.now) {
                assert_eq!(same, accepted, "{:?}", case.scheme);
                let in_body = !matches!(case.scheme, Scheme::Twilio | Scheme::ShopifyOauth | Scheme::ShopifyProxy);
                assert!(!in_body || body == case.body.as_bytes(), "{:?}: another body", case.scheme);
            }
        }
    }
    for (scheme, text, place) in [
        (Scheme::StandardWebhooks, STANDARD_SECRET, 0),
        (Scheme::Stripe, "whsec_test_secret", 2),
        (Scheme::GitHub, "It's a Secret to Everybody", 3),
        (Scheme::Slack, "8f742231b10e8888abcd99yyyzzz85a5", 4),
        (Scheme::Shopify, "hush", 6),
    ] {
        let case = &cases()[place];
        let ours = sign(scheme, &secret(text), "msg_p5jXN8AQM9LWM0D4loKWxJek", case.body.as_bytes(), case.now).unwrap();
        let theirs = case.pairs.iter().any(|(_, value)| value.trim_end_matches(",v0=x") == ours);
        assert!(theirs, "{scheme:?}: {ours}");
    }
    assert_eq!(sign(Scheme::StandardWebhooks, &secret(STANDARD_SECRET), "a.b", b"", 0), None);
    assert_eq!(sign(Scheme::Twilio, &secret("12345"), "", b"", 0), None);
}
