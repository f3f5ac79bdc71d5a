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

#[cfg(test)]
mod tests {
    use arrow::array::{Int32Array, StringArray};
    use arrow::datatypes::{DataType, Field, Schema as Columns};
    use hw_avro::shipped;
    use hw_log::batch::{BatchHeader, HEADER_BYTES};
    use hw_log::{FolderLog, FolderOptions, TopicOptions};

    use super::*;

    const PARTITIONS: u32 = 5;

    /// A writer of ranges, and so many of them.
    fn ranges(log: &FolderLog, count: i32) -> (TopicWriter, RecordBatch) {
        let columns: SchemaRef = Arc::new(Columns::new(vec![
            Field::new("user_id", DataType::Utf8, false),
            Field::new("min_heart_rate", DataType::Int32, false),
            Field::new("max_heart_rate", DataType::Int32, false),
        ]));
        log.create_topic("baselines", &TopicOptions::table(PARTITIONS)).unwrap();
        let schema = Schema::parse(shipped::BASELINE).unwrap();
        let writer = TopicWriter::new(log, "baselines", &schema, &columns, (0, None)).unwrap();
        let users: StringArray = (0..count).map(|user| Some(user.to_string())).collect();
        let numbers: Int32Array = (0..count).map(Some).collect();
        let arrays: Vec<ArrayRef> = vec![Arc::new(users), Arc::new(numbers.clone()), Arc::new(numbers)];
        (writer, RecordBatch::try_new(columns, arrays).unwrap())
    }

    #[test]
    fn several_writers_write_what_one_would() {
        let folder = tempfile::tempdir().unwrap();
        let log = FolderLog::open(folder.path(), &FolderOptions::default()).unwrap();
        let (mut one, rows) = ranges(&log, 1_000);
        let (other, _) = ranges(&log, 0);
        one.add(&rows).unwrap();
        let mut by_several: Vec<Filled> = Vec::new();
        for mut writer in other.split(3) {
            writer.add(&rows).unwrap();
            by_several.extend(writer.take());
        }
        by_several.sort_by_key(|filled| filled.append.partition);
        let by_one = one.take();
        assert_eq!(by_one.len(), PARTITIONS as usize);
        assert_eq!(by_one.iter().map(|filled| filled.records).sum::<u64>(), 1_000);
        for (one, other) in by_one.iter().zip(&by_several) {
            assert_eq!((&one.append, one.records), (&other.append, other.records));
        }
    }

    #[test]
    fn a_batch_is_full_with_the_first_record_that_reaches_the_size() {
        let folder = tempfile::tempdir().unwrap();
        let log = FolderLog::open(folder.path(), &FolderOptions::default()).unwrap();
        let (writer, rows) = ranges(&log, 2_000);
        let mut writer = writer.with_batch_bytes(1 << 10);
        writer.add(&rows).unwrap();
        let full = writer.take_full();
        let record_bytes_max = 32;
        for filled in &full {
            let header = BatchHeader::parse(&filled.append.batch).unwrap();
            assert_eq!(u64::from(header.count), filled.records);
            let most = (1 << 10) - HEADER_BYTES as u64;
            assert!(filled.records <= most / 10 + 1 && filled.records >= most / record_bytes_max);
        }
        let in_full: u64 = full.iter().map(|filled| filled.records).sum();
        let left: u64 = writer.take().iter().map(|filled| filled.records).sum();
        assert!(full.len() > 20 && in_full + left == 2_000, "{} batches", full.len());
    }
}
