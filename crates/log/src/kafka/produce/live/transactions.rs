//! Transactions on a healthy broker.

use super::{Stage, transaction, wait_for};
use crate::batch::{BatchBuilder, Compression};
use crate::{Append, BatchError, LogError, METADATA_BYTES_MAX};

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
fn commits_carry_metadata() {
    let Some(stage) = Stage::set("metadata", 2, &[]) else {
        return;
    };
    let worker = stage.worker(&stage.topic);
    let all_bytes: Vec<u8> = (0..METADATA_BYTES_MAX).map(|byte| byte as u8).collect();
    let commits = vec![
        stage.commit(&stage.topic, 0, 7, b"overwritten"),
        stage.commit(&stage.topic, 1, 5, &all_bytes),
        stage.commit(&stage.topic, 0, 8, b""),
    ];
    assert_eq!(worker.append(&transaction(vec![], commits)), Ok(vec![]));
    // A group's very first commit is seen only once it is in force; later ones are waited for.
    wait_for(|| stage.cluster.committed(&stage.topic).unwrap().len() == 2);
    let committed = stage.cluster.committed(&stage.topic).unwrap();
    assert_eq!((committed[0].offset, &committed[0].metadata[..]), (8, &b""[..]));
    assert_eq!((committed[1].offset, &committed[1].metadata), (5, &all_bytes));
}

#[test]
fn a_refused_batch_undoes_the_offsets() {
    let Some(stage) = Stage::set("refused", 2, &[("cleanup.policy", "compact")]) else {
        return;
    };
    let worker = stage.worker(&stage.topic);
    let one = |append, offset| {
        transaction(
            vec![stage.append(1, &["a"]), append],
            vec![stage.commit(&stage.topic, 0, offset, b"")],
        )
    };
    worker.append(&one(stage.append(0, &["a"]), 1)).unwrap();
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(0, None, Some(b"without a key"), &[]);
    let without_key = Append {
        batch: builder.finish(),
        ..stage.append(0, &[])
    };
    let refused = worker.append(&one(without_key, 2));
    assert!(
        matches!(
            &refused,
            Err(LogError::InvalidBatch {
                partition: 0,
                source: BatchError::NoKey { index: 0 },
                ..
            })
        ),
        "{refused:?}"
    );
    worker.append(&one(stage.append(0, &["b"]), 3)).unwrap();
    assert_eq!(stage.committed(0), ["a", "b"]);
    assert_eq!(stage.committed(1), ["a", "a"]);
    assert_eq!(stage.cluster.committed(&stage.topic).unwrap()[0].offset, 3);
}

/// Several batches for one partition go in several requests.
#[test]
fn many_batches_for_one_partition() {
    let Some(stage) = Stage::set("many", 1, &[]) else {
        return;
    };
    let worker = stage.worker(&stage.topic);
    for round in 0..3u64 {
        let values: Vec<String> = (0..30).map(|number| (round * 30 + number).to_string()).collect();
        let appends = values.iter().map(|value| stage.append(0, &[value])).collect();
        let expected: Vec<u64> = (0..30).map(|number| round * 31 + number).collect();
        assert_eq!(worker.append(&transaction(appends, vec![])), Ok(expected));
    }
    let expected: Vec<String> = (0..90).map(|number| number.to_string()).collect();
    assert_eq!(stage.committed(0), expected);
}
