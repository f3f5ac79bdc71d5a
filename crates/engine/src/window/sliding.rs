//! Sliding windows: for every row, aggregates over its key's rows in `[t - X, t]` that it knows.
//!
//! It keeps the rows of the longest frame; shorter ones are stretches of the same ring. It does not judge lateness: a
//! ready row's own place in the ring is what makes older rows late.
//!
//! # Constraints
//!
//! - A row leaves by time only when a ready row stands that every later row knows too, so that nothing still to come can
//!   need it; and by arrival as soon as no row still to be evaluated knows it.

use hw_graph::Sliding;

use super::aggregates::{FrameAggregates, Layout};
use super::evaluated::{AggregateColumn, Evaluated};
use super::inputs::InputValues;
use super::known::known_ranges;
use super::operator::{AHEAD, InputSource, Moment, Operator, Rules};
use super::queue::Waiting;
use super::rings::{NewRow, Ring, Rings};
use super::run::{Run, RunRow, fits};
use super::state::KeyState;

#[derive(Debug)]
struct FrameStep {
    preceding_ms: i64,
    aggregates: FrameAggregates,
}

/// Sliding frames over the rows of every key.
#[derive(Debug)]
pub(crate) struct SlidingWindow {
    frames: Vec<FrameStep>,
    longest_ms: i64,
    rings: Rings,
    /// Which rows a row knows; kept for its memory.
    ranges: Vec<std::ops::Range<usize>>,
    /// Rows whose places are known, while a run is evaluated.
    run: Run,
    /// Whether the order of a window's rows may change an answer.
    in_order: bool,
}

impl SlidingWindow {
    /// `time` is the source's event-time column.
    pub(crate) fn new(sliding: &Sliding, time: usize) -> (SlidingWindow, Layout) {
        let all = sliding.frames.iter().flat_map(|frame| &frame.aggregates);
        let layout = Layout::new(&sliding.inputs, all, time);
        let mut first = 0;
        let mut frames = Vec::new();
        for frame in &sliding.frames {
            let aggregates = FrameAggregates::new(&layout, &sliding.inputs, &frame.aggregates, first);
            frames.push(FrameStep {
                preceding_ms: frame.preceding_ms,
                aggregates,
            });
            first += frame.aggregates.len();
        }
        let longest_ms = frames.iter().map(|frame| frame.preceding_ms).max().unwrap_or(0);
        let rings = Rings::new(layout.kinds(), longest_ms);
        let in_order = !frames.iter().all(|frame| frame.aggregates.are_whole(&rings.narrow));
        let window = SlidingWindow {
            run: Run::new(frames.len()),
            frames,
            longest_ms,
            rings,
            ranges: Vec::new(),
            in_order,
        };
        (window, layout)
    }

    /// An empty buffer for the answers.
    pub(crate) fn evaluated(sliding: &Sliding) -> Evaluated {
        let aggregates = sliding.frames.iter().flat_map(|frame| &frame.aggregates);
        let aggregates = aggregates
            .map(|aggregate| AggregateColumn::new(&aggregate.data_type))
            .collect();
        Evaluated {
            aggregates,
            ..Evaluated::default()
        }
    }

    #[inline(always)]
    fn evict(&self, state: &mut KeyState, row: &Waiting, is_ready: bool, oldest_ms: i64, rules: &Rules) {
        let first_ms = row.time_ms.saturating_sub(self.longest_ms);
        let known_ms = oldest_ms.saturating_sub(rules.remember_ms);
        let ring = &mut state.ring;
        let mut gone = 0;
        while gone < ring.len() {
            let (time_ms, arrival_ms) = self.rings.times_ms(ring, gone);
            let is_over = is_ready && arrival_ms <= row.arrival_ms && time_ms < first_ms;
            if !is_over && arrival_ms >= known_ms {
                break;
            }
            gone += 1;
        }
        self.rings.drop_front(ring, gone);
    }

    /// Finds the place and the frames of a ready row whose key has all its rows in the narrow store, in order, and knows them
    /// all; `false`, and nothing is pushed or answered, when it is not so simple.
    #[inline(always)]
    fn join_run(
        &mut self,
        state: &mut KeyState,
        row: &Waiting,
        inputs: &[InputValues],
        moment: &mut Moment<'_>,
    ) -> bool {
        let ring = &mut state.ring;
        let remember_ms = moment.rules.remember_ms;
        let oldest_ms = row.arrival_ms.saturating_sub(remember_ms);
        if ring.len() > 0 && ring.arrival_low_ms() < oldest_ms {
            self.rings.tighten_arrivals(ring);
            if ring.arrival_low_ms() < oldest_ms {
                return false;
            }
        }
        let is_recent = moment.now_ms.saturating_sub(row.arrival_ms) <= remember_ms;
        if !is_recent || !fits(inputs, row.at.row as usize) {
            return false;
        }
        let Some(place) = self.rings.append(ring, row.time_ms, row.arrival_ms) else {
            return false;
        };
        for (frame, stretches) in self.frames.iter().zip(&mut self.run.stretches) {
            let first_ms = row.time_ms.saturating_sub(frame.preceding_ms);
            let start = first_at(&self.rings, ring, first_ms, ring.len());
            stretches.push(self.rings.stretch(ring, start, self.in_order));
        }
        self.run.rows.push(RunRow {
            chunk: row.at.chunk,
            row: row.at.row,
            place,
        });
        moment.out.keys.push(row.key);
        moment.out.rows.push(row.at);
        true
    }

