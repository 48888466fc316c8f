//! What plugins may change of a request: which edits are refused and that those change nothing, that reading sees what
//! earlier edits have made, that the upstream gets the same, and that neither the next request of a slot nor an upstream
//! that must not see a credential gets any of it.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Reason: a test may panic.

use polygate_head::{
    EditRefusal, EditedHead, Edits, Forwarding, Framing, Head, HeaderEdits, Heads, Limits, Policy, PolicyOptions,
    compose_edited,
};

fn head_of(text: &str) -> Head {
    Head::parse(text.as_bytes(), &Limits::default()).unwrap()
}

fn head(lines: &str) -> Head {
    head_of(&format!("GET /p?q=1 HTTP/1.1\r\nHost: a.example\r\n{lines}X-Request-Id: id\r\n\r\n"))
}

fn composed(head: &Head, edits: &Edits, policy: &Policy) -> String {
    let mut out = Vec::new();
    let forwarding = Forwarding { client_address: b"10.0.0.1", ..Forwarding::default() };
    compose_edited(EditedHead::new(head, Some(edits)), policy, &forwarding, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn plain(head: &Head, edits: &Edits) -> String {
    composed(head, edits, &Policy::default())
}

/// A name's values are these, as plugins read them and as the upstream does.
#[track_caller]
fn agree(head: &Head, edits: &Edits, name: &str, values: &[&str]) {
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    let seen: Vec<_> = EditedHead::new(head, Some(edits)).values(name.as_bytes()).map(text).collect();
    let sent: Vec<_> = head_of(&plain(head, edits)).values(name.as_bytes()).map(text).collect();
    assert_eq!((seen, sent), (strings(values), strings(values)), "{name}");
}

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

#[test]
fn unsound_header_edits_are_refused_and_change_nothing() {
    use EditRefusal::{BadName, BadValue, FixedName, HostAsHeader};
    let head = head("X-A: 1\r\n");
    let mut edits = Edits::default();
    for (name, value, refusal) in [
        ("", "x", BadName),
        ("a b", "x", BadName),
        ("a:", "x", BadName),
        ("a\r\nb", "x", BadName),
        ("\u{e9}", "x", BadName),
        ("content-length", "1", FixedName),
        ("Content_Length", "1", FixedName),
        ("Transfer-Encoding", "chunked", FixedName),
        ("connection", "x-a", FixedName),
        ("Upgrade", "h2c", FixedName),
        ("keep-alive", "1", FixedName),
        ("te", "trailers", FixedName),
        ("expect", "100-continue", FixedName),
        ("Proxy-Authorization", "x", FixedName),
        ("Host", "b", HostAsHeader),
        ("x-a", "1\r\nb: 2", BadValue),
        ("x-a", "1\n", BadValue),
        ("x-a", "\0", BadValue),
        ("x-a", "\u{7f}", BadValue),
        ("x-a", " 1", BadValue),
        ("x-a", "1\t", BadValue),
    ] {
        assert_eq!(edits.set_header(name.as_bytes(), value.as_bytes()), Err(refusal), "set {name:?} {value:?}");
        assert_eq!(edits.append_header(name.as_bytes(), value.as_bytes()), Err(refusal), "append {name:?} {value:?}");
        if refusal != BadValue {
            assert_eq!(edits.remove_header(name.as_bytes()), Err(refusal), "remove {name:?}");
        }
    }
    assert!(edits.is_empty());
    agree(&head, &edits, "x-a", &["1"]);
}

#[test]
fn unsound_texts_are_refused_and_change_nothing() {
    use EditRefusal::{BadHost, BadMethod, BadPath, BadQuery, UnsafePath};
    let head = head("");
    let mut edits = Edits::default();
    for (path, refusal) in [
        ("", BadPath),
        ("a", BadPath),
        ("*", BadPath),
        ("http://a/", BadPath),
        ("/a?b", BadPath),
        ("/a#b", BadPath),
        ("/a b", BadPath),
        ("/a\\b", BadPath),
        ("/a\r\nb", BadPath),
        ("/\u{e9}", BadPath),
        ("/..", UnsafePath),
        ("/a/%2e%2e/..", UnsafePath),
        ("/%", UnsafePath),
        ("/%00", UnsafePath),
        ("/a%2f..%2f..", UnsafePath),
    ] {
        assert_eq!(edits.set_path(path.as_bytes()), Err(refusal), "{path:?}");
    }
    for query in ["a b", "a#b", "a\r\nb", "\u{e9}", "\0"] {
        assert_eq!(edits.set_query(query.as_bytes()), Err(BadQuery), "{query:?}");
    }
    for host in ["", "a b", "a/b", "a@b", "a:x", "a\r\n"] {
        assert_eq!(edits.set_host(host.as_bytes()), Err(BadHost), "{host:?}");
    }
    for method in ["", "a b", "G\r\n", "CONNECT", "\u{e9}", &"A".repeat(33)] {
        assert_eq!(edits.set_method(&head, method.as_bytes()), Err(BadMethod), "{method:?}");
    }
    assert!(edits.is_empty());
    assert!(plain(&head, &edits).starts_with("GET /p?q=1 HTTP/1.1\r\nhost: a.example\r\n"));
}

#[test]
fn a_method_that_the_framing_hangs_on_stays() {
    let socket = "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (text, method) in [
        ("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "GET"),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD"),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "GET"),
        (&format!("GET / HTTP/1.1\r\nHost: a\r\n{socket}\r\n"), "POST"),
    ] {
        let head = head_of(text);
        let mut edits = Edits::default();
        assert_eq!(edits.set_method(&head, method.as_bytes()), Err(EditRefusal::FixedMethod), "{text}");
        assert_eq!(edits.set_method(&head, head.method_text()), Ok(()), "to what it is");
    }
}

