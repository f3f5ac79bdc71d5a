//! Rows of one partition in columns, as they came from the log.
//!
//! A [`Chunk`] lives until no waiting row points to it; [`Chunks`] are those that are alive. They hold no state of keys.

use std::collections::VecDeque;

use arrow::array::{Array, ArrayRef};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{interleave, take};

use crate::EngineError;
use crate::window::evaluated::RowRef;
use crate::window::inputs::InputValues;
use crate::window::operator::InputSource;

/// Rows in offset order.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    /// By the source's column; `None` for those that nobody reads, and for the key, whose text is made when needed.
    pub(crate) columns: Vec<Option<ArrayRef>>,
    /// Event times in milliseconds.
    pub(crate) times_ms: Vec<i64>,
    pub(crate) keys: Vec<u32>,
    pub(crate) offsets: Vec<u64>,
    /// What windows read, as the rings' columns stand.
    pub(crate) inputs: Vec<InputValues>,
    /// Which rows fulfil the conditions before the window; `None`: all.
    pub(crate) passes: Option<BooleanBuffer>,
}

impl Chunk {
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}

/// The chunks that are still needed, numbered in order.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    alive: VecDeque<Chunk>,
    first: u32,
}

impl Chunks {
    /// The number of the chunk that is pushed.
    pub(crate) fn push(&mut self, chunk: Chunk) -> u32 {
        self.alive.push_back(chunk);
        self.first.wrapping_add(self.alive.len() as u32 - 1)
    }

    #[inline]
    pub(crate) fn get(&self, number: u32) -> &Chunk {
        &self.alive[number.wrapping_sub(self.first) as usize]
    }

    /// Drops the chunks before `oldest`, or all.
    pub(crate) fn drop_before(&mut self, oldest: Option<u32>) {
        let keep = oldest.map_or(self.alive.len(), |oldest| oldest.wrapping_sub(self.first) as usize);
        self.alive.drain(..keep);
        self.first = self.first.wrapping_add(keep as u32);
    }

    /// A column of the source for some rows, wherever they lie.
    pub(crate) fn gather(&self, column: usize, rows: &[RowRef]) -> Result<ArrayRef, EngineError> {
        let of = |number: u32| {
            let array = self.get(number).columns[column].as_ref();
            array.ok_or_else(|| EngineError::Plan(format!("source column {column} was not decoded")))
        };
        let failed = |error: arrow::error::ArrowError| EngineError::Plan(error.to_string());
        let first = rows.first().map_or(self.first, |row| row.chunk);
        if rows.iter().all(|row| row.chunk == first) {
            let Some(chunk) = self.alive.get(first.wrapping_sub(self.first) as usize) else {
                return Err(EngineError::Plan("no rows to gather from".into()));
            };
            if rows.len() == chunk.len() && rows.iter().enumerate().all(|(index, row)| row.row as usize == index) {
                return of(first).cloned();
            }
            let indices: arrow::array::UInt32Array = rows.iter().map(|row| row.row).collect::<Vec<u32>>().into();
            return take(of(first)?, &indices, None).map_err(failed);
        }
        let numbers: Vec<u32> = (0..self.alive.len() as u32)
            .map(|at| self.first.wrapping_add(at))
            .collect();
        let arrays: Vec<&ArrayRef> = numbers.iter().map(|number| of(*number)).collect::<Result<_, _>>()?;
        let arrays: Vec<&dyn Array> = arrays.iter().map(|array| array.as_ref()).collect();
        let places: Vec<(usize, usize)> = rows
            .iter()
            .map(|row| (row.chunk.wrapping_sub(self.first) as usize, row.row as usize))
            .collect();
        interleave(&arrays, &places).map_err(failed)
    }
}

impl InputSource for Chunks {
    #[inline]
    fn inputs(&self, chunk: u32) -> &[InputValues] {
        &self.get(chunk).inputs
    }
}
