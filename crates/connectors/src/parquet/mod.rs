//! Tables from Parquet, columns by name, cast to the declared types.
//!
//! Columns that the table does not have are not read. A value that does not fit its column, and a null where none may be,
//! make the row malformed. It does not read nested columns.

use std::fs::File;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Schema, TimestampMillisecondType};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::{BATCH_ROWS, BatchReader, Malformed, Problem, ReadError, Table, parse_time};

/// Reads a Parquet file.
pub struct Reader {
    batches: ParquetRecordBatchReader,
    file: String,
    table: Table,
    malformed: Malformed,
    /// Rows before the next batch.
    rows: u64,
    rows_of_file: u64,
    bytes_of_file: u64,
}

impl Reader {
    /// Reads the file's footer. `file` is what problems call it.
    pub fn new(source: File, file: impl Into<String>, table: &Table, malformed: Malformed) -> Result<Self, ReadError> {
        let file = file.into();
        let bytes_of_file = source.metadata().map_or(0, |metadata| metadata.len());
        let unusable = |message: String| ReadError::unusable(&file, message);
        let builder = ParquetRecordBatchReaderBuilder::try_new(source)
            .map_err(|error| unusable(format!("cannot be read as Parquet: {error}")))?;
        // All columns are checked before the first row is read: a wrong file is said so at once.
        let mut roots = Vec::new();
        for column in table.columns.fields() {
            match builder.schema().column_with_name(column.name()) {
                Some((root, found)) => {
                    if !can_become(found.data_type(), column.data_type()) {
                        let (from, to) = (found.data_type(), column.data_type());
                        return Err(unusable(format!(
                            "column {:?} is {from}, which is no {to}",
                            column.name()
                        )));
                    }
                    roots.push(root);
                }
                None if column.is_nullable() => {}
                None => {
                    let names: Vec<_> = builder
                        .schema()
                        .fields()
                        .iter()
                        .map(|one| one.name().as_str())
                        .collect();
                    let message = format!("there is no column {:?}; there are {}", column.name(), names.join(", "));
                    return Err(unusable(message));
                }
            }
        }
        let rows_of_file = builder.metadata().file_metadata().num_rows().max(1) as u64;
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        let batches = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build();
        let batches = batches.map_err(|error| unusable(format!("cannot be read as Parquet: {error}")))?;
        Ok(Reader {
            batches,
            file,
            table: table.clone(),
            malformed,
            rows: 0,
            rows_of_file,
            bytes_of_file,
        })
    }

    /// The batch as the table has it, and which rows do not fit.
    fn convert(&self, batch: &RecordBatch, problems: &mut Vec<Problem>) -> Result<RecordBatch, ReadError> {
        let unusable = |error: ArrowError| ReadError::unusable(&self.file, error.to_string());
        let mut good = vec![true; batch.num_rows()];
        let mut arrays = Vec::new();
        for column in self.table.columns.fields() {
            let Some(source) = batch.column_by_name(column.name()) else {
                arrays.push(arrow::array::new_null_array(column.data_type(), batch.num_rows()));
                continue;
            };
            let array = become_type(source, column.data_type()).map_err(unusable)?;
            for (row, good) in good.iter_mut().enumerate() {
                let message = if source.is_null(row) && !column.is_nullable() {
                    format!("field {:?} may not be null", column.name())
                } else if array.is_null(row) && !source.is_null(row) {
                    format!("field {:?} does not fit {}", column.name(), column.data_type())
                } else {
                    continue;
                };
                if std::mem::replace(good, false) {
                    let line = self.rows + row as u64 + 1;
                    problems.push(Problem {
                        file: self.file.clone(),
                        line,
                        column: 0,
                        message,
                    });
                }
            }
            arrays.push(array);
        }
        // Nulls where none may be are filtered out before the table's own schema is put on.
        let relaxed = self
            .table
            .columns
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(true));
        let relaxed = Schema::new(relaxed.collect::<Vec<_>>());
        let rows = RecordBatch::try_new(relaxed.into(), arrays).map_err(unusable)?;
        let rows = filter_record_batch(&rows, &BooleanArray::from(good)).map_err(unusable)?;
        RecordBatch::try_new(self.table.columns.clone(), rows.columns().to_vec()).map_err(unusable)
    }
}

impl BatchReader for Reader {
    fn next_batch(&mut self, problems: &mut Vec<Problem>) -> Result<Option<RecordBatch>, ReadError> {
        let Some(batch) = self.batches.next() else {
            return Ok(None);
        };
        let batch = batch.map_err(|error| ReadError::unusable(&self.file, error.to_string()))?;
        // Refusing looks at what this batch added: earlier problems may be another file's.
        let before = problems.len();
        let converted = self.convert(&batch, problems)?;
        self.rows += batch.num_rows() as u64;
        match (self.malformed, problems.get(before)) {
            (Malformed::Refuse, Some(problem)) => Err(ReadError::Refused(problem.clone())),
            _ => Ok(Some(converted)),
        }
    }

    fn bytes_read(&self) -> u64 {
        (u128::from(self.rows) * u128::from(self.bytes_of_file) / u128::from(self.rows_of_file)) as u64
    }
}

/// Arrow would cast 72.9 to 72 and true to 1; a table of readings wants to hear of it.
fn can_become(from: &DataType, to: &DataType) -> bool {
    let text = matches!(from, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    match to {
        DataType::Boolean => *from == DataType::Boolean,
        DataType::Int32 | DataType::Int64 => from.is_integer(),
        DataType::Float32 | DataType::Float64 => from.is_numeric(),
        DataType::Timestamp(..) => text || matches!(from, DataType::Timestamp(..) | DataType::Int64 | DataType::Date32),
        _ => text || from.is_integer(),
    }
}

/// Values that do not fit become null, by which the caller knows them.
fn become_type(source: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    match (source.data_type(), to) {
        (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, DataType::Timestamp(..)) => {
            let texts = cast(source, &DataType::Utf8)?;
            let times = texts.as_string::<i32>().iter().map(|text| text.and_then(parse_time));
            let times: arrow::array::PrimitiveArray<TimestampMillisecondType> = times.collect();
            Ok(std::sync::Arc::new(times))
        }
        // The zone says how a time is shown; the milliseconds are UTC with or without.
        (DataType::Timestamp(unit, Some(_)), DataType::Timestamp(..)) => {
            cast(&cast(source, &DataType::Timestamp(*unit, Some("UTC".into())))?, to)
        }
        _ => cast(source, to),
    }
}
