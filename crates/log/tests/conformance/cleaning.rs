//! Promises about cleaning: retention from the front, compaction by key.

use hw_log::batch::{BatchBuilder, Compression, Scratch, walk};
use hw_log::{LogError, OffsetRange, Removed, TopicOptions};

use crate::Fixture;
use crate::folder::DELETE_RETENTION_MS;
use crate::records::{append, append_to, batch, numbered, read_all, read_from, short};

pub(crate) fn retention_removes_from_the_front(fixture: &Fixture) {
    let log = &*fixture.log;
    let options = TopicOptions {
        partitions: 2,
        retention_ms: Some(100),
        compacted: false,
    };
    log.create_topic("t", &options).unwrap();
    for start in [1_000, 1_010, 1_020, 1_030] {
        append(log, "t", 0, numbered(start, 10));
    }
    assert_eq!(log.maintain(1_109).unwrap(), [], "the oldest batch is not old enough");
    let removed = log.maintain(1_120).unwrap();
    assert!(
        matches!(
            &removed[..],
            [Removed {
                partition: 0,
                records: 20,
                bytes: 1..,
                ..
            }]
        ),
        "{removed:?}"
    );
    assert_eq!(log.ranges("t").unwrap()[0], OffsetRange { start: 20, end: 40 });
    assert!(read_all(log, "t", 0).iter().map(|record| record.offset).eq(20..40));
    assert_eq!(
        fixture.other.read("t", 0, 19, 1_000).unwrap_err(),
        LogError::OffsetOutOfRange {
            topic: "t".into(),
            partition: 0,
            offset: 19,
            start: 20,
            end: 40
        }
    );
    // However old it is, the newest batch stays, and offsets go on.
    log.maintain(1_000_000).unwrap();
    assert_eq!(log.ranges("t").unwrap()[0], OffsetRange { start: 30, end: 40 });
    assert_eq!(append(log, "t", 0, numbered(2_000, 1)), 40);
}

pub(crate) fn compaction_keeps_the_last_of_each_key(fixture: &Fixture) {
    let log = &*fixture.log;
    log.create_topic("t", &TopicOptions::table(1)).unwrap();
    append(log, "t", 0, batch(&[(1, "a", "a0"), (2, "b", "b1"), (3, "a", "a2")]));
    append(log, "t", 0, batch(&[(4, "a", "a3"), (5, "c", "c4")]));
    append(log, "t", 0, batch(&[(6, "c", "c5")]));
    let removed = log.maintain(10).unwrap();
    assert_eq!(removed.iter().map(|removed| removed.records).collect::<Vec<_>>(), [3]);
    for log in [&fixture.log, &fixture.other] {
        assert_eq!(short(&read_all(&**log, "t", 0)), [(1, "b1"), (3, "a3"), (5, "c5")]);
        assert_eq!(log.ranges("t").unwrap(), [OffsetRange { start: 0, end: 6 }]);
    }
    append(log, "t", 0, batch(&[(7, "b", "b6"), (8, "d", "d7")]));
    log.maintain(11).unwrap();
    assert_eq!(
        short(&read_all(log, "t", 0)),
        [(3, "a3"), (5, "c5"), (6, "b6"), (7, "d7")]
    );
    // An offset in a gap leads to what stands behind it.
    assert_eq!(
        short(&read_from(log, "t", 0, 0, 1)),
        [(3, "a3"), (5, "c5"), (6, "b6"), (7, "d7")]
    );
    assert_eq!(short(&read_from(log, "t", 0, 4, 1)), [(5, "c5"), (6, "b6"), (7, "d7")]);
}

pub(crate) fn tombstones_go_after_their_time(fixture: &Fixture) {
    let log = &*fixture.log;
    log.create_topic("t", &TopicOptions::table(1)).unwrap();
    append(log, "t", 0, batch(&[(1, "a", "a0"), (2, "b", "b1"), (3, "a", "-")]));
    let seen_at = 5_000;
    log.maintain(seen_at).unwrap();
    assert_eq!(
        short(&read_all(log, "t", 0)),
        [(1, "b1"), (2, "-")],
        "readers have time to see the tombstone"
    );
    assert_eq!(read_all(log, "t", 0)[1].timestamp_ms, 3);
    log.maintain(seen_at + DELETE_RETENTION_MS as i64 - 1).unwrap();
    assert_eq!(read_all(log, "t", 0).len(), 2);
    log.maintain(seen_at + DELETE_RETENTION_MS as i64).unwrap();
    assert_eq!(short(&read_all(log, "t", 0)), [(1, "b1")]);

    // With nothing left, the end is still known, and readers get there.
    append(log, "t", 0, batch(&[(9, "b", "-")]));
    log.maintain(seen_at).unwrap();
    log.maintain(seen_at + DELETE_RETENTION_MS as i64).unwrap();
    assert_eq!(read_all(log, "t", 0), []);
    assert_eq!(log.ranges("t").unwrap(), [OffsetRange { start: 0, end: 4 }]);
    assert_eq!(append(log, "t", 0, batch(&[(9, "b", "b4")])), 4);
    assert_eq!(short(&read_all(log, "t", 0)), [(4, "b4")]);
}