#[test]
fn what_is_read_is_what_goes_upstream() {
    let head = head("X-A: 1\r\nx-b: 2\r\nX-A: 3\r\nCookie: c=1\r\n");
    let mut edits = Edits::default();
    agree(&head, &edits, "x-a", &["1", "3"]);

    edits.append_header(b"x-a", b"4").unwrap();
    agree(&head, &edits, "X-A", &["1", "3", "4"]);
    edits.set_header(b"X_A", b"5").unwrap();
    agree(&head, &edits, "x-a", &[]);
    agree(&head, &edits, "x_a", &["5"]);
    edits.append_header(b"x-a", b"6").unwrap();
    edits.append_header(b"x-a", b"\xe9").unwrap();
    assert_eq!(EditedHead::new(&head, Some(&edits)).values(b"x-a").collect::<Vec<_>>(), [&b"6"[..], b"\xe9"]);
    edits.remove_header(b"x-a").unwrap();
    agree(&head, &edits, "x-a", &[]);
    agree(&head, &edits, "x_a", &[]);
    edits.set_header(b"x-a", b"").unwrap();
    agree(&head, &edits, "x-a", &[""]);
    edits.remove_header(b"never-there").unwrap();
    agree(&head, &edits, "x-b", &["2"]);

    edits.set_path(b"/new/./a/../%41%2fb//c").unwrap();
    edits.set_query(b"x=y?z").unwrap();
    edits.set_host(b"b.example:81").unwrap();
    edits.set_method(&head, b"REPORT").unwrap();
    let view = EditedHead::new(&head, Some(&edits));
    assert_eq!((view.method_text(), view.host(), view.path(), view.query()), {
        (&b"REPORT"[..], &b"b.example:81"[..], &b"/new/A%2Fb//c"[..], Some(&b"x=y?z"[..]))
    });
    let sent = plain(&head, &edits);
    assert!(sent.starts_with("REPORT /new/A%2Fb//c?x=y?z HTTP/1.1\r\nhost: b.example:81\r\n"), "{sent}");
    let names: Vec<_> = view.headers().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect();
    assert_eq!(names, ["Host", "x-b", "Cookie", "X-Request-Id", "x-a"]);
    assert_eq!((head.path(), head.header(b"x-a")), (&b"/p"[..], Some(&b"1"[..])), "the client's own");
}

#[test]
fn an_empty_query_takes_it_away() {
    let head = head("");
    let mut edits = Edits::default();
    edits.set_query(b"").unwrap();
    assert!(!edits.is_empty());
    assert_eq!(EditedHead::new(&head, Some(&edits)).query(), None);
    assert!(plain(&head, &edits).starts_with("GET /p HTTP/1.1\r\n"));
}

