//! A column of window rows, and what is known of a stretch of it.
//!
//! A [`Column`] holds one input of every key's rows, narrow where that loses nothing: positions as a GPS chip gives them
//! are multiples of 1e-7 degrees and lie in 4 bytes, heart rates in 2. A column does not know keys or time.
//!
//! # Constraints
//!
//! - Narrow is exact: a value that would not come back bit for bit is refused, and its key's rows move to wide columns.
//! - Long stretches are answered from summaries of [`SUMMARY_ROWS`] rows, so that no window is read row by row when it is
//!   long; floating-point sums never subtract.

use arrow::datatypes::DataType;

use super::inputs::InputValues;
use super::run::{RunRow, Stretch, WholeStats};
use super::stats::Stats;
use super::summaries::Small;
use super::whole::scan_whole;

/// Rows in a summary.
pub(crate) const SUMMARY_ROWS: usize = 32;

/// What scaled positions are multiples of, the other way round.
pub(crate) const SCALE: f64 = 1e7;

/// In place of a value that is no multiple of 1e-7.
pub(crate) const NOT_SCALED: i32 = i32::MIN;

const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// Which statistics a job asks of an input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) sum: bool,
    pub(crate) extremes: bool,
    pub(crate) moments: bool,
}

#[derive(Debug)]
enum Values {
    Int16(Vec<i16>),
    /// Multiples of 1e-7.
    Scaled(Vec<i32>),
    Int64(Vec<i64>),
    Float64(Vec<f64>),
}

/// One input of all keys' rows.
#[derive(Debug)]
pub(crate) struct Column {
    values: Values,
    /// One bit a row, only where the input may be null: `true` is a value.
    valid: Option<Vec<bool>>,
    wanted: Wanted,
    is_whole: bool,
}

impl Column {
    pub(crate) fn narrow(data_type: &DataType, wanted: Wanted) -> Column {
        let (values, is_exact) = match data_type {
            DataType::Float64 => (Values::Scaled(Vec::new()), !wanted.sum),
            _ => (Values::Int16(Vec::new()), true),
        };
        Column {
            values,
            valid: None,
            wanted,
            is_whole: is_exact && !wanted.moments,
        }
    }

    pub(crate) fn wide(data_type: &DataType, nullable: bool, wanted: Wanted) -> Column {
        let values = match data_type {
            DataType::Float64 => Values::Float64(Vec::new()),
            _ => Values::Int64(Vec::new()),
        };
        Column {
            values,
            valid: nullable.then(Vec::new),
            wanted,
            is_whole: false,
        }
    }

    pub(crate) fn resize(&mut self, rows: usize) {
        match &mut self.values {
            Values::Int16(values) => values.resize(rows, 0),
            Values::Scaled(values) => values.resize(rows, 0),
            Values::Int64(values) => values.resize(rows, 0),
            Values::Float64(values) => values.resize(rows, 0.0),
        }
        if let Some(valid) = &mut self.valid {
            valid.resize(rows, true);
        }
    }

    /// Bytes of one row.
    pub(crate) fn row_bytes(&self) -> usize {
        let value = match &self.values {
            Values::Int16(_) => 2,
            Values::Scaled(_) => 4,
            Values::Int64(_) | Values::Float64(_) => 8,
        };
        value + usize::from(self.valid.is_some())
    }

    #[inline]
    pub(crate) fn prefetch(&self, place: usize) {
        match &self.values {
            Values::Int16(values) => crate::prefetch::prefetch(values, place),
            Values::Scaled(values) => crate::prefetch::prefetch(values, place),
            Values::Int64(values) => crate::prefetch::prefetch(values, place),
            Values::Float64(values) => crate::prefetch::prefetch(values, place),
        }
    }

    /// Writes the row's value; `false` when it does not fit without loss.
    #[inline]
    pub(crate) fn set(&mut self, place: usize, input: &InputValues, row: usize) -> bool {
        let is_valid = input.is_valid(row);
        if let Some(valid) = &mut self.valid {
            valid[place] = is_valid;
        } else if !is_valid {
            return false;
        }
        match (&mut self.values, input.slice()) {
            (Values::Int16(values), super::inputs::Slice::Int(input)) => {
                let Ok(value) = i16::try_from(input[row]) else {
                    return false;
                };
                values[place] = value;
            }
            (Values::Scaled(values), super::inputs::Slice::Float(_, scaled)) => {
                if scaled[row] == NOT_SCALED {
                    return false;
                }
                values[place] = scaled[row];
            }
            (Values::Int64(values), super::inputs::Slice::Int(input)) => values[place] = input[row],
            (Values::Float64(values), super::inputs::Slice::Float(input, _)) => values[place] = input[row],
            _ => unreachable!("invariant: a column is made for its input's type"),
        }
        true
    }

