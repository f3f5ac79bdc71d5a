//! The demonstration's topics: how long they keep what, and the newest reading that is in the log already.
//!
//! It writes no records.

use hw_graph::{Pipeline, Stream};
use hw_log::batch::BatchHeader;
use hw_log::{Log, TopicOptions};

use crate::commands::produce::ensure_topic;

/// Readings are kept for 15 minutes of the town's time, so that a long demonstration does not fill the disk. A restart
/// replays less than three.
const READINGS_KEPT_MS: u64 = 15 * 60_000;
/// Findings and dead letters are few: an hour of the town's time.
const ANSWERS_KEPT_MS: u64 = 60 * 60_000;
const READ_BYTES: usize = 1 << 20;

/// The stream of readings.
pub(super) fn readings(pipeline: &Pipeline) -> &Stream {
    &pipeline.streams[pipeline.jobs[0].source]
}

/// The stream of findings.
pub(super) fn findings(pipeline: &Pipeline) -> &Stream {
    &pipeline.streams[pipeline.jobs[0].sink]
}

/// Makes the topics that are not there.
pub(super) fn make(pipeline: &Pipeline, log: &dyn Log) -> anyhow::Result<()> {
    let stream = |partitions, kept_ms| TopicOptions {
        retention_ms: Some(kept_ms),
        ..TopicOptions::stream(partitions)
    };
    ensure_topic(log, &readings(pipeline).topic, stream(4, READINGS_KEPT_MS))?;
    ensure_topic(log, &findings(pipeline).topic, stream(4, ANSWERS_KEPT_MS))?;
    ensure_topic(log, &pipeline.dead_letter_topic(), stream(1, ANSWERS_KEPT_MS))?;
    ensure_topic(log, &pipeline.tables[0].topic, TopicOptions::table(1))
}

/// The greatest timestamp in a topic, in milliseconds since the epoch; none when it is empty.
pub(super) fn newest_ms(log: &dyn Log, topic: &str) -> anyhow::Result<Option<i64>> {
    let mut newest_ms = None;
    for (partition, range) in (0..).zip(log.ranges(topic)?) {
        // All of it is read: devices send late, so the last record need not be the newest. Headers tell without decompressing.
        let mut position = range.start;
        while position < range.end {
            let fetch = log.read(topic, partition, position, READ_BYTES)?;
            for batch in &fetch.batches {
                newest_ms = newest_ms.max(Some(BatchHeader::parse(batch)?.max_timestamp_ms));
            }
            position = fetch.next_offset;
        }
    }
    Ok(newest_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hw_log::batch::{BatchBuilder, Compression};
    use hw_log::{Append, FolderLog, FolderOptions, Transaction};

    #[test]
    fn the_newest_reading_may_stand_in_any_partition_and_before_older_ones() {
        let folder = tempfile::tempdir().unwrap();
        let log = FolderLog::open(folder.path(), &FolderOptions::default()).unwrap();
        log.create_topic("readings", &TopicOptions::stream(3)).unwrap();
        assert_eq!(newest_ms(&log, "readings").unwrap(), None);
        for (partition, time_ms) in [(0, 5_000), (1, 9_000), (1, 7_000), (2, 8_000)] {
            let mut builder = BatchBuilder::new(Compression::Lz4);
            builder.push(time_ms, Some(b"17"), Some(b"a reading"), &[]);
            let append = Append {
                topic: "readings".into(),
                partition,
                batch: builder.finish(),
            };
            let appends = vec![append];
            log.append(&Transaction {
                appends,
                commits: Vec::new(),
            })
            .unwrap();
        }
        assert_eq!(newest_ms(&log, "readings").unwrap(), Some(9_000));
    }
}
