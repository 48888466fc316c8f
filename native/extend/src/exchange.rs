//! [`Request`] over a slot: its head, its edits, and what else travels with a request from plugin to plugin.

use polygate_head::{EditKind, EditRefusal, EditedHead, Edits, Head, check_header};

use crate::{Headers, Hook, Request};

const MAX_NAME_BYTES: usize = 256;
/// Of one request's context, names and values together.
const MAX_CONTEXT_BYTES: usize = 64 * 1024;
const MAX_CONTEXT_TEXTS: usize = 64;
/// What a request that nobody has asked to carry more may have: an answer of the gateway's own is never streamed.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// A name and its value.
pub type Pair = (Box<[u8]>, Box<[u8]>);

/// One thing that a plugin has written down, for whoever keeps what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Reason: they are the calls of `Request` and `Headers`.
pub enum Written {
    Header { kind: EditKind, name: Box<[u8]>, value: Box<[u8]> },
    Path(Box<[u8]>),
    Query(Box<[u8]>),
    Method(Box<[u8]>),
    Host(Box<[u8]>),
    Upstream(Box<[u8]>),
    Context { name: Box<[u8]>, value: Box<[u8]> },
}

/// What travels with a request for its plugins, and what they have said of it.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    context: Vec<Pair>,
    written: Vec<Written>,
    /// Edits are written down too: those that are made may be undone.
    records: bool,
    new_body: Option<Vec<u8>>,
    answer: Option<Answer>,
    failure: Option<Box<[u8]>>,
    consumer: Option<Box<[u8]>>,
}

/// A response that a plugin gives in the upstream's place. Its fields are sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 200 to 599.
    pub status: u16,
    /// Name and value.
    pub headers: Vec<Pair>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Carried {
    /// Forgets everything; `records`: edits are written down as well as made.
    pub fn clear(&mut self, records: bool) {
        *self = Self { records, context: std::mem::take(&mut self.context), ..Self::default() };
        self.context.clear();
    }

    /// A text that the request has come with.
    pub fn bring(&mut self, name: &[u8], value: &[u8]) {
        self.context.push((name.into(), value.into()));
    }

    /// The plugin has said something beside its edits, or (where they are recorded) any.
    pub fn has_said(&self) -> bool {
        !self.written.is_empty() || self.consumer.is_some() || self.new_body.is_some()
    }

    /// What it has written down; gone afterwards.
    pub fn take_written(&mut self) -> Vec<Written> {
        std::mem::take(&mut self.written)
    }

    /// In place of the client's; gone afterwards.
    pub fn take_new_body(&mut self) -> Option<Vec<u8>> {
        self.new_body.take()
    }

    /// The plugin has answered.
    pub fn answer(&self) -> Option<&Answer> {
        self.answer.as_ref()
    }

    /// As [`Carried::answer`]; it is gone afterwards.
    pub fn take_answer(&mut self) -> Option<Answer> {
        self.answer.take()
    }

    /// The plugin has said that it failed, and why; gone afterwards.
    pub fn take_failure(&mut self) -> Option<Box<[u8]>> {
        self.failure.take()
    }

    /// Who the client is, as a plugin has said: not looked up.
    pub fn consumer(&self) -> Option<&[u8]> {
        self.consumer.as_deref()
    }

    /// A text of the context.
    pub fn context(&self, name: &[u8]) -> Option<&[u8]> {
        self.context.iter().find(|(other, _)| **other == *name).map(|(_, value)| &**value)
    }

    /// Leaves a text with the request.
    pub fn set_context(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditRefusal> {
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(EditRefusal::BadContext);
        }
        let others = self.context.iter().filter(|(other, _)| **other != *name);
        let (count, bytes) =
            others.fold((0, 0), |(count, bytes), (other, text)| (count + 1, bytes + other.len() + text.len()));
        if count == MAX_CONTEXT_TEXTS || name.len() + value.len() > MAX_CONTEXT_BYTES - bytes {
            return Err(EditRefusal::BadContext);
        }
        // The last counts: a plugin that sets one text again and again fills nothing.
        self.written.retain(|written| !matches!(written, Written::Context { name: other, .. } if **other == *name));
        self.written.push(Written::Context { name: name.into(), value: value.into() });
        match self.context.iter_mut().find(|(other, _)| **other == *name) {
            Some((_, there)) => *there = value.into(),
            None => self.context.push((name.into(), value.into())),
        }
        Ok(())
    }

    fn respond(&mut self, status: u16, headers: &[(&[u8], &[u8])], body: &[u8]) -> Result<(), EditRefusal> {
        if !(200..=599).contains(&status) {
            return Err(EditRefusal::BadStatus);
        }
        for (name, value) in headers {
            check_header(name, value)?;
        }
        let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes + body.len() > MAX_ANSWER_BYTES {
            return Err(EditRefusal::TooMuch);
        }
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        self.answer = Some(Answer { status, headers, body: body.to_vec() });
        Ok(())
    }
}

/// What a plugin may know of a request besides its head.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// In which hook.
    pub hook: Hook,
    /// The client came over TLS.
    pub tls: bool,
    /// The whole body; None where the plugin has not asked for it.
    pub body: Option<&'a [u8]>,
    /// As text; empty for unix sockets.
    pub remote_address: &'a [u8],
    /// The route's name.
    pub route: &'a [u8],
    /// The consumer's name; empty while it is not known.
    pub consumer: &'a [u8],
}

/// A slot's request, while a plugin has it.
#[derive(Debug)]
pub struct SlotRequest<'a> {
    head: &'a Head,
    edits: &'a mut Edits,
    carried: &'a mut Carried,
    facts: Facts<'a>,
}

