//! Who takes the requests that go past the front end; see `direct`.

/// Where a request comes from.
#[derive(Debug)]
pub struct Client<'a> {
    /// As given to [`crate::listening`].
    pub listener: u32,
    /// Requests of its connection, this one included.
    pub requests: u32,
    /// Without port, as text.
    pub address: &'a [u8],
}

/// A request that was taken.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// A slot that no other request has; see [`crate::end`].
    pub slot: u32,
    /// Bytes of the request.
    pub consumed: usize,
}

/// What the addon does with them. Plain functions: they reach into a state of its own on this thread, and call nothing
/// here, but for `deliver`.
#[derive(Clone, Copy, Debug)]
pub struct Taker {
    /// Is given the bytes from the beginning of a message, more than one or less. None: not one of these requests.
    pub take: fn(&[u8], &Client<'_>) -> Option<Taken>,
    /// The client of a slot is gone; the slot is to be ended all the same.
    pub gone: fn(u32),
    /// All that was given to [`crate::send`] has left.
    pub drained: fn(u32),
    /// Tells JavaScript. It may call everything here.
    pub deliver: fn(),
}
