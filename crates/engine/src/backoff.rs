//! When to try again what has failed: soon at first, then less and less often.
//!
//! It does not wait and does not judge whether trying again can help ([`passes`] does).

use std::time::Duration;

use hw_log::LogError;

const FIRST_MS: i64 = 50;
const LONGEST_MS: i64 = 2_000;

/// Failures in a row, and until when not to try again.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    /// Wall time in milliseconds.
    until_ms: i64,
}

impl Backoff {
    /// It failed again at `now_ms`; says how long to wait.
    pub(crate) fn failed(&mut self, now_ms: i64) -> Duration {
        let wait_ms = (FIRST_MS << self.failures.min(6)).min(LONGEST_MS);
        self.failures += 1;
        self.until_ms = now_ms.saturating_add(wait_ms);
        Duration::from_millis(wait_ms as u64)
    }

    pub(crate) fn succeeded(&mut self) {
        *self = Backoff::default();
    }

    /// Whether the last attempt failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// How long to wait still; none when it may be tried.
    pub(crate) fn left(&mut self, now_ms: i64) -> Option<Duration> {
        // The wall clock may have been set back: what is left passes from there on.
        self.until_ms = self.until_ms.min(now_ms.saturating_add(LONGEST_MS));
        let left_ms = self.until_ms.saturating_sub(now_ms);
        (self.is_failing() && left_ms > 0).then(|| Duration::from_millis(left_ms as u64))
    }
}

/// Whether a failure may pass by itself while the log stays open: then it is tried again and nothing is lost.
pub(crate) fn passes(error: &LogError) -> bool {
    // A log that is disconnected has to be opened again first, which is not a worker's to do.
    error.is_retriable() && !matches!(error, LogError::Disconnected { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_become_rarer_and_never_stop() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.left(0), None);
        let mut now_ms = 1_000;
        let waits: Vec<u128> = (0..8)
            .map(|_| {
                let wait = backoff.failed(now_ms);
                assert_eq!(backoff.left(now_ms), Some(wait));
                now_ms += wait.as_millis() as i64;
                assert_eq!(backoff.left(now_ms), None);
                wait.as_millis()
            })
            .collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
        backoff.succeeded();
        assert!(!backoff.is_failing());
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_make_it_wait_for_hours() {
        let mut backoff = Backoff::default();
        backoff.failed(7_200_000);
        assert_eq!(backoff.left(0), Some(Duration::from_millis(2_000)));
        assert_eq!(backoff.left(1_500), Some(Duration::from_millis(500)));
        assert_eq!(backoff.left(2_000), None, "it is over in time");
    }
}
