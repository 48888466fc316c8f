//! What plugins have changed of one request: kept beside its head, checked when it is made, and written upstream by
//! `compose`. Nothing of the head itself is touched: the access log and signatures speak of what the client sent.

use crate::bytes::{is_field_value, is_token, same_folded};
use crate::head::{MAX_METHOD_BYTES, Span};
use crate::name::Name;
use crate::policy::{Edit, EditKind};
use crate::{EditRefusal, Flag, Head, Method, authority, path, target};

/// A plugin in a loop must not fill the memory: header edits, and bytes of all texts, of one request.
const MAX_FIELDS: usize = 256;
const MAX_BYTES: usize = 256 * 1024;
/// Buffers that one request has made bigger than this are made small again.
const KEPT_BYTES: usize = 4 * 1024;
const KEPT_FIELDS: usize = 32;

/// The edits of one request. Its buffers are kept from request to request.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    bytes: Vec<u8>,
    fields: Vec<FieldEdit>,
    method: Option<Span>,
    host: Option<Span>,
    path: Option<Span>,
    query: Option<Span>,
    body_length: Option<u64>,
    guards_passed: bool,
}

#[derive(Clone, Copy, Debug)]
struct FieldEdit {
    kind: EditKind,
    /// Made when the guards had read their credentials already.
    after_guards: bool,
    name: Span,
    value: Span,
}

impl Edits {
    /// Whether nothing was edited.
    pub fn is_empty(&self) -> bool {
        // Each edit leaves a text, and no text is ever taken out.
        self.bytes.is_empty()
    }

    /// Forgets them; keeps buffers of an ordinary size.
    pub fn clear(&mut self) {
        let (mut bytes, mut fields) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.fields));
        bytes.clear();
        fields.clear();
        bytes.shrink_to(KEPT_BYTES);
        fields.shrink_to(KEPT_FIELDS);
        *self = Self { bytes, fields, ..Self::default() };
    }

    /// From now on edits are not for the guards to read: a header that carries a credential on this route
    /// ([`crate::PolicyOptions::hidden_headers`]) goes upstream only if it was set after this.
    pub fn pass_guards(&mut self) {
        self.guards_passed = true;
    }

    /// Replaces all fields of the name by one.
    pub fn set_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditRefusal> {
        self.edit(EditKind::Set, name, value)
    }

    /// Adds a field behind those that are there.
    pub fn append_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditRefusal> {
        self.edit(EditKind::Append, name, value)
    }

    /// Removes all fields of the name.
    pub fn remove_header(&mut self, name: &[u8]) -> Result<(), EditRefusal> {
        self.edit(EditKind::Remove, name, b"")
    }

    fn edit(&mut self, kind: EditKind, name: &[u8], value: &[u8]) -> Result<(), EditRefusal> {
        check_header(name, value)?;
        self.check_room(name.len() + value.len())?;
        if kind != EditKind::Append {
            // What is undone need not be kept: a plugin that sets one header again and again does not fill the list.
            let Self { bytes, fields, .. } = &mut *self;
            fields.retain(|field| !same_folded(field.name.of(bytes), name));
        }
        // Where something was undone there is room.
        if self.fields.len() == MAX_FIELDS {
            return Err(EditRefusal::TooMuch);
        }
        let (name, value) = (self.keep(name), self.keep(value));
        self.fields.push(FieldEdit { kind, after_guards: self.guards_passed, name, value });
        Ok(())
    }

    /// `/a/b`, percent-encoded, without query; brought to its normal form.
    pub fn set_path(&mut self, text: &[u8]) -> Result<(), EditRefusal> {
        if text.first() != Some(&b'/') || !target::is_path(text) {
            return Err(EditRefusal::BadPath);
        }
        self.check_room(text.len())?;
        if !path::is_suspicious(text) {
            self.path = Some(self.keep(text));
            return Ok(());
        }
        let start = self.bytes.len();
        if path::normalise(text, &mut self.bytes).is_err() {
            self.bytes.truncate(start);
            return Err(EditRefusal::UnsafePath);
        }
        self.path = Some((start..self.bytes.len()).into());
        Ok(())
    }

    /// Without `?`; empty takes the query away.
    pub fn set_query(&mut self, text: &[u8]) -> Result<(), EditRefusal> {
        if !target::is_query(text) {
            return Err(EditRefusal::BadQuery);
        }
        self.check_room(text.len() + 1)?;
        // `is_empty` goes by the texts.
        self.bytes.push(b'?');
        self.query = Some(self.keep(text));
        Ok(())
    }

    /// `host[:port]`.
    pub fn set_host(&mut self, text: &[u8]) -> Result<(), EditRefusal> {
        if authority::host_length(text).is_none() {
            return Err(EditRefusal::BadHost);
        }
        self.check_room(text.len())?;
        self.host = Some(self.keep(text));
        Ok(())
    }

    /// `head`: the request's. Its framing does not change with its method, so where the two are tied the method stays.
    pub fn set_method(&mut self, head: &Head, text: &[u8]) -> Result<(), EditRefusal> {
        if !is_token(text) || text.len() > MAX_METHOD_BYTES || text == b"CONNECT" {
            return Err(EditRefusal::BadMethod);
        }
        let is_tied =
            text == b"HEAD" || head.method() == Method::Head || head.has(Flag::WEB_SOCKET) || head.path() == b"*";
        if is_tied && text != head.method_text() {
            return Err(EditRefusal::FixedMethod);
        }
        self.check_room(text.len())?;
        self.method = Some(self.keep(text));
        Ok(())
    }

    /// A body of this length goes upstream, whatever the client sent.
    pub fn set_body_length(&mut self, length: u64) {
        self.body_length = Some(length);
    }

    pub(crate) fn body_length(&self) -> Option<u64> {
        self.body_length
    }

    fn check_room(&self, length: usize) -> Result<(), EditRefusal> {
        if length > MAX_BYTES.saturating_sub(self.bytes.len()) { Err(EditRefusal::TooMuch) } else { Ok(()) }
    }

    fn keep(&mut self, text: &[u8]) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text);
        (start..self.bytes.len()).into()
    }

    fn text(&self, span: Option<Span>) -> Option<&[u8]> {
        span.map(|span| span.of(&self.bytes))
    }

    pub(crate) fn method(&self) -> Option<&[u8]> {
        self.text(self.method)
    }

    pub(crate) fn host(&self) -> Option<&[u8]> {
        self.text(self.host)
    }

    pub(crate) fn path(&self) -> Option<&[u8]> {
        self.text(self.path)
    }

    pub(crate) fn query(&self) -> Option<&[u8]> {
        self.text(self.query)
    }

    /// Edits of fields in their order, and whether each was made after the guards.
    pub(crate) fn fields(&self) -> impl ExactSizeIterator<Item = (Edit<'_>, bool)> {
        self.fields.iter().map(|field| {
            let (name, value) = (field.name.of(&self.bytes), field.value.of(&self.bytes));
            (Edit { kind: field.kind, name, value }, field.after_guards)
        })
    }

    fn replaces(&self, name: &[u8]) -> bool {
        self.fields().any(|(edit, _)| edit.replaces(name))
    }

    fn added(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields().filter(|(edit, _)| edit.kind != EditKind::Remove).map(|(edit, _)| (edit.name, edit.value))
    }
}

