//! Sums and extremes of whole numbers over the stretches of a run: the loop that reads windows.
//!
//! It knows values and their summaries, and no keys, times or nulls.

use std::ops::Range;

use super::column::{SUMMARY_ROWS, Wanted};
use super::run::{Stretch, WholeStats};
use super::summaries::Small;

/// What is known of whole numbers; what nobody asks for is meaningless.
#[derive(Debug, Clone, Copy)]
struct Whole {
    sum: i64,
    least: i64,
    greatest: i64,
}

impl Whole {
    const NONE: Whole = Whole {
        sum: 0,
        least: i64::MAX,
        greatest: i64::MIN,
    };

    #[inline]
    fn add_rows<T: Copy + Ord + Into<i64>>(&mut self, values: &[T], wanted: Wanted) {
        let Some(first) = values.first() else { return };
        if wanted.sum {
            self.sum += values.iter().fold(0_i64, |sum, value| sum + (*value).into());
        }
        if wanted.extremes {
            let (mut least, mut greatest) = (*first, *first);
            for value in values {
                least = least.min(*value);
                greatest = greatest.max(*value);
            }
            self.least = self.least.min(least.into());
            self.greatest = self.greatest.max(greatest.into());
        }
    }

    /// Full stretches from their summaries, the rest row by row.
    #[inline]
    fn add_long<T: Copy + Ord + Into<i64>>(
        &mut self,
        values: &[T],
        places: Range<usize>,
        wanted: Wanted,
        summaries: &[Small],
    ) {
        if places.len() < 2 * SUMMARY_ROWS {
            return self.add_rows(&values[places], wanted);
        }
        let first = places.start.next_multiple_of(SUMMARY_ROWS);
        let last = places.end / SUMMARY_ROWS * SUMMARY_ROWS;
        self.add_rows(&values[places.start..first], wanted);
        self.add_summaries(&summaries[first / SUMMARY_ROWS..last / SUMMARY_ROWS]);
        self.add_rows(&values[last..places.end], wanted);
    }

    #[inline]
    fn add_summaries(&mut self, summaries: &[Small]) {
        let (mut sum, mut least, mut greatest) = (0_i64, i32::MAX, i32::MIN);
        for summary in summaries {
            sum += summary.sum;
            least = least.min(summary.min);
            greatest = greatest.max(summary.max);
        }
        self.sum += sum;
        self.least = self.least.min(least.into());
        self.greatest = self.greatest.max(greatest.into());
    }
}

/// Fills `into` with what is known of each stretch of a column without nulls.
pub(super) fn scan_whole<T: Copy + Ord + Into<i64>>(
    values: &[T],
    wanted: Wanted,
    (stretches, summaries): (&[Stretch], &[Small]),
    into: &mut WholeStats,
) {
    if wanted.sum {
        into.sums.resize(stretches.len(), 0);
    }
    if wanted.extremes {
        into.least.resize(stretches.len(), 0);
        into.greatest.resize(stretches.len(), 0);
    }
    for (index, stretch) in stretches.iter().enumerate() {
        let mut whole = Whole::NONE;
        if stretch.is_long {
            for places in stretch.places() {
                whole.add_long(values, places, wanted, summaries);
            }
        } else {
            let [head, tail] = stretch.places();
            whole.add_rows(&values[head], wanted);
            whole.add_rows(&values[tail], wanted);
        }
        if let Some(sum) = into.sums.get_mut(index) {
            *sum = whole.sum;
        }
        if let (Some(least), Some(greatest)) = (into.least.get_mut(index), into.greatest.get_mut(index)) {
            (*least, *greatest) = (whole.least, whole.greatest);
        }
    }
}
