//! How fast a topic is read from a Kafka cluster: fetched, checked, decompressed and walked, on one thread.
//!
//! `HEARTWATCH_TEST_KAFKA=host:port cargo bench -p hw-log --bench kafka -- TOPIC [RUNS] [NAME=VALUE …]` reads the whole
//! topic so often, each time with a new connection, and says how many records a second that were, how much processor time
//! of this process they took, and the most memory. Names and values are Kafka's settings. It measures no producer.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hw_log::batch::{Scratch, walk};
use hw_log::kafka::{KafkaLog, SchemaIds, Settings};
use hw_log::{Log, LogError};

/// As much as one worker takes at a time.
const READ_BYTES: usize = 1 << 20;

/// Linux counts processor time so, on every machine.
const TICK: Duration = Duration::from_millis(10);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cargo adds an option of its own.
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let (Ok(bootstrap), Some(topic)) = (std::env::var("HEARTWATCH_TEST_KAFKA"), arguments.next()) else {
        println!("skipped: needs HEARTWATCH_TEST_KAFKA=host:port and a topic to read");
        return Ok(());
    };
    let runs = arguments.next().map_or(Ok(3), |runs| runs.parse())?;
    let mut properties = BTreeMap::from([("bootstrap.servers".to_owned(), bootstrap)]);
    for property in arguments {
        let (name, value) = property.split_once('=').ok_or("a setting is NAME=VALUE")?;
        properties.insert(name.to_owned(), value.to_owned());
    }
    for run in 1..=runs {
        let log = KafkaLog::open(Settings::from_properties(&properties)?, Arc::new(NoSchemas))?;
        let (began, cpu) = (Instant::now(), cpu_time()?);
        let read = read_all(&log, &topic)?;
        let (took, cpu) = (began.elapsed(), cpu_time()? - cpu);
        println!(
            "run {run}: {} records (checksum {:x}) in {:.3} s: {:.2} M/s, {:.2} M per CPU-second, peak {} MB",
            read.records,
            read.checksum,
            took.as_secs_f64(),
            read.records as f64 / took.as_secs_f64() / 1e6,
            read.records as f64 / cpu.as_secs_f64().max(TICK.as_secs_f64()) / 1e6,
            status("VmHWM")? / 1024,
        );
    }
    Ok(())
}

#[derive(Default)]
struct Read {
    records: u64,
    checksum: u64,
}

/// Reads every partition in turn, as a worker does, up to where its end is at the beginning.
fn read_all(log: &KafkaLog, topic: &str) -> Result<Read, LogError> {
    let mut places: Vec<(u64, u64)> = log
        .ranges(topic)?
        .iter()
        .map(|range| (range.start, range.end))
        .collect();
    let (mut read, mut scratch) = (Read::default(), Scratch::default());
    while places.iter().any(|(at, end)| at < end) {
        let seen = log.wait_for_appends(0, Duration::ZERO)?;
        let mut has_read = false;
        for (partition, (at, end)) in places.iter_mut().enumerate().filter(|(_, (at, end))| at < end) {
            let fetch = log.read(topic, partition as u32, *at, READ_BYTES)?;
            for batch in &fetch.batches {
                let walked = walk(batch, &mut scratch, |record| {
                    read.records += 1;
                    let bytes = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
                    // The same in whichever order partitions come.
                    read.checksum = read
                        .checksum
                        .wrapping_add(bytes as u64 ^ record.timestamp_ms as u64 ^ record.offset);
                    ControlFlow::Continue(())
                });
                walked.map_err(|source| LogError::Damaged {
                    topic: topic.into(),
                    partition: partition as u32,
                    offset: *at,
                    source,
                })?;
            }
            has_read |= fetch.next_offset > *at;
            *at = fetch.next_offset.min(*end);
        }
        if !has_read {
            log.wait_for_appends(seen, Duration::from_secs(10))?;
        }
    }
    Ok(read)
}

/// What this process has used so far, its kernel calls included.
fn cpu_time() -> std::io::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = fields[11..13]
        .iter()
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum();
    Ok(TICK * u32::try_from(ticks).unwrap_or(u32::MAX))
}

/// A number out of the process's status.
fn status(name: &str) -> std::io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    Ok(line
        .split_whitespace()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .unwrap_or(0))
}

/// The bench decodes no values.
struct NoSchemas;

impl SchemaIds for NoSchemas {
    fn register(&self, subject: &str, _json: &str) -> Result<u32, LogError> {
        Err(LogError::Invalid {
            what: "the subject".into(),
            name: subject.into(),
            reason: "a benchmark registers none".into(),
        })
    }

    fn schema(&self, _id: u32) -> Result<Option<String>, LogError> {
        Ok(None)
    }
}
