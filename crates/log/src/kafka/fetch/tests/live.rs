//! The fetcher against a real broker: order, places, transactions, ends, waiting, and how it stops. It runs where
//! `HEARTWATCH_TEST_KAFKA` names a broker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, DeleteRecordsRequest, FetchRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use super::super::Fetcher;
use super::super::aborted::Aborted;
use super::super::answer::{self, VERSIONS};
use super::super::buffers::Buffers;
use super::super::hop::hop;
use super::foreign::{End, Foreign};
use super::scene::{PATIENCE, Scene, numbered};
use crate::LogError;
use crate::kafka::cluster::Where;

#[test]
fn what_is_there_is_read_in_order_from_any_place() {
    let Some(scene) = Scene::new(2, &[]) else { return };
    let producer = scene.producer();
    scene.append(&producer, 1, 0, 30);
    assert_eq!(scene.read(0, 0, 1_000), []);
    for bytes_max in [0, 1_000, usize::MAX] {
        assert_eq!(scene.read(1, 0, bytes_max), numbered(0..300));
    }
    for from in [299, 150, 155, 9, 1, 300] {
        assert_eq!(scene.read(1, from, 1_000), numbered(from..300), "from {from}");
    }
    scene.append(&producer, 1, 300, 2);
    // The reader that was at the end is so no more, before a broker has told it.
    assert_eq!(scene.read(1, 300, 1_000), numbered(300..320));
}

#[test]
fn little_memory_is_enough() {
    let Some(scene) = Scene::new(
        12,
        &[("fetch.max.bytes", "4000"), ("max.partition.fetch.bytes", "1000")],
    ) else {
        return;
    };
    let producer = scene.producer();
    for partition in 0..12 {
        scene.append(&producer, partition, 0, 40);
    }
    // In turn, so that all have something waiting.
    for partition in 0..12 {
        scene.fetcher.read(&scene.topic, partition, 0, 0).unwrap();
    }
    for partition in 0..12 {
        assert_eq!(scene.read(partition, 0, 1_000), numbered(0..400));
    }
    // A batch larger than all memory comes all the same.
    scene.append_one(&producer, 3, 400, 1_000);
    assert_eq!(scene.read(3, 400, 1_000), numbered(400..1_400));
}

#[test]
fn aborted_transactions_are_never_seen_and_open_ones_not_yet() {
    let Some(scene) = Scene::new(2, &[]) else { return };
    let producer = scene.producer();
    let (mut one, mut other) = (
        Foreign::new(&scene.cluster, &scene.name()),
        Foreign::new(&scene.cluster, &scene.name()),
    );
    scene.append(&producer, 0, 0, 1);
    one.append(0, 5);
    other.append(0, 7);
    one.append(1, 3);
    scene.append(&producer, 0, 0, 1);
    let offsets = |partition, from| -> Vec<u64> {
        scene
            .read(partition, from, 1_000)
            .iter()
            .map(|(offset, _)| *offset)
            .collect()
    };
    assert_eq!(
        offsets(0, 0),
        (0..10).collect::<Vec<_>>(),
        "what lies behind an open transaction waits"
    );
    one.end(End::Abort);
    other.end(End::Commit);
    let expected: Vec<u64> = (15..32).collect();
    let deadline = Instant::now() + PATIENCE;
    while offsets(0, 10) != expected {
        assert!(Instant::now() < deadline, "{:?}", offsets(0, 10));
    }
    assert!(offsets(1, 0).is_empty());
    // Behind the marks: the place moves over what is hidden, and a new reader may stand anywhere.
    let fetch = scene.fetcher.read(&scene.topic, 0, 32, 1_000).unwrap();
    assert_eq!((fetch.batches.len(), fetch.next_offset, fetch.end_offset), (0, 34, 34));
    for from in [8, 12, 20, 33] {
        let expected: Vec<u64> = (from..10.max(from)).chain(15.max(from)..32.max(from)).collect();
        assert_eq!(offsets(0, from), expected, "from {from}");
    }
    // The same producer goes on: what it commits counts.
    for end in [End::Commit, End::Abort, End::Commit] {
        one.append(0, 5);
        one.end(end);
    }
    let expected: Vec<u64> = (34..39).chain(46..51).collect();
    while offsets(0, 34) != expected {
        assert!(Instant::now() < deadline + PATIENCE, "{:?}", offsets(0, 34));
    }
}

