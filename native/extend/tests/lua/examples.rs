//! Pins: the examples in Luau do what they say, and the types for authors name what there is and nothing else.

use std::path::PathBuf;
use std::rc::Rc;

use polygate_extend::{Headers, Hook, LuaPlugin, LuaSource, Plugin, Request};

use crate::support::{Answered, Log, Sent, TIMEOUT, call, latin1, load};

fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../plugins").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn example(name: &str, config: &str) -> LuaPlugin {
    let source = LuaSource::new("plugin.lua", read(&format!("examples/{name}/plugin.lua")), config);
    LuaPlugin::load(source, Rc::new(Log::default())).unwrap_or_else(|failure| panic!("{failure:?}"))
}

#[test]
fn greeting() {
    let mut plugin = example("greeting-lua", r#"{"greeting": "hello"}"#);
    let mut request = Sent::default();
    call(&mut plugin, &mut request).unwrap();
    assert_eq!((request.header(b"x-greeting"), request.header(b"x-internal")), (Some(&b"hello"[..]), None));
    assert!(request.answer.is_none());
    let mut response = Answered::default();
    plugin.on_response(Hook::Response, Some(&mut response), &mut request, TIMEOUT).unwrap();
    assert_eq!(response.header(b"x-greeted"), Some(&b"yes"[..]));
    request.set_header(b"x-block", b"1").unwrap();
    call(&mut plugin, &mut request).unwrap();
    assert_eq!(request.answer, Some((403, vec![(b"content-type".into(), b"text/plain".into())], b"blocked".into())));
}

#[test]
fn canary() {
    let chosen = |plugin: &mut LuaPlugin, consumer: &str, wish: &str| {
        let mut request = Sent { consumer: consumer.into(), ..Sent::default() };
        request.set_header(b"x-canary", wish.as_bytes()).unwrap();
        plugin.on_request(Hook::Forward, &mut request, TIMEOUT).unwrap();
        assert_eq!(request.header(b"x-canary"), None);
        let chosen = request.upstream.is_some();
        assert_eq!(request.context(b"canary"), Some(if chosen { &b"yes"[..] } else { b"no" }));
        chosen
    };
    let with = |percent: u32| {
        let config = format!(r#"{{"upstream": "blue", "percent": {percent}, "header": "x-canary"}}"#);
        example("canary-lua", &config)
    };
    let (mut none, mut some, mut more, mut all) = (with(0), with(20), with(50), with(100));
    let (mut in_some, mut in_more) = (0, 0);
    for number in 0..2000 {
        let client = format!("client-{number}");
        let (some, more) = (chosen(&mut some, &client, "-"), chosen(&mut more, &client, "-"));
        assert!(more || !some, "{client} goes back when the share grows");
        in_some += u32::from(some);
        in_more += u32::from(more);
        assert!(chosen(&mut all, &client, "-") && !chosen(&mut none, &client, "-"));
    }
    assert!((340..=460).contains(&in_some) && (900..=1100).contains(&in_more), "{in_some} {in_more}");
    assert!(chosen(&mut none, "a", "always") && !chosen(&mut all, "a", "never"));
    assert_eq!(
        chosen(&mut some, "", "-"),
        chosen(&mut some, "192.0.2.7", "-"),
        "an address where there is no consumer"
    );
}

#[test]
fn the_readme_s_plugin_loads() {
    let readme = read("sdk/lua/README.md");
    let (_, rest) = readme.split_once("```lua\n").unwrap();
    assert!(load(rest.split_once("```").unwrap().0).has(Hook::Response));
}

#[test]
fn the_types_for_authors_are_what_there_is() {
    let types = read("sdk/lua/polygate.d.luau");
    mlua::chunk::Compiler::new().compile(&types).unwrap();
    let members = |name: &str| -> Vec<String> {
        let (_, rest) = types.split_once(&format!("export type {name} = {{\n")).unwrap();
        let lines = rest.split_once("\n}").unwrap().0.lines();
        let named = lines.filter_map(|line| line.strip_prefix("    ")?.split_once(": "));
        let named = named.map(|(name, _)| name.strip_prefix("read ").unwrap_or(name).to_owned());
        named.filter(|name| name.chars().all(char::is_alphanumeric)).collect()
    };
    assert_eq!(members("Hooks"), Hook::ALL.map(Hook::name));
    let mut checks = Vec::new();
    for (name, object) in [
        ("Headers", "request.headers"),
        ("Context", "request.context"),
        ("Request", "request"),
        ("Response", "response"),
        ("Host", "host"),
    ] {
        let members = members(name);
        assert!(members.len() > 1, "{name}");
        checks.extend(members.iter().map(|member| format!("local _ = {object}.{member}")));
    }
    let text = format!(
        "return function(config, host) return {{ response = function(response, request)\n{}\nend }} end",
        checks.join("\n")
    );
    let (mut response, mut request) = (Answered::default(), Sent::default());
    load(&text).on_response(Hook::Response, Some(&mut response), &mut request, TIMEOUT).unwrap();
    let methods = ["get", "getAll", "set", "append", "delete", "entries"];
    assert_eq!(members("Headers").iter().map(String::as_str).collect::<Vec<_>>(), methods);
    assert_eq!(latin1(request.path()), "/a/b", "nothing was edited");
}
