//! A worker: one thread that fetches for its tasks, lets them work, and commits what they answered.
//!
//! A commit is one transaction: all tasks' outputs, their dead letters and their offsets. A worker drains nothing
//! before it: a micro-batch is complete when it is committed. It does not know what a task computes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hw_graph::{Job, Stream, Window};
use hw_log::batch::{BatchBuilder, Compression};
use hw_log::{Append, Commit, Log, Transaction};

use crate::run::{End, TaskStatus};
use crate::table_reader::TableReader;
use crate::task::Task;
use crate::{Clock, EngineError};

/// Bytes of record batches read for a task at a time.
const READ_BYTES: usize = 1 << 20;

/// A task and what its worker knows of it.
pub(crate) struct WorkerTask {
    task: Task,
    job: usize,
    topic: String,
    partition: u32,
    group: String,
    sink_topic: String,
    sink_partition: u32,
    idle_after_ms: i64,
    length_ms: i64,
    lateness_ms: i64,
    /// Wall time when the clock last moved.
    moved_at_ms: i64,
    is_idle: bool,
    /// What the last commit said.
    committed: Option<(u64, Option<i64>)>,
}

impl WorkerTask {
    pub(crate) fn new(
        task: Task,
        index: usize,
        job: &Job,
        source: &Stream,
        (group, partition): (String, u32),
        (sink_topic, sink_partitions): (&str, u32),
    ) -> WorkerTask {
        WorkerTask {
            task,
            job: index,
            topic: source.topic.clone(),
            partition,
            group,
            sink_topic: sink_topic.to_owned(),
            sink_partition: partition % sink_partitions,
            idle_after_ms: source.timing.idle_after_ms,
            length_ms: job.window.as_ref().map_or(0, Window::length_ms),
            lateness_ms: source.timing.lateness_ms,
            moved_at_ms: 0,
            is_idle: false,
            committed: None,
        }
    }

    pub(crate) fn status(&self) -> TaskStatus {
        TaskStatus {
            job: self.job,
            topic: self.topic.clone(),
            partition: self.partition,
            reads_from: self.task.position(),
            answers_from: self.task.answers_from(),
            metrics: Arc::clone(self.task.metrics()),
        }
    }

    /// Reads and processes once; says whether there was anything.
    fn step(&mut self, log: &dyn Log, now_ms: i64) -> Result<bool, EngineError> {
        let before = self.task.clock_ms();
        let fetch = log.read(&self.topic, self.partition, self.task.position(), READ_BYTES)?;
        let found = fetch.next_offset > self.task.position();
        if found {
            self.task.process(&fetch.batches, fetch.next_offset)?;
            self.is_idle = false;
        }
        if self.task.clock_ms() != before || self.moved_at_ms == 0 {
            self.moved_at_ms = now_ms;
        }
        self.task
            .write_gauges(fetch.end_offset.saturating_sub(self.task.position()));
        Ok(found)
    }

    /// At the log's end: moves the clock by the wall time that has passed.
    fn idle(&mut self, now_ms: i64) -> Result<(), EngineError> {
        let Some(clock_ms) = self.task.clock_ms().filter(|_| self.task.has_window()) else {
            return Ok(());
        };
        let passed_ms = now_ms - self.moved_at_ms;
        let wait_ms = if self.is_idle {
            self.task.mark_spacing_ms()
        } else {
            self.idle_after_ms
        };
        if passed_ms >= wait_ms.max(self.task.mark_spacing_ms()) {
            self.task.mark(clock_ms.saturating_add(passed_ms))?;
            self.moved_at_ms = now_ms;
            self.is_idle = true;
        }
        Ok(())
    }

    /// At the end for good: answers all that waits, as an idle partition would in time.
    fn drain(&mut self) -> Result<(), EngineError> {
        match self
            .task
            .drain_clock_ms(self.length_ms, self.lateness_ms)
            .filter(|_| self.task.has_window())
        {
            Some(clock_ms) => self.task.mark(clock_ms),
            None => Ok(()),
        }
    }

