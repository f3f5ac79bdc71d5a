//! What only a log on Kafka has, seen from outside: how a cluster and its groups are, and schema ids in a topic.
//!
//! What every log promises is tested in `conformance`. All runs where `HEARTWATCH_TEST_KAFKA` names a broker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hw_log::batch::{BatchBuilder, Compression};
use hw_log::kafka::{KafkaLog, PartitionLag, SchemaIds, Settings, TopicSchemas};
use hw_log::{Append, Change, Commit, Log, Seat, TopicOptions, Transaction};

/// Settings with a namespace of the test's own.
fn settings() -> Option<Settings> {
    let Ok(bootstrap) = std::env::var("HEARTWATCH_TEST_KAFKA") else {
        eprintln!("skipped: HEARTWATCH_TEST_KAFKA=host:port names no broker");
        return None;
    };
    let mut random = [0; 8];
    getrandom::fill(&mut random).unwrap();
    let namespace = format!("kafka-{:016x}-", u64::from_be_bytes(random));
    let properties = [("bootstrap.servers", bootstrap), ("heartwatch.namespace", namespace)];
    let properties: BTreeMap<String, String> = properties
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    Some(Settings::from_properties(&properties).unwrap())
}

fn open(settings: &Settings) -> KafkaLog {
    let schemas = TopicSchemas::open(settings.clone()).unwrap();
    KafkaLog::open(settings.clone(), Arc::new(schemas)).unwrap()
}

fn append(partition: u32) -> Append {
    let mut builder = BatchBuilder::new(Compression::Lz4);
    builder.push(1_000, Some(b"k"), Some(b"value"), &[]);
    Append {
        topic: "readings".into(),
        partition,
        batch: builder.finish(),
    }
}

fn commit(partition: u32, offset: u64) -> Commit {
    Commit {
        group: "pulse".into(),
        topic: "readings".into(),
        partition,
        offset,
        metadata: Vec::new(),
    }
}

#[test]
fn how_a_cluster_and_a_group_are() {
    let Some(settings) = settings() else { return };
    let log = open(&settings);
    log.create_topic("readings", &TopicOptions::stream(2)).unwrap();
    for partition in [0, 0, 1] {
        let appends = vec![append(partition)];
        log.append(&Transaction {
            appends,
            commits: Vec::new(),
        })
        .unwrap();
    }
    let commits = vec![commit(0, 1), commit(1, 1)];
    log.append(&Transaction {
        appends: Vec::new(),
        commits,
    })
    .unwrap();

    let status = log.status().unwrap();
    assert!(status.id.is_some() && !status.brokers.is_empty());
    let names: Vec<&str> = status.topics.iter().map(|topic| &*topic.name).collect();
    assert_eq!(names, ["readings"], "those of the namespace only, without it");
    for partition in &status.topics[0].partitions {
        assert!(partition.in_sync.contains(&partition.leader.unwrap()));
        assert!(partition.bytes.unwrap() > 0);
    }

    assert_eq!(log.groups().unwrap(), ["pulse"]);
    let group = log.group("pulse").unwrap();
    assert_eq!((&*group.state, group.members.len()), ("Empty", 0));
    let records: Vec<_> = group
        .lags
        .iter()
        .map(|lag: &PartitionLag| (lag.partition, lag.records()))
        .collect();
    assert_eq!(records, [(0, Some(1)), (1, Some(0))]);
    assert_eq!(log.group("nobody").unwrap().members, []);

    let mut member = log.join("pulse", "readings", Seat::ONLY).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while member.poll().unwrap() != Some(Change::Assigned(vec![0, 1])) {
        assert!(Instant::now() < deadline, "no partitions");
        std::thread::sleep(Duration::from_millis(20));
    }
    let group = log.group("pulse").unwrap();
    assert_eq!(group.state, "Stable");
    assert_eq!(
        group.members[0].partitions,
        BTreeMap::from([("readings".to_owned(), vec![0, 1])])
    );
    member.leave_for_good().unwrap();
    log.delete_topic("readings").unwrap();
}

#[test]
fn what_is_wrong_with_a_topic_is_said() {
    let Some(settings) = settings() else { return };
    let log = open(&settings);
    let error = log
        .create_topic("schemas", &TopicOptions::stream(1))
        .unwrap_err()
        .to_string();
    assert!(error.contains("schemas are kept under it"), "{error}");
    assert_eq!(
        log.ranges("readings").unwrap_err().to_string(),
        "there is no topic readings"
    );
    log.create_topic("readings", &TopicOptions::stream(1)).unwrap();
    let error = log
        .create_topic("readings", &TopicOptions::stream(4))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "topic readings exists with 1 partition, kept for ever, which differs from 4 partitions, kept for ever; \
         use those or another name"
    );
    log.delete_topic("readings").unwrap();
}

/// Four processes, as it were, that register the same schemas at once.
#[test]
fn a_schema_has_one_id_whoever_registers_it() {
    let Some(settings) = settings() else { return };
    let ids: Vec<Vec<u32>> = std::thread::scope(|scope| {
        let register = || {
            let schemas = TopicSchemas::open(settings.clone()).unwrap();
            let register = |number| {
                schemas
                    .register("readings-value", &format!("{{\"n\":{number}}}"))
                    .unwrap()
            };
            (0..10).map(register).collect()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(register)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|each| *each == ids[0]), "{ids:?}");
    let different: BTreeSet<u32> = ids[0].iter().copied().collect();
    assert_eq!(different.len(), 10, "{ids:?}");
    let later = TopicSchemas::open(settings.clone()).unwrap();
    assert_eq!(later.schema(ids[0][7]).unwrap().as_deref(), Some("{\"n\":7}"));
    assert_eq!(later.schema(1_000).unwrap(), None);
    open(&settings).delete_topic("schemas").unwrap();
}
