//! The types of `plugins/contract/polygate_plugin.h`, which has the rules: who owns what, which thread may call, and how
//! versions go together. A test compiles the header and compares every size, place and constant with these.
//!
//! Plugins use the crate `polygate-plugin`; the gateway's host is `native/extend`.
#![no_std]

use core::ffi::c_void;

/// `POLYGATE_PLUGIN_ABI`.
pub const ABI_VERSION: u32 = 1;

/// The function that a plugin exports, of type [`TableFunction`].
pub const TABLE_SYMBOL: &[u8] = b"polygate_plugin_table\0";

/// A number of bytes that somebody else owns.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// Null where there is nothing.
    pub start: *const u8,
    /// In bytes.
    pub length: usize,
}

impl Text {
    /// Nothing.
    pub const NONE: Self = Self { start: core::ptr::null(), length: 0 };

    /// Lends some bytes.
    pub const fn of(bytes: &[u8]) -> Self {
        Self { start: bytes.as_ptr(), length: bytes.len() }
    }

    /// Lends some bytes, or nothing.
    pub const fn of_option(bytes: Option<&[u8]>) -> Self {
        match bytes {
            Some(bytes) => Self::of(bytes),
            None => Self::NONE,
        }
    }

    /// The bytes; None where there is nothing.
    ///
    /// # Safety
    /// What `start` and `length` say is there to be read, and nobody writes to it while `'a` lasts.
    pub const unsafe fn bytes<'a>(self) -> Option<&'a [u8]> {
        if self.start.is_null() || self.length > isize::MAX as usize {
            return None;
        }
        // SAFETY: the caller's promise, and the checks above.
        Some(unsafe { core::slice::from_raw_parts(self.start, self.length) })
    }
}

/// A header field.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // Reason: the names say it.
pub struct Header {
    pub name: Text,
    pub value: Text,
}

impl Header {
    /// No name and no value.
    pub const NONE: Self = Self { name: Text::NONE, value: Text::NONE };
}

/// A request or a response, while a hook has it: only the host knows what is in it.
#[repr(C)]
#[derive(Debug)]
pub struct Message {
    _opaque: [u8; 0],
    /// Belongs to one thread, and stays where it is.
    _of_one_thread: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
}

/// `polygate_part`.
#[allow(missing_docs)] // Reason: the header describes them.
pub mod part {
    pub const METHOD: u32 = 0;
    pub const SCHEME: u32 = 1;
    pub const HOST: u32 = 2;
    pub const PATH: u32 = 3;
    pub const QUERY: u32 = 4;
    pub const REMOTE_ADDRESS: u32 = 5;
    pub const REQUEST_ID: u32 = 6;
    pub const ROUTE: u32 = 7;
    pub const CONSUMER: u32 = 8;
    pub const BODY: u32 = 9;
    pub const UPSTREAM: u32 = 10;
}

/// `polygate_outcome`.
#[allow(missing_docs)] // Reason: the header describes them.
pub mod outcome {
    pub const DONE: i32 = 0;
    pub const FAILED: i32 = 1;
    pub const BROKEN: i32 = 2;
}

/// `polygate_level`.
#[allow(missing_docs)] // Reason: the names are those of the log.
pub mod level {
    pub const DEBUG: u32 = 0;
    pub const INFO: u32 = 1;
    pub const WARN: u32 = 2;
    pub const ERROR: u32 = 3;
}

/// An edit of a message by a name and a value.
pub type EditFunction = unsafe extern "C" fn(message: *mut Message, name: Text, value: Text) -> i32;

/// `polygate_host`: what the gateway offers an instance.
#[repr(C)]
#[derive(Debug)]
#[allow(missing_docs)] // Reason: the header describes them.
pub struct Host {
    pub abi_version: u32,
    pub struct_size: u32,
    pub log: unsafe extern "C" fn(host: *const Host, level: u32, message: Text),
    pub refuse: unsafe extern "C" fn(host: *const Host, reason: Text),
    pub text: unsafe extern "C" fn(message: *const Message, part: u32) -> Text,
    pub set_text: unsafe extern "C" fn(message: *mut Message, part: u32, value: Text) -> i32,
    pub header: unsafe extern "C" fn(message: *const Message, name: Text) -> Text,
    pub headers: unsafe extern "C" fn(message: *const Message, out: *mut Header, capacity: usize) -> usize,
    pub set_header: EditFunction,
    pub append_header: EditFunction,
    pub remove_header: unsafe extern "C" fn(message: *mut Message, name: Text) -> i32,
    pub context: unsafe extern "C" fn(request: *const Message, name: Text) -> Text,
    pub set_context: EditFunction,
    pub status: unsafe extern "C" fn(response: *const Message) -> i32,
    pub set_status: unsafe extern "C" fn(response: *mut Message, status: i32) -> i32,
    pub respond: unsafe extern "C" fn(
        request: *mut Message,
        status: i32,
        headers: *const Header,
        header_count: usize,
        body: Text,
    ) -> i32,
    pub fail: unsafe extern "C" fn(message: *mut Message, reason: Text),
}

/// A hook that has a request alone.
pub type RequestHook = unsafe extern "C" fn(instance: *mut c_void, request: *mut Message) -> i32;
/// A hook that has two messages.
pub type PairHook = unsafe extern "C" fn(instance: *mut c_void, first: *mut Message, second: *mut Message) -> i32;
/// See [`Plugin::create`].
pub type Create = unsafe extern "C" fn(host: *const Host, config: Text, instance: *mut *mut c_void) -> i32;
/// See [`Plugin::destroy`].
pub type Destroy = unsafe extern "C" fn(instance: *mut c_void);

/// `polygate_plugin`: what a plugin is.
#[repr(C)]
#[derive(Debug)]
#[allow(missing_docs)] // Reason: the header describes them.
pub struct Plugin {
    pub abi_version: u32,
    pub struct_size: u32,
    pub create: Option<Create>,
    pub destroy: Option<Destroy>,
    pub request: Option<RequestHook>,
    pub authenticate: Option<RequestHook>,
    pub authorize: Option<RequestHook>,
    pub forward: Option<RequestHook>,
    /// The response, then its request.
    pub response: Option<PairHook>,
    /// The request, then its response or null.
    pub log: Option<PairHook>,
}

/// Of the symbol [`TABLE_SYMBOL`].
pub type TableFunction = unsafe extern "C" fn() -> *const Plugin;
