//! `Pauses`: waiting a little before something is asked again.
//!
//! It starts shorter than what others wait: the end of a transaction is over in a few milliseconds, and the next waits
//! for it.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(500);

/// Pauses that grow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pauses {
    next: Duration,
}

impl Pauses {
    pub(super) fn new() -> Pauses {
        Pauses { next: FIRST }
    }

    /// How long the next pause is.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next;
        // Slowly at first: what takes four milliseconds is not to cost eight.
        self.next = (pause * 3 / 2).min(LONGEST);
        pause
    }

    /// Waits, unless the deadline would pass meanwhile; then it says no.
    pub(super) fn wait(&mut self, deadline: Instant) -> bool {
        let pause = self.next();
        if Instant::now() + pause > deadline {
            return false;
        }
        std::thread::sleep(pause);
        true
    }
}
