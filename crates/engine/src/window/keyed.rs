//! The time rules for one partition's keys: which rows are late, when a row is ready, and in which order rows are answered.
//!
//! [`Keyed`] holds every key's state and the queue of waiting rows, and drives a [`Operator`], which knows what a window is.
//! It does not read records or evaluate expressions, and time comes only from the partition's clock.
//!
//! # The rules
//!
//! They stand in ARCHITECTURE.md, "Time is each user's own". In short: a row's arrival is the clock just after its record; it is
//! ready once the clock has moved more than `lateness` past that; a key's ready rows are answered in event-time order together
//! with waiting rows that are older; a row is late when a ready row that it knows has an equal or greater time.
//!
//! # Constraints
//!
//! - A row that comes in order costs one comparison with its key's horizon, and is answered when its turn in the queue
//!   comes. Everything else is a cold path.
//! - Ready rows are gathered into a *run*, at most one row a key, and evaluated together, so that a column is looked at
//!   once for many rows. Whatever could see that they were not evaluated yet ends the run first: another ready row of the
//!   key, one that is not in order, a window that the clock closes.
//! - What happens is decided record by record, so that batches of any size give the same answer.

use super::evaluated::{Evaluated, RowRef};
use super::late_rows::LateRows;
use super::operator::{InputSource, Moment, Operator, Rules};
use super::queue::{Queue, Waiting};
use super::state::{KeyState, NONE_WAITS};

/// Rows of a run at most: what they touch should stay in the processor's first cache until its columns are done.
const RUN_ROWS: usize = 128;

/// The keys of one partition.
#[derive(Debug)]
pub(crate) struct Keyed<O> {
    pub(crate) states: Vec<KeyState>,
    pub(crate) operator: O,
    pub(crate) rules: Rules,
    /// Answers whose windows reached over rows that do not know each other.
    pub(crate) cut_windows: u64,
    queue: Queue,
    late: LateRows,
    /// Ready rows that are not evaluated yet, at most one of each key.
    run: Vec<Waiting>,
    /// The clock when the last of them became ready.
    run_now_ms: i64,
    /// Rows of one key that are evaluated together; kept for its memory.
    together: Vec<(u32, Waiting)>,
    sweep: usize,
}

impl<O: Operator> Keyed<O> {
    pub(crate) fn new(operator: O, rules: Rules) -> Keyed<O> {
        Keyed {
            states: Vec::new(),
            operator,
            rules,
            cut_windows: 0,
            queue: Queue::default(),
            late: LateRows::default(),
            run: Vec::with_capacity(RUN_ROWS),
            run_now_ms: i64::MIN,
            together: Vec::new(),
            sweep: 0,
        }
    }

    /// Makes room for keys up to `keys`.
    pub(crate) fn make_room(&mut self, keys: usize) {
        if self.states.len() < keys {
            self.states.resize(keys, KeyState::default());
        }
    }

    /// Asks for the memory that a row of the key will touch first.
    #[inline]
    pub(crate) fn prefetch_state(&self, key: u32) {
        crate::prefetch::prefetch(&self.states, key as usize);
        self.operator.prefetch_arrival(key);
    }

    /// Takes a row in at the clock `now_ms`; `false` when it is late.
    #[inline]
    pub(crate) fn arrive(
        &mut self,
        key: u32,
        time_ms: i64,
        now_ms: i64,
        at: RowRef,
        (source, out): (&impl InputSource, &mut Evaluated),
    ) -> bool {
        let state = &mut self.states[key as usize];
        state.saw(now_ms);
        if time_ms < state.horizon_ms {
            if state.is_in_run() {
                self.finish_run(source, out);
            }
            if !self.arrive_older(key, time_ms, now_ms) {
                return false;
            }
        }
        let state = &mut self.states[key as usize];
        state.horizon_ms = state.horizon_ms.max(time_ms + 1);
        state.newest_waiting = self.queue.push(key, time_ms, now_ms, at, state.newest_waiting);
        self.operator.accept(key, time_ms, now_ms);
        true
    }

