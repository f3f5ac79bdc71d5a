//! The log on a cluster, for the suite: each test in a namespace of its own, seen over two sets of connections.
//!
//! It starts no broker. Without one there is no fixture, and a line that says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use hw_log::Log;
use hw_log::kafka::{KafkaLog, Settings, TopicSchemas};

use crate::{Fixture, Kind};

/// Deletes what a test has made.
struct Cleanup(Arc<KafkaLog>);

impl Drop for Cleanup {
    fn drop(&mut self) {
        // A broker that has gone meanwhile has failed the test already.
        let topics = self.0.topics().unwrap_or_default();
        for name in topics.iter().map(|topic| topic.name.as_str()).chain(["schemas"]) {
            let _ = self.0.delete_topic(name);
        }
    }
}

pub(crate) fn kafka() -> Option<Fixture> {
    with_settings(&[])
}

/// Brokers clean no segment that is still written to: here records that are a tenth of a second later begin the next.
pub(crate) fn kafka_with_small_segments() -> Option<Fixture> {
    with_settings(&[
        ("topic.segment.ms", "100"),
        ("topic.file.delete.delay.ms", "100"),
        ("topic.min.cleanable.dirty.ratio", "0.001"),
        ("topic.delete.retention.ms", "500"),
    ])
}

fn with_settings(more: &[(&str, &str)]) -> Option<Fixture> {
    let Ok(bootstrap) = std::env::var("HEARTWATCH_TEST_KAFKA") else {
        eprintln!("skipped: HEARTWATCH_TEST_KAFKA=host:port names no broker");
        return None;
    };
    let namespace = format!("conformance-{:016x}-", rand_number());
    let mut properties: BTreeMap<String, String> = more
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    properties.insert("bootstrap.servers".into(), bootstrap);
    properties.insert("heartwatch.namespace".into(), namespace);
    let settings = Settings::from_properties(&properties).unwrap();
    let open = || {
        let schemas = TopicSchemas::open(settings.clone()).unwrap();
        Arc::new(KafkaLog::open(settings.clone(), Arc::new(schemas)).unwrap())
    };
    let log = open();
    Some(Fixture {
        log: log.clone(),
        other: open(),
        kind: Kind::Kafka,
        _held: Box::new(Cleanup(log)),
    })
}

fn rand_number() -> u64 {
    let mut random = [0; 8];
    getrandom::fill(&mut random).unwrap();
    u64::from_be_bytes(random)
}
