//! From columns to records of a topic: Avro in Confluent's frame, partitioned by key.
//!
//! It does not choose topics or read files.

use std::sync::Arc;

use anyhow::Context;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{SchemaRef, TimestampMillisecondType};
use hw_avro::{Encoder, Schema, confluent};
use hw_log::batch::{BatchBuilder, Compression, partition_for_key};
use hw_log::{Append, Log, Transaction};

/// A batch is full with this many bytes, before compression, unless somebody wants another size.
pub(crate) const BATCH_BYTES: usize = 256 << 10;

/// Makes batches of a topic's records.
pub(crate) struct TopicWriter {
    topic: String,
    encoder: Arc<Encoder>,
    header: [u8; confluent::HEADER_BYTES],
    key: usize,
    time: Option<usize>,
    value_columns: Vec<usize>,
    builders: Vec<BatchBuilder>,
    share: Share,
    batch_bytes: usize,
    full: Vec<Filled>,
    /// Records added so far.
    pub(crate) records: u64,
}

/// Which partitions a writer writes: every `of`th, beginning with `number`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    number: u32,
    of: u32,
}

/// A batch to be appended, and how many records it has.
pub(crate) struct Filled {
    pub(crate) append: Append,
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
            encoder: Arc::new(Encoder::compile(schema, &columns.project(&value_columns)?)?),
            header: confluent::header(id),
            key,
            time,
            value_columns,
            builders: builders(partitions),
            share: Share { number: 0, of: 1 },
            batch_bytes: BATCH_BYTES,
            full: Vec::new(),
            records: 0,
        })
    }

    /// The same with batches of another size, in bytes before compression.
    pub(crate) fn with_batch_bytes(self, batch_bytes: usize) -> TopicWriter {
        TopicWriter { batch_bytes, ..self }
    }

    /// As many writers instead of this one, which has not written yet. All get all rows; each takes those of its own
    /// partitions, so that whatever their number, a partition's records are in the order of the rows.
    pub(crate) fn split(self, writers: u32) -> Vec<TopicWriter> {
        let writer = |number| TopicWriter {
            topic: self.topic.clone(),
            encoder: Arc::clone(&self.encoder),
            value_columns: self.value_columns.clone(),
            builders: builders(self.partitions()),
            share: Share { number, of: writers },
            full: Vec::new(),
            ..self
        };
        (0..writers).map(writer).collect()
    }

    /// Adds rows, and appends what has become large.
    pub(crate) fn write(&mut self, log: &dyn Log, rows: &RecordBatch) -> anyhow::Result<()> {
        self.add(rows)?;
        append(log, self.take_full())
    }

    /// Adds those of the rows that are this writer's.
    pub(crate) fn add(&mut self, rows: &RecordBatch) -> anyhow::Result<()> {
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
            let key = keys.is_valid(row).then(|| keys.value(row).as_bytes());
            let partition = partition_for_key(key.unwrap_or_default(), self.builders.len() as u32);
            if partition % self.share.of != self.share.number {
                continue;
            }
            value.clear();
            value.extend_from_slice(&self.header);
            bound.encode(row, &mut value);
            let time_ms = times.map_or(0, |times| times.value(row));
            let builder = &mut self.builders[partition as usize];
            builder.push(time_ms, key, Some(&value), &[]);
            self.records += 1;
            if builder.bytes_estimate() >= self.batch_bytes {
                self.full.push(Filled::new(&self.topic, partition, builder));
            }
        }
        Ok(())
    }

    /// The topic.
    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// How many partitions it has.
    pub(crate) fn partitions(&self) -> u32 {
        self.builders.len() as u32
    }

    /// Takes the batches that are full.
    pub(crate) fn take_full(&mut self) -> Vec<Filled> {
        std::mem::take(&mut self.full)
    }

    /// Takes all that has been added and not been taken.
    pub(crate) fn take(&mut self) -> Vec<Filled> {
        let mut filled = self.take_full();
        for (partition, builder) in (0..).zip(&mut self.builders) {
            if !builder.is_empty() {
                filled.push(Filled::new(&self.topic, partition, builder));
            }
        }
        filled
    }

    /// Appends what is left.
    pub(crate) fn flush(&mut self, log: &dyn Log) -> anyhow::Result<()> {
        append(log, self.take())
    }
}

impl Filled {
    fn new(topic: &str, partition: u32, builder: &mut BatchBuilder) -> Filled {
        Filled {
            records: builder.len() as u64,
            append: Append {
                topic: topic.to_owned(),
                partition,
                batch: builder.finish(),
            },
        }
    }
}

fn builders(partitions: u32) -> Vec<BatchBuilder> {
    (0..partitions).map(|_| BatchBuilder::new(Compression::Lz4)).collect()
}

fn append(log: &dyn Log, filled: Vec<Filled>) -> anyhow::Result<()> {
    if !filled.is_empty() {
        log.append(&Transaction {
            appends: filled.into_iter().map(|filled| filled.append).collect(),
            commits: Vec::new(),
        })?;
    }
    Ok(())
}
