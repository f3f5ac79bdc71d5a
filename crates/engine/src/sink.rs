//! Where a task's answers go: encoded into record batches for a topic, or kept as columns for a backtest.
//!
//! It does not append to the log; the runner takes what was written when it commits.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::TimestampMillisecondType;
use hw_avro::{Encoder, Schema, confluent, shipped};
use hw_graph::{Stream, TimeSource};
use hw_log::batch::{BatchBuilder, Compression};

use crate::EngineError;

/// A batch is closed when its records reach this many bytes.
const BATCH_BYTES: usize = 1 << 20;

/// The Avro schema that a stream's or a table's values are written with: the shipped one of that record name if its fields
/// are the columns' and take their nulls, else one made from the columns. `skip` is a column that is no field of the value.
pub fn value_schema(
    record: &str,
    columns: &arrow::datatypes::Schema,
    skip: Option<usize>,
) -> Result<Schema, hw_avro::SchemaError> {
    let fields: Vec<usize> = (0..columns.fields().len())
        .filter(|column| Some(*column) != skip)
        .collect();
    let value = columns
        .project(&fields)
        .map_err(|error| hw_avro::SchemaError::Json(error.to_string()))?;
    if let Some(json) = shipped::by_record_name(record) {
        let schema = Schema::parse(json)?;
        let fits = |field: &arrow::datatypes::Field| {
            let nullable = |avro: &hw_avro::Type| matches!(avro, hw_avro::Type::Union(_));
            schema
                .field(field.name())
                .is_some_and(|written| nullable(&written.avro) || !field.is_nullable())
        };
        let same = schema.record.fields.len() == value.fields().len()
            && value.fields().iter().all(|field| fits(field))
            && Encoder::compile(&schema, &value).is_ok();
        if same {
            return Ok(schema);
        }
    }
    Schema::for_record(record, Some("Written by a HeartWatch pipeline."), &value, |_| None)
}

/// The column of a stream that is no field of its values.
pub fn outside_value(stream: &Stream) -> Option<usize> {
    (stream.time_source == TimeSource::RecordTimestamp).then_some(stream.time)
}

/// Encodes answers into record batches.
pub(crate) struct SinkWriter {
    topic: String,
    encoder: Encoder,
    header: [u8; confluent::HEADER_BYTES],
    key: usize,
    time: usize,
    value_columns: Vec<usize>,
    builder: BatchBuilder,
    value: Vec<u8>,
    full: Vec<Vec<u8>>,
    /// Rows written since the start.
    pub(crate) rows: u64,
}

impl SinkWriter {
    /// `schema_id` is that of [`value_schema`] in the log.
    pub(crate) fn new(stream: &Stream, schema: &Schema, schema_id: u32) -> Result<SinkWriter, EngineError> {
        let skip = outside_value(stream);
        let value_columns: Vec<usize> = (0..stream.columns.fields().len())
            .filter(|column| Some(*column) != skip)
            .collect();
        let failed = |source| EngineError::Schema {
            topic: stream.topic.clone(),
            source,
        };
        let value = stream
            .columns
            .project(&value_columns)
            .map_err(|error| EngineError::Plan(error.to_string()))?;
        Ok(SinkWriter {
            topic: stream.topic.clone(),
            encoder: Encoder::compile(schema, &value).map_err(failed)?,
            header: confluent::header(schema_id),
            key: stream.key,
            time: stream.time,
            value_columns,
            builder: BatchBuilder::new(Compression::Lz4),
            value: Vec::new(),
            full: Vec::new(),
            rows: 0,
        })
    }

    /// Adds rows, given as the sink's columns.
    pub(crate) fn write(&mut self, columns: &[ArrayRef]) -> Result<(), EngineError> {
        let values: Vec<ArrayRef> = self
            .value_columns
            .iter()
            .map(|column| columns[*column].clone())
            .collect();
        let bound = self.encoder.bind(&values);
        let bound = bound.map_err(|source| EngineError::Encode {
            topic: self.topic.clone(),
            source,
        })?;
        let keys = columns[self.key].as_string::<i32>();
        let times = columns[self.time].as_primitive::<TimestampMillisecondType>();
        for row in 0..keys.len() {
            self.value.clear();
            self.value.extend_from_slice(&self.header);
            bound.encode(row, &mut self.value);
            let key = keys.is_valid(row).then(|| keys.value(row).as_bytes());
            self.builder.push(times.value(row), key, Some(&self.value), &[]);
            if self.builder.bytes_estimate() >= BATCH_BYTES {
                self.full.push(self.builder.finish());
            }
        }
        self.rows += keys.len() as u64;
        Ok(())
    }

    /// Takes the batches written since the last call.
    pub(crate) fn take(&mut self) -> Vec<Vec<u8>> {
        if !self.builder.is_empty() {
            self.full.push(self.builder.finish());
        }
        std::mem::take(&mut self.full)
    }
}

/// Where a task's answers go.
pub(crate) enum Output {
    Topic(Box<SinkWriter>),
    Rows {
        columns: arrow::datatypes::SchemaRef,
        batches: Vec<RecordBatch>,
    },
}

impl Output {
    pub(crate) fn write(&mut self, answers: Vec<ArrayRef>) -> Result<(), EngineError> {
        match self {
            Output::Topic(writer) => writer.write(&answers),
            Output::Rows { columns, batches } => {
                let batch = RecordBatch::try_new(columns.clone(), answers);
                batches.push(batch.map_err(|error| EngineError::Plan(error.to_string()))?);
                Ok(())
            }
        }
    }
}
