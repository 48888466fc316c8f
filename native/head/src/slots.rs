//! Heads of the requests that are in flight, by slot: a small number that the worker reuses.

use crate::{EditedHead, Edits, Framing, Head, Limits, Refusal};

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
    /// Made with the slot's first edit, and kept.
    edits: Option<Box<Edits>>,
    /// What they were before a call of a plugin that may fail.
    saved: Option<Box<Edits>>,
    taken: bool,
}

impl Slot {
    fn clear_edits(&mut self) {
        if let Some(edits) = &mut self.edits {
            edits.clear();
        }
    }
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
        place.clear_edits();
        Some(result.map(|()| &place.head))
    }

    /// The head in a slot, as the client sent it; None where there is none.
    pub fn get(&self, slot: usize) -> Option<&Head> {
        self.slots.get(slot).filter(|place| place.taken).map(|place| &place.head)
    }

    /// The head in a slot with the edits made so far; None where there is none.
    pub fn edited(&self, slot: usize) -> Option<EditedHead<'_>> {
        self.slots
            .get(slot)
            .filter(|place| place.taken)
            .map(|place| EditedHead::new(&place.head, place.edits.as_deref()))
    }

    /// The head in a slot, and its edits to add to; None where there is none.
    pub fn edit(&mut self, slot: usize) -> Option<(&Head, &mut Edits)> {
        let place = self.slots.get_mut(slot).filter(|place| place.taken)?;
        Some((&place.head, place.edits.get_or_insert_default()))
    }

    /// How the body goes upstream; none for a slot without a head.
    pub fn framing(&self, slot: usize) -> Framing {
        let Some(place) = self.slots.get(slot).filter(|place| place.taken) else { return Framing::None };
        let replaced = place.edits.as_deref().and_then(Edits::body_length);
        replaced.map_or(place.head.framing(), Framing::Length)
    }

    /// Remembers the edits of a slot, for `restore_edits`.
    pub fn save_edits(&mut self, slot: usize) {
        if let Some(place) = self.slots.get_mut(slot) {
            place.saved.clone_from(&place.edits);
        }
    }

    /// Undoes what was edited since `save_edits`.
    pub fn restore_edits(&mut self, slot: usize) {
        if let Some(place) = self.slots.get_mut(slot) {
            place.edits = place.saved.take();
        }
    }

    /// Frees a slot. A free or unknown one: no-op.
    pub fn release(&mut self, slot: usize) {
        if let Some(place) = self.slots.get_mut(slot)
            && place.taken
        {
            place.taken = false;
            place.head.clear();
            place.clear_edits();
        }
    }
}
