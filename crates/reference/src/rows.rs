//! Rows of one partition under the time rules: which are late, when the others are answered, and with which rows.

use crate::clock::Clock;

/// The kind of window and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// For every row the rows in `[t - length, t]`.
    Sliding {
        /// In milliseconds.
        length_ms: i64,
    },
    /// For every key the rows in `[k * length, (k + 1) * length)`, since the epoch.
    Tumbling {
        /// In milliseconds.
        length_ms: i64,
    },
}

/// What a stream declares about time, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How long a row waits for others.
    pub lateness_ms: i64,
    /// How far apart the arrivals of two rows may be that know each other.
    pub remember_ms: i64,
    /// How far one record may move the clock.
    pub max_lead_ms: i64,
    /// How far ahead a record may be at all.
    pub max_skew_ms: i64,
}

/// One answer: a window's key, its time (the row's own, or the window's start) and what was in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answer {
    /// The key.
    pub key: u32,
    /// The row's event time, or the window's start, in milliseconds.
    pub time_ms: i64,
    /// Rows in the window.
    pub count: i64,
    /// The sum of their values.
    pub sum: i64,
}

/// Why a record has no part in any answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refused {
    /// An equal or younger row was ready.
    Late,
    /// More than `max_skew` ahead, not confirmed.
    Skewed,
}

/// Everything that came out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// In the order they were given.
    pub rows: Vec<Answer>,
    /// Offset and reason.
    pub refused: Vec<(u64, Refused)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Late,
    Waiting,
    /// Evaluated, and open to the windows of other rows.
    Evaluated,
    /// In a tumbling window that has closed.
    Closed,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    offset: u64,
    key: u32,
    time_ms: i64,
    value: i64,
    arrival_ms: i64,
    state: State,
}

/// One partition.
#[derive(Debug)]
pub struct Reference {
    rules: Rules,
    window: Window,
    clock: Clock,
    /// In offset order, since the clock was last set back.
    rows: Vec<Row>,
    offset: u64,
    answers: Answers,
    /// Offsets of the rows of each answer.
    windows: Vec<Vec<u64>>,
}

impl Reference {
    /// An empty partition.
    pub fn new(rules: Rules, window: Window) -> Reference {
        Reference {
            rules,
            window,
            clock: Clock::new(rules.max_lead_ms, rules.max_skew_ms),
            rows: Vec::new(),
            offset: 0,
            answers: Answers::default(),
            windows: Vec::new(),
        }
    }

    /// Where the partition's clock stands.
    pub fn clock_ms(&self) -> Option<i64> {
        self.clock.now_ms
    }

    /// The next record. `counts`: whether it fulfils the conditions before the window; the clock sees it anyway.
    pub fn record(&mut self, key: u32, time_ms: i64, value: i64, counts: bool) {
        let offset = self.offset;
        self.offset += 1;
        let seen = self.clock.record(key, time_ms);
        if seen.set_back {
            self.evaluate(i64::MAX);
            self.rows.clear();
        }
        let Some(now_ms) = self.clock.now_ms else { return };
        self.evaluate(now_ms);
        if seen.skewed {
            self.answers.refused.push((offset, Refused::Skewed));
            return;
        }
        if !counts {
            return;
        }
        let mut row = Row {
            offset,
            key,
            time_ms,
            value,
            arrival_ms: now_ms,
            state: State::Waiting,
        };
        if self.is_late(&row) {
            row.state = State::Late;
            self.answers.refused.push((offset, Refused::Late));
        }
        self.rows.push(row);
    }

    /// A mark of an idle partition.
    pub fn mark(&mut self, clock_ms: i64) {
        self.clock.mark(clock_ms);
        if let Some(now_ms) = self.clock.now_ms {
            self.evaluate(now_ms);
        }
    }

    /// Takes what came out.
    pub fn take(&mut self) -> Answers {
        std::mem::take(&mut self.answers)
    }

    /// Takes the offsets of the rows that each answer is made of, in the order of the answers.
    pub fn take_windows(&mut self) -> Vec<Vec<u64>> {
        std::mem::take(&mut self.windows)
    }

    fn know(&self, one: &Row, other: &Row) -> bool {
        one.key == other.key && (one.arrival_ms - other.arrival_ms).abs() <= self.rules.remember_ms
    }

    fn is_ready(&self, row: &Row, now_ms: i64) -> bool {
        now_ms > row.arrival_ms + self.rules.lateness_ms
    }

    /// Whether a row that arrives now is late.
    fn is_late(&self, row: &Row) -> bool {
        let known = || self.rows.iter().filter(|other| self.know(row, other));
        let ready = |other: &&Row| self.is_ready(other, row.arrival_ms);
        if known().filter(ready).any(|other| other.time_ms >= row.time_ms) {
            return true;
        }
        let Window::Tumbling { length_ms } = self.window else {
            return false;
        };
        let start_of = |row: &Row| row.time_ms.div_euclid(length_ms) * length_ms;
        let start_ms = start_of(row);
        let mut of_window: Vec<i64> = known()
            .filter(|other| start_of(other) == start_ms)
            .map(|other| other.arrival_ms)
            .collect();
        of_window.push(row.arrival_ms);
        of_window
            .windows(2)
            .any(|pair| self.may_close(start_ms + length_ms, length_ms, pair[0], pair[1]))
    }

