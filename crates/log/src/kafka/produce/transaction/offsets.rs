//! Writing a transaction's offsets to the groups' coordinators: TxnOffsetCommit.
//!
//! It asks for no membership: whoever is in no group commits as nobody, and a group with members refuses that.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Instant;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{GroupId, TopicName, TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use kafka_protocol::protocol::StrBytes;

use super::session::Session;
use crate::kafka::admin::metadata_to_text;
use crate::kafka::cluster::Coordinates;
use crate::kafka::failure::{Failure, Subject};
use crate::{Commit, LogError};

/// From 3 on a group can tell who commits; from 5 on the coordinator adds the offsets to the transaction by itself.
const VERSIONS: std::ops::RangeInclusive<i16> = 3..=4;

/// The generation of whoever is in no group.
const NOBODY: i32 = -1;

impl Session {
    /// Writes all offsets: they are in force once the transaction is committed.
    pub(super) fn commit_offsets(&mut self, commits: &[Commit], deadline: Instant) -> Result<(), LogError> {
        let mut unwritten: BTreeMap<String, TxnOffsetCommitRequest> = BTreeMap::new();
        for commit in commits {
            let group = self.cluster.name(&commit.group);
            let request = unwritten.entry(group).or_insert_with_key(|group| self.request(group));
            self.add(&mut request.topics, commit);
        }
        if unwritten.is_empty() {
            return Ok(());
        }
        self.until(deadline, |session| session.write_offsets(&mut unwritten))
    }

    /// Sends all at once, and keeps what has to be sent again.
    fn write_offsets(&mut self, unwritten: &mut BTreeMap<String, TxnOffsetCommitRequest>) -> Result<(), Failure> {
        let mut all_sent = Vec::with_capacity(unwritten.len());
        for (group, request) in &*unwritten {
            let coordinator = self.lines.to(Coordinates::Group(group))?;
            let version = coordinator.version::<TxnOffsetCommitRequest>(VERSIONS)?;
            all_sent.push((group.clone(), coordinator.send(version, request)?));
        }
        let mut refused = None;
        for (group, sent) in all_sent {
            let answer = self.lines.to(Coordinates::Group(&group))?.receive(sent)?;
            match self.check_offsets(&answer, &group) {
                Ok(()) => {
                    unwritten.remove(&group);
                }
                Err(failure) => refused = refused.or(Some(failure)),
            }
        }
        refused.map_or(Ok(()), Err)
    }

    fn request(&self, group: &str) -> TxnOffsetCommitRequest {
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_group_id(GroupId(StrBytes::from_string(group.to_owned())))
            .with_producer_id(self.producer_id())
            .with_producer_epoch(self.epoch());
        let identities = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        match identities.get(group) {
            None => request.with_generation_id(NOBODY).with_group_instance_id(None),
            Some(member) => request
                .with_generation_id(member.generation_or_epoch)
                .with_member_id(StrBytes::from_string(member.member_id.clone()))
                .with_group_instance_id(member.instance_id.clone().map(StrBytes::from_string)),
        }
    }

    /// A later commit for the same partition takes the earlier one's place.
    fn add(&self, topics: &mut Vec<TxnOffsetCommitRequestTopic>, commit: &Commit) {
        let name = self.cluster.name(&commit.topic);
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(commit.partition as i32)
            .with_committed_offset(i64::try_from(commit.offset).unwrap_or(i64::MAX))
            .with_committed_metadata(Some(StrBytes::from_string(metadata_to_text(&commit.metadata))));
        let place = topics
            .iter()
            .position(|topic| topic.name.as_str() == name)
            .unwrap_or_else(|| {
                let name = TopicName(StrBytes::from_string(name));
                topics.push(TxnOffsetCommitRequestTopic::default().with_name(name));
                topics.len() - 1
            });
        let partitions = &mut topics[place].partitions;
        partitions.retain(|earlier| earlier.partition_index != partition.partition_index);
        partitions.push(partition);
    }

    fn check_offsets(&self, answer: &TxnOffsetCommitResponse, group: &str) -> Result<(), Failure> {
        for topic in &answer.topics {
            for partition in &topic.partitions {
                Failure::check(partition.error_code, || {
                    match ResponseError::try_from_code(partition.error_code) {
                        Some(ResponseError::UnknownTopicOrPartition | ResponseError::TopicAuthorizationFailed) => {
                            Subject::Partition(topic.name.to_string(), partition.partition_index as u32)
                        }
                        Some(code) if is_producers(code) => self.subject(),
                        _ => Subject::Group(group.to_owned()),
                    }
                })?;
            }
        }
        Ok(())
    }
}

/// Whether a group's coordinator speaks of the transactional id, not of the group.
fn is_producers(code: ResponseError) -> bool {
    use ResponseError as Code;
    matches!(
        code,
        Code::ProducerFenced
            | Code::InvalidProducerEpoch
            | Code::InvalidProducerIdMapping
            | Code::InvalidTxnState
            | Code::TransactionAbortable
            | Code::TransactionalIdAuthorizationFailed
    )
}
