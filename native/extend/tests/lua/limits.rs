//! Pins: nothing that a plugin writes runs past its deadline, takes more than its memory or overflows the stack; it fails
//! that call only, and the next one finds a plugin that works.

use std::rc::Rc;
use std::time::{Duration, Instant};

use polygate_extend::{Failure, FailureCause, Headers, Hook, LuaPlugin, LuaSource, Plugin};

use crate::support::{Log, Sent, TIMEOUT, call, latin1, load, on_request, run, source, value};

const SHORT: Duration = Duration::from_millis(30);
/// Far more than a call that was stopped takes, far less than one that was not.
const SOON: Duration = Duration::from_secs(20);

fn stopped(plugin: &mut LuaPlugin, request: &mut Sent, what: &str) -> Failure {
    let began = Instant::now();
    let failure = plugin.on_request(Hook::Request, request, SHORT).expect_err(what);
    assert!(began.elapsed() < SOON, "{what}: {:?}", began.elapsed());
    assert_eq!(
        (failure.cause, failure.reason.as_str()),
        (FailureCause::Deadline, "the call took more than 30 ms"),
        "{what}"
    );
    failure
}

#[test]
fn what_never_ends_is_stopped_at_its_deadline() {
    for forever in [
        "while true do end",
        "repeat local a = 1 until false",
        "for index = 1, math.huge do end",
        "local function deep() pcall(deep) deep() end deep()",
        "for _ in function() return 1 end do end",
        "local t = setmetatable({}, { __index = function() while true do end end }) return t.x",
        "while true do request.headers:get('x-many') end",
        "while true do pcall(request.headers.set, request.headers, 'x a', 'b') end",
        "while true do host.store.set('a', 'b', 1000) end",
        "while true do pcall(error) end",
        "while true do pcall(function() while true do end end) end",
        "local function nest() while true do pcall(nest) end end nest()",
        "local function twice() pcall(twice) pcall(twice) end while true do twice() end",
        "xpcall(function() while true do end end, function() while true do end end)",
        "xpcall(error, function() while true do end end)",
        "coroutine.wrap(function() while true do end end)()",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end",
        "table.sort({ 3, 1, 2 }, function() while true do end end)",
        "string.gsub('abc', '.', function() while true do end end)",
        "tostring(setmetatable({}, { __tostring = function() while true do end end }))",
        "local t = {} while true do t[1] = {} end",
    ] {
        let body = format!("if not request.headers:get('x-run') then {forever} end");
        let mut plugin = on_request(&body);
        let stack = stopped(&mut plugin, &mut Sent::default(), forever).stack;
        assert!(stack.contains("plugin.lua:"), "{forever}: {stack}");
        let mut next = Sent::default();
        next.set_header(b"x-run", b"1").unwrap();
        call(&mut plugin, &mut next).unwrap_or_else(|failure| panic!("{forever}: {failure:?}"));
    }
}

#[test]
fn pathological_patterns_are_stopped() {
    for (pattern, text) in [
        ("string.rep('a?', 40) .. string.rep('a', 40)", "string.rep('a', 40)"),
        ("'.-.-.-.-.-b'", "string.rep('a', 5000)"),
        ("string.rep('(a*)', 15) .. 'b'", "string.rep('a', 60)"),
        ("'.*.*.*.*b'", "string.rep('a', 5000)"),
        ("'%b()%b()x'", "string.rep('(', 200000)"),
        ("string.rep('a-', 90) .. 'b'", "string.rep('a', 200)"),
    ] {
        for function in ["find", "match", "gsub"] {
            let end = if function == "gsub" { ", ''" } else { "" };
            let body = format!("string.{function}({text}, {pattern}{end})");
            stopped(&mut on_request(&body), &mut Sent::default(), &body);
        }
        let body = format!("for _ in string.gmatch({text}, {pattern}) do end");
        stopped(&mut on_request(&body), &mut Sent::default(), &body);
    }
}

