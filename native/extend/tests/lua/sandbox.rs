//! Pins: what a plugin can reach, and that nothing it does is seen by another plugin, another configuration, or the next
//! request, unless it keeps it in its own locals.

use std::rc::Rc;

use polygate_extend::{Headers, LuaPlugin, LuaSource};

use crate::support::{Log, Sent, call, failure, latin1, load, on_request, refusal_to_load, run, source, value};

const KEYS: &str = "(function(t) local keys = {} for key in t do table.insert(keys, tostring(key)) end
    table.sort(keys) return table.concat(keys, ' ') end)";

#[test]
fn these_names_are_there_and_no_others() {
    let globals = "_G _VERSION assert bit32 buffer coroutine error getmetatable host ipairs math next os pairs pcall print \
        rawequal rawget rawlen rawset request select setmetatable string table tonumber tostring type typeof unpack utf8 xpcall";
    let without_arguments = globals.replace(" host ", " ").replace(" request ", " ");
    assert_eq!(value(&format!("{KEYS}(_G)")), without_arguments);
    assert_eq!(value(&format!("{KEYS}(os)")), "clock date difftime time");
    assert_eq!(
        value(&format!("{KEYS}(string)")),
        "byte char find format gmatch gsub len lower match pack packsize rep reverse split sub unpack upper"
    );
    assert_eq!(
        value(&format!("{KEYS}(table)")),
        "clear clone concat create find foreach foreachi freeze getn insert isfrozen maxn move pack remove sort unpack"
    );
    let run_in_factory = load(&format!(
        "return function(config, host)
            local seen = {KEYS}(host) .. ':' .. {KEYS}(host.log) .. ':' .. {KEYS}(host.store)
            return {{ request = function(request) request.headers:set('x-seen', seen) end }}
        end"
    ));
    let (mut plugin, mut request) = (run_in_factory, Sent::default());
    call(&mut plugin, &mut request).unwrap();
    assert_eq!(latin1(request.header(b"x-seen").unwrap()), "log store:debug error info warn:delete get set");
}

#[test]
fn what_reaches_out_of_the_sandbox_is_not_there() {
    for name in [
        "io",
        "debug",
        "package",
        "require",
        "dofile",
        "loadfile",
        "load",
        "loadstring",
        "collectgarbage",
        "gcinfo",
        "getfenv",
        "setfenv",
        "newproxy",
        "jit",
        "ffi",
        "vector",
        "os.execute",
        "os.getenv",
        "os.exit",
        "os.remove",
        "os.rename",
        "os.tmpname",
        "string.dump",
        "coroutine.runFinalizers",
    ] {
        assert_eq!(value(name), "nil", "{name}");
    }
    for call in ["io.open('/etc/passwd')", "os.execute('id')", "require('os')", "debug.info(1, 's')"] {
        assert!(failure(call).reason.contains("attempt to"), "{call}");
    }
}

#[test]
fn globals_and_libraries_cannot_be_changed() {
    for change in [
        "leak = 1",
        "_G.leak = 1",
        "rawset(_G, 'leak', 1)",
        "print = nil",
        "_G.print = nil",
        "string.find = nil",
        "string.leak = 1",
        "rawset(string, 'leak', 1)",
        "table.clear(string)",
        "table.insert(table, 1)",
        "math.pi = 3",
        "setmetatable(_G, {})",
        "setmetatable(string, {})",
        "getmetatable('').__index = {}",
        "getmetatable('').leak = 1",
        "getmetatable(_G).__index = {}",
        "getmetatable(request).__index = {}",
        "setmetatable(request, {})",
        "rawset(request, 'path', '/')",
        "request.headers.get = print",
        "setmetatable(request.headers, {})",
        "getmetatable(request.headers).__index.get = print",
        "request.context.get = print",
        "host.leak = 1",
        "host.log.info = 1",
        "rawset(host.store, 'get', 1)",
        "setmetatable(host, {})",
        "config.leak = 1",
        "config.nested.leak = 1",
        "config.list[1] = 'x'",
        "table.insert(config.list, 'x')",
        "table.clear(config.list)",
        "setmetatable(config, {})",
    ] {
        let text = format!("return function(config, host) return {{ request = function(request) {change} end }} end");
        let config = r#"{"nested": {"a": 1}, "list": ["a"]}"#;
        let source = LuaSource { config_json: config.into(), ..source(&text) };
        let mut plugin = LuaPlugin::load(source, Rc::new(Log::default())).ok().unwrap();
        let failure = call(&mut plugin, &mut Sent::default()).expect_err(change);
        assert!(
            failure.reason.starts_with("plugin.lua:1: ") || failure.reason.contains("readonly"),
            "{change}: {failure}"
        );
    }
    assert_eq!(
        failure("leak = 1").reason,
        "plugin.lua:2: `leak` is no local: write `local leak`, for globals cannot be set"
    );
    assert!(refusal_to_load("leak = 1 return function() return {} end").reason.contains("`leak` is no local"));
}

