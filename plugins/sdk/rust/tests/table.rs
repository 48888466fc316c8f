//! The table that the macro makes, called as a gateway calls it: the hooks that are named and no others, outcomes and
//! their reasons, and that no panic leaves any of its functions. What goes through a real gateway's host is pinned by the
//! tests of native/extend.

#![allow(clippy::unwrap_used)] // Reason: a test may panic.

use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr;

use polygate_plugin::{Config, Error, Host, Plugin, Request, Response, Result, Verdict, polygate_plugin};
use polygate_plugin_abi::{self as abi, ABI_VERSION, Header, Message, Text, outcome};

#[derive(serde::Deserialize)]
struct Tested {
    then: String,
}

impl Plugin for Tested {
    fn new(config: &Config<'_>, _host: &Host) -> Result<Self> {
        let plugin: Self = config.parse()?;
        assert!(plugin.then != "panic at once", "at once");
        Ok(plugin)
    }

    fn request(&mut self, request: &mut Request<'_>) -> Result<Verdict> {
        match self.then.as_str() {
            "panic" => panic!("two\nlines"),
            "throw" => std::panic::panic_any(Bomb),
            "fail" => Err(Error::new(format!("not {}", request.path()))),
            _ => request.respond(200, &[("a", "b")], "body"),
        }
    }

    fn log(&mut self, _request: &Request<'_>, response: Option<&Response<'_>>) -> Result<()> {
        if response.is_some() { Ok(()) } else { Err(Error::new("no response")) }
    }
}

/// Not a text, and worse when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("again");
    }
}

polygate_plugin!(Tested: request, log);

unsafe extern "C" {
    fn polygate_plugin_table() -> *const abi::Plugin;
}

fn table() -> &'static abi::Plugin {
    // SAFETY: the macro above has made it.
    unsafe { &*polygate_plugin_table() }
}

