//! The whole way on a Kafka cluster: readings through the project's own producer, then pipelines from the first reading to the
//! last commit, exactly once.
//!
//! The load is one of which arithmetic knows the tumbling answer: 200 still users are out of range in every window, but in
//! those whose turn it is of users who move. The sliding answer is checked against the engine in memory.
//!
//! It starts no broker, and leaves no topic behind.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, AsArray};
use hw_avro::{Encoder, Schema, confluent};
use hw_engine::{Clock, RunOptions, Running, SystemClock, TaskMetrics};
use hw_graph::Pipeline;
use hw_log::batch::{BatchBuilder, Compression, partition_for_key};
use hw_log::kafka::KafkaLog;
use hw_log::{Append, Log, TopicOptions, Transaction};
use hw_town::Reading;
use hw_town::steady::{Order, START_MS, Steady};

use crate::engine::{EngineBench, Form, measure_engine};
use crate::load::{baselines, user_id};
use crate::process::{cpu_time, forget_peak, peak_bytes};
use crate::{BenchError, Encoded};

/// As the peers' benchmark has it.
pub(crate) const USERS: u32 = 20_000;
pub(crate) const PARTITIONS: u32 = 12;

/// The values' schemas, as the peers' benchmark has them: the first two of the log, whose ids are then 1 and 2.
const READING: &str = r#"{"type":"record","name":"reading","fields":[
    {"name":"user_id","type":"string"},{"name":"zipcode","type":"int"},{"name":"latitude","type":"double"},
    {"name":"longitude","type":"double"},{"name":"heart_rate","type":"int"}]}"#;
const BASELINE: &str = r#"{"type":"record","name":"historical","fields":[
    {"name":"min_heart_rate","type":"int"},{"name":"max_heart_rate","type":"int"}]}"#;

/// An hour before the first reading.
const BASELINES_MS: i64 = START_MS - 3_600_000;

/// So long after the others a last reading comes to each partition, so that all windows close.
const LAST_AFTER_S: u32 = 100;

/// Readings of one partition in a batch: about what a producer with 128 KiB batches sends.
const BATCH_RECORDS: usize = 2_200;

/// Bytes on their way to the brokers at most.
pub(crate) const BYTES_UNDER_WAY_MAX: usize = 64 << 20;

/// An idle partition answers the last reading after five seconds; then all findings have to be there.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a stretch of work took.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Readings.
    pub readings: u64,
    /// From the start to the last commit.
    pub elapsed: Duration,
    /// From the start until the workers have joined, with all ranges in memory; zero when producing.
    pub started: Duration,
    /// Of this process, user and system.
    pub cpu: Duration,
    /// The greatest resident set of this process meanwhile, in bytes.
    pub peak_bytes: u64,
    /// Findings that were written; 0 when producing.
    pub findings: u64,
}

/// Readings on a cluster, ready for pipelines.
pub struct KafkaBench {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) cluster: Arc<KafkaLog>,
    seconds: u32,
}

/// Readings on their way into batches.
pub(crate) struct Sender {
    topic: String,
    encoded: Encoded,
    /// By partition.
    users: Vec<Vec<u32>>,
}

impl Sender {
    /// All readings of a partition in some seconds.
    pub(crate) fn batch(&self, partition: u32, seconds: Range<u32>) -> Result<Append, BenchError> {
        let users = &self.users[partition as usize];
        let readings: Vec<Reading> = seconds
            .flat_map(|second| users.iter().map(move |user| KafkaBench::load().reading(second, *user)))
            .collect();
        self.append(partition, &readings)
    }

    /// One reading of a partition, of somebody who is still and well.
    fn last(&self, partition: u32, second: u32) -> Result<Append, BenchError> {
        let load = KafkaBench::load();
        let well = |user: &&u32| **user % 10 != 0 && !load.is_out_of_range(**user, second);
        let user = self.users[partition as usize].iter().find(well).copied().unwrap_or(0);
        self.append(partition, &[load.reading(second, user)])
    }

