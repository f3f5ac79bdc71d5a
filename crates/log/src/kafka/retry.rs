//! The one rule for doing a call again: what passes by itself is tried until a deadline, and what has turned out to be
//! out of date is asked for anew before.
//!
//! It does not know whether doing a call twice does harm; whoever hands one over does.

use std::time::{Duration, Instant};

use kafka_protocol::error::ResponseError;

use super::cluster::{Cluster, Coordinates};
use super::failure::{Failure, Subject};

const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Pauses that grow from [`PAUSE_MIN`] to [`PAUSE_MAX`].
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Backoff {
        Backoff { next: PAUSE_MIN }
    }

    /// How long to wait this time.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(PAUSE_MAX);
        pause
    }
}

impl Cluster {
    /// Tries until it succeeds, fails for good, or the deadline has passed; then the last failure is the answer.
    pub(crate) fn retry<T>(
        &self,
        deadline: Instant,
        mut attempt: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut backoff = Backoff::new();
        loop {
            let failure = match attempt() {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            self.forget_what_is_stale(&failure);
            let pause = backoff.pause();
            if !failure.is_retriable() || Instant::now() + pause > deadline {
                return Err(failure);
            }
            std::thread::sleep(pause);
        }
    }

    /// Forgets whatever the failure shows to be out of date, so that it is asked for at the next call.
    pub(crate) fn forget_what_is_stale(&self, failure: &Failure) {
        match failure {
            // Whatever was led by that broker may be led by another now.
            Failure::Unreachable { address, .. } | Failure::Io { address, .. } => self.forget_broker(address),
            Failure::Refused { code, what } => self.forget_refused(*code, what),
            _ => {}
        }
    }

    fn forget_refused(&self, code: ResponseError, what: &Subject) {
        if code == ResponseError::NotController {
            self.forget_controller();
        }
        match what {
            Subject::Topic(topic) | Subject::Partition(topic, _) if code.is_retriable() => self.forget_leaders(topic),
            Subject::Group(group) if is_coordinators(code) => self.forget_coordinator(Coordinates::Group(group)),
            Subject::Transaction(id) if is_coordinators(code) => self.forget_coordinator(Coordinates::Transaction(id)),
            _ => {}
        }
    }
}

/// Whether an answer says that another broker is the coordinator now. One that still loads stays the right one.
fn is_coordinators(code: ResponseError) -> bool {
    matches!(
        code,
        ResponseError::NotCoordinator | ResponseError::CoordinatorNotAvailable
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        let mut backoff = Backoff::new();
        let pauses: Vec<u128> = (0..8).map(|_| backoff.pause().as_millis()).collect();
        assert_eq!(pauses, [20, 40, 80, 160, 320, 640, 1_000, 1_000]);
    }
}
