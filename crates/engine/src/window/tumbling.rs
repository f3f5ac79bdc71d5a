//! Tumbling windows: for every key and window `[start, start + X)` that held a row, aggregates over its rows.
//!
//! A window *opens* when a row of its range is accepted, and answers when it *closes*. Its rows lie in the key's ring
//! until then, and are read once. A window never opens again; a later row of the same range opens another.
//!
//! # Constraints
//!
//! - The answer holds the rows that the window's last accepted row knows.
//! - It closes when a row of its key at or past its end is evaluated, or when the clock has moved more than `lateness`
//!   past the arrival of its range's last row (late or not) and has passed its end (or has moved more than X past that
//!   arrival).
//! - A row is late when, among the rows of its window that it knows, itself the last, two neighbours leave a gap in which
//!   the clock could have closed the window: the rows alone say so, whether or not it was open then.
//! - A closed window is remembered until a ready row stands behind its end that everyone who knows its rows knows.
//!   Nearly always a key has one open window and remembers one ([`KeyWindows`]).

use std::cell::Cell;
use std::collections::BTreeMap;

use hw_graph::Tumbling;

use super::aggregates::{FrameAggregates, Layout};
use super::evaluated::{AggregateColumn, Evaluated};
use super::inputs::InputValues;
use super::key_windows::{KeyWindow, KeyWindows, NONE};
use super::known::known_ranges;
use super::operator::{AHEAD, InputSource, Moment, Operator, Rules};
use super::queue::Waiting;
use super::rings::{NewRow, Rings};
use super::sliding::first_at;
use super::state::KeyState;

/// Tumbling windows over the rows of every key.
#[derive(Debug)]
pub(crate) struct TumblingWindow {
    length_ms: i64,
    origin_ms: i64,
    lateness_ms: i64,
    aggregates: FrameAggregates,
    rings: Rings,
    windows: KeyWindows,
    /// When a window may close: the clock must have passed this. Looked at again then, for rows may have come.
    timers: BTreeMap<i64, Vec<(u32, i64)>>,
    ranges: Vec<std::ops::Range<usize>>,
    last_start_ms: Cell<i64>,
}

impl TumblingWindow {
    /// `time` is the source's event-time column.
    pub(crate) fn new(tumbling: &Tumbling, lateness_ms: i64, time: usize) -> (TumblingWindow, Layout) {
        let layout = Layout::new(&tumbling.inputs, tumbling.aggregates.iter(), time);
        let window = TumblingWindow {
            length_ms: tumbling.length_ms,
            origin_ms: tumbling.origin_ms,
            lateness_ms,
            aggregates: FrameAggregates::new(&layout, &tumbling.inputs, &tumbling.aggregates, 0),
            // A window ends before its length has passed.
            rings: Rings::new(layout.kinds(), tumbling.length_ms - 1),
            windows: KeyWindows::new(tumbling.length_ms),
            timers: BTreeMap::new(),
            ranges: Vec::new(),
            last_start_ms: Cell::new(tumbling.origin_ms),
        };
        (window, layout)
    }

    /// An empty buffer for the answers.
    pub(crate) fn evaluated(tumbling: &Tumbling) -> Evaluated {
        let aggregates = tumbling
            .aggregates
            .iter()
            .map(|aggregate| AggregateColumn::new(&aggregate.data_type));
        Evaluated {
            aggregates: aggregates.collect(),
            ..Evaluated::default()
        }
    }

    /// The start of the window that holds `time_ms`. Nearly always it is the one that was asked for last, which saves a
    /// division.
    #[inline]
    fn start_of(&self, time_ms: i64) -> i64 {
        let last_ms = self.last_start_ms.get();
        if (0..self.length_ms).contains(&time_ms.wrapping_sub(last_ms)) {
            return last_ms;
        }
        let start_ms = time_ms - (time_ms - self.origin_ms).rem_euclid(self.length_ms);
        self.last_start_ms.set(start_ms);
        start_ms
    }

    /// The window closes when the clock has passed this.
    fn deadline_ms(&self, window: &KeyWindow) -> i64 {
        let last_ms = window.last_ms;
        let over_ms = (window.start_ms + self.length_ms).min(last_ms.saturating_add(self.length_ms));
        over_ms.max(last_ms.saturating_add(self.lateness_ms))
    }

    /// A row of the window has arrived: it may leave a gap behind it. Gives the window, which is to be put back.
    #[inline]
    fn arrived(&mut self, key: u32, start_ms: i64, arrival_ms: i64) -> KeyWindow {
        self.windows.make_room(key);
        let Some(mut window) = self.windows.get(key, start_ms) else {
            return KeyWindow {
                start_ms,
                last_ms: arrival_ms,
                accepted_ms: NONE,
                gap_ms: NONE,
                is_open: false,
            };
        };
        if self.deadline_ms(&window) < arrival_ms {
            window.gap_ms = window.last_ms;
        }
        window.last_ms = arrival_ms;
        window
    }

    fn set_timer(&mut self, key: u32, window: &KeyWindow) {
        self.timers
            .entry(self.deadline_ms(window))
            .or_default()
            .push((key, window.start_ms));
    }

    /// Closes the key's windows that end at or before `time_ms`, the first first.
    #[inline]
    fn close_until(&mut self, key: u32, state: &mut KeyState, time_ms: i64, moment: &mut Moment<'_>) {
        let length_ms = self.length_ms;
        let is_over = |window: &KeyWindow| window.is_open && window.start_ms + length_ms <= time_ms;
        while let Some(window) = (self.windows.of_key(key).filter(is_over)).min_by_key(|window| window.start_ms) {
            self.close(key, state, window, moment);
        }
    }

