//! Columns of rows for many rings, narrow or wide, and the summaries of long ones.
//!
//! A [`Store`] shares its places among rings; a ring's block is the same stretch of every column. It does not choose
//! between narrow and wide, and knows no windows.

use std::ops::Range;

use crate::prefetch::prefetch;

use super::blocks::{Blocks, LONG_ROWS};
use super::column::{Column, SUMMARY_ROWS};
use super::operator::InputSource;
use super::rings::{Home, NewRow, Ring};
use super::run::{Run, RunRow, Stretch, WholeStats};
use super::stats::Stats;
use super::summaries::Summaries;

/// Event times and arrivals.
#[derive(Debug)]
pub(crate) enum Times {
    Narrow { after_base: Vec<u32>, lags: Vec<i16> },
    Wide { times: Vec<i64>, arrivals: Vec<i64> },
}

/// Rows of many rings.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) blocks: Blocks,
    pub(crate) times: Times,
    pub(crate) columns: Vec<Column>,
    /// By column; filled only for long rings.
    summaries: Vec<Summaries>,
}

impl Store {
    pub(crate) fn new(times: Times, columns: Vec<Column>) -> Store {
        let summaries = columns.iter().map(|column| Summaries::new(column.is_whole())).collect();
        Store {
            blocks: Blocks::new(),
            times,
            columns,
            summaries,
        }
    }

    #[inline]
    pub(crate) fn place(&self, ring: &Ring, index: usize) -> usize {
        let capacity = self.blocks.capacity(ring.class);
        let within = ring.front as usize + index;
        ring.at as usize + if within >= capacity { within - capacity } else { within }
    }

    /// Asks for the memory of a short ring, or for what a long one is answered from: its ends and its summaries.
    #[inline]
    pub(crate) fn prefetch(&self, ring: &Ring) {
        let capacity = self.blocks.capacity(ring.class);
        if capacity < LONG_ROWS {
            self.prefetch_times(ring.at as usize);
            self.columns.iter().for_each(|column| column.prefetch(ring.at as usize));
        } else {
            self.prefetch_long(ring, capacity);
        }
    }

    #[inline(never)]
    fn prefetch_long(&self, ring: &Ring, capacity: usize) {
        let stretches = ring.at as usize / SUMMARY_ROWS..(ring.at as usize + capacity) / SUMMARY_ROWS;
        self.summaries
            .iter()
            .for_each(|summaries| summaries.prefetch(stretches.clone()));
        // The first rows leave, and the next comes behind the last.
        self.prefetch_times(self.place(ring, 0));
        self.prefetch_times(self.place(ring, ring.len()));
        for index in [
            0,
            SUMMARY_ROWS / 2,
            ring.len().saturating_sub(SUMMARY_ROWS / 2),
            ring.len(),
        ] {
            let place = self.place(ring, index);
            self.columns.iter().for_each(|column| column.prefetch(place));
        }
    }

    #[inline(always)]
    fn prefetch_times(&self, place: usize) {
        match &self.times {
            Times::Narrow { after_base, lags } => {
                prefetch(after_base, place);
                prefetch(lags, place);
            }
            Times::Wide { times, arrivals } => {
                prefetch(times, place);
                prefetch(arrivals, place);
            }
        }
    }

    #[inline]
    pub(crate) fn time_ms(&self, ring: &Ring, place: usize) -> i64 {
        match &self.times {
            Times::Narrow { after_base, .. } => ring.base_ms + i64::from(after_base[place]),
            Times::Wide { times, .. } => times[place],
        }
    }

    #[inline]
    pub(crate) fn arrival_ms(&self, ring: &Ring, place: usize) -> i64 {
        match &self.times {
            Times::Narrow { lags, .. } => self.time_ms(ring, place) + i64::from(lags[place]),
            Times::Wide { arrivals, .. } => arrivals[place],
        }
    }

