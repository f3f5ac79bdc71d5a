//! `Lease`: until when a worker may believe that it is still a member, by its own clock.
//!
//! It ends before the coordinator's patience does: everything counts from the moment at which a request that was answered
//! well had been *sent*, while the coordinator counts from when it came. It knows nothing of clocks that stand still.

use std::time::{Duration, Instant};

/// A worker looks at its lease when it polls, so the lease ends that long before the coordinator's patience, where that is
/// long enough.
const BETWEEN_POLLS_MAX: Duration = Duration::from_millis(500);

/// When the coordinator was last heard, in the two senses that it acts upon.
#[derive(Debug)]
pub(super) struct Lease {
    /// A member not heard of for so long is thrown out.
    session: Duration,
    /// A member that has not followed a rebalance so long after its begin is thrown out.
    rebalance: Duration,
    /// The session began anew no earlier than then.
    alive_at: Option<Instant>,
    /// No rebalance that we have not followed was on then.
    at_rest_at: Option<Instant>,
}

impl Lease {
    pub(super) fn new(session: Duration, rebalance: Duration) -> Lease {
        let margin = BETWEEN_POLLS_MAX.min(session / 10);
        Lease {
            session: session.saturating_sub(margin),
            rebalance: rebalance.saturating_sub(margin),
            alive_at: None,
            at_rest_at: None,
        }
    }

    /// A heartbeat sent at `sent_at` was heard. Nothing else surely begins a session anew.
    pub(super) fn renew(&mut self, sent_at: Instant) {
        self.alive_at = self.alive_at.max(Some(sent_at));
    }

    /// Whatever was sent at `sent_at` was answered as when no rebalance is on.
    pub(super) fn rest(&mut self, sent_at: Instant) {
        self.at_rest_at = self.at_rest_at.max(Some(sent_at));
    }

    /// The rebalance that was on when we were last heard is over.
    pub(super) fn rest_again(&mut self) {
        self.at_rest_at = self.at_rest_at.max(self.alive_at);
    }

    /// Whether we are a member for all we know.
    pub(super) fn is_running(&self) -> bool {
        self.alive_at.is_some()
    }

    /// There is nothing to be kept.
    pub(super) fn end(&mut self) {
        self.alive_at = None;
        self.at_rest_at = None;
    }

    /// Whether the coordinator may have given up on us. One that was never taken or has ended is not over.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let is_past = |since: Option<Instant>, patience| since.is_some_and(|since| now >= since + patience);
        is_past(self.alive_at, self.session) || is_past(self.at_rest_at, self.rebalance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn both_patiences_end_it() {
        let start = Instant::now();
        let margin = seconds(1) / 2;
        let mut lease = Lease::new(seconds(6) + margin, seconds(10) + margin);
        assert!(!lease.is_over(start + seconds(100)));
        lease.renew(start);
        lease.rest(start);
        assert!(!lease.is_over(start + seconds(5)) && lease.is_over(start + seconds(6)));
        // Heard, but only that a rebalance is on.
        lease.renew(start + seconds(5));
        assert!(!lease.is_over(start + seconds(9)) && lease.is_over(start + seconds(10)));
        // It ended: it was on when we were last heard.
        lease.rest_again();
        assert!(!lease.is_over(start + seconds(10)) && lease.is_over(start + seconds(11)));
        lease.end();
        assert!(!lease.is_running() && !lease.is_over(start + seconds(100)));
    }
}