#[test]
fn places_that_are_not_there() {
    let Some(scene) = Scene::new(1, &[]) else { return };
    scene.append(&scene.producer(), 0, 0, 3);
    let read = |partition, from| scene.fetcher.read(&scene.topic, partition, from, 1_000);
    let outside = |offset, start, end| LogError::OffsetOutOfRange {
        topic: scene.topic.clone(),
        partition: 0,
        offset,
        start,
        end,
    };
    assert_eq!(read(0, 31).unwrap_err(), outside(31, 0, 30));
    assert_eq!(
        read(7, 0).unwrap_err(),
        LogError::UnknownPartition {
            topic: scene.topic.clone(),
            partition: 7,
            partitions: 1
        }
    );
    let unknown = scene.fetcher.read("fetch-nothing", 0, 0, 1).unwrap_err();
    assert_eq!(
        unknown,
        LogError::UnknownTopic {
            topic: "fetch-nothing".into()
        }
    );
    // One reader is inside, with nothing left of what was fetched, when retention takes his place away.
    assert_eq!(scene.read(0, 0, 1_000).len(), 30);
    scene.append(&scene.producer(), 0, 30, 1);
    let partition = DeleteRecordsPartition::default()
        .with_partition_index(0)
        .with_offset(25);
    let topic = DeleteRecordsTopic::default()
        .with_name(TopicName(StrBytes::from_string(scene.name())))
        .with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(10_000);
    let leader = scene.cluster.leader(&scene.name(), 0).unwrap();
    scene.cluster.call(Where::Broker(leader), 0..=2, &request).unwrap();
    assert_eq!(read(0, 5).unwrap_err(), outside(5, 25, 40));
    assert_eq!(scene.read(0, 25, 1_000), numbered(25..40));
}

#[test]
fn waiting_costs_nothing_and_a_newcomer_does_not_wait() {
    let Some(scene) = Scene::new(2, &[("fetch.max.wait.ms", "3000")]) else {
        return;
    };
    let producer = scene.producer();
    scene.append(&producer, 1, 0, 1);
    assert_eq!(scene.read(0, 0, 1_000), []);
    // Until no more subscriptions are expected.
    std::thread::sleep(Duration::from_millis(1_200));
    let plans = || scene.fetcher.shared.state().plans;
    let before = plans();
    std::thread::sleep(Duration::from_millis(1_000));
    assert!(plans() - before <= 1, "{} requests in an idle second", plans() - before);
    let began = Instant::now();
    assert_eq!(scene.read(1, 0, 1_000), numbered(0..10));
    assert!(began.elapsed() < Duration::from_millis(1_000), "{:?}", began.elapsed());
    std::thread::sleep(Duration::from_millis(1_200));
    let seen = scene.fetcher.wait(0, Duration::ZERO);
    assert_eq!(scene.fetcher.wait(seen, Duration::from_millis(30)), seen);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mark = scene.fetcher.wait(seen, PATIENCE);
            (mark, Instant::now())
        });
        std::thread::sleep(Duration::from_millis(100));
        scene.append(&producer, 0, 0, 1);
        let appended = Instant::now();
        let (mark, woken) = waiting.join().unwrap();
        assert_ne!(mark, seen);
        assert!(woken.saturating_duration_since(appended) < Duration::from_millis(500));
    });
    assert_eq!(scene.read(0, 0, 1_000), numbered(0..10));
}

