//! Making, finding and deleting topics. Names are those on the cluster.
//!
//! It changes no topic that exists.

use std::time::Instant;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::{CreateTopicsRequest, DeleteTopicsRequest};

use super::configs::{self, Cleaning};
use super::topic_name;
use crate::TopicOptions;
use crate::kafka::cluster::{Cluster, Where};
use crate::kafka::failure::{Failure, Subject};

/// How long a broker may take to have a topic made everywhere, in milliseconds.
const CHANGE_TIMEOUT_MS: i32 = 15_000;

/// What became of a wish for a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Created {
    /// It is there as wanted, since now or before.
    AsWanted,
    /// It was there already, with other options.
    Differs(TopicOptions),
}

impl Cluster {
    /// Makes a topic and waits until its partitions have leaders.
    pub(crate) fn create_topic(&self, topic: &str, options: &TopicOptions) -> Result<Created, Failure> {
        let deadline = self.deadline();
        match self.retry(deadline, || create_once(self, topic, options)) {
            Ok(()) => {}
            Err(failure) if failure.code() == Some(ResponseError::TopicAlreadyExists) => {}
            Err(failure) => return Err(failure),
        }
        // Whoever made it, it is only there once the broker that we ask has heard of it.
        let existing = wait_for(self, topic, deadline)?;
        if existing == *options {
            Ok(Created::AsWanted)
        } else {
            Ok(Created::Differs(existing))
        }
    }

    /// One topic's options.
    pub(crate) fn topic_options(&self, topic: &str) -> Result<TopicOptions, Failure> {
        // It may have been made anew since its leaders were asked for.
        self.forget_leaders(topic);
        self.retry(self.deadline(), || topic_options_once(self, topic))
    }

    /// All topics but Kafka's own, by name.
    pub(crate) fn all_topics(&self) -> Result<Vec<(String, TopicOptions)>, Failure> {
        self.retry(self.deadline(), || {
            let metadata = self.metadata(None)?;
            let topics = metadata
                .topics
                .iter()
                .filter(|topic| topic.error_code == 0 && !topic.is_internal);
            let sizes: Vec<(&str, usize)> = topics
                .filter_map(|topic| Some((topic.name.as_ref()?.as_str(), topic.partitions.len())))
                .collect();
            let names: Vec<&str> = sizes.iter().map(|(name, _)| *name).collect();
            let cleanings = configs::read(self, &names)?;
            let found = sizes.iter().filter_map(|&(name, partitions)| {
                let partitions = u32::try_from(partitions).unwrap_or(u32::MAX);
                Some((name.to_owned(), options(partitions, *cleanings.get(name)?)))
            });
            let mut found: Vec<_> = found.collect();
            found.sort_by(|left, right| left.0.cmp(&right.0));
            Ok(found)
        })
    }

    /// Deletes a topic with all that is in it. Does nothing when there is none.
    pub(crate) fn delete_topic(&self, topic: &str) -> Result<(), Failure> {
        let request = DeleteTopicsRequest::default()
            .with_topic_names(vec![topic_name(topic)])
            .with_timeout_ms(CHANGE_TIMEOUT_MS);
        let deleted = self.retry(self.deadline(), || {
            let answer = self.call(Where::Controller, 1..=5, &request)?;
            let code = answer.responses.first().map_or(0, |result| result.error_code);
            match ResponseError::try_from_code(code) {
                Some(ResponseError::UnknownTopicOrPartition) => Ok(()),
                _ => Failure::check(code, || Subject::Topic(topic.to_owned())),
            }
        });
        self.forget_leaders(topic);
        deleted
    }
}

fn create_once(cluster: &Cluster, topic: &str, options: &TopicOptions) -> Result<(), Failure> {
    let settings = cluster.settings();
    let mut configs = configs::of_options(options, &settings.topic_configs);
    let result = ask(cluster, topic, options, [&configs[..], &[configs::any_time()]].concat())?;
    if ResponseError::try_from_code(result.error_code) == Some(ResponseError::InvalidConfig) {
        // It may be the one setting that not every broker knows.
        let again = ask(cluster, topic, options, std::mem::take(&mut configs))?;
        return check(topic, &again, cluster);
    }
    check(topic, &result, cluster)
}

fn ask(
    cluster: &Cluster,
    topic: &str,
    options: &TopicOptions,
    configs: Vec<kafka_protocol::messages::create_topics_request::CreatableTopicConfig>,
) -> Result<CreatableTopicResult, Failure> {
    let wanted = CreatableTopic::default()
        .with_name(topic_name(topic))
        .with_num_partitions(i32::try_from(options.partitions).unwrap_or(i32::MAX))
        .with_replication_factor(cluster.settings().replication_factor)
        .with_configs(configs);
    let request = CreateTopicsRequest::default()
        .with_topics(vec![wanted])
        .with_timeout_ms(CHANGE_TIMEOUT_MS);
    let answer = cluster.call(Where::Controller, 4..=7, &request)?;
    Ok(answer.topics.into_iter().next().unwrap_or_default())
}

/// The broker's own words say which setting it did not take, or how many brokers there are.
fn check(topic: &str, result: &CreatableTopicResult, cluster: &Cluster) -> Result<(), Failure> {
    Failure::check(result.error_code, || match &result.error_message {
        Some(message) if !message.is_empty() && needs_words(result.error_code) => Subject::Other(format!(
            "topic {topic} was not made: {message} (replication.factor is {})",
            cluster.settings().replication_factor
        )),
        _ => Subject::Topic(topic.to_owned()),
    })
}

fn needs_words(code: i16) -> bool {
    use ResponseError as Code;
    matches!(
        ResponseError::try_from_code(code),
        Some(Code::InvalidReplicationFactor | Code::InvalidConfig | Code::PolicyViolation | Code::InvalidPartitions)
    )
}

/// Waits until the topic is known and each of its partitions has a leader.
fn wait_for(cluster: &Cluster, topic: &str, deadline: Instant) -> Result<TopicOptions, Failure> {
    cluster.retry(deadline, || {
        cluster.forget_leaders(topic);
        let options = topic_options_once(cluster, topic).map_err(|failure| pending(failure, topic))?;
        for partition in 0..options.partitions {
            cluster.leader(topic, partition)?;
        }
        Ok(options)
    })
}

/// A topic that was just made and is not known yet will be.
fn pending(failure: Failure, topic: &str) -> Failure {
    match failure {
        Failure::UnknownTopic { .. } => Failure::Refused {
            code: ResponseError::UnknownTopicOrPartition,
            what: Subject::Topic(topic.to_owned()),
        },
        other => other,
    }
}

fn topic_options_once(cluster: &Cluster, topic: &str) -> Result<TopicOptions, Failure> {
    let partitions = cluster.partitions(topic)?;
    let cleaning = configs::read(cluster, &[topic])?;
    let missing = || Failure::UnknownTopic {
        topic: topic.to_owned(),
    };
    Ok(options(partitions, *cleaning.get(topic).ok_or_else(missing)?))
}

fn options(partitions: u32, cleaning: Cleaning) -> TopicOptions {
    TopicOptions {
        partitions,
        retention_ms: cleaning.retention_ms,
        compacted: cleaning.compacted,
    }
}
