//! Transactions on a healthy broker.

use std::time::{Duration, Instant};

use super::{Stage, transaction};
use crate::LogError;

#[test]
fn all_of_it_is_there() {
    let Some(stage) = Stage::set("whole", 3, &[]) else {
        return;
    };
    let worker = stage.worker(&stage.topic);
    for round in 0..5u64 {
        let appends = vec![
            stage.append(0, &["a", "b"]),
            stage.append(1, &["c"]),
            stage.append(0, &["d"]),
        ];
        let commits = vec![stage.commit(&stage.topic, 2, round, &[0, 255, round as u8])];
        let offsets = worker.append(&transaction(appends, commits)).unwrap();
        // Every transaction leaves a mark in the partition.
        assert_eq!(offsets, [round * 4, round * 2, round * 4 + 2]);
    }
    assert_eq!(stage.committed(0).len(), 15);
    assert_eq!(stage.committed(1), ["c"; 5]);
}

#[test]
fn commit_time() {
    let Some(stage) = Stage::set("time", 12, &[]) else {
        return;
    };
    let worker = stage.worker(&stage.topic);
    let mut times = Vec::new();
    for round in 0..500u64 {
        let appends = (0..12)
            .map(|partition| stage.append(partition, &["a", "b", "c"]))
            .collect();
        let commits = (0..12)
            .map(|partition| stage.commit(&stage.topic, partition, round, b"metadata"))
            .collect();
        let transaction = transaction(appends, commits);
        let started = Instant::now();
        worker.append(&transaction).unwrap();
        times.push(started.elapsed());
        if std::env::var_os("PAUSE").is_some() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    times.sort();
    eprintln!(
        "min {:?} median {:?} p99 {:?} max {:?}",
        times[0], times[250], times[495], times[499]
    );
}

#[test]
fn a_second_worker_shuts_the_first_out() {
    let Some(stage) = Stage::set("fence", 1, &[]) else {
        return;
    };
    let (first, second) = (stage.worker(&stage.topic), stage.worker(&stage.topic));
    let one = |value| {
        transaction(
            vec![stage.append(0, &[value])],
            vec![stage.commit(&stage.topic, 0, 1, b"")],
        )
    };
    first.append(&one("first")).unwrap();
    second.append(&one("second")).unwrap();
    let fenced = first.append(&one("not there"));
    assert!(matches!(&fenced, Err(LogError::Fenced { .. })), "{fenced:?}");
    second.append(&one("second again")).unwrap();
    assert_eq!(stage.committed(0), ["first", "second", "second again"]);
}
