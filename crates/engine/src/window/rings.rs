//! The rows of every key's window: a [`Ring`] a key, in event-time order, over shared columns.
//!
//! A ring is a stretch of places in a [`Store`]; the narrow store is tried first, and a key whose values do not fit
//! without loss moves to the wide one until its ring is empty. It does not know which rows belong to a window, nor what is late.
//!
//! # Constraints
//!
//! - Rows of a ring are sorted by event time; equal times stand in the order they were pushed.
//! - Times come back exactly as they were given, arrivals too.
//! - A ring costs its rows and 24 bytes; the columns are arrays, so a row costs the sum of its columns' widths.

use std::ops::Range;

use arrow::datatypes::DataType;

use super::blocks::{Blocks, LONG_ROWS};
use super::column::{Column, SUMMARY_ROWS, Stats, Wanted};
use super::inputs::InputValues;

/// Where a key's rows lie.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, packed(4))]
pub(crate) struct Ring {
    at: u32,
    front: u32,
    len: u32,
    /// A lower bound of the arrivals, after `base_ms`; saturates.
    arrival_low: i32,
    base_ms: i64,
    class: u8,
    home: Home,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Home {
    #[default]
    Nowhere,
    Narrow,
    Wide,
}

impl Ring {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// No row of the ring arrived before this.
    #[inline]
    pub(crate) fn arrival_low_ms(&self) -> i64 {
        if self.arrival_low == i32::MIN {
            i64::MIN
        } else {
            self.base_ms + i64::from(self.arrival_low)
        }
    }

    fn note_arrival(&mut self, arrival_ms: i64) {
        let low = arrival_ms
            .saturating_sub(self.base_ms)
            .clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
        self.arrival_low = if self.len == 0 { low } else { self.arrival_low.min(low) };
    }
}

/// One row on its way into a ring.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewRow<'a> {
    pub(crate) time_ms: i64,
    pub(crate) arrival_ms: i64,
    pub(crate) inputs: &'a [InputValues],
    /// The row within the inputs.
    pub(crate) row: usize,
}

#[derive(Debug)]
enum Times {
    Narrow { after_base: Vec<u32>, lags: Vec<i16> },
    Wide { times: Vec<i64>, arrivals: Vec<i64> },
}

#[derive(Debug)]
struct Store {
    blocks: Blocks,
    times: Times,
    columns: Vec<Column>,
    /// By column, then by place / `SUMMARY_ROWS`; filled only for long rings.
    summaries: Vec<Vec<Stats>>,
}

/// What a store keeps of one input.
#[derive(Debug, Clone)]
pub(crate) struct ColumnKind {
    pub(crate) data_type: DataType,
    pub(crate) nullable: bool,
    pub(crate) wanted: Wanted,
}

/// The rows of all rings.
#[derive(Debug)]
pub(crate) struct Rings {
    narrow: Store,
    wide: Store,
    /// The window's length, to guess how many rows a key will hold.
    span_ms: i64,
}

impl Rings {
    pub(crate) fn new(kinds: &[ColumnKind], span_ms: i64) -> Rings {
        let narrow = kinds
            .iter()
            .map(|kind| Column::narrow(&kind.data_type, kind.wanted))
            .collect();
        let wide = kinds
            .iter()
            .map(|kind| Column::wide(&kind.data_type, kind.nullable, kind.wanted))
            .collect();
        Rings {
            narrow: Store::new(
                Times::Narrow {
                    after_base: Vec::new(),
                    lags: Vec::new(),
                },
                narrow,
            ),
            wide: Store::new(
                Times::Wide {
                    times: Vec::new(),
                    arrivals: Vec::new(),
                },
                wide,
            ),
            span_ms,
        }
    }

    /// Puts a row where its time belongs, behind rows of equal time; gives its index.
    #[inline]
    pub(crate) fn push(&mut self, ring: &mut Ring, row: NewRow<'_>) -> usize {
        if ring.len == 0 {
            self.release(ring);
            ring.base_ms = row.time_ms;
        }
        ring.note_arrival(row.arrival_ms);
        if ring.home != Home::Wide {
            if ring.home == Home::Nowhere || ring.len as usize == self.narrow.blocks.capacity(ring.class) {
                self.narrow.grow(ring, Home::Narrow, self.span_ms, row.time_ms);
            }
            if self.narrow.write(ring, row) {
                ring.len += 1;
                return self.narrow.settle(ring);
            }
            self.widen(ring);
        }
        if ring.len as usize == self.wide.blocks.capacity(ring.class) {
            self.wide.grow(ring, Home::Wide, self.span_ms, row.time_ms);
        }
        self.wide.write(ring, row);
        ring.len += 1;
        self.wide.settle(ring)
    }

    /// Event time of the `index`-th row in milliseconds.
    #[inline]
    pub(crate) fn time_ms(&self, ring: &Ring, index: usize) -> i64 {
        let store = self.store(ring);
        store.time_ms(ring, store.place(ring, index))
    }

