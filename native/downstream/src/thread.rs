//! What one thread (one libuv loop) knows of its connections: the table by descriptor, slots, and who is due.

use crate::answers::Answer;
use crate::connection::Connection;
use crate::framing::HeadLimits;
use crate::remote::Remote;
use std::cell::Cell;
use std::ffi::c_int;
use std::ptr::null_mut;

/// Slots are numbered from 0 without gaps, so a greater one is a mistake that must not cost memory.
const MAX_SLOTS: u32 = 1 << 20;

/// A slot's connection; serial 0 when there is none.
#[derive(Clone, Copy, Default)]
pub struct Binding {
    pub descriptor: c_int,
    pub serial: u32,
}

/// State of one thread.
pub struct Thread {
    connections: Vec<Option<Box<Connection>>>,
    pub slots: Vec<Binding>,
    /// Connections with stashed bytes that the front end may have: dispatched before the loop waits again.
    pub due: Vec<Binding>,
    /// The connection whose `recv` was the last one within the current dispatch, or -1.
    pub touched: c_int,
    /// Whose head is in `head`, or -1.
    pub head_of: c_int,
    /// The head of the current request, as received.
    pub head: Vec<u8>,
    pub limits: HeadLimits,
    /// Answers given below JavaScript, by `Answer::index`.
    pub answers: [u32; Answer::ALL.len()],
    serial: u32,
    random: u64,
}

thread_local! {
    static THREAD: Cell<*mut Thread> = const { Cell::new(null_mut()) };
}

impl Thread {
    fn new(limits: HeadLimits) -> Self {
        let mut seed = [0u8; 8];
        // SAFETY: writes at most the eight bytes of `seed`. Request ids need to differ, not to be secret, so that a
        // failure (no such call in a sandbox) leaves a usable seed.
        let _ = unsafe { libc::getrandom(seed.as_mut_ptr().cast(), seed.len(), 0) };
        Self {
            connections: Vec::new(),
            slots: Vec::new(),
            due: Vec::new(),
            touched: -1,
            head_of: -1,
            head: Vec::new(),
            limits,
            answers: [0; Answer::ALL.len()],
            serial: 0,
            random: u64::from_ne_bytes(seed) | 1,
        }
    }

    /// The open connection on this descriptor, if it was accepted on this thread.
    pub fn connection(&mut self, descriptor: c_int) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(usize::try_from(descriptor).ok()?)?.as_deref_mut()?;
        (connection.serial != 0).then_some(connection)
    }

    /// The connection of a binding, unless it has been closed since.
    pub fn bound(&mut self, binding: Binding) -> Option<&mut Connection> {
        self.connection(binding.descriptor).filter(|connection| connection.serial == binding.serial)
    }

    /// Connection and what its `receive` needs beside it.
    pub fn receiving(&mut self, descriptor: c_int) -> Option<(&mut Connection, HeadLimits, &mut Vec<u8>)> {
        let connection = self.connections.get_mut(usize::try_from(descriptor).ok()?)?.as_deref_mut()?;
        (connection.serial != 0).then_some((connection, self.limits, &mut self.head))
    }

    pub fn opened(&mut self, descriptor: c_int, remote: Remote) {
        let Ok(index) = usize::try_from(descriptor) else {
            return;
        };
        if self.connections.len() <= index {
            self.connections.resize_with(index + 1, || None);
        }
        self.serial = self.serial.wrapping_add(1).max(1);
        let connection = Connection::new(self.serial, remote);
        match &mut self.connections[index] {
            Some(closed) => **closed = connection,
            empty => *empty = Some(Box::new(connection)),
        }
    }

    pub fn closed(&mut self, descriptor: c_int) {
        if let Some(connection) = self.connection(descriptor) {
            *connection = Connection::new(0, Remote::NONE);
        }
        if self.head_of == descriptor {
            self.head_of = -1;
        }
        if self.touched == descriptor {
            self.touched = -1;
        }
    }

    /// Binds the current connection to a slot. None outside a handler, and on connections of another origin.
    pub fn begin(&mut self, slot: u32) -> Option<&Connection> {
        if slot >= MAX_SLOTS {
            return None;
        }
        let descriptor = self.touched;
        let connection = self.connection(descriptor)?;
        connection.begin();
        let serial = connection.serial;
        let slot = slot as usize;
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, Binding::default());
        }
        self.slots[slot] = Binding { descriptor, serial };
        self.connection(descriptor).map(|connection| &*connection)
    }

    /// The connection of the request that is bound to the slot.
    pub fn bound_to(&mut self, slot: u32) -> Option<&mut Connection> {
        let binding = *self.slots.get(slot as usize)?;
        self.bound(binding)
    }

    /// The slot's response is done. Returns its connection's descriptor where bytes may now flow again.
    pub fn end(&mut self, slot: u32) -> Option<c_int> {
        let binding = std::mem::take(self.slots.get_mut(slot as usize)?);
        let connection = self.bound(binding)?;
        connection.finish();
        Some(binding.descriptor)
    }

    /// For request ids of answers that no JavaScript saw.
    pub fn next_id(&mut self) -> u128 {
        let mut next = || {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            self.random
        };
        u128::from(next()) << 64 | u128::from(next())
    }

    /// Counts an answer and returns its bytes.
    pub fn answer(&mut self, answer: Answer) -> Vec<u8> {
        self.answers[answer.index()] += 1;
        answer.response(self.next_id())
    }
}

/// Makes this thread's state. Called again it only changes the limits.
pub fn start(limits: HeadLimits) {
    match current() {
        Some(thread) => thread.limits = limits,
        None => THREAD.set(Box::into_raw(Box::new(Thread::new(limits)))),
    }
}

/// Frees this thread's state; the hooks become plain calls.
pub fn stop() {
    let thread = THREAD.replace(null_mut());
    if !thread.is_null() {
        // SAFETY: made by `start` on this thread, taken out of the only place that refers to it. The addon's cleanup
        // hook calls this, never a hook of the front end, so no reference from `current` is alive.
        drop(unsafe { Box::from_raw(thread) });
    }
}

/// This thread's state. The reference must not be held across a call into the front end, which may come back here.
pub fn current() -> Option<&'static mut Thread> {
    // SAFETY: the pointer is null or made by `start` on this thread and freed by `stop` on this thread. Callers keep the
    // rule above, so two references never live at once.
    unsafe { THREAD.get().as_mut() }
}
