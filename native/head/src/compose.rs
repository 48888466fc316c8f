//! Writes the head that the upstream gets. Order: request line, host, the client's fields, the gateway's own, the route's
//! edits, the request's edits, framing. A field that `Connection` names cannot take away what comes after the client's.

use crate::Certificate;
use crate::bytes::{ADDRESS, all, is_field_value, push_decimal};
use crate::name::Name;
use crate::policy::{Edit, EditKind, Policy, push_line};
use crate::{Flag, Framing, Head, Refusal, authority, hidden, path, request_id, target};

const CONSUMER_NAME: &[u8] = b"x-consumer-name";

/// What is known only when one request is forwarded. Texts are checked: none can end a line or a request target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forwarding<'a> {
    /// Sent in place of the path: begins with `/`, percent-encoded, without query. Normalised like the client's own: a
    /// rewrite may have put captured texts together to a dot segment.
    pub path: Option<&'a [u8]>,
    /// Sent in place of the client's query, without `?`; empty takes it away.
    pub query: Option<&'a [u8]>,
    /// Sent as `host`, whatever the policy says: `host[:port]`.
    pub host: Option<&'a [u8]>,
    /// Sent in place of the head's own request id.
    pub request_id: Option<&'a [u8]>,
    /// How the gateway will send the body. The client's framing is never copied.
    pub framing: Framing,
    /// Ask for WebSocket; the client must have asked too ([`Flag::WEB_SOCKET`]).
    pub upgrade: bool,
    /// The peer's IP address as text, IPv6 without brackets; empty for unix sockets.
    pub client_address: &'a [u8],
    /// The peer is a proxy whose `X-Forwarded-*`, `Forwarded` and `X-Real-IP` are believed and added to.
    pub trusted: bool,
    /// The client came over TLS.
    pub tls: bool,
    /// The listener's port, for `X-Forwarded-Port`; 0: not sent.
    pub port: u16,
    /// Who the client is known to be, for `X-Consumer-Name`; empty: not known, and no such field is sent.
    pub consumer: &'a [u8],
    /// Of the client, verified; what the policy wants of it is sent. None: nothing is.
    pub certificate: Option<Certificate<'a>>,
    /// Edits of this request.
    pub edits: &'a [Edit<'a>],
}

/// Why no head was written. Each is a fault of the gateway, of its configuration or of a plugin; never the client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComposeError {
    /// The path does not begin with `/`, climbs above its root, or has a character that may not stand there.
    Path,
    /// The query has a character that may not stand there.
    Query,
    /// The host is no `host[:port]`.
    Host,
    /// The request id is not [`crate::sane_request_id`].
    RequestId,
    /// The consumer's name is no field value.
    Consumer,
    /// A text about the client's certificate is no field value.
    Certificate,
    /// The client's address has a character that no IP address has.
    Address,
    /// The edit of this index has a bad name or value, or one of a name that the gateway alone writes.
    Edit(usize),
    /// An upgrade that the client did not ask for.
    Upgrade,
}

impl std::fmt::Display for ComposeError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path => formatter.write_str("the path to forward is not valid"),
            Self::Query => formatter.write_str("the query to forward is not valid"),
            Self::Host => formatter.write_str("the host to forward is not valid"),
            Self::RequestId => formatter.write_str("the request id to forward is not valid"),
            Self::Consumer => formatter.write_str("the consumer's name is not valid"),
            Self::Certificate => formatter.write_str("the client certificate's texts are not valid"),
            Self::Address => formatter.write_str("the client's address is not valid"),
            Self::Edit(index) => write!(
                formatter,
                "header edit {index} has an invalid name or value, or a name that the gateway alone writes"
            ),
            Self::Upgrade => formatter.write_str("the client did not ask for a WebSocket"),
        }
    }
}

impl std::error::Error for ComposeError {}

/// Appends the head for the upstream to `out`, with the empty line. After an error `out` is as it was.
pub fn compose(
    head: &Head,
    policy: &Policy,
    forwarding: &Forwarding<'_>,
    out: &mut Vec<u8>,
) -> Result<(), ComposeError> {
    check(head, forwarding)?;
    let before = out.len();
    out.reserve(head.raw().len() + policy.lines.len() + 384);
    let mut composer = Composer { head, policy, forwarding, replaced: policy.replaced_names, out };
    for edit in forwarding.edits.iter().filter(|edit| edit.kind != EditKind::Append) {
        composer.replaced |= Name::meant_by(edit.name).bit();
    }
    if composer.request_line().is_err() {
        out.truncate(before);
        return Err(ComposeError::Path);
    }
    composer.client_fields();
    composer.own_fields();
    composer.route_edits();
    composer.request_edits();
    composer.framing();
    Ok(())
}

fn check(head: &Head, forwarding: &Forwarding<'_>) -> Result<(), ComposeError> {
    let wrong = |text: Option<&[u8]>, is_right: fn(&[u8]) -> bool| text.is_some_and(|text| !is_right(text));
    if wrong(forwarding.path, target::is_path) {
        return Err(ComposeError::Path);
    }
    if wrong(forwarding.query, target::is_query) {
        return Err(ComposeError::Query);
    }
    if wrong(forwarding.host, |text| authority::host_length(text).is_some()) {
        return Err(ComposeError::Host);
    }
    if wrong(forwarding.request_id, request_id::sane_request_id) {
        return Err(ComposeError::RequestId);
    }
    if !all(forwarding.client_address, ADDRESS) {
        return Err(ComposeError::Address);
    }
    if !is_field_value(forwarding.consumer) {
        return Err(ComposeError::Consumer);
    }
    if forwarding.certificate.is_some_and(|certificate| !certificate.is_sound()) {
        return Err(ComposeError::Certificate);
    }
    if let Some(index) = forwarding.edits.iter().position(|edit| !edit.is_sound()) {
        return Err(ComposeError::Edit(index));
    }
    if forwarding.upgrade && !head.has(Flag::WEB_SOCKET) {
        return Err(ComposeError::Upgrade);
    }
    Ok(())
}

