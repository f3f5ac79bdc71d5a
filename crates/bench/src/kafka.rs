//! The whole way on a Kafka cluster: readings through the project's own producer, then pipelines from the first reading to the
//! last commit, exactly once.
//!
//! The load is one of which arithmetic knows the tumbling answer: 200 still users are out of range in every window, but in
//! those whose turn it is of users who move. The sliding answer is checked against the engine in memory.
//!
//! It starts no broker, and leaves no topic behind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, ArrayRef, AsArray};
use hw_avro::{Encoder, Schema, confluent, shipped};
use hw_engine::{Clock, RunOptions, Running, SystemClock, TaskMetrics};
use hw_graph::Pipeline;
use hw_log::batch::{BatchBuilder, Compression, partition_for_key};
use hw_log::kafka::KafkaLog;
use hw_log::{Append, Log, TopicOptions, Transaction};
use hw_town::Reading;
use hw_town::steady::{Order, Steady};

use crate::engine::{EngineBench, Form, measure_engine};
use crate::load::{baselines, user_id};
use crate::{BenchError, Encoded};

/// As the peers' benchmark has it.
const USERS: u32 = 20_000;
const PARTITIONS: u32 = 12;

/// Readings of one partition in a batch: about what a producer with 128 KiB batches sends.
const BATCH_RECORDS: usize = 2_200;

/// Bytes on their way to the brokers at most.
const BYTES_UNDER_WAY_MAX: usize = 64 << 20;

/// An idle partition answers what waits after five seconds; then all findings have to be there.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a stretch of work took.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Readings.
    pub readings: u64,
    /// From the first to the last commit.
    pub elapsed: Duration,
    /// Of this process, user and system.
    pub cpu: Duration,
    /// The greatest resident set of this process so far, in bytes.
    pub peak_bytes: u64,
    /// Findings that were written; 0 when producing.
    pub findings: u64,
}

/// Readings on a cluster, ready for pipelines.
pub struct KafkaBench {
    log: Arc<dyn Log>,
    cluster: Arc<KafkaLog>,
    seconds: u32,
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

    /// Makes the topics and brings the readings and everyone's range in. The readings are encoded while they are sent.
    ///
    /// # Errors
    /// When anything fails; nothing should.
    pub fn produce(&self) -> Result<Work, BenchError> {
        let pipeline = plan(Form::Tumbling)?;
        let source = &pipeline.streams[pipeline.jobs[0].source];
        self.log
            .create_topic(&source.topic, &TopicOptions::stream(PARTITIONS))?;
        self.log
            .create_topic(&pipeline.tables[0].topic, &TopicOptions::table(1))?;
        self.produce_baselines(&pipeline)?;
        let schema = hw_engine::value_schema(&source.record, &source.columns, hw_engine::outside_value(source))?;
        let id = self
            .log
            .register_schema(&format!("{}-value", source.topic), &schema.to_json())?;
        let encoded = Encoded::new(Self::load(), source, id)?;
        let users_of = users_by_partition();
        let mut builder = BatchBuilder::new(Compression::Lz4);
        let mut to_brokers = self.cluster.pipeline(BYTES_UNDER_WAY_MAX)?;
        let (began, cpu) = (Instant::now(), cpu_time());
        // A partition's batches span seconds, as they do with a producer that lingers.
        let per_batch = (BATCH_RECORDS / (USERS / PARTITIONS) as usize).max(1) as u32;
        for first in (0..self.seconds).step_by(per_batch as usize) {
            for (partition, users) in (0..).zip(&users_of) {
                let seconds = first..(first + per_batch).min(self.seconds);
                let load = Self::load();
                let readings: Vec<Reading> = seconds
                    .flat_map(|second| users.iter().map(move |user| load.reading(second, *user)))
                    .collect();
                to_brokers.send(Append {
                    topic: source.topic.clone(),
                    partition,
                    batch: encoded.unplaced(&mut builder, &readings)?,
                })?;
                while to_brokers.next_base_offset().is_some() {}
            }
        }
        to_brokers.flush()?;
        Ok(self.work(began, cpu, 0))
    }

    fn produce_baselines(&self, pipeline: &Pipeline) -> Result<(), BenchError> {
        let topic = &pipeline.tables[0].topic;
        let schema = Schema::parse(shipped::BASELINE)?;
        let id = self.log.register_schema(&format!("{topic}-value"), &schema.to_json())?;
        let rows = baselines(pipeline, USERS)?;
        let columns: Vec<ArrayRef> = rows.columns().to_vec();
        let encoder = Encoder::compile(&schema, rows.schema_ref())?;
        let (bound, header) = (encoder.bind(&columns)?, confluent::header(id));
        let keys = rows.column(pipeline.tables[0].key).as_string::<i32>();
        let mut builder = BatchBuilder::new(Compression::Lz4);
        for row in 0..keys.len() {
            let mut value = header.to_vec();
            bound.encode(row, &mut value);
            builder.push(0, Some(keys.value(row).as_bytes()), Some(&value), &[]);
        }
        let appends = vec![Append {
            topic: topic.clone(),
            partition: 0,
            batch: builder.finish(),
        }];
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
        let (began, cpu) = (Instant::now(), cpu_time());
        let running = hw_engine::start(&pipeline, &self.log, &clock, &options)?;
        self.wait_until_committed(&pipeline, &running)?;
        let mut work = self.work(began, cpu, 0);
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
            readings: u64::from(self.seconds) * u64::from(USERS),
            elapsed: began.elapsed(),
            cpu: cpu_time().saturating_sub(cpu),
            peak_bytes: peak_bytes(),
            findings,
        }
    }
}

fn plan(form: Form) -> Result<Pipeline, BenchError> {
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

/// User and system time of this process, as Linux counts it: in hundredths of a second. Zero elsewhere.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name in brackets, which may hold anything, come the fields from the third on.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// The greatest resident set so far, as Linux counts it. Zero elsewhere.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1_024
}
