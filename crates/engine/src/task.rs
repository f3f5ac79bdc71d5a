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

use std::ops::Range;
use std::sync::{Arc, RwLock};

use hw_graph::{Job, Pipeline, Window};

use crate::EngineError;
use crate::chunk::{Chunk, Chunks};
use crate::clock::{Observed, PartitionClock};
use crate::dead_letter::{DeadLetter, Reason};
use crate::decode::{DecodedRows, Decoder, Schemas};
use crate::finish::Finish;
use crate::keys::Keys;
use crate::metrics::TaskMetrics;
use crate::progress::{Mark, Progress, Resume};
use crate::rows::RowMaker;
use crate::sink::{Output, SinkWriter, outside_value, value_schema};
use crate::table::Table;
use crate::window::evaluated::{Evaluated, RowRef};
use crate::window::keyed::{Keyed, Operator, Rules};
use crate::window::sliding::SlidingWindow;
use crate::window::tumbling::TumblingWindow;

/// Rows are decoded into chunks of about this many.
const CHUNK_ROWS: usize = 4_096;

/// How far ahead of a row its key's state, and half as far its rows, are asked for.
const AHEAD: usize = 32;

enum Windowed {
    None,
    Sliding(Box<Keyed<SlidingWindow>>),
    Tumbling(Box<Keyed<TumblingWindow>>),
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
    /// The next record to process.
    position: u64,
    /// Answers for offsets below this are not given again.
    silent_below: u64,
    /// Marks to obey while replaying, the next one last.
    replay_marks: Vec<Mark>,
    metrics: Arc<TaskMetrics>,
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
            position: 0,
            silent_below: 0,
            replay_marks: Vec::new(),
            metrics: Arc::default(),
        })
    }

    /// Starts where a commit at `committed` left off.
    pub(crate) fn resume(&mut self, committed: u64, resume: &Resume) {
        self.silent_below = committed;
        self.position = committed;
        if matches!(self.windowed, Windowed::None) {
            return;
        }
        self.position = resume.replay_from.min(committed);
        self.clock.resume_at(resume.clock_there_ms);
        self.replay_marks = resume.marks.iter().rev().copied().collect();
    }

    /// Starts at an offset with nothing known.
    pub(crate) fn start_at(&mut self, offset: u64, silent_below: u64) {
        self.position = offset;
        self.silent_below = silent_below;
    }

    /// The next record to process.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The partition's clock in milliseconds.
    pub fn clock_ms(&self) -> Option<i64> {
        self.clock.now_ms()
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

    /// Processes raw batches that follow one another; `next` is the offset behind the last. Their CRC is the log's to check.
    ///
    /// # Errors
    /// When a batch is damaged or an expression fails on a row; a record that cannot be decoded is a dead letter.
    pub fn process(&mut self, batches: &[hw_log::RawBatch], next: u64) -> Result<(), EngineError> {
        while self.position < next {
            let until = self.segment_end(next);
            self.process_segment(batches, until)?;
            self.position = until;
        }
        self.obey_marks()?;
        Ok(())
    }

    /// Moves the clock of an idle partition to `clock_ms`, before the record at the present position.
    ///
    /// # Errors
    /// When an expression fails on a row that this makes ready.
    pub fn mark(&mut self, clock_ms: i64) -> Result<(), EngineError> {
        if self.clock.mark(clock_ms) {
            self.progress.marked(Mark {
                offset: self.position,
                clock_ms,
            });
            self.advance();
            self.finish_rows(false)?;
        }
        Ok(())
    }

    /// Processes rows that are columns already: a backtest's.
    pub(crate) fn process_rows(
        &mut self,
        rows: DecodedRows,
        keys: &arrow::array::StringArray,
    ) -> Result<(), EngineError> {
        for key in keys {
            self.keys
                .stage(key.unwrap_or_default().as_bytes(), &mut self.decoder.staged);
        }
        self.run_rows(rows, &[], false)
    }

    /// What a commit of the present position carries.
    pub(crate) fn resume_point(&self) -> Resume {
        self.progress
            .resume(self.fingerprint, self.clock.now_ms(), self.position)
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
        let metrics = &self.metrics;
        TaskMetrics::set(&metrics.state_bytes, bytes as u64);
        TaskMetrics::set(&metrics.keys, keys as u64);
        TaskMetrics::set(&metrics.waiting, waiting as u64);
        TaskMetrics::set(&metrics.cut_windows, cut_windows);
        TaskMetrics::set(&metrics.unmatched, self.finish.unmatched);
        TaskMetrics::set(&metrics.lag, lag);
        let clock_ms = self.clock.now_ms().unwrap_or(i64::MIN);
        metrics.clock_ms.store(clock_ms, std::sync::atomic::Ordering::Relaxed);
    }

    /// A segment ends where a mark stands or where silence ends.
    fn segment_end(&self, next: u64) -> u64 {
        let silence = Some(self.silent_below).filter(|end| *end > self.position);
        let mark = self
            .replay_marks
            .last()
            .map(|mark| mark.offset)
            .filter(|end| *end > self.position);
        silence.into_iter().chain(mark).fold(next, u64::min)
    }

    fn obey_marks(&mut self) -> Result<(), EngineError> {
        while let Some(mark) = self
            .replay_marks
            .last()
            .filter(|mark| mark.offset <= self.position)
            .copied()
        {
            self.replay_marks.pop();
            if self.clock.mark(mark.clock_ms) {
                self.progress.marked(mark);
                self.advance();
                self.finish_rows(true)?;
            }
        }
        Ok(())
    }

    fn process_segment(&mut self, batches: &[hw_log::RawBatch], until: u64) -> Result<(), EngineError> {
        self.obey_marks()?;
        let offsets = self.position..until;
        let mut first = 0;
        for (index, batch) in batches.iter().enumerate() {
            let header = hw_log::batch::BatchHeader::parse(batch)?;
            if header.base_offset >= until {
                break;
            }
            if header.last_offset() >= offsets.start && !header.is_control() {
                self.decoder.decode(batch, &offsets, &self.keys)?;
            }
            if self.decoder.rows() + self.decoder.dead_letters.len() >= CHUNK_ROWS {
                self.run_decoded(&batches[first..=index], &offsets)?;
                first = index + 1;
            }
        }
        self.run_decoded(&batches[first..], &offsets)
    }

    fn run_decoded(&mut self, batches: &[hw_log::RawBatch], offsets: &Range<u64>) -> Result<(), EngineError> {
        let is_silent = offsets.start < self.silent_below;
        let dead = std::mem::take(&mut self.decoder.dead_letters);
        if !is_silent {
            TaskMetrics::add(&self.metrics.records_in, (self.decoder.rows() + dead.len()) as u64);
            TaskMetrics::add(&self.metrics.dead_letters, dead.len() as u64);
            self.dead_letters.extend(dead);
        }
        if self.decoder.rows() == 0 {
            return Ok(());
        }
        let rows = self.decoder.take();
        self.run_rows(rows, batches, is_silent)
    }

    fn run_rows(
        &mut self,
        rows: DecodedRows,
        batches: &[hw_log::RawBatch],
        is_silent: bool,
    ) -> Result<(), EngineError> {
        let offsets = rows.offsets.clone();
        let first_offset = offsets.first().copied().unwrap_or(self.position);
        let made = self.maker.chunk(rows, &self.decoder.staged, &mut self.keys);
        self.decoder.staged.clear();
        let (chunk, invalid) = made?;
        let invalid = invalid
            .into_iter()
            .map(|(row, reason)| (offsets[row], reason))
            .collect();
        self.refuse(invalid, batches, is_silent);
        if self.has_window() {
            self.progress.before_chunk(first_offset, self.clock.now_ms());
        }
        let records = chunk.len();
        let number = self.chunks.push(chunk);
        let refused = self.run_chunk(number);
        self.progress.after_chunk(records);
        self.refuse(refused, batches, is_silent);
        self.finish_rows(is_silent)?;
        self.sweep(records);
        Ok(())
    }

    fn run_chunk(&mut self, number: u32) -> Vec<(u64, Reason)> {
        let mut context = ChunkRun {
            clock: &mut self.clock,
            chunks: &self.chunks,
            evaluated: &mut self.evaluated,
            progress: &mut self.progress,
            refused: Vec::new(),
        };
        match &mut self.windowed {
            Windowed::None => return self.pass_chunk(number),
            Windowed::Sliding(keyed) => {
                keyed.make_room(self.keys.capacity());
                context.run(number, keyed);
            }
            Windowed::Tumbling(keyed) => {
                keyed.make_room(self.keys.capacity());
                context.run(number, keyed);
            }
        }
        context.refused
    }

    /// Without a window every row is answered as it comes.
    fn pass_chunk(&mut self, number: u32) -> Vec<(u64, Reason)> {
        let chunk = self.chunks.get(number);
        for row in 0..chunk.len() {
            if chunk.passes.as_ref().is_none_or(|passes| passes.value(row)) {
                self.evaluated.keys.push(chunk.keys[row]);
                self.evaluated.rows.push(RowRef {
                    chunk: number,
                    row: row as u32,
                });
            }
        }
        Vec::new()
    }

    fn advance(&mut self) {
        let Some(now_ms) = self.clock.now_ms() else { return };
        match &mut self.windowed {
            Windowed::None => {}
            Windowed::Sliding(keyed) => keyed.advance(now_ms, &self.chunks, &mut self.evaluated),
            Windowed::Tumbling(keyed) => keyed.advance(now_ms, &self.chunks, &mut self.evaluated),
        }
    }

    /// Filters, projects and writes what was evaluated.
    fn finish_rows(&mut self, is_silent: bool) -> Result<(), EngineError> {
        if self.evaluated.len() > 0 {
            let rows = self.evaluated.take();
            if !is_silent && let Some(answers) = self.finish.apply(&rows, &self.chunks, &self.keys)? {
                TaskMetrics::add(
                    &self.metrics.rows_out,
                    answers.first().map_or(0, |column| column.len()) as u64,
                );
                self.output.write(answers)?;
            }
        }
        let oldest = match &self.windowed {
            Windowed::None => None,
            Windowed::Sliding(keyed) => keyed.oldest_chunk(),
            Windowed::Tumbling(keyed) => keyed.oldest_chunk(),
        };
        self.chunks.drop_before(oldest);
        Ok(())
    }

    /// Forgets keys that have gone quiet, a few for every chunk.
    fn sweep(&mut self, records: usize) {
        let Some(now_ms) = self.clock.now_ms() else { return };
        let (keys, clock, finish) = (&mut self.keys, &self.clock, &mut self.finish);
        let is_needed = |key| clock.remembers(key);
        let forget = |key| {
            keys.forget(key);
            finish.forget(key);
        };
        let count = records / 8 + 1;
        match &mut self.windowed {
            Windowed::None => {}
            Windowed::Sliding(keyed) => keyed.sweep(count, now_ms, is_needed, forget),
            Windowed::Tumbling(keyed) => keyed.sweep(count, now_ms, is_needed, forget),
        }
    }

    fn refuse(&mut self, refused: Vec<(u64, Reason)>, batches: &[hw_log::RawBatch], is_silent: bool) {
        if is_silent || refused.is_empty() {
            return;
        }
        let late = refused.iter().filter(|(_, reason)| *reason == Reason::Late).count();
        TaskMetrics::add(&self.metrics.late, late as u64);
        TaskMetrics::add(&self.metrics.dead_letters, refused.len() as u64);
        for (offset, reason) in refused {
            let holds = |batch: &&hw_log::RawBatch| {
                hw_log::batch::BatchHeader::parse(batch).is_ok_and(|header| header.last_offset() >= offset)
            };
            let Some(batch) = batches.iter().find(holds) else {
                continue;
            };
            self.dead_letters.extend(self.decoder.original(batch, offset, reason));
        }
    }
}

