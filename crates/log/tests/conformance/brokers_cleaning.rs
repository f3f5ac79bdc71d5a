//! Promises about cleaning where brokers do it by themselves, whenever they see fit.
//!
//! The same as `cleaning`, as far as it can be seen from outside: that it happens at last, and what is left then. Times
//! are the present, for a broker's own clock decides what is old. A broker looks for what to remove every five minutes and
//! for what to compact every fifteen seconds, unless it was started with a smaller `log.retention.check.interval.ms` and
//! `log.cleaner.backoff.ms`; the tests wait that long.

use std::time::{Duration, Instant, SystemTime};

use hw_log::{Log, LogError, TopicOptions};

use crate::Fixture;
use crate::records::{append, batch, read_all, read_from, short};

/// The longest that a broker with its default settings takes, and half again.
const PATIENCE: Duration = Duration::from_secs(450);

#[expect(
    clippy::disallowed_methods,
    reason = "a broker compares with its own clock, not with the test's"
)]
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_millis() as i64
}

/// Asks again and again until it is so.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "{what} has not happened in {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Appends one batch. With times that are a second apart, each is in a segment of its own: a broker begins the next when a
/// record is that much later than the first of the present one (see `kafka_with_small_segments`).
fn append_one(log: &dyn Log, records: &[(i64, &str, &str)]) -> u64 {
    append(log, "t", 0, batch(records))
}

pub(crate) fn retention_removes_from_the_front(fixture: &Fixture) {
    let log = &*fixture.log;
    let options = TopicOptions {
        partitions: 1,
        retention_ms: Some(600_000),
        compacted: false,
    };
    log.create_topic("t", &options).unwrap();
    let (old, now) = (now_ms() - 3_600_000, now_ms());
    append_one(log, &[(old, "k", "0"), (old, "k", "1")]);
    append_one(log, &[(old + 1_000, "k", "2")]);
    append_one(log, &[(now, "k", "3"), (old, "k", "4")]);
    append_one(log, &[(now + 1_000, "k", "5")]);
    let start = || log.ranges("t").unwrap()[0].start;
    eventually("retention", || start() > 0);
    eventually("retention of the second segment", || start() >= 3);
    assert_eq!(start(), 3, "the third has a record that is not old");
    assert_eq!(short(&read_all(log, "t", 0)), [(3, "3"), (4, "4"), (5, "5")]);
    assert_eq!(
        fixture.other.read("t", 0, 1, 1_000).unwrap_err(),
        LogError::OffsetOutOfRange {
            topic: "t".into(),
            partition: 0,
            offset: 1,
            start: 3,
            end: 6
        }
    );
    assert_eq!(log.offset_at_time("t", 0, 0).unwrap(), 3);
    assert_eq!(append(log, "t", 0, batch(&[(now, "k", "6")])), 6, "offsets go on");
}

pub(crate) fn compaction_keeps_the_last_of_each_key(fixture: &Fixture) {
    let log = &*fixture.log;
    log.create_topic("t", &TopicOptions::table(1)).unwrap();
    let now = now_ms();
    append_one(log, &[(now, "a", "a0"), (now + 1, "b", "b1"), (now + 2, "a", "a2")]);
    append_one(log, &[(now + 1_000, "a", "a3"), (now + 1_001, "c", "c4")]);
    append_one(log, &[(now + 2_000, "c", "c5")]);
    append_one(log, &[(now + 3_000, "x", "x6")]);
    let expected = [(1, "b1"), (3, "a3"), (5, "c5"), (6, "x6")];
    eventually("compaction", || short(&read_all(log, "t", 0)) == expected);
    let seen = read_all(&*fixture.other, "t", 0);
    assert_eq!(short(&seen), expected);
    assert_eq!(
        (seen[0].timestamp_ms, seen[1].timestamp_ms),
        (now + 1, now + 1_000),
        "times stay"
    );
    assert_eq!(
        short(&read_from(log, "t", 0, 2, 1)),
        expected[1..],
        "an offset in a gap leads to what stands behind it"
    );
    assert_eq!(log.ranges("t").unwrap()[0].end, 7);
}

pub(crate) fn tombstones_go(fixture: &Fixture) {
    let log = &*fixture.log;
    log.create_topic("t", &TopicOptions::table(1)).unwrap();
    let now = now_ms();
    append_one(log, &[(now, "a", "a0"), (now, "b", "b1"), (now, "a", "-")]);
    append_one(log, &[(now + 1_000, "x", "x3")]);
    eventually("compaction", || {
        read_all(log, "t", 0)
            .iter()
            .all(|record| record.value.as_deref() != Some("a0"))
    });
    // A broker looks at a segment again only when there is something new behind it.
    let mut filler = 0;
    eventually("the tombstone's end", || {
        filler += 1;
        append_one(log, &[(now + 1_000 + filler * 1_000, "x", "more")]);
        read_all(log, "t", 0)
            .iter()
            .all(|record| record.key.as_deref() != Some("a"))
    });
    assert_eq!(short(&read_all(log, "t", 0))[0], (1, "b1"));
}