#[test]
fn plugins_have_the_last_word_on_the_route_and_on_the_gateway() {
    let head = head("X-A: 1\r\n");
    let edits_of_route = HeaderEdits {
        set: vec![(b"x-a".to_vec(), b"route".to_vec()), (b"x-c".to_vec(), b"route".to_vec())],
        ..HeaderEdits::default()
    };
    let policy = Policy::new(PolicyOptions { edits: edits_of_route, ..PolicyOptions::default() }).unwrap();
    let mut edits = Edits::default();
    edits.set_header(b"x-a", b"plugin").unwrap();
    edits.append_header(b"x-c", b"plugin").unwrap();
    edits.set_header(b"x-request-id", b"stamped").unwrap();
    edits.remove_header(b"x-forwarded-for").unwrap();
    edits.set_path(b"/plugin").unwrap();
    let forwarding = Forwarding {
        client_address: b"10.0.0.1",
        path: Some(b"/route"),
        host: Some(b"route"),
        framing: Framing::Chunked,
        ..Forwarding::default()
    };
    let mut out = Vec::new();
    compose_edited(EditedHead::new(&head, Some(&edits)), &policy, &forwarding, &mut out).unwrap();
    let sent = Head::parse(&out, &Limits::default()).unwrap();
    let values = |name: &str| sent.values(name.as_bytes()).map(String::from_utf8_lossy).collect::<Vec<_>>();
    assert_eq!((values("x-a"), values("x-c")), (vec!["plugin".into()], vec!["route".into(), "plugin".into()]));
    assert_eq!((values("x-request-id"), values("x-forwarded-for")), (vec!["stamped".into()], vec![]));
    assert_eq!((sent.path(), sent.host(), sent.framing()), (&b"/plugin"[..], &b"route"[..], Framing::Chunked));
}

#[test]
fn a_credential_for_the_guards_does_not_go_upstream_and_one_for_the_upstream_does() {
    let head = head("Legacy: k\r\nApiKey: mine\r\nCookie: a=1; s=secret\r\n");
    let policy = Policy::new(PolicyOptions {
        hidden_headers: vec![b"apikey".to_vec()],
        hidden_parameters: vec![b"q".to_vec()],
        hidden_cookies: vec![b"s".to_vec()],
        ..PolicyOptions::default()
    })
    .unwrap();
    assert!(!composed(&head, &Edits::default(), &policy).to_ascii_lowercase().contains("apikey"));

    let mut edits = Edits::default();
    edits.set_header(b"ApiKey", b"k").unwrap();
    edits.append_header(b"api_key", b"another name").unwrap();
    assert_eq!(EditedHead::new(&head, Some(&edits)).header(b"apikey"), Some(&b"k"[..]), "the guards read it");
    let sent = composed(&head, &edits, &policy).to_ascii_lowercase();
    assert!(!sent.contains("apikey") && sent.contains("api_key: another name\r\n"), "{sent}");

    // Made from what a plugin read, they still have what the client sent.
    edits.set_query(b"q=1&r=2").unwrap();
    edits.set_header(b"cookie", b"a=1; s=secret; b=2").unwrap();
    edits.pass_guards();
    let sent = composed(&head, &edits, &policy);
    assert!(sent.starts_with("GET /p?r=2 HTTP/1.1\r\n") && sent.contains("cookie: a=1; b=2\r\n"), "{sent}");
    edits.append_header(b"cookie", b"s=only").unwrap();
    assert!(!composed(&head, &edits, &policy).contains("only"));

    edits.set_header(b"APIKEY", b"of the gateway").unwrap();
    assert!(composed(&head, &edits, &policy).contains("APIKEY: of the gateway\r\n"));
    edits.remove_header(b"apikey").unwrap();
    assert!(!composed(&head, &edits, &policy).to_ascii_lowercase().contains("apikey"));
}

