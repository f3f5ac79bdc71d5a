//! `KafkaLog`: the log on an Apache Kafka cluster.
//!
//! It speaks the protocol by itself, on blocking sockets and threads. It knows no SQL and no schemas' content.
//!
//! ```text
//!             KafkaLog ── the trait Log
//!    ┌───────────┼───────────┬────────────┬───────────────┐
//!  fetch      produce      group        admin       topic_schemas
//!    └───────────┴─────┬─────┴────────────┴───────────────┘
//!                   cluster ── who leads what, and connections for single calls
//!                  connection ── one socket, requests and answers
//!               frames · tls · sasl
//! ```
//!
//! # What is different from a folder
//!
//! The [crate's contract](crate) holds, but for what no client can give:
//!
//! - **Transactions** that touch several partitions become visible one partition after the other, milliseconds after
//!   [`crate::Log::append`] has returned. Nothing of one that is not committed is ever seen. Those of two writers may lie
//!   one in the other, and each takes an offset more in every partition, where its end is marked.
//! - **Reading** never waits for a broker: a read may give nothing although there is more, which `next_offset` before
//!   `end_offset` shows. Appends wake up only those who read the partition.
//! - **Cleaning** is the brokers', whenever they see fit: [`crate::Log::maintain`] does nothing. Records may be removed
//!   whose topic was made by somebody else with a smaller `retention.bytes`.
//! - **Times** before 1970 cannot be looked for: [`crate::Log::offset_at_time`] takes every record to be later.
//! - **Engines**: any number; the members of a group share its topic's partitions out.
//!
//! # Failures
//!
//! Brokers stop, restart and hand over what they lead at any time. What passes by itself is tried again by one rule
//! (`retry`) until `default.api.timeout.ms`; what does not is said at once, with what to do about it (`failure`).

mod address;
mod admin;
mod cluster;
mod connection;
mod failure;
mod fetch;
mod frames;
mod group;
#[cfg(test)]
mod hostile;
mod identities;
#[cfg(test)]
mod live;
#[cfg(test)]
mod live_secure;
mod log;
#[cfg(test)]
mod outage;
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
