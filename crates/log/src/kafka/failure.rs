//! `Failure`: what can go wrong between us and a broker, below [`LogError`].
//!
//! It decides nothing about what is done again; [`super::retry`] asks it whether that can help and what is out of date.

use kafka_protocol::error::ResponseError;

use super::address::Address;
use crate::LogError;

/// Why a call gave no answer, or not the one wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// No connection could be made: the request was certainly not done.
    #[error("{address} cannot be reached: {reason}")]
    Unreachable { address: Address, reason: String },
    /// The connection was lost or the answer did not come in time: whether the request was done is not known.
    #[error("the connection to {address} was lost: {reason}")]
    Io { address: Address, reason: String },
    /// The broker answered with an error.
    #[error("{}", refusal(*.code, .what))]
    Refused { code: ResponseError, what: Subject },
    /// There is no such topic, as the cluster's metadata say.
    #[error("there is no topic {topic}")]
    UnknownTopic { topic: String },
    /// The topic has fewer partitions, as the cluster's metadata say.
    #[error("topic {topic} has {partitions} partitions, no partition {partition}")]
    UnknownPartition {
        topic: String,
        partition: u32,
        partitions: u32,
    },
    /// The broker does not believe that we are who we say, or we not that it is.
    #[error("{address}: {reason}")]
    Auth { address: Address, reason: String },
    /// What came is no answer to what was asked, or the two sides have no version in common.
    #[error("{address} does not speak Kafka's protocol as expected: {reason}")]
    Protocol { address: Address, reason: String },
}

/// What a refused request was about. Names are those on the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Topic(String),
    Partition(String, u32),
    Group(String),
    Transaction(String),
    /// Something else, in words.
    Other(String),
}

impl Failure {
    /// The answer's error code as a result.
    pub(crate) fn check(code: i16, what: impl FnOnce() -> Subject) -> Result<(), Failure> {
        match ResponseError::try_from_code(code) {
            None => Ok(()),
            Some(code) => Err(Failure::Refused { code, what: what() }),
        }
    }

    /// The broker's error code, if it gave one.
    pub(crate) fn code(&self) -> Option<ResponseError> {
        match self {
            Failure::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether it is a topic that the cluster does not have, or not yet.
    pub(crate) fn says_topic_is_missing(&self) -> bool {
        matches!(self, Failure::UnknownTopic { .. }) || self.code() == Some(ResponseError::UnknownTopicOrPartition)
    }

    /// Whether the same request may succeed a little later, provided that doing it twice does no harm.
    pub(crate) fn is_retriable(&self) -> bool {
        match self {
            Failure::Unreachable { .. } | Failure::Io { .. } => true,
            Failure::Refused { code, .. } => code.is_retriable() || *code == ResponseError::BrokerNotAvailable,
            _ => false,
        }
    }

    /// For whoever uses the log: with names as he gave them, without `namespace`, and with what to do.
    pub(crate) fn into_log_error(self, bootstrap: &str, namespace: &str) -> LogError {
        let own = |name: String| name.strip_prefix(namespace).map_or(name.clone(), str::to_owned);
        match self {
            Failure::UnknownTopic { topic } => LogError::UnknownTopic { topic: own(topic) },
            Failure::UnknownPartition {
                topic,
                partition,
                partitions,
            } => LogError::UnknownPartition {
                topic: own(topic),
                partition,
                partitions,
            },
            Failure::Refused { code, what } if is_fenced(code) => LogError::Fenced {
                who: what.to_string(),
                reason: code.to_string(),
            },
            other => LogError::Cluster {
                bootstrap: bootstrap.to_owned(),
                reason: other.to_string(),
            },
        }
    }
}

/// Whether an answer says that another has taken this one's place.
fn is_fenced(code: ResponseError) -> bool {
    use ResponseError as Code;
    matches!(
        code,
        Code::ProducerFenced
            | Code::InvalidProducerEpoch
            | Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::FencedInstanceId
            | Code::FencedMemberEpoch
            | Code::StaleMemberEpoch
    )
}

/// A refusal in words, with what to do where somebody can do something.
fn refusal(code: ResponseError, what: &Subject) -> String {
    use ResponseError as Code;
    match code {
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::ClusterAuthorizationFailed => format!(
            "the user is not allowed to do this with {what} ({code}); ask the cluster's operator for an ACL that allows it"
        ),
        Code::UnknownTopicOrPartition => format!("the broker has no {what} ({code})"),
        Code::InvalidReplicationFactor => format!(
            "{what}: the cluster has fewer brokers than copies are asked for ({code}); start more brokers or set \
             default.replication.factor on them lower"
        ),
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => format!(
            "{what}: too few brokers hold a copy that is up to date ({code}); start the missing brokers or set \
             min.insync.replicas lower"
        ),
        Code::MessageTooLarge | Code::RecordListTooLarge => {
            format!("{what}: a batch is larger than the topic's max.message.bytes ({code}); set it higher")
        }
        _ => format!("{what}: {code}"),
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Subject::Topic(topic) => write!(f, "topic {topic}"),
            Subject::Partition(topic, partition) => write!(f, "partition {topic}/{partition}"),
            Subject::Group(group) => write!(f, "group {group}"),
            Subject::Transaction(id) => write!(f, "transactional id {id}"),
            Subject::Other(words) => f.write_str(words),
        }
    }
}