    /// Arrival of the `index`-th row in milliseconds.
    #[inline]
    pub(crate) fn arrival_ms(&self, ring: &Ring, index: usize) -> i64 {
        let store = self.store(ring);
        store.arrival_ms(ring, store.place(ring, index))
    }

    /// Drops the first `rows` rows.
    #[inline]
    pub(crate) fn drop_front(&self, ring: &mut Ring, rows: usize) {
        if rows == 0 {
            return;
        }
        ring.front = (ring.front + rows as u32) % self.store(ring).blocks.capacity(ring.class) as u32;
        ring.len -= rows as u32;
    }

    /// Drops the rows of `range`, wherever they stand.
    pub(crate) fn drop_range(&mut self, ring: &mut Ring, range: Range<usize>) {
        if range.start == 0 {
            return self.drop_front(ring, range.end);
        }
        let store = if ring.home == Home::Wide {
            &mut self.wide
        } else {
            &mut self.narrow
        };
        for (to, from) in (range.start..).zip(range.end..ring.len()) {
            store.move_row(store.place(ring, to), store.place(ring, from));
        }
        ring.len -= range.len() as u32;
        store.summarise(ring, range.start);
    }

    /// What is known of one input over the rows of `range`.
    #[inline]
    pub(crate) fn stats(&self, ring: &Ring, column: usize, range: Range<usize>) -> Stats {
        let mut stats = Stats::NONE;
        self.add_stats(ring, column, range, &mut stats);
        self.finish(ring, column, &mut stats);
        stats
    }

    /// As [`Rings::stats`], for a range in pieces: [`Rings::finish`] comes after the last.
    #[inline]
    pub(crate) fn add_stats(&self, ring: &Ring, column: usize, range: Range<usize>, stats: &mut Stats) {
        let store = self.store(ring);
        let capacity = store.blocks.capacity(ring.class);
        let (at, start) = (ring.at as usize, ring.front as usize + range.start);
        let start = if start >= capacity { start - capacity } else { start };
        let first = range.len().min(capacity - start);
        store.add_stats(column, at + start..at + start + first, capacity, stats);
        if first < range.len() {
            store.add_stats(column, at..at + range.len() - first, capacity, stats);
        }
    }

    pub(crate) fn finish(&self, ring: &Ring, column: usize, stats: &mut Stats) {
        if ring.home != Home::Nowhere {
            self.store(ring).columns[column].finish(stats);
        }
    }

    /// Makes the lower bound of the ring's arrivals exact.
    pub(crate) fn tighten_arrivals(&self, ring: &mut Ring) {
        let len = std::mem::take(&mut ring.len);
        for index in 0..len {
            ring.len = len;
            let arrival_ms = self.arrival_ms(ring, index as usize);
            ring.len = index;
            ring.note_arrival(arrival_ms);
        }
        ring.len = len;
    }

    /// Gives the ring's place back.
    pub(crate) fn release(&mut self, ring: &mut Ring) {
        match ring.home {
            Home::Nowhere => {}
            Home::Narrow => self.narrow.blocks.give_back(ring.at, ring.class),
            Home::Wide => self.wide.blocks.give_back(ring.at, ring.class),
        }
        *ring = Ring::default();
    }

    /// Asks for the memory that the ring's next row will touch.
    #[inline]
    pub(crate) fn prefetch(&self, ring: &Ring) {
        let store = self.store(ring);
        let place = ring.at as usize;
        match &store.times {
            Times::Narrow { after_base, lags } => {
                crate::prefetch::prefetch(after_base, place);
                crate::prefetch::prefetch(lags, place);
            }
            Times::Wide { times, arrivals } => {
                crate::prefetch::prefetch(times, place);
                crate::prefetch::prefetch(arrivals, place);
            }
        }
        store.columns.iter().for_each(|column| column.prefetch(place));
    }

    /// Bytes held for rows: those in use, and those that wait to be used again.
    pub(crate) fn bytes_held(&self) -> usize {
        self.narrow.bytes_held() + self.wide.bytes_held()
    }

    #[inline]
    fn store(&self, ring: &Ring) -> &Store {
        if ring.home == Home::Wide {
            &self.wide
        } else {
            &self.narrow
        }
    }

    #[cold]
    fn widen(&mut self, ring: &mut Ring) {
        let mut wide = *ring;
        wide.home = Home::Wide;
        wide.class = self.wide.blocks.class_for(ring.len() + 1);
        wide.at = self.wide.blocks.take(wide.class);
        wide.front = 0;
        self.wide.make_room();
        for index in 0..ring.len() {
            let from = self.narrow.place(ring, index);
            let (time_ms, arrival_ms) = (self.narrow.time_ms(ring, from), self.narrow.arrival_ms(ring, from));
            let to = wide.at as usize + index;
            self.wide.set_times(&wide, to, time_ms, arrival_ms);
            for (column, narrow) in self.wide.columns.iter_mut().zip(&self.narrow.columns) {
                column.copy_from(to, narrow, from);
            }
        }
        self.narrow.blocks.give_back(ring.at, ring.class);
        *ring = wide;
        self.wide.summarise(ring, 0);
    }
}

