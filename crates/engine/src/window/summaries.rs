//! Summaries of full stretches of a column, [`SUMMARY_ROWS`] rows each, so that long windows are not read row by row.
//!
//! Where sums and extremes are whole numbers a summary takes 16 bytes, else all of [`Stats`]: a window of ten minutes
//! reads about twenty of them for every column and row. It does not know which rows it summarises.

use std::ops::Range;

use crate::prefetch::prefetch;

use super::column::SUMMARY_ROWS;
use super::stats::Stats;

/// Whole numbers of a stretch without nulls. What the job does not ask for is meaningless.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Small {
    pub(super) sum: i64,
    pub(super) min: i32,
    pub(super) max: i32,
}

/// One column's summaries, by place / [`SUMMARY_ROWS`].
#[derive(Debug)]
pub(crate) enum Summaries {
    Small(SmallOnes),
    Full(Vec<Stats>),
}

/// Summaries of whole numbers.
#[derive(Debug, Default)]
pub(crate) struct SmallOnes(Vec<Small>);

impl Summaries {
    /// `is_small`: the column holds whole numbers of at most 32 bits, no nulls, and is asked for nothing else.
    pub(crate) fn new(is_small: bool) -> Summaries {
        if is_small {
            Summaries::Small(SmallOnes::default())
        } else {
            Summaries::Full(Vec::new())
        }
    }

    pub(crate) fn set(&mut self, stretch: usize, stats: Stats) {
        let least = stretch + 1;
        match self {
            Summaries::Small(SmallOnes(small)) => {
                small.resize(small.len().max(least), Small::default());
                let narrow = |value: i64| value.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
                small[stretch] = Small {
                    sum: stats.int_sum,
                    min: narrow(stats.int_min),
                    max: narrow(stats.int_max),
                };
            }
            Summaries::Full(full) => {
                full.resize(full.len().max(least), Stats::NONE);
                full[stretch] = stats;
            }
        }
    }

    /// The small ones; none when the column is not whole.
    #[inline]
    pub(super) fn small(&self) -> &[Small] {
        match self {
            Summaries::Small(SmallOnes(small)) => small,
            Summaries::Full(_) => &[],
        }
    }

    /// Adds what is known of these stretches.
    #[inline]
    pub(crate) fn join(&self, stretches: Range<usize>, stats: &mut Stats) {
        match self {
            Summaries::Small(SmallOnes(small)) => {
                let (mut sum, mut min, mut max) = (0_i64, i32::MAX, i32::MIN);
                for summary in &small[stretches.clone()] {
                    sum = sum.wrapping_add(summary.sum);
                    min = min.min(summary.min);
                    max = max.max(summary.max);
                }
                stats.count += (stretches.len() * SUMMARY_ROWS) as u64;
                stats.int_sum = stats.int_sum.wrapping_add(sum);
                stats.int_min = stats.int_min.min(i64::from(min));
                stats.int_max = stats.int_max.max(i64::from(max));
            }
            Summaries::Full(full) => full[stretches].iter().for_each(|summary| stats.join(summary)),
        }
    }

    /// Asks for the memory of these stretches.
    #[inline]
    pub(crate) fn prefetch(&self, stretches: Range<usize>) {
        // A cache line holds four small ones.
        match self {
            Summaries::Small(SmallOnes(small)) => stretches.step_by(4).for_each(|stretch| prefetch(small, stretch)),
            Summaries::Full(full) => stretches.for_each(|stretch| prefetch(full, stretch)),
        }
    }

    /// Bytes held.
    pub(crate) fn bytes_held(&self) -> usize {
        match self {
            Summaries::Small(SmallOnes(small)) => small.len() * size_of::<Small>(),
            Summaries::Full(full) => full.len() * size_of::<Stats>(),
        }
    }
}
