//! Heads of the requests that are in flight, by slot: a small number that the worker reuses.

use crate::{Head, Limits, Refusal};

/// Storage of heads. Grows up to the highest slot used, and keeps its buffers from request to request.
#[derive(Debug)]
pub struct Heads {
    slots: Vec<Slot>,
    max_slots: usize,
    limits: Limits,
}

#[derive(Debug, Default)]
struct Slot {
    head: Head,
    taken: bool,
}

impl Heads {
    /// `max_slots`: one more than the highest slot that may be used.
    pub fn new(max_slots: usize, limits: Limits) -> Self {
        Self { slots: Vec::new(), max_slots, limits }
    }

    /// What a head may be at most.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// For heads that are read from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Whether a slot of this number may be used.
    pub fn has_slot(&self, slot: usize) -> bool {
        slot < self.max_slots
    }

    /// Reads a head into a slot, in place of what was there. None: no slot of this number. After a refusal it is free.
    pub fn take(&mut self, slot: usize, input: &[u8]) -> Option<Result<&Head, Refusal>> {
        if !self.has_slot(slot) {
            return None;
        }
        if slot >= self.slots.len() {
            self.slots.resize_with(slot + 1, Slot::default);
        }
        let limits = self.limits;
        let place = self.slots.get_mut(slot)?;
        let result = place.head.read(input, &limits);
        place.taken = result.is_ok();
        Some(result.map(|()| &place.head))
    }

    /// The head in a slot; None where there is none.
    pub fn get(&self, slot: usize) -> Option<&Head> {
        self.slots.get(slot).filter(|place| place.taken).map(|place| &place.head)
    }

    /// The first value of a name (compared without case).
    pub fn header(&self, slot: usize, name: &[u8]) -> Option<&[u8]> {
        self.get(slot)?.header(name)
    }

    /// Name and value of each field line; nothing for a free slot.
    pub fn headers(&self, slot: usize) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.get(slot).into_iter().flat_map(Head::headers)
    }

    /// Frees a slot. A free or unknown one: no-op.
    pub fn release(&mut self, slot: usize) {
        if let Some(place) = self.slots.get_mut(slot)
            && place.taken
        {
            place.taken = false;
            place.head.clear();
        }
    }
}
