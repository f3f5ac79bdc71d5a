//! `Link`: the connection to one broker and the Produce requests under way on it.
//!
//! It chooses no batches and judges no answers. Once it has failed it is dropped, and whatever was under way is lost.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, TopicName, TransactionalId};
use kafka_protocol::protocol::StrBytes;

use crate::kafka::connection::{Connection, Sent};
use crate::kafka::failure::Failure;

/// How many requests may be under way: with more, a broker may not know a repeated batch again.
const UNDER_WAY_MAX: usize = 5;

/// Versions of Produce: from 8 on a broker says which record is wrong; from 12 on it would add partitions to the
/// transaction by itself, and end it in another way.
const VERSIONS: std::ops::RangeInclusive<i16> = 8..=11;

/// The acknowledgement asked for: all replicas that are in sync.
const ALL: i16 = -1;

/// A connection with what is under way on it.
pub(super) struct Link {
    connection: Connection,
    version: i16,
    under_way: VecDeque<UnderWay>,
}

struct UnderWay {
    sent: Sent<ProduceRequest>,
    parcels: Vec<Waybill>,
    since: Instant,
}

/// Which batch of which lane was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waybill {
    pub(super) lane: usize,
    pub(super) ticket: u64,
}

/// One batch of a request.
pub(super) struct Load<'a> {
    pub(super) waybill: Waybill,
    pub(super) topic: &'a str,
    pub(super) partition: u32,
    pub(super) batch: Bytes,
}

/// What all requests have in common.
pub(super) struct Terms {
    pub(super) transactional_id: Option<TransactionalId>,
    /// How long the broker may wait for its replicas, and we for the broker.
    pub(super) timeout: Duration,
}

impl Link {
    pub(super) fn new(connection: Connection) -> Result<Link, Failure> {
        Ok(Link {
            version: connection.version::<ProduceRequest>(VERSIONS)?,
            connection,
            under_way: VecDeque::new(),
        })
    }

    pub(super) fn is_full(&self) -> bool {
        self.under_way.len() == UNDER_WAY_MAX
    }

    /// Whether it can be used as far as we know: a broker closes connections that were quiet for long.
    pub(super) fn is_usable(&self) -> bool {
        !self.under_way.is_empty() || self.connection.is_open()
    }

    /// When the oldest request was sent that is not answered.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.under_way.front().map(|under_way| under_way.since)
    }

    /// Sends one batch for each of some partitions. When it fails, they are under way nonetheless, and lost.
    pub(super) fn send(
        &mut self,
        terms: &Terms,
        loads: Vec<Load<'_>>,
        now: Instant,
    ) -> Result<(), (Failure, Vec<Waybill>)> {
        let parcels: Vec<Waybill> = loads.iter().map(|load| load.waybill).collect();
        let request = ProduceRequest::default()
            .with_transactional_id(terms.transactional_id.clone())
            .with_acks(ALL)
            .with_timeout_ms(i32::try_from(terms.timeout.as_millis()).unwrap_or(i32::MAX))
            .with_topic_data(by_topic(loads));
        match self.connection.send(self.version, &request) {
            Ok(sent) => {
                self.under_way.push_back(UnderWay {
                    sent,
                    parcels,
                    since: now,
                });
                Ok(())
            }
            Err(failure) => Err((failure, parcels)),
        }
    }

    /// Waits for the answer to the oldest request. `None` when none is under way.
    pub(super) fn receive(&mut self) -> Option<(Vec<Waybill>, Result<ProduceResponse, Failure>)> {
        let UnderWay { sent, parcels, .. } = self.under_way.pop_front()?;
        Some((parcels, self.connection.receive(sent)))
    }

    /// Whatever was under way.
    pub(super) fn into_lost(self) -> impl Iterator<Item = Waybill> {
        self.under_way.into_iter().flat_map(|under_way| under_way.parcels)
    }
}

/// A request names each topic once.
fn by_topic(loads: Vec<Load<'_>>) -> Vec<TopicProduceData> {
    let mut topics: Vec<TopicProduceData> = Vec::new();
    for load in loads {
        let data = PartitionProduceData::default()
            .with_index(load.partition as i32)
            .with_records(Some(load.batch));
        match topics.iter_mut().find(|topic| topic.name.as_str() == load.topic) {
            Some(topic) => topic.partition_data.push(data),
            None => {
                let name = TopicName(StrBytes::from_string(load.topic.to_owned()));
                topics.push(
                    TopicProduceData::default()
                        .with_name(name)
                        .with_partition_data(vec![data]),
                );
            }
        }
    }
    topics
}
