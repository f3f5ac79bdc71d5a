//! Recordings of watches and bike computers (.fit, .gpx, .tcx, .csv, .jsonl) to readings of one user.
//!
//! A bad point is left out and counted with its reason; only a file that is no recording at all is an error. Nothing is
//! interpolated or smoothed: a reading is what the device wrote. It does not know who the user is; the caller says.

mod fit;
mod names;
mod point;
mod table;
mod times;
mod xml;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

pub use names::{ColumnNames, Positions};
pub use point::{Reading, Recording, SkipReason};

/// A file that is no recording.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The operating system refused. A retry may help.
    #[error("cannot read {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The name does not say which kind of recording it is.
    #[error("{} is no recording by its name; known are .fit, .gpx, .tcx, .csv and .jsonl", .0.display())]
    UnknownKind(PathBuf),
    /// The content is not what the name says, or holds no point.
    #[error("{} is no recording: {message}", .path.display())]
    NoRecording {
        /// The file.
        path: PathBuf,
        /// What was expected.
        message: String,
    },
}

/// Reads a recording. `names` says where a CSV or JSON-lines file has what, if its own names do not tell.
pub fn import(path: &Path, names: &ColumnNames) -> Result<Recording, ImportError> {
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or("")
        .to_ascii_lowercase();
    if !["fit", "gpx", "tcx", "csv", "jsonl"].contains(&extension.as_str()) {
        return Err(ImportError::UnknownKind(path.to_owned()));
    }
    let bytes = fs::read(path).map_err(|source| ImportError::Io {
        path: path.to_owned(),
        source,
    })?;
    parse(&extension, &bytes, names).map_err(|message| ImportError::NoRecording {
        path: path.to_owned(),
        message,
    })
}

/// As [`import`], from bytes of a kind named by its extension without the dot.
pub fn parse(extension: &str, bytes: &[u8], names: &ColumnNames) -> Result<Recording, String> {
    match extension {
        "fit" => fit::parse(bytes),
        "gpx" => xml::parse(bytes, xml::Dialect::Gpx),
        "tcx" => xml::parse(bytes, xml::Dialect::Tcx),
        "csv" => table::parse_csv(bytes, names),
        "jsonl" => table::parse_jsonl(bytes, names),
        other => Err(format!("{other:?} is no known kind")),
    }
}

/// The columns of readings: user_id, time, zipcode (null: unknown), latitude and longitude (degrees), heart_rate (beats per minute).
pub fn reading_columns() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("user_id", DataType::Utf8, false),
        Field::new("time", DataType::Timestamp(TimeUnit::Millisecond, None), false),
        Field::new("zipcode", DataType::Int32, true),
        Field::new("latitude", DataType::Float64, false),
        Field::new("longitude", DataType::Float64, false),
        Field::new("heart_rate", DataType::Int32, false),
    ]))
}

/// The readings as a batch with [`reading_columns`]. A recording knows no postal code, so it is the caller's.
pub fn to_batch(readings: &[Reading], user_id: &str, zipcode: Option<i32>) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(readings.iter().map(|_| user_id))),
        Arc::new(TimestampMillisecondArray::from_iter_values(
            readings.iter().map(|reading| reading.time_ms),
        )),
        Arc::new(readings.iter().map(|_| zipcode).collect::<Int32Array>()),
        Arc::new(Float64Array::from_iter_values(
            readings.iter().map(|reading| reading.latitude),
        )),
        Arc::new(Float64Array::from_iter_values(
            readings.iter().map(|reading| reading.longitude),
        )),
        Arc::new(Int32Array::from_iter_values(
            readings.iter().map(|reading| reading.heart_rate),
        )),
    ];
    RecordBatch::try_new(reading_columns(), columns).expect("invariant: built to the schema above")
}
