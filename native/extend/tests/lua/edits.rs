//! Pins: what a Lua plugin sees of a request and a response, what its edits make of them, and which edits are refused.

use polygate_extend::{FailureCause, Headers, Hook, Plugin, Request};

use crate::support::{Answered, Sent, TIMEOUT, call, failure, latin1, load, on_request, run, value};

#[test]
fn edits_that_would_break_http_fail_the_call_and_change_nothing() {
    for (edit, reason) in [
        ("request.headers:set('x-a', 'b\\r\\nx-c: d')", "header `x-a`: the header's value has a control character"),
        ("request.headers:set('x-a', 'b\\0')", "header `x-a`: the header's value has a control character"),
        ("request.headers:append('x-a', ' b')", "white space at its ends"),
        ("request.headers:set('x a', 'b')", "the header's name is no token"),
        ("request.headers:set('', 'b')", "the header's name is no token"),
        ("request.headers:set('content-length', '1')", "only the gateway writes it"),
        ("request.headers:delete('Transfer-Encoding')", "only the gateway writes it"),
        ("request.headers:append('connection', 'close')", "only the gateway writes it"),
        ("request.headers:set('host', 'a')", "it has a call of its own"),
        ("request.path = 'a'", "request.path: the path does not begin with /"),
        ("request.path = '/a b'", "request.path: the path does not begin with / or has a character"),
        ("request.path = '/../a'", "climbs above its root"),
        ("request.query = 'a b'", "request.query: the query has a character"),
        ("request.method = 'CONNECT'", "request.method: the method is not a token"),
        ("request.host = 'a b'", "request.host: the host is not a valid host name"),
        ("request.body = 'x'", "request.body: the plugin has not asked for this body"),
        ("request:forwardTo('red')", "request:forwardTo: no upstream has this name"),
        ("request.context:set('', 'x')", "context ``: the name or the value"),
        ("request:respond(600)", "request:respond: the status is not between"),
        ("request:respond(-1)", "request:respond: the status is not between"),
        ("request:respond(200.5)", "whole number expected"),
        ("request:respond(200, { ['content-length'] = '1' })", "only the gateway writes it"),
        ("request:respond(200, { a = 'b\\n' })", "control character"),
    ] {
        let mut plugin = on_request(&format!("request.headers:set('x-kept', '1') {edit}"));
        let mut request = Sent::default();
        let failure = call(&mut plugin, &mut request).expect_err(edit);
        assert_eq!(failure.cause, FailureCause::Error, "{edit}");
        assert!(failure.reason.starts_with("plugin.lua:2: ") && failure.reason.contains(reason), "{edit}: {failure}");
        assert_eq!(request.fields().len(), 8, "{edit}: {:?}", request.fields());
        assert!(request.answer.is_none() && request.path() == b"/a/b" && request.query() == b"c=d", "{edit}");
    }
}

