//! Tests against a real broker, of what is private to this room. They run where `HEARTWATCH_TEST_KAFKA` names one.
//!
//! What can be seen from outside is tested in `tests/kafka`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{
    ApiVersionsRequest, CreateTopicsRequest, DeleteTopicsRequest, FindCoordinatorRequest, ListGroupsRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use super::cluster::{Cluster, Coordinates, Where};
use super::connection::Connection;
use super::failure::Failure;
use super::settings::Settings;

/// Settings for the broker of the environment; `None`, and a line that says so, when there is none.
pub(crate) fn settings() -> Option<Settings> {
    let Ok(bootstrap) = std::env::var("HEARTWATCH_TEST_KAFKA") else {
        eprintln!("skipped: HEARTWATCH_TEST_KAFKA=host:port names no broker");
        return None;
    };
    Some(settings_for(&[("bootstrap.servers", &bootstrap)]))
}

pub(crate) fn settings_for(properties: &[(&str, &str)]) -> Settings {
    let properties: BTreeMap<String, String> =
        properties.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
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
    let sent: Vec<_> = (0..20).map(|_| connection.send(version, &ListGroupsRequest::default()).unwrap()).collect();
    let versions = connection.send(0, &ApiVersionsRequest::default()).unwrap();
    // Some answers are not waited for: they are passed over.
    for sent in sent.into_iter().step_by(3) {
        assert_eq!(connection.receive(sent).unwrap().error_code, 0);
    }
    assert!(!connection.receive(versions).unwrap().api_keys.is_empty());
    assert!(connection.is_open());
}

#[test]
fn an_answer_may_take_longer_than_one_look() {
    let Some(settings) = settings() else { return };
    let mut connection = Connection::open(&settings, &settings.bootstrap[0]).unwrap();
    let sent = connection.send(2, &FindCoordinatorRequest::default().with_key(StrBytes::from_static_str("wire-g"))).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while connection.poll(&sent, Duration::ZERO).unwrap().is_none() {
        assert!(Instant::now() < deadline);
    }
    assert!(matches!(connection.version::<ListGroupsRequest>(100..=101), Err(Failure::Protocol { .. })));
}

#[test]
fn leaders_and_coordinators() {
    let Some(settings) = settings() else { return };
    let cluster = Cluster::open(settings).unwrap();
    let topic = fresh("leaders");
    assert_eq!(cluster.partitions(&topic), Err(Failure::UnknownTopic { topic: topic.clone() }));
    let name = TopicName(StrBytes::from_string(topic.clone()));
    let wanted = CreatableTopic::default().with_name(name.clone()).with_num_partitions(3).with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![wanted]).with_timeout_ms(10_000);
    cluster.call(Where::Controller, 2..=5, &request).unwrap();
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
    let delete = DeleteTopicsRequest::default().with_topic_names(vec![name]).with_timeout_ms(10_000);
    cluster.call(Where::Controller, 1..=5, &delete).unwrap();
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