    /// Writes values that fit this narrow column.
    #[inline]
    pub(super) fn write_run(&mut self, rows: &[RunRow], input: &InputValues) {
        match (&mut self.values, input.slice()) {
            (Values::Int16(values), super::inputs::Slice::Int(input)) => {
                for row in rows {
                    values[row.place as usize] = input[row.row as usize] as i16;
                }
            }
            (Values::Scaled(values), super::inputs::Slice::Float(_, scaled)) => {
                for row in rows {
                    values[row.place as usize] = scaled[row.row as usize];
                }
            }
            _ => unreachable!("invariant: runs lie in narrow columns"),
        }
    }

    /// What is known of each stretch; `summaries` are the column's. Only of a whole column ([`Column::is_whole`]).
    pub(super) fn scan_run(&self, stretches: &[Stretch], summaries: &[Small], into: &mut WholeStats) {
        match &self.values {
            Values::Int16(values) => scan_whole(values, self.wanted, (stretches, summaries), into),
            Values::Scaled(values) => scan_whole(values, self.wanted, (stretches, summaries), into),
            _ => unreachable!("invariant: runs lie in narrow columns"),
        }
    }

    /// Copies a row from another column of the same input, which may be narrow.
    pub(crate) fn copy_from(&mut self, place: usize, from: &Column, from_place: usize) {
        match (&mut self.values, &from.values) {
            (Values::Int16(to), Values::Int16(from)) => to[place] = from[from_place],
            (Values::Scaled(to), Values::Scaled(from)) => to[place] = from[from_place],
            (Values::Int64(to), Values::Int64(from)) => to[place] = from[from_place],
            (Values::Float64(to), Values::Float64(from)) => to[place] = from[from_place],
            (Values::Int64(to), Values::Int16(from)) => to[place] = i64::from(from[from_place]),
            (Values::Float64(to), Values::Scaled(from)) => to[place] = unscale(i64::from(from[from_place])),
            _ => unreachable!("invariant: rows only move to the same or a wider column"),
        }
        if let Some(valid) = &mut self.valid {
            valid[place] = from.valid.as_ref().is_none_or(|from| from[from_place]);
        }
    }

    /// Copies a row within the column.
    pub(crate) fn move_row(&mut self, to: usize, from: usize) {
        match &mut self.values {
            Values::Int16(values) => values[to] = values[from],
            Values::Scaled(values) => values[to] = values[from],
            Values::Int64(values) => values[to] = values[from],
            Values::Float64(values) => values[to] = values[from],
        }
        if let Some(valid) = &mut self.valid {
            valid[to] = valid[from];
        }
    }

    /// What is known of the rows at `places`, read row by row.
    #[inline]
    pub(crate) fn scan(&self, places: std::ops::Range<usize>, stats: &mut Stats) {
        match &self.values {
            Values::Int16(values) => self.scan_ints(&values[places.clone()], places.start, stats),
            Values::Scaled(values) => self.scan_scaled(&values[places.clone()], places.start, stats),
            Values::Int64(values) => self.scan_ints(&values[places.clone()], places.start, stats),
            Values::Float64(values) => self.scan_floats(&values[places.clone()], places.start, stats),
        }
    }

    /// Whether the extremes of its stretches are multiples of 1e-7.
    #[inline]
    pub(crate) fn is_scaled(&self) -> bool {
        matches!(self.values, Values::Scaled(_))
    }

    /// Whether whole numbers of 32 bits say all that is asked of a stretch, so that the order of its rows changes nothing.
    #[inline]
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    #[inline]
    fn scan_ints<T: Copy + Into<i64>>(&self, values: &[T], start: usize, stats: &mut Stats) {
        if let Some(valid) = &self.valid {
            for (value, _) in values.iter().zip(&valid[start..]).filter(|(_, valid)| **valid) {
                self.add_int((*value).into(), stats);
            }
            return;
        }
        if self.wanted.moments {
            values.iter().for_each(|value| self.add_int((*value).into(), stats));
            return;
        }
        stats.count += values.len() as u64;
        if self.wanted.sum {
            let sum = values
                .iter()
                .fold(0_i64, |sum, value| sum.wrapping_add((*value).into()));
            stats.int_sum = stats.int_sum.wrapping_add(sum);
        }
        if self.wanted.extremes {
            for value in values {
                stats.int_min = stats.int_min.min((*value).into());
                stats.int_max = stats.int_max.max((*value).into());
            }
        }
    }

