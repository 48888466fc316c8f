//! Bounded random input, the same on each run. Nothing panics; and for each head that is accepted, what is composed
//! from it reads the same under the same strict reader: one host, the framing that was asked for, nothing forbidden.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Reason: a test may panic.

use polygate_head::{
    Edit, EditKind, EditedHead, Edits, Flag, Forwarding, Framing, Head, HeaderEdits, Limits, Policy, PolicyOptions,
    compose, compose_edited,
};

/// xorshift64*, seeded by the test: a failure comes again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    fn one_of<'a>(&mut self, pieces: &[&'a [u8]]) -> &'a [u8] {
        pieces[self.below(pieces.len())]
    }
}

const METHODS: &[&[u8]] = &[b"GET", b"POST", b"OPTIONS", b"HEAD", b"get", b"X-Y"];
const TARGETS: &[&[u8]] = &[
    b"/",
    b"a",
    b"/..",
    b"/.",
    b".",
    b"%2e",
    b"%2E%2e",
    b"%2f",
    b"%5c",
    b"%41",
    b"%c3%a9",
    b"%25",
    b"%",
    b"%00",
    b";",
    b"//",
    b"?",
    b"b=c",
    b"http://h",
    b"*",
    b"~",
    b"|",
    b"\\",
    b"#",
];
const NAMES: &[&[u8]] = &[
    b"Host",
    b"Content-Length",
    b"Transfer-Encoding",
    b"Connection",
    b"Upgrade",
    b"Expect",
    b"X-Request-Id",
    b"Via",
    b"Forwarded",
    b"X-Forwarded-For",
    b"X-Forwarded-Proto",
    b"X-Forwarded-Host",
    b"X-Forwarded-Port",
    b"X-Forwarded-By",
    b"X-Real-IP",
    b"X-Consumer-Id",
    b"Keep-Alive",
    b"TE",
    b"Trailer",
    b"Proxy-Authorization",
    b"Content_Length",
    b"X_Forwarded_For",
    b"X-A",
    b"x-a",
    b"X_A",
    b"Cookie",
    b"",
    b"A B",
];
const VALUES: &[&[u8]] = &[
    b"a",
    b"5",
    b"chunked",
    b"close",
    b"keep-alive",
    b"upgrade",
    b"websocket",
    b"x-a",
    b"host",
    b"content-length",
    b"x-forwarded-for",
    b"100-continue",
    b", ",
    b" ",
    b"\t",
    b"\xe9",
    b"1.2.3.4",
    b"a b",
    b"\r\n ",
    b"\0",
    b"",
];
const ENDS: &[&[u8]] =
    &[b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\n\r\n"];

/// A head made of likely pieces, then perhaps spoilt at a few places.
fn some_head(random: &mut Random) -> Vec<u8> {
    let mut raw = random.one_of(METHODS).to_vec();
    raw.extend_from_slice(b" /");
    for _ in 0..random.below(6) {
        raw.extend_from_slice(random.one_of(TARGETS));
    }
    raw.extend_from_slice(b" HTTP/1.1\r\nHost: a.Example:8\r\n");
    for _ in 0..random.below(8) {
        // Mostly names that may come more than once, or too few heads would be accepted.
        let names = if random.below(3) == 0 { NAMES } else { &NAMES[6..26] };
        raw.extend_from_slice(random.one_of(names));
        raw.extend_from_slice(if random.below(20) == 0 { b" : " } else { b": " });
        for _ in 0..random.below(4) {
            let values = if random.below(8) == 0 { VALUES } else { &VALUES[..18] };
            raw.extend_from_slice(random.one_of(values));
        }
        raw.extend_from_slice(if random.below(10) == 0 { random.one_of(ENDS) } else { b"\r\n" });
    }
    raw.extend_from_slice(b"\r\n");
    if random.below(3) == 0 {
        for _ in 0..=random.below(3) {
            let at = random.below(raw.len());
            match random.below(3) {
                0 => raw[at] = random.below(256) as u8,
                1 => drop(raw.remove(at)),
                _ => raw.insert(at, random.below(256) as u8),
            }
        }
    }
    raw
}

fn policies() -> [Policy; 3] {
    let edits = HeaderEdits {
        set: vec![(b"x-set".to_vec(), b"1".to_vec())],
        append: vec![(b"x-a".to_vec(), b"added".to_vec())],
        remove: vec![b"cookie".to_vec()],
    };
    [
        Policy::default(),
        Policy::new(PolicyOptions { via: true, rfc7239: true, ..PolicyOptions::default() }).unwrap(),
        Policy::new(PolicyOptions { edits, ..PolicyOptions::default() }).unwrap(),
    ]
}

fn count(head: &Head, name: &str) -> usize {
    head.values(name.as_bytes()).count()
}

fn check(raw: &[u8], head: &Head, policy: &Policy, forwarding: &Forwarding<'_>) {
    let context = || format!("{}", raw.escape_ascii());
    let mut out = Vec::new();
    compose(head, policy, forwarding, &mut out).unwrap_or_else(|error| panic!("{error}: {}", context()));
    let unlimited = Limits { max_bytes: 0, max_headers: 0 };
    let again = Head::parse(&out, &unlimited)
        .unwrap_or_else(|refusal| panic!("{refusal}: {} from {}", out.escape_ascii(), context()));

    assert_eq!(again.framing(), forwarding.framing, "{}", context());
    assert_eq!(again.method_text(), head.method_text(), "{}", context());
    assert_eq!(again.path(), head.path(), "{}", context());
    assert_eq!(again.match_path(), head.match_path(), "{}", context());
    assert_eq!(again.query(), head.query(), "{}", context());
    assert_eq!(again.host_name(), head.host_name(), "{}", context());
    assert_eq!(again.request_id(), head.request_id(), "{}", context());
    assert_eq!(again.flags() & !(1 << 4 | 1 << 6), 0, "only a query and a request id are left of flags: {}", context());
    for name in ["host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id"] {
        assert_eq!(count(&again, name), 1, "{name}: {}", context());
    }
    for name in [
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "proxy-authorization",
        "x-consumer-id",
        "content_length",
        "x_forwarded_for",
    ] {
        assert_eq!(count(&again, name), 0, "{name}: {}", context());
    }
    if !forwarding.trusted {
        assert_eq!(again.header(b"x-forwarded-for"), Some(forwarding.client_address), "{}", context());
        assert_eq!(count(&again, "x-real-ip") + count(&again, "x-forwarded-by"), 0, "{}", context());
    }
}

#[test]
fn what_is_accepted_is_forwarded_with_one_meaning() {
    let mut random = Random(0x706f_6c79_6761_7465);
    let policies = policies();
    let mut head = Head::default();
    let mut accepted = 0;
    for _ in 0..60_000 {
        let raw = some_head(&mut random);
        if head.read(&raw, &Limits::default()).is_err() {
            continue;
        }
        accepted += 1;
        let framing = [Framing::None, Framing::Length(random.below(1 << 30) as u64), Framing::Chunked][random.below(3)];
        let trusted = random.below(2) == 0;
        let forwarding =
            Forwarding { framing, trusted, client_address: b"10.0.0.1", port: 80, ..Forwarding::default() };
        check(&raw, &head, &policies[random.below(policies.len())], &forwarding);
    }
    // The pieces above are worth nothing if most heads are refused.
    assert!(accepted > 15_000, "only {accepted} heads were accepted");
}

/// Some edits, of which many are refused.
fn some_edits(random: &mut Random, head: &Head) -> Edits {
    let mut edits = Edits::default();
    for _ in 0..random.below(8) {
        let mut text = Vec::new();
        for _ in 0..random.below(4) {
            text.extend_from_slice(random.one_of(TARGETS));
        }
        let (name, value) = (random.one_of(NAMES), random.one_of(VALUES));
        let _ = match random.below(8) {
            0 => edits.set_path(&[b"/", &text[..]].concat()),
            1 => edits.set_query(&text),
            2 => edits.set_host(&text),
            3 => edits.set_method(head, random.one_of(METHODS)),
            4 => edits.append_header(name, value),
            5 => edits.remove_header(name),
            _ => edits.set_header(name, value),
        };
    }
    edits
}

#[test]
fn what_a_plugin_reads_of_its_edits_is_what_goes_upstream() {
    let mut random = Random(0x6564_6974);
    let (mut head, mut out, mut edited) = (Head::default(), Vec::new(), 0);
    let plain = Forwarding { client_address: b"1.1.1.1", ..Forwarding::default() };
    for _ in 0..40_000 {
        if head.read(&some_head(&mut random), &Limits::default()).is_err() || head.has(Flag::CONNECTION_NAMES) {
            continue;
        }
        let edits = some_edits(&mut random, &head);
        let view = EditedHead::new(&head, Some(&edits));
        edited += usize::from(view.edits().is_some());
        out.clear();
        compose_edited(view, &Policy::default(), &plain, &mut out).unwrap();
        let context = || format!("{} from {}, {edits:?}", out.escape_ascii(), head.raw().escape_ascii());
        let sent = Head::parse(&out, &Limits::default()).unwrap_or_else(|refusal| panic!("{refusal}: {}", context()));
        assert_eq!(sent.method_text(), view.method_text(), "{}", context());
        assert_eq!(sent.path(), view.path(), "{}", context());
        assert_eq!(sent.query(), view.query(), "{}", context());
        assert_eq!(sent.host(), view.host(), "{}", context());
        assert_eq!(sent.framing(), Framing::None, "{}", context());
        for name in [&b"x-a"[..], b"x_a", b"cookie"] {
            assert!(sent.values(name).eq(view.values(name)), "{}: {}", name.escape_ascii(), context());
        }
    }
    assert!(edited > 5_000, "only {edited} heads were edited");
}

#[test]
fn texts_of_a_request_never_add_a_line() {
    let mut random = Random(42);
    let head = Head::parse(b"GET /p?q HTTP/1.1\r\nHost: a\r\n\r\n", &Limits::default()).unwrap();
    let mut out = Vec::new();
    let plain = Forwarding { client_address: b"1.1.1.1", ..Forwarding::default() };
    compose(&head, &Policy::default(), &plain, &mut out).unwrap();
    let lines = out.split(|&byte| byte == b'\n').count();
    let mut written = 0;
    for _ in 0..60_000 {
        let mut text: Vec<u8> = if random.below(2) == 0 { b"/".to_vec() } else { Vec::new() };
        for _ in 0..random.below(6) {
            let piece = [random.below(256) as u8];
            text.extend_from_slice(if random.below(3) == 0 {
                &piece
            } else {
                random.one_of(&[b"a", b"/", b":", b"1", b".", b"%20"])
            });
        }
        let edit = [Edit { kind: EditKind::Set, name: b"x-a", value: &text }];
        let given = Some(&text[..]);
        let forwarding = match random.below(6) {
            0 => Forwarding { path: given, ..plain },
            1 => Forwarding { query: given, ..plain },
            2 => Forwarding { host: given, ..plain },
            3 => Forwarding { request_id: given, ..plain },
            4 => Forwarding { client_address: &text, ..plain },
            _ => Forwarding { edits: &edit, ..plain },
        };
        out.clear();
        if compose(&head, &Policy::default(), &forwarding, &mut out).is_err() {
            assert!(out.is_empty());
            continue;
        }
        written += 1;
        let again =
            Head::parse(&out, &Limits::default()).unwrap_or_else(|refusal| panic!("{refusal}: {}", out.escape_ascii()));
        let now = out.split(|&byte| byte == b'\n').count();
        let expected = match (again.header(b"x-a"), forwarding.client_address.is_empty()) {
            (Some(_), _) => lines + 1,
            (None, true) => lines - 1,
            (None, false) => lines,
        };
        assert_eq!(now, expected, "{}", out.escape_ascii());
    }
    assert!(written > 10_000, "only {written} heads were written");
}

#[test]
fn noise_never_panics() {
    let mut random = Random(7);
    let mut head = Head::default();
    for _ in 0..100_000 {
        let length = random.below(64);
        let noise: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
        assert!(head.read(&noise, &Limits::default()).is_err());
        let line: Vec<u8> = [b"GET /", &noise[..], b" HTTP/1.1\r\nHost: a\r\n", &noise[..], b"\r\n\r\n"].concat();
        let _ = head.read(&line, &Limits::default());
    }
}
