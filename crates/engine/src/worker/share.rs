//! A worker's share of one job: which partitions of the source are its own, and the tasks that work on them.
//!
//! It does what its membership says. It appends nothing: before partitions are given back, the worker commits.

use std::collections::BTreeSet;
use std::sync::Arc;

use hw_log::{Change, Log, LogError, Membership, Seat};

use super::partition::PartitionTask;
use crate::EngineError;
use crate::assignment::take_up;
use crate::backoff::Backoff;
use crate::prepared::Prepared;

/// A worker's part of one job.
pub(super) struct Share {
    job: usize,
    group: String,
    membership: Box<dyn Membership>,
    /// The worker's, as the membership says.
    owned: BTreeSet<u32>,
    /// Those among them that are to be given back.
    revoked: BTreeSet<u32>,
    /// At most one for every partition that is owned. One that failed is gone until it is made anew.
    pub(super) tasks: Vec<PartitionTask>,
    /// Of making tasks.
    pub(super) backoff: Backoff,
    /// Where the source's partitions ended when its turn came, in a run to the end.
    pub(super) ends: Option<Vec<u64>>,
}

impl Share {
    pub(super) fn join(prepared: &Prepared, log: &dyn Log, job: usize, seat: Seat) -> Result<Share, EngineError> {
        let group = prepared.group(job);
        let membership = log.join(&group, &prepared.source(job).topic, seat);
        Ok(Share {
            job,
            membership: membership.map_err(|source| refused(&group, source))?,
            group,
            owned: BTreeSet::new(),
            revoked: BTreeSet::new(),
            tasks: Vec::new(),
            backoff: Backoff::default(),
            ends: None,
        })
    }

    /// Asks the membership what changed. What is lost is dropped at once, and nothing of it kept.
    pub(super) fn attend(&mut self) -> Result<(), EngineError> {
        let group = &self.group;
        while let Some(change) = self.membership.poll().map_err(|error| refused(group, error))? {
            match change {
                Change::Assigned(partitions) => self.owned.extend(partitions),
                Change::Revoked(partitions) => self.revoked.extend(partitions),
                Change::Lost(partitions) => {
                    let lost = |partition: &u32| partitions.contains(partition);
                    self.tasks.retain(|task| !lost(&task.partition()));
                    self.owned.retain(|partition| !lost(partition));
                    self.revoked.retain(|partition| !lost(partition));
                }
            }
        }
        Ok(())
    }

    /// Whether partitions are to be given back, after a commit.
    pub(super) fn is_releasing(&self) -> bool {
        !self.revoked.is_empty()
    }

    /// Gives back what was revoked.
    pub(super) fn release(&mut self) -> Result<(), EngineError> {
        self.tasks.retain(|task| !self.revoked.contains(&task.partition()));
        self.owned.retain(|partition| !self.revoked.contains(partition));
        self.revoked.clear();
        self.membership.released().map_err(|error| refused(&self.group, error))
    }

    /// Makes the tasks that are missing.
    pub(super) fn take_up(&mut self, prepared: &Prepared, log: &Arc<dyn Log>) -> Result<(), EngineError> {
        let has_task = |partition: &u32| self.tasks.iter().any(|task| task.partition() == *partition);
        let missing: Vec<u32> = self.owned.difference(&self.revoked).copied().collect();
        let missing: Vec<u32> = missing.into_iter().filter(|partition| !has_task(partition)).collect();
        if !missing.is_empty() {
            self.tasks.extend(take_up(prepared, log, self.job, &missing)?);
            self.tasks.sort_by_key(PartitionTask::partition);
        }
        Ok(())
    }

    /// Forgets all tasks: what they did since the last commit counts for nothing.
    pub(super) fn start_over(&mut self) {
        for task in self.tasks.drain(..) {
            task.count_start_over();
        }
    }

    /// Notes where the source ends, the first time it is asked.
    pub(super) fn note_ends(&mut self, prepared: &Prepared, log: &dyn Log) -> Result<(), EngineError> {
        if self.ends.is_none() {
            let ranges = log.ranges(&prepared.source(self.job).topic)?;
            self.ends = Some(ranges.iter().map(|range| range.end).collect());
        }
        Ok(())
    }

    /// Whether every partition of the source is its own, and has been worked to the end.
    pub(super) fn is_at_end(&self) -> bool {
        let all = self.ends.as_ref().is_some_and(|ends| self.tasks.len() == ends.len());
        all && self.tasks.iter().all(PartitionTask::is_drained)
    }

    /// What stands in the way of working the source to its end, once that is known.
    pub(super) fn lack(&self, prepared: &Prepared) -> Option<String> {
        let partitions = self.ends.as_ref()?.len();
        let own = self.owned.len();
        (own < partitions).then(|| {
            let topic = &prepared.source(self.job).topic;
            format!(
                "{own} of the {partitions} partitions of topic {topic} are this worker's; a run to the end waits until all \
                 are: another process runs the pipeline, or has just ended"
            )
        })
    }

    /// Whether anything failed and has not succeeded since.
    pub(super) fn is_failing(&self) -> bool {
        let lacks = self.ends.as_ref().is_some_and(|ends| self.owned.len() < ends.len());
        lacks || self.backoff.is_failing() || self.tasks.iter().any(PartitionTask::is_failing)
    }

    /// Leaves the group.
    pub(super) fn leave(&mut self) -> Result<(), LogError> {
        self.membership.leave()
    }
}

fn refused(group: &str, source: LogError) -> EngineError {
    EngineError::Group {
        group: group.to_owned(),
        source,
    }
}
