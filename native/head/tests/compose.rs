//! What the upstream is told: every field that passes, every one that does not, and who has the last word on each.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Reason: a test may panic.

use polygate_head::{
    Certificate, CertificateField, ComposeError, Edit, EditKind, Forwarding, Framing, Head, HeaderEdits, HostMode,
    Limits, Policy, PolicyOptions, compose,
};

const ID: &str = "X-Request-Id: id-1\r\n";

fn head(lines: &str) -> Head {
    Head::parse(format!("GET /p?q HTTP/1.1\r\nHost: a.example:81\r\n{lines}{ID}\r\n").as_bytes(), &Limits::default())
        .unwrap()
}

/// For requests that come straight from a client at 10.0.0.1.
fn plain() -> Forwarding<'static> {
    Forwarding { client_address: b"10.0.0.1", port: 81, ..Forwarding::default() }
}

fn composed(head: &Head, policy: &Policy, forwarding: &Forwarding<'_>) -> String {
    let mut out = b"before".to_vec();
    compose(head, policy, forwarding, &mut out).unwrap();
    let text = out.strip_prefix(b"before").unwrap();
    Head::parse(text, &Limits::default()).unwrap();
    String::from_utf8(text.to_vec()).unwrap()
}

fn refused(forwarding: &Forwarding<'_>) -> ComposeError {
    let mut out = b"before".to_vec();
    let error = compose(&head(""), &Policy::default(), forwarding, &mut out).unwrap_err();
    assert_eq!(out, b"before");
    error
}

/// The field lines of a name in a composed head, without the name.
fn lines<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.split("\r\n")
        .filter_map(|line| line.split_once(": "))
        .filter(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect()
}

fn edits(set: &[(&str, &str)], append: &[(&str, &str)], remove: &[&str]) -> HeaderEdits {
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
    };
    HeaderEdits {
        set: pairs(set),
        append: pairs(append),
        remove: remove.iter().map(|name| name.as_bytes().to_vec()).collect(),
    }
}

fn policy(options: PolicyOptions) -> Policy {
    Policy::new(options).unwrap()
}

#[test]
fn nothing_can_end_a_line_or_the_target() {
    for path in [
        "",
        "p",
        "/a b",
        "/a\r\nX: y",
        "/a\n",
        "/a\0",
        "/a?b",
        "/a#b",
        "/\u{e9}",
        "/a\\b",
        "http://b/",
        "* HTTP/1.1",
        "/..",
        "/a/%2e%2e/../b",
        "/a%",
    ] {
        assert_eq!(refused(&Forwarding { path: Some(path.as_bytes()), ..plain() }), ComposeError::Path, "{path:?}");
    }
    for query in ["a b", "a\r\nX: y", "a#b", "\u{e9}", "a\0"] {
        assert_eq!(refused(&Forwarding { query: Some(query.as_bytes()), ..plain() }), ComposeError::Query, "{query:?}");
    }
    for host in ["", "a\r\nX: y", "a b", "a/b", "u@a", "a,b"] {
        assert_eq!(refused(&Forwarding { host: Some(host.as_bytes()), ..plain() }), ComposeError::Host, "{host:?}");
        let fixed = PolicyOptions { host: HostMode::Fixed(host.as_bytes().to_vec()), ..PolicyOptions::default() };
        assert!(Policy::new(fixed).is_err(), "{host:?}");
    }
    for id in ["", "a\r\nX: y", "a b", "\u{e9}"] {
        assert_eq!(
            refused(&Forwarding { request_id: Some(id.as_bytes()), ..plain() }),
            ComposeError::RequestId,
            "{id:?}"
        );
    }
    for address in ["10.0.0.1\r\nX: y", "a b", "10.0.0.1, 10.0.0.2", "[::1]"] {
        assert_eq!(
            refused(&Forwarding { client_address: address.as_bytes(), ..plain() }),
            ComposeError::Address,
            "{address:?}"
        );
    }
    assert_eq!(refused(&Forwarding { upgrade: true, ..plain() }), ComposeError::Upgrade);
}

