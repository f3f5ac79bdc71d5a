//! Rows that a window has answered, on their way to filters, look-ups and the sink.
//!
//! It holds numbers only: which key, which row of which chunk, and the aggregates. Text and the source's other columns
//! are fetched later, for the rows that survive.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, TimestampMillisecondArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;

use super::column::SCALE;

/// A row of a chunk that the task still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowRef {
    /// The chunk's number.
    pub(crate) chunk: u32,
    /// The row within it.
    pub(crate) row: u32,
}

#[derive(Debug)]
enum Numbers {
    Int(Vec<i64>),
    /// Multiples of 1e-7, all of them, are still to be divided: doing so for a whole column costs little.
    Float {
        values: Vec<f64>,
        are_scaled: bool,
    },
}

/// One aggregate for every answered row.
#[derive(Debug)]
pub(crate) struct AggregateColumn {
    numbers: Numbers,
    data_type: DataType,
    /// Which rows are null, once there is one.
    valid: Option<Vec<bool>>,
}

impl AggregateColumn {
    pub(crate) fn new(data_type: &DataType) -> AggregateColumn {
        let numbers = match data_type {
            DataType::Float64 => Numbers::Float {
                values: Vec::new(),
                are_scaled: false,
            },
            _ => Numbers::Int(Vec::new()),
        };
        AggregateColumn {
            numbers,
            data_type: data_type.clone(),
            valid: None,
        }
    }

    #[inline]
    pub(crate) fn push_int(&mut self, value: i64) {
        match &mut self.numbers {
            Numbers::Int(values) => values.push(value),
            Numbers::Float { .. } => return self.push_float(value as f64),
        }
        if let Some(valid) = &mut self.valid {
            valid.push(true);
        }
    }

    #[inline]
    pub(crate) fn push_float(&mut self, value: f64) {
        match &mut self.numbers {
            Numbers::Float { values, are_scaled } => {
                if *are_scaled {
                    unscale_all(values, are_scaled);
                }
                values.push(value);
            }
            Numbers::Int(_) => unreachable!("invariant: a float goes into a float column"),
        }
        if let Some(valid) = &mut self.valid {
            valid.push(true);
        }
    }

    /// A multiple of 1e-7.
    #[inline]
    pub(crate) fn push_scaled(&mut self, value: i64) {
        match &mut self.numbers {
            Numbers::Float { values, are_scaled } => {
                *are_scaled |= values.is_empty();
                values.push(if *are_scaled {
                    value as f64
                } else {
                    value as f64 / SCALE
                });
            }
            Numbers::Int(_) => unreachable!("invariant: a float goes into a float column"),
        }
        if let Some(valid) = &mut self.valid {
            valid.push(true);
        }
    }

    /// As [`AggregateColumn::push_int`], for many.
    #[inline]
    pub(crate) fn extend_ints(&mut self, more: impl Iterator<Item = i64>) {
        match &mut self.numbers {
            Numbers::Int(values) => values.extend(more),
            Numbers::Float { .. } => return self.extend_floats(more.map(|value| value as f64)),
        }
        self.lengthen_valid();
    }

    /// As [`AggregateColumn::push_float`], for many.
    #[inline]
    pub(crate) fn extend_floats(&mut self, more: impl Iterator<Item = f64>) {
        match &mut self.numbers {
            Numbers::Float { values, are_scaled } => {
                if *are_scaled {
                    unscale_all(values, are_scaled);
                }
                values.extend(more);
            }
            Numbers::Int(_) => unreachable!("invariant: a float goes into a float column"),
        }
        self.lengthen_valid();
    }

    /// As [`AggregateColumn::push_scaled`], for many.
    #[inline]
    pub(crate) fn extend_scaled(&mut self, more: impl Iterator<Item = i64>) {
        match &mut self.numbers {
            Numbers::Float { values, are_scaled } => {
                *are_scaled |= values.is_empty();
                if *are_scaled {
                    values.extend(more.map(|value| value as f64));
                } else {
                    values.extend(more.map(|value| value as f64 / SCALE));
                }
            }
            Numbers::Int(_) => unreachable!("invariant: a float goes into a float column"),
        }
        self.lengthen_valid();
    }

    fn lengthen_valid(&mut self) {
        let rows = match &self.numbers {
            Numbers::Int(values) => values.len(),
            Numbers::Float { values, .. } => values.len(),
        };
        if let Some(valid) = &mut self.valid {
            valid.resize(rows, true);
        }
    }

    #[cold]
    pub(crate) fn push_null(&mut self) {
        let rows = match &mut self.numbers {
            Numbers::Int(values) => {
                values.push(0);
                values.len()
            }
            Numbers::Float { values, .. } => {
                values.push(0.0);
                values.len()
            }
        };
        let valid = self.valid.get_or_insert_with(|| vec![true; rows - 1]);
        valid.push(false);
    }

    fn finish(&mut self) -> ArrayRef {
        let nulls = self.valid.take().map(NullBuffer::from);
        match (&mut self.numbers, &self.data_type) {
            (Numbers::Float { values, are_scaled }, _) => {
                if *are_scaled {
                    unscale_all(values, are_scaled);
                }
                Arc::new(Float64Array::new(take_all(values).into(), nulls))
            }
            (Numbers::Int(values), DataType::Timestamp(_, _)) => {
                Arc::new(TimestampMillisecondArray::new(take_all(values).into(), nulls))
            }
            (Numbers::Int(values), _) => Arc::new(Int64Array::new(take_all(values).into(), nulls)),
        }
    }
}

fn unscale_all(values: &mut [f64], are_scaled: &mut bool) {
    values.iter_mut().for_each(|value| *value /= SCALE);
    *are_scaled = false;
}

/// Answered rows; which of `rows` and `starts` is filled depends on the window.
#[derive(Debug, Default)]
pub(crate) struct Evaluated {
    /// The key of every row.
    pub(crate) keys: Vec<u32>,
    /// Where the source's columns are; empty for tumbling windows.
    pub(crate) rows: Vec<RowRef>,
    /// The window's start in milliseconds; only for tumbling windows.
    pub(crate) starts: Vec<i64>,
    /// In the order of the evaluated row.
    pub(crate) aggregates: Vec<AggregateColumn>,
}

impl Evaluated {
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Takes the aggregates as arrays and the keys, and leaves everything empty.
    pub(crate) fn take(&mut self) -> EvaluatedRows {
        EvaluatedRows {
            keys: take_all(&mut self.keys),
            rows: take_all(&mut self.rows),
            starts: TimestampMillisecondArray::from(take_all(&mut self.starts)),
            aggregates: self.aggregates.iter_mut().map(AggregateColumn::finish).collect(),
        }
    }
}

/// What [`Evaluated::take`] gives.
#[derive(Debug)]
pub(crate) struct EvaluatedRows {
    pub(crate) keys: Vec<u32>,
    pub(crate) rows: Vec<RowRef>,
    pub(crate) starts: TimestampMillisecondArray,
    pub(crate) aggregates: Vec<ArrayRef>,
}

/// Takes the values and leaves room for as many: the next batch is about as long.
pub(crate) fn take_all<T>(values: &mut Vec<T>) -> Vec<T> {
    let room = Vec::with_capacity(values.len());
    std::mem::replace(values, room)
}
