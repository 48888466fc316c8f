//! What a request head may look like, and the reason that the client gets where it may not. The bad ones first: each of
//! them is a way in which two servers were once made to see two different requests in one.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Reason: a test may panic.

use polygate_head::{Flag, Framing, Head, Heads, Limits, Method, Refusal};

fn parse(raw: impl AsRef<[u8]>) -> Result<Head, Refusal> {
    Head::parse(raw.as_ref(), &Limits::default())
}

/// A POST with these lines between Host and the empty line.
fn with(lines: &str) -> Result<Head, Refusal> {
    parse(format!("POST /p HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n"))
}

#[test]
fn bad_request_lines() {
    for (line, refusal) in [
        (" GET /p HTTP/1.1", Refusal::BadMethod),
        ("\tGET /p HTTP/1.1", Refusal::BadMethod),
        ("GE(T /p HTTP/1.1", Refusal::BadMethod),
        ("G\u{e9}T /p HTTP/1.1", Refusal::BadMethod),
        ("GET\t/p HTTP/1.1", Refusal::BadMethod),
        ("GET", Refusal::BadMethod),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG /p HTTP/1.1", Refusal::BadMethod),
        ("CONNECT a.example:443 HTTP/1.1", Refusal::Connect),
        ("CONNECT /p HTTP/1.1", Refusal::Connect),
        ("GET  /p HTTP/1.1", Refusal::TargetForm),
        ("GET /p  HTTP/1.1", Refusal::BadVersion),
        ("GET /p HTTP/1.1 ", Refusal::BadVersion),
        ("GET /p\tHTTP/1.1", Refusal::BadTarget),
        ("GET /a b HTTP/1.1", Refusal::BadVersion),
        ("GET /p", Refusal::BadVersion),
        ("GET /p?q", Refusal::BadVersion),
        ("GET /p ", Refusal::BadVersion),
        ("GET /p HTTP/1.0", Refusal::BadVersion),
        ("GET /p HTTP/1.2", Refusal::BadVersion),
        ("GET /p HTTP/2.0", Refusal::BadVersion),
        ("GET /p http/1.1", Refusal::BadVersion),
        ("GET /p HTTP/1.10", Refusal::BadVersion),
        ("GET /p HTTP/01.1", Refusal::BadVersion),
        ("GET /p HTTP/1,1", Refusal::BadVersion),
        ("GET /p HTTPS/1.1", Refusal::BadVersion),
        ("PRI * HTTP/2.0", Refusal::TargetForm),
        ("GET * HTTP/1.1", Refusal::TargetForm),
        ("OPTIONS *x HTTP/1.1", Refusal::TargetForm),
        ("OPTIONS */x HTTP/1.1", Refusal::TargetForm),
        ("GET p HTTP/1.1", Refusal::TargetForm),
        ("GET ?q HTTP/1.1", Refusal::TargetForm),
        ("GET a.example/p HTTP/1.1", Refusal::TargetForm),
        ("GET ftp://a.example/p HTTP/1.1", Refusal::TargetForm),
        ("GET http:/a.example/p HTTP/1.1", Refusal::TargetForm),
        ("GET file:///etc/passwd HTTP/1.1", Refusal::TargetForm),
        ("GET /p#f HTTP/1.1", Refusal::BadTarget),
        ("GET /p?q#f HTTP/1.1", Refusal::BadTarget),
        ("GET /\u{e9} HTTP/1.1", Refusal::BadTarget),
        ("GET /p?\u{e9} HTTP/1.1", Refusal::BadTarget),
        ("GET /a\\b HTTP/1.1", Refusal::BadTarget),
        ("GET /a\0b HTTP/1.1", Refusal::BadTarget),
        ("GET /a\x7fb HTTP/1.1", Refusal::BadTarget),
        ("GET /a?\0 HTTP/1.1", Refusal::BadTarget),
        ("GET /a\rb HTTP/1.1", Refusal::BadVersion),
        ("GET /../a HTTP/1.1", Refusal::ClimbingPath),
        ("GET /a/%2e%2E/..?q HTTP/1.1", Refusal::ClimbingPath),
        ("GET /a%00 HTTP/1.1", Refusal::NulInPath),
        ("GET /a%0 HTTP/1.1", Refusal::BadEscape),
        ("GET /a/..;/b HTTP/1.1", Refusal::HiddenDots),
        ("GET /a/..%2fb HTTP/1.1", Refusal::HiddenDots),
    ] {
        assert_eq!(parse(format!("{line}\r\nHost: a.example\r\n\r\n")).err(), Some(refusal), "{line:?}");
    }
}