    /// A row that does not stand behind all rows of its key; `false` when it is late.
    #[cold]
    fn arrive_older(&mut self, key: u32, time_ms: i64, now_ms: i64) -> bool {
        if self.is_late(key, time_ms, now_ms) {
            self.late.add(key, time_ms, now_ms, self.rules.remember_ms);
            let horizon_ms = self.operator.refuse(key, time_ms, now_ms);
            let state = &mut self.states[key as usize];
            state.horizon_ms = state.horizon_ms.max(horizon_ms);
            return false;
        }
        let state = &mut self.states[key as usize];
        if self.queue.of_key(state.newest_waiting).next().is_some() {
            state.set_disordered();
        }
        true
    }

    /// Gathers what is ready at the clock `now_ms` into the run, and closes what is over.
    #[inline]
    pub(crate) fn advance(&mut self, now_ms: i64, source: &impl InputSource, out: &mut Evaluated) {
        while let Some(row) = self.queue.front() {
            if self.queue.front_is_done() {
                self.pop_front();
                continue;
            }
            if now_ms <= row.arrival_ms.saturating_add(self.rules.lateness_ms) {
                break;
            }
            let state = &self.states[row.key as usize];
            if state.is_disordered() {
                let key = row.key;
                self.finish_run(source, out);
                self.evaluate_together(key, now_ms, source, out);
                continue;
            }
            if state.is_in_run() || self.run.len() == RUN_ROWS {
                self.finish_run(source, out);
            }
            if let Some(row) = self.pop_front() {
                self.states[row.key as usize].enter_run();
                self.run.push(row);
                self.run_now_ms = now_ms;
            }
        }
        if self.operator.is_due(now_ms) {
            self.finish_run(source, out);
            let oldest_ms = self.oldest_ms(now_ms);
            let mut moment = Moment {
                rules: self.rules,
                now_ms,
                oldest_ms,
                out,
                cut_windows: &mut self.cut_windows,
            };
            self.operator.clock_moved(&mut self.states, &mut moment);
        }
    }

    /// Evaluates the rows of the run.
    pub(crate) fn finish_run(&mut self, source: &impl InputSource, out: &mut Evaluated) {
        let mut moment = Moment {
            rules: self.rules,
            now_ms: self.run_now_ms,
            oldest_ms: i64::MIN,
            out,
            cut_windows: &mut self.cut_windows,
        };
        self.operator
            .evaluate_run(&mut self.states, &self.run, source, &mut moment);
        self.run.clear();
    }

    /// Answers all that waits and closes all windows, whatever the clock says, and forgets everything.
    pub(crate) fn finish_epoch(&mut self, source: &impl InputSource, out: &mut Evaluated) {
        self.advance(i64::MAX, source, out);
        self.finish_run(source, out);
        for key in 0..self.states.len() {
            self.operator.forget(key as u32, &mut self.states[key]);
            self.states[key] = KeyState::default();
        }
        self.late.clear();
    }

    /// The first chunk that a waiting row still needs.
    pub(crate) fn oldest_chunk(&self) -> Option<u32> {
        self.queue.front().map(|row| row.at.chunk)
    }

    /// Rows that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Looks at the next `keys` keys and forgets those that have gone quiet, but not those that `is_needed`.
    pub(crate) fn sweep(
        &mut self,
        keys: usize,
        now_ms: i64,
        is_needed: impl Fn(u32) -> bool,
        mut forgotten: impl FnMut(u32),
    ) {
        for _ in 0..keys.min(self.states.len()) {
            self.sweep = if self.sweep + 1 < self.states.len() {
                self.sweep + 1
            } else {
                0
            };
            let (key, state) = (self.sweep as u32, &mut self.states[self.sweep]);
            if state.is_forgotten(now_ms, self.rules.remember_ms) && self.operator.is_quiet(key) && !is_needed(key) {
                self.operator.forget(key, state);
                *state = KeyState::default();
                self.late.forget(key);
                forgotten(key);
            }
        }
    }

    /// Bytes held: key states, rows and windows, and what waits.
    pub(crate) fn bytes_held(&self) -> usize {
        self.states.len() * size_of::<KeyState>() + self.operator.bytes_held() + self.queue.len() * size_of::<Waiting>()
    }

    #[inline]
    fn oldest_ms(&self, now_ms: i64) -> i64 {
        self.queue.front().map_or(now_ms, |row| row.arrival_ms.min(now_ms))
    }

