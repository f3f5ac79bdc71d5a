//! Batches to JSON lines, CSV or Parquet.
//!
//! Columns stand in the batch's order under their own names. In JSON and CSV, times are RFC 3339 with milliseconds and `Z`,
//! numbers are numbers with the fewest digits that read back the same, and a number that is none (NaN, infinite) is null or
//! an empty field. It does not choose columns or sort rows.

mod text;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use text::Style;

/// What a file of results holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    JsonLines,
    /// RFC 4180 with a header.
    Csv,
    /// Parquet, compressed with Snappy.
    Parquet,
}

/// Results that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The operating system refused. A broken pipe means that nobody reads on.
    #[error("cannot write {target}: {source}")]
    Io {
        /// The file, or what the caller calls it.
        target: String,
        /// Why.
        source: io::Error,
    },
    /// The name does not say what the file shall hold.
    #[error("cannot tell what {} shall hold by its name; known are .jsonl, .ndjson, .json, .csv and .parquet", .0.display())]
    UnknownKind(PathBuf),
    /// A column of a type that the format does not have.
    #[error("cannot write {target}: {message}")]
    Column {
        /// The file, or what the caller calls it.
        target: String,
        /// Which column, and why.
        message: String,
    },
}

impl Format {
    /// The format that a file's extension names.
    pub fn of(path: &Path) -> Result<Format, OutputError> {
        let extension = path
            .extension()
            .and_then(|extension| extension.to_str())
            .unwrap_or("")
            .to_ascii_lowercase();
        match extension.as_str() {
            "jsonl" | "ndjson" | "json" => Ok(Format::JsonLines),
            "csv" => Ok(Format::Csv),
            "parquet" => Ok(Format::Parquet),
            _ => Err(OutputError::UnknownKind(path.to_owned())),
        }
    }
}

/// Writes batches of one schema to a file or any other sink of bytes.
pub struct Writer<W: Write + Send> {
    target: String,
    sink: Sink<W>,
}

enum Sink<W: Write + Send> {
    Text {
        out: BufWriter<W>,
        style: Style,
        /// What the next write passes on; first the header.
        buffer: Vec<u8>,
    },
    Parquet(Box<ArrowWriter<W>>),
}

impl Writer<File> {
    /// Creates (or empties) a file of the format that its extension names.
    pub fn create(path: &Path, columns: &SchemaRef) -> Result<Self, OutputError> {
        let format = Format::of(path)?;
        let target = path.display().to_string();
        let file = File::create(path).map_err(|source| OutputError::Io {
            target: target.clone(),
            source,
        })?;
        Writer::new(file, target, format, columns)
    }
}

impl<W: Write + Send> Writer<W> {
    /// `target` is what errors call the sink. The header of a CSV is written even when no row follows.
    pub fn new(sink: W, target: impl Into<String>, format: Format, columns: &SchemaRef) -> Result<Self, OutputError> {
        let target = target.into();
        let style = match format {
            Format::JsonLines => Style::JsonLines,
            Format::Csv => Style::Csv,
            Format::Parquet => {
                let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
                let writer = ArrowWriter::try_new(sink, columns.clone(), Some(properties));
                let writer = writer.map_err(|error| parquet_error(&target, error))?;
                return Ok(Writer {
                    target,
                    sink: Sink::Parquet(Box::new(writer)),
                });
            }
        };
        let mut buffer = Vec::new();
        text::push_header(style, columns, &mut buffer);
        let out = BufWriter::with_capacity(1 << 16, sink);
        Ok(Writer {
            target,
            sink: Sink::Text { out, style, buffer },
        })
    }

    /// Writes a batch.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), OutputError> {
        match &mut self.sink {
            Sink::Text { out, style, buffer } => {
                text::push_rows(*style, batch, buffer).map_err(|error| column_error(&self.target, error))?;
                let written = out.write_all(buffer);
                buffer.clear();
                written.map_err(|source| OutputError::Io {
                    target: self.target.clone(),
                    source,
                })
            }
            Sink::Parquet(writer) => writer.write(batch).map_err(|error| parquet_error(&self.target, error)),
        }
    }

    /// Passes on what has been written so far, so that a reader sees it. Parquet passes on whole row groups only.
    pub fn flush(&mut self) -> Result<(), OutputError> {
        let io = |source| OutputError::Io {
            target: self.target.clone(),
            source,
        };
        match &mut self.sink {
            Sink::Text { out, buffer, .. } => {
                let written = out.write_all(buffer).and_then(|()| out.flush());
                buffer.clear();
                written.map_err(io)
            }
            Sink::Parquet(_) => Ok(()),
        }
    }

    /// Writes what is left. A Parquet file cannot be read before.
    pub fn finish(mut self) -> Result<(), OutputError> {
        self.flush()?;
        match self.sink {
            Sink::Text { .. } => Ok(()),
            Sink::Parquet(writer) => writer
                .close()
                .map(drop)
                .map_err(|error| parquet_error(&self.target, error)),
        }
    }
}

fn column_error(target: &str, error: ArrowError) -> OutputError {
    OutputError::Column {
        target: target.to_owned(),
        message: error.to_string(),
    }
}

fn parquet_error(target: &str, error: ParquetError) -> OutputError {
    match error {
        // A full disk is the system's word, not the column's.
        ParquetError::External(source) => OutputError::Io {
            target: target.to_owned(),
            source: io::Error::other(source),
        },
        other => OutputError::Column {
            target: target.to_owned(),
            message: other.to_string(),
        },
    }
}
