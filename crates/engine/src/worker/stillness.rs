//! How long a partition's clock has stood still, by the wall clock.
//!
//! It is told when the partition's clock moved; what follows from standing still it does not know.

/// The wall time since the partition's clock moved.
#[derive(Debug, Default)]
pub(super) struct Stillness {
    /// Wall time in milliseconds; none before the first look.
    since_ms: Option<i64>,
}

impl Stillness {
    /// The partition's clock was looked at, and had moved or not.
    pub(super) fn look(&mut self, has_moved: bool, now_ms: i64) {
        if has_moved || self.since_ms.is_none() {
            self.since_ms = Some(now_ms);
        }
    }

    /// For how long it has stood still, in milliseconds.
    pub(super) fn passed_ms(&mut self, now_ms: i64) -> i64 {
        // The wall clock may have been set back: what passes is counted from there, or the partition would not be idle for as
        // long as the clock was set back by.
        let since_ms = self.since_ms.map_or(now_ms, |since_ms| since_ms.min(now_ms));
        self.since_ms = Some(since_ms);
        now_ms - since_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_was_set_back_keeps_no_partition_from_being_idle() {
        let mut still = Stillness::default();
        still.look(true, 7_200_000);
        still.look(false, 7_200_500);
        assert_eq!(still.passed_ms(7_200_500), 500);
        still.look(false, 1_000);
        assert_eq!(still.passed_ms(1_000), 0);
        still.look(false, 6_000);
        assert_eq!(still.passed_ms(6_000), 5_000);
    }
}
