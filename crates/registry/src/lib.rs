//! A client of a schema registry: ids for schemas and schemas for ids, over Confluent's REST API.
//!
//! The way in: [`Settings::take_from`] the properties of a cluster, [`Registry::new`], and hand it to a log on Kafka, which
//! knows it as [`SchemaIds`](hw_log::kafka::SchemaIds). What a registry says of an id holds for good, so that is asked once.
//!
//! It knows no Avro: schemas are texts. It reads no records, writes no files and asks nobody for a secret. A registry that is
//! away is never taken for one that does not know an id, since the one passes and the other makes dead letters.

mod answers;
mod cache;
mod client;
mod registry;
mod settings;
mod tls;
mod url;

pub use registry::{Registered, Registry, value_subject};
pub use settings::Settings;
