//! The deadline of the call that runs on this thread, and Luau's interrupt, which looks at it. Luau interrupts at each
//! loop's end, at each call and return, and inside a pattern's matching; so nothing that a plugin writes runs for ever.
//! The collector interrupts too, and is told to keep away from the memory's limit.

use std::cell::Cell;
use std::ffi::c_int;
use std::time::{Duration, Instant};

use mlua::ffi;

/// A look at the clock costs 25 ns, an interrupt without one 1 ns.
const MOST_INTERRUPTS_A_LOOK: u32 = 16;
/// Two looks further apart than this: what the plugin does is slow, so each interrupt looks.
const SLOW: Duration = Duration::from_micros(200);

/// Of the live memory, in percent: where the collector begins anew. 200 is Luau's own.
const COLLECT_AT: (c_int, c_int) = (105, 200);
/// Of the memory's limit, in percent: where it has to begin at the latest.
const COLLECT_AT_LATEST: usize = 60;

struct Clock {
    memory_bytes: Cell<usize>,
    deadline: Cell<Option<Instant>>,
    last_look: Cell<Option<Instant>>,
    interrupts_to_look: Cell<u32>,
    passed: Cell<bool>,
}

thread_local! {
    static CLOCK: Clock = const {
        Clock {
            memory_bytes: Cell::new(0),
            deadline: Cell::new(None),
            last_look: Cell::new(None),
            interrupts_to_look: Cell::new(0),
            passed: Cell::new(false),
        }
    };
}

/// A call that has a deadline. The clock stops when it is dropped.
pub(super) struct Running {
    deadline: Option<Instant>,
}

impl Running {
    /// `timeout` from now on, within `memory_bytes`. There is one call at a time on a thread.
    pub(super) fn start(timeout: Duration, memory_bytes: usize) -> Self {
        CLOCK.with(|clock| {
            clock.memory_bytes.set(memory_bytes);
            let now = Instant::now();
            let deadline = now.checked_add(timeout);
            clock.deadline.set(deadline);
            clock.last_look.set(Some(now));
            clock.interrupts_to_look.set(MOST_INTERRUPTS_A_LOOK);
            clock.passed.set(false);
            Self { deadline }
        })
    }

    /// Whether the call is late, though its plugin may have caught the error.
    pub(super) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        CLOCK.with(|clock| clock.deadline.set(None));
    }
}

impl Clock {
    fn interrupts_call(&self) -> bool {
        let left = self.interrupts_to_look.get();
        if left > 1 {
            self.interrupts_to_look.set(left - 1);
            return false;
        }
        self.look()
    }

    #[cold]
    fn look(&self) -> bool {
        let Some(deadline) = self.deadline.get() else { return false };
        let now = Instant::now();
        let slow = self.last_look.replace(Some(now)).is_none_or(|last| now - last > SLOW);
        let passed = self.passed.get() || now >= deadline;
        self.passed.set(passed);
        // Once it has passed, a plugin that catches the error meets the next one at its next step.
        self.interrupts_to_look.set(if slow || passed { 1 } else { MOST_INTERRUPTS_A_LOOK });
        passed
    }
}

/// Luau's interrupt. `gc` is not negative when the collector asks: no error may be raised then.
///
/// # Safety
/// `state` is the running state; Luau calls this on the thread that runs it.
pub(super) unsafe extern "C-unwind" fn interrupt(state: *mut ffi::lua_State, gc: c_int) {
    if gc >= 0 {
        // SAFETY: `state` is Luau's own; its collector may be asked and set in its interrupt.
        return unsafe { pace_collector(state) };
    }
    if !CLOCK.with(Clock::interrupts_call) {
        return;
    }
    // SAFETY: `state` runs; inside an interrupt there may be no free slot on its stack (luau issue 446), so one is made.
    // Nothing in this frame has a destructor.
    unsafe {
        ffi::lua_rawcheckstack(state, 3);
        ffi::luaL_where(state, 0);
        ffi::lua_pushlstring_(state, MESSAGE.as_ptr().cast(), MESSAGE.len());
        ffi::lua_concat(state, 2);
        ffi::lua_error(state)
    }
}

/// The limit counts garbage too, and nothing collects when it is reached: the fuller the memory, the sooner the collector
/// begins.
///
/// # Safety
/// `state` is valid.
unsafe fn pace_collector(state: *mut ffi::lua_State) {
    // SAFETY: the caller's.
    let used_kb = unsafe { ffi::lua_gc(state, ffi::LUA_GCCOUNT, 0) };
    let latest_kb = CLOCK.with(|clock| clock.memory_bytes.get()) / 1024 * COLLECT_AT_LATEST / 100;
    let percent = (latest_kb * 100 / used_kb.max(1) as usize) as c_int;
    // SAFETY: as above.
    unsafe { ffi::lua_gc(state, ffi::LUA_GCSETGOAL, percent.clamp(COLLECT_AT.0, COLLECT_AT.1)) };
}

const MESSAGE: &str = "the call has passed its deadline";