#[test]
fn bad_authorities() {
    for authority in [
        "",
        ":80",
        "u@a.example",
        "u:p@a.example",
        "a.example:x",
        "a.example:99999",
        "[::1",
        "a%2eb",
        "a,b",
        "a..b",
        "*",
    ] {
        let target = format!("GET http://{authority}/p HTTP/1.1\r\nHost: a.example\r\n\r\n");
        assert_eq!(parse(target).err(), Some(Refusal::BadHost), "target {authority:?}");
        let field = format!("GET /p HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        assert_eq!(parse(field).err(), Some(Refusal::BadHost), "field {authority:?}");
        // RFC 9112 3.2: a bad Host is refused even where the target's authority takes its place.
        let both = format!("GET http://a.example/p HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        assert_eq!(parse(both).err(), Some(Refusal::BadHost), "both {authority:?}");
    }
    for (lines, refusal) in [
        ("", Refusal::NoHost),
        ("Hosts: a\r\n", Refusal::NoHost),
        ("Host: a/b\r\n", Refusal::BadHost),
        ("Host: a b\r\n", Refusal::BadHost),
        ("Host: a\r\nHost: a\r\n", Refusal::TwoHosts),
        ("Host: a\r\nhOST: b\r\n", Refusal::TwoHosts),
        ("Host: a\r\nHost:\r\n", Refusal::TwoHosts),
        (" Host: a\r\n", Refusal::FoldedLine),
        ("Host : a\r\n", Refusal::SpaceInName),
    ] {
        assert_eq!(parse(format!("GET /p HTTP/1.1\r\n{lines}\r\n")).err(), Some(refusal), "{lines:?}");
    }
}

#[test]
fn bad_field_lines() {
    for (lines, refusal) in [
        (": y\r\n", Refusal::EmptyName),
        (": y\r\nTransfer-Encoding: chunked\r\n", Refusal::EmptyName),
        (":\r\n", Refusal::EmptyName),
        (" X: y\r\n", Refusal::FoldedLine),
        ("\tX: y\r\n", Refusal::FoldedLine),
        (" \r\n", Refusal::FoldedLine),
        (" Content-Length: 42\r\n", Refusal::FoldedLine),
        ("X: y\r\n z\r\n", Refusal::FoldedLine),
        ("X: y\r\n\tz\r\n", Refusal::FoldedLine),
        ("X:\r\n y\r\n", Refusal::FoldedLine),
        ("X : y\r\n", Refusal::SpaceInName),
        ("X\t: y\r\n", Refusal::SpaceInName),
        ("X Y: z\r\n", Refusal::SpaceInName),
        ("Transfer-Encoding : chunked\r\n", Refusal::SpaceInName),
        ("X\r\n", Refusal::BadLineEnd),
        ("X\n: y\r\n", Refusal::BadLineEnd),
        ("X\rY: z\r\n", Refusal::BadLineEnd),
        ("X\0: y\r\n", Refusal::BadName),
        ("X(: y\r\n", Refusal::BadName),
        ("X;a: y\r\n", Refusal::BadName),
        ("\"X\": y\r\n", Refusal::BadName),
        ("{X}: y\r\n", Refusal::BadName),
        ("X\u{e9}: y\r\n", Refusal::BadName),
        ("\u{b}Transfer-Encoding: chunked\r\n", Refusal::BadName),
        ("X: y\n", Refusal::BadLineEnd),
        ("X: y\nZ: a\r\n", Refusal::BadLineEnd),
        ("X: y\rz\r\n", Refusal::BadLineEnd),
        ("X: y\r\r\n", Refusal::BadLineEnd),
        ("X: y\r\n\rZ: a\r\n", Refusal::BadLineEnd),
        ("X: y\0z\r\n", Refusal::BadValue),
        ("X: y\x01z\r\n", Refusal::BadValue),
        ("X: y\x7fz\r\n", Refusal::BadValue),
        ("X: y\x0bz\r\n", Refusal::BadValue),
        ("X: \x1b[31m\r\n", Refusal::BadValue),
        ("\n", Refusal::BadLineEnd),
        ("\n\r\n", Refusal::BadLineEnd),
    ] {
        assert_eq!(with(lines).err(), Some(refusal), "{lines:?}");
    }
}

#[test]
fn bad_lengths() {
    for (lines, refusal) in [
        ("Content-Length: 40\r\nContent-Length: 0\r\n", Refusal::TwoLengths),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", Refusal::TwoLengths),
        ("Content-Length: 5\r\ncontent-length: 6\r\n", Refusal::TwoLengths),
        ("Content-Length: 5, 5\r\n", Refusal::BadLength),
        ("Content-Length: 5,6\r\n", Refusal::BadLength),
        ("Content-Length: 5,\r\n", Refusal::BadLength),
        ("Content-Length:\r\n", Refusal::BadLength),
        ("Content-Length: \r\n", Refusal::BadLength),
        ("Content-Length: five\r\n", Refusal::BadLength),
        ("Content-Length: +5\r\n", Refusal::BadLength),
        ("Content-Length: -5\r\n", Refusal::BadLength),
        ("Content-Length: -0\r\n", Refusal::BadLength),
        ("Content-Length: 0x5\r\n", Refusal::BadLength),
        ("Content-Length: 5.0\r\n", Refusal::BadLength),
        ("Content-Length: 5e1\r\n", Refusal::BadLength),
        ("Content-Length: 5_0\r\n", Refusal::BadLength),
        ("Content-Length: 5 5\r\n", Refusal::BadLength),
        ("Content-Length: \"5\"\r\n", Refusal::BadLength),
        ("Content-Length: \u{660}\r\n", Refusal::BadLength),
        ("Content-Length:\t5\r\n", Refusal::BadLength),
        ("Content-Length: 5\t\r\n", Refusal::BadLength),
        ("Content-Length: 9223372036854775808\r\n", Refusal::BadLength),
        ("Content-Length: 18446744073709551621\r\n", Refusal::BadLength),
        ("Content-Length: 99999999999999999999999\r\n", Refusal::BadLength),
        ("Content-Length: 00000000000009223372036854775808\r\n", Refusal::BadLength),
        ("Content-Length: 99999999999999999999999999999999\r\n", Refusal::BadLength),
        ("Content-Length: 000000000000000000000000000000005\r\n", Refusal::BadLength),
        ("Content-Length: 5\x0b\r\n", Refusal::BadValue),
        ("Content-Length : 5\r\n", Refusal::SpaceInName),
    ] {
        assert_eq!(with(lines).err(), Some(refusal), "{lines:?}");
    }
}

#[test]
fn bad_codings() {
    for (lines, refusal) in [
        ("Transfer-Encoding: identity\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: gzip\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: gzip, chunked\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: chunked, gzip\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: chunked, chunked\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: chunked,\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: ,chunked\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: chunked, identity\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: identity, chunked\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: xchunked\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: chunkedx\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: chunked;q=1\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: \"chunked\"\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: 'chunked'\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: chun ked\r\n", Refusal::BadCoding),
        ("Transfer-Encoding:\r\n", Refusal::BadCoding),
        ("Transfer-Encoding:\tchunked\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: chunked\t\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: chunke\u{17f}\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: \x0bchunked\r\n", Refusal::BadValue),
        ("Transfer-Encoding: chunked\x0b\r\n", Refusal::BadValue),
        ("Transfer-Encoding: \0chunked\r\n", Refusal::BadValue),
        ("Transfer-Encoding:\r\n chunked\r\n", Refusal::FoldedLine),
        ("Transfer-Encoding\r\n : chunked\r\n", Refusal::BadLineEnd),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Refusal::TwoCodings),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", Refusal::TwoCodings),
        ("Transfer-Encoding: chunked\r\nTransfer-encoding: x\r\n", Refusal::TwoCodings),
        ("Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n", Refusal::BadCoding),
        ("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", Refusal::LengthAndCoding),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", Refusal::LengthAndCoding),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", Refusal::LengthAndCoding),
        ("Content-Length: 4\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", Refusal::TwoCodings),
        ("Content-Length: 4\r\nTransfer-Encoding:\r\n chunked\r\n", Refusal::FoldedLine),
    ] {
        assert_eq!(with(lines).err(), Some(refusal), "{lines:?}");
    }
}