    fn append(&self, partition: u32, readings: &[Reading]) -> Result<Append, BenchError> {
        let mut builder = BatchBuilder::new(Compression::Lz4);
        Ok(Append {
            topic: self.topic.clone(),
            partition,
            batch: self.encoded.unplaced(&mut builder, readings)?,
        })
    }

    /// How far into a second the last reading of a partition stands, in milliseconds.
    pub(crate) fn last_ms(&self, partition: u32) -> i64 {
        let last = self.users[partition as usize].last().copied().unwrap_or(0);
        KafkaBench::load().reading(0, last).time_ms - START_MS
    }
}

impl KafkaBench {
    /// Uses the cluster under the namespace that `cluster` has.
    pub fn new(cluster: Arc<KafkaLog>, readings: u64) -> KafkaBench {
        let log = Arc::clone(&cluster) as Arc<dyn Log>;
        KafkaBench {
            log,
            cluster,
            seconds: readings.div_ceil(u64::from(USERS)) as u32,
        }
    }

    fn load() -> Steady {
        Steady {
            users: USERS,
            order: Order::Same,
        }
    }

    /// How many readings there are.
    pub fn readings(&self) -> u64 {
        u64::from(self.seconds) * u64::from(USERS) + u64::from(PARTITIONS)
    }

    /// Makes the topics and brings the readings and everyone's range in. The readings are encoded while they are sent.
    ///
    /// # Errors
    /// When anything fails; nothing should.
    pub fn produce(&self) -> Result<Work, BenchError> {
        let sender = self.sender(&plan(Form::Tumbling)?)?;
        let mut to_brokers = self.cluster.pipeline(BYTES_UNDER_WAY_MAX)?;
        let (began, cpu) = (Instant::now(), cpu_time());
        forget_peak();
        // A partition's batches span seconds, as they do with a producer that lingers.
        let per_batch = (BATCH_RECORDS / (USERS / PARTITIONS) as usize).max(1) as u32;
        for first in (0..self.seconds).step_by(per_batch as usize) {
            for partition in 0..PARTITIONS {
                let seconds = first..(first + per_batch).min(self.seconds);
                to_brokers.send(sender.batch(partition, seconds)?)?;
                while to_brokers.next_base_offset().is_some() {}
            }
        }
        for partition in 0..PARTITIONS {
            to_brokers.send(sender.last(partition, self.seconds + LAST_AFTER_S)?)?;
        }
        to_brokers.flush()?;
        Ok(self.work(began, cpu, 0))
    }

    /// Makes the topics, brings everyone's range in, and makes ready to send readings.
    pub(crate) fn sender(&self, pipeline: &Pipeline) -> Result<Sender, BenchError> {
        let source = &pipeline.streams[pipeline.jobs[0].source];
        let table = &pipeline.tables[0];
        self.log
            .create_topic(&source.topic, &TopicOptions::stream(PARTITIONS))?;
        self.log.create_topic(&table.topic, &TopicOptions::table(PARTITIONS))?;
        let schema = Schema::parse(READING)?;
        let subject = format!("{}-value", source.topic);
        let id = self.log.register_schema(&subject, &schema.to_json())?;
        self.produce_baselines(pipeline)?;
        Ok(Sender {
            topic: source.topic.clone(),
            encoded: Encoded::written_as(&schema, Self::load(), source, id)?,
            users: users_by_partition(),
        })
    }

    fn produce_baselines(&self, pipeline: &Pipeline) -> Result<(), BenchError> {
        let topic = &pipeline.tables[0].topic;
        let schema = Schema::parse(BASELINE)?;
        let id = self.log.register_schema(&format!("{topic}-value"), &schema.to_json())?;
        let rows = baselines(pipeline, USERS)?;
        let key = pipeline.tables[0].key;
        let value: Vec<usize> = (0..rows.num_columns()).filter(|column| *column != key).collect();
        let values = rows.project(&value)?;
        let encoder = Encoder::compile(&schema, values.schema_ref())?;
        let columns: Vec<ArrayRef> = values.columns().to_vec();
        let (bound, header) = (encoder.bind(&columns)?, confluent::header(id));
        let keys = rows.column(key).as_string::<i32>();
        let mut appends = Vec::new();
        for (partition, users) in (0..).zip(users_by_partition()) {
            let mut builder = BatchBuilder::new(Compression::Lz4);
            for user in users {
                let mut value = header.to_vec();
                bound.encode(user as usize, &mut value);
                let key = keys.value(user as usize).as_bytes();
                builder.push(BASELINES_MS, Some(key), Some(&value), &[]);
            }
            appends.push(Append {
                topic: topic.clone(),
                partition,
                batch: builder.finish(),
            });
        }
        self.log.append(&Transaction {
            appends,
            commits: Vec::new(),
        })?;
        Ok(())
    }