#[test]
fn edits_that_break_http_are_refused() {
    let names = [
        "",
        "a b",
        "a:",
        "a\r\n",
        "\u{e9}",
        "content-length",
        "Transfer-Encoding",
        "connection",
        "Host",
        "upgrade",
        "te",
        "trailer",
        "keep-alive",
        "expect",
        "proxy-connection",
        "Content_Length",
        "http2-settings",
    ];
    for name in names {
        assert!(
            Policy::new(PolicyOptions { edits: edits(&[(name, "x")], &[], &[]), ..PolicyOptions::default() }).is_err(),
            "set {name:?}"
        );
        assert!(
            Policy::new(PolicyOptions { edits: edits(&[], &[(name, "x")], &[]), ..PolicyOptions::default() }).is_err(),
            "append {name:?}"
        );
        assert!(
            Policy::new(PolicyOptions { edits: edits(&[], &[], &[name]), ..PolicyOptions::default() }).is_err(),
            "remove {name:?}"
        );
        for kind in [EditKind::Set, EditKind::Append, EditKind::Remove] {
            let good = Edit { kind, name: b"x-good", value: b"" };
            let bad = Edit { kind, name: name.as_bytes(), value: b"" };
            assert_eq!(
                refused(&Forwarding { edits: &[good, bad], ..plain() }),
                ComposeError::Edit(1),
                "{kind:?} {name:?}"
            );
        }
    }
    for value in ["a\r\nb", "a\nb", "a\rb", "a\0b", " a", "a\t", "\x7f"] {
        assert!(
            Policy::new(PolicyOptions { edits: edits(&[("x", value)], &[], &[]), ..PolicyOptions::default() }).is_err(),
            "{value:?}"
        );
        let edit = Edit { kind: EditKind::Set, name: b"x", value: value.as_bytes() };
        assert_eq!(refused(&Forwarding { edits: &[edit], ..plain() }), ComposeError::Edit(0), "{value:?}");
    }
}

#[test]
fn a_plain_request_whole() {
    let text = composed(
        &head("Accept: */*\r\nX-A:b \r\nConnection: keep-alive\r\nCookie: a=b\r\n"),
        &Policy::default(),
        &plain(),
    );
    assert_eq!(
        text,
        "GET /p?q HTTP/1.1\r\nhost: a.example:81\r\nAccept: */*\r\nX-A:b \r\nCookie: a=b\r\n\
         x-forwarded-for: 10.0.0.1\r\nx-forwarded-proto: http\r\nx-forwarded-host: a.example:81\r\nx-forwarded-port: 81\r\n\
         x-request-id: id-1\r\n\r\n"
    );
}

