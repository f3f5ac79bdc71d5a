//! A run of ready rows of different keys, on its way through the columns of the narrow store.
//!
//! A [`Run`] holds where each row lies and which rows its frames hold; values are written and read column by column, so that
//! what kind of column it is, and what is asked of it, is decided once for many rows. It does not decide which rows belong to
//! a window, and it takes only what the narrow store holds and what knows all its rows.

use super::inputs::InputValues;

/// Where a row of the run lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunRow {
    /// The chunk of its inputs, and the row there.
    pub(super) chunk: u32,
    pub(super) row: u32,
    /// Its place in the store's columns.
    pub(super) place: u32,
}

/// The rows that one frame of a row holds: one or two stretches of places, in the ring's order unless that does not matter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) head: (u32, u32),
    pub(super) tail: (u32, u32),
    /// Whether the ring is long enough to have summaries.
    pub(super) is_long: bool,
    /// Event times of the first and the last row, in milliseconds.
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
}

impl Stretch {
    /// How many rows.
    #[inline]
    pub(super) fn len(&self) -> usize {
        (self.head.1 - self.head.0 + self.tail.1 - self.tail.0) as usize
    }

    /// The places, in two ranges.
    #[inline]
    pub(super) fn places(&self) -> [std::ops::Range<usize>; 2] {
        [
            self.head.0 as usize..self.head.1 as usize,
            self.tail.0 as usize..self.tail.1 as usize,
        ]
    }
}

/// What is known of one column over each row's frame; what nobody asks for is empty.
#[derive(Debug, Default)]
pub(super) struct WholeStats {
    pub(super) sums: Vec<i64>,
    pub(super) least: Vec<i64>,
    pub(super) greatest: Vec<i64>,
}

impl WholeStats {
    pub(super) fn clear(&mut self) {
        self.sums.clear();
        self.least.clear();
        self.greatest.clear();
    }
}

/// Rows whose places are known, and whose columns are still to be written and read.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) rows: Vec<RunRow>,
    /// By frame, then by row.
    pub(super) stretches: Vec<Vec<Stretch>>,
    pub(super) stats: WholeStats,
}

impl Run {
    pub(super) fn new(frames: usize) -> Run {
        Run {
            rows: Vec::new(),
            stretches: (0..frames).map(|_| Vec::new()).collect(),
            stats: WholeStats::default(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.stretches.iter_mut().for_each(Vec::clear);
    }
}

/// Whether the rows' inputs fit the narrow store.
#[inline]
pub(super) fn fits(inputs: &[InputValues], row: usize) -> bool {
    inputs.iter().all(|input| input.fits_narrow(row))
}