    /// Runs a pipeline from the first reading until all are committed, and looks whether its findings are right.
    ///
    /// # Errors
    /// When anything fails, or the findings are not what they have to be.
    pub fn run(&self, form: Form, workers: usize) -> Result<Work, BenchError> {
        let pipeline = Arc::new(plan(form)?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let options = RunOptions {
            workers,
            ..RunOptions::default()
        };
        forget_peak();
        let (began, cpu) = (Instant::now(), cpu_time());
        let running = hw_engine::start(&pipeline, &self.log, &clock, &options)?;
        let started = began.elapsed();
        self.wait_until_committed(&pipeline, &running)?;
        let mut work = self.work(began, cpu, 0);
        work.started = started;
        let expected = self.expected(form)?;
        let waiting = Instant::now();
        while findings(&running) < expected && waiting.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(50));
        }
        work.findings = findings(&running);
        running.stop();
        running.join()?;
        if work.findings != expected {
            return Err(BenchError::Wrong {
                expected,
                found: work.findings,
            });
        }
        Ok(work)
    }

    /// Deletes the topics.
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub fn clear(&self) -> Result<(), BenchError> {
        for topic in self.log.topics()? {
            self.cluster.delete_topic(&topic.name)?;
        }
        Ok(())
    }

    fn wait_until_committed(&self, pipeline: &Pipeline, running: &Running) -> Result<(), BenchError> {
        let ends = self.log.ranges(&pipeline.streams[pipeline.jobs[0].source].topic)?;
        let group = hw_engine::group(pipeline, 0);
        loop {
            let commits = self.log.committed(&group)?;
            let is_done = |(partition, end): (u32, u64)| {
                let mut mine = commits.iter().filter(|commit| commit.partition == partition);
                mine.any(|commit| commit.offset >= end)
            };
            if (0..)
                .zip(&ends)
                .all(|(partition, range)| is_done((partition, range.end)))
                || running.is_finished()
            {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How many findings there have to be.
    fn expected(&self, form: Form) -> Result<u64, BenchError> {
        if form == Form::Tumbling {
            let windows = u64::from(self.seconds / 10);
            let with_movers = (0..windows).filter(|window| (37 + window) % 10 == 0).count() as u64;
            return Ok((windows - with_movers) * u64::from(USERS / 100));
        }
        let in_memory = measure_engine(&EngineBench {
            form,
            load: Self::load(),
            window_s: 10,
            warm_s: 0,
            measured_s: self.seconds,
        })?;
        Ok(in_memory.findings)
    }

    fn work(&self, began: Instant, cpu: Duration, findings: u64) -> Work {
        Work {
            readings: self.readings(),
            elapsed: began.elapsed(),
            started: Duration::ZERO,
            cpu: cpu_time().saturating_sub(cpu),
            peak_bytes: peak_bytes(),
            findings,
        }
    }
}

pub(crate) fn plan(form: Form) -> Result<Pipeline, BenchError> {
    let name = match form {
        Form::Tumbling => "tumbling",
        Form::Sliding => "sliding",
    };
    Ok(hw_plan::plan(name, form.sql(), &[]).map_err(Box::new)?)
}

fn users_by_partition() -> Vec<Vec<u32>> {
    let mut users = vec![Vec::new(); PARTITIONS as usize];
    for user in 0..USERS {
        users[partition_for_key(user_id(user).as_bytes(), PARTITIONS) as usize].push(user);
    }
    users
}

fn findings(running: &Running) -> u64 {
    let tasks = running.tasks.ever();
    tasks.iter().map(|task| TaskMetrics::get(&task.metrics.rows_out)).sum()
}