    #[inline]
    pub(crate) fn set_times(&mut self, ring: &Ring, place: usize, time_ms: i64, arrival_ms: i64) -> bool {
        match &mut self.times {
            Times::Narrow { after_base, lags } => {
                let Some(Ok(after)) = time_ms.checked_sub(ring.base_ms).map(u32::try_from) else {
                    return false;
                };
                let Some(Ok(lag)) = arrival_ms.checked_sub(time_ms).map(i16::try_from) else {
                    return false;
                };
                after_base[place] = after;
                lags[place] = lag;
            }
            Times::Wide { times, arrivals } => {
                times[place] = time_ms;
                arrivals[place] = arrival_ms;
            }
        }
        true
    }

    #[inline]
    pub(super) fn set_narrow_times(&mut self, place: usize, after: u32, lag: i16) {
        let Times::Narrow { after_base, lags } = &mut self.times else {
            unreachable!("invariant: only the narrow store holds times after a base")
        };
        after_base[place] = after;
        lags[place] = lag;
    }

    /// Writes the inputs of a run's rows, column by column. They fit.
    pub(super) fn write_run(&mut self, rows: &[RunRow], source: &impl InputSource) {
        for of_chunk in rows.chunk_by(|one, other| one.chunk == other.chunk) {
            let inputs = source.inputs(of_chunk[0].chunk);
            for (column, input) in self.columns.iter_mut().zip(inputs) {
                column.write_run(of_chunk, input);
            }
        }
    }

    /// Summarises what the run's rows have filled; for those in long rings.
    pub(super) fn summarise_run(&mut self, run: &Run) {
        let Some(stretches) = run.stretches.first() else { return };
        for (row, _) in run.rows.iter().zip(stretches).filter(|(_, stretch)| stretch.is_long) {
            self.summarise_behind(row.place as usize);
        }
    }

    /// What is known of a whole column over each stretch.
    pub(super) fn whole_stats(&self, column: usize, stretches: &[Stretch], into: &mut WholeStats) {
        into.clear();
        self.columns[column].scan_run(stretches, self.summaries[column].small(), into);
    }

    /// What is known of a column over a stretch, with summaries where there are any.
    #[inline]
    pub(super) fn stats_of(&self, column: usize, stretch: &Stretch) -> Stats {
        let mut stats = Stats::NONE;
        let capacity = if stretch.is_long { LONG_ROWS } else { 0 };
        for places in stretch.places() {
            self.add_stats(column, places, capacity, &mut stats);
        }
        stats
    }

    /// Writes behind the last row; `false` when something does not fit.
    #[inline]
    pub(crate) fn write(&mut self, ring: &Ring, row: NewRow<'_>) -> bool {
        let place = self.place(ring, ring.len());
        self.set_times(ring, place, row.time_ms, row.arrival_ms)
            && self
                .columns
                .iter_mut()
                .zip(row.inputs)
                .all(|(column, input)| column.set(place, input, row.row))
    }

    /// Moves the last row to where its time belongs; gives its index.
    #[inline]
    pub(crate) fn settle(&mut self, ring: &Ring) -> usize {
        let last = ring.len() - 1;
        let time_ms = self.time_ms(ring, self.place(ring, last));
        if last == 0 || self.time_ms(ring, self.place(ring, last - 1)) <= time_ms {
            if self.blocks.capacity(ring.class) >= LONG_ROWS {
                self.summarise_behind(self.place(ring, last));
            }
            return last;
        }
        self.settle_older(ring, last, time_ms)
    }

    #[cold]
    pub(crate) fn settle_older(&mut self, ring: &Ring, last: usize, time_ms: i64) -> usize {
        let mut index = last;
        while index > 0 && self.time_ms(ring, self.place(ring, index - 1)) > time_ms {
            self.swap_rows(self.place(ring, index), self.place(ring, index - 1));
            index -= 1;
        }
        self.summarise(ring, index);
        index
    }

    /// Swaps through a spare place behind all blocks.
    pub(crate) fn swap_rows(&mut self, one: usize, other: usize) {
        let spare = self.blocks.end();
        self.resize(spare + 1);
        self.move_row(spare, one);
        self.move_row(one, other);
        self.move_row(other, spare);
    }

