//! A request and a response as the addon makes them, over a real head and real edits; and plugins to call with them.

#![allow(dead_code)] // Reason: not each file of tests uses everything.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use polygate_extend::{
    EditRefusal, Failure, Headers, Hook, Host, LogLine, LuaPlugin, LuaSource, Plugin, Request, Response,
};
use polygate_head::{EditedHead, Edits, Head, Limits, check_header};

/// For calls that end by themselves.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// Seven fields, one of them twice, one with bytes that are no UTF-8.
pub const HEAD: &[u8] = b"GET /a/b?c=d HTTP/1.1\r\nHost: example.com:8080\r\nUser-Agent: test\r\nAccept: */*\r\n\
X-Internal: secret\r\nX-Many: one\r\nx-many: two\r\nX-Bytes: \xe9\xff\x80\r\n\r\n";

/// Status, fields, body.
pub type Answer = (u16, Vec<(Vec<u8>, Vec<u8>)>, Vec<u8>);

pub struct Sent {
    pub head: Head,
    pub edits: Edits,
    pub context: BTreeMap<Vec<u8>, Vec<u8>>,
    pub body: Option<Vec<u8>>,
    pub consumer: Vec<u8>,
    pub upstream: Option<Vec<u8>>,
    pub answer: Option<Answer>,
    pub failed: Option<Vec<u8>>,
    pub in_authenticate: bool,
    pub panics: bool,
}

impl Sent {
    pub fn new(head: &[u8]) -> Self {
        Self {
            head: Head::parse(head, &Limits::default()).unwrap(),
            edits: Edits::default(),
            context: BTreeMap::new(),
            body: None,
            consumer: Vec::new(),
            upstream: None,
            answer: None,
            failed: None,
            in_authenticate: false,
            panics: false,
        }
    }

    /// As the addon does when a slot gets its next request.
    pub fn forget_edits(&mut self) {
        self.edits.clear();
    }

    fn seen(&self) -> EditedHead<'_> {
        EditedHead::new(&self.head, Some(&self.edits))
    }

    /// `name: value` of each field, as they are now.
    pub fn fields(&self) -> Vec<String> {
        self.seen().headers().map(|(name, value)| format!("{}: {}", latin1(name), latin1(value))).collect()
    }
}

impl Default for Sent {
    fn default() -> Self {
        Self::new(HEAD)
    }
}

impl Headers for Sent {
    fn header(&self, name: &[u8]) -> Option<&[u8]> {
        assert!(!self.panics, "as a defect of the addon would");
        self.seen().header(name)
    }
    fn headers<'a>(&'a self, visit: &mut dyn FnMut(&'a [u8], &'a [u8])) {
        self.seen().headers().for_each(|(name, value)| visit(name, value));
    }
    fn set_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditRefusal> {
        self.edits.set_header(name, value)
    }
    fn append_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditRefusal> {
        self.edits.append_header(name, value)
    }
    fn remove_header(&mut self, name: &[u8]) -> Result<(), EditRefusal> {
        self.edits.remove_header(name)
    }
}

