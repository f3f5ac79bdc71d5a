//! Tumbling windows: for every key and window `[start, start + X)` that held a row, aggregates over its rows.
//!
//! A window *opens* when a row of its range is accepted, and answers when it *closes*. Its rows lie in the key's ring
//! until then, and are read once. A window never opens again; a later row of the same range opens another.
//!
//! # Constraints
//!
//! - A window's last row is the one that arrived last; the answer holds the rows that it knows.
//! - It closes when a row of its key at or past its end is evaluated, or when the clock has moved more than `lateness`
//!   past its last row's arrival and has passed its end, or has moved more than X past that arrival.
//! - Nearly always a key has one open window and remembers one closed one; others lie in maps.

use std::collections::{BTreeMap, HashMap};

use hw_graph::Tumbling;

use super::aggregates::{FrameAggregates, Layout};
use super::evaluated::{AggregateColumn, Evaluated};
use super::inputs::InputValues;
use super::keyed::{Moment, Operator, Rules};
use super::known::known_ranges;
use super::queue::Waiting;
use super::rings::{NewRow, Rings};
use super::sliding::first_at;
use super::state::KeyState;

/// An open window of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Open {
    start_ms: i64,
    last_arrival_ms: i64,
}

/// A closed window of a key, as far as it makes rows late.
#[derive(Debug, Clone, Copy)]
struct Closed {
    last_arrival_ms: i64,
    end_ms: i64,
}

#[derive(Debug, Clone, Copy)]
struct Windows {
    open: Option<Open>,
    closed: Option<Closed>,
}

/// Tumbling windows over the rows of every key.
#[derive(Debug)]
pub(crate) struct TumblingWindow {
    length_ms: i64,
    origin_ms: i64,
    lateness_ms: i64,
    aggregates: FrameAggregates,
    rings: Rings,
    windows: Vec<Windows>,
    more_open: HashMap<u32, Vec<Open>>,
    more_closed: HashMap<u32, Vec<Closed>>,
    /// When a window may close: the clock must have passed this. Looked at again then, for rows may have come.
    timers: BTreeMap<i64, Vec<(u32, i64)>>,
    ranges: Vec<std::ops::Range<usize>>,
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
            rings: Rings::new(layout.kinds(), tumbling.length_ms),
            windows: Vec::new(),
            more_open: HashMap::new(),
            more_closed: HashMap::new(),
            timers: BTreeMap::new(),
            ranges: Vec::new(),
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

    fn start_of(&self, time_ms: i64) -> i64 {
        time_ms - (time_ms - self.origin_ms).rem_euclid(self.length_ms)
    }

    fn end_of(&self, time_ms: i64) -> i64 {
        self.start_of(time_ms) + self.length_ms
    }

    /// The window closes when the clock has passed this.
    fn deadline_ms(&self, open: &Open) -> i64 {
        let over_ms = (open.start_ms + self.length_ms).min(open.last_arrival_ms.saturating_add(self.length_ms));
        over_ms.max(open.last_arrival_ms.saturating_add(self.lateness_ms))
    }

    fn find_open(&self, key: u32, start_ms: i64) -> Option<Open> {
        let first = self.windows[key as usize].open.filter(|open| open.start_ms == start_ms);
        first.or_else(|| {
            self.more_open
                .get(&key)?
                .iter()
                .find(|open| open.start_ms == start_ms)
                .copied()
        })
    }

    #[cold]
    fn accept_another(&mut self, key: u32, start_ms: i64, arrival_ms: i64) {
        let more = self.more_open.entry(key).or_default();
        if let Some(open) = more.iter_mut().find(|open| open.start_ms == start_ms) {
            open.last_arrival_ms = arrival_ms;
            return;
        }
        let open = Open {
            start_ms,
            last_arrival_ms: arrival_ms,
        };
        more.push(open);
        self.set_timer(key, &open);
    }