#[test]
fn metatables_of_objects_and_strings_cannot_be_had() {
    for (object, kind) in [("request", "Request"), ("request.headers", "Headers"), ("request.context", "Context")] {
        assert_eq!(value(&format!("getmetatable({object})")), "false");
        assert_eq!(value(&format!("typeof({object})")), kind);
        assert_eq!(value(&format!("type({object})")), "userdata");
    }
    assert_eq!(value("getmetatable(_G)"), "false");
}

#[test]
fn a_state_keeps_its_locals_and_two_never_share_them() {
    let text = "local calls = 0
        return function(config, host) return { request = function(request)
            calls += 1
            host.store.set('calls', calls, 60000)
            request.headers:set('x-calls', config.name .. calls .. '/' .. host.store.get('calls'))
        end } end";
    let plugin = |name: &str| {
        let source = LuaSource { config_json: format!(r#"{{"name": "{name}"}}"#), ..source(text) };
        LuaPlugin::load(source, Rc::new(Log::default())).ok().unwrap()
    };
    let (mut first, mut second) = (plugin("a"), plugin("b"));
    let calls = |plugin: &mut LuaPlugin| {
        let mut request = Sent::default();
        call(plugin, &mut request).unwrap();
        latin1(request.header(b"x-calls").unwrap())
    };
    assert_eq!(
        [calls(&mut first), calls(&mut first), calls(&mut second), calls(&mut first)],
        ["a1/1", "a2/2", "b1/1", "a3/3"]
    );
}

#[test]
fn bytecode_is_not_run() {
    let bytecode = mlua::chunk::Compiler::new().compile("return function() return {} end").unwrap();
    let source = LuaSource::new("plugin.lua", bytecode, "{}");
    assert!(LuaPlugin::load(source, Rc::new(Log::default())).is_err());
}

#[test]
fn one_call_does_not_see_anothers_coroutine_or_error() {
    let mut plugin = on_request(
        "if not request.headers:get('x-second') then coroutine.yield() end
        request.headers:set('x-ok', '1')",
    );
    let failure = call(&mut plugin, &mut Sent::default()).unwrap_err();
    assert!(failure.reason.contains("attempt to yield"), "{failure}");
    let mut request = Sent::default();
    request.set_header(b"x-second", b"1").unwrap();
    call(&mut plugin, &mut request).unwrap();
    assert_eq!(request.header(b"x-ok"), Some(&b"1"[..]));
}

#[test]
fn addresses_of_objects_do_not_tell_where_memory_is() {
    let request = run("request.headers:set('x-a', tostring(print)) request.headers:set('x-b', tostring({}))");
    for name in [&b"x-a"[..], b"x-b"] {
        let text = latin1(request.header(name).unwrap());
        let (_, address) = text.split_once("0x").unwrap();
        let number = u64::from_str_radix(address, 16).unwrap();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let is_mapped = maps.lines().any(|line| {
            let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
            let bound = |text| u64::from_str_radix(text, 16).unwrap();
            (bound(from)..bound(to)).contains(&number)
        });
        assert!(!is_mapped, "{text}");
    }
}