impl Store {
    fn new(times: Times, columns: Vec<Column>) -> Store {
        let summaries = columns.iter().map(|_| Vec::new()).collect();
        Store {
            blocks: Blocks::new(),
            times,
            columns,
            summaries,
        }
    }

    #[inline]
    fn place(&self, ring: &Ring, index: usize) -> usize {
        let capacity = self.blocks.capacity(ring.class);
        let within = ring.front as usize + index;
        ring.at as usize + if within >= capacity { within - capacity } else { within }
    }

    #[inline]
    fn time_ms(&self, ring: &Ring, place: usize) -> i64 {
        match &self.times {
            Times::Narrow { after_base, .. } => ring.base_ms + i64::from(after_base[place]),
            Times::Wide { times, .. } => times[place],
        }
    }

    #[inline]
    fn arrival_ms(&self, ring: &Ring, place: usize) -> i64 {
        match &self.times {
            Times::Narrow { lags, .. } => self.time_ms(ring, place) + i64::from(lags[place]),
            Times::Wide { arrivals, .. } => arrivals[place],
        }
    }

    #[inline]
    fn set_times(&mut self, ring: &Ring, place: usize, time_ms: i64, arrival_ms: i64) -> bool {
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

    /// Writes behind the last row; `false` when something does not fit.
    #[inline]
    fn write(&mut self, ring: &Ring, row: NewRow<'_>) -> bool {
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
    fn settle(&mut self, ring: &Ring) -> usize {
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
    fn settle_older(&mut self, ring: &Ring, last: usize, time_ms: i64) -> usize {
        let mut index = last;
        while index > 0 && self.time_ms(ring, self.place(ring, index - 1)) > time_ms {
            self.swap_rows(self.place(ring, index), self.place(ring, index - 1));
            index -= 1;
        }
        self.summarise(ring, index);
        index
    }

    /// Swaps through a spare place behind all blocks.
    fn swap_rows(&mut self, one: usize, other: usize) {
        let spare = self.blocks.end();
        self.resize(spare + 1);
        self.move_row(spare, one);
        self.move_row(one, other);
        self.move_row(other, spare);
    }

    fn move_row(&mut self, to: usize, from: usize) {
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
    fn grow(&mut self, ring: &mut Ring, home: Home, span_ms: i64, time_ms: i64) {
        let rows = ring.len();
        let likely = if rows < 2 {
            2
        } else {
            let passed_ms = time_ms.saturating_sub(self.time_ms(ring, self.place(ring, 0))).max(1);
            let fill = span_ms.saturating_mul(rows as i64) / passed_ms;
            (fill.clamp(0, 8 * rows as i64) as usize + 1).max(rows + 1)
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

    fn make_room(&mut self) {
        self.resize(self.blocks.end());
    }

    fn resize(&mut self, rows: usize) {
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
    fn summarise_behind(&mut self, place: usize) {
        if (place + 1).is_multiple_of(SUMMARY_ROWS) {
            self.summarise_stretch(place / SUMMARY_ROWS);
        }
    }

    fn summarise_stretch(&mut self, stretch: usize) {
        for (column, summaries) in self.columns.iter().zip(&mut self.summaries) {
            if summaries.len() <= stretch {
                summaries.resize(stretch + 1, Stats::NONE);
            }
            let mut stats = Stats::NONE;
            column.scan(stretch * SUMMARY_ROWS..(stretch + 1) * SUMMARY_ROWS, &mut stats);
            summaries[stretch] = stats;
        }
    }

    /// Summarises again whatever holds the `from`-th row or a later one.
    fn summarise(&mut self, ring: &Ring, from: usize) {
        if self.blocks.capacity(ring.class) >= LONG_ROWS {
            for index in from..ring.len() {
                self.summarise_behind(self.place(ring, index));
            }
        }
    }

    #[inline]
    fn add_stats(&self, column: usize, places: Range<usize>, capacity: usize, stats: &mut Stats) {
        let (column, summaries) = (&self.columns[column], &self.summaries[column]);
        if capacity < LONG_ROWS || places.len() < 2 * SUMMARY_ROWS {
            return column.scan(places, stats);
        }
        let first = places.start.next_multiple_of(SUMMARY_ROWS);
        let last = places.end / SUMMARY_ROWS * SUMMARY_ROWS;
        column.scan(places.start..first, stats);
        for summary in &summaries[first / SUMMARY_ROWS..last / SUMMARY_ROWS] {
            stats.join(summary);
        }
        column.scan(last..places.end, stats);
    }

    fn bytes_held(&self) -> usize {
        let times = match self.times {
            Times::Narrow { .. } => 6,
            Times::Wide { .. } => 16,
        };
        let row = times + self.columns.iter().map(Column::row_bytes).sum::<usize>();
        let summaries: usize = self
            .summaries
            .iter()
            .map(|summaries| summaries.len() * size_of::<Stats>())
            .sum();
        self.blocks.end() * row + summaries
    }
}
