//! Looking a partition through for batches of ours whose answers were lost.
//!
//! It decides nothing: what is found and what is not is the lane's to judge. A user who may not read the topic leaves
//! it to the broker's memory, as other clients do.

use std::time::Instant;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::{FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::Courier;
use super::lane::{Found, Lane};
use crate::LogError;
use crate::batch::{BatchHeader, at};
use crate::kafka::cluster::{Cluster, Where};
use crate::kafka::failure::{Failure, Subject};

/// Versions that name topics by their names, and tell the partition's first offset.
const VERSIONS: std::ops::RangeInclusive<i16> = 5..=11;

/// Of one answer.
const BYTES_MAX: i32 = 4 << 20;

impl Courier {
    /// Does so for every lane that has been waiting for it long enough.
    pub(super) fn look_for_doubtful(&mut self) -> Result<(), LogError> {
        let now = Instant::now();
        for lane in 0..self.lanes.len() {
            let Some(from) = self.lanes[lane].doubts(now) else {
                continue;
            };
            match look(&self.cluster, &self.lanes[lane], from) {
                Ok(found) => self.look_up(lane, &found)?,
                Err(failure) if failure.code() == Some(ResponseError::TopicAuthorizationFailed) => {
                    self.look_up(lane, &[])?;
                }
                Err(failure) => self.postpone(&[lane], failure)?,
            }
        }
        Ok(())
    }
}

/// The lane's batches from an offset to the partition's end.
fn look(cluster: &Cluster, lane: &Lane, from: u64) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    let mut next = from;
    loop {
        let answer = fetch(cluster, lane, next)?;
        match ResponseError::try_from_code(answer.error_code) {
            None => {}
            // The front of the partition was removed, or its end lost. What is gone is not to be found.
            Some(ResponseError::OffsetOutOfRange) => match u64::try_from(answer.log_start_offset) {
                Ok(start) if start > next => {
                    next = start;
                    continue;
                }
                _ => return Ok(found),
            },
            Some(code) => {
                let what = subject(lane);
                return Err(Failure::Refused { code, what });
            }
        }
        let before = next;
        let mut bytes = &answer.records.unwrap_or_default()[..];
        while let Ok(header) = BatchHeader::parse(bytes) {
            if header.base_offset >= from {
                found.extend(own(lane, bytes, header.base_offset));
            }
            next = next.max(header.last_offset() + 1);
            bytes = &bytes[header.total_bytes()..];
        }
        let end = u64::try_from(answer.high_watermark).unwrap_or(0);
        if next >= end {
            return Ok(found);
        }
        if next == before {
            let (code, what) = (ResponseError::OffsetNotAvailable, subject(lane));
            return Err(Failure::Refused { code, what });
        }
    }
}

/// The batch, if the lane's producer has sent it.
fn own(lane: &Lane, batch: &[u8], base_offset: u64) -> Option<Found> {
    let field = |start: usize| batch.get(start..);
    let producer_id = i64::from_be_bytes(*field(at::PRODUCER_ID)?.first_chunk()?);
    let epoch = i16::from_be_bytes(*field(at::PRODUCER_EPOCH)?.first_chunk()?);
    let sequence = i32::from_be_bytes(*field(at::BASE_SEQUENCE)?.first_chunk()?);
    let identity = lane.identity();
    (producer_id == identity.producer_id && epoch == identity.epoch).then_some(Found { sequence, base_offset })
}

fn fetch(cluster: &Cluster, lane: &Lane, from: u64) -> Result<PartitionData, Failure> {
    let wanted = FetchPartition::default()
        .with_partition(lane.partition as i32)
        .with_fetch_offset(i64::try_from(from).unwrap_or(i64::MAX))
        .with_partition_max_bytes(BYTES_MAX);
    let topic = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_string(lane.topic.clone())))
        .with_partitions(vec![wanted]);
    let request = FetchRequest::default()
        .with_max_wait_ms(0)
        .with_min_bytes(0)
        .with_max_bytes(BYTES_MAX)
        .with_topics(vec![topic]);
    let leader = cluster.leader(&lane.topic, lane.partition)?;
    let answer = cluster.call(Where::Broker(leader), VERSIONS, &request)?;
    Failure::check(answer.error_code, || subject(lane))?;
    let partition = answer.responses.into_iter().flat_map(|topic| topic.partitions).next();
    partition.ok_or_else(|| Failure::Refused {
        code: ResponseError::UnknownServerError,
        what: subject(lane),
    })
}

fn subject(lane: &Lane) -> Subject {
    Subject::Partition(lane.topic.clone(), lane.partition)
}
