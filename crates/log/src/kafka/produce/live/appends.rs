//! Appends without a transaction.

use super::{Isolation, Stage, noise, read, transaction};
use crate::batch::{BatchBuilder, Compression};
use crate::{BatchError, LogError};

#[test]
fn a_batch_gets_its_offset() {
    let Some(stage) = Stage::set("append", 2, &[]) else {
        return;
    };
    let producer = stage.producer();
    for (index, expected) in [0, 3, 6].into_iter().enumerate() {
        let append = stage.append(1, &["a", "b", "c"]);
        assert_eq!(
            producer.append(&transaction(vec![append], vec![])),
            Ok(vec![expected]),
            "append {index}"
        );
    }
    assert_eq!(stage.committed(0), Vec::<String>::new());
    assert_eq!(stage.committed(1).len(), 9);
}

#[test]
fn many_batches_keep_their_order() {
    let Some(stage) = Stage::set("order", 3, &[]) else {
        return;
    };
    let mut pipeline = stage.producer().pipeline(1 << 20).unwrap();
    let mut offsets = Vec::new();
    for number in 0..3_000u32 {
        let value = number.to_string();
        pipeline.send(stage.append(number % 3, &[&value, &value])).unwrap();
        offsets.extend(std::iter::from_fn(|| pipeline.next_base_offset()));
    }
    pipeline.flush().unwrap();
    offsets.extend(std::iter::from_fn(|| pipeline.next_base_offset()));
    let expected: Vec<u64> = (0..3_000).map(|number| number / 3 * 2).collect();
    assert!(offsets == expected, "{:?} ...", &offsets[..30]);
    for partition in 0..3 {
        let expected: Vec<String> = (0..3_000)
            .filter(|number| number % 3 == partition)
            .map(|number| number.to_string())
            .collect();
        let mut found = stage.committed(partition);
        assert_eq!(found.len(), 2_000);
        found.dedup();
        assert_eq!(found, expected);
    }
}

#[test]
fn too_large_says_the_limit() {
    let Some(stage) = Stage::set("large", 1, &[("max.message.bytes", "1000")]) else {
        return;
    };
    let producer = stage.producer();
    let append = stage.append(0, &[&noise(3_000)]);
    let bytes = append.batch.len() as u64;
    let refused = producer.append(&transaction(vec![append.clone()], vec![]));
    let Err(LogError::TooLarge {
        bytes: found,
        limit: 1_000,
        ..
    }) = refused
    else {
        panic!("{refused:?}")
    };
    assert_eq!(found, bytes);
    // A transaction with it does nothing, and the next goes well.
    let whole = transaction(vec![stage.append(0, &["a"]), append], vec![]);
    assert!(matches!(producer.append(&whole), Err(LogError::TooLarge { .. })));
    producer
        .append(&transaction(vec![stage.append(0, &["b"])], vec![]))
        .unwrap();
    assert_eq!(stage.committed(0), ["b"]);
}

#[test]
fn a_pipeline_stops_at_what_is_refused() {
    let Some(stage) = Stage::set("stops", 1, &[("max.message.bytes", "1000")]) else {
        return;
    };
    let mut pipeline = stage.producer().pipeline(1 << 20).unwrap();
    pipeline.send(stage.append(0, &["a"])).unwrap();
    let large = stage.append(0, &[&noise(3_000)]);
    let stopped = pipeline.send(large).and_then(|()| pipeline.flush());
    assert!(matches!(stopped, Err(LogError::TooLarge { .. })), "{stopped:?}");
    assert_eq!(pipeline.next_base_offset(), Some(0));
    assert_eq!(pipeline.next_base_offset(), None);
    assert!(pipeline.send(stage.append(0, &["c"])).is_err());
    assert_eq!(stage.committed(0), ["a"]);
}

#[test]
fn what_is_wrong_with_a_batch_is_said() {
    let Some(stage) = Stage::set("wrong", 1, &[("cleanup.policy", "compact")]) else {
        return;
    };
    let producer = stage.producer();
    let append = |batch: Vec<u8>| {
        let mut append = stage.append(0, &["a"]);
        append.batch = batch;
        match producer.append(&transaction(vec![append], vec![])) {
            Err(LogError::InvalidBatch {
                topic,
                partition: 0,
                source,
            }) if topic == stage.topic => source,
            other => panic!("{other:?}"),
        }
    };
    let mut builder = BatchBuilder::new(Compression::Lz4);
    builder.push(0, Some(b"key"), Some(b"value"), &[]);
    builder.push(0, None, Some(b"value"), &[]);
    assert_eq!(append(builder.finish()), BatchError::NoKey { index: 1 });
    let mut damaged = stage.append(0, &["a"]).batch;
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    assert!(matches!(append(damaged), BatchError::Checksum { .. }));
    assert!(matches!(append(vec![0; 10]), BatchError::Truncated { .. }));
    assert!(read(&stage.cluster, &stage.topic, 0, Isolation::ReadUncommitted).is_empty());
}

#[test]
fn what_does_not_exist_is_said() {
    let Some(stage) = Stage::set("missing", 1, &[]) else {
        return;
    };
    let producer = stage.producer();
    let mut append = stage.append(1, &["a"]);
    assert_eq!(
        producer.append(&transaction(vec![append.clone()], vec![])),
        Err(LogError::UnknownPartition {
            topic: stage.topic.clone(),
            partition: 1,
            partitions: 1
        })
    );
    append.topic = "produce-nothing".into();
    let unknown = Err(LogError::UnknownTopic {
        topic: "produce-nothing".into(),
    });
    assert_eq!(producer.append(&transaction(vec![append.clone()], vec![])), unknown);
    assert_eq!(producer.commit_transaction(&transaction(vec![append], vec![])), unknown);
}
