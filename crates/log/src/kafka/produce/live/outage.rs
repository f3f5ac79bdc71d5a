//! A producer and a worker that go on while brokers come and go.
//!
//! It kills nobody: `HEARTWATCH_TEST_OUTAGE=seconds` is how long they work, and whoever sets it kills and starts the
//! broker meanwhile.

use std::time::{Duration, Instant};

use super::{Stage, transaction, wait_for};

fn time() -> Duration {
    let seconds = std::env::var("HEARTWATCH_TEST_OUTAGE")
        .ok()
        .and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(2))
}

#[test]
fn a_pipeline_loses_and_doubles_nothing() {
    let Some(stage) = Stage::set("outage", 3, &[]) else {
        return;
    };
    let mut pipeline = stage.producer().pipeline(256 << 10).unwrap();
    let started = Instant::now();
    let (mut sent, mut acknowledged, mut longest) = (0u32, 0, Duration::ZERO);
    while started.elapsed() < time() {
        let asked = Instant::now();
        pipeline.send(stage.append(sent % 3, &[&sent.to_string()])).unwrap();
        sent += 1;
        if sent.is_multiple_of(100) {
            pipeline.flush().unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        longest = longest.max(asked.elapsed());
        while let Some(offset) = pipeline.next_base_offset() {
            assert_eq!(offset, acknowledged / 3, "of batch {acknowledged}");
            acknowledged += 1;
        }
    }
    pipeline.flush().unwrap();
    for partition in 0..3 {
        let expected: Vec<String> = (0..sent)
            .filter(|number| number % 3 == partition)
            .map(|number| number.to_string())
            .collect();
        assert!(stage.committed(partition) == expected, "partition {partition}");
    }
    eprintln!("{sent} batches, the longest wait was {longest:?}");
}

/// Transaction n appends n to two partitions and commits n + 1. After an error it goes on from what is committed.
#[test]
fn a_worker_tears_and_doubles_nothing() {
    let Some(stage) = Stage::set("outage-worker", 2, &[]) else {
        return;
    };
    let worker = stage.worker(&stage.topic);
    let group = &stage.topic;
    worker
        .append(&transaction(vec![], vec![stage.commit(group, 0, 0, b"")]))
        .unwrap();
    wait_for(|| !stage.cluster.committed(group).unwrap().is_empty());
    let started = Instant::now();
    let mut next = 0;
    let mut errors = Vec::new();
    while started.elapsed() < time() {
        let value = next.to_string();
        let appends = vec![stage.append(0, &[&value]), stage.append(1, &[&value])];
        match worker.append(&transaction(appends, vec![stage.commit(group, 0, next + 1, b"")])) {
            Ok(_) => next += 1,
            // Nothing was done: the same again.
            Err(error) if error.is_retriable() => errors.push(error.to_string()),
            Err(error) => {
                assert!(error.asks_to_start_over(), "{error}");
                errors.push(error.to_string());
                let deadline = Instant::now() + Duration::from_secs(60);
                next = loop {
                    match stage.cluster.committed(group) {
                        Ok(committed) => break committed[0].offset,
                        Err(failure) => assert!(Instant::now() < deadline, "{failure}"),
                    }
                };
            }
        }
    }
    let expected: Vec<String> = (0..next).map(|number| number.to_string()).collect();
    for partition in 0..2 {
        assert!(stage.committed(partition) == expected, "partition {partition}");
    }
    eprintln!("{next} transactions; {errors:#?}");
}