/// The parts of a task that running a chunk touches.
struct ChunkRun<'a> {
    clock: &'a mut PartitionClock,
    chunks: &'a Chunks,
    evaluated: &'a mut Evaluated,
    progress: &'a mut Progress,
    refused: Vec<(u64, Reason)>,
}

impl ChunkRun<'_> {
    /// Record by record: the clock first, then what it makes ready, then the record's own row.
    fn run<O: Operator>(&mut self, number: u32, keyed: &mut Keyed<O>) {
        let chunk: &Chunk = self.chunks.get(number);
        for row in 0..chunk.len() {
            if let Some(ahead) = chunk.keys.get(row + AHEAD) {
                keyed.prefetch_state(*ahead);
            }
            if let Some(ahead) = chunk.keys.get(row + AHEAD / 2) {
                keyed.prefetch_rows(*ahead);
            }
            let (key, time_ms) = (chunk.keys[row], chunk.times_ms[row]);
            match self.clock.observe(key, time_ms) {
                Observed::Stood => {}
                Observed::Moved => self.advance(keyed),
                Observed::Skewed => {
                    self.refused.push((chunk.offsets[row], Reason::Skewed));
                    continue;
                }
                Observed::SetBack => {
                    keyed.finish_epoch(self.chunks, self.evaluated);
                    self.clock.take_back();
                    self.progress.set_back();
                }
            }
            if chunk.passes.as_ref().is_some_and(|passes| !passes.value(row)) {
                continue;
            }
            let now_ms = self.clock.now_ms().unwrap_or(time_ms);
            let at = RowRef {
                chunk: number,
                row: row as u32,
            };
            if !keyed.arrive(key, time_ms, now_ms, at) {
                self.refused.push((chunk.offsets[row], Reason::Late));
            }
        }
    }

    #[inline]
    fn advance<O: Operator>(&mut self, keyed: &mut Keyed<O>) {
        if let Some(now_ms) = self.clock.now_ms() {
            keyed.advance(now_ms, self.chunks, self.evaluated);
        }
    }
}
