//! Writes the head that the upstream gets. Order: request line, host, the client's fields, the gateway's own, the route's
//! edits, the request's edits, framing. A field that `Connection` names cannot take away what comes after the client's.

use crate::Certificate;
use crate::bytes::{ADDRESS, all, is_field_value, is_token, push_decimal};
use crate::head::MAX_METHOD_BYTES;
use crate::name::Name;
use crate::policy::{Edit, EditKind, Policy, push_line};
use crate::{EditedHead, Flag, Framing, Head, Refusal, authority, hidden, path, request_id, target};

const CONSUMER_NAME: &[u8] = b"x-consumer-name";
/// So many edits of one request cost no allocation.
const FEW_EDITS: usize = 16;

/// What is known only when one request is forwarded. Texts are checked: none can end a line or a request target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forwarding<'a> {
    /// Sent in place of the head's method. The head's framing must suit it.
    pub method: Option<&'a [u8]>,
    /// Sent in place of the path: begins with `/`, percent-encoded, without query. Normalised like the client's own: a
    /// rewrite may have put captured texts together to a dot segment.
    pub path: Option<&'a [u8]>,
    /// Sent in place of the client's query, without `?`; empty takes it away. What the policy hides of the client's own
    /// is hidden in it too: it may have been made from that.
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
    /// The method is no token, or it is CONNECT, or only OPTIONS may have the path `*`.
    Method,
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
            Self::Method => formatter.write_str("the method to forward is not valid"),
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

/// As [`compose`], with the edits of plugins: what they say of method, host, path and query goes before what the
/// `forwarding` says, and their header edits come after its own.
pub fn compose_edited(
    head: EditedHead<'_>,
    policy: &Policy,
    forwarding: &Forwarding<'_>,
    out: &mut Vec<u8>,
) -> Result<(), ComposeError> {
    let Some(edits) = head.edits() else {
        return compose(head.head(), policy, forwarding, out);
    };
    // A credential that was set for the guards has done its work.
    let fields = edits.fields().filter(|(edit, after_guards)| *after_guards || !policy.hides(edit.name));
    let all = forwarding.edits.iter().copied().chain(fields.map(|(edit, _)| edit));
    let mut few = [Edit::NOTHING; FEW_EDITS];
    let mut many = Vec::new();
    let most = forwarding.edits.len() + edits.fields().len();
    let list: &[Edit<'_>] = if most <= FEW_EDITS {
        let mut count = 0;
        for (place, edit) in few.iter_mut().zip(all) {
            *place = edit;
            count += 1;
        }
        &few[..count]
    } else {
        many.extend(all);
        &many
    };
    let forwarding = Forwarding {
        method: edits.method().or(forwarding.method),
        path: edits.path().or(forwarding.path),
        query: edits.query().or(forwarding.query),
        host: edits.host().or(forwarding.host),
        edits: list,
        ..*forwarding
    };
    compose(head.head(), policy, &forwarding, out)
}

fn check(head: &Head, forwarding: &Forwarding<'_>) -> Result<(), ComposeError> {
    let wrong = |text: Option<&[u8]>, is_right: fn(&[u8]) -> bool| text.is_some_and(|text| !is_right(text));
    let is_method = |text: &[u8]| {
        is_token(text)
            && text.len() <= MAX_METHOD_BYTES
            && text != b"CONNECT"
            && (text == b"OPTIONS" || forwarding.path.unwrap_or(head.path()) != b"*")
    };
    if forwarding.method.is_some_and(|text| !is_method(text)) {
        return Err(ComposeError::Method);
    }
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
        self.out.extend_from_slice(forwarding.method.unwrap_or(head.method_text()));
        self.out.push(b' ');
        match forwarding.path {
            Some(path) if path::is_suspicious(path) => path::normalise(path, self.out)?,
            Some(path) => self.out.extend_from_slice(path),
            None => self.out.extend_from_slice(head.path()),
        }
        match forwarding.query.or(head.query()) {
            // The client's lone `?` is kept; an empty text in its place takes it away.
            Some(query) if query.is_empty() && forwarding.query.is_some() => {}
            Some(query) if !policy.hidden_parameters.is_empty() => {
                hidden::write_query(query, &policy.hidden_parameters, self.out);
            }
            Some(query) => {
                self.out.push(b'?');
                self.out.extend_from_slice(query);
            }
            None => {}
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
        let (edits, hidden_cookies) = (self.forwarding.edits, &self.policy.hidden_cookies);
        for (index, edit) in edits.iter().enumerate() {
            let undone = edits[index + 1..].iter().any(|later| later.replaces(edit.name));
            if edit.kind == EditKind::Remove || undone {
                continue;
            }
            if !hidden_cookies.is_empty() && edit.name.eq_ignore_ascii_case(b"cookie") {
                hidden::write_cookies(edit.value, hidden_cookies, self.out);
                continue;
            }
            push_line(self.out, edit.name, edit.value);
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
