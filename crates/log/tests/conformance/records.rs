//! Records for the suite: made, appended and read back as plain values.
//!
//! It does not check anything.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use hw_log::batch::{BatchBuilder, Compression, Scratch, walk};
use hw_log::{Append, Commit, Fetch, Log, TopicOptions, Transaction};

/// What the suite looks at in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) offset: u64,
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
}

/// A batch of records with a time, a key and a value; the value `-` makes a tombstone.
pub(crate) fn batch(records: &[(i64, &str, &str)]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::Lz4);
    for (timestamp_ms, key, value) in records {
        let value = (*value != "-").then_some(value.as_bytes());
        builder.push(*timestamp_ms, Some(key.as_bytes()), value, &[]);
    }
    builder.finish()
}

/// `count` records with the times and values `from`, `from + 1`, …
pub(crate) fn numbered(from: i64, count: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::Lz4);
    for number in from..from + count {
        builder.push(number, Some(b"k"), Some(number.to_string().as_bytes()), &[]);
    }
    builder.finish()
}

pub(crate) fn stream(log: &dyn Log, topic: &str, partitions: u32) {
    log.create_topic(topic, &TopicOptions::stream(partitions)).unwrap();
}

pub(crate) fn append_to(topic: &str, partition: u32, batch: Vec<u8>) -> Append {
    Append {
        topic: topic.into(),
        partition,
        batch,
    }
}

pub(crate) fn commit(group: &str, topic: &str, partition: u32, offset: u64) -> Commit {
    let metadata = vec![0, 159, 146, offset as u8];
    Commit {
        group: group.into(),
        topic: topic.into(),
        partition,
        offset,
        metadata,
    }
}

pub(crate) fn append(log: &dyn Log, topic: &str, partition: u32, batch: Vec<u8>) -> u64 {
    let appends = vec![append_to(topic, partition, batch)];
    log.append(&Transaction {
        appends,
        commits: Vec::new(),
    })
    .unwrap()[0]
}

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// All records from an offset on until nothing is left, and at least to what is the end now, read in pieces of about
/// `bytes_max`.
pub(crate) fn read_from(log: &dyn Log, topic: &str, partition: u32, offset: u64, bytes_max: usize) -> Vec<Seen> {
    let end = log.ranges(topic).unwrap()[partition as usize].end;
    let mut next = offset;
    let mut seen = Vec::new();
    loop {
        let fetch = if next < end {
            read_something(log, topic, partition, next, bytes_max)
        } else {
            log.read(topic, partition, next, bytes_max).unwrap()
        };
        for batch in &fetch.batches {
            look_at(batch, next, &mut seen);
        }
        if fetch.next_offset == next {
            return seen;
        }
        next = fetch.next_offset;
    }
}

/// The next of a partition that has more, which may have to be waited for.
pub(crate) fn read_something(log: &dyn Log, topic: &str, partition: u32, from: u64, bytes_max: usize) -> Fetch {
    let started = Instant::now();
    loop {
        let mark = log.wait_for_appends(0, Duration::ZERO).unwrap();
        let fetch = log.read(topic, partition, from, bytes_max).unwrap();
        if fetch.next_offset > from {
            return fetch;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "reading {topic}/{partition} does not go on from {from}"
        );
        log.wait_for_appends(mark, Duration::from_secs(1)).unwrap();
    }
}

fn look_at(batch: &[u8], from: u64, seen: &mut Vec<Seen>) {
    walk(batch, &mut Scratch::default(), |record| {
        if record.offset >= from {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            seen.push(Seen {
                offset: record.offset,
                timestamp_ms: record.timestamp_ms,
                key: record.key.map(text),
                value: record.value.map(text),
            });
        }
        ControlFlow::Continue(())
    })
    .unwrap();
}

/// All records of a partition, once there are so many. A transaction on Kafka is there a moment after it was answered.
pub(crate) fn read_count(log: &dyn Log, topic: &str, partition: u32, count: usize) -> Vec<Seen> {
    let started = Instant::now();
    loop {
        let seen = read_all(log, topic, partition);
        if seen.len() >= count {
            assert_eq!(seen.len(), count, "{topic}/{partition}");
            return seen;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{topic}/{partition} has {} of {count} records",
            seen.len()
        );
    }
}

pub(crate) fn read_all(log: &dyn Log, topic: &str, partition: u32) -> Vec<Seen> {
    let start = log.ranges(topic).unwrap()[partition as usize].start;
    read_from(log, topic, partition, start, 1 << 20)
}

/// Offset and value of each, for short comparisons.
pub(crate) fn short(seen: &[Seen]) -> Vec<(u64, &str)> {
    seen.iter()
        .map(|record| (record.offset, record.value.as_deref().unwrap_or("-")))
        .collect()
}