#[test]
fn every_cut_is_unfinished_and_every_addition_too_much() {
    let raw = b"POST http://a.example/p%20?q HTTP/1.1\r\nHost: a.example\r\nX-A: b\r\nContent-Length: 5\r\n\r\n";
    assert!(parse(raw).is_ok());
    for cut in 0..raw.len() {
        assert_eq!(parse(&raw[..cut]).err(), Some(Refusal::Unfinished), "cut at {cut}");
    }
    for more in [&b"\r"[..], b"\n", b"\r\n", b"hello", b"GET / HTTP/1.1\r\n\r\n"] {
        assert_eq!(parse([raw, more].concat()).err(), Some(Refusal::BytesAfterHead));
    }
}

#[test]
fn line_ends_are_cr_lf_everywhere() {
    let raw = b"GET /p HTTP/1.1\r\nHost: a.example\r\nX-A: b\r\n\r\n";
    for at in (0..raw.len()).filter(|&at| raw[at] == b'\r') {
        let mut bare_lf = raw.to_vec();
        bare_lf.remove(at);
        assert!(parse(&bare_lf).is_err(), "no CR at {at}");
        let mut bare_cr = raw.to_vec();
        bare_cr.remove(at + 1);
        assert!(parse(&bare_cr).is_err(), "no LF at {at}");
    }
    assert_eq!(parse("GET /p HTTP/1.1\nHost: a\r\n\r\n").err(), Some(Refusal::BadLineEnd));
    assert_eq!(parse("GET /p HTTP/1.1\r\n Host: a\r\n\r\n").err(), Some(Refusal::FoldedLine));
}

