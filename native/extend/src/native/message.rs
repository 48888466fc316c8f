//! A request or a response behind the C interface, for as long as one hook has it, and the host's functions that read and
//! edit it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use polygate_plugin_abi::{self as abi, Text, part};

use crate::{EditRefusal, Headers, Request, Response};

/// What a plugin may do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whatever the message's own rules let it.
    All,
    /// Read it, and write its context.
    Context,
    /// Read it.
    Read,
}

/// Behind a plugin's `polygate_message`.
pub struct Message<'a> {
    kind: Kind<'a>,
    access: Access,
    failure: Option<Reason>,
}

enum Kind<'a> {
    Request(&'a mut dyn Request),
    Response(&'a mut dyn Response),
}

/// Why a plugin has failed, as it said so.
pub struct Reason(Vec<u8>);

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        Self::from_utf8_lossy(&reason.0).into_owned()
    }
}

/// A longer reason is cut.
const MAX_REASON_BYTES: usize = 4096;

impl<'a> Message<'a> {
    pub fn request(request: &'a mut dyn Request, access: Access) -> Self {
        Self { kind: Kind::Request(request), access, failure: None }
    }

    pub fn response(response: &'a mut dyn Response, access: Access) -> Self {
        Self { kind: Kind::Response(response), access, failure: None }
    }

    /// For the plugin, for one call.
    pub fn pointer(&mut self) -> *mut abi::Message {
        ptr::from_mut(self).cast()
    }

    pub fn take_failure(&mut self) -> Option<Reason> {
        self.failure.take()
    }

    pub fn as_request(&self) -> Option<&dyn Request> {
        match &self.kind {
            Kind::Request(request) => Some(&**request),
            Kind::Response(_) => None,
        }
    }

    fn fields(&self) -> &dyn Headers {
        match &self.kind {
            Kind::Request(request) => &**request,
            Kind::Response(response) => &**response,
        }
    }

    fn fields_mut(&mut self) -> Result<&mut dyn Headers, EditRefusal> {
        match &mut self.kind {
            _ if self.access != Access::All => Err(EditRefusal::NotInThisHook),
            Kind::Request(request) => Ok(&mut **request),
            Kind::Response(response) => Ok(&mut **response),
        }
    }

    fn request_mut(&mut self, needed: Access) -> Result<&mut dyn Request, EditRefusal> {
        match &mut self.kind {
            Kind::Request(request) if self.access == Access::All || self.access == needed => Ok(&mut **request),
            _ => Err(EditRefusal::NotInThisHook),
        }
    }

    fn response_mut(&mut self) -> Result<&mut dyn Response, EditRefusal> {
        match &mut self.kind {
            Kind::Response(response) if self.access == Access::All => Ok(&mut **response),
            _ => Err(EditRefusal::NotInThisHook),
        }
    }

    fn text(&self, which: u32) -> Option<&[u8]> {
        match &self.kind {
            Kind::Response(response) => response.body().filter(|_| which == part::BODY),
            Kind::Request(request) => match which {
                part::METHOD => Some(request.method()),
                part::SCHEME => Some(request.scheme()),
                part::HOST => Some(request.host()),
                part::PATH => Some(request.path()),
                part::QUERY => Some(request.query()),
                part::REMOTE_ADDRESS => Some(request.remote_address()),
                part::REQUEST_ID => Some(request.request_id()),
                part::ROUTE => Some(request.route()),
                part::CONSUMER => Some(request.consumer()),
                part::BODY => request.body(),
                _ => None,
            },
        }
    }

    fn set_text(&mut self, which: u32, value: &[u8]) -> Result<(), EditRefusal> {
        if let Kind::Response(_) = self.kind {
            let response = self.response_mut()?;
            return if which == part::BODY { response.set_body(value) } else { Err(EditRefusal::NotInThisHook) };
        }
        let request = self.request_mut(Access::All)?;
        match which {
            part::METHOD => request.set_method(value),
            part::HOST => request.set_host(value),
            part::PATH => request.set_path(value),
            part::QUERY => request.set_query(value),
            part::CONSUMER => request.set_consumer(value),
            part::BODY => request.set_body(value),
            part::UPSTREAM => request.set_upstream(value),
            _ => Err(EditRefusal::NotInThisHook),
        }
    }
}

