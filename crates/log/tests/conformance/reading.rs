//! Promises about reading: order, resuming, times, waiting, and what readers see of transactions.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hw_log::{Log, LogError, Transaction};

use crate::records::{
    append, append_to, batch, commit, numbered, read_all, read_count, read_from, read_something, short, stream,
};
use crate::{Fixture, Kind};

pub(crate) fn what_was_appended_is_read_in_order(fixture: &Fixture) {
    stream(&*fixture.log, "t", 2);
    append(&*fixture.log, "t", 0, batch(&[(30, "a", "x"), (10, "b", "y")]));
    append(&*fixture.log, "t", 1, batch(&[(7, "c", "other")]));
    append(&*fixture.other, "t", 0, batch(&[(20, "a", "-")]));
    let seen = read_all(&*fixture.log, "t", 0);
    assert_eq!(short(&seen), [(0, "x"), (1, "y"), (2, "-")]);
    assert_eq!(
        seen.iter().map(|record| record.timestamp_ms).collect::<Vec<_>>(),
        [30, 10, 20]
    );
    assert_eq!(seen[2].key.as_deref(), Some("a"));
    assert_eq!(short(&read_all(&*fixture.other, "t", 1)), [(0, "other")]);
}

pub(crate) fn resuming_inside_a_batch(fixture: &Fixture) {
    stream(&*fixture.log, "t", 1);
    for start in [0, 10, 20] {
        append(&*fixture.log, "t", 0, numbered(start, 10));
    }
    for offset in 0..=30 {
        let values: Vec<i64> = read_from(&*fixture.log, "t", 0, offset, 1 << 20)
            .iter()
            .map(|record| record.value.as_deref().unwrap().parse().unwrap())
            .collect();
        assert_eq!(values, (offset as i64..30).collect::<Vec<_>>(), "from {offset}");
    }
}

pub(crate) fn reading_in_small_pieces(fixture: &Fixture) {
    stream(&*fixture.log, "t", 1);
    for start in 0..40 {
        append(&*fixture.log, "t", 0, numbered(start * 100, 100));
    }
    for bytes_max in [0, 1, 1_000, 10_000, usize::MAX] {
        assert_eq!(
            read_from(&*fixture.log, "t", 0, 0, bytes_max).len(),
            4_000,
            "{bytes_max} bytes"
        );
    }
    let fetch = read_something(&*fixture.log, "t", 0, 0, 1);
    assert_eq!(
        (fetch.batches.len(), fetch.next_offset, fetch.end_offset),
        (1, 100, 4_000)
    );
    // Batches outlive the read and may be shared.
    let copy = fetch.batches[0].clone();
    drop(fetch);
    assert_eq!(hw_log::batch::BatchHeader::parse(&copy).unwrap().count, 100);
}

pub(crate) fn offsets_outside_are_refused(fixture: &Fixture) {
    stream(&*fixture.log, "t", 1);
    append(&*fixture.log, "t", 0, numbered(0, 3));
    let fetch = fixture.log.read("t", 0, 3, 1_000).unwrap();
    assert_eq!((fetch.batches.len(), fetch.next_offset, fetch.end_offset), (0, 3, 3));
    assert_eq!(
        fixture.log.read("t", 0, 4, 1_000).unwrap_err().to_string(),
        "offset 4 is outside of t/0, which holds offsets 0 to 3 (exclusive)"
    );
    assert_eq!(
        fixture.log.read("t", 7, 0, 1_000).unwrap_err(),
        LogError::UnknownPartition {
            topic: "t".into(),
            partition: 7,
            partitions: 1
        }
    );
    assert_eq!(
        fixture.log.read("u", 0, 0, 1).unwrap_err(),
        LogError::UnknownTopic { topic: "u".into() }
    );
}

pub(crate) fn offsets_by_time(fixture: &Fixture) {
    stream(&*fixture.log, "t", 2);
    let times = [50, 10, 70, 20, 20, 90, -5, 60, 100];
    for three in times.chunks(3) {
        let records: Vec<_> = three.iter().map(|&time| (time, "k", "v")).collect();
        append(&*fixture.log, "t", 1, batch(&records));
    }
    for wanted in -10..=110 {
        let expected = times.iter().position(|&time| time >= wanted).unwrap_or(times.len());
        assert_eq!(
            fixture.log.offset_at_time("t", 1, wanted).unwrap(),
            expected as u64,
            "at {wanted}"
        );
    }
    assert_eq!(fixture.log.offset_at_time("t", 1, i64::MIN).unwrap(), 0);
    assert_eq!(fixture.log.offset_at_time("t", 1, i64::MAX).unwrap(), 9);
    assert_eq!(fixture.log.offset_at_time("t", 0, 5).unwrap(), 0, "an empty partition");
}

