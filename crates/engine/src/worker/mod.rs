//! A worker: fetches for its tasks, lets them work, and commits what they answered.
//!
//! It is moved on by [`Worker::step`], which waits for nobody; a thread ([`Worker::run`]) or a simulation calls it. Which
//! partitions are its own, its memberships say, one a job ([`share`]). It does not know what a task computes.
//!
//! # Constraints
//!
//! - A commit is one transaction: all tasks' outputs, their dead letters and their offsets. Nothing is drained before it: a
//!   micro-batch is complete when it is committed.
//! - What the log refuses as another's work, or does not say whether it took, is forgotten as a whole
//!   ([`hw_log::LogError::asks_to_start_over`]): all tasks are made anew from what is committed.
//! - While the log takes no transaction nothing is read, so that memory stays flat.

mod commit;
mod partition;
mod share;
mod step;
mod stillness;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hw_log::{Log, Seat};

use crate::EngineError;
use crate::backoff::{Backoff, passes};
use crate::prepared::Prepared;
use crate::run::End;
use crate::table_reader::TableReaders;
use partition::Found;
pub(crate) use partition::PartitionTask;
use share::Share;
pub use step::Step;

/// Memberships are asked at least this often.
const ROUND: Duration = Duration::from_millis(100);

/// How long an orderly stop tries to commit.
const STOP_PATIENCE_MS: i64 = 10_000;

/// One worker of a running pipeline.
pub struct Worker {
    prepared: Arc<Prepared>,
    log: Arc<dyn Log>,
    seat: Seat,
    /// One a job, those that feed others before them.
    shares: Vec<Share>,
    /// Those that this worker follows for the whole process.
    tables: TableReaders,
    /// Whose turn it is.
    turn: usize,
    /// In a run to the end: how many shares have been worked to theirs.
    shares_done: usize,
    /// Wall time of the last commit, in milliseconds.
    committed_at_ms: i64,
    stopping_since_ms: Option<i64>,
    /// Of transactions.
    commits: Backoff,
    /// Of everything else that stops a round.
    rounds: Backoff,
    is_in_trouble: bool,
    /// The log's mark before the last step.
    seen: u64,
}

impl Worker {
    /// A worker that has joined the groups of all jobs. `log` is the process's; the worker may get one of its own.
    ///
    /// # Errors
    /// When the log cannot be reached or a group does not take it.
    pub fn new(
        prepared: &Arc<Prepared>,
        log: &Arc<dyn Log>,
        seat: Seat,
        tables: TableReaders,
    ) -> Result<Worker, EngineError> {
        let own = log.for_worker(&prepared.pipeline.name, seat)?;
        let log = own.unwrap_or_else(|| Arc::clone(log));
        let jobs = prepared.pipeline.jobs_in_order();
        let shares = jobs
            .into_iter()
            .map(|job| Share::join(prepared, log.as_ref(), job, seat));
        Ok(Worker {
            shares: shares.collect::<Result<_, _>>()?,
            committed_at_ms: prepared.clock.now_ms(),
            prepared: Arc::clone(prepared),
            log,
            seat,
            tables,
            turn: 0,
            shares_done: 0,
            stopping_since_ms: None,
            commits: Backoff::default(),
            rounds: Backoff::default(),
            is_in_trouble: false,
            seen: 0,
        })
    }

    /// Makes the tasks of what is assigned already, so that a mistake in what the log holds is found before anything runs.
    pub(crate) fn begin(&mut self) -> Result<(), EngineError> {
        for share in &mut self.shares {
            share.attend()?;
            share.take_up(&self.prepared, &self.log)?;
        }
        Ok(())
    }

    /// Steps until it is told to stop, or until the end when that is asked for. A failure stops the whole pipeline.
    pub(crate) fn run(mut self) -> Result<(), EngineError> {
        loop {
            match self.step() {
                Ok(Step::Worked) => {}
                Ok(Step::Nothing { wait }) => self.wait(wait),
                Ok(Step::Done) => return Ok(()),
                Err(error) => {
                    self.prepared.stop.store(true, Ordering::Relaxed);
                    self.leave();
                    return Err(error);
                }
            }
        }
    }

