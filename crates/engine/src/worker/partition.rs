//! A task and what its worker knows of it: where it reads, what it has answered and not committed.
//!
//! It reads for its task, tells it of idle time, and hands over what a transaction takes; it appends nothing.

use std::sync::Arc;

use hw_graph::Window;
use hw_log::{Append, Commit, Log, LogError, Transaction};

use super::stillness::Stillness;
use crate::EngineError;
use crate::backoff::{Backoff, passes};
use crate::dead_letter::{DeadLetter, DeadLetterBatches};
use crate::metrics::TaskMetrics;
use crate::prepared::Prepared;
use crate::resume::Resume;
use crate::status::{Listing, TaskStatus};
use crate::task::Task;

/// Bytes of record batches read for a task at a time.
const READ_BYTES: usize = 1 << 20;

/// What a read gave.
#[derive(Debug)]
pub(super) enum Found {
    /// Records, or offsets to pass over.
    Something,
    /// Nothing yet: the log is fetching, or is not asked for a while after a failure.
    Nothing,
    /// Nothing, for there is nothing more.
    End,
    /// The log failed and may give it later; the task is as it was.
    Failed(LogError),
}

/// One task of a worker.
pub(crate) struct PartitionTask {
    task: Task,
    partition: u32,
    topic: String,
    /// Of the topic.
    partitions: u32,
    group: String,
    sink_topic: String,
    sink_partition: u32,
    idle_after_ms: i64,
    length_ms: i64,
    lateness_ms: i64,
    stillness: Stillness,
    is_idle: bool,
    is_drained: bool,
    /// What the last commit said.
    committed: Option<Place>,
    /// What the next commit says when the log takes the transaction that is being appended.
    committing: Option<Place>,
    /// Answers of a transaction that the log did not take and that is tried again.
    batches: Vec<Vec<u8>>,
    /// What could not be processed since the last commit.
    dead_letters: Vec<DeadLetter>,
    /// Of reads.
    backoff: Backoff,
    /// Leaves the list of tasks with it.
    _listing: Listing,
}

/// Offset and clock.
type Place = (u64, Option<i64>);

impl PartitionTask {
    /// `partitions`: how many its source has.
    pub(crate) fn new(
        prepared: &Prepared,
        job: usize,
        mut task: Task,
        partition: u32,
        partitions: u32,
    ) -> PartitionTask {
        let (source, sink) = (prepared.source(job), &prepared.sinks[job]);
        task.count_into(prepared.tasks.metrics(job, partition));
        let listing = prepared.tasks.arrive(TaskStatus {
            job,
            topic: source.topic.clone(),
            partition,
            reads_from: task.position(),
            answers_from: task.answers_from(),
            is_changed: task.is_changed(),
            metrics: Arc::clone(task.metrics()),
        });
        PartitionTask {
            task,
            partition,
            topic: source.topic.clone(),
            partitions,
            group: prepared.group(job),
            sink_topic: sink.topic.clone(),
            sink_partition: partition % sink.partitions,
            idle_after_ms: source.timing.idle_after_ms,
            length_ms: prepared.pipeline.jobs[job].window.as_ref().map_or(0, Window::length_ms),
            lateness_ms: source.timing.lateness_ms,
            stillness: Stillness::default(),
            is_idle: false,
            is_drained: false,
            committed: None,
            committing: None,
            batches: Vec::new(),
            dead_letters: Vec::new(),
            backoff: Backoff::default(),
            _listing: listing,
        }
    }

    pub(super) fn partition(&self) -> u32 {
        self.partition
    }

    pub(super) fn position(&self) -> u64 {
        self.task.position()
    }

    /// Whether it has answered all that waits, at an end that is one for good.
    pub(super) fn is_drained(&self) -> bool {
        self.is_drained
    }

    /// Whether its last read failed.
    pub(super) fn is_failing(&self) -> bool {
        self.backoff.is_failing()
    }

