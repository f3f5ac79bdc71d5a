//! Where the partitions of a topic begin and end, and who leads them: asked before the first fetch, so that a reader
//! knows whether his place is possible and how far it is to the end.
//!
//! It remembers nothing.

use std::collections::BTreeMap;
use std::time::Instant;

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest, ListOffsetsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::OffsetRange;
use crate::kafka::cluster::{Cluster, Where};
use crate::kafka::failure::{Failure, Subject};

/// Asks for the first offset, in place of a time.
const EARLIEST: i64 = -2;
/// Asks for the offset of the next record.
const LATEST: i64 = -1;

/// Up to where one may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Isolation {
    /// The high watermark.
    ReadUncommitted = 0,
    /// The last stable offset: no open transaction lies before it.
    ReadCommitted = 1,
}

/// What was heard of a partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) leader: BrokerId,
    pub(super) range: OffsetRange,
}

/// All partitions of a topic (by its name on the cluster), where they can be had; `wanted` certainly.
pub(super) fn look_up(cluster: &Cluster, topic: &str, wanted: u32) -> Result<Vec<Option<Place>>, Failure> {
    let deadline = Instant::now() + cluster.settings().request_timeout;
    cluster.retry(deadline, || {
        // Says that there is no such partition, or that it has no leader.
        cluster.leader(topic, wanted)?;
        let leaders = cluster.leaders(topic)?;
        let starts = offsets(cluster, topic, &leaders, (EARLIEST, Isolation::ReadCommitted), wanted)?;
        let ends = offsets(cluster, topic, &leaders, (LATEST, Isolation::ReadCommitted), wanted)?;
        let place = |(partition, leader): (usize, &Option<BrokerId>)| {
            let range = OffsetRange {
                start: *starts.get(&(partition as u32))?,
                end: *ends.get(&(partition as u32))?,
            };
            let leader = (*leader)?;
            Some(Place { leader, range })
        };
        Ok(leaders.iter().enumerate().map(place).collect())
    })
}

/// The end of a partition with the records of open transactions.
pub(super) fn high_watermark(cluster: &Cluster, topic: &str, partition: u32) -> Result<u64, Failure> {
    let deadline = Instant::now() + cluster.settings().request_timeout;
    cluster.retry(deadline, || {
        let leader = cluster.leader(topic, partition)?;
        let request = request(topic, &[partition], (LATEST, Isolation::ReadUncommitted));
        let answer = cluster.call(Where::Broker(leader), 2..=6, &request)?;
        let offset = offsets_of(topic, &answer, partition)?
            .first()
            .map(|(_, offset)| *offset);
        offset.ok_or_else(|| unanswered(topic, partition))
    })
}

/// The offsets that the leaders know, by partition.
fn offsets(
    cluster: &Cluster,
    topic: &str,
    leaders: &[Option<BrokerId>],
    what: (i64, Isolation),
    wanted: u32,
) -> Result<BTreeMap<u32, u64>, Failure> {
    let mut led: BTreeMap<BrokerId, Vec<u32>> = BTreeMap::new();
    for (partition, leader) in leaders.iter().enumerate() {
        if let Some(leader) = leader {
            led.entry(*leader).or_default().push(partition as u32);
        }
    }
    let mut offsets = BTreeMap::new();
    for (leader, partitions) in led {
        let request = request(topic, &partitions, what);
        match cluster.call(Where::Broker(leader), 2..=6, &request) {
            Ok(answer) => offsets.extend(offsets_of(topic, &answer, wanted)?),
            Err(failure) if partitions.contains(&wanted) => return Err(failure),
            Err(_) => {}
        }
    }
    match offsets.contains_key(&wanted) {
        true => Ok(offsets),
        false => Err(unanswered(topic, wanted)),
    }
}

fn request(topic: &str, partitions: &[u32], (timestamp, isolation): (i64, Isolation)) -> ListOffsetsRequest {
    let partition = |&partition: &u32| {
        ListOffsetsPartition::default()
            .with_partition_index(partition as i32)
            .with_timestamp(timestamp)
    };
    let topic = ListOffsetsTopic::default()
        .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partitions(partitions.iter().map(partition).collect());
    ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(isolation as i8)
        .with_topics(vec![topic])
}

/// What an answer says; whatever a broker refuses to say of others than `wanted` is left out.
fn offsets_of(topic: &str, answer: &ListOffsetsResponse, wanted: u32) -> Result<Vec<(u32, u64)>, Failure> {
    let mut offsets = Vec::new();
    for part in answer.topics.iter().flat_map(|topic| &topic.partitions) {
        let partition = part.partition_index as u32;
        let told = Failure::check(part.error_code, || Subject::Partition(topic.to_owned(), partition));
        match (told, u64::try_from(part.offset)) {
            (Ok(()), Ok(offset)) => offsets.push((partition, offset)),
            (Err(failure), _) if partition == wanted => return Err(failure),
            _ => {}
        }
    }
    Ok(offsets)
}

/// A broker that says nothing of a partition does not lead it.
fn unanswered(topic: &str, partition: u32) -> Failure {
    Failure::Refused {
        code: kafka_protocol::error::ResponseError::NotLeaderOrFollower,
        what: Subject::Partition(topic.to_owned(), partition),
    }
}