#[test]
fn a_plugin_may_catch_a_refusal() {
    let request = run("local ok, reason = pcall(request.headers.set, request.headers, 'x-a', '\\n')
        request.headers:set('x-caught', tostring(ok)) request.headers:set('x-reason', reason)");
    assert_eq!(latin1(request.header(b"x-caught").unwrap()), "false");
    assert!(latin1(request.header(b"x-reason").unwrap()).contains("header `x-a`: "));
}

#[test]
fn arguments_of_a_wrong_type_are_refused() {
    for (edit, reason) in [
        ("request.headers:set('x-a')", "missing argument #3"),
        ("request.headers:set('x-a', nil)", "string expected, got nil"),
        ("request.headers:set('x-a', {})", "string expected, got table"),
        ("request.headers:set('x-a', true)", "string expected, got boolean"),
        ("request.headers.set('x-a', 'b')", "Headers expected, got string"),
        ("request.headers.get(request, 'x-a')", "Headers expected, got Request"),
        ("request.respond(request.headers, 200)", "Request expected, got Headers"),
        ("request.path = nil", "string expected, got nil"),
        ("request.body = 12 request.body = {}", "asked for"),
        ("request:respond('a')", "number expected, got string"),
        ("request:respond(200, 'a')", "table expected, got string"),
        ("request:respond(200, { 'a' })", "a header's name is a string"),
        ("request:respond(200, { a = true })", "header `a`: a string or a list of strings expected"),
        ("request:respond(200, { a = { {} } })", "header `a`: a string or a list of strings expected"),
        ("request:respond(200, nil, {})", "string expected, got table"),
        ("request:fail()", "missing argument #2"),
        ("request.context:set('a', {})", "string expected, got table"),
        ("request.context.a = 'b'", "attempt to"),
        ("request.context.get(request, 'a')", "Context expected, got Request"),
        ("request.upstream = 'blue'", "request.upstream cannot be set"),
        ("request.headers:setAll('a')", "setAll"),
        ("return request.bodi", "request has no `bodi`"),
        ("request.route = 'a'", "request.route cannot be set"),
        ("request.headers = {}", "request.headers cannot be set"),
        ("request.x = {}", "request.x cannot be set"),
        ("request.consumer = 'alice'", "the hook authenticate returns { consumer = name }"),
    ] {
        let failure = failure(edit);
        assert!(failure.reason.contains(reason), "{edit}: {failure}");
    }
}

#[test]
fn headers_are_set_appended_and_deleted() {
    let request = run("request.headers:set('x-greeting', 'hi') request.headers:delete('X-INTERNAL')
        request.headers:append('X-Many', 'three') request.headers:set('accept', 5) request.headers:delete('x-none')");
    let expected = [
        "Host: example.com:8080",
        "User-Agent: test",
        "X-Many: one",
        "x-many: two",
        "X-Bytes: \u{e9}\u{ff}\u{80}",
        "x-greeting: hi",
        "X-Many: three",
        "accept: 5",
    ];
    assert_eq!(request.fields(), expected);
}

#[test]
fn repeated_headers_are_all_seen_and_the_first_is_got() {
    assert_eq!(value("request.headers:get('x-many')"), "one");
    assert_eq!(value("request.headers:get('x-none')"), "nil");
    assert_eq!(value("table.concat(request.headers:getAll('X-Many'), ',')"), "one,two");
    assert_eq!(value("#request.headers:getAll('x-none')"), "0");
    let request = run("local list = {}
        for name, value in request.headers:entries() do
            table.insert(list, name .. '=' .. value)
            request.headers:delete(name == 'host' and 'x-none' or name)
        end
        request.headers:set('x-list', table.concat(list, ' '))");
    let list = latin1(request.header(b"x-list").unwrap());
    assert_eq!(
        list,
        "host=example.com:8080 user-agent=test accept=*/* x-internal=secret x-many=one x-many=two x-bytes=\u{e9}\u{ff}\u{80}"
    );
    assert_eq!(request.fields().len(), 2, "edits made in a loop over the entries: {:?}", request.fields());
}

#[test]
fn bytes_that_are_no_utf8_survive() {
    let request = run("request.headers:set('x-copy', request.headers:get('x-bytes') .. '\\xfe')");
    assert_eq!(request.header(b"x-copy"), Some(&b"\xe9\xff\x80\xfe"[..]));
    assert_eq!(value("#request.headers:get('x-bytes')"), "3");
}

#[test]
fn fields_of_the_request_are_read_and_written() {
    for (field, expected) in [
        ("method", "GET"),
        ("scheme", "https"),
        ("host", "example.com:8080"),
        ("path", "/a/b"),
        ("query", "c=d"),
        ("remoteAddress", "192.0.2.7"),
        ("requestId", "request-1"),
        ("route", "orders"),
        ("consumer", "nil"),
        ("body", "nil"),
    ] {
        assert_eq!(value(&format!("request.{field}")), expected, "{field}");
    }
    let request = run("request.method = 'PUT' request.host = 'b.example' request.path = '/x/./y' request.query = ''
        request:forwardTo('blue') request.context:set('seen', request.path .. request.method)
        request.headers:set('x-seen', request.context:get('seen') .. tostring(request.context:get('other')))");
    assert_eq!(latin1(request.method()), "PUT");
    assert_eq!([request.host(), request.path(), request.query()].map(latin1), ["b.example", "/x/y", ""]);
    assert_eq!(request.upstream.as_deref(), Some(&b"blue"[..]));
    assert_eq!(request.header(b"x-seen").map(latin1).as_deref(), Some("/x/yPUTnil"));
}

#[test]
fn bodies_are_bytes_and_may_be_buffers() {
    let mut plugin = on_request("request.body = string.reverse(request.body)");
    let mut request = Sent { body: Some(b"\0\xffab".to_vec()), ..Sent::default() };
    call(&mut plugin, &mut request).unwrap();
    assert_eq!(request.body.as_deref(), Some(&b"ba\xff\0"[..]));
    call(&mut on_request("request.body = buffer.fromstring('\\0b')"), &mut request).unwrap();
    assert_eq!(request.body.as_deref(), Some(&b"\0b"[..]));
}

#[test]
fn a_plugin_answers_itself() {
    let request = run("return request:respond(403, { ['content-type'] = 'text/plain' }, 'blocked')");
    let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    assert_eq!(request.answer, Some((403, vec![field("content-type", "text/plain")], b"blocked".to_vec())));
    let mut request = run("request:respond(200, nil, 'first')
        request:respond(429, { ['retry-after'] = 5, ['set-cookie'] = { 'a=1', 'b=2', 3 } }, buffer.create(2))");
    let (status, fields, body) = request.answer.as_mut().unwrap();
    fields.sort();
    let cookies = ["a=1", "b=2", "3"].map(|value| field("set-cookie", value));
    assert_eq!(fields[0], field("retry-after", "5"));
    assert!(cookies.iter().all(|cookie| fields.contains(cookie)) && fields.len() == 4);
    assert_eq!((*status, body.as_slice()), (429, &b"\0\0"[..]), "the last call counts");
    assert_eq!(run("request:respond(204)").answer, Some((204, vec![], vec![])));
}

#[test]
fn a_plugin_fails_its_request_with_a_reason() {
    assert_eq!(run("request:fail('no tenant') request:fail('later')").failed.as_deref(), Some(&b"no tenant"[..]));
}

#[test]
fn the_authenticate_hook_names_a_consumer_or_nobody() {
    let plugin =
        |body: &str| load(&format!("return function() return {{ authenticate = function(request) {body} end }} end"));
    let authenticate = |body: &str| {
        let mut request = Sent { in_authenticate: true, ..Sent::default() };
        plugin(body).on_request(Hook::Authenticate, &mut request, TIMEOUT).map(|()| request)
    };
    assert_eq!(authenticate("return { consumer = 'alice' }").unwrap().consumer, b"alice");
    assert_eq!(authenticate("").unwrap().consumer, b"");
    assert_eq!(authenticate("return request:respond(401)").unwrap().answer.unwrap().0, 401);
    for (body, reason) in [
        ("return { consumer = 'bob' }", "consumer: no consumer has this name"),
        ("return 'alice'", "the hook `authenticate` returned a string, but returns { consumer = name } or nothing"),
        ("return { consumer = 5 }", "returned a table, but returns"),
        ("return {}", "returned a table, but returns"),
        ("return setmetatable({}, { __index = function() return 'alice' end })", "returned a table"),
    ] {
        let failure = authenticate(body).err().expect(body);
        assert!(failure.reason.contains(reason), "{body}: {failure}");
    }
}

#[test]
fn what_no_hook_returns_fails_the_call() {
    for (body, kind) in [("return 42", "number"), ("return request", "userdata"), ("return false", "boolean")] {
        let failure = failure(body);
        assert_eq!(failure.reason, format!("the hook `request` returned a {kind}, but returns nothing"));
    }
    run("return nil, 42");
}

#[test]
fn a_response_is_read_and_edited_beside_its_request() {
    let mut plugin = load(
        "return function() return { response = function(response, request)
            response.headers:append('via', request.path .. response.status)
            response.headers:delete('server')
            response.status = 404
            if response.body then response.body = response.body .. '!' end
            request.context:set('done', 'yes')
            if request.context:get('fail') then response:fail('as asked') end
        end } end",
    );
    let (mut request, mut response) = (Sent::default(), Answered { body: Some(b"hi".to_vec()), ..Answered::default() });
    plugin.on_response(Hook::Response, Some(&mut response), &mut request, TIMEOUT).unwrap();
    let fields: Vec<_> = response.fields.iter().map(|(name, value)| latin1(name) + "=" + &latin1(value)).collect();
    assert_eq!(fields, ["Via=a", "via=/a/b200"]);
    assert_eq!((response.status, response.body.as_deref()), (404, Some(&b"hi!"[..])));
    assert_eq!(request.context(b"done"), Some(&b"yes"[..]));
    request.set_context(b"fail", b"1").unwrap();
    plugin.on_response(Hook::Response, Some(&mut response), &mut request, TIMEOUT).unwrap();
    assert_eq!(response.failed.as_deref(), Some(&b"as asked"[..]));
}

#[test]
fn a_response_refuses_what_breaks_it() {
    for (edit, reason) in [
        ("response.status = 99", "response.status: the status is not between"),
        ("response.status = 'a'", "number expected"),
        ("response.status = 1e300", "response.status: the status is not between"),
        ("response.body = 'a'", "response.body: the plugin has not asked for this body"),
        ("response.headers:set('content-length', '1')", "only the gateway writes it"),
        ("response.headers = {}", "response.headers cannot be set"),
        ("return response.path", "response has no `path`"),
        ("response:respond(200)", "response has no `respond`"),
    ] {
        let mut plugin =
            load(&format!("return function() return {{ response = function(response, request) {edit} end }} end"));
        let failure = plugin
            .on_response(Hook::Response, Some(&mut Answered::default()), &mut Sent::default(), TIMEOUT)
            .expect_err(edit);
        assert!(failure.reason.contains(reason), "{edit}: {failure}");
    }
}

#[test]
fn what_was_kept_from_an_earlier_call_shows_nothing_of_it() {
    let mut plugin = load(
        "local kept, keptResponse
        return function(config, host) return {
            request = function(request)
                if kept then request.headers:set('x-kept', kept:get('x-one') or 'nothing') end
                kept = request.headers
            end,
            response = function(response) keptResponse = response end,
            forward = function(request) return keptResponse.status end,
        } end",
    );
    let mut first = Sent::new(b"GET / HTTP/1.1\r\nHost: a\r\nX-One: secret\r\n\r\n");
    let mut second = Sent::new(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    call(&mut plugin, &mut first).unwrap();
    call(&mut plugin, &mut second).unwrap();
    assert_eq!(second.header(b"x-kept"), Some(&b"nothing"[..]));
    plugin.on_response(Hook::Response, Some(&mut Answered::default()), &mut first, TIMEOUT).unwrap();
    let failure = plugin.on_request(Hook::Forward, &mut second, TIMEOUT).unwrap_err();
    assert!(failure.reason.contains("there is no response in this hook"), "{failure}");
}
