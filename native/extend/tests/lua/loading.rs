//! Pins: how a plugin is loaded and configured, how its errors read, and what it may ask of its host.

use std::rc::Rc;

use polygate_extend::{FailureCause, Headers, Hook, Host, LuaPlugin, LuaSource, Plugin, syntax_problem};

use crate::support::{Log, Sent, TIMEOUT, call, failure, latin1, load, on_request, refusal_to_load, source, value};

fn configured(text: &str, config_json: &str) -> Result<LuaPlugin, polygate_extend::Failure> {
    let source = LuaSource { config_json: config_json.into(), ..source(text) };
    LuaPlugin::load(source, Rc::new(Log::default()))
}

#[test]
fn what_is_no_plugin_is_refused_with_a_reason() {
    for (text, reason) in [
        ("", "the file returned a nil, but returns a function (config, host)"),
        ("return {}", "the file returned a table, but returns a function (config, host)"),
        ("return function() end", "the factory returned a nil, but returns a table of hooks"),
        ("return function() return 1 end", "the factory returned a number, but returns a table of hooks"),
        ("return function() return { requst = print } end", "`requst` is no hook; the hooks are request, authenticate"),
        ("return function() return { print } end", "`1` is no hook"),
        ("return function() return { request = 'a' } end", "the hook `request` is a string, not a function"),
        ("return function(", "plugin.lua:1: "),
        ("return 5 5", "plugin.lua:1: "),
        ("local a\nlocal b = a.c", "plugin.lua:2: attempt to index nil with 'c'"),
        (
            "return function(config)\nerror('bad greeting: ' .. tostring(config.greeting))\nend",
            "plugin.lua:2: bad greeting: nil",
        ),
        ("\u{1b}Lua", "plugin.lua:1: "),
    ] {
        let failure = refusal_to_load(text);
        assert_eq!(failure.cause, FailureCause::Error);
        assert!(failure.reason.contains(reason), "{text}: {failure}");
        assert!(!failure.reason.contains('\n'), "{text}: {failure}");
    }
    assert!(
        configured("return function() return {} end", "{")
            .err()
            .unwrap()
            .reason
            .contains("the configuration is no JSON")
    );
    assert!(
        configured("return function() return {} end", "[1, null]").err().unwrap().reason.contains("null in a list")
    );
}

#[test]
fn the_hooks_of_the_manifest_are_all_there() {
    let with_hooks = |text: &str| {
        let source = LuaSource { hooks: vec![Hook::Request, Hook::Log], ..source(text) };
        LuaPlugin::load(source, Rc::new(Log::default()))
    };
    with_hooks("return function() return { log = print, request = print, forward = print } end").unwrap();
    let failure = with_hooks("return function() return { request = print } end").err().unwrap();
    assert_eq!(failure.reason, "plugin.yaml names the hook log, and the factory gave no such function");
}

#[test]
fn a_plugin_that_has_lost_a_hook_when_it_is_made_anew_is_unavailable() {
    for hooks in [vec![Hook::Request], vec![]] {
        let text = "return function(config, host)
            local hooks = {}
            if not host.store.get('made') then hooks.request = function() string.rep('x', 1e9) end end
            host.store.set('made', 'x', 1e9)
            return hooks
        end";
        let mut plugin =
            LuaPlugin::load(LuaSource { hooks, ..source(text) }, Rc::new(Log::default())).expect("the first time");
        assert_eq!(call(&mut plugin, &mut Sent::default()).unwrap_err().cause, FailureCause::Memory);
        for _ in 0..3 {
            let failure = call(&mut plugin, &mut Sent::default()).expect_err("never unchecked");
            assert_eq!(failure.cause, FailureCause::Unavailable, "{failure}");
        }
    }
}

#[test]
fn a_syntax_error_is_found_where_it_is_and_nothing_runs() {
    assert_eq!(syntax_problem("plugin.lua", b"error('it ran') while true do end"), None);
    let problem = syntax_problem("plugin.lua", b"local a = 1\nreturn function(\nend\n").unwrap();
    assert!(problem.starts_with("plugin.lua:3: Expected ") && !problem.contains('\n'), "{problem}");
    let problem = syntax_problem("plugin.lua", b"local a = 'not closed\n").unwrap();
    assert!(problem.starts_with("plugin.lua:1: Malformed string"), "{problem}");
    assert!(syntax_problem("plugin.lua", b"\x1bLua").is_some() && syntax_problem("plugin.lua", b"\0").is_some());
    let deep = "(".repeat(1_000_000);
    let problem = syntax_problem("plugin.lua", format!("return {deep}").as_bytes()).unwrap();
    assert!(problem.contains("Exceeded allowed recursion depth"), "{problem}");
}

