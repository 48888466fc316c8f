//! Listeners that rest while no descriptor is free.
//!
//! A connection that cannot be accepted leaves its listener readable: the loop would call the front end again and again
//! and use up a core. So the listener is not polled until a connection of ours has closed, or for a while; meanwhile
//! those who wait lie in the kernel's queue and are served when there is room, instead of being refused.

use crate::uv::PollCallback;
use std::ffi::{c_int, c_void};
use std::time::{Duration, Instant};

/// After this the next attempt is made: descriptors are also freed by others than the front end.
const REST: Duration = Duration::from_millis(100);

/// What polls a listener, as the front end has asked for it.
#[derive(Clone, Copy)]
pub struct Polled {
    pub handle: *mut c_void,
    pub descriptor: c_int,
    pub events: c_int,
    pub callback: PollCallback,
    resting: bool,
}

/// The polled listeners of one thread. No call to libuv is made here.
#[derive(Default)]
pub struct Resting {
    all: Vec<Polled>,
    /// Some are resting since then.
    since: Option<Instant>,
    /// A descriptor has become free meanwhile.
    freed: bool,
    /// How often one was put to rest.
    pub stalls: u32,
}

impl Resting {
    /// The front end polls a handle that is no connection.
    pub fn polled(&mut self, handle: *mut c_void, descriptor: c_int, events: c_int, callback: PollCallback) {
        self.forget(handle);
        self.all.push(Polled { handle, descriptor, events, callback, resting: false });
    }

    /// The front end polls the handle no longer.
    pub fn forget(&mut self, handle: *mut c_void) {
        self.all.retain(|listener| listener.handle != handle);
    }

    /// Nothing could be accepted for want of a descriptor. Returns the handle that is not to be polled for now.
    pub fn stall(&mut self, descriptor: c_int, now: Instant) -> Option<*mut c_void> {
        let listener = self.all.iter_mut().find(|one| one.descriptor == descriptor && !one.resting)?;
        listener.resting = true;
        self.stalls = self.stalls.wrapping_add(1);
        self.since = Some(now);
        self.freed = false;
        Some(listener.handle)
    }

    /// A connection was closed.
    pub fn freed(&mut self) {
        self.freed = true;
    }

    /// Whether any rests; costs next to nothing.
    pub fn any_resting(&self) -> bool {
        self.since.is_some()
    }

    /// Those that are to be polled again now.
    pub fn rested(&mut self, now: Instant) -> Vec<Polled> {
        let Some(since) = self.since else { return Vec::new() };
        if !self.freed && now.duration_since(since) < REST {
            return Vec::new();
        }
        self.since = None;
        let rested = self.all.iter().filter(|listener| listener.resting).copied().collect();
        for listener in &mut self.all {
            listener.resting = false;
        }
        rested
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" fn callback(_: *mut c_void, _: c_int, _: c_int) {}

    fn handle(number: usize) -> *mut c_void {
        number as *mut c_void
    }

    fn two() -> Resting {
        let mut listeners = Resting::default();
        listeners.polled(handle(1), 11, 1, callback);
        listeners.polled(handle(2), 12, 1, callback);
        listeners
    }

    #[test]
    fn unknown_or_forgotten_ones_never_rest() {
        let mut listeners = two();
        let now = Instant::now();
        assert!(listeners.stall(13, now).is_none());
        listeners.forget(handle(1));
        assert!(listeners.stall(11, now).is_none());
        assert!(!listeners.any_resting());
        assert_eq!(listeners.stalls, 0);
        assert!(listeners.rested(now + REST).is_empty());
    }

    #[test]
    fn one_that_the_front_end_stops_while_it_rests_is_not_polled_again() {
        let mut listeners = two();
        let now = Instant::now();
        assert_eq!(listeners.stall(11, now), Some(handle(1)));
        listeners.forget(handle(1));
        assert!(listeners.rested(now + REST).is_empty());
    }

    #[test]
    fn it_rests_for_a_while_or_until_a_descriptor_is_free() {
        let mut listeners = two();
        let now = Instant::now();
        let handles = |rested: Vec<Polled>| rested.iter().map(|one| one.handle as usize).collect::<Vec<_>>();
        assert_eq!(listeners.stall(11, now), Some(handle(1)));
        assert!(listeners.stall(11, now).is_none(), "it rests already");
        assert!(listeners.rested(now).is_empty());
        assert_eq!(handles(listeners.rested(now + REST)), [1]);
        assert!(!listeners.any_resting());
        listeners.freed();
        assert_eq!(listeners.stall(12, now), Some(handle(2)));
        assert!(listeners.rested(now).is_empty(), "what was freed before is used up");
        assert_eq!(listeners.stall(11, now), Some(handle(1)));
        listeners.freed();
        assert_eq!(handles(listeners.rested(now)), [1, 2]);
        assert_eq!(listeners.stalls, 3);
    }
}