    /// Waits until the log has more, at most so long.
    fn wait(&self, wait: Duration) {
        let is_failing = self.commits.is_failing() || self.rounds.is_failing();
        if is_failing || self.log.wait_for_appends(self.seen, wait).is_err() {
            // The next step meets the error, too.
            std::thread::sleep(wait);
        }
    }

    /// Does what there is to do: memberships, reading and processing for a short while, a commit when it is time.
    ///
    /// # Errors
    /// What a worker cannot bear: the pipeline is to be stopped.
    pub fn step(&mut self) -> Result<Step, EngineError> {
        let now_ms = self.now_ms();
        let stepped = match self.commits.left(now_ms).or(self.rounds.left(now_ms)) {
            Some(wait) => self.attend(now_ms).map(|()| Step::Nothing { wait: wait.min(ROUND) }),
            None => self.round(now_ms),
        };
        match stepped {
            Ok(step) => Ok(step),
            Err(error) => self.bear(error),
        }
    }

    fn round(&mut self, now_ms: i64) -> Result<Step, EngineError> {
        self.seen = self.log.wait_for_appends(0, Duration::ZERO)?;
        self.attend(now_ms)?;
        let is_through = self.prepared.options.end == End::Stop && self.shares_done == self.shares.len();
        if is_through || self.prepared.is_stopping() {
            return self.finish(now_ms);
        }
        self.take_up(now_ms)?;
        self.tables.catch_up()?;
        if self.commits.is_failing() {
            self.commit()?;
        }
        let found = self.work(now_ms)? || self.end_share()?;
        let wait = self.commit_when_due()?;
        self.rounds.succeeded();
        self.end_trouble();
        Ok(if found { Step::Worked } else { Step::Nothing { wait } })
    }

    /// Does what the memberships say. What is to be given back is committed before.
    fn attend(&mut self, now_ms: i64) -> Result<(), EngineError> {
        for index in 0..self.shares.len() {
            self.shares[index].attend()?;
            if self.shares[index].is_releasing() && self.commits.left(now_ms).is_none() {
                self.commit()?;
                self.shares[index].release()?;
            }
        }
        Ok(())
    }

    fn take_up(&mut self, now_ms: i64) -> Result<(), EngineError> {
        for index in 0..self.shares.len() {
            let share = &mut self.shares[index];
            if share.backoff.left(now_ms).is_some() {
                continue;
            }
            match share.take_up(&self.prepared, &self.log) {
                Err(EngineError::Log(error)) if passes(&error) => {
                    share.backoff.failed(now_ms);
                    self.say_trouble(error);
                }
                taken => taken?,
            }
        }
        Ok(())
    }

    /// Lets tasks work in turn, each once at most, and not for long; says whether there may be more.
    fn work(&mut self, began_ms: i64) -> Result<bool, EngineError> {
        let places = self.places()?;
        let mut found = false;
        for _ in 0..places.len() {
            let (share, partition) = places[self.turn % places.len()];
            self.turn = self.turn.wrapping_add(1);
            found |= self.work_on(share, partition)?;
            if self.now_ms() - began_ms >= ROUND.as_millis() as i64 {
                return Ok(true);
            }
        }
        Ok(found)
    }

    /// Share and partition of every task that has to work. In a run to the end only one share's have to, so that what
    /// feeds others is complete before those look where it ends.
    fn places(&mut self) -> Result<Vec<(usize, u32)>, EngineError> {
        let shares = match self.prepared.options.end {
            End::Follow => 0..self.shares.len(),
            End::Stop => self.shares_done..self.shares_done + 1,
        };
        let mut places = Vec::new();
        for index in shares {
            let share = &mut self.shares[index];
            if self.prepared.options.end == End::Stop {
                share.note_ends(&self.prepared, self.log.as_ref())?;
                if let Some(lack) = share.lack(&self.prepared) {
                    self.say_trouble(lack);
                }
            }
            let share = &self.shares[index];
            places.extend(share.tasks.iter().map(|task| (index, task.partition())));
        }
        Ok(places)
    }