    /// Whether the clock at `now_ms` closes a window whose last row arrived at `arrival_ms`.
    fn may_close(&self, end_ms: i64, length_ms: i64, arrival_ms: i64, now_ms: i64) -> bool {
        now_ms > arrival_ms + self.rules.lateness_ms && (now_ms > end_ms || now_ms > arrival_ms + length_ms)
    }

    /// Everything that the clock at `now_ms` makes ready, and then every window that it closes.
    fn evaluate(&mut self, now_ms: i64) {
        for key in self.keys(State::Waiting) {
            self.evaluate_key(key, now_ms);
        }
        if let Window::Tumbling { .. } = self.window {
            for key in self.keys(State::Evaluated) {
                self.close_by_clock(key, now_ms);
            }
        }
    }

    /// The keys that have rows in this state.
    fn keys(&self, state: State) -> Vec<u32> {
        let rows = self.rows.iter().filter(|row| row.state == state);
        let mut keys: Vec<u32> = rows.map(|row| row.key).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    fn evaluate_key(&mut self, key: u32, now_ms: i64) {
        let waits = |row: &Row| row.key == key && row.state == State::Waiting;
        let ready = self
            .rows
            .iter()
            .filter(|row| waits(row) && self.is_ready_at(row, now_ms));
        let Some(last_ms) = ready.map(|row| row.time_ms).max() else {
            return;
        };
        let mut together: Vec<usize> = (0..self.rows.len())
            .filter(|index| waits(&self.rows[*index]) && self.rows[*index].time_ms <= last_ms)
            .collect();
        together.sort_by_key(|index| self.rows[*index].time_ms);
        for index in &together {
            let time_ms = self.rows[*index].time_ms;
            self.close(key, |end_ms| end_ms <= time_ms);
            self.rows[*index].state = State::Evaluated;
        }
        if let Window::Sliding { length_ms } = self.window {
            for index in together {
                self.answer_sliding(self.rows[index], length_ms);
            }
        }
    }

    fn is_ready_at(&self, row: &Row, now_ms: i64) -> bool {
        now_ms == i64::MAX || self.is_ready(row, now_ms)
    }

    fn answer_sliding(&mut self, row: Row, length_ms: i64) {
        let of_window = |other: &&Row| {
            other.state == State::Evaluated
                && self.know(&row, other)
                && (row.time_ms - length_ms..=row.time_ms).contains(&other.time_ms)
        };
        let rows: Vec<Row> = self.rows.iter().filter(of_window).copied().collect();
        self.answer(row.key, row.time_ms, &rows);
    }

    fn close_by_clock(&mut self, key: u32, now_ms: i64) {
        let Window::Tumbling { length_ms } = self.window else {
            return;
        };
        let over: Vec<i64> = self
            .ends(key)
            .into_iter()
            .filter(|end_ms| {
                let of_window = |row: &&Row| row.key == key && end_of(row.time_ms, length_ms) == *end_ms;
                let last_ms = self.rows.iter().rfind(of_window).map_or(i64::MIN, |row| row.arrival_ms);
                now_ms == i64::MAX || self.may_close(*end_ms, length_ms, last_ms, now_ms)
            })
            .collect();
        self.close(key, |end_ms| over.contains(&end_ms));
    }

    /// The ends of the key's windows that hold rows.
    fn ends(&self, key: u32) -> Vec<i64> {
        let Window::Tumbling { length_ms } = self.window else {
            return Vec::new();
        };
        let rows = self
            .rows
            .iter()
            .filter(|row| row.key == key && row.state == State::Evaluated);
        let mut ends: Vec<i64> = rows.map(|row| end_of(row.time_ms, length_ms)).collect();
        ends.sort_unstable();
        ends.dedup();
        ends
    }

    fn close(&mut self, key: u32, is_over: impl Fn(i64) -> bool) {
        let Window::Tumbling { length_ms } = self.window else {
            return;
        };
        for end_ms in self.ends(key) {
            if is_over(end_ms) {
                self.close_window(key, end_ms, length_ms);
            }
        }
    }

    fn close_window(&mut self, key: u32, end_ms: i64, length_ms: i64) {
        let held: Vec<usize> = (0..self.rows.len())
            .filter(|index| {
                let row = &self.rows[*index];
                row.key == key && row.state == State::Evaluated && end_of(row.time_ms, length_ms) == end_ms
            })
            .collect();
        let Some(last) = held.last().map(|index| self.rows[*index]) else {
            return;
        };
        let known = held.iter().map(|index| &self.rows[*index]);
        let rows: Vec<Row> = known.filter(|row| self.know(&last, row)).copied().collect();
        self.answer(key, end_ms - length_ms, &rows);
        for index in held {
            self.rows[index].state = State::Closed;
        }
    }

    fn answer(&mut self, key: u32, time_ms: i64, rows: &[Row]) {
        self.answers.rows.push(Answer {
            key,
            time_ms,
            count: rows.len() as i64,
            sum: rows.iter().map(|row| row.value).sum(),
        });
        self.windows.push(rows.iter().map(|row| row.offset).collect());
    }
}

fn end_of(time_ms: i64, length_ms: i64) -> i64 {
    (time_ms.div_euclid(length_ms) + 1) * length_ms
}
