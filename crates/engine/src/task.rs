//! A task: one job over one partition of its source. Batches in, answers out, nothing shared.
//!
//! It decodes, moves the partition's clock record by record, drives the window, and finishes the answers into its
//! [`Output`]. It does not fetch, append, commit or read the wall clock; the runner does, and tells it of idle time.
//!
//! # Constraints
//!
//! - What a task answers is a function of the records and marks it was shown, in offset order, and of the tables; how the
//!   records are cut into batches changes nothing.
//! - Below the committed offset it is silent: those answers were given in the transaction that committed it.

mod passage;

use std::sync::{Arc, RwLock};

use hw_graph::{Job, Pipeline, Window};

use crate::EngineError;
use crate::chunk::Chunks;
use crate::clock::PartitionClock;
use crate::dead_letter::DeadLetter;
use crate::decode::{Decoder, Schemas};
use crate::finish::Finish;
use crate::keys::Keys;
use crate::metrics::TaskMetrics;
use crate::progress::{Mark, Progress};
use crate::resume::Resume;
use crate::rows::RowMaker;
use crate::sink::{Output, SinkWriter, outside_value, value_schema};
use crate::table::Table;
use crate::window::evaluated::Evaluated;
use crate::window::keyed::Keyed;
use crate::window::operator::Rules;
use crate::window::sliding::SlidingWindow;
use crate::window::tumbling::TumblingWindow;

enum Windowed {
    None,
    Sliding(Box<Keyed<SlidingWindow>>),
    Tumbling(Box<Keyed<TumblingWindow>>),
}

/// The stretch of the log before processing starts again.
struct WarmUp {
    until: u64,
    clock_ms: Option<i64>,
    behind: u16,
}

/// One job over one partition.
pub struct Task {
    keys: Keys,
    clock: PartitionClock,
    windowed: Windowed,
    chunks: Chunks,
    decoder: Decoder,
    maker: RowMaker,
    finish: Finish,
    evaluated: Evaluated,
    output: Output,
    progress: Progress,
    dead_letters: Vec<DeadLetter>,
    fingerprint: u64,
    /// What came before was answered by another plan.
    is_changed: bool,
    /// The next record to process.
    position: u64,
    /// Answers for offsets below this are not given again.
    silent_below: u64,
    /// Marks to obey while replaying, the next one last.
    replay_marks: Vec<Mark>,
    /// Until then records only bear witness.
    warm_up: Option<WarmUp>,
    metrics: Arc<TaskMetrics>,
    /// What an earlier task of the same partition had counted of unmatched rows and cut windows.
    counted_before: (u64, u64),
}

impl Task {
    /// A task whose answers become record batches of the job's sink, written with [`crate::value_schema`] under the id
    /// `schema_id`. `tables` as the pipeline numbers them.
    ///
    /// # Errors
    /// When the job asks for something that the engine cannot do.
    pub fn for_topic(
        pipeline: &Pipeline,
        job: usize,
        tables: &[Arc<RwLock<Table>>],
        schemas: Box<dyn Schemas>,
        schema_id: u32,
    ) -> Result<Task, EngineError> {
        let job = &pipeline.jobs[job];
        let sink = &pipeline.streams[job.sink];
        let schema = value_schema(&sink.record, &sink.columns, outside_value(sink));
        let schema = schema.map_err(|source| EngineError::Schema {
            topic: sink.topic.clone(),
            source,
        })?;
        let output = Output::Topic(Box::new(SinkWriter::new(sink, &schema, schema_id)?));
        Task::new(pipeline, job, tables, schemas, output)
    }

    pub(crate) fn new(
        pipeline: &Pipeline,
        job: &Job,
        tables: &[Arc<RwLock<Table>>],
        schemas: Box<dyn Schemas>,
        output: Output,
    ) -> Result<Task, EngineError> {
        let source = &pipeline.streams[job.source];
        let timing = source.timing;
        let rules = Rules {
            lateness_ms: timing.lateness_ms,
            remember_ms: job.remember_ms(pipeline),
        };
        let (windowed, evaluated, kept) = match &job.window {
            None => (Windowed::None, Evaluated::default(), Vec::new()),
            Some(Window::Sliding(sliding)) => {
                let (window, layout) = SlidingWindow::new(sliding, source.time);
                let kept = layout.kept_inputs().collect();
                (
                    Windowed::Sliding(Box::new(Keyed::new(window, rules))),
                    SlidingWindow::evaluated(sliding),
                    kept,
                )
            }
            Some(Window::Tumbling(tumbling)) => {
                let (window, layout) = TumblingWindow::new(tumbling, rules.lateness_ms, source.time);
                let kept = layout.kept_inputs().collect();
                (
                    Windowed::Tumbling(Box::new(Keyed::new(window, rules))),
                    TumblingWindow::evaluated(tumbling),
                    kept,
                )
            }
        };
        let maker = RowMaker::new(source, job, &kept)?;
        let finish = Finish::new(pipeline, job, tables)?;
        let needed = maker.needed(pipeline, job, finish.source_columns());
        Ok(Task {
            keys: Keys::default(),
            clock: PartitionClock::new(timing.max_lead_ms, timing.max_skew_ms),
            windowed,
            chunks: Chunks::default(),
            decoder: Decoder::new(source, &needed, schemas)?,
            maker,
            finish,
            evaluated,
            output,
            progress: Progress::new(2 * rules.remember_ms + rules.lateness_ms),
            dead_letters: Vec::new(),
            fingerprint: job.fingerprint(pipeline),
            is_changed: false,
            position: 0,
            silent_below: 0,
            replay_marks: Vec::new(),
            warm_up: None,
            metrics: Arc::default(),
            counted_before: (0, 0),
        })
    }

