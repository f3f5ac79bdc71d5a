//! From columns to records of a topic: Avro in Confluent's frame, partitioned by key.
//!
//! It does not choose topics or read files.

use anyhow::Context;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{SchemaRef, TimestampMillisecondType};
use hw_avro::{Encoder, Schema, confluent};
use hw_log::batch::{BatchBuilder, Compression, partition_for_key};
use hw_log::{Append, Log, Transaction};

/// A transaction is appended when a batch of it reaches this many bytes.
const BATCH_BYTES: usize = 256 << 10;

/// Appends rows to a topic.
pub(crate) struct TopicWriter {
    topic: String,
    encoder: Encoder,
    header: [u8; confluent::HEADER_BYTES],
    key: usize,
    time: Option<usize>,
    value_columns: Vec<usize>,
    builders: Vec<BatchBuilder>,
    /// Records appended so far.
    pub(crate) records: u64,
}

impl TopicWriter {
    /// Writes rows of `columns`; `time`, if given, is the record's timestamp and no field of the value. The topic exists.
    pub(crate) fn new(
        log: &dyn Log,
        topic: &str,
        schema: &Schema,
        columns: &SchemaRef,
        (key, time): (usize, Option<usize>),
    ) -> anyhow::Result<TopicWriter> {
        let id = log.register_schema(&format!("{topic}-value"), &schema.to_json())?;
        let value_columns: Vec<usize> = (0..columns.fields().len())
            .filter(|column| Some(*column) != time)
            .collect();
        let partitions = log.topic(topic)?.options.partitions;
        Ok(TopicWriter {
            topic: topic.to_owned(),
            encoder: Encoder::compile(schema, &columns.project(&value_columns)?)?,
            header: confluent::header(id),
            key,
            time,
            value_columns,
            builders: (0..partitions).map(|_| BatchBuilder::new(Compression::Lz4)).collect(),
            records: 0,
        })
    }

    /// Adds rows, and appends what has become large.
    pub(crate) fn write(&mut self, log: &dyn Log, rows: &RecordBatch) -> anyhow::Result<()> {
        if self.add(rows)? { self.flush(log) } else { Ok(()) }
    }

    /// Adds rows; says whether so many are there that they should be appended.
    pub(crate) fn add(&mut self, rows: &RecordBatch) -> anyhow::Result<bool> {
        let values: Vec<ArrayRef> = self
            .value_columns
            .iter()
            .map(|column| rows.column(*column).clone())
            .collect();
        let bound = self
            .encoder
            .bind(&values)
            .with_context(|| format!("rows for topic {}", self.topic))?;
        let keys = rows.column(self.key).as_string::<i32>();
        let times = self
            .time
            .map(|time| rows.column(time).as_primitive::<TimestampMillisecondType>());
        let mut value = Vec::new();
        for row in 0..rows.num_rows() {
            value.clear();
            value.extend_from_slice(&self.header);
            bound.encode(row, &mut value);
            let key = if keys.is_valid(row) {
                Some(keys.value(row).as_bytes())
            } else {
                None
            };
            let partition = partition_for_key(key.unwrap_or_default(), self.builders.len() as u32);
            let time_ms = times.map_or(0, |times| times.value(row));
            self.builders[partition as usize].push(time_ms, key, Some(&value), &[]);
        }
        self.records += rows.num_rows() as u64;
        Ok(self
            .builders
            .iter()
            .any(|builder| builder.bytes_estimate() > BATCH_BYTES))
    }

    /// The topic.
    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// Takes what has been added since the last call.
    pub(crate) fn take(&mut self) -> Vec<Append> {
        let mut appends = Vec::new();
        for (partition, builder) in (0..).zip(&mut self.builders) {
            if !builder.is_empty() {
                appends.push(Append {
                    topic: self.topic.clone(),
                    partition,
                    batch: builder.finish(),
                });
            }
        }
        appends
    }

    /// Appends what is left.
    pub(crate) fn flush(&mut self, log: &dyn Log) -> anyhow::Result<()> {
        let appends = self.take();
        if !appends.is_empty() {
            log.append(&Transaction {
                appends,
                commits: Vec::new(),
            })?;
        }
        Ok(())
    }
}