#[test]
fn dropping_it_ends_its_threads() {
    let Some(mut scene) = Scene::new(1, &[("fetch.max.wait.ms", "20000")]) else {
        return;
    };
    assert_eq!(scene.read(0, 0, 1_000), []);
    std::thread::sleep(Duration::from_millis(1_200));
    let shared = Arc::downgrade(&scene.fetcher.shared);
    scene.fetcher = Fetcher::new(Arc::clone(&scene.cluster));
    let deadline = Instant::now() + Duration::from_secs(1);
    while shared.strong_count() > 0 {
        assert!(Instant::now() < deadline, "a thread goes on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The broker answers in every version from the first to the last that is read here.
#[test]
fn every_version_of_a_real_broker() {
    let Some(scene) = Scene::new(1, &[]) else { return };
    scene.append(&scene.producer(), 0, 0, 3);
    let leader = scene.cluster.leader(&scene.name(), 0).unwrap();
    let mut connection = scene.cluster.connect(leader).unwrap();
    let part = FetchPartition::default()
        .with_partition(0)
        .with_fetch_offset(10)
        .with_partition_max_bytes(1_000_000);
    let topic = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_string(scene.name())))
        .with_partitions(vec![part]);
    let request = FetchRequest::default()
        .with_max_bytes(1_000_000)
        .with_isolation_level(1)
        .with_session_epoch(-1)
        .with_topics(vec![topic]);
    for version in VERSIONS {
        let sent = connection.send(version, &request).unwrap();
        let buffers = Buffers::new(1_000, 1);
        let name = scene.name();
        let find = |topic: &str, partition: i32, _: usize| (topic == name && partition == 0).then_some(0);
        let answer = connection
            .receive_in_pieces(sent, |pieces, version| answer::read(pieces, version, &buffers, find))
            .unwrap();
        let [part] = &answer.parts[..] else {
            panic!("version {version}: {answer:?}")
        };
        assert_eq!((part.code, part.end_offset), (0, 30), "version {version}");
        let hop = hop(part.records.as_ref().unwrap().as_ref(), 10, &mut Aborted::default());
        assert_eq!((hop.batches.len(), hop.next_offset), (2, 30), "version {version}");
    }
}

/// Partitions move between brokers while they are written and read. Needs a cluster of several.
#[test]
fn a_partition_changes_its_leader() {
    let Some(scene) = Scene::new(2, &[]) else { return };
    let metadata = scene.cluster.metadata(Some(&[])).unwrap();
    let brokers: Vec<BrokerId> = metadata.brokers.iter().map(|each| each.node_id).collect();
    if brokers.len() < 2 {
        eprintln!("one broker has no other to follow: the live test `log_follows_leaders` runs this on three");
        return;
    }
    let producer = scene.producer();
    let mut from = 0;
    for round in 0..6 {
        scene.append(&producer, 0, from, 5);
        assert_eq!(scene.read(0, from, 500), numbered(from..from + 50), "round {round}");
        from += 50;
        let next = brokers[round % brokers.len()];
        let part = ReassignablePartition::default()
            .with_partition_index(0)
            .with_replicas(Some(vec![next]));
        let topic = ReassignableTopic::default()
            .with_name(TopicName(StrBytes::from_string(scene.name())))
            .with_partitions(vec![part]);
        let request = AlterPartitionReassignmentsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(10_000);
        let answer = scene.cluster.call(Where::Controller, 0..=0, &request);
        assert_eq!(answer.unwrap().error_code, 0);
        let deadline = Instant::now() + PATIENCE;
        while scene.cluster.leader(&scene.name(), 0) != Ok(next) {
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(50));
            scene.cluster.forget_leaders(&scene.name());
        }
        assert_eq!(scene.read(1, 0, 500), []);
    }
    assert_eq!(scene.read(0, 0, usize::MAX), numbered(0..from));
}
