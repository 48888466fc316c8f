//! A request head, read and understood: the raw bytes, what lies where in them, and what they ask for.

mod read;

use std::ops::Range;

use crate::bytes::{elements, same_folded};
use crate::fields::Field;
use crate::name::Name;

/// How much of a head is accepted. 0 means no limit.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the whole head, from the method to the empty line.
    pub max_bytes: usize,
    /// Field lines.
    pub max_headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 16 * 1024, max_headers: 100 }
    }
}

/// How a message's body is framed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Neither `Content-Length` nor `Transfer-Encoding`: a request has no body then.
    #[default]
    None,
    /// `Content-Length`, up to 2^63 - 1.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// The methods that have a number of their own. Names are case-sensitive (RFC 9110 9.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)] // Reason: each is the method of that name.
pub enum Method {
    /// Any other token; [`Head::method_text`] has it.
    #[default]
    Other = 0,
    Get = 1,
    Head = 2,
    Post = 3,
    Put = 4,
    Delete = 5,
    Connect = 6,
    Options = 7,
    Trace = 8,
    Patch = 9,
}

impl Method {
    fn of(text: &[u8]) -> Self {
        match text {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"CONNECT" => Self::Connect,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"PATCH" => Self::Patch,
            _ => Self::Other,
        }
    }
}

/// Bits of [`Head::flags`].
#[derive(Debug)]
pub struct Flag;

impl Flag {
    /// `Expect: 100-continue`.
    pub const EXPECT_CONTINUE: u32 = 1;
    /// `Expect` with anything else: 417 is the answer (RFC 9110 10.1.1).
    pub const EXPECT_OTHER: u32 = 2;
    /// GET without a body that asks for an upgrade to WebSocket (RFC 6455 4.1), the key and version not looked at.
    pub const WEB_SOCKET: u32 = 4;
    /// `Connection` has `close`.
    pub const CLOSE: u32 = 8;
    /// The target has a `?`, perhaps with nothing after it.
    pub const QUERY: u32 = 16;
    /// The path that is forwarded differs from the one that came.
    pub const NORMALISED: u32 = 32;
    /// The request id is the client's own.
    pub const CLIENT_REQUEST_ID: u32 = 64;
    /// The target came in absolute-form: its authority is the host.
    pub const ABSOLUTE_FORM: u32 = 128;
    /// `Connection` names fields that must not be forwarded.
    pub const CONNECTION_NAMES: u32 = 256;
    /// `Upgrade` is there and asks for something else than WebSocket, or not in the right way; it is ignored.
    pub const OTHER_UPGRADE: u32 = 512;
}

/// Buffers that one big head has made bigger than this are made small again when its slot is released.
const KEPT_BYTES: usize = 8 * 1024;
const KEPT_FIELDS: usize = 64;

/// Longest method that is accepted.
pub const MAX_METHOD_BYTES: usize = 32;

/// Where a text lies in a buffer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    #[inline]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self { start: range.start as u32, end: range.end as u32 }
    }
}

/// A request head that has been accepted. Its buffers are kept when it is read anew with [`Head::read`].
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// The raw head, and after it texts that had to be made: normal paths, a lower-case host, a request id.
    bytes: Vec<u8>,
    raw_length: u32,
    fields: Vec<Field>,
    method: Method,
    flags: u32,
    framing: Framing,
    method_text: Span,
    path: Span,
    match_path: Span,
    query: Span,
    host: Span,
    host_name: Span,
    request_id: Span,
}

impl Head {
    /// Forgets the request; keeps buffers of an ordinary size.
    pub fn clear(&mut self) {
        let (mut bytes, mut fields) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.fields));
        bytes.clear();
        fields.clear();
        bytes.shrink_to(KEPT_BYTES);
        fields.shrink_to(KEPT_FIELDS);
        *self = Self { bytes, fields, ..Self::default() };
    }

    #[inline]
    fn text(&self, span: Span) -> &[u8] {
        span.of(&self.bytes)
    }

    /// The head as it came.
    pub fn raw(&self) -> &[u8] {
        &self.bytes[..self.raw_length as usize]
    }

    /// The request target as it came, before it was normalised; of an absolute-form one what follows the authority, which
    /// may be nothing.
    pub fn raw_target(&self) -> &[u8] {
        let rest = self.raw().get(self.method_text.end as usize + 1..).unwrap_or_default();
        let target = &rest[..rest.iter().position(|&byte| byte == b' ').unwrap_or(0)];
        if !self.has(Flag::ABSOLUTE_FORM) {
            return target;
        }
        let authority = target.windows(3).position(|three| three == b"://").map_or(0, |at| at + 3);
        let rest = target.get(authority..).unwrap_or_default();
        rest.iter().position(|byte| b"/?".contains(byte)).map_or(b"", |at| &rest[at..])
    }

    /// The method, where it has a number.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The method as it came: a token of 1 to 32 bytes.
    pub fn method_text(&self) -> &[u8] {
        self.text(self.method_text)
    }

    /// The path in its normal form, as it is forwarded; `*` for OPTIONS of the whole server.
    pub fn path(&self) -> &[u8] {
        self.text(self.path)
    }

    /// [`Head::path`] with runs of slashes merged: what routes are matched against.
    pub fn match_path(&self) -> &[u8] {
        self.text(self.match_path)
    }

    /// The query without its `?`, as it came; None without a `?`.
    pub fn query(&self) -> Option<&[u8]> {
        self.has(Flag::QUERY).then(|| self.text(self.query))
    }

    /// The host as it came, with its port where it has one.
    pub fn host(&self) -> &[u8] {
        self.text(self.host)
    }

    /// The host in lower case, without port and without a closing dot; an IPv6 address stays in its brackets.
    pub fn host_name(&self) -> &[u8] {
        self.text(self.host_name)
    }

    /// How the body will come.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Bits of [`Flag`].
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// Whether a bit of [`Flag`] is set.
    #[inline]
    pub fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// The client's request id where it sent exactly one and a sane one, else one made for this request.
    pub fn request_id(&self) -> &[u8] {
        self.text(self.request_id)
    }

    /// Name and value of each field line, in order, as they came (values trimmed).
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| (field.name_in(&self.bytes), field.value_in(&self.bytes)))
    }

    /// The values of one name (compared without case), in order.
    pub fn values<'a>(&'a self, name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
        self.headers().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The first value of one name (compared without case).
    pub fn header(&self, name: &[u8]) -> Option<&[u8]> {
        self.values(name).next()
    }

    pub(crate) fn fields(&self) -> (&[Field], &[u8]) {
        (&self.fields, &self.bytes)
    }

    /// Whether the client's `Connection` names this field (`_` counts as `-`).
    pub(crate) fn connection_names(&self, name: &[u8]) -> bool {
        self.fields
            .iter()
            .filter(|field| field.name == Name::Connection)
            .flat_map(|field| elements(field.value_in(&self.bytes)))
            .any(|option| same_folded(option, name))
    }
}