    /// Starts where a commit at `committed` left off: the records from [`Task::position`] on are to be processed again.
    /// `first` is the partition's first offset: witnesses that retention has taken are done without.
    pub fn resume(&mut self, committed: u64, resume: &Resume, first: u64) {
        self.silent_below = committed;
        self.position = committed;
        if matches!(self.windowed, Windowed::None) {
            return;
        }
        self.position = resume.witnesses_from.max(first).min(committed);
        self.replay_marks = resume.marks.iter().rev().copied().collect();
        self.progress.warms_up(self.position);
        self.warm_up = Some(WarmUp {
            until: resume.replay_from.clamp(self.position, committed),
            clock_ms: resume.clock_there_ms,
            behind: resume.behind,
        });
        self.end_warm_up();
    }

    /// Lets processing start when its place is reached.
    fn end_warm_up(&mut self) {
        if let Some(warm_up) = self.warm_up.take_if(|warm_up| warm_up.until <= self.position) {
            self.clock.resume_at(warm_up.clock_ms, warm_up.behind);
            self.progress.is_warm(self.position, warm_up.clock_ms, warm_up.behind);
        }
    }

    /// Starts at an offset with nothing known.
    pub(crate) fn start_at(&mut self, offset: u64, silent_below: u64) {
        self.position = offset;
        self.silent_below = silent_below;
    }

    /// Starts at an offset with nothing known but how far another plan has answered.
    pub(crate) fn start_changed(&mut self, offset: u64, silent_below: u64) {
        self.start_at(offset, silent_below);
        self.is_changed = true;
    }

    /// Whether another plan answered before it.
    pub(crate) fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// The next record to process.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The first record whose evaluations are answered: what came before was answered by an earlier run.
    pub(crate) fn answers_from(&self) -> u64 {
        self.silent_below.max(self.position)
    }

    /// The partition's clock in milliseconds.
    pub fn clock_ms(&self) -> Option<i64> {
        self.clock.now_ms()
    }

    /// Counts on where `metrics` stands.
    pub(crate) fn count_into(&mut self, metrics: Arc<TaskMetrics>) {
        self.counted_before = (
            TaskMetrics::get(&metrics.unmatched),
            TaskMetrics::get(&metrics.cut_windows),
        );
        self.metrics = metrics;
    }

    /// What the task counts.
    pub fn metrics(&self) -> &Arc<TaskMetrics> {
        &self.metrics
    }

    /// Whether it still rebuilds what was answered before.
    pub fn is_replaying(&self) -> bool {
        self.position < self.silent_below
    }

    /// Idle marks are at least this far apart, in milliseconds.
    pub(crate) fn mark_spacing_ms(&self) -> i64 {
        self.progress.mark_spacing_ms()
    }

    pub(crate) fn has_window(&self) -> bool {
        !matches!(self.windowed, Windowed::None)
    }

    /// What a commit of the present position carries.
    pub fn resume_point(&self) -> Resume {
        self.progress.resume(
            self.fingerprint,
            self.clock.now_ms(),
            self.clock.behind(),
            self.position,
        )
    }

    /// Of the job it runs.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Takes the batches that were written since the last call, for the job's sink.
    pub fn take_batches(&mut self) -> Vec<Vec<u8>> {
        match &mut self.output {
            Output::Topic(writer) => writer.take(),
            Output::Rows { .. } => Vec::new(),
        }
    }

    pub(crate) fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// Takes what could not be processed since the last call.
    pub fn take_dead_letters(&mut self) -> Vec<DeadLetter> {
        std::mem::take(&mut self.dead_letters)
    }

    /// How far the clock must move for everything that waits to be answered and every window to close.
    pub(crate) fn drain_clock_ms(&self, length_ms: i64, lateness_ms: i64) -> Option<i64> {
        self.clock
            .now_ms()
            .map(|now_ms| now_ms.saturating_add(length_ms + lateness_ms + 1))
    }

    /// Bytes of state held for keys and rows, and the number of keys.
    pub fn state(&self) -> (usize, usize) {
        let windowed = match &self.windowed {
            Windowed::None => 0,
            Windowed::Sliding(keyed) => keyed.bytes_held(),
            Windowed::Tumbling(keyed) => keyed.bytes_held(),
        };
        (windowed + self.keys.bytes_held(), self.keys.len())
    }

    pub(crate) fn write_gauges(&self, lag: u64) {
        let (bytes, keys) = self.state();
        let (waiting, cut_windows) = match &self.windowed {
            Windowed::None => (0, 0),
            Windowed::Sliding(keyed) => (keyed.waiting(), keyed.cut_windows),
            Windowed::Tumbling(keyed) => (keyed.waiting(), keyed.cut_windows),
        };
        let (metrics, (unmatched, cut_before)) = (&self.metrics, self.counted_before);
        TaskMetrics::set(&metrics.state_bytes, bytes as u64);
        TaskMetrics::set(&metrics.keys, keys as u64);
        TaskMetrics::set(&metrics.waiting, waiting as u64);
        TaskMetrics::set(&metrics.cut_windows, cut_before + cut_windows);
        TaskMetrics::set(&metrics.unmatched, unmatched + self.finish.unmatched);
        TaskMetrics::set(&metrics.lag, lag);
        let clock_ms = self.clock.now_ms().unwrap_or(i64::MIN);
        metrics.clock_ms.store(clock_ms, std::sync::atomic::Ordering::Relaxed);
    }
}
