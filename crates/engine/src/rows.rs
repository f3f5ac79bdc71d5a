//! From decoded rows to a chunk: validity, the conditions before the window, and the window's inputs, column by column.
//!
//! It belongs to one task and holds no state. It says which rows are invalid; their dead letters are the task's.

use arrow::array::{Array, ArrayRef, BooleanArray, StringArray, TimestampMillisecondArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter;
use hw_graph::{Job, Pipeline, Stream, Window};
use std::sync::Arc;

use crate::EngineError;
use crate::chunk::Chunk;
use crate::dead_letter::Reason;
use crate::decode::{DecodedRows, TIME_MS_MAX};
use crate::expr::BoundExpr;
use crate::keys::{KeyBlock, Keys};
use crate::window::inputs::InputValues;

/// How far ahead of a row the memory of its key is asked for.
const AHEAD: usize = 64;

/// Makes chunks of decoded rows.
pub(crate) struct RowMaker {
    checks: Vec<(String, BoundExpr)>,
    before: Vec<BoundExpr>,
    /// The inputs that the window keeps, in the order of its columns.
    inputs: Vec<BoundExpr>,
    key: usize,
    time: usize,
    needs_key_text: bool,
}

impl RowMaker {
    /// `kept` are the inputs of the window that are kept.
    pub(crate) fn new(stream: &Stream, job: &Job, kept: &[usize]) -> Result<RowMaker, EngineError> {
        let bind = |expr| BoundExpr::new(expr, &stream.columns);
        let checks = stream
            .checks
            .iter()
            .map(|check| Ok((check.text.clone(), bind(&check.predicate)?)));
        let checks = checks.collect::<Result<Vec<_>, EngineError>>()?;
        let before = job.before.iter().map(bind).collect::<Result<Vec<_>, _>>()?;
        let inputs = job.window.as_ref().map_or(&[][..], Window::inputs);
        let inputs = kept
            .iter()
            .map(|input| bind(&inputs[*input].expr))
            .collect::<Result<Vec<_>, _>>()?;
        let read = checks.iter().map(|(_, expr)| expr).chain(&before).chain(&inputs);
        let needs_key_text = read.flat_map(BoundExpr::columns).any(|column| *column == stream.key);
        Ok(RowMaker {
            checks,
            before,
            inputs,
            key: stream.key,
            time: stream.time,
            needs_key_text,
        })
    }

    /// Which of the source's columns are read, here or by `more`.
    pub(crate) fn needed(&self, pipeline: &Pipeline, job: &Job, more: impl Iterator<Item = usize>) -> Vec<bool> {
        let mut needed = vec![false; pipeline.streams[job.source].columns.fields().len()];
        let read = self
            .checks
            .iter()
            .map(|(_, expr)| expr)
            .chain(&self.before)
            .chain(&self.inputs);
        for column in read.flat_map(BoundExpr::columns).copied().chain(more) {
            needed[column] = true;
        }
        needed
    }

    /// The valid rows as a chunk, and the others by their place in the block with what is wrong.
    pub(crate) fn chunk(
        &self,
        mut rows: DecodedRows,
        block: &KeyBlock,
        keys: &mut Keys,
    ) -> Result<(Chunk, Vec<(usize, Reason)>), EngineError> {
        let mut invalid = Vec::new();
        let len = block.len();
        if self.needs_key_text {
            rows.columns[self.key] = Some(key_text(block, keys));
        }
        rows.columns[self.time] = Some(Arc::new(TimestampMillisecondArray::from(rows.times_ms.clone())));
        let mut valid: Option<BooleanBuffer> = self.check_times(&rows, &mut invalid);
        for (text, check) in &self.checks {
            let holds = check.test(len, |column| fetch(&rows.columns, column))?;
            self.note_invalid(&holds, text, &mut valid, &mut invalid);
        }
        let (numbers, stands) = intern(block, keys, valid, &mut invalid);
        if let Some(stands) = stands {
            rows = keep(rows, &BooleanArray::from(stands))?;
        }
        let chunk = self.finish(rows, numbers)?;
        Ok((chunk, invalid))
    }

    fn finish(&self, rows: DecodedRows, keys: Vec<u32>) -> Result<Chunk, EngineError> {
        let len = keys.len();
        let mut passes: Option<BooleanBuffer> = None;
        for condition in &self.before {
            let holds = condition.test(len, |column| fetch(&rows.columns, column))?;
            let holds = true_bits(&holds);
            passes = Some(match passes {
                Some(other) => &other & &holds,
                None => holds,
            });
        }
        let inputs = self.inputs.iter().map(|input| {
            let array = input.evaluate(len, |column| fetch(&rows.columns, column))?;
            InputValues::new(&array)
        });
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        Ok(Chunk {
            columns: rows.columns,
            times_ms: rows.times_ms,
            keys,
            offsets: rows.offsets,
            inputs,
            passes,
        })
    }

    fn check_times(&self, rows: &DecodedRows, invalid: &mut Vec<(usize, Reason)>) -> Option<BooleanBuffer> {
        let possible = |time_ms: &i64| time_ms.unsigned_abs() <= TIME_MS_MAX as u64;
        if rows.times_ms.iter().all(possible) {
            return None;
        }
        for (row, time_ms) in rows
            .times_ms
            .iter()
            .enumerate()
            .filter(|(_, time_ms)| !possible(time_ms))
        {
            invalid.push((row, Reason::Time(format!("{time_ms} ms is no possible time"))));
        }
        Some(rows.times_ms.iter().map(possible).collect())
    }

    /// As SQL says of `CHECK`: only false breaks it, null does not.
    fn note_invalid(
        &self,
        holds: &BooleanArray,
        text: &str,
        valid: &mut Option<BooleanBuffer>,
        invalid: &mut Vec<(usize, Reason)>,
    ) {
        if !holds.has_false() {
            return;
        }
        let fulfilled: BooleanBuffer = (0..holds.len())
            .map(|row| holds.is_null(row) || holds.value(row))
            .collect();
        for row in (0..holds.len()).filter(|row| !fulfilled.value(*row)) {
            if valid.as_ref().is_none_or(|valid| valid.value(row)) {
                invalid.push((row, Reason::Check(text.to_owned())));
            }
        }
        *valid = Some(match valid.take() {
            Some(other) => &other & &fulfilled,
            None => fulfilled,
        });
    }
}

/// The numbers of the keys of valid rows; which rows stand, unless all do.
fn intern(
    block: &KeyBlock,
    keys: &mut Keys,
    mut valid: Option<BooleanBuffer>,
    invalid: &mut Vec<(usize, Reason)>,
) -> (Vec<u32>, Option<BooleanBuffer>) {
    let mut numbers = Vec::with_capacity(block.len());
    let mut no_text = Vec::new();
    for row in 0..block.len() {
        keys.prefetch(block, row + AHEAD);
        if valid.as_ref().is_some_and(|valid| !valid.value(row)) {
            continue;
        }
        match keys.intern(block, row) {
            Some(number) => numbers.push(number),
            None => no_text.push(row),
        }
    }
    if !no_text.is_empty() {
        let stands = |row| valid.as_ref().is_none_or(|valid| valid.value(row)) && !no_text.contains(&row);
        valid = Some((0..block.len()).map(stands).collect());
        invalid.extend(
            no_text
                .into_iter()
                .map(|row| (row, Reason::Key("it is not UTF-8 text"))),
        );
    }
    (numbers, valid)
}

fn key_text(block: &KeyBlock, keys: &Keys) -> ArrayRef {
    Arc::new(
        (0..block.len())
            .map(|row| keys.staged_text(block, row))
            .collect::<StringArray>(),
    )
}

fn fetch(columns: &[Option<ArrayRef>], column: usize) -> Result<ArrayRef, EngineError> {
    let array = columns[column].clone();
    array.ok_or_else(|| EngineError::Plan(format!("source column {column} was not decoded")))
}

fn true_bits(holds: &BooleanArray) -> BooleanBuffer {
    match holds.nulls() {
        Some(nulls) => holds.values() & nulls.inner(),
        None => holds.values().clone(),
    }
}

fn keep(rows: DecodedRows, stands: &BooleanArray) -> Result<DecodedRows, EngineError> {
    let columns = rows.columns.iter().map(|column| {
        let kept = column.as_ref().map(|column| filter(column, stands)).transpose();
        kept.map_err(|error| EngineError::Plan(error.to_string()))
    });
    let pick = |row: &usize| stands.value(*row);
    Ok(DecodedRows {
        columns: columns.collect::<Result<_, _>>()?,
        times_ms: (0..stands.len()).filter(pick).map(|row| rows.times_ms[row]).collect(),
        offsets: (0..stands.len()).filter(pick).map(|row| rows.offsets[row]).collect(),
    })
}