pub(crate) struct Composer<'a> {
    pub head: &'a Head,
    pub policy: &'a Policy,
    pub forwarding: &'a Forwarding<'a>,
    /// [`Name::bit`]s that an edit sets or removes.
    replaced: u32,
    pub out: &'a mut Vec<u8>,
}

impl Composer<'_> {
    fn request_line(&mut self) -> Result<(), Refusal> {
        let Self { head, policy, forwarding, .. } = *self;
        self.out.extend_from_slice(head.method_text());
        self.out.push(b' ');
        match forwarding.path {
            Some(path) if path::is_suspicious(path) => path::normalise(path, self.out)?,
            Some(path) => self.out.extend_from_slice(path),
            None => self.out.extend_from_slice(head.path()),
        }
        match forwarding.query.or(head.query()) {
            // The client's lone `?` is kept; an empty text in its place takes it away.
            Some(query) if forwarding.query.is_none() && !policy.hidden_parameters.is_empty() => {
                hidden::write_query(query, &policy.hidden_parameters, self.out);
            }
            Some(query) if !query.is_empty() || forwarding.query.is_none() => {
                self.out.push(b'?');
                self.out.extend_from_slice(query);
            }
            _ => {}
        }
        self.out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
        self.out.extend_from_slice(forwarding.host.or(policy.host.as_deref()).unwrap_or(head.host()));
        self.out.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// Copies what may pass, neighbours in one piece: most heads are one or two pieces.
    fn client_fields(&mut self) {
        let Self { head, policy, forwarding, .. } = *self;
        let (fields, bytes) = head.fields();
        let mut passing = Name::Other.bit() | Name::Via.bit();
        if forwarding.trusted {
            passing |= Name::RealIp.bit() | Name::ForwardedOther.bit();
            if !policy.rfc7239 {
                passing |= Name::Forwarded.bit();
            }
        }
        let named = head.has(Flag::CONNECTION_NAMES);
        let (mut from, mut to) = (0, 0);
        for field in fields {
            if passing & field.name.bit() == 0 {
                continue;
            }
            let name = field.name_in(bytes);
            if policy.replaces(name)
                || (named && head.connection_names(name))
                || forwarding.edits.iter().any(|edit| edit.replaces(name))
            {
                continue;
            }
            if !policy.hidden_cookies.is_empty() && name.eq_ignore_ascii_case(b"cookie") {
                self.out.extend_from_slice(&bytes[from..to]);
                hidden::write_cookies(field.value_in(bytes), &policy.hidden_cookies, self.out);
                (from, to) = (field.end as usize, field.end as usize);
                continue;
            }
            if field.start as usize != to {
                self.out.extend_from_slice(&bytes[from..to]);
                from = field.start as usize;
            }
            to = field.end as usize;
        }
        self.out.extend_from_slice(&bytes[from..to]);
    }

    fn own_fields(&mut self) {
        self.forwarded_fields();
        let Self { head, policy, forwarding, .. } = *self;
        if self.wants(Name::RequestId) {
            push_line(self.out, b"x-request-id", forwarding.request_id.unwrap_or(head.request_id()));
        }
        if !forwarding.consumer.is_empty() && !self.replaces(CONSUMER_NAME) {
            push_line(self.out, CONSUMER_NAME, forwarding.consumer);
        }
        if let Some(certificate) = &forwarding.certificate {
            certificate.write(&policy.certificate, self.out);
        }
        if policy.via && self.wants(Name::Via) {
            self.out.extend_from_slice(b"via: 1.1 polygate\r\n");
        }
        if forwarding.upgrade {
            self.out.extend_from_slice(b"connection: upgrade\r\nupgrade: websocket\r\n");
        }
    }

    /// Whether a field that the gateway writes by itself is left to it by all edits.
    #[inline]
    pub(crate) fn wants(&self, name: Name) -> bool {
        self.replaced & name.bit() == 0
    }

    /// Whether an edit speaks of exactly this name.
    fn replaces(&self, name: &[u8]) -> bool {
        self.policy.replaces(name) || self.forwarding.edits.iter().any(|edit| edit.replaces(name))
    }

    fn route_edits(&mut self) {
        let Self { policy, forwarding, .. } = *self;
        if forwarding.edits.is_empty() {
            self.out.extend_from_slice(&policy.lines);
            return;
        }
        let mut start = 0;
        for (name, end) in &policy.line_ends {
            if !forwarding.edits.iter().any(|edit| edit.replaces(name)) {
                self.out.extend_from_slice(&policy.lines[start..*end]);
            }
            start = *end;
        }
    }

    fn request_edits(&mut self) {
        let edits = self.forwarding.edits;
        for (index, edit) in edits.iter().enumerate() {
            let undone = edits[index + 1..].iter().any(|later| later.replaces(edit.name));
            if edit.kind != EditKind::Remove && !undone {
                push_line(self.out, edit.name, edit.value);
            }
        }
    }

    fn framing(&mut self) {
        match self.forwarding.framing {
            Framing::None => {}
            Framing::Length(length) => {
                self.out.extend_from_slice(b"content-length: ");
                push_decimal(self.out, length);
                self.out.extend_from_slice(b"\r\n");
            }
            Framing::Chunked => self.out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        }
        self.out.extend_from_slice(b"\r\n");
    }
}
