//! What the engine keeps of a key besides its rows.
//!
//! A [`KeyState`] is 44 bytes, so that a key at X = 10 s with one reading a second stays under 250 bytes in all. It holds no rows;
//! they lie in the [`Ring`]'s columns or wait in the queue.

use super::rings::Ring;

/// No row of the key waits.
pub(crate) const NONE_WAITS: u32 = u32::MAX;

/// One key of one partition. Only the partition's own task touches it.
#[derive(Debug, Clone, Copy)]
#[repr(C, packed(4))]
pub(crate) struct KeyState {
    /// The accepted and evaluated rows that a window may still need.
    pub(crate) ring: Ring,
    /// A row at or past this time is behind all rows of the key, those of closed windows too: it is not late.
    pub(crate) horizon_ms: i64,
    /// The queue's number of the key's newest waiting row.
    pub(crate) newest_waiting: u32,
    /// The last arrival in units of 4,096 ms, times four; the lowest bit says that waiting rows stand in disorder, the next
    /// that a ready row of the key is in the run.
    seen: u32,
}

impl Default for KeyState {
    fn default() -> Self {
        KeyState {
            ring: Ring::default(),
            horizon_ms: i64::MIN,
            newest_waiting: NONE_WAITS,
            seen: 0,
        }
    }
}

impl KeyState {
    /// Whether waiting rows of the key do not stand in the order of their times, or some times are equal.
    #[inline]
    pub(crate) fn is_disordered(&self) -> bool {
        self.seen & 1 == 1
    }

    pub(crate) fn set_disordered(&mut self) {
        self.seen |= 1;
    }

    pub(crate) fn set_ordered(&mut self) {
        self.seen &= !1;
    }

    /// Whether a ready row of the key is not evaluated yet.
    #[inline]
    pub(crate) fn is_in_run(&self) -> bool {
        self.seen & 2 == 2
    }

    #[inline]
    pub(crate) fn enter_run(&mut self) {
        self.seen |= 2;
    }

    #[inline]
    pub(crate) fn leave_run(&mut self) {
        self.seen &= !2;
    }

    #[inline]
    pub(crate) fn saw(&mut self, arrival_ms: i64) {
        self.seen = (coarse(arrival_ms) << 2) | (self.seen & 3);
    }

    /// Whether the last arrival is so long ago that no row to come knows it. Errs on the side of remembering.
    pub(crate) fn is_forgotten(&self, now_ms: i64, remember_ms: i64) -> bool {
        self.newest_waiting == NONE_WAITS && coarse(now_ms.saturating_sub(remember_ms)) > (self.seen >> 2) + 1
    }
}

/// Units of 4,096 ms since the epoch, within 30 bits: until the year 2109.
fn coarse(time_ms: i64) -> u32 {
    (time_ms >> 12).clamp(0, i64::from(u32::MAX >> 2) - 2) as u32
}
