//! The message that a plugin has in its hands just now. The objects that Lua sees are made once per state and look here
//! each time they are used, so that a call makes no object, and one kept from an earlier request shows nothing of it.

use std::cell::Cell;
use std::marker::PhantomData;
use std::mem;
use std::ptr::NonNull;

use crate::{Headers, Hook, Request, Response};

/// What is bound. Outside of a call: nothing.
#[derive(Default)]
pub(super) struct Bound {
    request: Cell<Option<NonNull<dyn Request>>>,
    response: Cell<Option<NonNull<dyn Response>>>,
    hook: Cell<Option<Hook>>,
}

/// While this lives, the message is bound, and nobody else has it.
pub(super) struct Binding<'bound, 'message> {
    bound: &'bound Bound,
    message: PhantomData<&'message mut ()>,
}

impl Bound {
    /// Lends the message to the state until the binding is dropped.
    pub(super) fn bind<'bound, 'message, 'a, 'b>(
        &'bound self,
        hook: Hook,
        request: &'message mut (dyn Request + 'a),
        response: Option<&'message mut (dyn Response + 'b)>,
    ) -> Binding<'bound, 'message> {
        // SAFETY: only the lifetime is forgotten; the `Binding` keeps both borrowed and takes them out when it is dropped.
        let request = unsafe {
            mem::transmute::<NonNull<dyn Request + 'a>, NonNull<dyn Request + 'static>>(NonNull::from(request))
        };
        let response = response.map(NonNull::from).map(|response| {
            // SAFETY: as above.
            unsafe { mem::transmute::<NonNull<dyn Response + 'b>, NonNull<dyn Response + 'static>>(response) }
        });
        self.request.set(Some(request));
        self.response.set(response);
        self.hook.set(Some(hook));
        Binding { bound: self, message: PhantomData }
    }

    /// The hook that runs.
    pub(super) fn hook(&self) -> Option<Hook> {
        self.hook.get()
    }

    /// The request, for one use.
    ///
    /// # Safety
    /// The caller must be done with it before it, or Lua, asks for another one.
    pub(super) unsafe fn request<'a>(&self) -> Option<&'a mut dyn Request> {
        // SAFETY: bound means borrowed for as long as the call lasts, by nobody but this; the caller keeps uses apart.
        self.request.get().map(|mut request| unsafe { request.as_mut() })
    }

    /// The response, for one use.
    ///
    /// # Safety
    /// As [`Bound::request`].
    pub(super) unsafe fn response<'a>(&self) -> Option<&'a mut dyn Response> {
        // SAFETY: as in `request`.
        self.response.get().map(|mut response| unsafe { response.as_mut() })
    }

    /// The header fields of one of both, for one use.
    ///
    /// # Safety
    /// As [`Bound::request`].
    pub(super) unsafe fn headers<'a>(&self, side: Side) -> Option<&'a mut dyn Headers> {
        // SAFETY: the caller keeps the promise.
        unsafe {
            match side {
                Side::Request => self.request().map(|request| request as &mut dyn Headers),
                Side::Response => self.response().map(|response| response as &mut dyn Headers),
            }
        }
    }
}

impl Drop for Binding<'_, '_> {
    fn drop(&mut self) {
        self.bound.request.set(None);
        self.bound.response.set(None);
        self.bound.hook.set(None);
    }
}

/// Whose headers, whose object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Side {
    Request,
    Response,
}