#[test]
fn limits() {
    let raw = b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    let read = |max_bytes, max_headers| Head::parse(raw, &Limits { max_bytes, max_headers }).err();
    assert_eq!(read(raw.len(), 2), None);
    assert_eq!(read(0, 0), None);
    assert_eq!(read(raw.len() - 1, 2), Some(Refusal::TooManyBytes));
    assert_eq!(read(raw.len(), 1), Some(Refusal::TooManyHeaders));
    let names = |count| with(&format!("Connection: close{}\r\n", ", a".repeat(count))).err();
    assert_eq!(names(64), None);
    assert_eq!(names(65), Some(Refusal::TooManyHeaders));
    assert!(Refusal::TooManyBytes.is_too_large() && Refusal::TooManyHeaders.is_too_large());
    assert_eq!(Refusal::ALL.iter().filter(|refusal| refusal.is_too_large()).count(), 2);
    for (index, refusal) in Refusal::ALL.iter().enumerate() {
        assert_eq!(refusal.code() as usize, index + 1);
        assert!(!refusal.detail().is_empty());
    }
}

#[test]
fn a_plain_request() {
    let head =
        parse("GET /a/b?c=d&e HTTP/1.1\r\nHost: A.Example:8080\r\nX-A:  b c \t\r\nx-a: d\r\nX-Empty:\r\n\r\n").unwrap();
    assert_eq!((head.method(), head.method_text()), (Method::Get, &b"GET"[..]));
    assert_eq!((head.path(), head.match_path(), head.query()), (&b"/a/b"[..], &b"/a/b"[..], Some(&b"c=d&e"[..])));
    assert_eq!((head.host(), head.host_name()), (&b"A.Example:8080"[..], &b"a.example"[..]));
    assert_eq!(head.framing(), Framing::None);
    assert_eq!(head.flags(), Flag::QUERY);
    assert_eq!(head.header(b"x-A"), Some(&b"b c"[..]));
    assert_eq!(head.values(b"x-a").collect::<Vec<_>>(), [&b"b c"[..], b"d"]);
    assert_eq!(head.header(b"x-empty"), Some(&b""[..]));
    assert_eq!(head.header(b"x"), None);
    assert_eq!(head.headers().count(), 4);
}

