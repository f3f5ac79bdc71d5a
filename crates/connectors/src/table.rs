//! A table as the caller declares it, and reading a file of any kind as that table.
//!
//! It does not know the formats; each has a folder.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::{Malformed, Problem, ReadError, csv, jsonl, parquet};

/// Rows (or, with malformed ones, lines) of a batch at most.
pub const BATCH_ROWS: usize = 8_192;

/// What the rows of a file are.
#[derive(Debug, Clone)]
pub struct Table {
    /// `Boolean`, `Int32`, `Int64`, `Float32`, `Float64`, `Utf8` or `Timestamp(Millisecond, None)` (UTC).
    pub columns: SchemaRef,
    /// The column that says whom a row is about.
    pub key: usize,
    /// The column that is the event time; tables that are looked up have none.
    pub time: Option<usize>,
}

/// A column that a file calls otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// The name in the file.
    pub from: String,
    /// The name in the table.
    pub to: String,
}

/// A file that is being read.
pub trait BatchReader {
    /// The next rows, at most [`BATCH_ROWS`]; an empty batch when so many lines in a row were malformed, `None` at the end.
    /// Lines that were left out are added to `problems`.
    fn next_batch(&mut self, problems: &mut Vec<Problem>) -> Result<Option<RecordBatch>, ReadError>;

    /// How many of the file's bytes have been read; of Parquet files an estimate by rows.
    fn bytes_read(&self) -> u64;
}

/// Opens a file by its extension: `.csv`, `.parquet`, and JSON lines as `.jsonl`, `.ndjson`, `.json` or `.data`. `renamed` are
/// the columns that the file calls otherwise than the table.
pub fn open(
    path: &Path,
    table: &Table,
    malformed: Malformed,
    renamed: &[Renamed],
) -> Result<Box<dyn BatchReader>, ReadError> {
    let file_name = path.display().to_string();
    table.check(&file_name)?;
    if !renamed.is_empty() {
        return Ok(Box::new(Relabelled {
            inner: open(path, &table.as_in_file(renamed), malformed, &[])?,
            columns: table.columns.clone(),
        }));
    }
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or("")
        .to_ascii_lowercase();
    let file = || {
        File::open(path).map_err(|source| ReadError::Io {
            path: path.to_owned(),
            source,
        })
    };
    match extension.as_str() {
        "jsonl" | "ndjson" | "json" | "data" => Ok(Box::new(jsonl::Reader::new(file()?, file_name, table, malformed))),
        "csv" => Ok(Box::new(csv::Reader::new(file()?, file_name, table, malformed)?)),
        "parquet" => Ok(Box::new(parquet::Reader::new(file()?, file_name, table, malformed)?)),
        _ => Err(ReadError::UnknownKind {
            path: path.to_owned(),
            known: ".jsonl, .ndjson, .json, .data, .csv and .parquet",
        }),
    }
}

/// Reads a file by its own names, and gives batches with the table's.
struct Relabelled {
    inner: Box<dyn BatchReader>,
    columns: SchemaRef,
}

impl BatchReader for Relabelled {
    fn next_batch(&mut self, problems: &mut Vec<Problem>) -> Result<Option<RecordBatch>, ReadError> {
        let batch = self.inner.next_batch(problems)?;
        Ok(batch.map(|batch| {
            let columns = batch.columns().to_vec();
            RecordBatch::try_new(self.columns.clone(), columns).expect("invariant: only names differ")
        }))
    }

    fn bytes_read(&self) -> u64 {
        self.inner.bytes_read()
    }
}

impl Table {
    /// The same table with the names that a file has.
    fn as_in_file(&self, renamed: &[Renamed]) -> Table {
        let name = |field: &Field| {
            let other = renamed.iter().rfind(|one| one.to == *field.name());
            other.map_or_else(|| field.name().clone(), |one| one.from.clone())
        };
        let fields = self.columns.fields().iter();
        let fields: Vec<Field> = fields
            .map(|field| Field::new(name(field), field.data_type().clone(), field.is_nullable()))
            .collect();
        Table {
            columns: Arc::new(Schema::new(fields)),
            ..self.clone()
        }
    }

    fn check(&self, file: &str) -> Result<(), ReadError> {
        for column in self.columns.fields() {
            let known = matches!(
                column.data_type(),
                DataType::Boolean
                    | DataType::Int32
                    | DataType::Int64
                    | DataType::Float32
                    | DataType::Float64
                    | DataType::Utf8
                    | DataType::Timestamp(TimeUnit::Millisecond, None)
            );
            if !known {
                let message = format!(
                    "column {:?} of type {} cannot be read",
                    column.name(),
                    column.data_type()
                );
                return Err(ReadError::unusable(file, message));
            }
        }
        Ok(())
    }
}