#[test]
fn hooks_that_are_not_there_do_nothing() {
    let mut plugin = load("return function() return { log = function() error('called') end } end");
    assert!(plugin.has(Hook::Log) && !plugin.has(Hook::Request));
    plugin.on_request(Hook::Request, &mut Sent::default(), TIMEOUT).unwrap();
    assert!(plugin.on_request(Hook::Log, &mut Sent::default(), TIMEOUT).unwrap_err().reason.contains("called"));
}

#[test]
fn an_error_has_its_place_and_its_stack() {
    let mut plugin = load(
        "local function inner(request)
            local missing = nil
            return missing.field
        end
        local function outer(request)
            local result = inner(request)
            return result
        end
        return function() return { request = function(request)
            outer(request)
        end } end",
    );
    let failure = call(&mut plugin, &mut Sent::default()).unwrap_err();
    assert_eq!(failure.reason, "plugin.lua:3: attempt to index nil with 'field'");
    let lines: Vec<_> = failure.stack.lines().collect();
    assert!(lines.len() >= 3, "{lines:?}");
    for (line, (place, name)) in lines.iter().zip([(":3", "inner"), (":6", "outer"), (":10", "request")]) {
        assert!(line.contains(&format!("plugin.lua{place}")) && line.contains(name), "{lines:?}");
    }
    call(&mut on_request(""), &mut Sent::default()).unwrap();
}

#[test]
fn errors_of_each_kind_have_a_reason() {
    for (body, reason) in [
        ("error('plain', 0)", "plain"),
        ("error('at a line')", "plugin.lua:2: at a line"),
        ("error()", "nil"),
        ("error({ code = 5 })", "table: 0x"),
        ("error(setmetatable({}, { __tostring = function() return 'own' end }))", "own"),
        ("error(request)", "Request: 0x"),
        ("error('not enough memory')", "plugin.lua:2: not enough memory"),
        ("assert(false, 'asserted')", "asserted"),
        ("request.headers:nothing()", "nothing"),
        ("local x = 1 + {}", "attempt to perform arithmetic"),
        ("host.store.set('', 'a', 1)", "host.store.set: a key has 1 to 1024 bytes"),
        ("host.store.set('a', 'b')", "number"),
        ("host.store.set('a', 'b', 0)", "host.store.set: ttlMs must be a number above 0"),
        ("host.store.set('a', 'b', 0 / 0)", "host.store.set: ttlMs must be a number above 0"),
        ("host.store.set('a', string.rep('b', 1048577), 1)", "host.store.set: a value has at most 1 MiB"),
        ("host.store.set('a', {}, 1)", "string"),
        ("host.store.get()", "string"),
        ("error('\\xff\\xfe')", "plugin.lua:2: "),
    ] {
        let failure = failure(body);
        assert_eq!(failure.cause, FailureCause::Error, "{body}");
        assert!(failure.reason.contains(reason), "{body}: {failure:?}");
        assert!(!failure.reason.contains('\n'), "{body}: {failure:?}");
    }
}

#[test]
fn a_failed_call_leaves_the_next_alone() {
    let mut plugin = load(
        "local calls = 0
        return function() return { request = function(request)
            calls += 1
            if calls % 2 == 1 then error('odd') end
            request.headers:set('x-calls', calls)
        end } end",
    );
    for calls in 1..=10 {
        let mut request = Sent::default();
        let result = call(&mut plugin, &mut request);
        assert_eq!(result.is_err(), calls % 2 == 1);
        let seen = request.header(b"x-calls").map(latin1);
        assert_eq!(seen, (calls % 2 == 0).then(|| calls.to_string()), "an error does not cost the state");
    }
}

