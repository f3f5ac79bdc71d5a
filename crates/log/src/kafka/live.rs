//! Tests against a real broker, of what is private to this room. They run where `HEARTWATCH_TEST_KAFKA` names one.
//!
//! What can be seen from outside is tested in `tests/kafka`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafka_protocol::messages::{ApiVersionsRequest, FindCoordinatorRequest, ListGroupsRequest};
use kafka_protocol::protocol::StrBytes;

use super::admin::Created;
use super::cluster::{Cluster, Coordinates};
use super::connection::Connection;
use super::failure::Failure;
use super::settings::Settings;
use crate::{OffsetRange, TopicOptions};

/// Settings for the broker of the environment; `None`, and a line that says so, when there is none.
pub(crate) fn settings() -> Option<Settings> {
    let Ok(bootstrap) = std::env::var("HEARTWATCH_TEST_KAFKA") else {
        eprintln!("skipped: HEARTWATCH_TEST_KAFKA=host:port names no broker");
        return None;
    };
    Some(settings_for(&[("bootstrap.servers", &bootstrap)]))
}

pub(crate) fn settings_for(properties: &[(&str, &str)]) -> Settings {
    let properties: BTreeMap<String, String> = properties
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Settings::from_properties(&properties).unwrap()
}

/// A name that no other test uses.
pub(crate) fn fresh(name: &str) -> String {
    let mut random = [0; 6];
    getrandom::fill(&mut random).unwrap();
    let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("wire-{name}-{random}")
}

#[test]
fn several_requests_in_flight() {
    let Some(settings) = settings() else { return };
    let mut connection = Connection::open(&settings, &settings.bootstrap[0]).unwrap();
    let version = connection.version::<ListGroupsRequest>(0..=4).unwrap();
    let sent: Vec<_> = (0..20)
        .map(|_| connection.send(version, &ListGroupsRequest::default()).unwrap())
        .collect();
    let versions = connection.send(0, &ApiVersionsRequest::default()).unwrap();
    // Some answers are not waited for: they are passed over.
    for sent in sent.into_iter().step_by(3) {
        // 14: a broker that has just started may still load its groups.
        assert!([0, 14].contains(&connection.receive(sent).unwrap().error_code));
    }
    assert!(!connection.receive(versions).unwrap().api_keys.is_empty());
    assert!(connection.is_open());
}

#[test]
fn an_answer_may_take_longer_than_one_look() {
    let Some(settings) = settings() else { return };
    let mut connection = Connection::open(&settings, &settings.bootstrap[0]).unwrap();
    let sent = connection
        .send(
            2,
            &FindCoordinatorRequest::default().with_key(StrBytes::from_static_str("wire-g")),
        )
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while connection.poll(&sent, Duration::ZERO).unwrap().is_none() {
        assert!(Instant::now() < deadline);
    }
    assert!(matches!(
        connection.version::<ListGroupsRequest>(100..=101),
        Err(Failure::Protocol { .. })
    ));
}

#[test]
fn leaders_and_coordinators() {
    let Some(settings) = settings() else { return };
    let cluster = Cluster::open(settings).unwrap();
    let topic = fresh("leaders");
    assert_eq!(
        cluster.partitions(&topic),
        Err(Failure::UnknownTopic { topic: topic.clone() })
    );
    assert_eq!(
        cluster.create_topic(&topic, &TopicOptions::stream(3)).unwrap(),
        Created::AsWanted
    );
    let deadline = Instant::now() + Duration::from_secs(10);
    assert_eq!(cluster.partitions(&topic).unwrap(), 3);
    let leader = cluster.retry(deadline, || cluster.leader(&topic, 2)).unwrap();
    cluster.connect(leader).unwrap();
    assert!(matches!(
        cluster.leader(&topic, 3),
        Err(Failure::UnknownPartition { partitions: 3, .. })
    ));
    for of in [Coordinates::Group("wire-g"), Coordinates::Transaction("wire-t")] {
        let coordinator = cluster.retry(deadline, || cluster.coordinator(of)).unwrap();
        cluster.forget_coordinator(of);
        assert_eq!(cluster.coordinator(of).unwrap(), coordinator);
    }
    cluster.delete_topic(&topic).unwrap();
    cluster.delete_topic(&topic).unwrap();
}

#[test]
fn topics_and_their_options() {
    let Some(settings) = settings() else { return };
    let cluster = Cluster::open(settings).unwrap();
    let topic = fresh("options");
    let options = TopicOptions {
        partitions: 2,
        retention_ms: Some(60_000),
        compacted: true,
    };
    for _ in 0..2 {
        assert_eq!(cluster.create_topic(&topic, &options).unwrap(), Created::AsWanted);
    }
    let other = TopicOptions::stream(2);
    assert_eq!(cluster.create_topic(&topic, &other).unwrap(), Created::Differs(options));
    assert_eq!(cluster.topic_options(&topic).unwrap(), options);
    assert!(cluster.all_topics().unwrap().contains(&(topic.clone(), options)));
    assert_eq!(cluster.ranges(&topic).unwrap(), [OffsetRange { start: 0, end: 0 }; 2]);
    for time in [i64::MIN, 0, i64::MAX] {
        assert_eq!(cluster.offset_at_time(&topic, 1, time).unwrap(), 0);
    }
    assert!(matches!(
        cluster.offset_at_time(&topic, 2, 5),
        Err(Failure::UnknownPartition { .. })
    ));
    assert_eq!(cluster.committed("wire-nobody").unwrap(), []);

    let status = cluster.status().unwrap();
    let found = status.topics.iter().find(|status| status.name == topic).unwrap();
    let partition = &found.partitions[1];
    assert!(status.brokers.iter().any(|broker| Some(broker.id) == partition.leader));
    assert_eq!(partition.bytes, Some(0));
    assert_eq!(partition.in_sync, partition.replicas);
    cluster.delete_topic(&topic).unwrap();
}

#[test]
fn more_copies_than_brokers() {
    let Some(mut settings) = settings() else { return };
    settings.replication_factor = 7;
    let cluster = Cluster::open(settings).unwrap();
    let failure = cluster
        .create_topic(&fresh("copies"), &TopicOptions::stream(1))
        .unwrap_err();
    let error = cluster.error(failure).to_string();
    assert!(
        error.contains("more brokers") && error.contains("replication.factor is 7"),
        "{error}"
    );
}

#[test]
fn nothing_listens() {
    let settings = settings_for(&[("bootstrap.servers", "127.0.0.1:1,localhost:1")]);
    let failure = Cluster::open(settings).err().unwrap();
    assert_eq!(
        failure.to_string(),
        "127.0.0.1:1 cannot be reached: nothing listens there; start the broker or correct bootstrap.servers"
    );
}
