//! Asks the processor for memory that is going to be read, where it can be asked; nothing depends on it.

/// Begins to fetch all of `items`, and does not wait for it.
#[inline]
pub fn prefetch<T>(items: &[T]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        const LINE_BYTES: usize = 64;
        let start = items.as_ptr().cast::<i8>();
        for offset in (0..size_of_val(items)).step_by(LINE_BYTES) {
            // SAFETY: within the items; a prefetch reads nothing that a program could see, and SSE is part of x86-64.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.add(offset)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = items;
}
