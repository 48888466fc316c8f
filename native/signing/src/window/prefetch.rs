//! Asks the processor for memory that is going to be read, where it can be asked; nothing depends on it.

/// Begins to fetch `bytes` bytes from `start` on, and does not wait for them. Any address will do.
#[inline]
pub fn prefetch(start: *const u8, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        const LINE_BYTES: usize = 64;
        let first = start.cast::<i8>().wrapping_sub(start.addr() % LINE_BYTES);
        for offset in (0..bytes + start.addr() % LINE_BYTES).step_by(LINE_BYTES) {
            // SAFETY: SSE is part of x86-64; a prefetch reads nothing that a program could see, and never faults.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(offset)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, bytes);
}

/// The whole of `item`.
#[inline]
pub fn prefetch_item<T>(item: &T) {
    prefetch(std::ptr::from_ref(item).cast(), size_of::<T>());
}
