//! A test of what is asked of a cluster while its brokers come and go.
//!
//! It kills nobody: `HEARTWATCH_TEST_OUTAGE=seconds` is how long it asks, and whoever sets it kills and starts brokers
//! meanwhile.

use std::time::{Duration, Instant};

use super::admin::Created;
use super::cluster::Cluster;
use super::failure::Failure;
use super::live::{fresh, settings};
use crate::TopicOptions;

fn time() -> Duration {
    let seconds = std::env::var("HEARTWATCH_TEST_OUTAGE").ok();
    Duration::from_secs(seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(1))
}

type Question<'a> = &'a dyn Fn() -> Result<(), Failure>;

#[test]
fn every_question_is_answered() {
    let Some(settings) = settings() else { return };
    let cluster = Cluster::open(settings).unwrap();
    let topic = fresh("outage");
    let options = TopicOptions::stream(6);
    cluster.create_topic(&topic, &options).unwrap();
    let questions: [(&str, Question<'_>); 5] = [
        ("ranges", &|| cluster.ranges(&topic).map(drop)),
        ("time", &|| cluster.offset_at_time(&topic, 5, 1_000).map(drop)),
        ("commits", &|| cluster.committed(&topic).map(drop)),
        ("group", &|| cluster.group_status(&topic).map(drop)),
        ("topic", &|| {
            let created = cluster.create_topic(&topic, &options);
            created.map(|created| assert_eq!(created, Created::AsWanted))
        }),
    ];
    let started = Instant::now();
    let mut longest = [Duration::ZERO; 5];
    let mut rounds = 0;
    while started.elapsed() < time() {
        for ((what, question), longest) in questions.iter().zip(&mut longest) {
            let asked = Instant::now();
            question().unwrap_or_else(|failure| panic!("{what} after {:?}: {failure}", asked.elapsed()));
            *longest = asked.elapsed().max(*longest);
        }
        rounds += 1;
        std::thread::sleep(Duration::from_millis(5));
    }
    eprintln!("{rounds} rounds; the longest waits were {longest:?}");
    cluster.delete_topic(&topic).unwrap();
}
