//! The whole way on a Kafka cluster: readings through the project's own producer, then pipelines from the first reading to the
//! last commit, exactly once.
//!
//! The load is one of which arithmetic knows the tumbling answer: 200 still users are out of range in every window, but in
//! those whose turn it is of users who move. The sliding answer is checked against the engine in memory.
//!
//! It starts no broker, and leaves no topic behind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hw_engine::{Clock, RunOptions, Running, SystemClock, TaskMetrics};
use hw_graph::Pipeline;
use hw_log::Log;
use hw_log::kafka::KafkaLog;
use hw_town::steady::{Order, Steady};

use crate::BenchError;
use crate::engine::{EngineBench, Form, measure_engine};
use crate::process::{cpu_time, forget_peak, peak_bytes};
use crate::sender::{PARTITIONS, Sender};

/// As the peers' benchmark has it.
const USERS: u32 = 20_000;

/// So long after the others a last reading comes to each partition, so that all windows close.
const LAST_AFTER_S: u32 = 100;

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
    pub(crate) load: Steady,
    seconds: u32,
}

impl KafkaBench {
    /// Uses the cluster under the namespace that `cluster` has, for the load of the peers' benchmark.
    pub fn new(cluster: Arc<KafkaLog>, readings: u64) -> KafkaBench {
        KafkaBench::of(cluster, USERS, readings.div_ceil(u64::from(USERS)) as u32)
    }

    /// Uses the cluster for another number of users, who send so many seconds long.
    pub(crate) fn of(cluster: Arc<KafkaLog>, users: u32, seconds: u32) -> KafkaBench {
        let log = Arc::clone(&cluster) as Arc<dyn Log>;
        KafkaBench {
            log,
            cluster,
            load: Steady {
                users,
                order: Order::Same,
            },
            seconds,
        }
    }

    /// How many readings there are.
    pub fn readings(&self) -> u64 {
        u64::from(self.seconds) * u64::from(self.load.users) + u64::from(PARTITIONS)
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
        let per_batch = sender.seconds_a_batch();
        for first in (0..self.seconds).step_by(per_batch as usize) {
            sender.send(&mut to_brokers, first..(first + per_batch).min(self.seconds))?;
        }
        for partition in 0..PARTITIONS {
            to_brokers.send(sender.last(partition, self.seconds + LAST_AFTER_S)?)?;
        }
        to_brokers.flush()?;
        Ok(self.work(began, cpu, 0))
    }

    /// Makes the topics, brings everyone's range in, and makes ready to send readings.
    pub(crate) fn sender(&self, pipeline: &Pipeline) -> Result<Sender, BenchError> {
        Sender::new(self.log.as_ref(), pipeline, self.load)
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
        self.wait_until_committed(&pipeline, || running.is_finished())?;
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

    /// Waits until all readings are committed, or the one who works on them has ended.
    pub(crate) fn wait_until_committed(
        &self,
        pipeline: &Pipeline,
        mut has_ended: impl FnMut() -> bool,
    ) -> Result<(), BenchError> {
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
                || has_ended()
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
            return Ok((windows - with_movers) * u64::from(self.load.users / 100));
        }
        let in_memory = measure_engine(&EngineBench {
            form,
            load: self.load,
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

fn findings(running: &Running) -> u64 {
    let tasks = running.tasks.ever();
    tasks.iter().map(|task| TaskMetrics::get(&task.metrics.rows_out)).sum()
}
