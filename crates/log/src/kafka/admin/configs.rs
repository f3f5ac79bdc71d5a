//! A topic's options as the settings that brokers keep with it, and back.
//!
//! It makes no topic.

use std::collections::{BTreeMap, HashMap};

use kafka_protocol::messages::DescribeConfigsRequest;
use kafka_protocol::messages::create_topics_request::CreatableTopicConfig;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;

use super::text;
use crate::TopicOptions;
use crate::kafka::cluster::{Cluster, Where};
use crate::kafka::failure::{Failure, Subject};

/// What the protocol calls a topic among the things that have settings.
const TOPIC: i8 = 2;

const POLICY: &str = "cleanup.policy";
const RETENTION: &str = "retention.ms";

/// How a topic is cleaned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cleaning {
    pub(super) retention_ms: Option<u64>,
    pub(super) compacted: bool,
}

/// The settings of a new topic. `extra` are those of the configuration.
pub(super) fn of_options(options: &TopicOptions, extra: &BTreeMap<String, String>) -> Vec<CreatableTopicConfig> {
    let policy = match (options.compacted, options.retention_ms) {
        (false, _) => "delete",
        (true, None) => "compact",
        (true, Some(_)) => "compact,delete",
    };
    let retention = options.retention_ms.map_or("-1".into(), |retention_ms| {
        retention_ms.min(i64::MAX as u64).to_string()
    });
    // A record's time is the reading's: a broker that puts its own clock's there would move it.
    let fixed = [
        (POLICY, policy),
        (RETENTION, &retention),
        ("message.timestamp.type", "CreateTime"),
    ];
    let extra = extra.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    fixed
        .into_iter()
        .chain(extra)
        .map(|(name, value)| config(name, value))
        .collect()
}

/// Lets in records whose time lies ahead of the broker's clock by more than the hour that it allows: one device whose
/// clock is wrong must not stop all others. Brokers before 3.6 do not know the setting, and allow it.
pub(super) fn any_time() -> CreatableTopicConfig {
    config("message.timestamp.after.max.ms", &i64::MAX.to_string())
}

fn config(name: &str, value: &str) -> CreatableTopicConfig {
    CreatableTopicConfig::default()
        .with_name(text(name))
        .with_value(Some(text(value)))
}

/// Reads how some topics are cleaned, by name. A topic that has gone meanwhile is left out.
pub(super) fn read(cluster: &Cluster, topics: &[&str]) -> Result<HashMap<String, Cleaning>, Failure> {
    if topics.is_empty() {
        return Ok(HashMap::new());
    }
    let resource = |topic: &&str| {
        DescribeConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text(topic))
            .with_configuration_keys(Some(vec![text(POLICY), text(RETENTION)]))
    };
    let request = DescribeConfigsRequest::default().with_resources(topics.iter().map(resource).collect());
    let answer = cluster.call(Where::Any, 1..=4, &request)?;
    let mut found = HashMap::new();
    for result in &answer.results {
        let topic = result.resource_name.to_string();
        let checked = Failure::check(result.error_code, || Subject::Topic(topic.clone()));
        match checked {
            Ok(()) => {}
            Err(failure) if failure.says_topic_is_missing() => continue,
            Err(failure) => return Err(failure),
        }
        found.insert(topic, cleaning(&result.configs));
    }
    Ok(found)
}

fn cleaning(configs: &[DescribeConfigsResourceResult]) -> Cleaning {
    let value = |wanted: &str| {
        let config = configs.iter().find(|config| config.name.as_str() == wanted);
        config
            .and_then(|config| config.value.as_ref())
            .map_or("", |value| value.as_str())
    };
    let has = |policy: &str| value(POLICY).split(',').any(|word| word.trim() == policy);
    Cleaning {
        // Without the policy, the retention is only what would apply if there were one.
        retention_ms: value(RETENTION).parse().ok().filter(|_| has("delete")),
        compacted: has("compact"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(options: TopicOptions) -> Cleaning {
        let configs = of_options(&options, &BTreeMap::new());
        let described: Vec<_> = (configs.into_iter())
            .map(|config| {
                DescribeConfigsResourceResult::default()
                    .with_name(config.name)
                    .with_value(config.value)
            })
            .collect();
        cleaning(&described)
    }

    #[test]
    fn options_survive() {
        for compacted in [false, true] {
            for retention_ms in [None, Some(1), Some(604_800_000)] {
                let options = TopicOptions {
                    partitions: 1,
                    retention_ms,
                    compacted,
                };
                assert_eq!(
                    there_and_back(options),
                    Cleaning {
                        retention_ms,
                        compacted
                    }
                );
            }
        }
    }
}
