//! The steady load as encoded record batches and as columns.
//!
//! Encoding is not part of what is measured; it happens between the measured stretches.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::SchemaRef;
use hw_avro::{Encoder, Schema, confluent};
use hw_graph::{Pipeline, Stream};
use hw_log::RawBatch;
use hw_log::batch::{BatchBuilder, Compression};
use hw_town::Reading;
use hw_town::steady::Steady;

use crate::BenchError;

/// The id that the readings' schema has in a benchmark.
pub(crate) const READING_SCHEMA: u32 = 1;

/// Records in a batch, about what a producer with 128 KiB batches sends.
const BATCH_RECORDS: u32 = 2_200;

/// Encodes a steady load as the stream `readings` of a pipeline.
pub struct Encoded {
    load: Steady,
    columns: SchemaRef,
    encoder: Encoder,
    header: [u8; confluent::HEADER_BYTES],
    next_offset: u64,
}

impl Encoded {
    /// `stream` is the pipeline's stream of readings; its schema has the id `schema_id`.
    pub fn new(load: Steady, stream: &Stream, schema_id: u32) -> Result<Encoded, BenchError> {
        let schema = hw_engine::value_schema(&stream.record, &stream.columns, hw_engine::outside_value(stream))?;
        Encoded::written_as(&schema, load, stream, schema_id)
    }

    /// As [`Encoded::new`], with a writer's schema of its own. No value is null.
    pub fn written_as(schema: &Schema, load: Steady, stream: &Stream, schema_id: u32) -> Result<Encoded, BenchError> {
        let value: Vec<usize> = (0..stream.columns.fields().len())
            .filter(|column| *column != stream.time)
            .collect();
        let present = stream.columns.fields().iter();
        let present = present.map(|field| field.as_ref().clone().with_nullable(false));
        let columns = Arc::new(arrow::datatypes::Schema::new(present.collect::<Vec<_>>()));
        let encoder = Encoder::compile(schema, &columns.project(&value)?)?;
        let header = confluent::header(schema_id);
        Ok(Encoded {
            load,
            columns,
            encoder,
            header,
            next_offset: 0,
        })
    }

    /// All batches of a second, with offsets that go on from the last call's.
    pub fn second(&mut self, second: u32) -> Result<Vec<RawBatch>, BenchError> {
        let mut batches = Vec::new();
        let mut builder = BatchBuilder::new(Compression::Lz4);
        let mut start = 0;
        while start < self.load.users {
            let end = (start + BATCH_RECORDS).min(self.load.users);
            let readings: Vec<Reading> = (start..end).map(|index| self.load.reading(second, index)).collect();
            batches.push(self.batch(&mut builder, &readings)?);
            start = end;
        }
        Ok(batches)
    }

    /// Offset behind the last batch.
    pub fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// A batch of readings, not yet placed in a partition.
    pub fn unplaced(&self, builder: &mut BatchBuilder, readings: &[Reading]) -> Result<Vec<u8>, BenchError> {
        let rows = columns(&self.columns, readings)?;
        let time = self.columns.index_of("time")?;
        let value: Vec<ArrayRef> = rows
            .columns()
            .iter()
            .enumerate()
            .filter(|(column, _)| *column != time)
            .map(|(_, array)| array.clone())
            .collect();
        let bound = self.encoder.bind(&value)?;
        let mut bytes = Vec::new();
        for (row, reading) in readings.iter().enumerate() {
            bytes.clear();
            bytes.extend_from_slice(&self.header);
            bound.encode(row, &mut bytes);
            builder.push(
                reading.time_ms,
                Some(user_id(reading.user).as_bytes()),
                Some(&bytes),
                &[],
            );
        }
        Ok(builder.finish())
    }

    fn batch(&mut self, builder: &mut BatchBuilder, readings: &[Reading]) -> Result<RawBatch, BenchError> {
        let mut bytes = self.unplaced(builder, readings)?;
        // The base offset is the first field of a batch, and its CRC does not cover it.
        bytes[..8].copy_from_slice(&self.next_offset.to_be_bytes());
        self.next_offset += readings.len() as u64;
        Ok(RawBatch::from(bytes))
    }
}

/// Keys of 12 bytes, as the peers' benchmark has them.
pub fn user_id(user: u32) -> String {
    format!("user-{user:07}")
}

/// Readings as the columns of `schema`, which are found by their names.
pub fn columns(schema: &SchemaRef, readings: &[Reading]) -> Result<RecordBatch, BenchError> {
    let column = |name: &str| -> ArrayRef {
        match name {
            "user_id" => Arc::new(
                readings
                    .iter()
                    .map(|reading| Some(user_id(reading.user)))
                    .collect::<StringArray>(),
            ),
            "time" => Arc::new(
                readings
                    .iter()
                    .map(|reading| Some(reading.time_ms))
                    .collect::<TimestampMillisecondArray>(),
            ),
            "latitude" => Arc::new(
                readings
                    .iter()
                    .map(|reading| Some(reading.latitude))
                    .collect::<Float64Array>(),
            ),
            "longitude" => Arc::new(
                readings
                    .iter()
                    .map(|reading| Some(reading.longitude))
                    .collect::<Float64Array>(),
            ),
            "zipcode" => Arc::new(
                readings
                    .iter()
                    .map(|reading| Some(reading.zipcode))
                    .collect::<Int32Array>(),
            ),
            _ => Arc::new(
                readings
                    .iter()
                    .map(|reading| Some(reading.heart_rate))
                    .collect::<Int32Array>(),
            ),
        }
    };
    let arrays = schema.fields().iter().map(|field| column(field.name())).collect();
    Ok(RecordBatch::try_new(schema.clone(), arrays)?)
}

/// Everyone's range as the columns of the table `baselines`.
pub fn baselines(pipeline: &Pipeline, users: u32) -> Result<RecordBatch, BenchError> {
    let schema = &pipeline.tables[0].columns;
    let ranges = (0..users).map(Steady::baseline);
    let arrays: Vec<ArrayRef> = vec![
        Arc::new((0..users).map(|user| Some(user_id(user))).collect::<StringArray>()),
        Arc::new(
            ranges
                .clone()
                .map(|range| Some(range.min_heart_rate))
                .collect::<Int32Array>(),
        ),
        Arc::new(ranges.map(|range| Some(range.max_heart_rate)).collect::<Int32Array>()),
    ];
    Ok(RecordBatch::try_new(schema.clone(), arrays)?)
}
