//! The values that window aggregates read, taken out of Arrow once for every chunk of rows.
//!
//! It does not evaluate expressions; it only looks at their results.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMillisecondType};

use super::column::{NOT_SCALED, scale};
use crate::EngineError;

#[derive(Debug, Clone)]
enum Buffer {
    Int(ScalarBuffer<i64>),
    /// With every value as a multiple of 1e-7, or `NOT_SCALED`.
    Float(ScalarBuffer<f64>, Vec<i32>),
}

/// A look at the values, without regard to nulls.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Slice<'a> {
    Int(&'a [i64]),
    /// As floats, and as multiples of 1e-7.
    Float(&'a [f64], &'a [i32]),
}

/// One input for every row of a chunk, and whether it fits narrow columns: made for a whole chunk at a time, which is what
/// compilers vectorise.
#[derive(Debug, Clone)]
pub(crate) struct InputValues {
    buffer: Buffer,
    nulls: Option<NullBuffer>,
    /// Every row fits a narrow column.
    all_fit: bool,
}

impl InputValues {
    /// Takes the values of `Int64`, `Float64` or `Timestamp(Millisecond, None)`.
    pub(crate) fn new(array: &ArrayRef) -> Result<InputValues, EngineError> {
        let buffer = match array.data_type() {
            DataType::Int64 => Buffer::Int(array.as_primitive::<Int64Type>().values().clone()),
            DataType::Timestamp(_, _) => Buffer::Int(array.as_primitive::<TimestampMillisecondType>().values().clone()),
            DataType::Float64 => {
                let values = array.as_primitive::<Float64Type>().values().clone();
                let scaled = values.iter().map(|value| scale(*value)).collect();
                Buffer::Float(values, scaled)
            }
            other => {
                return Err(EngineError::Plan(format!(
                    "a window cannot aggregate values of type {other}"
                )));
            }
        };
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0).cloned();
        let values_fit = match &buffer {
            Buffer::Int(values) => values.iter().fold(true, |fit, value| fit & is_narrow(*value)),
            Buffer::Float(_, scaled) => scaled.iter().fold(true, |fit, scaled| fit & (*scaled != NOT_SCALED)),
        };
        Ok(InputValues {
            buffer,
            all_fit: values_fit && nulls.is_none(),
            nulls,
        })
    }

    /// Whether the row's value can lie in a narrow column without loss.
    #[inline]
    pub(crate) fn fits_narrow(&self, row: usize) -> bool {
        self.all_fit || self.row_fits(row)
    }

    #[cold]
    fn row_fits(&self, row: usize) -> bool {
        let fits = match &self.buffer {
            Buffer::Int(values) => is_narrow(values[row]),
            Buffer::Float(_, scaled) => scaled[row] != NOT_SCALED,
        };
        fits && self.is_valid(row)
    }

    #[inline]
    pub(crate) fn slice(&self) -> Slice<'_> {
        match &self.buffer {
            Buffer::Int(values) => Slice::Int(values),
            Buffer::Float(values, scaled) => Slice::Float(values, scaled),
        }
    }

    #[inline]
    pub(crate) fn is_valid(&self, row: usize) -> bool {
        self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))
    }
}

#[inline]
fn is_narrow(value: i64) -> bool {
    i64::from(value as i16) == value
}