#[test]
fn request_lines() {
    for (target, path, query, line) in [
        ("/p?q", None, None, "GET /p?q HTTP/1.1"),
        ("/a/../b%41?c/..", None, None, "GET /bA?c/.. HTTP/1.1"),
        ("//a", None, None, "GET //a HTTP/1.1"),
        ("/p?", None, None, "GET /p? HTTP/1.1"),
        ("http://b/x?y", None, None, "GET /x?y HTTP/1.1"),
        ("http://b", None, None, "GET / HTTP/1.1"),
        ("/p?q", Some("/new"), None, "GET /new?q HTTP/1.1"),
        ("/p", Some("/new"), None, "GET /new HTTP/1.1"),
        ("/p", Some("/new/../%61//b%2f"), None, "GET /a//b%2F HTTP/1.1"),
        ("/p?q", None, Some("r"), "GET /p?r HTTP/1.1"),
        ("/p", None, Some("r"), "GET /p?r HTTP/1.1"),
        ("/p?q", Some("/new"), Some(""), "GET /new HTTP/1.1"),
    ] {
        let head =
            Head::parse(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(), &Limits::default()).unwrap();
        let forwarding = Forwarding { path: path.map(str::as_bytes), query: query.map(str::as_bytes), ..plain() };
        assert_eq!(composed(&head, &Policy::default(), &forwarding).split("\r\n").next(), Some(line));
    }
    let head = Head::parse(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", &Limits::default()).unwrap();
    assert!(composed(&head, &Policy::default(), &plain()).starts_with("OPTIONS * HTTP/1.1\r\n"));
}

#[test]
fn hosts() {
    let fixed = policy(PolicyOptions { host: HostMode::Fixed(b"fixed:1".to_vec()), ..PolicyOptions::default() });
    let peer = Forwarding { host: Some(b"peer:2"), ..plain() };
    let absolute = Head::parse(b"GET http://B:3/ HTTP/1.1\r\nHost: a\r\n\r\n", &Limits::default()).unwrap();
    for (head, policy, forwarding, host, forwarded_host) in [
        (head(""), Policy::default(), plain(), "a.example:81", "a.example:81"),
        (head(""), fixed.clone(), plain(), "fixed:1", "a.example:81"),
        (head(""), fixed, peer, "peer:2", "a.example:81"),
        (absolute, Policy::default(), plain(), "B:3", "B:3"),
    ] {
        let text = composed(&head, &policy, &forwarding);
        assert_eq!(lines(&text, "host"), [host]);
        assert_eq!(lines(&text, "x-forwarded-host"), [forwarded_host]);
    }
}

#[test]
fn hop_by_hop_fields_stay_here() {
    let text = composed(
        &head(
            "Keep-Alive: timeout=5\r\nProxy-Connection: x\r\nProxy-Authorization: x\r\nProxy-Authenticate: x\r\nProxy: x\r\n\
             TE: trailers\r\nTrailer: x\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nExpect: 100-continue\r\n\
             Connection: keep-alive, Upgrade, X-Named, other_named\r\nConnection: authorization\r\n\
             x-named: 1\r\nX-Named: 2\r\nX_Named: 3\r\nOther-Named: 4\r\nAuthorization: 5\r\nX-Kept: 6\r\n",
        ),
        &Policy::default(),
        &plain(),
    );
    let names: Vec<&str> =
        text.split("\r\n").skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "host",
            "X-Kept",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-host",
            "x-forwarded-port",
            "x-request-id"
        ]
    );
}

#[test]
fn connection_cannot_take_away_what_the_gateway_writes() {
    let text = composed(
        &head(
            "Connection: host, content-length, transfer-encoding, x-forwarded-for, x-forwarded-proto, x-forwarded-host\r\n\
             Connection: x-request-id, x-consumer-name, via, x-route, connection, forwarded\r\nX-Forwarded-For: 1.1.1.1\r\nVia: 1.0 x\r\n",
        ),
        &policy(PolicyOptions {
            via: true,
            rfc7239: true,
            edits: edits(&[("x-route", "r")], &[], &[]),
            ..PolicyOptions::default()
        }),
        &Forwarding {
            trusted: true,
            framing: Framing::Length(3),
            edits: &[Edit { kind: EditKind::Set, name: b"x-consumer-name", value: b"alice" }],
            ..plain()
        },
    );
    for (name, values) in [
        ("host", vec!["a.example:81"]),
        ("content-length", vec!["3"]),
        ("x-forwarded-for", vec!["1.1.1.1, 10.0.0.1"]),
        ("x-forwarded-proto", vec!["http"]),
        ("x-forwarded-host", vec!["a.example:81"]),
        ("forwarded", vec!["for=10.0.0.1;host=\"a.example:81\";proto=http"]),
        ("x-request-id", vec!["id-1"]),
        ("x-consumer-name", vec!["alice"]),
        ("x-route", vec!["r"]),
        ("via", vec!["1.1 polygate"]),
        ("connection", vec![]),
    ] {
        assert_eq!(lines(&text, name), values, "{name}");
    }
}

