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
use super::keyed::{Moment, Operator, Rules};
use super::known::known_ranges;
use super::queue::Waiting;
use super::rings::{NewRow, Rings};
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
        (
            SlidingWindow {
                frames,
                longest_ms,
                rings,
                ranges: Vec::new(),
            },
            layout,
        )
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

    #[inline]
    fn evict(&self, state: &mut KeyState, row: &Waiting, is_ready: bool, moment: &Moment<'_>) {
        let first_ms = row.time_ms.saturating_sub(self.longest_ms);
        let known_ms = moment.oldest_ms.saturating_sub(moment.rules.remember_ms);
        let ring = &mut state.ring;
        let mut gone = 0;
        while gone < ring.len() {
            let arrival_ms = self.rings.arrival_ms(ring, gone);
            let is_over = is_ready && arrival_ms <= row.arrival_ms && self.rings.time_ms(ring, gone) < first_ms;
            if !is_over && arrival_ms >= known_ms {
                break;
            }
            gone += 1;
        }
        self.rings.drop_front(ring, gone);
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
        self.evict(state, row, is_ready, moment);
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

    fn clock_moved(&mut self, _states: &mut [KeyState], _moment: &mut Moment<'_>) {}

    fn is_quiet(&self, _key: u32) -> bool {
        true
    }

    fn forget(&mut self, _key: u32, state: &mut KeyState) {
        self.rings.release(&mut state.ring);
    }

    fn prefetch(&self, state: &KeyState) {
        self.rings.prefetch(&state.ring);
    }

    fn rings(&self) -> &Rings {
        &self.rings
    }

    fn bytes_held(&self) -> usize {
        self.rings.bytes_held()
    }
}

/// The first of the ring's rows before `end` with a time of at least `first_ms`.
#[inline]
pub(crate) fn first_at(rings: &Rings, ring: &super::rings::Ring, first_ms: i64, end: usize) -> usize {
    if end == 0 || rings.time_ms(ring, 0) >= first_ms {
        return 0;
    }
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
