//! Why a broker will not take a batch, for whoever built it.
//!
//! The broker's code says little; what it refers to is looked up: the topic's limit, or the record.

use std::borrow::Cow;
use std::ops::ControlFlow;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::DescribeConfigsRequest;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::protocol::StrBytes;

use crate::batch::{BatchHeader, Scratch, walk};
use crate::kafka::cluster::{Cluster, Where};
use crate::kafka::failure::{Failure, Subject};
use crate::kafka::produce::trouble;
use crate::{BatchError, LogError};

/// The number of topics among the kinds of things that have a configuration.
const TOPIC: i8 = 2;

/// Whether the batch is damaged, which the broker says in a code that can also mean a damaged connection.
pub(super) fn is_damaged(batch: &[u8], code: ResponseError) -> bool {
    code == ResponseError::CorruptMessage && damage(batch).is_some()
}

/// The error for a batch that was refused for good.
pub(super) fn error(cluster: &Cluster, failure: Failure, batch: &Bytes, answer: &PartitionProduceResponse) -> LogError {
    let Failure::Refused {
        code,
        what: Subject::Partition(topic, partition),
    } = &failure
    else {
        return cluster.error(failure);
    };
    let found = match code {
        ResponseError::MessageTooLarge => return too_large(cluster, failure, batch, "max.message.bytes"),
        ResponseError::RecordListTooLarge => return too_large(cluster, failure, batch, "segment.bytes"),
        ResponseError::CorruptMessage => damage(batch),
        ResponseError::InvalidRecord => Some(invalid_record(batch, answer)),
        _ => None,
    };
    match found {
        Some(source) => LogError::InvalidBatch {
            topic: own_name(cluster, topic).to_owned(),
            partition: *partition,
            source,
        },
        None => trouble::error(cluster, failure),
    }
}

fn damage(batch: &[u8]) -> Option<BatchError> {
    let header = match BatchHeader::parse(batch) {
        Ok(header) => header,
        Err(error) => return Some(error),
    };
    header.verify_crc(batch).err()
}

/// Brokers name the first record that they do not like, and why. That it has no key they say in words only.
fn invalid_record(batch: &[u8], answer: &PartitionProduceResponse) -> BatchError {
    let named = answer.record_errors.first();
    let index = named
        .and_then(|named| u32::try_from(named.batch_index).ok())
        .unwrap_or(0);
    if !has_key(batch, index) {
        return BatchError::NoKey { index };
    }
    let reason = named
        .and_then(|named| named.batch_index_error_message.as_ref())
        .or(answer.error_message.as_ref());
    BatchError::Record {
        index,
        reason: reason.map_or(Cow::Borrowed("the broker does not say why"), |reason| {
            Cow::Owned(reason.to_string())
        }),
        at: 0,
    }
}

fn has_key(batch: &[u8], index: u32) -> bool {
    let mut left = index;
    let mut has_key = true;
    let walked = walk(batch, &mut Scratch::default(), |record| {
        if left == 0 {
            has_key = record.key.is_some();
            return ControlFlow::Break(());
        }
        left -= 1;
        ControlFlow::Continue(())
    });
    walked.is_err() || has_key
}

/// With the limit, when the broker tells it.
fn too_large(cluster: &Cluster, failure: Failure, batch: &Bytes, setting: &'static str) -> LogError {
    let Failure::Refused {
        what: Subject::Partition(topic, partition),
        ..
    } = &failure
    else {
        return cluster.error(failure);
    };
    match limit(cluster, topic, setting) {
        Some(limit) => LogError::TooLarge {
            what: format!(
                "a batch for {}/{partition} (topic setting {setting})",
                own_name(cluster, topic)
            ),
            bytes: batch.len() as u64,
            limit,
        },
        None => cluster.error(failure),
    }
}

fn limit(cluster: &Cluster, topic: &str, setting: &'static str) -> Option<u64> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(StrBytes::from_string(topic.to_owned()))
        .with_configuration_keys(Some(vec![StrBytes::from_static_str(setting)]));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let answer = cluster.call(Where::Any, 1..=4, &request).ok()?;
    let config = answer.results.first()?.configs.first()?;
    config.value.as_ref()?.parse().ok()
}

fn own_name<'a>(cluster: &Cluster, topic: &'a str) -> &'a str {
    topic
        .strip_prefix(cluster.settings().namespace.as_str())
        .unwrap_or(topic)
}
