//! What a worker says after a step.

use std::time::Duration;

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There may be more to do at once.
    Worked,
    /// Nothing is to be done before the log has more, or before this has passed.
    Nothing {
        /// At most so long.
        wait: Duration,
    },
    /// The worker has committed everything and has left its groups.
    Done,
}
