//! How fast a Kafka broker takes batches and transactions from one process.
//!
//! It needs a broker: `HEARTWATCH_TEST_KAFKA=host:port cargo bench -p hw-log --bench kafka_produce`. What is measured
//! includes making the readings and building the batches, since no producer goes without. After `--`: how many readings,
//! and how many milliseconds lie between transactions.

mod people;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hw_log::batch::{BatchBuilder, Compression, partition_for_key};
use hw_log::kafka::{KafkaLog, Settings, TopicSchemas};
use hw_log::{Append, Commit, Log, Seat, TopicOptions, Transaction};
use people::Person;

const PARTITIONS: u32 = 12;
const PEOPLE: u32 = 20_000;
/// Of the records of a batch, not compressed.
const BATCH_BYTES: usize = 128 << 10;
const BYTES_UNDER_WAY_MAX: usize = 8 << 20;
const TRANSACTIONS: u64 = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let Ok(bootstrap) = std::env::var("HEARTWATCH_TEST_KAFKA") else {
        println!("skipped: HEARTWATCH_TEST_KAFKA=host:port names no broker");
        return Ok(());
    };
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse::<u64>().ok());
    let records = numbers.next().unwrap_or(10_000_000);
    let pause = Duration::from_millis(numbers.next().unwrap_or(0));
    let properties = BTreeMap::from([("bootstrap.servers".to_owned(), bootstrap)]);
    let settings = Settings::from_properties(&properties)?;
    let log = KafkaLog::open(settings.clone(), Arc::new(TopicSchemas::open(settings)?))?;
    let topic = format!("produce-bench-{}", std::process::id());
    log.create_topic(&topic, &TopicOptions::stream(PARTITIONS))?;
    let measured = append(&log, &topic, records).and_then(|()| commit(&log, &topic, pause));
    log.delete_topic(&topic)?;
    measured
}

/// Readings as fast as they are taken.
fn append(log: &KafkaLog, topic: &str, records: u64) -> Result<(), Box<dyn Error>> {
    let mut people: Vec<Person> = (0..PEOPLE).map(Person::new).collect();
    let partitions: Vec<u32> = people
        .iter()
        .map(|person| partition_for_key(person.key(), PARTITIONS))
        .collect();
    let mut builders: Vec<BatchBuilder> = (0..PARTITIONS).map(|_| BatchBuilder::new(Compression::Lz4)).collect();
    let mut pipeline = log.pipeline(BYTES_UNDER_WAY_MAX)?;
    let finished = |partition: u32, builder: &mut BatchBuilder| Append {
        topic: topic.to_owned(),
        partition,
        batch: builder.finish(),
    };

    let (started, cpu_before) = (Instant::now(), cpu_seconds());
    let mut bytes = 0;
    for number in 0..records {
        let user = (number % u64::from(PEOPLE)) as usize;
        let partition = partitions[user];
        let builder = &mut builders[partition as usize];
        let timestamp_ms = 1_700_000_000_000 + (number / u64::from(PEOPLE) * 1_000) as i64 + user as i64 / 20;
        let person = &mut people[user];
        person.move_on();
        builder.push(timestamp_ms, Some(person.key()), Some(person.value()), &[]);
        if builder.bytes_estimate() >= BATCH_BYTES {
            let append = finished(partition, builder);
            bytes += append.batch.len();
            pipeline.send(append)?;
            while pipeline.next_base_offset().is_some() {}
        }
    }
    for (partition, builder) in (0..).zip(&mut builders).filter(|(_, builder)| !builder.is_empty()) {
        pipeline.send(finished(partition, builder))?;
    }
    pipeline.flush()?;
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu_before);

    let ends: u64 = log.ranges(topic)?.iter().map(|range| range.end).sum();
    assert_eq!(ends, records, "every reading is in, once");
    println!(
        "{records} readings, {:.1} bytes each: {:.2} M/s, {:.2} M a CPU-second ({seconds:.2} s, {cpu:.2} CPU-s)",
        bytes as f64 / records as f64,
        records as f64 / seconds / 1e6,
        records as f64 / cpu / 1e6,
    );
    Ok(())
}

/// Transactions of a worker: a few records and an offset for every partition.
fn commit(log: &KafkaLog, topic: &str, pause: Duration) -> Result<(), Box<dyn Error>> {
    let worker = log.for_worker(topic, Seat::ONLY)?.ok_or("Kafka has workers")?;
    let mut builder = BatchBuilder::new(Compression::Lz4);
    let mut times = Vec::new();
    for round in 0..TRANSACTIONS {
        let mut transaction = Transaction::default();
        for partition in 0..PARTITIONS {
            for user in 0..3 {
                builder.push(round as i64, Some(Person::new(user).key()), Some(&[7; 60]), &[]);
            }
            transaction.appends.push(Append {
                topic: topic.to_owned(),
                partition,
                batch: builder.finish(),
            });
            transaction.commits.push(Commit {
                group: topic.to_owned(),
                topic: topic.to_owned(),
                partition,
                offset: round,
                metadata: vec![7; 100],
            });
        }
        let started = Instant::now();
        worker.append(&transaction)?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
        std::thread::sleep(pause);
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[(share * (times.len() - 1) as f64) as usize];
    println!(
        "{TRANSACTIONS} transactions of {PARTITIONS} partitions, {pause:?} apart: min {:.2} ms, median {:.2} ms, p99 {:.2} ms",
        at(0.0),
        at(0.5),
        at(0.99),
    );
    Ok(())
}

/// What this process has used so far; 0 where the system does not say.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}
