//! The whole way on a folder log: a producer appends while the engine fetches, answers and commits.
//!
//! Readings are encoded beforehand, for a producer's own encoding is not the log's speed.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hw_engine::{Clock, RunOptions, SystemClock, TaskMetrics};
use hw_log::batch::{BatchBuilder, Compression};
use hw_log::{Append, FolderLog, FolderOptions, Log, TopicOptions, Transaction};
use hw_town::Reading;
use hw_town::steady::{Order, Steady};

use crate::load::baselines;
use crate::{BenchError, Encoded, Form};

/// Batches that a producer appends in one transaction.
const BATCHES_PER_APPEND: usize = 16;

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct LogBench {
    /// How many users, in even parts over the partitions.
    pub users: u32,
    /// How many readings, at least.
    pub readings: u64,
    /// Partitions of the topic.
    pub partitions: u32,
    /// Of the engine.
    pub commit_interval: Duration,
}

/// What came out.
#[derive(Debug, Clone, Copy)]
pub struct LogMeasured {
    /// When the last reading was appended.
    pub appended_after: Duration,
    /// When the last reading was committed.
    pub committed_after: Duration,
    /// Findings written.
    pub findings: u64,
}

/// Runs the sliding pipeline on a log in an empty folder.
///
/// # Errors
/// When anything fails; nothing should.
pub fn measure_log(bench: &LogBench, folder: &Path) -> Result<LogMeasured, BenchError> {
    let log: Arc<dyn Log> = Arc::new(FolderLog::open(folder, &FolderOptions::default())?);
    let pipeline = Arc::new(hw_plan::plan("bench", Form::Sliding.sql(), &[]).map_err(Box::new)?);
    let source = &pipeline.streams[pipeline.jobs[0].source];
    log.create_topic(&source.topic, &TopicOptions::stream(bench.partitions))?;
    let schema = hw_engine::value_schema(&source.record, &source.columns, hw_engine::outside_value(source))?;
    let schema_id = log.register_schema(&format!("{}-value", source.topic), &schema.to_json())?;
    let appends = encode(bench, &Encoded::new(load(bench), source, schema_id)?, &source.topic)?;
    let ranges = baselines(&pipeline, bench.users)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let options = RunOptions {
        commit_interval: bench.commit_interval,
        ..RunOptions::default()
    };
    let running = hw_engine::start(&pipeline, &log, &clock, &options)?;
    for table in &running.tables {
        table
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .upsert(&ranges);
    }
    let started = Instant::now();
    for appends in appends {
        log.append(&Transaction {
            appends,
            commits: Vec::new(),
        })?;
    }
    let appended_after = started.elapsed();
    let ends = log.ranges(&source.topic)?;
    let group = hw_engine::group(&pipeline, 0);
    loop {
        let commits = log.committed(&group)?;
        let committed = |partition: u32| commits.iter().find(|commit| commit.partition == partition);
        if (0..)
            .zip(&ends)
            .all(|(partition, range)| committed(partition).is_some_and(|commit| commit.offset >= range.end))
        {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let committed_after = started.elapsed();
    let findings = running
        .tasks
        .ever()
        .iter()
        .map(|task| TaskMetrics::get(&task.metrics.rows_out))
        .sum();
    running.stop();
    running.join()?;
    Ok(LogMeasured {
        appended_after,
        committed_after,
        findings,
    })
}

fn load(bench: &LogBench) -> Steady {
    Steady {
        users: bench.users,
        order: Order::Same,
    }
}

/// Second by second, every partition's part of the users in batches.
fn encode(bench: &LogBench, encoded: &Encoded, topic: &str) -> Result<Vec<Vec<Append>>, BenchError> {
    let seconds = bench.readings.div_ceil(u64::from(bench.users)) as u32;
    let (load, mut builder) = (load(bench), BatchBuilder::new(Compression::Lz4));
    let mut appends = Vec::new();
    for second in 0..seconds {
        for partition in 0..bench.partitions {
            let mine = (0..bench.users).filter(|index| index % bench.partitions == partition);
            let readings: Vec<Reading> = mine.map(|index| load.reading(second, index)).collect();
            for part in readings.chunks(2_200) {
                let batch = encoded.unplaced(&mut builder, part)?;
                appends.push(Append {
                    topic: topic.to_owned(),
                    partition,
                    batch,
                });
            }
        }
    }
    Ok(appends.chunks(BATCHES_PER_APPEND).map(<[Append]>::to_vec).collect())
}
