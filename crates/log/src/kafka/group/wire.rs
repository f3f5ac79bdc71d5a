//! `Wire`: requests of this room in Kafka's protocol, and its answers in words of this room.
//!
//! It decides nothing: what an answer means, the members know.

use std::ops::RangeInclusive;
use std::time::Duration;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, GroupId, HeartbeatRequest, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse, TopicName,
};
use kafka_protocol::protocol::{Request, StrBytes};

use super::ask::{Answer, Ask, ConsumerHeard, ConsumerHeartbeat, Fields, Heartbeat, Join, Joined, Leave, Role, Sync};
use super::assign::Candidate;
use super::embedded::{self, PROTOCOL_TYPE, STRATEGY};
use super::terms::Terms;
use crate::kafka::address::Address;
use crate::kafka::connection::{Connection, Sent};
use crate::kafka::failure::{Failure, Subject};

/// From the first with an instance id to the first in which a leader that came back is told that it did.
const JOIN: RangeInclusive<i16> = 5..=9;
const SYNC: RangeInclusive<i16> = 3..=5;
const HEARTBEAT: RangeInclusive<i16> = 3..=4;
const LEAVE: RangeInclusive<i16> = 3..=5;
const CONSUMER_HEARTBEAT: RangeInclusive<i16> = 0..=1;

/// Speaks for one member.
pub(super) struct Wire {
    terms: Terms,
    /// The topic under the id that KIP-848 calls it by, without partitions.
    topic: TopicPartitions,
}

/// A request that was sent.
pub(super) enum Pending {
    Join(Sent<JoinGroupRequest>),
    Sync(Sent<SyncGroupRequest>),
    Heartbeat(Sent<HeartbeatRequest>),
    Leave(Sent<LeaveGroupRequest>),
    ConsumerHeartbeat(Sent<ConsumerGroupHeartbeatRequest>),
}

impl Wire {
    pub(super) fn new(terms: Terms, topic: TopicPartitions) -> Wire {
        Wire { terms, topic }
    }

    /// Sends without waiting.
    pub(super) fn send(&self, connection: &mut Connection, ask: &Ask) -> Result<Pending, Failure> {
        match ask {
            Ask::Join(join) => send(connection, JOIN, &self.join(join)?).map(Pending::Join),
            Ask::Sync(sync) => send(connection, SYNC, &self.sync(sync)?).map(Pending::Sync),
            Ask::Heartbeat(heartbeat) => {
                send(connection, HEARTBEAT, &self.heartbeat(heartbeat)).map(Pending::Heartbeat)
            }
            Ask::Leave(leave) => send(connection, LEAVE, &self.leave(leave)).map(Pending::Leave),
            Ask::ConsumerHeartbeat(heartbeat) => {
                if connection
                    .version::<ConsumerGroupHeartbeatRequest>(CONSUMER_HEARTBEAT)
                    .is_err()
                {
                    let address = connection.address().clone();
                    let reason = "group.protocol=consumer needs Kafka 4.0 or later; set group.protocol=classic".into();
                    return Err(Failure::Protocol { address, reason });
                }
                send(connection, CONSUMER_HEARTBEAT, &self.consumer_heartbeat(heartbeat))
                    .map(Pending::ConsumerHeartbeat)
            }
        }
    }

    /// The answer, if it comes within `wait`.
    pub(super) fn poll(
        &self,
        connection: &mut Connection,
        pending: &Pending,
        wait: Duration,
    ) -> Result<Option<Answer>, Failure> {
        let address = connection.address().clone();
        match pending {
            Pending::Join(sent) => {
                let answer = connection.poll(sent, wait)?;
                answer.map(|answer| self.joined(&answer, address)).transpose()
            }
            Pending::Sync(sent) => {
                let answer = connection.poll(sent, wait)?;
                answer.map(|answer| self.synced(&answer, address)).transpose()
            }
            Pending::Heartbeat(sent) => {
                let answer = connection.poll(sent, wait)?;
                Ok(answer.map(|answer| refusal(answer.error_code).unwrap_or(Answer::Done)))
            }
            Pending::Leave(sent) => Ok(connection.poll(sent, wait)?.map(|answer| left(&answer))),
            Pending::ConsumerHeartbeat(sent) => {
                let answer = connection.poll(sent, wait)?;
                Ok(answer.map(|answer| self.consumer_heard(answer)))
            }
        }
    }

