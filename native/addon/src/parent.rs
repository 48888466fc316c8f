//! A worker must not outlive control, whatever state its JavaScript is in.
//!
//! JavaScript hears of control's end by itself (their channel closes), lets requests in flight end and exits. A worker
//! that loops or is stopped hears nothing, and would keep its port for ever. So the kernel is asked to send SIGCONT when
//! the parent ends (`prctl(2)`, `PR_SET_PDEATHSIG`): it wakes a process that is stopped, and its handler sets an alarm,
//! whose signal ends the process because nobody handles it. Only JavaScript that runs can put the alarm off.
//!
//! ```text
//!   control ends ──> channel closes ──> JavaScript: outlive_parent(drain) ──> exit when drained
//!        └────────> SIGCONT ──> alarm(grace) ── not put off in time ──> SIGALRM ends the process
//! ```

// Reason: in a test build nothing registers the functions with Node.
#![cfg_attr(test, allow(dead_code))]

use napi_derive::napi;

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::c_int;
    use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

    static PARENT: AtomicI32 = AtomicI32::new(0);
    static GRACE_SECONDS: AtomicU32 = AtomicU32::new(0);
    /// JavaScript has heard of the end; from then on the alarm is its own.
    static HEARD: AtomicBool = AtomicBool::new(false);

    /// SIGCONT's handler: only atomics, getppid and alarm, all of them safe in a handler (signal-safety(7)).
    extern "C" fn continued(_: c_int) {
        // SAFETY: neither call has preconditions.
        unsafe {
            if libc::getppid() != PARENT.load(Ordering::Relaxed) && !HEARD.load(Ordering::Relaxed) {
                libc::alarm(GRACE_SECONDS.load(Ordering::Relaxed));
            }
        }
    }

    pub fn die_with(parent: i32, grace_seconds: u32) -> bool {
        PARENT.store(parent, Ordering::Relaxed);
        GRACE_SECONDS.store(grace_seconds.max(1), Ordering::Relaxed);
        // SAFETY: a zeroed sigaction is a valid one; the handler keeps the rules above. SIGALRM ends the process unless
        // this one was started with it ignored. The last call orders a signal and changes nothing else.
        let asked = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = continued as *const () as usize;
            action.sa_flags = libc::SA_RESTART;
            libc::sigaction(libc::SIGCONT, &raw const action, std::ptr::null_mut()) == 0
                && libc::signal(libc::SIGALRM, libc::SIG_DFL) != libc::SIG_ERR
                && libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGCONT) == 0
        };
        // It may have ended before the order was given.
        continued(0);
        asked
    }

    pub fn outlive_for(seconds: u32) {
        HEARD.store(true, Ordering::Relaxed);
        // SAFETY: no preconditions.
        unsafe { libc::alarm(seconds.max(1)) };
    }
}

/// See `Native.dieWithParent`.
#[napi(catch_unwind)]
pub fn die_with_parent(parent: i32, grace_seconds: u32) -> bool {
    #[cfg(target_os = "linux")]
    return linux::die_with(parent, grace_seconds);
    #[cfg(not(target_os = "linux"))]
    return {
        let _ = (parent, grace_seconds);
        false
    };
}

/// See `Native.outliveParent`.
#[napi(catch_unwind)]
pub fn outlive_parent(seconds: u32) {
    #[cfg(target_os = "linux")]
    linux::outlive_for(seconds);
    #[cfg(not(target_os = "linux"))]
    let _ = seconds;
}