impl<'a> SlotRequest<'a> {
    /// All of one slot.
    pub fn new(head: &'a Head, edits: &'a mut Edits, carried: &'a mut Carried, facts: Facts<'a>) -> Self {
        Self { head, edits, carried, facts }
    }

    /// In which the plugin has it.
    pub fn hook(&self) -> Hook {
        self.facts.hook
    }

    /// As [`Carried::take_failure`].
    pub fn take_failure(&mut self) -> Option<Box<[u8]>> {
        self.carried.take_failure()
    }

    fn edited(&self) -> EditedHead<'_> {
        EditedHead::new(self.head, Some(self.edits))
    }

    /// The upstream has the request already in the later hooks.
    fn edit(
        &mut self,
        edit: impl FnOnce(&mut Edits) -> Result<(), EditRefusal>,
        written: impl FnOnce() -> Written,
    ) -> Result<(), EditRefusal> {
        self.check_early()?;
        edit(self.edits)?;
        if self.carried.records {
            self.carried.written.push(written());
        }
        Ok(())
    }

    fn check_early(&self) -> Result<(), EditRefusal> {
        match self.facts.hook {
            Hook::Response | Hook::Log => Err(EditRefusal::NotInThisHook),
            _ => Ok(()),
        }
    }
}

impl Headers for SlotRequest<'_> {
    fn header(&self, name: &[u8]) -> Option<&[u8]> {
        self.edited().header(name)
    }

    fn headers<'a>(&'a self, visit: &mut dyn FnMut(&'a [u8], &'a [u8])) {
        for (name, value) in self.edited().headers() {
            visit(name, value);
        }
    }

    fn set_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditRefusal> {
        self.edit(|edits| edits.set_header(name, value), || header(EditKind::Set, name, value))
    }

    fn append_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditRefusal> {
        self.edit(|edits| edits.append_header(name, value), || header(EditKind::Append, name, value))
    }

    fn remove_header(&mut self, name: &[u8]) -> Result<(), EditRefusal> {
        self.edit(|edits| edits.remove_header(name), || header(EditKind::Remove, name, b""))
    }
}

impl Request for SlotRequest<'_> {
    fn method(&self) -> &[u8] {
        self.edited().method_text()
    }

    fn scheme(&self) -> &[u8] {
        if self.facts.tls { b"https" } else { b"http" }
    }

    fn host(&self) -> &[u8] {
        self.edited().host()
    }

    fn path(&self) -> &[u8] {
        self.edited().path()
    }

    fn query(&self) -> &[u8] {
        self.edited().query().unwrap_or_default()
    }

    fn remote_address(&self) -> &[u8] {
        self.facts.remote_address
    }

    fn request_id(&self) -> &[u8] {
        self.head.request_id()
    }

    fn route(&self) -> &[u8] {
        self.facts.route
    }

    fn consumer(&self) -> &[u8] {
        self.carried.consumer().unwrap_or(self.facts.consumer)
    }

    fn body(&self) -> Option<&[u8]> {
        self.carried.new_body.as_deref().or(self.facts.body)
    }

    fn context(&self, name: &[u8]) -> Option<&[u8]> {
        self.carried.context(name)
    }

    fn set_method(&mut self, method: &[u8]) -> Result<(), EditRefusal> {
        let head = self.head;
        self.edit(|edits| edits.set_method(head, method), || Written::Method(method.into()))
    }

    fn set_host(&mut self, host: &[u8]) -> Result<(), EditRefusal> {
        self.edit(|edits| edits.set_host(host), || Written::Host(host.into()))
    }

    fn set_path(&mut self, path: &[u8]) -> Result<(), EditRefusal> {
        self.edit(|edits| edits.set_path(path), || Written::Path(path.into()))
    }

    fn set_query(&mut self, query: &[u8]) -> Result<(), EditRefusal> {
        self.edit(|edits| edits.set_query(query), || Written::Query(query.into()))
    }

    fn set_body(&mut self, body: &[u8]) -> Result<(), EditRefusal> {
        self.check_early()?;
        if self.facts.body.is_none() {
            return Err(EditRefusal::NoBody);
        }
        self.carried.new_body = Some(body.to_vec());
        Ok(())
    }

    fn set_upstream(&mut self, name: &[u8]) -> Result<(), EditRefusal> {
        self.check_early()?;
        let name = checked_name(name, EditRefusal::BadUpstream)?;
        self.carried.written.retain(|written| !matches!(written, Written::Upstream(_)));
        self.carried.written.push(Written::Upstream(name));
        Ok(())
    }

    fn set_consumer(&mut self, name: &[u8]) -> Result<(), EditRefusal> {
        if self.facts.hook != Hook::Authenticate {
            return Err(EditRefusal::NotInThisHook);
        }
        self.carried.consumer = Some(checked_name(name, EditRefusal::BadConsumer)?);
        Ok(())
    }

    fn set_context(&mut self, name: &[u8], value: &[u8]) -> Result<(), EditRefusal> {
        if self.facts.hook == Hook::Log {
            return Err(EditRefusal::NotInThisHook);
        }
        self.carried.set_context(name, value)
    }

    fn respond(&mut self, status: u16, headers: &[(&[u8], &[u8])], body: &[u8]) -> Result<(), EditRefusal> {
        self.check_early()?;
        self.carried.respond(status, headers, body)
    }

    fn fail(&mut self, reason: &[u8]) {
        self.carried.failure.get_or_insert_with(|| reason.into());
    }
}

fn header(kind: EditKind, name: &[u8], value: &[u8]) -> Written {
    Written::Header { kind, name: name.into(), value: value.into() }
}

fn checked_name(name: &[u8], refusal: EditRefusal) -> Result<Box<[u8]>, EditRefusal> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES { Err(refusal) } else { Ok(name.into()) }
}
