//! Avro, compiled: a writer's schema becomes a flat list of operations between Avro binary and Arrow columns.
//!
//! The way in: [`Schema::parse`], then [`Decoder::compile`] once for every writer's schema, then [`Decoder::decode`] for
//! every record into [`Columns`]. The way out: [`Encoder::compile`] once, [`Encoder::bind`] once a batch,
//! [`BoundEncoder::encode`] for every row. [`confluent`] is the frame around both.
//!
//! It does not read or write Avro container files, talk to a schema registry, or decode columns that are records, arrays,
//! maps, fixed or decimals: such fields are understood only so far that they can be skipped.

mod columns;
mod compile;
pub mod confluent;
mod decode;
mod encode;
mod error;
mod json;
mod reader;
mod schema;
pub mod shipped;
mod skip;

pub use columns::{ColumnRequest, Columns};
pub use decode::Decoder;
pub use encode::{BoundEncoder, Encoder};
pub use error::{DecodeError, EncodeError, Fault, FramingError, SchemaError};
pub use json::to_json;
pub use schema::{Field, Record, Schema, Type};
