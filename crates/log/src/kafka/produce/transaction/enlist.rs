//! Telling the coordinator what belongs to a transaction before it is written: AddPartitionsToTxn, AddOffsetsToTxn.
//!
//! It writes nothing itself. What has been told can be told again.

use std::time::Instant;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, GroupId, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use super::session::Session;
use crate::kafka::cluster::Coordinates;
use crate::kafka::failure::{Failure, Subject};
use crate::{LogError, Transaction};

/// Versions from 4 on are for brokers among themselves.
const PARTITIONS_VERSIONS: std::ops::RangeInclusive<i16> = 1..=3;
const OFFSETS_VERSIONS: std::ops::RangeInclusive<i16> = 1..=4;

/// What the coordinator has not been told yet; names are those on the cluster.
struct Untold {
    topics: Vec<AddPartitionsToTxnTopic>,
    groups: Vec<String>,
}

impl Session {
    /// Begins the transaction: it is open once the first of this is answered.
    pub(super) fn enlist(&mut self, transaction: &Transaction, deadline: Instant) -> Result<(), LogError> {
        let mut untold = Untold {
            topics: self.topics(transaction),
            groups: self.groups_of(transaction),
        };
        self.until(deadline, |session| session.tell(&mut untold))
            .map_err(|failure| self.error(failure))
    }

    /// Sends all of it at once, and keeps what has to be told again. The coordinator does one after the other.
    fn tell(&mut self, untold: &mut Untold) -> Result<(), Failure> {
        let partitions = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.transactional_id())
            .with_v3_and_below_producer_id(self.producer_id())
            .with_v3_and_below_producer_epoch(self.epoch())
            .with_v3_and_below_topics(untold.topics.clone());
        let groups: Vec<AddOffsetsToTxnRequest> =
            untold.groups.iter().map(|group| self.offsets_request(group)).collect();
        let (id, subject, told) = (self.id.clone(), self.subject(), untold.groups.clone());

        let coordinator = self.lines.to(Coordinates::Transaction(&id))?;
        let version = coordinator.version::<AddPartitionsToTxnRequest>(PARTITIONS_VERSIONS)?;
        let offsets_version = coordinator.version::<AddOffsetsToTxnRequest>(OFFSETS_VERSIONS)?;
        let mut sent_partitions = None;
        if !untold.topics.is_empty() {
            sent_partitions = Some(coordinator.send(version, &partitions)?);
        }
        let mut sent_groups = Vec::with_capacity(groups.len());
        for request in &groups {
            sent_groups.push(coordinator.send(offsets_version, request)?);
        }

        let mut refused = None;
        if let Some(sent) = sent_partitions {
            match check_partitions(&coordinator.receive(sent)?, &subject) {
                Ok(()) => untold.topics.clear(),
                Err(failure) => refused = Some(failure),
            }
        }
        for (group, sent) in told.into_iter().zip(sent_groups) {
            let answer = coordinator.receive(sent)?;
            match Failure::check(answer.error_code, || subject.clone()) {
                Ok(()) => untold.groups.retain(|untold| *untold != group),
                Err(failure) => refused = refused.or(Some(failure)),
            }
        }
        refused.map_or(Ok(()), Err)
    }

    fn offsets_request(&self, group: &str) -> AddOffsetsToTxnRequest {
        AddOffsetsToTxnRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_producer_id(self.producer_id())
            .with_producer_epoch(self.epoch())
            .with_group_id(GroupId(StrBytes::from_string(group.to_owned())))
    }

    fn topics(&self, transaction: &Transaction) -> Vec<AddPartitionsToTxnTopic> {
        let mut topics: Vec<AddPartitionsToTxnTopic> = Vec::new();
        for append in &transaction.appends {
            let name = self.cluster.name(&append.topic);
            let partition = append.partition as i32;
            match topics.iter_mut().find(|topic| topic.name.as_str() == name) {
                Some(topic) if topic.partitions.contains(&partition) => {}
                Some(topic) => topic.partitions.push(partition),
                None => topics.push(
                    AddPartitionsToTxnTopic::default()
                        .with_name(TopicName(StrBytes::from_string(name)))
                        .with_partitions(vec![partition]),
                ),
            }
        }
        topics
    }

    fn groups_of(&self, transaction: &Transaction) -> Vec<String> {
        let mut groups: Vec<String> = transaction
            .commits
            .iter()
            .map(|commit| self.cluster.name(&commit.group))
            .collect();
        groups.sort();
        groups.dedup();
        groups
    }
}

/// All partitions are added or none; what is wrong with one says why, what the others say is only that.
fn check_partitions(answer: &AddPartitionsToTxnResponse, subject: &Subject) -> Result<(), Failure> {
    let mut refused = None;
    for topic in &answer.results_by_topic_v3_and_below {
        for partition in &topic.results_by_partition {
            match ResponseError::try_from_code(partition.partition_error_code) {
                None => {}
                Some(code @ ResponseError::OperationNotAttempted) => {
                    refused = refused.or(Some((code, subject.clone())))
                }
                Some(code) => {
                    // What a coordinator says of a partition, it says of the transaction, but for these.
                    let what = match code {
                        ResponseError::UnknownTopicOrPartition | ResponseError::TopicAuthorizationFailed => {
                            Subject::Partition(topic.name.to_string(), partition.partition_index as u32)
                        }
                        _ => subject.clone(),
                    };
                    return Err(Failure::Refused { code, what });
                }
            }
        }
    }
    refused.map_or(Ok(()), |(code, what)| Err(Failure::Refused { code, what }))
}