    fn work_on(&mut self, share: usize, partition: u32) -> Result<bool, EngineError> {
        let now_ms = self.now_ms();
        let share = &mut self.shares[share];
        let Some(index) = share.tasks.iter().position(|task| task.partition() == partition) else {
            return Ok(false);
        };
        let task = &mut share.tasks[index];
        match task.work(self.log.as_ref(), now_ms) {
            Ok(Found::Something) => return Ok(true),
            Ok(Found::Nothing) => {}
            Ok(Found::End) if self.prepared.options.end == End::Follow => task.idle(now_ms)?,
            Ok(Found::End) => {
                let end = share.ends.as_ref().and_then(|ends| ends.get(partition as usize));
                if !task.is_drained() && end.is_some_and(|end| *end <= task.position()) {
                    task.drain()?;
                }
            }
            Ok(Found::Failed(error)) => self.say_trouble(&error),
            Err(EngineError::Log(error)) if passes(&error) => {
                share.tasks.remove(index);
                share.backoff.failed(now_ms);
                self.say_trouble(error);
            }
            Err(error) => return Err(error),
        }
        Ok(false)
    }

    /// In a run to the end: commits what a share has answered to its end, and says whether there was one.
    fn end_share(&mut self) -> Result<bool, EngineError> {
        let is_at_end = self.shares.get(self.shares_done).is_some_and(Share::is_at_end);
        if is_at_end {
            self.commit()?;
            self.shares_done += 1;
        }
        Ok(is_at_end)
    }

    /// Goes on after a failure, if that is possible.
    fn bear(&mut self, error: EngineError) -> Result<Step, EngineError> {
        let now_ms = self.now_ms();
        let EngineError::Log(of_log) = &error else {
            return Err(error);
        };
        if of_log.asks_to_start_over() {
            self.shares.iter_mut().for_each(Share::start_over);
        } else if !passes(of_log) || self.is_out_of_patience(now_ms) {
            return Err(error);
        }
        self.say_trouble(of_log);
        let wait = self.commits.left(now_ms);
        let wait = wait.unwrap_or_else(|| self.rounds.failed(now_ms));
        Ok(Step::Nothing { wait: wait.min(ROUND) })
    }

    /// Commits, leaves the groups, and is done.
    fn finish(&mut self, now_ms: i64) -> Result<Step, EngineError> {
        // The wall clock may have been set back.
        let since_ms = self.stopping_since_ms.map_or(now_ms, |since_ms| since_ms.min(now_ms));
        self.stopping_since_ms = Some(since_ms);
        match self.commit() {
            // What was not committed is done again by whoever goes on.
            Err(EngineError::Log(error)) if error.asks_to_start_over() => {}
            committed => committed?,
        }
        self.leave();
        Ok(Step::Done)
    }

    fn is_out_of_patience(&self, now_ms: i64) -> bool {
        self.stopping_since_ms
            .is_some_and(|since_ms| now_ms - since_ms > STOP_PATIENCE_MS)
    }

    fn leave(&mut self) {
        for share in &mut self.shares {
            // A group that cannot be reached notices by itself, only later.
            let _ = share.leave();
        }
    }

    fn say_trouble(&mut self, trouble: impl fmt::Display) {
        self.is_in_trouble = true;
        self.prepared.tasks.say_trouble(self.seat, Some(trouble.to_string()));
    }

    /// Takes back what was said when nothing fails any more.
    fn end_trouble(&mut self) {
        if self.is_in_trouble && !self.commits.is_failing() && !self.shares.iter().any(Share::is_failing) {
            self.is_in_trouble = false;
            self.prepared.tasks.say_trouble(self.seat, None);
        }
    }

    fn now_ms(&self) -> i64 {
        self.prepared.clock.now_ms()
    }
}
