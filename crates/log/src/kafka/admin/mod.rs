//! What is asked of a cluster beside reading and writing: topics, offsets, commits, and how it is.
//!
//! It moves no records. Every call here may be done twice, so all are tried again until `default.api.timeout.ms`.

mod commits;
mod configs;
mod groups;
mod offsets;
mod status;
mod topics;

use std::time::Instant;

use kafka_protocol::messages::{GroupId, TopicName};
use kafka_protocol::protocol::StrBytes;

pub(crate) use commits::metadata_to_text;
pub use groups::{GroupMemberStatus, GroupStatus, PartitionLag};
pub use status::{BrokerStatus, ClusterStatus, PartitionStatus, TopicStatus};
pub(crate) use topics::Created;

use super::cluster::Cluster;

impl Cluster {
    /// Until when a call that begins now is tried again.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.settings().call_timeout
    }

    /// The name without the namespace; `None` when it is not one of ours.
    pub(crate) fn own_name<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(self.settings().namespace.as_str())
    }
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(crate) fn topic_name(topic: &str) -> TopicName {
    TopicName(text(topic))
}

pub(crate) fn group_id(group: &str) -> GroupId {
    GroupId(text(group))
}

/// A number of the protocol that is never negative in a sound answer.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