    fn join(&self, join: &Join) -> Result<JoinGroupRequest, Failure> {
        let subscription =
            embedded::subscription(&self.terms.topic, &join.claims).map_err(|reason| self.odd(&reason))?;
        let strategy = JoinGroupRequestProtocol::default()
            .with_name(StrBytes::from_static_str(STRATEGY))
            .with_metadata(subscription);
        Ok(JoinGroupRequest::default()
            .with_group_id(self.group())
            .with_session_timeout_ms(millis(self.terms.session))
            .with_rebalance_timeout_ms(millis(self.terms.rebalance))
            .with_member_id(text(&join.member_id))
            .with_group_instance_id(self.instance_id())
            .with_protocol_type(StrBytes::from_static_str(PROTOCOL_TYPE))
            .with_protocols(vec![strategy])
            .with_reason(Some(StrBytes::from_static_str(join.reason))))
    }

    fn joined(&self, answer: &JoinGroupResponse, address: Address) -> Result<Answer, Failure> {
        let member_id = answer.member_id.to_string();
        match ResponseError::try_from_code(answer.error_code) {
            Some(ResponseError::MemberIdRequired) => return Ok(Answer::MemberIdRequired(member_id)),
            Some(code) => return Ok(Answer::Refused(code)),
            None => {}
        }
        let role = match (answer.leader == answer.member_id, answer.skip_assignment) {
            (false, _) => Role::Follower,
            (true, true) => Role::ReturningLeader,
            (true, false) => Role::Leader(self.candidates(answer, address)?),
        };
        Ok(Answer::Joined(Joined {
            member_id,
            generation: answer.generation_id,
            role,
        }))
    }

    fn candidates(&self, answer: &JoinGroupResponse, address: Address) -> Result<Vec<Candidate>, Failure> {
        let mut candidates = Vec::new();
        for member in &answer.members {
            let claims = embedded::claims(&self.terms.topic, &member.metadata).map_err(|error| {
                let reason = format!(
                    "member {} has joined with what is no subscription: {error}",
                    member.member_id
                );
                Failure::Protocol {
                    address: address.clone(),
                    reason,
                }
            })?;
            let member_id = member.member_id.to_string();
            candidates.extend(claims.map(|claims| Candidate { member_id, claims }));
        }
        Ok(candidates)
    }

    fn sync(&self, sync: &Sync) -> Result<SyncGroupRequest, Failure> {
        let mut assignments = Vec::new();
        for (member_id, partitions) in &sync.shares {
            let share = embedded::assignment(&self.terms.topic, partitions).map_err(|reason| self.odd(&reason))?;
            let assignment = SyncGroupRequestAssignment::default()
                .with_member_id(text(member_id))
                .with_assignment(share);
            assignments.push(assignment);
        }
        Ok(SyncGroupRequest::default()
            .with_group_id(self.group())
            .with_generation_id(sync.generation)
            .with_member_id(text(&sync.member_id))
            .with_group_instance_id(self.instance_id())
            .with_protocol_type(Some(StrBytes::from_static_str(PROTOCOL_TYPE)))
            .with_protocol_name(Some(StrBytes::from_static_str(STRATEGY)))
            .with_assignments(assignments))
    }

    fn synced(&self, answer: &SyncGroupResponse, address: Address) -> Result<Answer, Failure> {
        if let Some(refusal) = refusal(answer.error_code) {
            return Ok(refusal);
        }
        let share = embedded::share(&self.terms.topic, &answer.assignment).map_err(|error| Failure::Protocol {
            address,
            reason: format!("the group's leader has assigned what cannot be read: {error}"),
        })?;
        Ok(Answer::Synced(share))
    }