#[test]
fn configuration_keeps_its_types() {
    let config = r#"{"text": "grü\u0000ß", "whole": 3, "part": -0.25, "yes": true, "no": false, "nothing": null,
        "list": [1, "two", [3], {"four": 4}], "empty": [], "none": {}, "large": 9007199254740991, "": "empty name"}"#;
    let text = "return function(config, host)
        local seen = table.concat({
            #config.text, config.text, config.whole + 1, config.part, tostring(config.yes), tostring(config.no),
            tostring(config.nothing), #config.list, config.list[2], config.list[3][1], config.list[4].four,
            #config.empty, tostring(next(config.none)), string.format('%d', config.large), config[''],
        }, '|')
        return { request = function(request) request.path = '/' request.context:set('seen', seen) end }
    end";
    let mut request = Sent::default();
    call(&mut configured(text, config).unwrap(), &mut request).unwrap();
    let seen = &request.context[&b"seen"[..]];
    let expected = "7|grü\0ß|4|-0.25|true|false|nil|4|two|3|4|0|nil|9007199254740991|empty name";
    assert_eq!(String::from_utf8_lossy(seen), expected);
    for (config, kind) in [("null", "nil"), ("[]", "table"), ("\"a\"", "string"), ("1", "number"), ("true", "boolean")]
    {
        let text = format!("return function(config) assert(type(config) == '{kind}') return {{}} end");
        configured(&text, config).unwrap_or_else(|failure| panic!("{config}: {failure:?}"));
    }
}

#[test]
fn what_a_plugin_logs_says_where_it_came_from() {
    let log = Rc::new(Log::default());
    let text = "print('file', 1)
        return function(config, host)
            host.log.warn('factory')
            return { request = function(request)
                host.log.debug(request.path, 1.5, nil, true)
                host.log.error('\\xff')
                host.log.info(string.rep('x', 5000))
                print('done', setmetatable({}, { __tostring = function() return 'own' end }))
            end }
        end";
    let mut plugin = LuaPlugin::load(source(text), Rc::clone(&log) as Rc<dyn Host>).ok().unwrap();
    call(&mut plugin, &mut Sent::default()).unwrap();
    let lines = log.0.borrow();
    assert_eq!(
        lines[..4],
        [
            "info -   file\t1",
            "warn -   factory",
            "debug request orders request-1 /a/b\t1.5\tnil\ttrue",
            "error request orders request-1 \u{ff}"
        ]
    );
    assert_eq!(lines[4].len(), "info request orders request-1 ".len() + 4096);
    assert_eq!(lines[5], "info request orders request-1 done\town");
}

#[test]
fn key_values_live_from_request_to_request_and_end_with_their_time() {
    let mut plugin = on_request(
        "local before = host.store.get('last')
        host.store.set('last', request.path .. '\\0\\xff', 3600000)
        host.store.set('gone', 'x', 1000)
        host.store.delete('gone')
        host.store.delete('never there')
        host.store.set('short', 'x', 1e-6)
        host.store.set('long', 'x', 1e300)
        request.headers:set('x-seen', tostring(before == '/a/b\\0\\xff') .. tostring(host.store.get('gone'))
            .. tostring(host.store.get('short')) .. tostring(host.store.get('long')))",
    );
    for expected in ["falsenilnilx", "truenilnilx"] {
        let mut request = Sent::default();
        call(&mut plugin, &mut request).unwrap();
        assert_eq!(latin1(request.header(b"x-seen").unwrap()), expected);
    }
}

#[test]
fn key_values_are_bounded() {
    let text = "return function(config, host) return { request = function(request)
        for index = 1, 1000 do host.store.set('key' .. index, string.rep('x', 10000), 60000) end
        local left = 0
        for index = 1, 1000 do if host.store.get('key' .. index) then left += 1 end end
        request.headers:set('x-left', left)
        request.headers:set('x-newest', tostring(host.store.get('key1000') ~= nil))
    end } end";
    let source = LuaSource { store_bytes: 1 << 20, ..source(text) };
    let mut plugin = LuaPlugin::load(source, Rc::new(Log::default())).ok().unwrap();
    let mut request = Sent::default();
    call(&mut plugin, &mut request).unwrap();
    let left: usize = latin1(request.header(b"x-left").unwrap()).parse().unwrap();
    assert!((90..=104).contains(&left), "{left}");
    assert_eq!(request.header(b"x-newest"), Some(&b"true"[..]));
}

#[test]
fn luau_s_own_syntax_and_types_are_understood() {
    let mut plugin = load(
        "--!strict
        type Config = { greeting: string? }
        return function(config: Config, host)
            local greeting: string = config.greeting or 'hi'
            return { request = function(request)
                local count = 1
                count += 1
                for _, name in { 'x-a', 'x-b' } do
                    if name == 'x-a' then continue end
                    request.headers:set(name, `{greeting} {count}`)
                end
            end }
        end",
    );
    let mut request = Sent::default();
    call(&mut plugin, &mut request).unwrap();
    assert_eq!((request.header(b"x-a"), request.header(b"x-b")), (None, Some(&b"hi 2"[..])));
    assert_eq!(value("string.format('%q', 'a')"), "\"a\"");
}