/// Reads a message. Null, and what panics, have nothing.
///
/// # Safety
/// `message` is null or what [`Message::pointer`] gave for the hook that is running, on its thread.
unsafe fn read<R>(message: *const abi::Message, nothing: R, work: impl FnOnce(&Message<'_>) -> R) -> R {
    // SAFETY: the caller's promise. No edit is running: a plugin is called by one thread, and edits call no plugin.
    let Some(message) = (unsafe { message.cast::<Message<'_>>().as_ref() }) else { return nothing };
    catch_unwind(AssertUnwindSafe(|| work(message))).unwrap_or(nothing)
}

/// Edits a message; the outcome is that of the interface.
///
/// # Safety
/// As [`read`].
unsafe fn edit(message: *mut abi::Message, work: impl FnOnce(&mut Message<'_>) -> Result<(), EditRefusal>) -> i32 {
    // SAFETY: the caller's promise, and as above.
    let message = unsafe { message.cast::<Message<'_>>().as_mut() };
    let refused = EditRefusal::NotInThisHook.code();
    let Some(message) = message else { return refused };
    match catch_unwind(AssertUnwindSafe(|| work(message))) {
        Ok(Ok(())) => 0,
        Ok(Err(refusal)) => refusal.code(),
        Err(_) => refused,
    }
}

/// What a plugin has given.
///
/// # Safety
/// The text is there during the call.
unsafe fn given<'a>(text: Text) -> &'a [u8] {
    // SAFETY: the caller's promise.
    unsafe { text.bytes() }.unwrap_or_default()
}

// SAFETY of all functions below: the plugin gives back the message of its running hook, on its thread, and texts that are
// there during the call: the header's rules.

pub unsafe extern "C" fn text(message: *const abi::Message, part: u32) -> Text {
    // SAFETY: as above.
    unsafe { read(message, Text::NONE, |message| Text::of_option(message.text(part))) }
}

pub unsafe extern "C" fn set_text(message: *mut abi::Message, part: u32, value: Text) -> i32 {
    // SAFETY: as above.
    unsafe { edit(message, |message| message.set_text(part, given(value))) }
}

pub unsafe extern "C" fn header(message: *const abi::Message, name: Text) -> Text {
    // SAFETY: as above.
    unsafe { read(message, Text::NONE, |message| Text::of_option(message.fields().header(given(name)))) }
}

pub unsafe extern "C" fn headers(message: *const abi::Message, out: *mut abi::Header, capacity: usize) -> usize {
    // SAFETY: as above.
    unsafe {
        read(message, 0, |message| {
            let mut count = 0;
            message.fields().headers(&mut |name, value| {
                if count < capacity && !out.is_null() {
                    // The plugin has said that there are `capacity` places.
                    out.add(count).write(abi::Header { name: Text::of(name), value: Text::of(value) });
                }
                count += 1;
            });
            count
        })
    }
}

pub unsafe extern "C" fn set_header(message: *mut abi::Message, name: Text, value: Text) -> i32 {
    // SAFETY: as above.
    unsafe { edit(message, |message| message.fields_mut()?.set_header(given(name), given(value))) }
}

pub unsafe extern "C" fn append_header(message: *mut abi::Message, name: Text, value: Text) -> i32 {
    // SAFETY: as above.
    unsafe { edit(message, |message| message.fields_mut()?.append_header(given(name), given(value))) }
}

pub unsafe extern "C" fn remove_header(message: *mut abi::Message, name: Text) -> i32 {
    // SAFETY: as above.
    unsafe { edit(message, |message| message.fields_mut()?.remove_header(given(name))) }
}

pub unsafe extern "C" fn context(request: *const abi::Message, name: Text) -> Text {
    // SAFETY: as above.
    unsafe {
        read(request, Text::NONE, |message| {
            Text::of_option(message.as_request().and_then(|request| request.context(given(name))))
        })
    }
}

pub unsafe extern "C" fn set_context(request: *mut abi::Message, name: Text, value: Text) -> i32 {
    // SAFETY: as above.
    unsafe { edit(request, |message| message.request_mut(Access::Context)?.set_context(given(name), given(value))) }
}

pub unsafe extern "C" fn status(response: *const abi::Message) -> i32 {
    // SAFETY: as above.
    unsafe {
        read(response, 0, |message| match &message.kind {
            Kind::Response(response) => response.status().into(),
            Kind::Request(_) => 0,
        })
    }
}

pub unsafe extern "C" fn set_status(response: *mut abi::Message, status: i32) -> i32 {
    // SAFETY: as above.
    unsafe {
        edit(response, |message| {
            message.response_mut()?.set_status(u16::try_from(status).map_err(|_| EditRefusal::BadStatus)?)
        })
    }
}

pub unsafe extern "C" fn respond(
    request: *mut abi::Message,
    status: i32,
    headers: *const abi::Header,
    header_count: usize,
    body: Text,
) -> i32 {
    // SAFETY: as above; as many fields as the plugin says.
    unsafe {
        edit(request, |message| {
            let status = u16::try_from(status).map_err(|_| EditRefusal::BadStatus)?;
            let fields = if headers.is_null() { &[] } else { std::slice::from_raw_parts(headers, header_count) };
            let fields: Vec<_> = fields.iter().map(|field| (given(field.name), given(field.value))).collect();
            message.request_mut(Access::All)?.respond(status, &fields, given(body))
        })
    }
}

pub unsafe extern "C" fn fail(message: *mut abi::Message, reason: Text) {
    // SAFETY: as above.
    unsafe {
        edit(message, |message| {
            let reason = given(reason);
            message.failure.get_or_insert_with(|| Reason(reason[..reason.len().min(MAX_REASON_BYTES)].to_vec()));
            Ok(())
        });
    }
}