    fn set_timer(&mut self, key: u32, open: &Open) {
        self.timers
            .entry(self.deadline_ms(open))
            .or_default()
            .push((key, open.start_ms));
    }

    /// Closes the key's windows that end at or before `time_ms`.
    fn close_until(&mut self, key: u32, state: &mut KeyState, time_ms: i64, moment: &mut Moment<'_>) {
        if let Some(open) = self.windows[key as usize]
            .open
            .filter(|open| open.start_ms + self.length_ms <= time_ms)
        {
            self.close(key, state, open, moment);
        }
        if self.more_open.is_empty() {
            return;
        }
        let more = self.more_open.get(&key).into_iter().flatten();
        let over: Vec<Open> = more
            .filter(|open| open.start_ms + self.length_ms <= time_ms)
            .copied()
            .collect();
        for open in over {
            self.close(key, state, open, moment);
        }
    }

    fn close(&mut self, key: u32, state: &mut KeyState, open: Open, moment: &mut Moment<'_>) {
        let end_ms = open.start_ms + self.length_ms;
        let ring = &mut state.ring;
        let first = first_at(&self.rings, ring, open.start_ms, ring.len());
        let end = first_at(&self.rings, ring, end_ms, ring.len());
        let reach = (moment.rules.remember_ms, moment.now_ms);
        let arrival_ms = open.last_arrival_ms;
        let all_known = known_ranges(&self.rings, ring, first..end, arrival_ms, reach, &mut self.ranges);
        if !self.ranges.is_empty() {
            self.aggregates
                .answer(&self.rings, ring, &self.ranges, &mut moment.out.aggregates);
            moment.out.keys.push(key);
            moment.out.starts.push(open.start_ms);
            *moment.cut_windows += u64::from(!all_known);
        }
        self.rings.drop_range(ring, first..end);
        state.horizon_ms = state.horizon_ms.max(end_ms);
        self.note_closed(key, open, end_ms, moment);
    }

    fn note_closed(&mut self, key: u32, open: Open, end_ms: i64, moment: &mut Moment<'_>) {
        let windows = &mut self.windows[key as usize];
        if windows.open == Some(open) {
            windows.open = None;
        } else if let Some(more) = self.more_open.get_mut(&key) {
            more.retain(|other| *other != open);
            if more.is_empty() {
                self.more_open.remove(&key);
            }
        }
        let closed = Closed {
            last_arrival_ms: open.last_arrival_ms,
            end_ms,
        };
        match windows.closed {
            Some(other) if other.last_arrival_ms > closed.last_arrival_ms || other.end_ms > closed.end_ms => {
                let more = self.more_closed.entry(key).or_default();
                more.retain(|other| moment.oldest_ms.saturating_sub(other.last_arrival_ms) <= moment.rules.remember_ms);
                more.push(closed);
            }
            _ => windows.closed = Some(closed),
        }
        let (length_ms, origin_ms) = (self.length_ms, self.origin_ms);
        let window_end_ms = |time_ms: i64| time_ms - (time_ms - origin_ms).rem_euclid(length_ms) + length_ms;
        moment.late.window_closed(key, end_ms, window_end_ms);
    }

    /// The closed windows that a row arriving at `now_ms` knows a row of.
    fn known_closed(&self, key: u32, now_ms: i64, rules: &Rules) -> impl Iterator<Item = &Closed> {
        let remember_ms = rules.remember_ms;
        let first = self.windows[key as usize].closed.iter();
        first
            .chain(self.more_closed.get(&key).into_iter().flatten())
            .filter(move |closed| now_ms.saturating_sub(closed.last_arrival_ms) <= remember_ms)
    }

