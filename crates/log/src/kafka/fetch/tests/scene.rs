//! `Scene`: a topic of our own on a real broker, a fetcher, and how a reader goes on.
//!
//! It runs where `HEARTWATCH_TEST_KAFKA` names a broker.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::Fetcher;
use super::{Writer, batch};
use crate::batch::{Scratch, walk};
use crate::kafka::cluster::Cluster;
use crate::kafka::identities::GroupIdentities;
use crate::kafka::live::{fresh, settings, settings_for};
use crate::kafka::produce::Producer;
use crate::{Append, TopicOptions, Transaction};

/// Longer than anything here takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A topic of our own, and a fetcher.
pub(super) struct Scene {
    pub(super) cluster: Arc<Cluster>,
    pub(super) topic: String,
    pub(super) fetcher: Fetcher,
}

impl Scene {
    pub(super) fn new(partitions: u32, properties: &[(&str, &str)]) -> Option<Scene> {
        let bootstrap = settings()?.bootstrap_text();
        let mut all = vec![("bootstrap.servers", &*bootstrap), ("heartwatch.namespace", "fetch-")];
        all.extend_from_slice(properties);
        let cluster = Cluster::open(settings_for(&all)).unwrap();
        let topic = fresh("live");
        cluster
            .create_topic(&cluster.name(&topic), &TopicOptions::stream(partitions))
            .unwrap();
        Some(Scene {
            fetcher: Fetcher::new(Arc::clone(&cluster)),
            cluster,
            topic,
        })
    }

    pub(super) fn name(&self) -> String {
        self.cluster.name(&self.topic)
    }

    pub(super) fn producer(&self) -> Producer {
        Producer::of_command(Arc::clone(&self.cluster), GroupIdentities::default()).unwrap()
    }

    /// Appends batches of ten records, numbered from `from` on.
    pub(super) fn append(&self, producer: &Producer, partition: u32, from: u64, batches: u64) {
        for at in 0..batches {
            self.append_one(producer, partition, from + 10 * at, 10);
        }
    }

    pub(super) fn append_one(&self, producer: &Producer, partition: u32, from: u64, records: u32) {
        let append = Append {
            topic: self.topic.clone(),
            partition,
            batch: to_append(from, records),
        };
        let transaction = Transaction {
            appends: vec![append],
            commits: Vec::new(),
        };
        let offset = producer.append(&transaction).unwrap()[0];
        self.fetcher
            .appended(&self.topic, partition, offset + u64::from(records));
    }

    /// The offsets and values of all records from `from` to the end, as a reader goes for them.
    pub(super) fn read(&self, partition: u32, from: u64, bytes_max: usize) -> Vec<(u64, u64)> {
        let mut records = Vec::new();
        let mut scratch = Scratch::default();
        let mut at = from;
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "at {at}, {} records", records.len());
            let seen = self.fetcher.wait(0, Duration::ZERO);
            let fetch = self.fetcher.read(&self.topic, partition, at, bytes_max).unwrap();
            for batch in &fetch.batches {
                walk(batch, &mut scratch, |record| {
                    if record.offset >= at {
                        let value = std::str::from_utf8(record.value.unwrap()).unwrap();
                        records.push((record.offset, value.parse().unwrap()));
                    }
                    ControlFlow::Continue(())
                })
                .unwrap();
            }
            at = fetch.next_offset;
            if fetch.batches.is_empty() && fetch.next_offset == fetch.end_offset {
                return records;
            }
            if fetch.batches.is_empty() {
                self.fetcher.wait(seen, PATIENCE);
            }
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.cluster.delete_topic(&self.name()).unwrap();
    }
}

/// A batch whose values count from `from`.
pub(super) fn to_append(from: u64, records: u32) -> Vec<u8> {
    let mut batch = batch(from, records, Writer::Plain);
    batch[..8].fill(0);
    batch
}

pub(super) fn numbered(range: std::ops::Range<u64>) -> Vec<(u64, u64)> {
    range.map(|number| (number, number)).collect()
}