#[test]
fn a_plugin_in_a_loop_is_stopped_and_repeating_itself_is_no_harm() {
    let head = head("");
    let mut edits = Edits::default();
    for count in 0..10_000 {
        edits.set_header(b"x-count", count.to_string().as_bytes()).unwrap();
    }
    agree(&head, &edits, "x-count", &["9999"]);
    let mut edits = Edits::default();
    let many = (0..1000).take_while(|_| edits.append_header(b"x-many", b"1").is_ok()).count();
    assert_eq!(many, 256);
    assert_eq!(edits.append_header(b"x-other", b"1"), Err(EditRefusal::TooMuch));
    assert_eq!(head_of_many(&head, &edits).values(b"x-many").count(), 256);
    edits.set_header(b"x-many", b"2").unwrap();
    agree(&head, &edits, "x-many", &["2"]);

    let mut edits = Edits::default();
    let large = vec![b'a'; 256 * 1024];
    assert_eq!(edits.set_header(b"x-large", &large), Err(EditRefusal::TooMuch));
    let path = [b"/", &large[..]].concat();
    assert_eq!(edits.set_path(&path), Err(EditRefusal::TooMuch));
    assert_eq!(edits.set_query(&large), Err(EditRefusal::TooMuch));
    assert!(edits.is_empty());
    edits.set_header(b"x", &large[..large.len() - 1]).unwrap();
    assert_eq!(edits.set_header(b"x", b""), Err(EditRefusal::TooMuch));
    assert_eq!(EditedHead::new(&head, Some(&edits)).header(b"x").unwrap().len(), large.len() - 1, "still there");
}

fn head_of_many(head: &Head, edits: &Edits) -> Head {
    Head::parse(plain(head, edits).as_bytes(), &Limits { max_bytes: 0, max_headers: 0 }).unwrap()
}

#[test]
fn the_next_request_of_a_slot_has_none_of_it() {
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nX: sent\r\n\r\n";
    let mut heads = Heads::new(2, Limits::default());
    assert!(heads.edit(1).is_none() && heads.edited(1).is_none());
    heads.take(1, REQUEST).unwrap().unwrap();
    assert!(heads.edited(1).unwrap().edits().is_none());
    let spoil = |heads: &mut Heads| {
        let (head, edits) = heads.edit(1).unwrap();
        edits.set_header(b"x", b"edited").unwrap();
        edits.set_path(b"/edited").unwrap();
        edits.set_method(head, b"PUT").unwrap();
        edits.pass_guards();
    };
    let x_of = |heads: &Heads| heads.edited(1).map(|head| head.header(b"x").map(<[u8]>::to_vec));

    spoil(&mut heads);
    assert_eq!(x_of(&heads), Some(Some(b"edited".to_vec())));
    assert_eq!(heads.get(1).unwrap().header(b"x"), Some(&b"sent"[..]));
    // Taken anew without a release, released, and refused.
    heads.take(1, REQUEST).unwrap().unwrap();
    assert_eq!(x_of(&heads), Some(Some(b"sent".to_vec())));
    spoil(&mut heads);
    heads.release(1);
    assert!(heads.edit(1).is_none() && heads.edited(1).is_none());
    heads.take(1, REQUEST).unwrap().unwrap();
    let view = heads.edited(1).unwrap();
    assert_eq!((view.header(b"x"), view.path(), view.method_text()), (Some(&b"sent"[..]), &b"/"[..], &b"GET"[..]));
    spoil(&mut heads);
    assert!(heads.take(1, b"nonsense").unwrap().is_err());
    assert!(heads.edited(1).is_none());
    heads.take(1, REQUEST).unwrap().unwrap();
    assert!(heads.edited(1).unwrap().edits().is_none());

    // Nor what was said of them without any edit.
    heads.edit(1).unwrap().1.pass_guards();
    heads.release(1);
    heads.take(1, REQUEST).unwrap().unwrap();
    heads.edit(1).unwrap().1.set_header(b"key", b"1").unwrap();
    let policy =
        Policy::new(PolicyOptions { hidden_headers: vec![b"key".to_vec()], ..PolicyOptions::default() }).unwrap();
    let mut out = Vec::new();
    compose_edited(heads.edited(1).unwrap(), &policy, &Forwarding::default(), &mut out).unwrap();
    assert!(!out.windows(4).any(|four| four == b"key:"));
}