#[test]
fn framing_is_the_gateways() {
    let chunked =
        Head::parse(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", &Limits::default()).unwrap();
    let length = Head::parse(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 007\r\nContent_Length: 8\r\n\r\n",
        &Limits::default(),
    )
    .unwrap();
    for head in [&chunked, &length] {
        for (framing, length, coding) in [
            (Framing::None, vec![], vec![]),
            (Framing::Length(0), vec!["0"], vec![]),
            (Framing::Length(i64::MAX as u64), vec!["9223372036854775807"], vec![]),
            (Framing::Chunked, vec![], vec!["chunked"]),
        ] {
            let text = composed(head, &Policy::default(), &Forwarding { framing, ..plain() });
            assert_eq!(lines(&text, "content-length"), length);
            assert_eq!(lines(&text, "transfer-encoding"), coding);
            assert!(!text.contains("Content_Length"));
        }
    }
}

const SPOOFED: &str = "X-Forwarded-For: 1.1.1.1\r\nx-forwarded-for: 2.2.2.2\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n\
    X-Forwarded-Port: 444\r\nX-Forwarded-Prefix: /x\r\nForwarded: for=1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\nX_Forwarded_For: 3.3.3.3\r\n\
    X-Consumer-Name: root\r\nX_Consumer_Id: 0\r\nX-Consumer-: 1\r\n";

#[test]
fn what_an_untrusted_client_says_of_itself_is_not_passed_on() {
    for rfc7239 in [false, true] {
        let policy = policy(PolicyOptions { rfc7239, ..PolicyOptions::default() });
        let text =
            composed(&head(SPOOFED), &policy, &Forwarding { tls: true, client_address: b"2001:db8::1", ..plain() });
        for (name, values) in [
            ("x-forwarded-for", vec!["2001:db8::1"]),
            ("x-forwarded-proto", vec!["https"]),
            ("x-forwarded-host", vec!["a.example:81"]),
            ("x-forwarded-port", vec!["81"]),
            ("x-forwarded-prefix", vec![]),
            ("x-real-ip", vec![]),
            ("x_forwarded_for", vec![]),
            ("x-consumer-name", vec![]),
            ("x_consumer_id", vec![]),
            ("x-consumer-", vec![]),
            (
                "forwarded",
                if rfc7239 { vec!["for=\"[2001:db8::1]\";host=\"a.example:81\";proto=https"] } else { vec![] },
            ),
        ] {
            assert_eq!(lines(&text, name), values, "{name}");
        }
    }
}

#[test]
fn what_a_trusted_proxy_says_is_kept_and_added_to() {
    for rfc7239 in [false, true] {
        let policy = policy(PolicyOptions { rfc7239, ..PolicyOptions::default() });
        let text = composed(&head(SPOOFED), &policy, &Forwarding { trusted: true, ..plain() });
        for (name, values) in [
            ("x-forwarded-for", vec!["1.1.1.1, 2.2.2.2, 10.0.0.1"]),
            ("x-forwarded-proto", vec!["https"]),
            ("x-forwarded-host", vec!["evil"]),
            ("x-forwarded-port", vec!["444"]),
            ("x-forwarded-prefix", vec!["/x"]),
            ("x-real-ip", vec!["1.1.1.1"]),
            ("x_forwarded_for", vec![]),
            ("x-consumer-name", vec![]),
            (
                "forwarded",
                vec![if rfc7239 {
                    "for=1.1.1.1, for=10.0.0.1;host=\"a.example:81\";proto=http"
                } else {
                    "for=1.1.1.1"
                }],
            ),
        ] {
            assert_eq!(lines(&text, name), values, "{name}");
        }
    }
    // Our own port says nothing of the hop that the proxy's scheme speaks of.
    let text =
        composed(&head("X-Forwarded-Proto: https\r\n"), &Policy::default(), &Forwarding { trusted: true, ..plain() });
    assert!(lines(&text, "x-forwarded-port").is_empty());
    let text = composed(
        &head("X-Forwarded-Proto:\r\nX-Forwarded-For:\r\n"),
        &Policy::default(),
        &Forwarding { trusted: true, ..plain() },
    );
    assert_eq!((lines(&text, "x-forwarded-port"), lines(&text, "x-forwarded-for")), (vec!["81"], vec!["10.0.0.1"]));
}

#[test]
fn a_client_without_an_address() {
    let unix = Forwarding { client_address: b"", port: 0, ..plain() };
    let both = policy(PolicyOptions { rfc7239: true, ..PolicyOptions::default() });
    let text = composed(&head(SPOOFED), &both, &unix);
    assert!(lines(&text, "x-forwarded-for").is_empty() && lines(&text, "x-forwarded-port").is_empty());
    assert_eq!(lines(&text, "forwarded"), ["for=unknown;host=\"a.example:81\";proto=http"]);
    let text = composed(&head(SPOOFED), &both, &Forwarding { trusted: true, ..unix });
    assert_eq!(lines(&text, "x-forwarded-for"), ["1.1.1.1, 2.2.2.2"]);
}

#[test]
fn via_is_added_to() {
    let via = policy(PolicyOptions { via: true, ..PolicyOptions::default() });
    assert_eq!(lines(&composed(&head("Via: 1.0 x\r\n"), &via, &plain()), "via"), ["1.0 x", "1.1 polygate"]);
    assert_eq!(lines(&composed(&head("Via: 1.0 x\r\n"), &Policy::default(), &plain()), "via"), ["1.0 x"]);
}

#[test]
fn request_ids() {
    let insane = Head::parse(b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: a b\r\n\r\n", &Limits::default()).unwrap();
    let text = composed(&insane, &Policy::default(), &plain());
    assert_eq!(lines(&text, "x-request-id"), [std::str::from_utf8(insane.request_id()).unwrap()]);
    assert_ne!(insane.request_id(), b"a b");
    let text = composed(&insane, &Policy::default(), &Forwarding { request_id: Some(b"given"), ..plain() });
    assert_eq!(lines(&text, "x-request-id"), ["given"]);
}

#[test]
fn web_sockets() {
    let head = head(
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: p\r\n",
    );
    let text = composed(&head, &Policy::default(), &Forwarding { upgrade: true, ..plain() });
    for (name, value) in [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-key", "k"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "p"),
    ] {
        assert_eq!(lines(&text, name), [value], "{name}");
    }
    let text = composed(&head, &Policy::default(), &plain());
    assert!(lines(&text, "connection").is_empty() && lines(&text, "upgrade").is_empty());
}

#[test]
fn route_edits() {
    let policy = policy(PolicyOptions {
        via: true,
        edits: edits(
            &[("X-Set", "new"), ("x-forwarded-proto", "https"), ("x-both", "set"), ("x-consumer-name", "fixed")],
            &[("x-added", "2"), ("x-both", "appended")],
            &["X-Gone", "x-request-id", "via", "x-both"],
        ),
        ..PolicyOptions::default()
    });
    let text = composed(
        &head(
            "x-set: 1\r\nX_Set: 2\r\nX-Added: 1\r\nx-gone: 1\r\nVia: x\r\nX-Both: 1\r\nX-Kept: 1\r\nX-Consumer-Name: root\r\n",
        ),
        &policy,
        &plain(),
    );
    for (name, values) in [
        ("x-set", vec!["new"]),
        ("x_set", vec![]),
        ("x-added", vec!["1", "2"]),
        ("x-gone", vec![]),
        ("x-both", vec!["set", "appended"]),
        ("x-kept", vec!["1"]),
        ("x-forwarded-proto", vec!["https"]),
        ("x-request-id", vec![]),
        ("via", vec![]),
        ("x-consumer-name", vec!["fixed"]),
    ] {
        assert_eq!(lines(&text, name), values, "{name}");
    }
}

#[test]
fn request_edits_come_after_the_routes_and_in_order() {
    let policy = policy(PolicyOptions {
        edits: edits(&[("x-a", "route"), ("x-b", "route")], &[("x-c", "route")], &[]),
        ..PolicyOptions::default()
    });
    let edit =
        |kind, name: &'static str, value: &'static str| Edit { kind, name: name.as_bytes(), value: value.as_bytes() };
    let dynamic = [
        edit(EditKind::Set, "X-A", "request"),
        edit(EditKind::Remove, "x-c", ""),
        edit(EditKind::Append, "x-b", "request"),
        edit(EditKind::Append, "x-d", "lost"),
        edit(EditKind::Set, "x-d", "1"),
        edit(EditKind::Append, "x-d", "2"),
        edit(EditKind::Remove, "x-client", ""),
        edit(EditKind::Set, "x-gone", "lost"),
        edit(EditKind::Remove, "x_gone", ""),
        edit(EditKind::Set, "x-forwarded-for", "9.9.9.9"),
    ];
    let text = composed(
        &head("X-A: client\r\nX-Client: 1\r\nX-D: client\r\n"),
        &policy,
        &Forwarding { edits: &dynamic, ..plain() },
    );
    for (name, values) in [
        ("x-a", vec!["request"]),
        ("x-b", vec!["route", "request"]),
        ("x-c", vec![]),
        ("x-d", vec!["1", "2"]),
        ("x-client", vec![]),
        ("x-gone", vec![]),
        ("x-forwarded-for", vec!["9.9.9.9"]),
    ] {
        assert_eq!(lines(&text, name), values, "{name}");
    }
}

#[test]
fn who_the_client_is_and_never_how_it_said_so() {
    let hiding = policy(PolicyOptions {
        edits: edits(&[], &[], &["apikey"]),
        hidden_parameters: vec![b"q".to_vec()],
        hidden_cookies: vec![b"s".to_vec()],
        ..PolicyOptions::default()
    });
    let head = head("X-A: 1\r\nCOOKIE: s=1; t=2\r\nApiKey: k\r\nCookie: s=3\r\nX-Consumer-Name: root\r\nX-B: 2\r\n");
    let known = Forwarding { consumer: b"alice", ..plain() };
    let text = composed(&head, &hiding, &known);
    assert!(text.starts_with("GET /p HTTP/1.1\r\nhost: a.example:81\r\nX-A: 1\r\ncookie: t=2\r\nX-B: 2\r\n"), "{text}");
    assert_eq!(lines(&text, "x-consumer-name"), ["alice"]);
    assert!(lines(&composed(&head, &hiding, &plain()), "x-consumer-name").is_empty());
    let own = policy(PolicyOptions {
        edits: edits(&[("X-Consumer-Tier", "gold"), ("x_consumer_name", "mine")], &[], &[]),
        ..PolicyOptions::default()
    });
    let text = composed(&head, &own, &known);
    assert_eq!(lines(&text, "x-consumer-name"), [""; 0]);
    assert_eq!(lines(&text, "x_consumer_name"), ["mine"]);
    assert_eq!(refused(&Forwarding { consumer: b"a\r\nb: c", ..plain() }), ComposeError::Consumer);
}

#[test]
fn a_certificate_is_told_where_the_policy_says_so_and_by_nobody_else() {
    let names = CertificateField::ALL.map(CertificateField::header);
    let all = PolicyOptions {
        edits: edits(&[], &[], &names),
        certificate: CertificateField::ALL.to_vec(),
        ..PolicyOptions::default()
    };
    let one = policy(PolicyOptions { certificate: vec![CertificateField::Subject], ..all.clone() });
    let all = policy(all);
    let certificate = Certificate {
        subject: b"CN=alice",
        names: br#""DNS:a.example""#,
        sha256: b"ab",
        serial: b"1",
        not_after: b"2030-01-01T00:00:00Z",
    };
    let shown = Forwarding { certificate: Some(certificate), ..plain() };
    let forged = head(&names.map(|name| format!("{name}: forged\r\n{}: forged\r\n", name.replace('-', "_"))).concat());
    let text = composed(&forged, &all, &shown);
    let values = ["CN=alice", r#""DNS:a.example""#, "ab", "1", "2030-01-01T00:00:00Z"];
    for (name, value) in names.into_iter().zip(values) {
        assert_eq!(lines(&text, name), [value], "{name}");
    }
    assert!(!text.contains("forged"));
    let text = composed(&forged, &one, &shown);
    assert_eq!(names.map(|name| lines(&text, name).len()), [1, 0, 0, 0, 0]);
    for nothing in [plain(), Forwarding { certificate: Some(Certificate::default()), ..plain() }] {
        assert!(!composed(&forged, &all, &nothing).contains("client"));
    }
    assert!(!composed(&head(""), &Policy::default(), &shown).contains("client"));
    for text in ["a\r\nb: c", " a", "a ", "\0"] {
        let unsound = Certificate { subject: text.as_bytes(), ..certificate };
        assert_eq!(refused(&Forwarding { certificate: Some(unsound), ..plain() }), ComposeError::Certificate);
    }
}
