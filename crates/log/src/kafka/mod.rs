//! The log on an Apache Kafka cluster.
//!
//! It speaks the protocol by itself, on blocking sockets and threads. It knows no SQL and no schemas' content.

mod address;
mod cluster;
mod connection;
mod failure;
#[cfg(test)]
mod live;
mod properties;
mod retry;
mod settings;

pub use address::Address;
pub use settings::Settings;
