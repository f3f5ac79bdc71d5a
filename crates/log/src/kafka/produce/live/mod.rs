//! Tests of the producer against a real broker. They run where `HEARTWATCH_TEST_KAFKA` names one.
//!
//! What a reader sees is read by plain Fetch requests here: the producer's own view proves nothing.

mod appends;
mod faults;
mod fences;
mod outage;
mod proxy;
mod reader;
mod transactions;

use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::{CreateTopicsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::Producer;
use crate::batch::{BatchBuilder, Compression};
use crate::kafka::cluster::{Cluster, Where};
use crate::kafka::identities::GroupIdentities;
use crate::kafka::live::{fresh, settings_for};
use crate::{Append, Commit, Transaction};

pub(super) use self::reader::{Isolation, read};

/// A cluster and a topic of its own in it.
pub(super) struct Stage {
    pub(super) cluster: Arc<Cluster>,
    pub(super) topic: String,
}

impl Stage {
    /// `None`, and a line that says so, when no broker is named.
    pub(super) fn set(name: &str, partitions: i32, config: &[(&str, &str)]) -> Option<Stage> {
        let Ok(bootstrap) = std::env::var("HEARTWATCH_TEST_KAFKA") else {
            eprintln!("skipped: HEARTWATCH_TEST_KAFKA=host:port names no broker");
            return None;
        };
        Some(Stage::at(&bootstrap, &[], name, partitions, config))
    }

    pub(super) fn at(
        bootstrap: &str,
        settings: &[(&str, &str)],
        name: &str,
        partitions: i32,
        config: &[(&str, &str)],
    ) -> Stage {
        let settings = [&[("bootstrap.servers", bootstrap)], settings].concat();
        let cluster = Cluster::open(settings_for(&settings)).unwrap();
        let topic = fresh(name).replacen("wire", "produce", 1);
        let config = config.iter().map(|&(name, value)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string(name.into()))
                .with_value(Some(StrBytes::from_string(value.into())))
        });
        let wanted = CreatableTopic::default()
            .with_name(TopicName(StrBytes::from_string(cluster.name(&topic))))
            .with_num_partitions(partitions)
            // As many as the cluster is set up for.
            .with_replication_factor(-1)
            .with_configs(config.collect());
        let request = CreateTopicsRequest::default()
            .with_topics(vec![wanted])
            .with_timeout_ms(10_000);
        let answer = cluster.call(Where::Controller, 4..=5, &request).unwrap();
        assert_eq!(answer.topics[0].error_code, 0, "{:?}", answer.topics[0].error_message);
        let deadline = Instant::now() + Duration::from_secs(20);
        while cluster.leader(&cluster.name(&topic), 0).is_err() {
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(20));
        }
        Stage { cluster, topic }
    }

    /// A producer as commands have it.
    pub(super) fn producer(&self) -> Arc<Producer> {
        Arc::new(Producer::of_command(Arc::clone(&self.cluster), GroupIdentities::default()).unwrap())
    }

    /// A producer as workers have it.
    pub(super) fn worker(&self, transactional_id: &str) -> Producer {
        Producer::of_worker(
            Arc::clone(&self.cluster),
            transactional_id.into(),
            GroupIdentities::default(),
        )
    }

    /// A batch of these values.
    pub(super) fn append(&self, partition: u32, values: &[&str]) -> Append {
        let mut builder = BatchBuilder::new(Compression::Lz4);
        for value in values {
            builder.push(1_767_225_600_000, Some(b"key"), Some(value.as_bytes()), &[]);
        }
        Append {
            topic: self.topic.clone(),
            partition,
            batch: builder.finish(),
        }
    }

    pub(super) fn commit(&self, group: &str, partition: u32, offset: u64, metadata: &[u8]) -> Commit {
        Commit {
            group: group.into(),
            topic: self.topic.clone(),
            partition,
            offset,
            metadata: metadata.into(),
        }
    }

    /// The values that a reader of committed data sees in a partition.
    pub(super) fn committed(&self, partition: u32) -> Vec<String> {
        read(&self.cluster, &self.topic, partition, Isolation::ReadCommitted)
            .into_iter()
            .map(|(_, value)| value)
            .collect()
    }
}

pub(super) fn transaction(appends: Vec<Append>, commits: Vec<Commit>) -> Transaction {
    Transaction { appends, commits }
}

pub(super) fn wait_for(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// So many letters that no codec makes much smaller.
pub(super) fn noise(letters: u32) -> String {
    let letter = |number: u32| char::from(b'a' + (number.wrapping_mul(2_654_435_761) >> 24) as u8 % 26);
    (0..letters).map(letter).collect()
}