pub(crate) fn compaction_keeps_offsets_times_and_headers(fixture: &Fixture) {
    let log = &*fixture.log;
    log.create_topic("t", &TopicOptions::table(1)).unwrap();
    let mut builder = BatchBuilder::new(Compression::None);
    for number in 0..100i64 {
        let (key, value) = ((number % 60).to_string(), vec![number as u8; 20]);
        builder.push(
            1_000 - number,
            Some(key.as_bytes()),
            Some(&value),
            &[("n", &[number as u8]), ("m", b"")],
        );
    }
    append(log, "t", 0, builder.finish());
    log.maintain(0).unwrap();
    let fetch = log.read("t", 0, 0, 1 << 20).unwrap();
    let mut offsets = Vec::new();
    let header = walk(&fetch.batches[0], &mut Scratch::default(), |record| {
        let number = record.offset as u8;
        assert_eq!(record.timestamp_ms, 1_000 - i64::from(number));
        assert_eq!(record.value, Some(&[number; 20][..]));
        let headers: Vec<_> = record
            .headers
            .iter()
            .map(|header| (header.name, header.value))
            .collect();
        assert_eq!(headers, [(&b"n"[..], Some(&[number][..])), (b"m", Some(b""))]);
        offsets.push(record.offset);
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    assert!(offsets.iter().copied().eq(40..100));
    header.verify_crc(&fetch.batches[0]).unwrap();
    assert_eq!((header.count, header.max_timestamp_ms), (60, 960));
}

pub(crate) fn a_compacted_topic_needs_keys(fixture: &Fixture) {
    fixture.log.create_topic("t", &TopicOptions::table(1)).unwrap();
    let mut builder = BatchBuilder::new(Compression::Lz4);
    builder.push(1, Some(b"a"), None, &[]);
    builder.push(1, None, Some(b"x"), &[]);
    let appends = vec![append_to("t", 0, builder.finish())];
    let error = fixture
        .log
        .append(&hw_log::Transaction {
            appends,
            commits: Vec::new(),
        })
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the batch for t/0 was refused: record 1 has no key, and a compacted topic keeps records by their key"
    );
}

pub(crate) fn cleaning_twice_changes_nothing(fixture: &Fixture) {
    let log = &*fixture.log;
    let options = TopicOptions {
        partitions: 3,
        retention_ms: Some(1_000_000),
        compacted: true,
    };
    log.create_topic("t", &options).unwrap();
    log.create_topic("empty", &options).unwrap();
    for round in 0..20 {
        append(log, "t", 1, batch(&[(round, "a", "x"), (round, "b", "-")]));
    }
    assert_eq!(log.maintain(100).unwrap().len(), 1);
    let after = read_all(log, "t", 1);
    assert_eq!(after.len(), 2);
    assert_eq!(log.maintain(100).unwrap(), []);
    assert_eq!(read_all(&*fixture.other, "t", 1), after);
}

pub(crate) fn times_after_cleaning(fixture: &Fixture) {
    let log = &*fixture.log;
    let options = TopicOptions {
        partitions: 1,
        retention_ms: Some(100),
        compacted: false,
    };
    log.create_topic("t", &options).unwrap();
    for times in [[10, 500], [20, 30], [1_000, 40], [50, 2_000]] {
        append(log, "t", 0, batch(&times.map(|time| (time, "k", "v"))));
    }
    // 500 is old at 700, and so is 30.
    log.maintain(700).unwrap();
    assert_eq!(log.ranges("t").unwrap()[0].start, 4);
    for (wanted, offset) in [(i64::MIN, 4), (400, 4), (1_000, 4), (1_001, 7), (2_001, 8)] {
        assert_eq!(log.offset_at_time("t", 0, wanted).unwrap(), offset, "at {wanted}");
    }
}
