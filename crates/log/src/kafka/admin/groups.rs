//! How a group is: who is in it, what each member works on, and how far behind its commits are.
//!
//! It joins no group.

use std::collections::{BTreeMap, HashMap};

use bytes::Buf;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::consumer_group_describe_response::Member;
use kafka_protocol::messages::describe_groups_response::DescribedGroupMember;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerProtocolAssignment, DescribeGroupsRequest, ListGroupsRequest,
};
use kafka_protocol::protocol::Decodable;

use super::group_id;
use crate::kafka::cluster::{Cluster, Coordinates, Where};
use crate::kafka::failure::{Failure, Subject};

/// A group at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStatus {
    /// Without the namespace.
    pub name: String,
    /// In the broker's words, such as `Stable`, `PreparingRebalance`, `Empty` or `Dead`.
    pub state: String,
    /// In no order.
    pub members: Vec<GroupMemberStatus>,
    /// For every partition the group ever committed, by topic and partition.
    pub lags: Vec<PartitionLag>,
}

/// One worker in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMemberStatus {
    /// Given by the broker.
    pub id: String,
    /// Given by its operator, where it may come back under the same name.
    pub instance: Option<String>,
    /// As its program calls itself.
    pub client: String,
    /// Where it connects from.
    pub host: String,
    /// The partitions it works on, by topic without the namespace.
    pub partitions: BTreeMap<String, Vec<u32>>,
}

/// How far a group is in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionLag {
    /// Without the namespace.
    pub topic: String,
    /// The partition, from 0.
    pub partition: u32,
    /// The offset that it will work on next.
    pub committed: u64,
    /// The offset that the next record will get; `None` when the topic is gone.
    pub end: Option<u64>,
}

impl PartitionLag {
    /// How many offsets lie between.
    pub fn records(&self) -> Option<u64> {
        self.end.map(|end| end.saturating_sub(self.committed))
    }
}

impl Cluster {
    /// The names of all groups of the namespace, without it.
    pub(crate) fn group_names(&self) -> Result<Vec<String>, Failure> {
        let metadata = self.retry(self.deadline(), || self.metadata(Some(&[])))?;
        let mut names = Vec::new();
        for broker in &metadata.brokers {
            let answer = self.retry(self.deadline(), || {
                let answer = self.call(Where::Broker(broker.node_id), 1..=4, &ListGroupsRequest::default())?;
                Failure::check(answer.error_code, || Subject::Other("the cluster's groups".into()))?;
                Ok(answer)
            })?;
            let own = answer.groups.iter().filter_map(|group| self.own_name(&group.group_id));
            names.extend(own.map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    /// Members and lags of a group, whose name is the one on the cluster.
    pub(crate) fn group_status(&self, group: &str) -> Result<GroupStatus, Failure> {
        let (state, mut members) = self.retry(self.deadline(), || describe(self, group))?;
        for member in &mut members {
            let partitions = std::mem::take(&mut member.partitions);
            let own = partitions
                .into_iter()
                .filter_map(|(topic, partitions)| Some((self.own_name(&topic)?.to_owned(), partitions)));
            member.partitions = own.collect();
        }
        Ok(GroupStatus {
            name: self.own_name(group).unwrap_or(group).to_owned(),
            state,
            members,
            lags: lags(self, group)?,
        })
    }
}

/// State and members. Which of the two protocols a group uses is not known before: the broker says when it is the other.
fn describe(cluster: &Cluster, group: &str) -> Result<(String, Vec<GroupMemberStatus>), Failure> {
    let coordinator = Where::Broker(cluster.coordinator(Coordinates::Group(group))?);
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group_id(group)]);
    let modern = match cluster.call(coordinator, 0..=1, &request) {
        Ok(answer) => answer.groups.into_iter().next(),
        // A broker before 3.7 has groups of the older kind only.
        Err(Failure::Protocol { .. }) => None,
        Err(failure) => return Err(failure),
    };
    if let Some(found) = modern {
        match Failure::check(found.error_code, || Subject::Group(group.to_owned())) {
            Ok(()) => {
                return Ok((
                    found.group_state.to_string(),
                    found.members.iter().map(modern_member).collect(),
                ));
            }
            Err(failure) if is_other_kind(&failure) => {}
            Err(failure) => return Err(failure),
        }
    }
    describe_classic(cluster, coordinator, group)
}

fn is_other_kind(failure: &Failure) -> bool {
    matches!(
        failure.code(),
        Some(ResponseError::GroupIdNotFound | ResponseError::UnsupportedVersion)
    )
}

fn describe_classic(
    cluster: &Cluster,
    coordinator: Where,
    group: &str,
) -> Result<(String, Vec<GroupMemberStatus>), Failure> {
    let request = DescribeGroupsRequest::default().with_groups(vec![group_id(group)]);
    let answer = cluster.call(coordinator, 4..=5, &request)?;
    let found = answer.groups.into_iter().next().unwrap_or_default();
    Failure::check(found.error_code, || Subject::Group(group.to_owned()))?;
    Ok((
        found.group_state.to_string(),
        found.members.iter().map(classic_member).collect(),
    ))
}

fn modern_member(member: &Member) -> GroupMemberStatus {
    let mut partitions = BTreeMap::new();
    for topic in &member.assignment.topic_partitions {
        partitions.insert(topic.topic_name.to_string(), indexes(&topic.partitions));
    }
    GroupMemberStatus {
        id: member.member_id.to_string(),
        instance: member.instance_id.as_ref().map(ToString::to_string),
        client: member.client_id.to_string(),
        host: member.client_host.to_string(),
        partitions,
    }
}

/// What a member was given is in the group's own words; one that we cannot read has nothing that we know of.
fn classic_member(member: &DescribedGroupMember) -> GroupMemberStatus {
    let mut bytes = member.member_assignment.clone();
    let mut partitions = BTreeMap::new();
    if bytes.remaining() >= 2 {
        let version = bytes.get_i16().clamp(0, 3);
        let assignment = ConsumerProtocolAssignment::decode(&mut bytes, version).unwrap_or_default();
        for topic in &assignment.assigned_partitions {
            partitions.insert(topic.topic.to_string(), indexes(&topic.partitions));
        }
    }
    GroupMemberStatus {
        id: member.member_id.to_string(),
        instance: member.group_instance_id.as_ref().map(ToString::to_string),
        client: member.client_id.to_string(),
        host: member.client_host.to_string(),
        partitions,
    }
}

fn indexes(partitions: &[i32]) -> Vec<u32> {
    let mut indexes: Vec<u32> = partitions
        .iter()
        .filter_map(|&index| u32::try_from(index).ok())
        .collect();
    indexes.sort_unstable();
    indexes
}

fn lags(cluster: &Cluster, group: &str) -> Result<Vec<PartitionLag>, Failure> {
    let mut ends: HashMap<String, Vec<u64>> = HashMap::new();
    let mut lags = Vec::new();
    for commit in cluster.committed(group)? {
        let Some(own) = cluster.own_name(&commit.topic) else {
            continue;
        };
        if !ends.contains_key(&commit.topic) {
            let ranges = match cluster.ranges(&commit.topic) {
                Err(Failure::UnknownTopic { .. }) => Vec::new(),
                ranges => ranges?,
            };
            ends.insert(commit.topic.clone(), ranges.iter().map(|range| range.end).collect());
        }
        lags.push(PartitionLag {
            topic: own.to_owned(),
            partition: commit.partition,
            committed: commit.offset,
            end: ends
                .get(&commit.topic)
                .and_then(|ends| ends.get(commit.partition as usize).copied()),
        });
    }
    Ok(lags)
}
