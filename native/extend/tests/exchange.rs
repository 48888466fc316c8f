//! What a plugin may say of a slot's request, hook by hook, and how much of it: context, answers, names.

#![allow(clippy::unwrap_used)] // Reason: a test may panic.

mod support;

use std::rc::Rc;
use std::time::Duration;

use polygate_extend::{
    EditKind, EditRefusal, Facts, Failure, FailureCause, Headers, Hook, LuaPlugin, LuaSource, Plugin, Reply, Request,
    SlotRequest, Written,
};
use support::{Lines, Slot};

#[test]
fn once_the_upstream_has_it_a_request_is_not_edited() {
    use EditRefusal::NotInThisHook;
    for hook in [Hook::Response, Hook::Log] {
        let mut slot = Slot::new("/", "X-A: 1\r\n");
        let mut request = slot.request(hook);
        for refused in [
            request.set_header(b"x-a", b"2"),
            request.append_header(b"x-a", b"2"),
            request.remove_header(b"x-a"),
            request.set_method(b"PUT"),
            request.set_host(b"b"),
            request.set_path(b"/b"),
            request.set_query(b"b"),
            request.set_body(b"b"),
            request.set_upstream(b"b"),
            request.set_consumer(b"b"),
            request.respond(200, &[], b""),
        ] {
            assert_eq!(refused, Err(NotInThisHook), "{hook:?}");
        }
        let expected = if hook == Hook::Log { Err(NotInThisHook) } else { Ok(()) };
        assert_eq!(request.set_context(b"a", b"b"), expected);
        assert_eq!(request.header(b"x-a"), Some(&b"1"[..]));
        assert!(slot.edits.is_empty() && slot.carried.answer().is_none());
    }
}

#[test]
fn only_authenticate_names_a_consumer() {
    for hook in Hook::ALL {
        let mut slot = Slot::new("/", "");
        let named = slot.request(hook).set_consumer(b"alice");
        assert_eq!(named.is_ok(), hook == Hook::Authenticate, "{hook:?}");
    }
    let mut slot = Slot::new("/", "");
    let mut request = slot.request(Hook::Authenticate);
    assert_eq!(request.set_consumer(b""), Err(EditRefusal::BadConsumer));
    assert_eq!(request.set_consumer(&[b'a'; 257]), Err(EditRefusal::BadConsumer));
    assert_eq!(request.set_upstream(b""), Err(EditRefusal::BadUpstream));
    request.set_consumer(b"alice").unwrap();
    request.set_upstream(b"other").unwrap();
    assert_eq!(request.consumer(), b"alice");
    assert_eq!(slot.carried.consumer(), Some(&b"alice"[..]));
    assert_eq!(slot.carried.take_written(), [Written::Upstream(b"other"[..].into())]);
    assert_eq!(slot.request(Hook::Authorize).consumer(), b"alice");
}

#[test]
fn a_body_that_is_not_there_is_not_replaced() {
    let mut slot = Slot::new("/", "");
    let mut request = slot.request(Hook::Request);
    assert_eq!(request.set_body(b""), Err(EditRefusal::NoBody));
    assert_eq!(request.body(), None);
}

#[test]
fn a_body_that_is_there_is_read_and_replaced() {
    let mut slot = Slot::new("/", "");
    let facts =
        Facts { hook: Hook::Forward, tls: false, body: Some(b"old"), remote_address: b"", route: b"", consumer: b"" };
    let mut request = SlotRequest::new(&slot.head, &mut slot.edits, &mut slot.carried, facts);
    assert_eq!((request.body(), request.scheme()), (Some(&b"old"[..]), &b"http"[..]));
    request.set_body(b"new").unwrap();
    assert_eq!(request.body(), Some(&b"new"[..]));
    assert_eq!((slot.carried.take_new_body(), slot.carried.take_new_body()), (Some(b"new".to_vec()), None));
}

#[test]
fn edits_are_recorded_only_where_that_is_wanted_and_what_was_refused_is_not() {
    let mut slot = Slot::new("/", "");
    let edit = |slot: &mut Slot| {
        let mut request = slot.request(Hook::Request);
        request.set_header(b"x-a", b"1").unwrap();
        request.append_header(b"x-a", b"2").unwrap();
        request.remove_header(b"x-b").unwrap();
        request.set_header(b"x a", b"1").unwrap_err();
        request.set_path(b"/p").unwrap();
        request.set_query(b"q").unwrap();
        request.set_method(b"PUT").unwrap();
        request.set_host(b"h").unwrap();
    };
    edit(&mut slot);
    assert!(!slot.carried.has_said() && slot.carried.take_written().is_empty());
    slot.carried.clear(true);
    edit(&mut slot);
    let header = |kind, name: &[u8], value: &[u8]| Written::Header { kind, name: name.into(), value: value.into() };
    assert_eq!(
        slot.carried.take_written(),
        [
            header(EditKind::Set, b"x-a", b"1"),
            header(EditKind::Append, b"x-a", b"2"),
            header(EditKind::Remove, b"x-b", b""),
            Written::Path(b"/p"[..].into()),
            Written::Query(b"q"[..].into()),
            Written::Method(b"PUT"[..].into()),
            Written::Host(b"h"[..].into()),
        ]
    );
    slot.carried.bring(b"left", b"before");
    slot.request(Hook::Request).set_context(b"more", b"now").unwrap();
    assert_eq!(slot.carried.context(b"left"), Some(&b"before"[..]));
    assert_eq!(slot.carried.take_written().len(), 1, "what was brought is known already");
    slot.carried.clear(false);
    assert_eq!(slot.carried.context(b"left"), None);
}