    #[inline]
    fn scan_scaled(&self, values: &[i32], start: usize, stats: &mut Stats) {
        debug_assert!(self.valid.is_none(), "row {start}: narrow columns hold no nulls");
        if self.wanted.sum || self.wanted.moments {
            values
                .iter()
                .for_each(|value| self.add_float(unscale(i64::from(*value)), stats));
        } else {
            stats.count += values.len() as u64;
        }
        if self.wanted.extremes {
            let (mut least, mut greatest) = (i32::MAX, i32::MIN);
            for value in values {
                least = least.min(*value);
                greatest = greatest.max(*value);
            }
            stats.int_min = stats.int_min.min(i64::from(least));
            stats.int_max = stats.int_max.max(i64::from(greatest));
        }
    }

    #[inline]
    fn scan_floats(&self, values: &[f64], start: usize, stats: &mut Stats) {
        match &self.valid {
            Some(valid) => {
                for (value, _) in values.iter().zip(&valid[start..]).filter(|(_, valid)| **valid) {
                    self.add_float(*value, stats);
                }
            }
            None => values.iter().for_each(|value| self.add_float(*value, stats)),
        }
    }

    #[inline]
    fn add_int(&self, value: i64, stats: &mut Stats) {
        stats.count += 1;
        stats.int_sum = stats.int_sum.wrapping_add(value);
        stats.int_min = stats.int_min.min(value);
        stats.int_max = stats.int_max.max(value);
        if self.wanted.moments {
            stats.add_moment(value as f64);
        }
    }

    #[inline]
    fn add_float(&self, value: f64, stats: &mut Stats) {
        stats.count += 1;
        stats.float_sum += value;
        stats.float_min = if value < stats.float_min {
            value
        } else {
            stats.float_min
        };
        stats.float_max = if value > stats.float_max {
            value
        } else {
            stats.float_max
        };
        if self.wanted.moments {
            stats.add_moment(value);
        }
    }
}

/// `value` as a multiple of 1e-7 if that gives the same bits back, else [`NOT_SCALED`].
#[inline]
pub(crate) fn scale(value: f64) -> i32 {
    // Adding 1.5 x 2^52 leaves the rounded integer in the lowest bits; what is too large fails the comparison.
    let scaled = (value * SCALE + ROUNDER).to_bits() as i32;
    if unscale(i64::from(scaled)).to_bits() == value.to_bits() {
        scaled
    } else {
        NOT_SCALED
    }
}

#[inline]
fn unscale(scaled: i64) -> f64 {
    scaled as f64 / SCALE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_is_exact_or_refused() {
        for value in [0.0, 40.7127837, -74.0059413, 180.0, -180.0, 1e-7] {
            assert_ne!(scale(value), NOT_SCALED);
            assert_eq!(unscale(i64::from(scale(value))), value);
        }
        for value in [-0.0, f64::NAN, f64::INFINITY, 1.0 / 3.0, 1e300, 40.71278371] {
            assert_eq!(scale(value), NOT_SCALED, "{value}");
        }
    }

    #[test]
    fn joined_moments_are_those_of_the_whole() {
        let values: Vec<f64> = (0..100).map(|i| f64::from(i * i % 37)).collect();
        let mut column = Column::wide(
            &DataType::Float64,
            false,
            Wanted {
                moments: true,
                ..Wanted::default()
            },
        );
        column.resize(values.len());
        let Values::Float64(stored) = &mut column.values else {
            unreachable!("made as floats")
        };
        stored.copy_from_slice(&values);
        let (mut whole, mut joined, mut rest) = (Stats::NONE, Stats::NONE, Stats::NONE);
        column.scan(0..100, &mut whole);
        column.scan(0..33, &mut joined);
        column.scan(33..100, &mut rest);
        joined.join(&rest);
        assert!((whole.squares() - joined.squares()).abs() < 1e-9 * whole.squares());
        assert_eq!(whole.count, joined.count);
    }
}
