//! The log on an Apache Kafka cluster.
//!
//! It speaks the protocol by itself, on blocking sockets and threads. It knows no SQL and no schemas' content.

mod address;
mod admin;
mod cluster;
mod connection;
mod failure;
mod fetch;
#[cfg(test)]
mod live;
mod properties;
mod retry;
mod settings;

pub use address::Address;
pub use admin::{
    BrokerStatus, ClusterStatus, GroupMemberStatus, GroupStatus, PartitionLag, PartitionStatus, TopicStatus,
};
pub use settings::Settings;