    pub(crate) fn move_row(&mut self, to: usize, from: usize) {
        match &mut self.times {
            Times::Narrow { after_base, lags } => {
                after_base[to] = after_base[from];
                lags[to] = lags[from];
            }
            Times::Wide { times, arrivals } => {
                times[to] = times[from];
                arrivals[to] = arrivals[from];
            }
        }
        self.columns.iter_mut().for_each(|column| column.move_row(to, from));
    }

    /// Gives the ring a block with room for one more row, and for as many as its past makes likely.
    #[cold]
    pub(crate) fn grow(&mut self, ring: &mut Ring, home: Home, span_ms: i64, time_ms: i64) {
        let rows = ring.len();
        // A few rows say little about their rate; from then on as many as will be in the window at a time.
        let likely = if rows < 8 {
            2 * rows.max(1)
        } else {
            let passed_ms = time_ms.saturating_sub(self.time_ms(ring, self.place(ring, 0))).max(1);
            let fill = span_ms.saturating_mul(rows as i64) / passed_ms;
            fill.clamp(0, 8 * rows as i64) as usize + 1
        };
        let mut grown = *ring;
        grown.home = home;
        grown.class = self.blocks.class_for(likely.max(rows + 1));
        grown.at = self.blocks.take(grown.class);
        grown.front = 0;
        self.make_room();
        for index in 0..rows {
            self.move_row(grown.at as usize + index, self.place(ring, index));
        }
        if ring.home != Home::Nowhere {
            self.blocks.give_back(ring.at, ring.class);
        }
        *ring = grown;
        self.summarise(ring, 0);
    }

    pub(crate) fn make_room(&mut self) {
        self.resize(self.blocks.end());
    }

    pub(crate) fn resize(&mut self, rows: usize) {
        match &mut self.times {
            Times::Narrow { after_base, lags } => {
                after_base.resize(rows, 0);
                lags.resize(rows, 0);
            }
            Times::Wide { times, arrivals } => {
                times.resize(rows, 0);
                arrivals.resize(rows, 0);
            }
        }
        self.columns.iter_mut().for_each(|column| column.resize(rows));
    }

    /// Summarises the full stretch that ends with `place`, if one does.
    #[inline]
    pub(crate) fn summarise_behind(&mut self, place: usize) {
        if (place + 1).is_multiple_of(SUMMARY_ROWS) {
            self.summarise_stretch(place / SUMMARY_ROWS);
        }
    }

    pub(crate) fn summarise_stretch(&mut self, stretch: usize) {
        for (column, summaries) in self.columns.iter().zip(&mut self.summaries) {
            let mut stats = Stats::NONE;
            column.scan(stretch * SUMMARY_ROWS..(stretch + 1) * SUMMARY_ROWS, &mut stats);
            summaries.set(stretch, stats);
        }
    }

    /// Summarises again whatever holds the `from`-th row or a later one.
    pub(crate) fn summarise(&mut self, ring: &Ring, from: usize) {
        if self.blocks.capacity(ring.class) >= LONG_ROWS {
            for index in from..ring.len() {
                self.summarise_behind(self.place(ring, index));
            }
        }
    }

    #[inline]
    pub(crate) fn add_stats(&self, column: usize, places: Range<usize>, capacity: usize, stats: &mut Stats) {
        let (column, summaries) = (&self.columns[column], &self.summaries[column]);
        if capacity < LONG_ROWS || places.len() < 2 * SUMMARY_ROWS {
            return column.scan(places, stats);
        }
        let first = places.start.next_multiple_of(SUMMARY_ROWS);
        let last = places.end / SUMMARY_ROWS * SUMMARY_ROWS;
        column.scan(places.start..first, stats);
        summaries.join(first / SUMMARY_ROWS..last / SUMMARY_ROWS, stats);
        column.scan(last..places.end, stats);
    }

    pub(crate) fn bytes_held(&self) -> usize {
        let times = match self.times {
            Times::Narrow { .. } => 6,
            Times::Wide { .. } => 16,
        };
        let row = times + self.columns.iter().map(Column::row_bytes).sum::<usize>();
        let summaries: usize = self.summaries.iter().map(Summaries::bytes_held).sum();
        self.blocks.end() * row + summaries
    }
}
