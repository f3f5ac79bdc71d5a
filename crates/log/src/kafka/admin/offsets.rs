//! Where a topic's partitions begin and end, and where a time stands in them. Names are those on the cluster.
//!
//! It reads no records: brokers keep these numbers. Ends are *last stable offsets*, behind which transactions may be open.

use std::collections::BTreeMap;

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest};

use super::{topic_name, unsigned};
use crate::OffsetRange;
use crate::kafka::cluster::{Cluster, Where};
use crate::kafka::failure::{Failure, Subject};

/// Committed data only.
const READ_COMMITTED: i8 = 1;

/// What the protocol asks for instead of a time.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

impl Cluster {
    /// First and next offset of every partition, in their order.
    pub(crate) fn ranges(&self, topic: &str) -> Result<Vec<OffsetRange>, Failure> {
        let partitions = 0..self.retry(self.deadline(), || self.partitions(topic))?;
        let partitions: Vec<u32> = partitions.collect();
        // In this order: what is removed meanwhile may make the range smaller, never turn it round.
        let starts = self.offsets(topic, &partitions, EARLIEST)?;
        let ends = self.offsets(topic, &partitions, LATEST)?;
        let both = starts.into_iter().zip(ends);
        Ok(both
            .map(|(start, end)| OffsetRange {
                start,
                end: end.max(start),
            })
            .collect())
    }

    /// The end of one partition.
    pub(crate) fn end(&self, topic: &str, partition: u32) -> Result<u64, Failure> {
        self.offset(topic, partition, LATEST)
    }

    /// Offset of the first record with that timestamp or a later one, or the partition's end.
    ///
    /// Negative times are asked for by other means than times; every record is taken to be later.
    pub(crate) fn offset_at_time(&self, topic: &str, partition: u32, timestamp_ms: i64) -> Result<u64, Failure> {
        if timestamp_ms < 0 {
            return self.offset(topic, partition, EARLIEST);
        }
        // Asked before: what is appended meanwhile must not lie between the answer and the end.
        let end = self.end(topic, partition)?;
        let found = self.found(topic, partition, timestamp_ms)?;
        Ok(found.unwrap_or(end))
    }

    fn offset(&self, topic: &str, partition: u32, time: i64) -> Result<u64, Failure> {
        Ok(self.found(topic, partition, time)?.unwrap_or(0))
    }

    fn found(&self, topic: &str, partition: u32, time: i64) -> Result<Option<u64>, Failure> {
        self.retry(self.deadline(), || {
            let leader = self.leader(topic, partition)?;
            let found = ask(self, leader, topic, &[partition], time)?;
            Ok(found.get(&partition).copied().flatten())
        })
    }

    /// The offsets of many partitions, a request for each of their leaders.
    fn offsets(&self, topic: &str, partitions: &[u32], time: i64) -> Result<Vec<u64>, Failure> {
        self.retry(self.deadline(), || {
            let mut by_leader: BTreeMap<BrokerId, Vec<u32>> = BTreeMap::new();
            for &partition in partitions {
                by_leader
                    .entry(self.leader(topic, partition)?)
                    .or_default()
                    .push(partition);
            }
            let mut found = BTreeMap::new();
            for (leader, partitions) in &by_leader {
                found.extend(ask(self, *leader, topic, partitions, time)?);
            }
            Ok(partitions
                .iter()
                .map(|partition| found.get(partition).copied().flatten().unwrap_or(0))
                .collect())
        })
    }
}

/// One request; a partition without such an offset has none.
fn ask(
    cluster: &Cluster,
    leader: BrokerId,
    topic: &str,
    partitions: &[u32],
    time: i64,
) -> Result<BTreeMap<u32, Option<u64>>, Failure> {
    let wanted = partitions.iter().map(|&partition| {
        ListOffsetsPartition::default()
            .with_partition_index(i32::try_from(partition).unwrap_or(-1))
            .with_timestamp(time)
    });
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(READ_COMMITTED)
        .with_topics(vec![
            ListOffsetsTopic::default()
                .with_name(topic_name(topic))
                .with_partitions(wanted.collect()),
        ]);
    let answer = cluster.call(Where::Broker(leader), 2..=6, &request)?;
    let mut found = BTreeMap::new();
    for partition in answer.topics.iter().flat_map(|topic| &topic.partitions) {
        let index = u32::try_from(partition.partition_index).unwrap_or(u32::MAX);
        Failure::check(partition.error_code, || Subject::Partition(topic.to_owned(), index))?;
        found.insert(index, (partition.offset >= 0).then(|| unsigned(partition.offset)));
    }
    Ok(found)
}