    #[cold]
    fn close_due(&mut self, states: &mut [KeyState], moment: &mut Moment<'_>) {
        while let Some(due) = self.timers.first_entry().filter(|due| *due.key() < moment.now_ms) {
            for (key, start_ms) in due.remove() {
                let Some(open) = self.find_open(key, start_ms) else {
                    continue;
                };
                if self.deadline_ms(&open) < moment.now_ms {
                    self.close(key, &mut states[key as usize], open, moment);
                } else {
                    self.set_timer(key, &open);
                }
            }
        }
    }
}

impl Operator for TumblingWindow {
    #[inline]
    fn accept(&mut self, key: u32, time_ms: i64, arrival_ms: i64) {
        if self.windows.len() <= key as usize {
            self.windows.resize(
                key as usize + 1,
                Windows {
                    open: None,
                    closed: None,
                },
            );
        }
        let windows = &mut self.windows[key as usize];
        match &mut windows.open {
            Some(open) if time_ms >= open.start_ms && time_ms < open.start_ms + self.length_ms => {
                open.last_arrival_ms = arrival_ms;
            }
            Some(_) => self.accept_another(key, self.start_of(time_ms), arrival_ms),
            None => {
                let start_ms = time_ms - (time_ms - self.origin_ms).rem_euclid(self.length_ms);
                let open = Open {
                    start_ms,
                    last_arrival_ms: arrival_ms,
                };
                if self
                    .more_open
                    .get(&key)
                    .is_some_and(|more| more.iter().any(|open| open.start_ms == start_ms))
                {
                    return self.accept_another(key, start_ms, arrival_ms);
                }
                windows.open = Some(open);
                self.set_timer(key, &open);
            }
        }
    }

    fn closed_makes_late(&self, key: u32, time_ms: i64, now_ms: i64, rules: &Rules) -> bool {
        self.windows.len() > key as usize
            && self
                .known_closed(key, now_ms, rules)
                .any(|closed| closed.end_ms > time_ms)
    }

    fn closed_end_of(&self, key: u32, time_ms: i64, now_ms: i64, rules: &Rules) -> Option<i64> {
        let end_ms = self.end_of(time_ms);
        let is_closed = self.windows.len() > key as usize
            && self
                .known_closed(key, now_ms, rules)
                .any(|closed| closed.end_ms >= end_ms);
        is_closed.then_some(end_ms)
    }

    #[inline]
    fn push(
        &mut self,
        state: &mut KeyState,
        row: &Waiting,
        inputs: &[InputValues],
        _is_ready: bool,
        moment: &mut Moment<'_>,
    ) {
        self.close_until(row.key, state, row.time_ms, moment);
        let new = NewRow {
            time_ms: row.time_ms,
            arrival_ms: row.arrival_ms,
            inputs,
            row: row.at.row as usize,
        };
        self.rings.push(&mut state.ring, new);
    }

    fn answer(&mut self, _state: &mut KeyState, _row: &Waiting, _moment: &mut Moment<'_>) {}

    #[inline]
    fn clock_moved(&mut self, states: &mut [KeyState], moment: &mut Moment<'_>) {
        if self
            .timers
            .first_key_value()
            .is_some_and(|(deadline_ms, _)| *deadline_ms < moment.now_ms)
        {
            self.close_due(states, moment);
        }
    }

    fn is_quiet(&self, key: u32) -> bool {
        self.windows
            .get(key as usize)
            .is_none_or(|windows| windows.open.is_none())
            && !self.more_open.contains_key(&key)
    }

    fn forget(&mut self, key: u32, state: &mut KeyState) {
        self.rings.release(&mut state.ring);
        self.more_open.remove(&key);
        self.more_closed.remove(&key);
        if let Some(windows) = self.windows.get_mut(key as usize) {
            *windows = Windows {
                open: None,
                closed: None,
            };
        }
    }

    fn prefetch(&self, state: &KeyState) {
        self.rings.prefetch(&state.ring);
    }

    fn rings(&self) -> &Rings {
        &self.rings
    }

    fn bytes_held(&self) -> usize {
        self.rings.bytes_held() + self.windows.len() * size_of::<Windows>()
    }
}
