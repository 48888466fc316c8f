//! Which secrets have a table. Bounded: when all are taken, one is given up, by the clock algorithm (a hand goes round
//! and takes the first that was not used since it last passed).
//!
//! Only a valid signature counts as use, and only a valid signature may push another table out. So forgeries, for
//! however many known keys, can fill what is free, and nothing more; those tables are the first to go.

use crate::window::{Table, prefetch, prefetch_item};

const NONE: u32 = u32::MAX;

struct Resident {
    entry: u32,
    used: bool,
    table: Table,
}

pub struct Residents {
    limit: usize,
    skew_seconds: u32,
    /// By entry: the place in `all`, or `NONE`.
    places: Vec<u32>,
    /// By entry: where its table's tags are, or 0. For [`Self::prefetch`] alone.
    tags_at: Vec<usize>,
    tags_bytes: usize,
    all: Vec<Resident>,
    hand: usize,
}

impl Residents {
    pub const BYTES_PER_TABLE: usize = size_of::<Resident>();
    pub const BYTES_PER_ENTRY: usize = size_of::<u32>() + size_of::<usize>();

    pub fn new(entries: usize, limit: u32, skew_seconds: u32) -> Self {
        Self {
            limit: limit as usize,
            skew_seconds,
            places: vec![NONE; entries],
            tags_at: vec![0; entries],
            tags_bytes: Table::new(skew_seconds).bytes(),
            all: Vec::new(),
            hand: 0,
        }
    }

    pub fn in_use(&self) -> usize {
        self.all.len()
    }

    pub fn has_room(&self) -> bool {
        self.all.len() < self.limit
    }

    /// The whole of the entry's table: what is asked for says nothing about the signature.
    #[inline]
    pub fn prefetch(&self, entry: usize) {
        // Not by way of the resident: its address would have to be fetched first.
        if self.tags_at[entry] != 0 {
            prefetch(std::ptr::without_provenance(self.tags_at[entry]), self.tags_bytes);
        }
        if let Some(resident) = self.all.get(self.places[entry] as usize) {
            prefetch_item(resident);
        }
    }

    #[inline]
    pub fn table_of(&mut self, entry: usize) -> Option<&mut Table> {
        self.all.get_mut(self.places[entry] as usize).map(|resident| &mut resident.table)
    }

    /// A valid signature was found with this entry's table.
    #[inline]
    pub fn keep(&mut self, entry: usize) {
        if let Some(resident) = self.all.get_mut(self.places[entry] as usize) {
            resident.used = true;
        }
    }

    /// Takes the visitor's table over for an entry that has none; the visitor gets another one, to be cleared.
    pub fn admit(&mut self, entry: usize, visitor: &mut Table, used: bool) {
        if self.has_room() {
            let table = std::mem::replace(visitor, Table::new(self.skew_seconds));
            self.tags_at[entry] = table.tags_at().addr();
            self.places[entry] = self.all.len() as u32;
            self.all.push(Resident { entry: entry as u32, used, table });
            return;
        }
        // Two rounds at most: the first may only clear marks.
        while self.all[self.hand].used {
            self.all[self.hand].used = false;
            self.hand = (self.hand + 1) % self.all.len();
        }
        let resident = &mut self.all[self.hand];
        std::mem::swap(&mut resident.table, visitor);
        self.places[resident.entry as usize] = NONE;
        self.tags_at[resident.entry as usize] = 0;
        self.tags_at[entry] = resident.table.tags_at().addr();
        self.places[entry] = self.hand as u32;
        (resident.entry, resident.used) = (entry as u32, used);
        self.hand = (self.hand + 1) % self.all.len();
    }
}
