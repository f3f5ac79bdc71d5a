//! Files: tables read from JSON lines, CSV and Parquet, recordings of watches, and what is written for people and tools.
//!
//! [`open`] reads a file of any of the three kinds as Arrow batches of a declared table; [`recordings::import`] makes
//! readings of what a watch has stored; [`output::Writer`] writes batches. Every kind has a folder of its own.
//!
//! It does not know pipelines, logs or Avro, and prints nothing: what is wrong with a file is returned.

pub mod csv;
mod error;
pub mod jsonl;
pub mod output;
pub mod parquet;
pub mod recordings;
mod rows;
mod table;
mod times;

pub use error::{Malformed, Problem, ReadError};
pub use table::{BATCH_ROWS, BatchReader, Renamed, Table, open};
pub use times::{format_time, parse_time};
