//! A worker's transactions: when they are due, what is in them, and what becomes of a task when one was taken or not.
//!
//! It is a part of [`Worker`], which decides what to do about a failure.

use std::time::Duration;

use hw_log::{Append, Transaction};

use super::{PartitionTask, ROUND, Worker};
use crate::EngineError;
use crate::dead_letter::DeadLetterBatches;

impl Worker {
    /// Commits when it is time; says how long that may wait.
    pub(super) fn commit_when_due(&mut self) -> Result<Duration, EngineError> {
        let (now_ms, interval) = (self.now_ms(), self.prepared.options.commit_interval);
        // The wall clock may have been set back.
        self.committed_at_ms = self.committed_at_ms.min(now_ms);
        let since = Duration::from_millis((now_ms - self.committed_at_ms) as u64);
        let wait = match interval.checked_sub(since) {
            Some(left) if !left.is_zero() => left,
            _ => {
                self.commit()?;
                self.committed_at_ms = now_ms;
                interval
            }
        };
        Ok(wait.min(ROUND))
    }

    /// Appends what all tasks have answered since the last commit, with how far they have come.
    pub(super) fn commit(&mut self) -> Result<(), EngineError> {
        let mut transaction = Transaction::default();
        let mut dead = DeadLetterBatches::default();
        let mut counts = Vec::new();
        for task in self.shares.iter_mut().flat_map(|share| &mut share.tasks) {
            counts.push(task.add_to(&mut transaction, &mut dead));
        }
        let dead = dead.finish().into_iter().map(|batch| Append {
            topic: self.prepared.pipeline.dead_letter_topic(),
            partition: 0,
            batch,
        });
        transaction.appends.extend(dead);
        if transaction.appends.is_empty() && transaction.commits.is_empty() {
            return Ok(());
        }
        match self.log.append(&transaction) {
            Ok(_) => self.has_committed(),
            Err(error) => {
                self.take_back(transaction, &counts);
                self.commits.failed(self.now_ms());
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn has_committed(&mut self) {
        self.commits.succeeded();
        for share in &mut self.shares {
            share.backoff.succeeded();
            share.tasks.iter_mut().for_each(PartitionTask::has_committed);
        }
    }

    /// The log did not take a transaction, to which the tasks had added so many batches each.
    fn take_back(&mut self, transaction: Transaction, counts: &[usize]) {
        let mut batches = transaction.appends.into_iter().map(|append| append.batch);
        let tasks = self.shares.iter_mut().flat_map(|share| &mut share.tasks);
        for (task, count) in tasks.zip(counts) {
            task.take_back(batches.by_ref().take(*count).collect());
        }
    }
}
