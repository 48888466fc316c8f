//! Calling plugins in native code, in Rust and in C alike: what they see, what they edit, that they answer, that a failure
//! costs one request and a panic the instance, and that two configurations of one library never mix.

#![allow(clippy::unwrap_used)] // Reason: a test may panic.

mod support;

use std::rc::Rc;

use polygate_extend::{FailureCause, Hook, NativePlugin};
use support::{Answered, Folder, Lines, Slot, c_library, load, root, rust_library, source};

const EARLY: [Hook; 3] = [Hook::Request, Hook::Authenticate, Hook::Authorize];

struct Faulty {
    plugin: NativePlugin,
    lines: Rc<Lines>,
    _folder: Folder,
}

fn faulty(config: &str) -> Faulty {
    let folder = Folder::new();
    let lines = Rc::new(Lines::default());
    let hooks = [Hook::Request, Hook::Authenticate, Hook::Authorize, Hook::Response, Hook::Log];
    let source = source(&rust_library("faulty-plugin"), &folder, config, &hooks);
    let plugin = NativePlugin::load(&source, Rc::clone(&lines) as _).unwrap();
    Faulty { plugin, lines, _folder: folder }
}

impl Faulty {
    fn call(&mut self, target: &str, fields: &str) -> Slot {
        let mut slot = Slot::new(target, fields);
        slot.call(&mut self.plugin, Hook::Request).unwrap();
        slot
    }

    fn fail(&mut self, target: &str) -> (FailureCause, String) {
        let failure = Slot::new(target, "").call(&mut self.plugin, Hook::Request).unwrap_err();
        (failure.cause, failure.reason)
    }
}

const NAMED: &str = r#"{ "name": "one" }"#;

#[test]
fn a_failure_is_this_requests_alone() {
    let mut faulty = faulty(NAMED);
    for (target, reason) in [
        ("/error", "it is not my day"),
        ("/other-error", "invalid digit found in string"),
        ("/invalid", "the header frames the message or speaks of the connection, and only the gateway writes it"),
        ("/respond-badly", "the status is not between 200 and 599"),
        (
            "/respond-with-length",
            "the header frames the message or speaks of the connection, and only the gateway writes it",
        ),
        ("/too-early", "this cannot be done in this hook"),
    ] {
        assert_eq!(faulty.fail(target), (FailureCause::Error, reason.to_owned()), "{target}");
    }
    assert_eq!(faulty.call("/", "").header("x-name").as_deref(), Some("one 7"), "it goes on");
    let slot = faulty.call("/ignored", "X-A: 1\r\n");
    assert_eq!(
        (slot.header("x-a").as_deref(), slot.header("x-refused").as_deref()),
        (Some("1"), Some("Some(BadValue)"))
    );
}

