//! What both protocols' members have in common: time and answers go in, requests and changes come out.
//!
//! No socket, no thread and no clock is in a member, so that a simulation can lead it through anything.

use std::time::Instant;

use super::ask::{Answer, Ask, Lane};
use crate::Change;
use crate::kafka::failure::Failure;
use crate::kafka::identities::GroupIdentity;

/// Whether a worker that leaves comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Departure {
    /// It may: one with an instance id keeps its partitions until its session is over.
    ForNow,
    /// It will not.
    ForGood,
}

/// One member of a group.
pub(super) trait Machine: Send {
    /// The worker is well and it is `now`. Heartbeats and joins begin here and nowhere else: a worker that hangs stops
    /// calling, and so loses its partitions.
    fn tick(&mut self, now: Instant);

    /// The next change, after a tick.
    fn change(&mut self) -> Result<Option<Change>, Failure>;

    /// The worker has let go of what was last revoked.
    fn released(&mut self, now: Instant);

    /// The worker has ended its work; no change comes any more.
    fn leave(&mut self, departure: Departure);

    /// How leaving went, once it is over.
    fn farewell(&self) -> Option<Result<(), Failure>>;

    /// As whom the worker commits, as long as nothing of what it works on is lost.
    fn identity(&self) -> Option<GroupIdentity>;

    /// Whether a request waits to be taken.
    fn is_wanted(&self, lane: Lane) -> bool;

    /// The request to be sent now. Whatever becomes of it is to be brought to [`Machine::answered`].
    fn take(&mut self, lane: Lane, now: Instant) -> Option<Ask>;

    /// Whether the request under way is of no use any more, and its connection is better given up.
    fn is_abandoned(&self, lane: Lane) -> bool;

    /// What became of the request that was taken last.
    fn answered(&mut self, lane: Lane, now: Instant, answer: Answer);
}