thread_local! {
    /// What the host's functions were told.
    static TOLD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn tell(function: &str, text: Text) {
    // SAFETY: lent during the call.
    let text = String::from_utf8_lossy(unsafe { text.bytes() }.unwrap_or_default()).into_owned();
    TOLD.with_borrow_mut(|told| told.push(format!("{function}: {text}")));
}

fn told() -> String {
    TOLD.take().join("\n")
}

extern "C" fn log(_: *const abi::Host, level: u32, message: Text) {
    tell(&format!("log {level}"), message);
}
extern "C" fn refuse(_: *const abi::Host, reason: Text) {
    tell("refuse", reason);
}
extern "C" fn fail(_: *mut Message, reason: Text) {
    tell("fail", reason);
}
extern "C" fn text(_: *const Message, part: u32) -> Text {
    if part == abi::part::PATH { Text::of(b"/path") } else { Text::NONE }
}
extern "C" fn set_text(_: *mut Message, _: u32, _: Text) -> i32 {
    0
}
extern "C" fn by_name(_: *const Message, _: Text) -> Text {
    Text::NONE
}
extern "C" fn headers(_: *const Message, _: *mut Header, _: usize) -> usize {
    0
}
extern "C" fn edit(_: *mut Message, _: Text, _: Text) -> i32 {
    0
}
extern "C" fn remove_header(_: *mut Message, _: Text) -> i32 {
    0
}
extern "C" fn status(_: *const Message) -> i32 {
    0
}
extern "C" fn set_status(_: *mut Message, _: i32) -> i32 {
    0
}
extern "C" fn respond(_: *mut Message, status: i32, _: *const Header, count: usize, body: Text) -> i32 {
    tell(&format!("respond {status} {count}"), body);
    0
}

fn host(abi_version: u32, struct_size: usize) -> abi::Host {
    abi::Host {
        abi_version,
        struct_size: struct_size as u32,
        log,
        refuse,
        text,
        set_text,
        header: by_name,
        headers,
        set_header: edit,
        append_header: edit,
        remove_header,
        context: by_name,
        set_context: edit,
        status,
        set_status,
        respond,
        fail,
    }
}

fn create(host: &abi::Host, config: &str) -> Result<*mut c_void, i32> {
    let mut instance = ptr::null_mut();
    // SAFETY: as the header wants it.
    match unsafe { table().create.unwrap()(host, Text::of(config.as_bytes()), &raw mut instance) } {
        outcome::DONE => Ok(instance),
        other => Err(other),
    }
}

fn request(then: &str) -> (i32, String) {
    let host = host(ABI_VERSION, size_of::<abi::Host>());
    let instance = create(&host, &format!(r#"{{ "then": "{then}" }}"#)).unwrap();
    let mut message = 0u8;
    // SAFETY: as the header wants it; what is behind a message is the host's own business.
    let outcome = unsafe { table().request.unwrap()(instance, (&raw mut message).cast()) };
    // SAFETY: the instance's last call.
    unsafe { table().destroy.unwrap()(instance) };
    (outcome, told())
}

#[test]
fn the_table_has_the_hooks_that_were_named() {
    let table = table();
    assert_eq!((table.abi_version, table.struct_size as usize), (ABI_VERSION, size_of::<abi::Plugin>()));
    assert!(table.request.is_some() && table.log.is_some());
    assert!(table.authenticate.is_none() && table.authorize.is_none() && table.forward.is_none());
    assert!(table.response.is_none());
}

#[test]
fn a_gateway_that_is_too_old_is_refused() {
    let size = size_of::<abi::Host>();
    assert_eq!(create(&host(ABI_VERSION, size - 8), r#"{ "then": "" }"#), Err(outcome::FAILED));
    assert_eq!(told(), "refuse: this gateway is older than the plugin's polygate-plugin crate");
    assert_eq!(create(&host(ABI_VERSION + 1, size), r#"{ "then": "" }"#), Err(outcome::FAILED));
    assert_eq!(told(), "", "nothing of another version is called");
    let later = create(&host(ABI_VERSION, size + 80), r#"{ "then": "" }"#).unwrap();
    // SAFETY: the instance's last call.
    unsafe { table().destroy.unwrap()(later) };
}

#[test]
fn create_says_what_is_wrong() {
    let host = host(ABI_VERSION, size_of::<abi::Host>());
    assert_eq!(create(&host, "{}"), Err(outcome::FAILED));
    assert_eq!(told(), "refuse: config: missing field `then` at line 1 column 2");
    assert_eq!(create(&host, r#"{ "then": "panic at once" }"#), Err(outcome::BROKEN));
    let text = told();
    assert!(
        text.starts_with("refuse: panicked at ") && text.contains("tests/table.rs:") && text.ends_with(": at once"),
        "{text}"
    );
    let mut instance = ptr::null_mut();
    // SAFETY: as the header wants it.
    let made = unsafe { table().create.unwrap()(&raw const host, Text::of(b"\xff"), &raw mut instance) };
    assert_eq!((made, instance.is_null()), (outcome::FAILED, true));
    assert!(told().starts_with("refuse: invalid utf-8"));
}

#[test]
fn hooks_say_how_they_ended() {
    assert_eq!(request("answer"), (outcome::DONE, "respond 200 1: body".to_owned()));
    assert_eq!(request("fail"), (outcome::FAILED, "fail: not /path".to_owned()));
    let (outcome, text) = request("panic");
    assert_eq!(outcome, outcome::BROKEN);
    assert!(text.starts_with("fail: panicked at ") && text.ends_with(": two lines"), "{text}");
    let (outcome, text) = request("throw");
    assert_eq!(outcome, outcome::BROKEN);
    assert!(text.starts_with("fail: panicked at "), "{text}");
}

#[test]
fn a_response_that_is_not_there_is_none() {
    let host = host(ABI_VERSION, size_of::<abi::Host>());
    let instance = create(&host, r#"{ "then": "" }"#).unwrap();
    let (mut request, mut response) = (0u8, 0u8);
    let log = table().log.unwrap();
    // SAFETY: as the header wants it.
    unsafe {
        assert_eq!(log(instance, (&raw mut request).cast(), (&raw mut response).cast()), outcome::DONE);
        assert_eq!(log(instance, (&raw mut request).cast(), ptr::null_mut()), outcome::FAILED);
        table().destroy.unwrap()(instance);
    }
    assert_eq!(told(), "fail: no response");
}