/// Whether a field may be edited so, by name and value, of a request or a response; for a removal the value is empty.
pub fn check_header(name: &[u8], value: &[u8]) -> Result<(), EditRefusal> {
    if !is_token(name) {
        return Err(EditRefusal::BadName);
    }
    match Name::meant_by(name) {
        Name::Host => Err(EditRefusal::HostAsHeader),
        fixed if fixed.is_fixed() => Err(EditRefusal::FixedName),
        _ if !is_field_value(value) => Err(EditRefusal::BadValue),
        _ => Ok(()),
    }
}

/// A head as plugins and guards see it: with the edits made so far.
#[derive(Clone, Copy, Debug)]
pub struct EditedHead<'a> {
    head: &'a Head,
    edits: Option<&'a Edits>,
}

impl<'a> EditedHead<'a> {
    /// Empty `edits` are as good as none.
    pub fn new(head: &'a Head, edits: Option<&'a Edits>) -> Self {
        Self { head, edits: edits.filter(|edits| !edits.is_empty()) }
    }

    /// What the client sent.
    pub fn head(self) -> &'a Head {
        self.head
    }

    /// None where nothing was edited.
    pub fn edits(self) -> Option<&'a Edits> {
        self.edits
    }

    /// A token of 1 to 32 bytes.
    pub fn method_text(self) -> &'a [u8] {
        self.edits.and_then(Edits::method).unwrap_or(self.head.method_text())
    }

    /// With its port where it has one.
    pub fn host(self) -> &'a [u8] {
        self.edits.and_then(Edits::host).unwrap_or(self.head.host())
    }

    /// In its normal form.
    pub fn path(self) -> &'a [u8] {
        self.edits.and_then(Edits::path).unwrap_or(self.head.path())
    }

    /// Without its `?`; None: there is none.
    pub fn query(self) -> Option<&'a [u8]> {
        match self.edits.and_then(Edits::query) {
            Some(query) => (!query.is_empty()).then_some(query),
            None => self.head.query(),
        }
    }

    /// Name and value of each field: those of the client in their order, then those that were set or appended.
    pub fn headers(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let edits = self.edits;
        let stays = move |name: &[u8]| !edits.is_some_and(|edits| edits.replaces(name));
        self.head.headers().filter(move |(name, _)| stays(name)).chain(edits.into_iter().flat_map(Edits::added))
    }

    /// The values of one name (compared without case), in order.
    pub fn values(self, name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
        let edits = self.edits;
        let stays = !edits.is_some_and(|edits| edits.replaces(name));
        let sent = self.head.values(name).filter(move |_| stays);
        let added = edits.into_iter().flat_map(Edits::added);
        sent.chain(added.filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value))
    }

    /// The first value of one name (compared without case).
    pub fn header(self, name: &[u8]) -> Option<&'a [u8]> {
        self.values(name).next()
    }
}