#[test]
fn builtins_that_do_not_look_at_the_clock_end_soon() {
    let began = Instant::now();
    for (expression, expected) in [
        ("string.find(string.rep('a', 4e6), string.rep('a', 2e6) .. 'b', 1, true)", "nil"),
        ("string.find(string.rep('a', 4e6), string.rep('a', 2e6) .. 'b')", "nil"),
        ("string.rep('a', 4e6):find(string.rep('a', 2e6) .. 'b')", "nil"),
        ("#string.split(string.rep('a', 4e6), string.rep('a', 2e6) .. 'b')", "1"),
        ("#table.move({}, 1, 2147483645, 2, {})", "0"),
        ("table.move({ [5] = 7 }, 1, 2147483645, 3)[7]", "7"),
        ("tostring(pcall(table.move, {}, 1, 2147483646, 1, {}))", "false"),
        ("#string.rep('', 2147483647)", "0"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
        assert!(began.elapsed() < SOON, "{expression}");
    }
    let body = "local a = string.rep('a', 4e6)
        local x, y = a .. 'x', a .. 'y'
        local list = table.create(300000, x)
        for index = 1, #list, 2 do list[index] = y end
        table.sort(list)";
    stopped(&mut on_request(body), &mut Sent::default(), "a sort of long strings that begin alike");
}

#[test]
fn the_guarded_builtins_do_what_they_did() {
    let long = "string.rep('ab', 40)";
    for (expression, expected) in [
        ("select('#', string.find('x', 'y'))", "1"),
        ("table.concat({ string.find('aXbX', 'X') }, ',')", "2,2"),
        ("table.concat({ string.find('a.b', '.', 2, true) }, ',')", "2,2"),
        ("table.concat({ ('key=1'):find('(%w+)=(%w+)') }, ',')", "1,5,key,1"),
        (&format!("table.concat({{ string.find('--' .. {long} .. '--', {long}) }}, ',')"), "3,82"),
        (&format!("table.concat({{ string.find({long} .. {long}, {long}, 2) }}, ',')"), "3,82"),
        (&format!("table.concat({{ string.find({long} .. {long}, {long}, -80, true) }}, ',')"), "81,160"),
        (&format!("table.concat({{ string.find({long}, {long}, -1000) }}, ',')"), "1,80"),
        (&format!("tostring(string.find({long}, {long}, 1000))"), "nil"),
        (&format!("tostring(string.find({long}, {long}, 0))"), "1"),
        (&format!("table.concat({{ string.find({long}, '^' .. {long} .. '$') }}, ',')"), "1,80"),
        (
            &format!("table.concat({{ string.find({long}, '(' .. {long} .. ')') }}, ',')"),
            &format!("1,80,{}", "ab".repeat(40)),
        ),
        ("table.concat(string.split('a,b,,c'), '|')", "a|b||c"),
        (&format!("table.concat(string.split('x' .. {long} .. 'y' .. {long}, {long}), '|')"), "x|y|"),
        ("table.concat(string.split('abc', ''), '|')", "a|b|c"),
        ("(function() local t = { 3, 1, 2 } table.sort(t) return table.concat(t, ',') end)()", "1,2,3"),
        (
            "(function() local t = {} for i = 1, 100 do t[i] = (i * 37) % 101 end table.sort(t)
                for i = 2, 100 do if t[i - 1] > t[i] then return 'bad' end end return 'sorted' end)()",
            "sorted",
        ),
        (
            "(function() local t = { 1, 2, 3 } table.sort(t, function(a, b) return a > b end)
                return table.concat(t, ',') end)()",
            "3,2,1",
        ),
        ("tostring(pcall(table.sort, { 1, 'a' }))", "false"),
        ("tostring(pcall(string.find))", "false"),
        ("tostring(pcall(string.split, nil))", "false"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
}

#[test]
fn a_plugin_that_catches_its_deadline_is_late_all_the_same() {
    let mut plugin = on_request("pcall(function() while true do end end)");
    stopped(&mut plugin, &mut Sent::default(), "caught");
}

#[test]
fn loading_has_a_deadline_too() {
    for text in [
        "while true do end",
        "return function() while true do end end",
        "return function() pcall(function() while true do end end) return {} end",
    ] {
        let source = LuaSource { load_timeout: SHORT, ..source(text) };
        let failure = LuaPlugin::load(source, Rc::new(Log::default())).err().expect(text);
        assert_eq!((failure.cause, failure.reason.as_str()), (FailureCause::Deadline, "loading took more than 30 ms"));
    }
}

#[test]
fn a_call_that_needs_more_memory_fails_and_the_next_finds_a_new_state() {
    for hog in [
        "local t = {} while true do t[#t + 1] = string.rep('x', 100000) .. #t end",
        "local t = {} while true do t = { t } end",
        "local s = 'x' while true do s = s .. s end",
        "string.rep('x', 1e9)",
        "table.create(5e7, 1)",
        "buffer.create(1e9)",
        "local t = {} while true do table.insert(t, coroutine.create(print)) end",
        "local t = {} while true do table.insert(t, request.headers:getAll('x-many')) end",
        "local t = {} while true do table.insert(t, request.headers:entries()) end",
        "local t = {} while true do table.insert(t, host.store.get('x') or {}) end",
        "request:respond(200, nil, string.rep('x', 3e7) .. 'y')",
    ] {
        let text = format!(
            "local calls = 0
            return function(config, host) host.store.set('x', 'survives', 1e9) return {{ request = function(request)
                calls += 1
                request.headers:set('x-calls', calls)
                if request.headers:get('x-hog') then {hog} end
            end }} end"
        );
        let mut plugin = load(&text);
        for round in 1..=3 {
            let mut request = Sent::default();
            call(&mut plugin, &mut request).unwrap();
            call(&mut plugin, &mut request).unwrap();
            assert_eq!(latin1(request.header(b"x-calls").unwrap()), "2", "{hog}, {round}: a new state each time");
            request.set_header(b"x-hog", b"1").unwrap();
            let failure = call(&mut plugin, &mut request).expect_err(hog);
            assert_eq!((failure.cause, failure.reason.as_str()), (FailureCause::Memory, "not enough memory"), "{hog}");
            assert!(request.answer.is_none());
            assert_eq!(plugin.used_bytes(), 0, "{hog}: the state is gone");
        }
    }
}

#[test]
fn a_factory_that_needs_more_memory_is_not_loaded() {
    let text = "local t = {} for i = 1, 1e9 do t[i] = i end return function() return {} end";
    let failure = LuaPlugin::load(source(text), Rc::new(Log::default())).err().unwrap();
    assert_eq!(failure.cause, FailureCause::Memory, "{failure:?}");
}

#[test]
fn a_plugin_that_cannot_be_made_anew_is_unavailable_and_tried_again_later() {
    // Its key-value memory outlives the state: the second factory run sees the first.
    let text = "return function(config, host)
        if host.store.get('dead') then error('cannot start twice') end
        host.store.set('dead', '1', 700)
        return { request = function() string.rep('x', 1e9) end }
    end";
    let mut plugin = load(text);
    let mut request = Sent::default();
    assert_eq!(call(&mut plugin, &mut request).unwrap_err().cause, FailureCause::Memory);
    let failure = call(&mut plugin, &mut request).unwrap_err();
    assert_eq!(failure.cause, FailureCause::Unavailable);
    assert!(failure.reason.contains("could not be loaded anew: plugin.lua:2: cannot start twice"), "{failure}");
    let failure = call(&mut plugin, &mut request).unwrap_err();
    assert_eq!(failure.reason, "the plugin could not be loaded anew a moment ago");
    // It is tried once a second; by then the key's time is over.
    let began = Instant::now();
    loop {
        match call(&mut plugin, &mut request).unwrap_err().cause {
            FailureCause::Memory => break,
            cause => assert_eq!(cause, FailureCause::Unavailable),
        }
        assert!(began.elapsed() < SOON);
        std::thread::yield_now();
    }
    assert!(began.elapsed() > Duration::from_millis(500), "not at once");
}

#[test]
fn a_call_that_waits_for_a_new_state_has_no_more_time_than_others() {
    // The first time quick, then longer than a call may take, and then never ending.
    let text = "return function(config, host)
        local made = tonumber(host.store.get('made') or '0')
        host.store.set('made', made + 1, 1e9)
        if made == 1 then
            local began = os.clock()
            while os.clock() - began < 0.05 do end
        elseif made == 2 then
            while true do end
        end
        return { request = function(request) if request.headers:get('x-hog') then string.rep('x', 1e9) end end }
    end";
    let source = LuaSource { reload_timeout: Duration::from_secs(2), ..source(text) };
    let mut plugin = LuaPlugin::load(source, Rc::new(Log::default())).ok().unwrap();
    let (mut hog, mut request) = (Sent::default(), Sent::default());
    hog.set_header(b"x-hog", b"1").unwrap();
    assert_eq!(call(&mut plugin, &mut hog).unwrap_err().cause, FailureCause::Memory);
    stopped(&mut plugin, &mut request, "made anew in more time than the call has");
    call(&mut plugin, &mut request).unwrap();
    assert_eq!(call(&mut plugin, &mut hog).unwrap_err().cause, FailureCause::Memory);
    let failure = call(&mut plugin, &mut request).unwrap_err();
    assert_eq!(failure.cause, FailureCause::Unavailable);
    assert!(failure.reason.ends_with("loading took more than 2000 ms"), "{failure}");
}

#[test]
fn recursion_without_end_is_an_error() {
    for endless in [
        "local function deep() return 1 + deep() end deep()",
        "local t = setmetatable({}, {}) getmetatable(t).__index = function(_, key) return t[key] end return t.x",
        "local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x",
        "local function deep() string.gsub('a', 'a', deep) end deep()",
        "local function deep() table.sort({ 1, 2 }, deep) end deep()",
        "local function deep() coroutine.wrap(deep)() end deep()",
        "local t = setmetatable({}, {}) getmetatable(t).__tostring = function() return tostring(t) end tostring(t)",
        "string.find(string.rep('a', 300000), string.rep('(a', 100))",
        "string.match(string.rep('x', 300000), string.rep('x?', 300000))",
        "table.unpack({}, 1, 1e8)",
        "error(setmetatable({}, { __tostring = function() error('again') end }))",
    ] {
        let mut plugin = on_request(&format!("if request.headers:get('x-deep') then {endless} end"));
        let mut request = Sent::default();
        request.set_header(b"x-deep", b"1").unwrap();
        let result = plugin.on_request(Hook::Request, &mut request, TIMEOUT);
        let failure = result.expect_err(endless);
        assert!(matches!(failure.cause, FailureCause::Error | FailureCause::Memory), "{endless}: {failure:?}");
        call(&mut plugin, &mut Sent::default()).unwrap_or_else(|failure| panic!("{endless}: {failure:?}"));
    }
}

#[test]
fn a_panic_of_the_gateway_fails_the_call_and_costs_the_state() {
    let mut plugin = load(
        "local calls = 0
        return function() return { request = function(request)
            calls += 1
            pcall(function() coroutine.wrap(function() return request.headers:get('x-many') end)() end)
            request.headers:set('x-calls', calls)
        end } end",
    );
    let mut request = Sent::default();
    call(&mut plugin, &mut request).unwrap();
    request.panics = true;
    let failure = call(&mut plugin, &mut request).unwrap_err();
    assert_eq!(failure.reason, "the gateway panicked in this call");
    request.panics = false;
    call(&mut plugin, &mut request).unwrap();
    assert_eq!(latin1(request.header(b"x-calls").unwrap()), "1", "a new state");
}

fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn a_million_calls_take_no_more_memory_than_a_thousand() {
    let mut plugin = load(
        "local calls = 0
        return function(config, host) return { request = function(request)
            calls += 1
            request.headers:set('x-calls', 'n' .. calls)
            request.headers:delete('x-internal')
            if calls % 100 == 0 then
                host.store.set('k' .. calls, request.path, 1000)
                for name, value in request.headers:entries() do end
                pcall(request.headers.set, request.headers, 'x a', '')
                pcall(error, { calls })
            end
            if calls % 1000 == 0 then error('now and then') end
        end } end",
    );
    let mut request = Sent::default();
    let mut calls = |count: u32| {
        let mut failures = 0;
        for _ in 0..count {
            request.forget_edits();
            failures += u32::from(call(&mut plugin, &mut request).is_err());
        }
        assert_eq!(failures, count / 1000);
        (resident_bytes(), plugin.used_bytes())
    };
    let (resident_before, used_before) = calls(200_000);
    let (resident, used) = calls(1_000_000);
    assert!(used < used_before * 2 + (64 << 10), "{used_before} {used}");
    // Other tests of this process run beside this one.
    assert!(resident < resident_before + (300 << 20), "{resident_before} {resident}");
}

#[test]
fn large_bodies_of_earlier_calls_do_not_count() {
    for body in [
        "request.body = request.body .. '!'",
        "request.body = string.upper(string.reverse(request.body) .. '!')",
        "for index = 1, 20 do request.body = request.body .. '!' end",
        "local parts = {} for index = 1, 1000 do parts[index] = string.rep(tostring(index), 1000) end
            request.body = table.concat(parts)",
    ] {
        let mut plugin = on_request(body);
        for number in 0..25 {
            let mut request = Sent { body: Some(vec![b'a'; 4 << 20]), ..Sent::default() };
            call(&mut plugin, &mut request).unwrap_or_else(|failure| panic!("{body}, {number}: {failure:?}"));
        }
    }
}

#[test]
fn states_that_are_thrown_away_leave_nothing() {
    let mut plugin = on_request("string.rep('x', 1e9)");
    let mut hog = on_request("local t = {} while true do t[#t + 1] = string.rep('x', 1e6) .. #t end");
    for plugin in [&mut plugin, &mut hog] {
        let mut rounds = |count| {
            for _ in 0..count {
                assert_eq!(call(plugin, &mut Sent::default()).unwrap_err().cause, FailureCause::Memory);
            }
            resident_bytes()
        };
        let before = rounds(5);
        let after = rounds(100);
        assert!(after < before + (300 << 20), "{before} {after}");
    }
    assert_eq!(run("request.headers:set('x-a', 'b')").header(b"x-a"), Some(&b"b"[..]));
}
