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

use super::blocks::LONG_ROWS;
use super::column::{Column, Wanted};
use super::inputs::InputValues;
use super::run::Stretch;
use super::stats::Stats;
use super::store::{Store, Times};

/// Where a key's rows lie.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, packed(4))]
pub(crate) struct Ring {
    pub(super) at: u32,
    pub(super) front: u32,
    pub(super) len: u32,
    /// A lower bound of the arrivals, after `base_ms`; saturates.
    arrival_low: i32,
    pub(super) base_ms: i64,
    pub(super) class: u8,
    pub(super) home: Home,
}

/// Which store a ring lies in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Home {
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
    pub(super) narrow: Store,
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
            // A narrow ring keeps its room; a wide one may be narrow again.
            if ring.home == Home::Wide {
                self.release(ring);
            }
            ring.front = 0;
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

    /// Makes place for a row at the end of a ring of the narrow store, and writes its times; its columns are the caller's to
    /// write. `None`, and nothing has changed, when it cannot lie there or does not belong at the end.
    #[inline]
    pub(super) fn append(&mut self, ring: &mut Ring, time_ms: i64, arrival_ms: i64) -> Option<u32> {
        if ring.len == 0 {
            if ring.home == Home::Wide {
                self.release(ring);
            }
            ring.front = 0;
            ring.base_ms = time_ms;
        } else if ring.home == Home::Wide {
            return None;
        }
        let after = u32::try_from(time_ms.checked_sub(ring.base_ms)?).ok()?;
        let lag = i16::try_from(arrival_ms.checked_sub(time_ms)?).ok()?;
        let is_newest = ring.len == 0 || self.narrow.time_ms(ring, self.narrow.place(ring, ring.len() - 1)) <= time_ms;
        if !is_newest {
            return None;
        }
        if ring.home == Home::Nowhere || ring.len as usize == self.narrow.blocks.capacity(ring.class) {
            self.narrow.grow(ring, Home::Narrow, self.span_ms, time_ms);
        }
        let place = self.narrow.place(ring, ring.len());
        self.narrow.set_narrow_times(place, after, lag);
        ring.note_arrival(arrival_ms);
        ring.len += 1;
        Some(place as u32)
    }

    /// The rows `start..` of a narrow ring, as places. `in_order`: the ring's order matters.
    #[inline]
    pub(super) fn stretch(&self, ring: &Ring, start: usize, in_order: bool) -> Stretch {
        let capacity = self.narrow.blocks.capacity(ring.class) as u32;
        let (at, len) = (ring.at, ring.len - start as u32);
        let is_long = capacity as usize >= LONG_ROWS;
        let mut first = ring.front + start as u32;
        first = if first >= capacity { first - capacity } else { first };
        let last = if first + len > capacity {
            first + len - capacity
        } else {
            first + len
        };
        let last_ms = self.narrow.time_ms(ring, (at + last) as usize - 1);
        let first_ms = self.narrow.time_ms(ring, (at + first) as usize);
        let (head, tail) = if len == capacity && !in_order && !is_long {
            // A full ring is one stretch to whoever does not mind the order.
            ((at, at + capacity), (at, at))
        } else if first + len > capacity {
            ((at + first, at + capacity), (at, at + last))
        } else {
            ((at + first, at + last), (at, at))
        };
        Stretch {
            head,
            tail,
            is_long,
            first_ms,
            last_ms,
        }
    }

    /// Event time of the `index`-th row in milliseconds.
    #[inline]
    pub(crate) fn time_ms(&self, ring: &Ring, index: usize) -> i64 {
        let store = self.store(ring);
        store.time_ms(ring, store.place(ring, index))
    }

    /// Event time and arrival of the `index`-th row in milliseconds.
    #[inline]
    pub(crate) fn times_ms(&self, ring: &Ring, index: usize) -> (i64, i64) {
        let store = self.store(ring);
        let place = store.place(ring, index);
        (store.time_ms(ring, place), store.arrival_ms(ring, place))
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
        let capacity = self.store(ring).blocks.capacity(ring.class) as u32;
        let front = ring.front + rows as u32;
        ring.front = if front >= capacity { front - capacity } else { front };
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
        stats
    }

    /// As [`Rings::stats`], for a range in pieces.
    #[inline]
    pub(crate) fn add_stats(&self, ring: &Ring, column: usize, range: Range<usize>, stats: &mut Stats) {
        let store = self.store(ring);
        let capacity = store.blocks.capacity(ring.class);
        let (at, start) = (ring.at as usize, ring.front as usize + range.start);
        let start = if start >= capacity { start - capacity } else { start };
        // A full ring is one stretch to whoever does not mind the order.
        if range.len() == capacity && store.columns[column].is_whole() {
            return store.add_stats(column, at..at + capacity, capacity, stats);
        }
        let first = range.len().min(capacity - start);
        store.add_stats(column, at + start..at + start + first, capacity, stats);
        if first < range.len() {
            store.add_stats(column, at..at + range.len() - first, capacity, stats);
        }
    }

    /// Whether the extremes of one input's floats are multiples of 1e-7.
    #[inline]
    pub(crate) fn is_scaled(&self, ring: &Ring, column: usize) -> bool {
        self.store(ring).columns[column].is_scaled()
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

    /// Asks for the memory that the ring's next row, and the answer for it, will touch.
    #[inline]
    pub(crate) fn prefetch(&self, ring: &Ring) {
        self.store(ring).prefetch(ring);
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