    fn close(&mut self, key: u32, state: &mut KeyState, window: KeyWindow, moment: &mut Moment<'_>) {
        let (start_ms, end_ms) = (window.start_ms, window.start_ms + self.length_ms);
        let ring = &mut state.ring;
        let first = first_at(&self.rings, ring, start_ms, ring.len());
        let end = first_at(&self.rings, ring, end_ms, ring.len());
        let reach = (moment.rules.remember_ms, moment.now_ms);
        let accepted_ms = window.accepted_ms;
        let all_known = known_ranges(&self.rings, ring, first..end, accepted_ms, reach, &mut self.ranges);
        if !self.ranges.is_empty() {
            self.aggregates
                .answer(&self.rings, ring, &self.ranges, &mut moment.out.aggregates);
            moment.out.keys.push(key);
            moment.out.starts.push(start_ms);
            *moment.cut_windows += u64::from(!all_known);
        }
        self.rings.drop_range(ring, first..end);
        state.horizon_ms = state.horizon_ms.max(end_ms);
        let closed = KeyWindow {
            is_open: false,
            ..window
        };
        self.windows.put(key, closed);
    }

    /// Drops the windows that no row can ask for: whoever knows their last row knows the ready one at `time_ms`, too.
    #[inline]
    fn drop_outlived(&mut self, key: u32, time_ms: i64, arrival_ms: i64) {
        let length_ms = self.length_ms;
        let is_outlived = |window: &KeyWindow| {
            !window.is_open && window.start_ms + length_ms <= time_ms && window.last_ms <= arrival_ms
        };
        self.windows.retain(key, |window| !is_outlived(window));
    }

    #[cold]
    fn close_due(&mut self, states: &mut [KeyState], moment: &mut Moment<'_>) {
        while let Some(due) = self.timers.first_entry().filter(|due| *due.key() < moment.now_ms) {
            for (key, start_ms) in due.remove() {
                let Some(window) = self.windows.get(key, start_ms).filter(|window| window.is_open) else {
                    continue;
                };
                if self.deadline_ms(&window) < moment.now_ms {
                    self.close(key, &mut states[key as usize], window, moment);
                } else {
                    self.set_timer(key, &window);
                }
            }
        }
    }
}

impl Operator for TumblingWindow {
    #[inline]
    fn accept(&mut self, key: u32, time_ms: i64, arrival_ms: i64) {
        let start_ms = self.start_of(time_ms);
        let arrived = self.arrived(key, start_ms, arrival_ms);
        let window = KeyWindow {
            accepted_ms: arrival_ms,
            is_open: true,
            ..arrived
        };
        if !arrived.is_open {
            self.set_timer(key, &window);
        }
        self.windows.put(key, window);
    }

    #[cold]
    fn refuse(&mut self, key: u32, time_ms: i64, arrival_ms: i64) -> i64 {
        let start_ms = self.start_of(time_ms);
        let window = self.arrived(key, start_ms, arrival_ms);
        self.windows.put(key, window);
        start_ms + self.length_ms
    }

    fn makes_late(&self, key: u32, time_ms: i64, now_ms: i64, rules: &Rules) -> bool {
        let knows = |arrival_ms: i64| arrival_ms != NONE && now_ms.saturating_sub(arrival_ms) <= rules.remember_ms;
        let start_ms = self.start_of(time_ms);
        self.windows.of_key(key).any(|window| {
            let was_closed = !window.is_open && window.accepted_ms != NONE;
            if window.start_ms == start_ms {
                knows(window.gap_ms)
                    || (knows(window.last_ms) && self.deadline_ms(&window) < now_ms)
                    || (was_closed && knows(window.accepted_ms))
            } else {
                was_closed && window.start_ms > start_ms && knows(window.accepted_ms)
            }
        })
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
        self.close_until(row.key, state, row.time_ms, moment);
        if is_ready {
            self.drop_outlived(row.key, row.time_ms, row.arrival_ms);
        }
        let new = NewRow {
            time_ms: row.time_ms,
            arrival_ms: row.arrival_ms,
            inputs,
            row: row.at.row as usize,
        };
        self.rings.push(&mut state.ring, new);
    }

    fn answer(&mut self, _state: &mut KeyState, _row: &Waiting, _moment: &mut Moment<'_>) {}

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
                self.prefetch_arrival(ahead.key);
            }
            let state = &mut states[row.key as usize];
            state.leave_run();
            moment.oldest_ms = row.arrival_ms;
            self.push(state, row, source.inputs(row.at.chunk), true, moment);
        }
    }

    #[inline]
    fn is_due(&self, now_ms: i64) -> bool {
        let first = self.timers.first_key_value();
        first.is_some_and(|(deadline_ms, _)| *deadline_ms < now_ms)
    }

    fn clock_moved(&mut self, states: &mut [KeyState], moment: &mut Moment<'_>) {
        self.close_due(states, moment);
    }

    fn is_quiet(&self, key: u32) -> bool {
        self.windows.of_key(key).all(|window| !window.is_open)
    }

    fn forget(&mut self, key: u32, state: &mut KeyState) {
        self.rings.release(&mut state.ring);
        self.windows.forget(key);
    }

    #[inline]
    fn prefetch_arrival(&self, key: u32) {
        self.windows.prefetch(key);
    }

    fn rings(&self) -> &Rings {
        &self.rings
    }

    fn bytes_held(&self) -> usize {
        self.rings.bytes_held() + self.windows.bytes_held()
    }
}
