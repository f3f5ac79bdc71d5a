//! Telling the processor early which memory a row will touch. The only `unsafe` of this crate.
//!
//! Measured: with 1,000,000 users in random order a row costs 565 ns when every miss is waited for, and 119 ns when
//! the lines are asked for 64 rows ahead.

/// Asks for the cache line of `slice[index]`; nothing happens when the index is out of range.
#[inline(always)]
#[allow(unsafe_code)]
pub(crate) fn prefetch<T>(slice: &[T], index: usize) {
    if let Some(item) = slice.get(index) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch only hints; it reads nothing and cannot fault, and the address is that of a live `&T`.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(item).cast::<i8>());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = item;
    }
}
