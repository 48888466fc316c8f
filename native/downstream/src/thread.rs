//! What one thread (one libuv loop) knows of its connections: the table by descriptor, slots, and who is due.

use crate::answers::Answer;
use crate::connection::{Connection, NO_SLOT, WRITABLE};
use crate::direct::{self, Offered};
use crate::framing::HeadLimits;
use crate::remote::Remote;
use crate::resting::Resting;
use crate::taker::Taker;
use crate::tls::Session;
use crate::uv::PollCallback;
use rustls::ServerConfig;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::Arc;

/// Ciphertext of one `recv`.
const SCRATCH: usize = 256 * 1024;
/// What one tick may add to the clock: what is more was this thread's own stall, and no client's.
const MAX_TICK_MS: u64 = 1000;
/// Of one read that is offered to the taker; heads are far smaller, and what is behind one is stashed.
const READ_BYTES: usize = 64 * 1024;
/// Slots are numbered from 0 without gaps, so a greater one is a mistake that must not cost memory.
const MAX_SLOTS: u32 = 1 << 20;

/// A slot's connection; serial 0 when there is none.
#[derive(Clone, Copy, Default)]
pub struct Binding {
    pub descriptor: c_int,
    pub serial: u32,
}

/// A listener that is to be opened.
#[derive(Clone, Copy, Default)]
pub struct NextListener {
    /// Id of its TLS.
    pub tls: Option<u32>,
    /// It accepts nobody until `Thread::accept`: clients wait in the kernel.
    pub held: bool,
}

/// A listening socket of the front end.
pub struct Listener {
    pub descriptor: c_int,
    pub tls: Option<u32>,
    pub held: bool,
    /// Where its requests may go past the front end; else 0.
    pub number: u32,
    /// The front end's `uv_poll_start` that was put off.
    pub start: Option<(*mut c_void, c_int, PollCallback)>,
}

/// What `Connection::receive` needs beside the connection.
pub struct Receiving<'a> {
    pub connection: &'a mut Connection,
    pub limits: HeadLimits,
    pub head: &'a mut Vec<u8>,
    /// For ciphertext; nothing of it is kept. Empty until there is a TLS connection.
    pub scratch: &'a mut [u8],
}

