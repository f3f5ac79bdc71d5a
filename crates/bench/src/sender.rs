//! Readings of a steady load on their way to a cluster, byte for byte as the peers' benchmark has them.
//!
//! It builds batches and hands them to the log's own producer. It measures nothing.

use std::ops::Range;

use arrow::array::{ArrayRef, AsArray};
use hw_avro::{Encoder, Schema, confluent};
use hw_graph::Pipeline;
use hw_log::batch::{BatchBuilder, Compression, partition_for_key};
use hw_log::kafka::Pipeline as ToBrokers;
use hw_log::{Append, Log, TopicOptions, Transaction};
use hw_town::Reading;
use hw_town::steady::{START_MS, Steady};

use crate::load::{baselines, user_id};
use crate::{BenchError, Encoded};

/// As the peers' benchmark has it.
pub(crate) const PARTITIONS: u32 = 12;

/// The values' schemas: the first two of the log, whose ids are then 1 and 2.
const READING: &str = r#"{"type":"record","name":"reading","fields":[
    {"name":"user_id","type":"string"},{"name":"zipcode","type":"int"},{"name":"latitude","type":"double"},
    {"name":"longitude","type":"double"},{"name":"heart_rate","type":"int"}]}"#;
const BASELINE: &str = r#"{"type":"record","name":"historical","fields":[
    {"name":"min_heart_rate","type":"int"},{"name":"max_heart_rate","type":"int"}]}"#;

/// An hour before the first reading.
const BASELINES_MS: i64 = START_MS - 3_600_000;

/// Readings of one partition in a batch: about what a producer with 128 KiB batches sends.
const BATCH_RECORDS: usize = 2_200;

/// Makes batches of readings.
pub(crate) struct Sender {
    topic: String,
    encoded: Encoded,
    load: Steady,
    /// By partition.
    users: Vec<Vec<u32>>,
}

impl Sender {
    /// Makes the topics of a pipeline's readings and ranges, and brings everyone's range in.
    pub(crate) fn new(log: &dyn Log, pipeline: &Pipeline, load: Steady) -> Result<Sender, BenchError> {
        let source = &pipeline.streams[pipeline.jobs[0].source];
        log.create_topic(&source.topic, &TopicOptions::stream(PARTITIONS))?;
        log.create_topic(&pipeline.tables[0].topic, &TopicOptions::table(PARTITIONS))?;
        let schema = Schema::parse(READING)?;
        let id = log.register_schema(&format!("{}-value", source.topic), &schema.to_json())?;
        let mut users = vec![Vec::new(); PARTITIONS as usize];
        for user in 0..load.users {
            users[partition_for_key(user_id(user).as_bytes(), PARTITIONS) as usize].push(user);
        }
        let sender = Sender {
            topic: source.topic.clone(),
            encoded: Encoded::written_as(&schema, load, source, id)?,
            load,
            users,
        };
        sender.append_baselines(log, pipeline)?;
        Ok(sender)
    }

    /// How many seconds' readings of a partition make a batch.
    pub(crate) fn seconds_a_batch(&self) -> u32 {
        (BATCH_RECORDS / (self.load.users / PARTITIONS) as usize).max(1) as u32
    }

    /// Sends all readings of some seconds.
    pub(crate) fn send(&self, to: &mut ToBrokers, seconds: Range<u32>) -> Result<(), BenchError> {
        for partition in 0..PARTITIONS {
            self.send_partition(to, partition, seconds.clone())?;
        }
        Ok(())
    }

    /// Sends all readings of a partition in some seconds.
    pub(crate) fn send_partition(
        &self,
        to: &mut ToBrokers,
        partition: u32,
        seconds: Range<u32>,
    ) -> Result<(), BenchError> {
        let mut readings: Vec<Reading> = Vec::with_capacity(BATCH_RECORDS);
        for second in seconds {
            for user in &self.users[partition as usize] {
                readings.push(self.load.reading(second, *user));
                if readings.len() == BATCH_RECORDS {
                    to.send(self.append(partition, &readings)?)?;
                    readings.clear();
                }
            }
        }
        if !readings.is_empty() {
            to.send(self.append(partition, &readings)?)?;
        }
        while to.next_base_offset().is_some() {}
        Ok(())
    }

    /// One reading of a partition, of somebody who is still and well.
    pub(crate) fn last(&self, partition: u32, second: u32) -> Result<Append, BenchError> {
        let well = |user: &&u32| !user.is_multiple_of(10) && !self.load.is_out_of_range(**user, second);
        let user = self.users[partition as usize].iter().find(well).copied().unwrap_or(0);
        self.append(partition, &[self.load.reading(second, user)])
    }

    /// How far into a second the last reading of a partition stands, in milliseconds.
    pub(crate) fn last_ms(&self, partition: u32) -> i64 {
        let last = self.users[partition as usize].last().copied().unwrap_or(0);
        self.load.reading(0, last).time_ms - START_MS
    }

    fn append(&self, partition: u32, readings: &[Reading]) -> Result<Append, BenchError> {
        let mut builder = BatchBuilder::new(Compression::Lz4);
        Ok(Append {
            topic: self.topic.clone(),
            partition,
            batch: self.encoded.unplaced(&mut builder, readings)?,
        })
    }

    fn append_baselines(&self, log: &dyn Log, pipeline: &Pipeline) -> Result<(), BenchError> {
        let topic = &pipeline.tables[0].topic;
        let schema = Schema::parse(BASELINE)?;
        let id = log.register_schema(&format!("{topic}-value"), &schema.to_json())?;
        let rows = baselines(pipeline, self.load.users)?;
        let key = pipeline.tables[0].key;
        let value: Vec<usize> = (0..rows.num_columns()).filter(|column| *column != key).collect();
        let values = rows.project(&value)?;
        let encoder = Encoder::compile(&schema, values.schema_ref())?;
        let columns: Vec<ArrayRef> = values.columns().to_vec();
        let (bound, header) = (encoder.bind(&columns)?, confluent::header(id));
        let keys = rows.column(key).as_string::<i32>();
        for (partition, users) in (0..).zip(&self.users) {
            for users in users.chunks(BATCH_RECORDS * 10) {
                let mut builder = BatchBuilder::new(Compression::Lz4);
                for user in users {
                    let mut value = header.to_vec();
                    bound.encode(*user as usize, &mut value);
                    let key = keys.value(*user as usize).as_bytes();
                    builder.push(BASELINES_MS, Some(key), Some(&value), &[]);
                }
                let appends = vec![Append {
                    topic: topic.clone(),
                    partition,
                    batch: builder.finish(),
                }];
                log.append(&Transaction {
                    appends,
                    commits: Vec::new(),
                })?;
            }
        }
        Ok(())
    }
}