impl Request for Sent {
    fn method(&self) -> &[u8] {
        self.seen().method_text()
    }
    fn scheme(&self) -> &[u8] {
        b"https"
    }
    fn host(&self) -> &[u8] {
        self.seen().host()
    }
    fn path(&self) -> &[u8] {
        self.seen().path()
    }
    fn query(&self) -> &[u8] {
        self.seen().query().unwrap_or_default()
    }
    fn remote_address(&self) -> &[u8] {
        b"192.0.2.7"
    }
    fn request_id(&self) -> &[u8] {
        b"request-1"
    }
    fn route(&self) -> &[u8] {
        b"orders"
    }
    fn consumer(&self) -> &[u8] {
        &self.consumer
    }
    fn body(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }
    fn context(&self, name: &[u8]) -> Option<&[u8]> {
        self.context.get(name).map(Vec::as_slice)
    }
    fn set_method(&mut self, method: &[u8]) -> Result<(), EditRefusal> {
        self.edits.set_method(&self.head, method)
    }
    fn set_host(&mut self, host: &[u8]) -> Result<(), EditRefusal> {
        self.edits.set_host(host)
    }
    fn set_path(&mut self, path: &[u8]) -> Result<(), EditRefusal> {
        self.edits.set_path(path)
    }
    fn set_query(&mut self, query: &[u8]) -> Result<(), EditRefusal> {
        self.edits.set_query(query)
    }
    fn set_body(&mut self, body: &[u8]) -> Result<(), EditRefusal> {
        *self.body.as_mut().ok_or(EditRefusal::NoBody)? = body.to_vec();
        Ok(())
    }
    fn set_upstream(&mut self, name: &[u8]) -> Result<(), EditRefusal> {
        if name != b"blue" {
            return Err(EditRefusal::BadUpstream);
        }
        self.upstream = Some(name.to_vec());
        Ok(())
    }
    fn set_consumer(&mut self, name: &[u8]) -> Result<(), EditRefusal> {
        if !self.in_authenticate {
            return Err(EditRefusal::NotInThisHook);
        }
        if name != b"alice" {
            return Err(EditRefusal::BadConsumer);
        }
        self.consumer = name.to_vec();
        Ok(())
    }
    fn set_context(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditRefusal> {
        if name.is_empty() || name.len() > 256 {
            return Err(EditRefusal::BadContext);
        }
        self.context.insert(name.to_vec(), value.to_vec());
        Ok(())
    }
    fn respond(&mut self, status: u16, headers: &[(&[u8], &[u8])], body: &[u8]) -> Result<(), EditRefusal> {
        if !(200..=599).contains(&status) {
            return Err(EditRefusal::BadStatus);
        }
        for (name, value) in headers {
            check_header(name, value)?;
        }
        let fields = headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        self.answer = Some((status, fields, body.to_vec()));
        Ok(())
    }
    fn fail(&mut self, reason: &[u8]) {
        self.failed.get_or_insert_with(|| reason.to_vec());
    }
}

/// A response with two fields.
pub struct Answered {
    pub status: u16,
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub body: Option<Vec<u8>>,
    pub failed: Option<Vec<u8>>,
}

impl Default for Answered {
    fn default() -> Self {
        let field = |name: &str, value: &str| (name.into(), value.into());
        Self { status: 200, fields: vec![field("Server", "s"), field("Via", "a")], body: None, failed: None }
    }
}

impl Headers for Answered {
    fn header(&self, name: &[u8]) -> Option<&[u8]> {
        self.fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }
    fn headers<'a>(&'a self, visit: &mut dyn FnMut(&'a [u8], &'a [u8])) {
        self.fields.iter().for_each(|(name, value)| visit(name, value));
    }
    fn set_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditRefusal> {
        check_header(name, value)?;
        self.remove_header(name)?;
        self.append_header(name, value)
    }
    fn append_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditRefusal> {
        check_header(name, value)?;
        self.fields.push((name.to_vec(), value.to_vec()));
        Ok(())
    }
    fn remove_header(&mut self, name: &[u8]) -> Result<(), EditRefusal> {
        self.fields.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        Ok(())
    }
}

impl Response for Answered {
    fn status(&self) -> u16 {
        self.status
    }
    fn body(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }
    fn set_status(&mut self, status: u16) -> Result<(), EditRefusal> {
        if !(200..=599).contains(&status) {
            return Err(EditRefusal::BadStatus);
        }
        self.status = status;
        Ok(())
    }
    fn set_body(&mut self, body: &[u8]) -> Result<(), EditRefusal> {
        *self.body.as_mut().ok_or(EditRefusal::NoBody)? = body.to_vec();
        Ok(())
    }
    fn fail(&mut self, reason: &[u8]) {
        self.failed.get_or_insert_with(|| reason.to_vec());
    }
}

/// Keeps what was logged: `level hook route request-id message`.
#[derive(Default)]
pub struct Log(pub RefCell<Vec<String>>);

impl Host for Log {
    fn log(&self, line: &LogLine<'_>) {
        let hook = line.hook.map_or("-", Hook::name);
        let [route, id, message] = [line.route, line.request_id, line.message].map(latin1);
        self.0.borrow_mut().push(format!("{} {hook} {route} {id} {message}", line.level.name()));
    }
}

pub fn source(text: &str) -> LuaSource {
    LuaSource { load_timeout: TIMEOUT, reload_timeout: TIMEOUT, ..LuaSource::new("plugin.lua", text, "{}") }
}

pub fn load(text: &str) -> LuaPlugin {
    LuaPlugin::load(source(text), Rc::new(Log::default())).unwrap_or_else(|failure| panic!("{failure:?}"))
}

/// A plugin whose hook `request` has this body.
pub fn on_request(body: &str) -> LuaPlugin {
    load(&format!("return function(config, host) return {{ request = function(request)\n{body}\nend }} end"))
}

pub fn refusal_to_load(text: &str) -> Failure {
    match LuaPlugin::load(source(text), Rc::new(Log::default())) {
        Ok(_) => panic!("loaded: {text}"),
        Err(failure) => failure,
    }
}

pub fn call(plugin: &mut LuaPlugin, request: &mut Sent) -> Result<(), Failure> {
    plugin.on_request(Hook::Request, request, TIMEOUT)
}

/// Runs the body of a hook with a new request, and shows the request.
pub fn run(body: &str) -> Sent {
    let mut request = Sent::default();
    call(&mut on_request(body), &mut request).unwrap_or_else(|failure| panic!("{failure:?}"));
    request
}

/// Runs the body of a hook that must fail.
pub fn failure(body: &str) -> Failure {
    call(&mut on_request(body), &mut Sent::default()).expect_err(body)
}

/// What an expression is, as a hook sees it: it goes out as the value of a header.
pub fn value(expression: &str) -> String {
    let request = run(&format!("request.headers:set('x-value', tostring({expression}))"));
    latin1(request.header(b"x-value").unwrap())
}

pub fn latin1(text: &[u8]) -> String {
    text.iter().map(|&byte| char::from(byte)).collect()
}
