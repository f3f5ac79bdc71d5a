//! What is in the cluster: readings, answers and dead letters, as a stranger reads them.

use std::ops::ControlFlow;

use hw_avro::{Schema, confluent};
use hw_log::batch::{Record, Scratch, walk};
use hw_reference::{Answer, Refused};

use crate::cluster::Cluster;
use crate::workload::VALUE_LIMIT;

/// A record that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) offset: u64,
    pub(super) key: u32,
    pub(super) time_ms: i64,
    pub(super) value: i64,
}

/// A dead letter: where its record stood and what was wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Letter {
    pub(super) topic: String,
    pub(super) partition: u32,
    pub(super) offset: u64,
    why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    Late,
    Skewed,
    /// It cannot be read, or breaks a `CHECK`.
    Other,
}

impl Letter {
    pub(super) fn other(topic: &str, partition: u32, offset: u64) -> Letter {
        Letter {
            topic: topic.to_owned(),
            partition,
            offset,
            why: Why::Other,
        }
    }

    pub(super) fn refused(topic: &str, partition: u32, offset: u64, refused: Refused) -> Letter {
        let why = match refused {
            Refused::Late => Why::Late,
            Refused::Skewed => Why::Skewed,
        };
        Letter {
            why,
            ..Letter::other(topic, partition, offset)
        }
    }

    pub(super) fn is_of(&self, topic: &str, partition: u32) -> bool {
        self.topic == topic && self.partition == partition
    }

    /// Whether the time rules refused it.
    pub(super) fn is_refusal(&self) -> bool {
        self.why != Why::Other
    }
}

/// Committed records of a partition that can be read, and the offsets of those that cannot.
pub(super) fn readings(cluster: &Cluster, topic: &str, partition: u32) -> anyhow::Result<(Vec<Reading>, Vec<u64>)> {
    let (mut valid, mut poison) = (Vec::new(), Vec::new());
    each_record(cluster, topic, partition, |record| {
        match reading(cluster, record).filter(|reading| reading.value < VALUE_LIMIT) {
            Some(reading) => valid.push(reading),
            None => poison.push(record.offset),
        }
    })?;
    Ok((valid, poison))
}

fn reading(cluster: &Cluster, record: &Record<'_>) -> Option<Reading> {
    let (key, value) = (record.key?, record.value?);
    let (id, avro) = confluent::split(value).ok()?;
    let row = hw_avro::to_json(&Schema::parse(&cluster.schema(id)?).ok()?, avro).ok()?;
    Some(Reading {
        offset: record.offset,
        key: std::str::from_utf8(key).ok()?.parse().ok()?,
        time_ms: record.timestamp_ms,
        value: row["value"].as_i64()?,
    })
}

/// Committed answers of a partition.
pub(super) fn answers(cluster: &Cluster, topic: &str, partition: u32) -> anyhow::Result<Vec<Answer>> {
    let mut answers = Vec::new();
    let mut unreadable = 0;
    each_record(cluster, topic, partition, |record| match answer(cluster, record) {
        Some(answer) => answers.push(answer),
        None => unreadable += 1,
    })?;
    anyhow::ensure!(
        unreadable == 0,
        "{unreadable} answers of {topic}/{partition} cannot be read"
    );
    Ok(answers)
}

fn answer(cluster: &Cluster, record: &Record<'_>) -> Option<Answer> {
    let (id, avro) = confluent::split(record.value?).ok()?;
    let row = hw_avro::to_json(&Schema::parse(&cluster.schema(id)?).ok()?, avro).ok()?;
    Some(Answer {
        key: row["user_id"].as_str()?.parse().ok()?,
        time_ms: record.timestamp_ms,
        count: row["count"].as_i64()?,
        sum: row["sum"].as_i64()?,
    })
}

/// All committed dead letters.
pub(super) fn letters(cluster: &Cluster) -> anyhow::Result<Vec<Letter>> {
    let mut letters = Vec::new();
    each_record(cluster, "sim.dead-letters", 0, |record| {
        let header = |name: &str| {
            let found = record.headers.iter().find(|header| header.name == name.as_bytes());
            String::from_utf8_lossy(found.and_then(|header| header.value).unwrap_or_default()).into_owned()
        };
        let reason = header("reason");
        letters.push(Letter {
            topic: header("topic"),
            partition: header("partition").parse().unwrap_or(u32::MAX),
            offset: header("offset").parse().unwrap_or(u64::MAX),
            why: if reason.starts_with("late:") {
                Why::Late
            } else if reason.starts_with("time: more than max_skew") {
                Why::Skewed
            } else {
                Why::Other
            },
        });
    })?;
    Ok(letters)
}

fn each_record(cluster: &Cluster, topic: &str, partition: u32, mut see: impl FnMut(&Record<'_>)) -> anyhow::Result<()> {
    let fetch = cluster.fetch(topic, partition, 0, usize::MAX)?;
    let mut scratch = Scratch::default();
    for batch in &fetch.batches {
        walk(batch, &mut scratch, |record| {
            see(&record);
            ControlFlow::Continue(())
        })?;
    }
    Ok(())
}