    #[inline]
    fn pop_front(&mut self) -> Option<Waiting> {
        let (number, row) = self.queue.pop()?;
        let state = &mut self.states[row.key as usize];
        if state.newest_waiting == number {
            state.newest_waiting = NONE_WAITS;
        }
        Some(row)
    }

    /// Evaluates rows of one key: sorted by time, and at each time all rows are in each other's windows.
    fn evaluate(
        &mut self,
        rows: &[(u32, Waiting)],
        oldest_row_ms: i64,
        now_ms: i64,
        source: &impl InputSource,
        out: &mut Evaluated,
    ) {
        let oldest_ms = self.oldest_ms(now_ms).min(oldest_row_ms);
        let mut moment = Moment {
            rules: self.rules,
            now_ms,
            oldest_ms,
            out,
            cut_windows: &mut self.cut_windows,
        };
        for equal in rows.chunk_by(|(_, one), (_, other)| one.time_ms == other.time_ms) {
            for (_, row) in equal {
                let is_ready = now_ms > row.arrival_ms.saturating_add(self.rules.lateness_ms);
                let state = &mut self.states[row.key as usize];
                self.operator
                    .push(state, row, source.inputs(row.at.chunk), is_ready, &mut moment);
            }
            for (_, row) in equal {
                self.operator
                    .answer(&mut self.states[row.key as usize], row, &mut moment);
            }
        }
    }

    /// A key in disorder: its ready rows and all waiting ones that are older, in event-time order.
    #[cold]
    fn evaluate_together(&mut self, key: u32, now_ms: i64, source: &impl InputSource, out: &mut Evaluated) {
        let mut together = std::mem::take(&mut self.together);
        together.clear();
        let newest = self.states[key as usize].newest_waiting;
        together.extend(self.queue.of_key(newest).map(|(number, row)| (number, *row)));
        together.reverse();
        let oldest_row_ms = together.iter().map(|(_, row)| row.arrival_ms).min().unwrap_or(now_ms);
        let lateness_ms = self.rules.lateness_ms;
        let ready = together
            .iter()
            .filter(|(_, row)| now_ms > row.arrival_ms.saturating_add(lateness_ms));
        let last_ms = ready.map(|(_, row)| row.time_ms).max().unwrap_or(i64::MIN);
        let waiting = together.len();
        together.retain(|(_, row)| row.time_ms <= last_ms);
        // A stable sort: rows of equal time stay in offset order.
        together.sort_by_key(|(_, row)| row.time_ms);
        for (number, _) in &together {
            self.queue.mark_done(*number);
        }
        if together.len() == waiting {
            self.states[key as usize].set_ordered();
        }
        self.evaluate(&together, oldest_row_ms, now_ms, source, out);
        self.together = together;
    }

    #[cold]
    fn is_late(&self, key: u32, time_ms: i64, now_ms: i64) -> bool {
        let rules = &self.rules;
        let state = &self.states[key as usize];
        let is_known = |arrival_ms: i64| now_ms.saturating_sub(arrival_ms) <= rules.remember_ms;
        let is_ready = |arrival_ms: i64| now_ms > arrival_ms.saturating_add(rules.lateness_ms);
        let makes_late =
            |row_ms: i64, arrival_ms: i64| row_ms >= time_ms && is_known(arrival_ms) && is_ready(arrival_ms);
        self.queue
            .of_key(state.newest_waiting)
            .any(|(_, row)| makes_late(row.time_ms, row.arrival_ms))
            || self
                .evaluated(state)
                .any(|(row_ms, arrival_ms)| makes_late(row_ms, arrival_ms))
            || self.operator.makes_late(key, time_ms, now_ms, rules)
            || self.late.make_late(key, time_ms, now_ms, rules)
    }

    /// Time and arrival of the key's evaluated rows, the youngest first.
    fn evaluated(&self, state: &KeyState) -> impl Iterator<Item = (i64, i64)> {
        let (ring, rings) = (state.ring, self.operator.rings());
        (0..ring.len())
            .rev()
            .map(move |index| (rings.time_ms(&ring, index), rings.arrival_ms(&ring, index)))
    }
}