/// State of one thread.
pub struct Thread {
    connections: Vec<Option<Box<Connection>>>,
    pub slots: Vec<Binding>,
    /// Connections that go on before the loop waits again: with bytes of which the kernel knows nothing, at their end,
    /// broken off, or overdue.
    pub due: Vec<Binding>,
    /// The connection whose `recv` was the last one within the current dispatch, or -1.
    pub touched: c_int,
    /// Whose head is in `head`, or -1.
    pub head_of: c_int,
    /// The head of the current request, as received.
    pub head: Vec<u8>,
    pub limits: HeadLimits,
    /// Those that wait for a free descriptor.
    pub resting: Resting,
    /// Answers given below JavaScript, by `Answer::index`.
    pub answers: [u32; Answer::ALL.len()],
    /// The socket that listens since the last `listen`.
    listened: c_int,
    /// Takes the requests that go past the front end.
    pub taker: Option<Taker>,
    /// The taker has something to tell.
    untold: bool,
    buffer: Vec<u8>,
    pub listeners: Vec<Listener>,
    /// By id; None where it was given back.
    pub tls: Vec<Option<Arc<ServerConfig>>>,
    /// What the listener that the front end opens next is to be.
    pub next_listener: NextListener,
    scratch: Vec<u8>,
    /// Milliseconds of ticks, without this thread's own stalls.
    clock_ms: u64,
    ticked_ms: u64,
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
            resting: Resting::default(),
            answers: [0; Answer::ALL.len()],
            listeners: Vec::new(),
            listened: -1,
            taker: None,
            untold: false,
            buffer: vec![0; READ_BYTES],
            tls: Vec::new(),
            next_listener: NextListener::default(),
            scratch: Vec::new(),
            clock_ms: 0,
            ticked_ms: 0,
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
    pub fn receiving(&mut self, descriptor: c_int) -> Option<Receiving<'_>> {
        let connection = self.connections.get_mut(usize::try_from(descriptor).ok()?)?.as_deref_mut()?;
        (connection.serial != 0).then_some(Receiving {
            connection,
            limits: self.limits,
            head: &mut self.head,
            scratch: &mut self.scratch,
        })
    }

    /// The front end listens on this descriptor.
    pub fn listens(&mut self, descriptor: c_int) {
        let NextListener { tls, held } = std::mem::take(&mut self.next_listener);
        self.listeners.push(Listener { descriptor, tls, held, number: 0, start: None });
        self.listened = descriptor;
    }

    /// The socket that the front end has begun to listen on last has this number. False: there is none.
    pub fn name_listener(&mut self, number: u32) -> bool {
        let descriptor = std::mem::replace(&mut self.listened, -1);
        let listener = self.listeners.iter_mut().find(|listener| listener.descriptor == descriptor);
        let known = listener.is_some();
        if let Some(listener) = listener {
            listener.number = number;
        }
        known
    }

    /// Connection, taker, a buffer and space for ciphertext for `work`. False: the front end is to be called.
    pub fn with_buffer(
        &mut self,
        descriptor: c_int,
        work: impl FnOnce(&mut Connection, &Taker, &mut [u8], &mut [u8]) -> Offered,
    ) -> bool {
        let (Some(taker), Ok(index)) = (&self.taker, usize::try_from(descriptor)) else { return false };
        let Some(connection) = self.connections.get_mut(index).and_then(Option::as_deref_mut) else { return false };
        if connection.serial == 0 {
            return false;
        }
        let offered = work(connection, taker, &mut self.buffer, &mut self.scratch);
        if offered == Offered::Taken {
            self.untold = true;
            let (slot, serial) = (connection.slot, connection.serial);
            self.bind(slot, Binding { descriptor, serial });
        }
        offered != Offered::ForFrontEnd
    }

    /// Has the taker note something that it will tell.
    pub fn tell(&mut self, what: impl FnOnce(&Taker)) {
        if let Some(taker) = &self.taker {
            what(taker);
            self.untold = true;
        }
    }

    /// The taker, if it has something to tell; it is assumed to do so.
    pub fn take_untold(&mut self) -> Option<Taker> {
        std::mem::take(&mut self.untold).then_some(self.taker).flatten()
    }

    /// Whether `run_due` has something to do.
    pub fn has_work(&self) -> bool {
        self.untold || !self.due.is_empty()
    }

    fn bind(&mut self, slot: u32, binding: Binding) {
        let slot = slot as usize;
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, Binding::default());
        }
        self.slots[slot] = binding;
    }

    /// The open connection whose request past the front end has this slot.
    pub fn of_slot(&mut self, slot: u32) -> Option<(c_int, &mut Connection)> {
        let binding = *self.slots.get(slot as usize)?;
        let connection = self.bound(binding).filter(|connection| connection.slot == slot)?;
        Some((binding.descriptor, connection))
    }

    /// Connections that are accepted from now on have `new`.
    pub fn exchange_tls(&mut self, old: u32, new: u32) {
        for listener in &mut self.listeners {
            if listener.tls == Some(old) {
                listener.tls = Some(new);
            }
        }
    }

    /// Of a connection that this listener has accepted. An error is a fault of ours: the connection must not go on.
    fn session(&mut self, listener: c_int) -> Result<Option<Box<Session>>, rustls::Error> {
        let Some(tls) = self.listeners.iter().find(|one| one.descriptor == listener).and_then(|one| one.tls) else {
            return Ok(None);
        };
        let unknown = || rustls::Error::General("the listener's TLS was given back".to_owned());
        let config = self.tls.get(tls as usize).and_then(Option::as_ref).ok_or_else(unknown)?;
        if self.scratch.is_empty() {
            self.scratch = vec![0; SCRATCH];
        }
        Ok(Some(Box::new(Session::new(config.clone())?)))
    }

    /// False: the connection must be closed at once.
    pub fn opened(&mut self, listener: c_int, descriptor: c_int, remote: Remote) -> bool {
        let (Ok(index), Ok(session)) = (usize::try_from(descriptor), self.session(listener)) else {
            return false;
        };
        if self.connections.len() <= index {
            self.connections.resize_with(index + 1, || None);
        }
        self.serial = self.serial.wrapping_add(1).max(1);
        let mut connection = Connection::new(self.serial, remote, session);
        connection.listener = self.listeners.iter().find(|one| one.descriptor == listener).map_or(0, |one| one.number);
        match &mut self.connections[index] {
            Some(closed) => **closed = connection,
            empty => *empty = Some(Box::new(connection)),
        }
        true
    }

    pub fn closed(&mut self, descriptor: c_int) {
        let taker = self.taker;
        if let Some(connection) = self.connection(descriptor) {
            let told = direct::closed(connection, taker);
            *connection = Connection::new(0, Remote::NONE, None);
            self.untold |= told;
            self.resting.freed();
        }
        self.listeners.retain(|listener| listener.descriptor != descriptor);
        if self.head_of == descriptor {
            self.head_of = -1;
        }
        if self.touched == descriptor {
            self.touched = -1;
        }
    }

    /// Connections with bytes that the front end has, or we, and the kernel does not, or with a request that JavaScript may
    /// not have heard of yet.
    pub fn writing(&self) -> usize {
        let open = self.connections.iter().flatten().filter(|connection| connection.serial != 0);
        open.filter(|connection| {
            connection.wanted & WRITABLE != 0 || !connection.outbox.is_empty() || connection.slot != NO_SLOT
        })
        .count()
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
        self.bind(slot, Binding { descriptor, serial });
        self.connection(descriptor).map(|connection| &*connection)
    }

    /// The connection of the request that is bound to the slot.
    pub fn bound_to(&mut self, slot: u32) -> Option<&mut Connection> {
        let binding = *self.slots.get(slot as usize)?;
        self.bound(binding)
    }

    /// The descriptor of [`Thread::bound_to`].
    pub fn descriptor_of(&mut self, slot: u32) -> Option<c_int> {
        let binding = *self.slots.get(slot as usize)?;
        self.bound(binding).map(|_| binding.descriptor)
    }

    /// The slot's response is done. Returns its connection's descriptor where bytes may now flow again.
    pub fn end(&mut self, slot: u32) -> Option<c_int> {
        let binding = std::mem::take(self.slots.get_mut(slot as usize)?);
        let connection = self.bound(binding)?;
        connection.slot = NO_SLOT;
        connection.finish();
        Some(binding.descriptor)
    }

    /// Puts connections whose client has let them wait for too long among those that are due.
    pub fn tick(&mut self, now_ms: u64, idle_ms: u64, queued: impl Fn(c_int) -> u64) {
        self.clock_ms += now_ms.saturating_sub(self.ticked_ms).min(MAX_TICK_MS);
        self.ticked_ms = now_ms;
        for (descriptor, connection) in self.connections.iter_mut().enumerate() {
            let Some(connection) = connection.as_deref_mut().filter(|connection| connection.serial != 0) else {
                continue;
            };
            let descriptor = descriptor as c_int;
            if !connection.handle.is_null()
                && connection.is_overdue(self.clock_ms, idle_ms, || queued(descriptor))
                && !connection.expired
            {
                connection.expired = true;
                self.due.push(Binding { descriptor, serial: connection.serial });
            }
        }
    }

    /// Connections that are open and have had no request yet.
    pub fn newcomers(&self) -> usize {
        let open = self.connections.iter().flatten().filter(|connection| connection.serial != 0);
        open.filter(|connection| connection.requests == 0).count()
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