    /// Writes and reads the columns of the rows that joined the run.
    fn finish_run(&mut self, source: &impl InputSource, moment: &mut Moment<'_>) {
        if self.run.rows.is_empty() {
            return;
        }
        self.rings.narrow.write_run(&self.run.rows, source);
        self.rings.narrow.summarise_run(&self.run);
        for (frame, stretches) in self.frames.iter().zip(&self.run.stretches) {
            let (store, whole) = (&self.rings.narrow, &mut self.run.stats);
            frame
                .aggregates
                .answer_run(store, stretches, whole, &mut moment.out.aggregates);
        }
        self.run.clear();
    }
}

impl Operator for SlidingWindow {
    fn accept(&mut self, _key: u32, _time_ms: i64, _arrival_ms: i64) {}

    fn refuse(&mut self, _key: u32, _time_ms: i64, _arrival_ms: i64) -> i64 {
        i64::MIN
    }

    fn makes_late(&self, _key: u32, _time_ms: i64, _now_ms: i64, _rules: &Rules) -> bool {
        false
    }

    #[inline]
    fn push(
        &mut self,
        state: &mut KeyState,
        row: &Waiting,
        inputs: &[InputValues],
        is_ready: bool,
        moment: &mut Moment<'_>,
    ) {
        self.evict(state, row, is_ready, moment.oldest_ms, &moment.rules);
        let new = NewRow {
            time_ms: row.time_ms,
            arrival_ms: row.arrival_ms,
            inputs,
            row: row.at.row as usize,
        };
        self.rings.push(&mut state.ring, new);
    }

    #[inline]
    fn answer(&mut self, state: &mut KeyState, row: &Waiting, moment: &mut Moment<'_>) {
        let ring = &mut state.ring;
        let mut end = ring.len();
        while end > 0 && self.rings.time_ms(ring, end - 1) > row.time_ms {
            end -= 1;
        }
        let mut cut = false;
        for frame in &self.frames {
            let first_ms = row.time_ms.saturating_sub(frame.preceding_ms);
            let start = first_at(&self.rings, ring, first_ms, end);
            let reach = (moment.rules.remember_ms, moment.now_ms);
            cut |= !known_ranges(&self.rings, ring, start..end, row.arrival_ms, reach, &mut self.ranges);
            frame
                .aggregates
                .answer(&self.rings, ring, &self.ranges, &mut moment.out.aggregates);
        }
        moment.out.keys.push(row.key);
        moment.out.rows.push(row.at);
        *moment.cut_windows += u64::from(cut);
    }

    fn evaluate_run(
        &mut self,
        states: &mut [KeyState],
        rows: &[Waiting],
        source: &impl InputSource,
        moment: &mut Moment<'_>,
    ) {
        for (index, row) in rows.iter().enumerate() {
            if let Some(ahead) = rows.get(index + AHEAD) {
                self.rings.prefetch(&states[ahead.key as usize].ring);
            }
            let (state, inputs) = (&mut states[row.key as usize], source.inputs(row.at.chunk));
            state.leave_run();
            moment.oldest_ms = row.arrival_ms;
            self.evict(state, row, true, row.arrival_ms, &moment.rules);
            if !self.join_run(state, row, inputs, moment) {
                // Those that joined stand before it.
                self.finish_run(source, moment);
                self.push(state, row, inputs, true, moment);
                self.answer(state, row, moment);
            }
        }
        self.finish_run(source, moment);
    }

    fn is_due(&self, _now_ms: i64) -> bool {
        false
    }

    fn clock_moved(&mut self, _states: &mut [KeyState], _moment: &mut Moment<'_>) {}

    fn is_quiet(&self, _key: u32) -> bool {
        true
    }

    fn forget(&mut self, _key: u32, state: &mut KeyState) {
        self.rings.release(&mut state.ring);
    }

    fn prefetch_arrival(&self, _key: u32) {}

    fn rings(&self) -> &Rings {
        &self.rings
    }

    fn bytes_held(&self) -> usize {
        self.rings.bytes_held()
    }
}

/// The first of the ring's rows before `end` with a time of at least `first_ms`.
#[inline]
pub(crate) fn first_at(rings: &Rings, ring: &Ring, first_ms: i64, end: usize) -> usize {
    if end == 0 || rings.time_ms(ring, 0) >= first_ms {
        return 0;
    }
    search(rings, ring, first_ms, end)
}

fn search(rings: &Rings, ring: &Ring, first_ms: i64, end: usize) -> usize {
    let (mut low, mut high) = (0, end);
    while low < high {
        let middle = (low + high) / 2;
        if rings.time_ms(ring, middle) < first_ms {
            low = middle + 1
        } else {
            high = middle
        }
    }
    low
}
