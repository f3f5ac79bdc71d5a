//! Writing a transaction's offsets to the groups' coordinators: TxnOffsetCommit.
//!
//! It asks for no membership: whoever is in no group commits as nobody, and a group with members refuses that.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

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
use crate::kafka::identities::GroupIdentity;
use crate::kafka::produce::pauses::Pauses;
use crate::{Commit, LogError};

/// From 3 on a group can tell who commits; from 5 on the coordinator adds the offsets to the transaction by itself.
const VERSIONS: std::ops::RangeInclusive<i16> = 3..=4;

/// How long to wait for the membership to learn of a generation that its group already has.
const NEWS_PATIENCE: Duration = Duration::from_secs(3);

/// What a group's coordinator has not written yet.
#[derive(Default)]
struct Unwritten {
    topics: Vec<TxnOffsetCommitRequestTopic>,
    /// As whom the worker last tried.
    shown: Option<GroupIdentity>,
}

/// The generation of whoever is in no group.
const NOBODY: i32 = -1;

impl Session {
    /// Writes all offsets: they are in force once the transaction is committed.
    pub(super) fn commit_offsets(&mut self, commits: &[Commit], deadline: Instant) -> Result<(), LogError> {
        let mut unwritten: BTreeMap<String, Unwritten> = BTreeMap::new();
        for commit in commits {
            let group = self.cluster.name(&commit.group);
            self.add(&mut unwritten.entry(group).or_default().topics, commit);
        }
        while !unwritten.is_empty() {
            let Err(failure) = self.until(deadline, |session| session.write_offsets(&mut unwritten)) else {
                continue;
            };
            if !self.becomes_newer(&failure, &unwritten, deadline) {
                return Err(self.error(failure));
            }
        }
        Ok(())
    }

    /// Sends all at once, and keeps what has to be sent again.
    fn write_offsets(&mut self, unwritten: &mut BTreeMap<String, Unwritten>) -> Result<(), Failure> {
        let mut all_sent = Vec::with_capacity(unwritten.len());
        for (group, offsets) in &mut *unwritten {
            offsets.shown = self.identity_in(group);
            let request = self.request(group, offsets);
            let broker = self.cluster.coordinator(Coordinates::Group(group))?;
            let coordinator = self.lines.on(broker)?;
            let version = coordinator.version::<TxnOffsetCommitRequest>(VERSIONS)?;
            all_sent.push((group.clone(), broker, coordinator.send(version, &request)?));
        }
        let mut refused = None;
        for (group, broker, sent) in all_sent {
            let answer = self.lines.on(broker)?.receive(sent)?;
            match self.check_offsets(&answer, &group) {
                Ok(()) => {
                    unwritten.remove(&group);
                }
                Err(failure) => refused = refused.or(Some(failure)),
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// Whether a group that refused an old generation can be shown a newer one. The membership learns of it at about
    /// the same time; while it is in the group, none of its partitions is lost.
    fn becomes_newer(&self, failure: &Failure, unwritten: &BTreeMap<String, Unwritten>, deadline: Instant) -> bool {
        let Failure::Refused {
            code: ResponseError::IllegalGeneration | ResponseError::StaleMemberEpoch,
            what: Subject::Group(group),
        } = failure
        else {
            return false;
        };
        let shown = unwritten.get(group).and_then(|offsets| offsets.shown.as_ref());
        let deadline = deadline.min(Instant::now() + NEWS_PATIENCE);
        let mut pauses = Pauses::new();
        loop {
            match (self.identity_in(group), shown) {
                (Some(now), Some(shown)) if now.member_id != shown.member_id => return false,
                (Some(now), Some(shown)) if now != *shown => return true,
                (Some(_), Some(_)) if pauses.wait(deadline) => {}
                _ => return false,
            }
        }
    }

    fn identity_in(&self, group: &str) -> Option<GroupIdentity> {
        let identities = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        identities.get(group).cloned()
    }

    fn request(&self, group: &str, offsets: &Unwritten) -> TxnOffsetCommitRequest {
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_group_id(GroupId(StrBytes::from_string(group.to_owned())))
            .with_producer_id(self.producer_id())
            .with_producer_epoch(self.epoch())
            .with_topics(offsets.topics.clone());
        match &offsets.shown {
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
