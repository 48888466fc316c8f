//! The header fields of a message. Names are compared without case; nothing is copied but what is asked for.

use std::marker::PhantomData;

use polygate_plugin_abi as abi;

use crate::{Refusal, Result};

/// So many fields are listed without an allocation.
const FEW_FIELDS: usize = 32;

/// The header fields of a request or a response.
#[derive(Debug)]
pub struct Headers<'a> {
    pub(crate) message: *mut abi::Message,
    pub(crate) host: &'a abi::Host,
    /// While the hook runs.
    lent: PhantomData<&'a mut ()>,
}

impl<'a> Headers<'a> {
    /// # Safety
    /// The message is there while `'a` lasts, and only this object edits it.
    pub(crate) const unsafe fn new(message: *mut abi::Message, host: &'a abi::Host) -> Self {
        Self { message, host, lent: PhantomData }
    }

    /// The first value of a name.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        // SAFETY: the message is there (`new`). The text is lent until the message is edited, for which it would have to
        // be borrowed mutably.
        unsafe { (self.host.header)(self.message, abi::Text::of(name.as_ref())).bytes() }
    }

    /// The first value of a name, where it is a text in UTF-8.
    pub fn get_str(&self, name: impl AsRef<[u8]>) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The values of a name, in their order.
    pub fn get_all<'b>(&'b self, name: &'b (impl AsRef<[u8]> + ?Sized)) -> impl Iterator<Item = &'b [u8]> {
        self.entries().filter(|(other, _)| other.eq_ignore_ascii_case(name.as_ref())).map(|(_, value)| value)
    }

    /// Name and value of each field in their order; repeated names come one by one.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut few = [abi::Header::NONE; FEW_FIELDS];
        // SAFETY: as in `get`; the capacity is that of the array, and of the vector below.
        let count = unsafe { (self.host.headers)(self.message, few.as_mut_ptr(), few.len()) };
        let mut many = Vec::new();
        if count > few.len() {
            many.resize(count, abi::Header::NONE);
            // SAFETY: as above. Nothing edits the message in between, so there are no more than before.
            unsafe { (self.host.headers)(self.message, many.as_mut_ptr(), many.len()) };
        }
        (0..count).map(move |index| {
            let field = if many.is_empty() { few[index] } else { many[index] };
            // SAFETY: as in `get`: the texts are lent until the message is edited.
            unsafe { (field.name.bytes().unwrap_or_default(), field.value.bytes().unwrap_or_default()) }
        })
    }

    /// Replaces all fields of that name by one.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), Refusal> {
        self.edit(self.host.set_header, name.as_ref(), value.as_ref())
    }

    /// Adds a field behind those that are there.
    pub fn append(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), Refusal> {
        self.edit(self.host.append_header, name.as_ref(), value.as_ref())
    }

    /// Removes all fields of that name; one that is not there is no error.
    pub fn delete(&mut self, name: impl AsRef<[u8]>) -> Result<(), Refusal> {
        // SAFETY: as in `edit`.
        Refusal::check(unsafe { (self.host.remove_header)(self.message, abi::Text::of(name.as_ref())) })
    }

    fn edit(&mut self, function: abi::EditFunction, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        // SAFETY: the message is there (`new`), and borrowed mutably, so that no lent text of it is in use. The host
        // copies what it is given.
        Refusal::check(unsafe { function(self.message, abi::Text::of(name), abi::Text::of(value)) })
    }
}