#[test]
fn after_a_panic_the_instance_is_made_anew_from_the_library_that_is_loaded() {
    let (mut first, mut other) = (faulty(NAMED), faulty(r#"{ "name": "other" }"#));
    let (cause, reason) = first.fail("/panic");
    assert_eq!(cause, FailureCause::Error);
    assert!(reason.contains("call 1 of one") && reason.contains("faulty/src/lib.rs:"), "{reason}");
    assert_eq!(first.call("/", "").header("x-name").as_deref(), Some("one 1"), "what it remembered is gone");
    assert_eq!(*first.lines.0.borrow(), ["info -  : made one", "info -  : dropped one", "info -  : made one"]);

    // Others of the same library go on, and a panic of the standard library's is one too.
    assert_eq!(other.call("/", "").header("x-name").as_deref(), Some("other 1"));
    let (_, reason) = other.fail("/index");
    assert!(reason.contains("index out of bounds"), "{reason}");
    assert_eq!(first.call("/", "").header("x-name").as_deref(), Some("one 2"));
}

#[test]
fn an_instance_that_cannot_be_made_anew_is_not_called() {
    let mut faulty = faulty(r#"{ "name": "one", "fault": "once" }"#);
    assert_eq!(faulty.fail("/panic").0, FailureCause::Error);
    for _ in 0..3 {
        let (cause, reason) = faulty.fail("/");
        assert_eq!(cause, FailureCause::Unavailable);
        assert!(reason.contains("the plugin could not be made anew: once was enough"), "{reason}");
    }
    let mut slot = Slot::new("/", "");
    for hook in EARLY {
        assert!(slot.call(&mut faulty.plugin, hook).is_err(), "{hook:?}");
    }
    assert!(slot.edits.is_empty(), "it was not called");
}

#[test]
fn a_panic_in_drop_is_caught_and_logged() {
    let faulty = faulty(r#"{ "name": "last", "fault": "panic-in-drop" }"#);
    let lines = Rc::clone(&faulty.lines);
    drop(faulty);
    let lines = lines.0.borrow();
    assert_eq!(lines[..2], ["info -  : made last", "info -  : dropped last"]);
    assert!(lines[2].starts_with("error -  : panicked at") && lines[2].contains("one last time"), "{}", lines[2]);
}

#[test]
fn two_configurations_never_mix() {
    let (mut one, mut two) = (faulty(NAMED), faulty(r#"{ "name": "two" }"#));
    for count in 1..4 {
        assert_eq!(one.call("/", "").header("x-name"), Some(format!("one {count}")));
        assert_eq!(two.call("/", "").header("x-name"), Some(format!("two {count}")));
    }
    assert!(one.lines.0.borrow().iter().all(|line| !line.contains("two")));
}

#[test]
fn a_plugin_sees_the_request_as_it_is_now() {
    let mut faulty = faulty(NAMED);
    let mut slot = Slot::new("/a/../everything?q=1", "X-Twice: first\r\nx-twice: second\r\n");
    slot.edits.set_host(b"edited.example").unwrap();
    slot.edits.append_header(b"X-TWICE", b"third").unwrap();
    slot.call(&mut faulty.plugin, Hook::Request).unwrap();
    assert_eq!(slot.header("x-seen").as_deref(), Some("GET|https|edited.example|/everything|q=1|10.0.0.1|id-1|shop|"));
    assert_eq!(slot.header("x-all").as_deref(), Some("first|second|third"));
    assert_eq!(slot.header("x-count-of-fields").as_deref(), Some("7"));
    assert_eq!(slot.header("x-body").as_deref(), Some("None"));
    let many = "X-Twice: 1\r\n".repeat(90);
    let slot = faulty.call("/everything", &many);
    assert_eq!(slot.header("x-all").unwrap().len(), 179, "more than fit into one list");
}

#[test]
fn edits_are_made_and_repeated_names_survive() {
    let mut faulty = faulty(NAMED);
    let mut slot = faulty.call("/edit", "X-Twice: first\r\nX-Gone: 1\r\nx-twice: second\r\nX-Gone: 2\r\n");
    let head = slot.edited();
    assert_eq!((head.method_text(), head.host()), (&b"REPORT"[..], &b"other.example:81"[..]));
    assert_eq!((head.path(), head.query()), (&b"/edited/path"[..], Some(&b"edited=1"[..])));
    assert_eq!(head.values(b"x-twice").collect::<Vec<_>>(), [&b"first"[..], b"second", b"third"]);
    assert_eq!((head.values(b"x-gone").count(), head.header(b"x-bytes")), (0, Some(&b"\xff\xe9"[..])));

    // And from hook to hook.
    slot.call(&mut faulty.plugin, Hook::Authenticate).unwrap();
    assert_eq!(slot.carried.consumer(), Some(&b"one"[..]));
    slot.call(&mut faulty.plugin, Hook::Authorize).unwrap();
    assert_eq!(slot.header("x-left").as_deref(), Some("by request"));
    // A hook that the manifest does not name is not called.
    assert_eq!(slot.call(&mut faulty.plugin, Hook::Forward), Ok(()));
}

#[test]
fn a_plugin_answers() {
    let mut faulty = faulty(NAMED);
    let answer = faulty.call("/respond", "").carried.take_answer().unwrap();
    let fields: Vec<_> = answer.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!((answer.status, &answer.body[..]), (418, &b"b\xff"[..]));
    assert_eq!(fields, [(&b"set-cookie"[..], &b"a=1"[..]), (b"set-cookie", b"b=2"), (b"content-type", b"text/plain")]);
    assert!(faulty.call("/", "").carried.take_answer().is_none());
}

#[test]
fn log_lines_name_the_call_they_come_from() {
    let mut faulty = faulty(NAMED);
    let mut slot = faulty.call("/log", "");
    {
        let lines = faulty.lines.0.borrow();
        assert_eq!(
            lines[..3],
            ["info -  : made one", "debug request shop id-1: quiet", "error request shop id-1: l\u{fffd}"]
        );
        assert_eq!(lines[3], format!("warn request shop id-1: {}", "x".repeat(4096)));
    }
    faulty.plugin.on_response(Hook::Log, None, &mut slot.request(Hook::Log)).unwrap();
    let mut response = Answered { status: 200, fields: Vec::new(), body: None };
    faulty.plugin.on_response(Hook::Log, Some(&mut response), &mut slot.request(Hook::Log)).unwrap();
    assert_eq!(faulty.lines.0.borrow()[4..], ["info log shop id-1: /log None", "info log shop id-1: /log Some(200)"]);
}

#[test]
fn a_response_is_seen_and_edited() {
    let mut faulty = faulty(NAMED);
    let mut slot = Slot::new("/path", "");
    let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let fields = vec![field("Server", "x"), field("Via", "1.1 upstream")];
    let mut response = Answered { status: 200, fields, body: Some(b"old".to_vec()) };
    faulty.plugin.on_response(Hook::Response, Some(&mut response), &mut slot.request(Hook::Response)).unwrap();
    assert_eq!((response.status, response.body.as_deref()), (203, Some(&b"new"[..])));
    assert_eq!(
        response.fields,
        [field("Via", "1.1 upstream"), field("x-seen", "200 /path Some([111, 108, 100])"), field("via", "faulty")]
    );
    let mut response = Answered { status: 200, fields: Vec::new(), body: None };
    let failure =
        faulty.plugin.on_response(Hook::Response, Some(&mut response), &mut slot.request(Hook::Response)).unwrap_err();
    assert_eq!(failure.reason, "the plugin has not asked for this body");
}

/// The same plugin in each language behaves the same.
#[test]
fn greeting_in_rust_and_in_c() {
    let folder = Folder::new();
    let c = c_library(&root().join("plugins/examples/greeting-c/greeting.c"), &folder.0, "greeting.so", &[]);
    for library in [rust_library("greeting-rust"), c] {
        let config = r#"{ "greeting": "hello" }"#;
        let mut plugin = load(&source(&library, &folder, config, &[Hook::Request, Hook::Response])).unwrap();
        let name = library.display();

        let mut slot = Slot::new("/", "X-Greeting: mine\r\nX-Internal: 1\r\nX-Other: 2\r\nx-internal: 3\r\n");
        slot.call(&mut plugin, Hook::Request).unwrap();
        assert!(slot.carried.answer().is_none(), "{name}");
        assert_eq!(slot.edited().values(b"x-greeting").collect::<Vec<_>>(), [b"hello"], "{name}");
        assert_eq!((slot.header("x-internal"), slot.header("x-other").as_deref()), (None, Some("2")), "{name}");

        let mut slot = Slot::new("/", "x-BLOCK:\r\n");
        slot.call(&mut plugin, Hook::Request).unwrap();
        let answer = slot.carried.take_answer().unwrap();
        assert_eq!((answer.status, &answer.body[..]), (403, &b"blocked"[..]), "{name}");
        assert_eq!(answer.headers, [(b"content-type"[..].into(), b"text/plain"[..].into())], "{name}");
        assert!(slot.edits.is_empty(), "{name}");

        let mut response = Answered { status: 200, fields: vec![(b"via".to_vec(), b"a".to_vec())], body: None };
        plugin.on_response(Hook::Response, Some(&mut response), &mut slot.request(Hook::Response)).unwrap();
        let fields: Vec<_> = response.fields.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        assert_eq!(fields, [(&b"via"[..], &b"a"[..]), (b"x-greeted", b"yes")], "{name}");

        // What is no header value is refused when it is loaded, or when it is set.
        let broken = load(&source(&library, &folder, r#"{"greeting":"two\nlines"}"#, &[Hook::Request]));
        let called = broken.and_then(|mut plugin| Slot::new("/", "").call(&mut plugin, Hook::Request));
        assert_eq!(called.unwrap_err().cause, FailureCause::Error, "{name}");
    }
}