    /// Reads and processes once.
    ///
    /// # Errors
    /// After one the task is to be made anew: it may have processed a part of what it read.
    pub(super) fn work(&mut self, log: &dyn Log, now_ms: i64) -> Result<Found, EngineError> {
        if self.backoff.left(now_ms).is_some() {
            return Ok(Found::Nothing);
        }
        let before = self.task.clock_ms();
        let fetch = match log.read(&self.topic, self.partition, self.task.position(), READ_BYTES) {
            Ok(fetch) => fetch,
            Err(error) if passes(&error) => {
                self.backoff.failed(now_ms);
                return Ok(Found::Failed(error));
            }
            Err(error) => return Err(error.into()),
        };
        self.backoff.succeeded();
        let found = if fetch.next_offset > self.task.position() {
            self.task.process(&fetch.batches, fetch.next_offset)?;
            self.is_idle = false;
            self.is_drained = false;
            Found::Something
        } else if fetch.end_offset <= self.task.position() && !self.task.is_replaying() {
            Found::End
        } else {
            Found::Nothing
        };
        self.stillness.look(self.task.clock_ms() != before, now_ms);
        self.task
            .write_gauges(fetch.end_offset.saturating_sub(self.task.position()));
        Ok(found)
    }

    /// At the log's end: moves the clock by the wall time that has passed.
    pub(super) fn idle(&mut self, now_ms: i64) -> Result<(), EngineError> {
        let Some(clock_ms) = self.task.clock_ms().filter(|_| self.task.has_window()) else {
            return Ok(());
        };
        let passed_ms = self.stillness.passed_ms(now_ms);
        let wait_ms = if self.is_idle {
            self.task.mark_spacing_ms()
        } else {
            self.idle_after_ms
        };
        if passed_ms >= wait_ms.max(self.task.mark_spacing_ms()) {
            self.task.mark(clock_ms.saturating_add(passed_ms))?;
            self.stillness.look(true, now_ms);
            self.is_idle = true;
        }
        Ok(())
    }

    /// At the end for good: answers all that waits, as an idle partition would in time.
    pub(super) fn drain(&mut self) -> Result<(), EngineError> {
        let clock_ms = self.task.drain_clock_ms(self.length_ms, self.lateness_ms);
        if let Some(clock_ms) = clock_ms.filter(|_| self.task.has_window()) {
            self.task.mark(clock_ms)?;
        }
        self.is_drained = true;
        self.task.write_gauges(0);
        Ok(())
    }

    /// Adds what is new to a transaction; says how many batches that is.
    pub(super) fn add_to(&mut self, transaction: &mut Transaction, dead: &mut DeadLetterBatches) -> usize {
        let place = (self.task.position(), self.task.clock_ms());
        self.dead_letters.extend(self.task.take_dead_letters());
        for letter in &self.dead_letters {
            dead.push(letter, &self.topic, self.partition);
        }
        let mut batches = std::mem::take(&mut self.batches);
        batches.extend(self.task.take_batches());
        let count = batches.len();
        transaction.appends.extend(batches.into_iter().map(|batch| Append {
            topic: self.sink_topic.clone(),
            partition: self.sink_partition,
            batch,
        }));
        if !self.task.is_replaying() && self.committed != Some(place) {
            self.committing = Some(place);
            let resume = Resume {
                partitions: self.partitions,
                ..self.task.resume_point()
            };
            transaction.commits.push(Commit {
                group: self.group.clone(),
                topic: self.topic.clone(),
                partition: self.partition,
                offset: self.task.position(),
                metadata: resume.to_bytes(),
            });
        }
        count
    }

    /// The log took the transaction.
    pub(super) fn has_committed(&mut self) {
        self.dead_letters.clear();
        self.committed = self.committing.take().or(self.committed);
    }

    /// The log did not take the transaction: these are the batches that were added to it.
    pub(super) fn take_back(&mut self, batches: Vec<Vec<u8>>) {
        self.batches = batches;
        self.committing = None;
    }

    /// Counts that it has to be made anew.
    pub(super) fn count_start_over(&self) {
        TaskMetrics::add(&self.task.metrics().starts_over, 1);
    }
}