    fn heartbeat(&self, heartbeat: &Heartbeat) -> HeartbeatRequest {
        HeartbeatRequest::default()
            .with_group_id(self.group())
            .with_generation_id(heartbeat.generation)
            .with_member_id(text(&heartbeat.member_id))
            .with_group_instance_id(self.instance_id())
    }

    fn leave(&self, leave: &Leave) -> LeaveGroupRequest {
        let member = MemberIdentity::default()
            .with_member_id(text(&leave.member_id))
            .with_group_instance_id(self.instance_id())
            .with_reason(Some(StrBytes::from_static_str("the worker has ended")));
        LeaveGroupRequest::default()
            .with_group_id(self.group())
            .with_members(vec![member])
    }

    fn consumer_heartbeat(&self, heartbeat: &ConsumerHeartbeat) -> ConsumerGroupHeartbeatRequest {
        let request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(self.group())
            .with_member_id(text(&heartbeat.member_id))
            .with_member_epoch(heartbeat.epoch)
            .with_instance_id(self.instance_id());
        match &heartbeat.fields {
            Fields::None => request,
            Fields::Owned(owned) => request.with_topic_partitions(Some(self.owned(owned))),
            Fields::All(owned) => request
                .with_rebalance_timeout_ms(millis(self.terms.rebalance))
                .with_subscribed_topic_names(Some(vec![TopicName(text(&self.terms.topic))]))
                .with_topic_partitions(Some(self.owned(owned))),
        }
    }

    fn owned(&self, partitions: &[u32]) -> Vec<TopicPartitions> {
        match partitions {
            [] => Vec::new(),
            partitions => vec![self.topic.clone().with_partitions(embedded::signed(partitions))],
        }
    }

    fn consumer_heard(&self, answer: ConsumerGroupHeartbeatResponse) -> Answer {
        if let Some(refusal) = refusal(answer.error_code) {
            return refusal;
        }
        let given = answer.assignment.map(|assignment| {
            let topics = assignment.topic_partitions.iter();
            let own = topics.filter(|given| given.topic_id == self.topic.topic_id);
            // Numbers below zero are no partitions.
            own.flat_map(|given| &given.partitions)
                .filter_map(|&partition| u32::try_from(partition).ok())
                .collect()
        });
        Answer::ConsumerHeard(ConsumerHeard {
            member_id: answer.member_id.map(|member_id| member_id.to_string()),
            epoch: answer.member_epoch,
            interval: Duration::from_millis(u64::try_from(answer.heartbeat_interval_ms).unwrap_or(0)),
            given,
        })
    }

    fn group(&self) -> GroupId {
        GroupId(text(&self.terms.group))
    }

    fn instance_id(&self) -> Option<StrBytes> {
        self.terms.instance_id.as_deref().map(text)
    }

    /// What cannot be written at all, such as a name that is too long.
    fn odd(&self, reason: &str) -> Failure {
        Failure::Refused {
            code: ResponseError::InvalidRequest,
            what: Subject::Other(format!("{}: {reason}", self.terms.who())),
        }
    }
}

fn send<R: Request>(
    connection: &mut Connection,
    versions: RangeInclusive<i16>,
    request: &R,
) -> Result<Sent<R>, Failure> {
    let version = connection.version::<R>(versions)?;
    connection.send(version, request)
}

fn left(answer: &LeaveGroupResponse) -> Answer {
    let of_member = answer.members.first().map_or(0, |member| member.error_code);
    refusal(answer.error_code)
        .or(refusal(of_member))
        .unwrap_or(Answer::Done)
}

fn refusal(code: i16) -> Option<Answer> {
    ResponseError::try_from_code(code).map(Answer::Refused)
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
