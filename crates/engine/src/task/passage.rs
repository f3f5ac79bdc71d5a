//! The passage of records through a task: segments, chunks, the clock record by record, answers.
//!
//! It is the second half of [`Task`]: what happens to records, where the first half says what a task is. It keeps
//! nothing of its own.

use std::ops::Range;

use hw_log::RawBatch;
use hw_log::batch::BatchHeader;

use super::{Task, Windowed};
use crate::EngineError;
use crate::chunk::{Chunk, Chunks};
use crate::clock::{Observed, PartitionClock};
use crate::dead_letter::Reason;
use crate::decode::DecodedRows;
use crate::metrics::TaskMetrics;
use crate::progress::{Mark, Progress};
use crate::window::evaluated::{Evaluated, RowRef};
use crate::window::keyed::Keyed;
use crate::window::operator::Operator;

/// Rows are decoded into chunks of about this many.
const CHUNK_ROWS: usize = 4_096;

/// How far ahead of a row its key's state is asked for.
const AHEAD: usize = 32;

impl Task {
    /// Processes raw batches that follow one another; `next` is the offset behind the last. Their CRC is the log's to check.
    ///
    /// # Errors
    /// When a batch is damaged or an expression fails on a row; a record that cannot be decoded is a dead letter.
    pub fn process(&mut self, batches: &[RawBatch], next: u64) -> Result<(), EngineError> {
        while self.position < next {
            // Before the segment's end is looked for: it may be the mark after these.
            self.obey_marks()?;
            let until = self.segment_end(next);
            self.process_segment(batches, until)?;
            self.position = until;
            self.end_warm_up();
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

    /// A segment ends where a mark stands, where processing starts again, or where silence ends.
    fn segment_end(&self, next: u64) -> u64 {
        let silence = Some(self.silent_below).filter(|end| *end > self.position);
        let mark = self
            .replay_marks
            .last()
            .map(|mark| mark.offset)
            .filter(|end| *end > self.position);
        let warm_up = self.warm_up.as_ref().map(|warm_up| warm_up.until);
        silence.into_iter().chain(mark).chain(warm_up).fold(next, u64::min)
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

    fn process_segment(&mut self, batches: &[RawBatch], until: u64) -> Result<(), EngineError> {
        let offsets = self.position..until;
        let mut first = 0;
        for (index, batch) in batches.iter().enumerate() {
            let header = BatchHeader::parse(batch)?;
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

    fn run_decoded(&mut self, batches: &[RawBatch], offsets: &Range<u64>) -> Result<(), EngineError> {
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

    fn run_rows(&mut self, rows: DecodedRows, batches: &[RawBatch], is_silent: bool) -> Result<(), EngineError> {
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
        let records = chunk.len();
        if self.warm_up.is_some() {
            for (key, time_ms) in chunk.keys.iter().zip(&chunk.times_ms) {
                self.clock.witness(*key, *time_ms);
            }
            self.progress.bore_witness(records);
            return Ok(());
        }
        if self.has_window() {
            self.progress
                .before_chunk(first_offset, self.clock.now_ms(), self.clock.behind());
        }
        let number = self.chunks.push(chunk);
        let refused = self.run_chunk(number);
        self.progress.after_chunk(records, self.clock.now_ms());
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
            Windowed::Sliding(keyed) => {
                keyed.advance(now_ms, &self.chunks, &mut self.evaluated);
                keyed.finish_run(&self.chunks, &mut self.evaluated);
            }
            Windowed::Tumbling(keyed) => {
                keyed.advance(now_ms, &self.chunks, &mut self.evaluated);
                keyed.finish_run(&self.chunks, &mut self.evaluated);
            }
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

    fn refuse(&mut self, refused: Vec<(u64, Reason)>, batches: &[RawBatch], is_silent: bool) {
        if is_silent || refused.is_empty() {
            return;
        }
        let late = refused.iter().filter(|(_, reason)| *reason == Reason::Late).count();
        TaskMetrics::add(&self.metrics.late, late as u64);
        TaskMetrics::add(&self.metrics.dead_letters, refused.len() as u64);
        for (offset, reason) in refused {
            let holds =
                |batch: &&RawBatch| BatchHeader::parse(batch).is_ok_and(|header| header.last_offset() >= offset);
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
            let (key, time_ms) = (chunk.keys[row], chunk.times_ms[row]);
            let mut observed = self.clock.observe(key, time_ms);
            if observed == Observed::SetBack {
                keyed.finish_epoch(self.chunks, self.evaluated);
                observed = self.clock.take_back(time_ms);
                self.progress.set_back();
            }
            if observed == Observed::Moved {
                self.advance(keyed);
            } else if observed == Observed::Skewed {
                self.refused.push((chunk.offsets[row], Reason::Skewed));
                continue;
            }
            if chunk.passes.as_ref().is_some_and(|passes| !passes.value(row)) {
                continue;
            }
            let now_ms = self.clock.now_ms().unwrap_or(time_ms);
            let at = RowRef {
                chunk: number,
                row: row as u32,
            };
            if !keyed.arrive(key, time_ms, now_ms, at, (self.chunks, self.evaluated)) {
                self.refused.push((chunk.offsets[row], Reason::Late));
            }
        }
        keyed.finish_run(self.chunks, self.evaluated);
    }

    #[inline]
    fn advance<O: Operator>(&mut self, keyed: &mut Keyed<O>) {
        if let Some(now_ms) = self.clock.now_ms() {
            keyed.advance(now_ms, self.chunks, self.evaluated);
        }
    }
}