pub(crate) fn waiting_ends_with_an_append(fixture: &Fixture) {
    stream(&*fixture.log, "t", 1);
    let started = Instant::now();
    let mut mark = fixture.log.wait_for_appends(0, Duration::from_secs(60)).unwrap();
    assert_eq!(fixture.log.read("t", 0, 0, 1).unwrap().next_offset, 0);
    // A log may wake up for less than an append, but not without end.
    loop {
        let before = Instant::now();
        let next = fixture.log.wait_for_appends(mark, Duration::from_millis(30)).unwrap();
        if next == mark {
            assert!(before.elapsed() >= Duration::from_millis(30));
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(10), "nothing was appended");
        mark = next;
    }
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| fixture.log.wait_for_appends(mark, Duration::from_secs(60)).unwrap());
        std::thread::sleep(Duration::from_millis(20));
        append(&*fixture.other, "t", 0, numbered(0, 1));
        assert_ne!(waiting.join().unwrap(), mark);
    });
    // What came between the mark and the wait ends the wait at once.
    assert_ne!(
        fixture.log.wait_for_appends(mark, Duration::from_secs(60)).unwrap(),
        mark
    );
    assert!(started.elapsed() < Duration::from_secs(30));
}

pub(crate) fn two_readers_see_the_same(fixture: &Fixture) {
    stream(&*fixture.log, "t", 1);
    std::thread::scope(|scope| {
        let read = |log: &dyn Log| {
            let mut mark = log.wait_for_appends(0, Duration::ZERO).unwrap();
            let mut seen = Vec::new();
            while seen.len() < 1_000 {
                let new = read_from(log, "t", 0, seen.len() as u64, 3_000);
                if new.is_empty() {
                    mark = log.wait_for_appends(mark, Duration::from_secs(60)).unwrap();
                }
                seen.extend(new);
            }
            seen
        };
        let readers: Vec<_> = [&fixture.log, &fixture.other]
            .map(|log| scope.spawn(move || read(&**log)))
            .into_iter()
            .collect();
        for start in 0..100 {
            append(&*fixture.log, "t", 0, numbered(start * 10, 10));
        }
        let seen: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
        assert_eq!(seen[0], seen[1]);
        assert!(seen[0].iter().map(|record| record.offset).eq(0..1_000));
    });
}

/// Every transaction appends one record to each of two partitions and commits their offset. A reader that looks at them
/// in turn, the first one first, must never see the second or the commit behind it. (A broker commits one partition after
/// the other, so that there only each by itself is whole; and what was seen stays.)
pub(crate) fn nobody_sees_half_a_transaction(fixture: &Fixture) {
    const TRANSACTIONS: i64 = 200;
    stream(&*fixture.log, "t", 2);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = match fixture.kind {
            Kind::Folder => watch_for_halves,
            Kind::Kafka => watch_each_grow,
        };
        let is_over = &is_over;
        let watchers = [&fixture.log, &fixture.other].map(|log| scope.spawn(move || watch(&**log, is_over)));
        for number in 0..TRANSACTIONS {
            let transaction = Transaction {
                appends: vec![
                    append_to("t", 0, numbered(number, 1)),
                    append_to("t", 1, numbered(number, 1)),
                ],
                commits: vec![commit("job", "t", 0, number as u64 + 1)],
            };
            fixture.log.append(&transaction).unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
        for watcher in watchers {
            watcher.join().unwrap();
        }
    });
    for log in [&fixture.log, &fixture.other] {
        for partition in 0..2 {
            read_count(&**log, "t", partition, TRANSACTIONS as usize);
        }
        assert_eq!(
            log.committed("job").unwrap(),
            [commit("job", "t", 0, TRANSACTIONS as u64)]
        );
    }
}

fn watch_for_halves(log: &dyn Log, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        let first = log.read("t", 0, 0, 1).unwrap().end_offset;
        let committed = log.committed("job").unwrap().first().map_or(0, |commit| commit.offset);
        let second = log.read("t", 1, 0, 1).unwrap().end_offset;
        assert!(
            first <= committed && committed <= second,
            "{first}, then {committed}, then {second}"
        );
        let both = log.ranges("t").unwrap();
        assert_eq!(both[0], both[1]);
    }
}

fn watch_each_grow(log: &dyn Log, is_over: &AtomicBool) {
    let mut counts = [0, 0];
    let mut committed = 0;
    while !is_over.load(Ordering::Relaxed) {
        for (partition, count) in counts.iter_mut().enumerate() {
            let seen = read_all(log, "t", partition as u32);
            assert!(seen.len() >= *count);
            *count = seen.len();
            let values: Vec<String> = seen.into_iter().filter_map(|record| record.value).collect();
            assert!(
                values
                    .iter()
                    .enumerate()
                    .all(|(number, value)| *value == number.to_string()),
                "{values:?}"
            );
        }
        let now = log.committed("job").unwrap().first().map_or(0, |commit| commit.offset);
        assert!(now >= committed);
        committed = now;
    }
}
