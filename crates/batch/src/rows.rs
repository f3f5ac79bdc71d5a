//! Rows of an input: brought into their declared types, checked, and of a table the last of each key.
//!
//! What is not valid is counted and left out, as the live engine does with dead letters.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt64Array, new_null_array};
use arrow::compute::{cast, concat_batches, filter, filter_record_batch, is_not_null, take_record_batch};
use arrow::datatypes::SchemaRef;
use hw_graph::Check;

use crate::BatchError;

/// Rows that fulfil their declaration.
pub(crate) struct Valid {
    pub(crate) batches: Vec<RecordBatch>,
    /// Rows that do not, and are left out.
    pub(crate) invalid: u64,
}

/// Brings rows into the declared columns, by name, and leaves out those that are not valid.
pub(crate) fn valid(
    input: &str,
    columns: &SchemaRef,
    checks: &[Check],
    batches: Vec<RecordBatch>,
) -> Result<Valid, BatchError> {
    let mut valid = Valid {
        batches: Vec::new(),
        invalid: 0,
    };
    for batch in batches {
        let rows = batch.num_rows();
        let batch = without_nulls(columns, declared(input, columns, &batch)?)?;
        let mut keep = BooleanArray::from(vec![true; batch.num_rows()]);
        for check in checks {
            let fulfilled = check.predicate.evaluate(&batch)?.into_array(batch.num_rows())?;
            // A null is fulfilled, as SQL says of CHECK.
            keep = (keep.iter().zip(fulfilled.as_boolean()))
                .map(|(kept, fulfilled)| Some(kept == Some(true) && fulfilled != Some(false)))
                .collect();
        }
        let batch = filter_record_batch(&batch, &keep)?;
        valid.invalid += (rows - batch.num_rows()) as u64;
        valid.batches.push(batch);
    }
    Ok(valid)
}

/// The last row of each key, in one batch.
pub(crate) fn last_of_each_key(
    columns: &SchemaRef,
    key: usize,
    batches: &[RecordBatch],
) -> Result<RecordBatch, BatchError> {
    let all = concat_batches(columns, batches)?;
    let mut last: HashMap<&str, u64> = HashMap::new();
    let keys = all.column(key).as_string::<i32>();
    for row in 0..all.num_rows() {
        last.insert(keys.value(row), row as u64);
    }
    let mut rows: Vec<u64> = last.into_values().collect();
    rows.sort_unstable();
    Ok(take_record_batch(&all, &UInt64Array::from(rows))?)
}

/// The declared columns by name and in their types; one that is absent is null.
fn declared(input: &str, columns: &SchemaRef, batch: &RecordBatch) -> Result<Vec<ArrayRef>, BatchError> {
    let mut arrays = Vec::new();
    for field in columns.fields() {
        let array = match batch.column_by_name(field.name()) {
            Some(column) if column.data_type() == field.data_type() => column.clone(),
            Some(column) => cast(column, field.data_type()).map_err(|error| BatchError::Column {
                input: input.to_string(),
                column: field.name().clone(),
                error,
            })?,
            None if field.is_nullable() => new_null_array(field.data_type(), batch.num_rows()),
            None => {
                return Err(BatchError::MissingColumn {
                    input: input.to_string(),
                    column: field.name().clone(),
                });
            }
        };
        arrays.push(array);
    }
    Ok(arrays)
}

/// The rows that hold no null where none may be.
fn without_nulls(columns: &SchemaRef, mut arrays: Vec<ArrayRef>) -> Result<RecordBatch, BatchError> {
    for index in 0..arrays.len() {
        if !columns.field(index).is_nullable() && arrays[index].null_count() > 0 {
            let keep = is_not_null(&arrays[index])?;
            for array in &mut arrays {
                *array = filter(array, &keep)?;
            }
        }
    }
    Ok(RecordBatch::try_new(columns.clone(), arrays)?)
}