#[test]
fn the_context_is_bounded() {
    let mut slot = Slot::new("/", "");
    let mut request = slot.request(Hook::Request);
    let large = vec![b'v'; 64 * 1024];
    for (name, value) in [(&b""[..], &b"1"[..]), (&[b'n'; 257], b"1"), (b"n", &large)] {
        assert_eq!(request.set_context(name, value), Err(EditRefusal::BadContext));
    }
    for count in 0..10_000u32 {
        request.set_context(b"count", &count.to_le_bytes()).unwrap();
    }
    assert_eq!(request.context(b"count"), Some(&9_999u32.to_le_bytes()[..]));
    for _ in 0..10_000 {
        request.set_upstream(b"u").unwrap();
    }
    assert_eq!(slot.carried.take_written().len(), 2, "of each the last");
    let mut request = slot.request(Hook::Request);
    assert_eq!(request.context(b"COUNT"), None);
    let taken = (0..1000u32).take_while(|name| request.set_context(&name.to_le_bytes(), b"").is_ok()).count();
    assert_eq!(taken, 63);
    request.set_context(b"count", b"still").unwrap();
    request.set_context(b"count", &large[..60 * 1024]).unwrap();
    assert_eq!(request.set_context(b"count", &large), Err(EditRefusal::BadContext));
    assert_eq!(request.context(b"count").unwrap().len(), 60 * 1024);
}

#[test]
fn an_answer_is_sound_or_refused() {
    let mut slot = Slot::new("/", "");
    let mut request = slot.request(Hook::Request);
    for (status, name, value, refusal) in [
        (199, "a", "b", EditRefusal::BadStatus),
        (600, "a", "b", EditRefusal::BadStatus),
        (200, "", "b", EditRefusal::BadName),
        (200, "a", "b\r\nc: d", EditRefusal::BadValue),
        (200, "Content-Length", "1", EditRefusal::FixedName),
        (200, "connection", "close", EditRefusal::FixedName),
    ] {
        assert_eq!(
            request.respond(status, &[(name.as_bytes(), value.as_bytes())], b""),
            Err(refusal),
            "{status} {name}"
        );
    }
    assert_eq!(request.respond(200, &[], &vec![0; 9 << 20]), Err(EditRefusal::TooMuch));
    request.respond(200, &[(b"a", b"b")], b"first").unwrap();
    request.respond(503, &[(b"a", b""), (b"a", b"\xff")], b"").unwrap();
    assert!(request.respond(999, &[], b"").is_err());
    let answer = slot.carried.take_answer().unwrap();
    assert_eq!((answer.status, answer.headers.len(), answer.body.len()), (503, 2, 0), "the last that was sound");
    assert!(slot.carried.take_answer().is_none());
}

#[test]
fn the_first_failure_counts() {
    let mut slot = Slot::new("/", "");
    slot.request(Hook::Forward).fail(b"first");
    slot.request(Hook::Log).fail(b"second");
    assert_eq!(slot.carried.take_failure().as_deref(), Some(&b"first"[..]));
    assert_eq!(slot.carried.take_failure(), None);
}

/// A call as the addon makes it, of a plugin in Luau with this hook.
fn call(hook: Hook, text: &str) -> Result<(), Failure> {
    let text = format!("return function() return {{ {} = {text} }} end", hook.name());
    let source = LuaSource::new("plugin.lua", text, "{}");
    let mut plugin: Box<dyn Plugin> = Box::new(LuaPlugin::load(source, Rc::new(Lines::default()))?);
    let (mut slot, mut reply) = (Slot::new("/", ""), Reply::new(200, b"", None));
    plugin.call(&mut slot.request(hook), (hook == Hook::Response).then_some(&mut reply), Duration::from_secs(60))
}

#[test]
fn that_a_plugin_says_it_fails_is_a_failure() {
    for (hook, text) in [
        (
            Hook::Request,
            "function(request) request:fail('as asked') request:fail('later') return request:respond(200) end",
        ),
        (Hook::Response, "function(response, request) response:fail('as asked') end"),
        (Hook::Response, "function(response, request) request:fail('as asked') end"),
        (Hook::Log, "function(request) request:fail('as asked') end"),
    ] {
        let failure = call(hook, text).unwrap_err();
        assert_eq!((failure.cause, failure.reason.as_str()), (FailureCause::Error, "as asked"), "{text}");
    }
    call(Hook::Response, "function(response, request) response.headers:set('x-path', request.path) end").unwrap();
    let failure = call(Hook::Request, "function(request) request:fail('said') error('thrown') end").unwrap_err();
    assert_eq!(failure.reason, "plugin.lua:1: thrown", "with its place");
    assert!(failure.clone().into_text().starts_with("plugin.lua:1: thrown\n"), "and the stack below it");
}

#[test]
fn a_reason_that_is_too_long_is_cut_between_characters() {
    for text in [
        "function(request) request:fail('x' .. string.rep('\u{e4}', 1e6)) end",
        "function(request) error('x' .. string.rep('\u{e4}', 1e6), 0) end",
    ] {
        let failure = call(Hook::Request, text).unwrap_err();
        assert_eq!(failure.reason, format!("x{}", "\u{e4}".repeat(2047)), "{text}");
    }
}
