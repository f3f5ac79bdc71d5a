//! The log on an Apache Kafka cluster.
//!
//! It speaks the protocol by itself, on blocking sockets and threads. It knows no SQL and no schemas' content.

mod address;
mod admin;
mod cluster;
mod connection;
mod failure;
mod fetch;
mod frames;
mod group;
mod identities;
#[cfg(test)]
mod live;
#[cfg(test)]
mod live_secure;
mod log;
mod produce;
mod properties;
mod retry;
mod sasl;
mod schemas;
mod scram;
mod security;
mod settings;
mod tls;
mod topic_schemas;

pub use address::Address;
pub use admin::{
    BrokerStatus, ClusterStatus, GroupMemberStatus, GroupStatus, PartitionLag, PartitionStatus, TopicStatus,
};
pub use log::KafkaLog;
pub use produce::Pipeline;
pub use schemas::SchemaIds;
pub use settings::Settings;
pub use topic_schemas::TopicSchemas;