    /// Adds what is new to a transaction.
    fn commit_to(&mut self, transaction: &mut Transaction, dead: &mut BatchBuilder) {
        let place = (self.task.position(), self.task.clock_ms());
        for letter in self.task.take_dead_letters() {
            letter.push_to(dead, &self.topic, self.partition);
        }
        transaction
            .appends
            .extend(self.task.take_batches().into_iter().map(|batch| Append {
                topic: self.sink_topic.clone(),
                partition: self.sink_partition,
                batch,
            }));
        if self.task.is_replaying() || self.committed == Some(place) {
            return;
        }
        self.committed = Some(place);
        transaction.commits.push(Commit {
            group: self.group.clone(),
            topic: self.topic.clone(),
            partition: self.partition,
            offset: self.task.position(),
            metadata: self.task.resume_point().to_bytes(),
        });
    }
}

/// One thread of a running pipeline.
pub(crate) struct Worker {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Arc<dyn Clock>,
    /// In an order in which jobs that feed others stand before them.
    pub(crate) tasks: Vec<WorkerTask>,
    pub(crate) tables: Vec<TableReader>,
    pub(crate) dead_letter_topic: String,
    pub(crate) commit_interval: Duration,
    pub(crate) end: End,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Worker {
    /// Works until told to stop, or until the end when that is asked for. A failure stops the whole pipeline.
    pub(crate) fn run(mut self) -> Result<(), EngineError> {
        let result = match self.end {
            End::Follow => self.follow(),
            End::Stop => self.run_to_end(),
        };
        if result.is_err() {
            self.stop.store(true, Ordering::Relaxed);
        }
        result
    }

    fn follow(&mut self) -> Result<(), EngineError> {
        let mut committed_at_ms = self.clock.now_ms();
        while !self.stop.load(Ordering::Relaxed) {
            let seen = self.log.wait_for_appends(0, Duration::ZERO)?;
            let now_ms = self.clock.now_ms();
            for table in &mut self.tables {
                table.catch_up()?;
            }
            let mut found = false;
            for task in &mut self.tasks {
                if task.step(self.log.as_ref(), now_ms)? {
                    found = true;
                } else {
                    task.idle(now_ms)?;
                }
            }
            let since = Duration::from_millis(self.clock.now_ms().saturating_sub(committed_at_ms).max(0) as u64);
            if since >= self.commit_interval {
                self.commit()?;
                committed_at_ms = self.clock.now_ms();
            } else if !found {
                self.log.wait_for_appends(seen, self.commit_interval - since)?;
            }
        }
        self.commit()
    }

    /// Task by task: each to its end before the next, so that what feeds others is complete.
    fn run_to_end(&mut self) -> Result<(), EngineError> {
        for index in 0..self.tasks.len() {
            let mut committed_at_ms = self.clock.now_ms();
            while self.tasks[index].step(self.log.as_ref(), committed_at_ms)? {
                let now_ms = self.clock.now_ms();
                if self.stop.load(Ordering::Relaxed) {
                    return self.commit();
                }
                if now_ms.saturating_sub(committed_at_ms) >= self.commit_interval.as_millis() as i64 {
                    self.commit()?;
                    committed_at_ms = now_ms;
                }
            }
            self.tasks[index].drain()?;
            self.commit()?;
            self.tasks[index].task.write_gauges(0);
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), EngineError> {
        let mut transaction = Transaction::default();
        let mut dead = BatchBuilder::new(Compression::Lz4);
        for task in &mut self.tasks {
            task.commit_to(&mut transaction, &mut dead);
        }
        if !dead.is_empty() {
            let (topic, batch) = (self.dead_letter_topic.clone(), dead.finish());
            transaction.appends.push(Append {
                topic,
                partition: 0,
                batch,
            });
        }
        if !transaction.appends.is_empty() || !transaction.commits.is_empty() {
            self.log.append(&transaction)?;
        }
        Ok(())
    }
}