#[test]
fn methods() {
    for (text, method) in [
        ("GET", Method::Get),
        ("HEAD", Method::Head),
        ("POST", Method::Post),
        ("PUT", Method::Put),
        ("DELETE", Method::Delete),
        ("OPTIONS", Method::Options),
        ("TRACE", Method::Trace),
        ("PATCH", Method::Patch),
        ("get", Method::Other),
        ("M-SEARCH", Method::Other),
        ("!#$%&'*+-.^_`|~", Method::Other),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF", Method::Other),
    ] {
        let head = parse(format!("{text} / HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
        assert_eq!((head.method(), head.method_text()), (method, text.as_bytes()));
    }
}

#[test]
fn targets() {
    for (line, path, match_path, query, host, flags) in [
        ("GET /?", "/", "/", Some(""), "a", Flag::QUERY),
        ("GET /p?a?b/../c\\%zz", "/p", "/p", Some("a?b/../c\\%zz"), "a", Flag::QUERY),
        ("GET /a//b", "/a//b", "/a/b", None, "a", 0),
        ("GET //a/./b", "//a/b", "/a/b", None, "a", Flag::NORMALISED),
        ("GET /.well-known/x", "/.well-known/x", "/.well-known/x", None, "a", 0),
        ("GET /a/%2e%2e/%62", "/b", "/b", None, "a", Flag::NORMALISED),
        ("GET /%2f%5c", "/%2F%5C", "/%2F%5C", None, "a", Flag::NORMALISED),
        ("GET /\"<>^`{|}", "/\"<>^`{|}", "/\"<>^`{|}", None, "a", 0),
        ("OPTIONS *", "*", "*", None, "a", 0),
        ("GET http://B:1/x/../y?z", "/y", "/y", Some("z"), "B:1", Flag::NORMALISED | Flag::QUERY | Flag::ABSOLUTE_FORM),
        ("GET HTTPS://b", "/", "/", None, "b", Flag::ABSOLUTE_FORM),
        ("GET http://b?z", "/", "/", Some("z"), "b", Flag::QUERY | Flag::ABSOLUTE_FORM),
        ("OPTIONS http://b", "*", "*", None, "b", Flag::ABSOLUTE_FORM),
        ("OPTIONS http://b?z", "/", "/", Some("z"), "b", Flag::QUERY | Flag::ABSOLUTE_FORM),
        ("OPTIONS http://b/", "/", "/", None, "b", Flag::ABSOLUTE_FORM),
    ] {
        let head = parse(format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
        assert_eq!(head.path(), path.as_bytes(), "{line}");
        assert_eq!(head.match_path(), match_path.as_bytes(), "{line}");
        assert_eq!(head.query(), query.map(str::as_bytes), "{line}");
        assert_eq!(head.host(), host.as_bytes(), "{line}");
        assert_eq!(head.flags(), flags, "{line}");
    }
}

#[test]
fn host_names() {
    for (host, name) in [
        ("a.example.", "a.example"),
        ("A.:80", "a"),
        ("[2001:DB8::1]:8080", "[2001:db8::1]"),
        ("127.0.0.1", "127.0.0.1"),
        ("a:", "a"),
    ] {
        let head = parse(format!("GET / HTTP/1.1\r\nHost:{host}\r\n\r\n")).unwrap();
        assert_eq!((head.host(), head.host_name()), (host.as_bytes(), name.as_bytes()));
    }
}

#[test]
fn framing() {
    for (lines, framing) in [
        ("Content-Length: 5\r\n", Framing::Length(5)),
        ("Content-Length:   005  \r\n", Framing::Length(5)),
        ("content-LENGTH: 9223372036854775807\r\n", Framing::Length(i64::MAX as u64)),
        ("Content-Length: 00000000000009223372036854775807\r\n", Framing::Length(i64::MAX as u64)),
        ("Content-Length: 00000000000000000000000000000005\r\n", Framing::Length(5)),
        ("Content-Length: 0\r\n", Framing::Length(0)),
        ("Transfer-Encoding: chunked\r\n", Framing::Chunked),
        ("TRANSFER-ENCODING:CHUNKED \r\n", Framing::Chunked),
        ("Content_Length: 5\r\n", Framing::None),
        ("X-Content-Length: 5\r\n", Framing::None),
    ] {
        assert_eq!(with(lines).unwrap().framing(), framing, "{lines:?}");
    }
}

#[test]
fn obs_text_and_tabs_in_values_are_kept() {
    let head = parse(b"GET / HTTP/1.1\r\nHost: a\r\nX: \xe9\xff\ta\r\n\r\n").unwrap();
    assert_eq!(head.header(b"x"), Some(&b"\xe9\xff\ta"[..]));
}

#[test]
fn one_empty_line_before_is_skipped() {
    assert_eq!(parse("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap().method(), Method::Get);
    assert_eq!(parse("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").err(), Some(Refusal::BadMethod));
    assert_eq!(parse("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").err(), Some(Refusal::BadMethod));
}

#[test]
fn flags() {
    let websocket = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n";
    for (method, lines, flags) in [
        ("GET", websocket, Flag::WEB_SOCKET),
        ("GET", "Connection: upgrade\r\nUpgrade: h2c, websocket\r\nContent-Length: 0\r\n", Flag::WEB_SOCKET),
        ("POST", websocket, Flag::OTHER_UPGRADE),
        ("GET", "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n", Flag::OTHER_UPGRADE),
        ("GET", "Upgrade: websocket\r\n", Flag::OTHER_UPGRADE),
        ("GET", "Connection: upgrade\r\nUpgrade: h2c\r\n", Flag::OTHER_UPGRADE),
        ("GET", "Connection: upgrade\r\n", 0),
        ("GET", "Connection: keep-alive\r\n", 0),
        ("GET", "Connection: Close\r\n", Flag::CLOSE),
        ("GET", "Connection: x-a, close\r\n", Flag::CLOSE | Flag::CONNECTION_NAMES),
        ("GET", "Connection: , ,\r\n", 0),
        ("POST", "Expect: 100-Continue\r\n", Flag::EXPECT_CONTINUE),
        ("POST", "Expect: teapot\r\n", Flag::EXPECT_OTHER),
        ("GET", "X-Request-Id: abc-1\r\n", Flag::CLIENT_REQUEST_ID),
        ("GET", "X-Request-Id: a b\r\n", 0),
        ("GET", "X-Request-Id:\r\n", 0),
        ("GET", "X-Request-Id: a\r\nX-Request-Id: b\r\n", 0),
        ("GET", "X_Request_Id: a\r\n", 0),
    ] {
        let head = parse(format!("{method} / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")).unwrap();
        assert_eq!(head.flags(), flags, "{lines:?}");
        let own = !head.has(Flag::CLIENT_REQUEST_ID);
        assert_eq!(head.request_id().len(), if own { 24 } else { 5 }, "{lines:?}");
    }
}

#[test]
fn slots_are_independent_and_reused() {
    let mut heads = Heads::new(3, Limits { max_bytes: 100, max_headers: 4 });
    assert!(heads.take(3, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").is_none());
    assert!(heads.get(2).is_none());
    heads.take(2, b"GET /two HTTP/1.1\r\nHost: two\r\nX: 2\r\n\r\n").unwrap().unwrap();
    heads.take(0, b"GET /zero HTTP/1.1\r\nHost: zero\r\n\r\n").unwrap().unwrap();
    assert_eq!(heads.get(2).unwrap().path(), b"/two");
    let x_of = |slot| heads.get(slot).and_then(|head| head.header(b"x"));
    assert_eq!((x_of(2), x_of(0), x_of(1)), (Some(&b"2"[..]), None, None));
    assert_eq!(heads.get(2).unwrap().headers().count(), 2);
    assert!(heads.get(1).is_none());

    // A refused head leaves nothing of the one before.
    assert_eq!(heads.take(2, b"GET / HTTP/1.0\r\n\r\n").unwrap().err(), Some(Refusal::BadVersion));
    assert!(heads.get(2).is_none());
    assert_eq!(heads.take(2, &[b'a'; 101]).unwrap().err(), Some(Refusal::TooManyBytes));

    // And so does an accepted one.
    heads.take(0, b"GET / HTTP/1.1\r\nHost: b\r\n\r\n").unwrap().unwrap();
    let head = heads.get(0).unwrap();
    assert_eq!((head.path(), head.query(), head.host(), head.flags()), (&b"/"[..], None, &b"b"[..], 0));
    heads.release(0);
    heads.release(0);
    heads.release(99);
    assert!(heads.get(0).is_none());
}

#[test]
fn the_target_as_it_came() {
    for (line, target) in [
        ("GET /a/../%62//c?d=%2F HTTP/1.1", "/a/../%62//c?d=%2F"),
        ("GET / HTTP/1.1", "/"),
        ("OPTIONS * HTTP/1.1", "*"),
        ("GET http://a.example:80/x/./y?z HTTP/1.1", "/x/./y?z"),
        ("GET http://a.example?z=// HTTP/1.1", "?z=//"),
        ("GET http://a.example HTTP/1.1", ""),
    ] {
        let head = parse(format!("{line}\r\nHost: a.example\r\n\r\n")).unwrap();
        assert_eq!(head.raw_target(), target.as_bytes(), "{line}");
    }
    assert_eq!(Head::default().raw_target(), b"");
}
