//! The host's side of the C interface: one table for each instance, and its functions. A plugin calls them during its
//! hooks. No panic may leave one: unwinding into the plugin's frames would end the process.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use polygate_plugin_abi::{self as abi, Text};

use super::message::{self, Message};
use crate::{Hook, Host, Level, LogLine};

/// The table that an instance gets, and what belongs to the instance behind it.
#[repr(C)]
pub struct HostTable {
    // First: a plugin's pointer to the table is one to this.
    table: abi::Host,
    host: Rc<dyn Host>,
    refusal: RefCell<Option<String>>,
    hook: Cell<Option<Hook>>,
    /// Of the running call, for log lines.
    request: Cell<*const abi::Message>,
}

/// While a hook runs.
pub struct Running<'a>(&'a HostTable);

impl HostTable {
    /// It must stay where it is: the plugin keeps a pointer to it.
    pub fn new(host: Rc<dyn Host>) -> Rc<Self> {
        let table = abi::Host {
            abi_version: abi::ABI_VERSION,
            struct_size: size_of::<abi::Host>() as u32,
            log,
            refuse,
            text: message::text,
            set_text: message::set_text,
            header: message::header,
            headers: message::headers,
            set_header: message::set_header,
            append_header: message::append_header,
            remove_header: message::remove_header,
            context: message::context,
            set_context: message::set_context,
            status: message::status,
            set_status: message::set_status,
            respond: message::respond,
            fail: message::fail,
        };
        Rc::new(Self {
            table,
            host,
            refusal: RefCell::default(),
            hook: Cell::default(),
            request: Cell::new(std::ptr::null()),
        })
    }

    /// For the plugin; good for as long as this.
    pub fn table(&self) -> *const abi::Host {
        std::ptr::from_ref(self).cast()
    }

    /// What `create` has said is wrong.
    pub fn refusal(&self) -> Option<String> {
        self.refusal.take()
    }

    /// Notes which call is running, until the answer is dropped; the request's message must be there until then.
    pub fn begin(&self, hook: Hook, request: *const abi::Message) -> Running<'_> {
        self.hook.set(Some(hook));
        self.request.set(request);
        Running(self)
    }

    fn log(&self, level: Level, message: &[u8]) {
        // SAFETY: set by `begin`, whose caller keeps the message until it is taken back. A plugin logs between its calls
        // about messages, never within one: nothing else refers to it now.
        let request = unsafe { self.request.get().cast::<Message<'_>>().as_ref() }.and_then(Message::as_request);
        let (route, request_id) =
            request.map_or((&b""[..], &b""[..]), |request| (request.route(), request.request_id()));
        let message = &message[..message.len().min(LogLine::MAX_MESSAGE_BYTES)];
        self.host.log(&LogLine { level, message, hook: self.hook.get(), route, request_id });
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.hook.set(None);
        self.0.request.set(std::ptr::null());
    }
}

unsafe extern "C" fn log(host: *const abi::Host, level: u32, message: Text) {
    // Better a line lost than a process.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the plugin gives back the table it was given, on its thread; it is the beginning of a `HostTable`. The
        // text is there during the call.
        let (host, message) = unsafe { (&*host.cast::<HostTable>(), message.bytes().unwrap_or_default()) };
        let level = Level::ALL.get(level as usize).copied().unwrap_or(Level::Error);
        host.log(level, message);
    }));
}

unsafe extern "C" fn refuse(host: *const abi::Host, reason: Text) {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: as in `log`.
        let (host, reason) = unsafe { (&*host.cast::<HostTable>(), reason.bytes().unwrap_or_default()) };
        host.refusal.borrow_mut().get_or_insert_with(|| String::from_utf8_lossy(reason).into_owned());
    }));
}
