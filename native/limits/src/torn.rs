//! A file that is cut short while it is mapped: the kernel answers the next access behind its end with SIGBUS, which would
//! end the process. Here the pages of such a mapping are replaced by empty memory of this process, so that the access
//! goes on, and the mapping is marked; who uses it then lets go of it. Another SIGBUS than that of a watched mapping ends
//! the process as it would have without this file. Called by `mapping.rs` alone.

use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicUsize};

/// Mappings of one process at once, over all its files.
const MOST: usize = 1024;
/// `bytes` of a place that is being filled.
const TAKEN: usize = usize::MAX;

struct Place {
    start: AtomicUsize,
    /// 0: free.
    bytes: AtomicUsize,
    torn: AtomicBool,
}

static PLACES: [Place; MOST] =
    [const { Place { start: AtomicUsize::new(0), bytes: AtomicUsize::new(0), torn: AtomicBool::new(false) } }; MOST];
/// What the process did about SIGBUS before.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// A mapping that is watched.
pub(crate) struct Watched(usize);

impl Watched {
    /// `None`: there are too many.
    pub(crate) fn begin(start: usize, bytes: usize) -> Option<Self> {
        BEFORE.get_or_init(install);
        let index = PLACES.iter().position(|place| place.bytes.compare_exchange(0, TAKEN, AcqRel, Relaxed).is_ok())?;
        let place = &PLACES[index];
        place.torn.store(false, Relaxed);
        place.start.store(start, Relaxed);
        place.bytes.store(bytes, Release);
        Some(Self(index))
    }

    pub(crate) fn torn(&self) -> bool {
        PLACES[self.0].torn.load(Relaxed)
    }

    /// Before it is unmapped.
    pub(crate) fn end(&self) {
        PLACES[self.0].bytes.store(0, Release);
    }
}

/// Returns what was there before. Called once.
fn install() -> libc::sigaction {
    // SAFETY: all zeroes is a valid `sigaction` (the default action), and the calls only read and write these two.
    unsafe {
        let mut before: libc::sigaction = std::mem::zeroed();
        let mut ours: libc::sigaction = std::mem::zeroed();
        libc::sigemptyset(&raw mut ours.sa_mask);
        ours.sa_sigaction = on_bus_error as *const () as usize;
        ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
        // An error is not possible with these arguments.
        let _ = libc::sigaction(libc::SIGBUS, &raw const ours, &raw mut before);
        before
    }
}

/// Does only what a signal handler may: reads and writes atomics, and asks the kernel.
extern "C" fn on_bus_error(_signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the kernel gives a valid pointer, and a SIGBUS of an access has an address.
    let address = unsafe { (*info).si_addr() } as usize;
    if !replace(address) {
        restore();
    }
}

/// Whether the address was in a watched mapping, which is then empty memory.
fn replace(address: usize) -> bool {
    PLACES.iter().any(|place| {
        let (bytes, start) = (place.bytes.load(Acquire), place.start.load(Relaxed));
        if bytes == 0 || bytes == TAKEN || address.wrapping_sub(start) >= bytes {
            return false;
        }
        place.torn.store(true, Relaxed);
        // SAFETY: exactly the range of a mapping of ours, which its owner, now in this handler, has not unmapped. All that
        // is done with it is done by atomics, for which any content is valid.
        let mapped = unsafe {
            libc::mmap(
                start as *mut libc::c_void,
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                -1,
                0,
            )
        };
        mapped != libc::MAP_FAILED
    })
}

/// The access that failed is made again when the handler returns, and then is whose it was before.
fn restore() {
    let before = BEFORE.get().map_or(ptr::null(), ptr::from_ref);
    if before.is_null() {
        // SAFETY: ends the process; allowed in a signal handler.
        unsafe { libc::abort() };
    }
    // SAFETY: a valid action that the kernel gave us, and no place for the present one.
    let _ = unsafe { libc::sigaction(libc::SIGBUS, before, ptr::null_mut()) };
}
