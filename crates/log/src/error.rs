//! `LogError`: why a log did not do what it was asked, with the names in it.
//!
//! It does not say what the program should do next, except whether the same call may succeed later
//! ([`LogError::is_retriable`]). Every variant is plain data, so that it crosses a socket unchanged.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{BatchError, TopicOptions};

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum LogError {
    /// The topic was never created.
    #[error("there is no topic {topic}")]
    UnknownTopic {
        /// As asked for.
        topic: String,
    },
    /// The topic has fewer partitions.
    #[error("topic {topic} has no partition {partition}: it has {partitions}, counted from 0")]
    UnknownPartition {
        /// The topic.
        topic: String,
        /// As asked for.
        partition: u32,
        /// How many there are.
        partitions: u32,
    },
    /// A topic of that name exists with other options.
    #[error("topic {topic} exists with {existing}, which differs from {wanted}; use those or another name")]
    TopicDiffers {
        /// The topic.
        topic: String,
        /// What it was created with.
        existing: TopicOptions,
        /// What was asked for.
        wanted: TopicOptions,
    },
    /// A name that no topic, group, subject or engine can have, or options that no topic can have.
    #[error("{what} {name:?} is not possible: {reason}")]
    Invalid {
        /// Such as "the topic name".
        what: String,
        /// As given.
        name: String,
        /// The rule that it breaks.
        reason: String,
    },
    /// The offset is not in the partition (any more).
    #[error("offset {offset} is outside of {topic}/{partition}, which holds offsets {start} to {end} (exclusive)")]
    OffsetOutOfRange {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// As asked for.
        offset: u64,
        /// First offset that is kept.
        start: u64,
        /// Offset that the next record will get.
        end: u64,
    },
    /// Bytes to be appended that are no batch of records.
    #[error("the batch for {topic}/{partition} was refused: {source}")]
    InvalidBatch {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// What is wrong with it.
        source: BatchError,
    },
    /// A batch of the log that cannot be read: it was changed on its way or on a disk, or is in a form that is not known.
    #[error("the batch at offset {offset} of {topic}/{partition} cannot be read: {source}")]
    Damaged {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Where the batch starts.
        offset: u64,
        /// What is wrong with it.
        source: BatchError,
    },
    /// More than can be done at once.
    #[error("{what} of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// Such as "a transaction".
        what: String,
        /// Its size.
        bytes: u64,
        /// The most that is possible.
        limit: u64,
    },
    /// Another engine works on the log.
    #[error(
        "{} is in use by engine {engine} of process {pid}: two engines on one log would answer everything twice; \
         stop it first or use another folder",
        log.display()
    )]
    EngineRunning {
        /// The log's folder.
        log: PathBuf,
        /// Name of the engine that holds it.
        engine: String,
        /// Process it runs in.
        pid: u32,
    },
    /// The log is not there or cannot be used.
    #[error("{} cannot be used as a log: {reason}", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What is wrong and what to do about it.
        reason: String,
    },
    /// The store below the log failed: the disk is full or broken, or a file was changed by someone else.
    #[error("the store in {} failed: {reason}", path.display())]
    Store {
        /// The folder.
        path: PathBuf,
        /// In the store's words.
        reason: String,
    },
    /// The process that held the log has ended or does not answer. Whether a transaction under way was committed is not
    /// known: open the log again and ask for the committed offsets.
    #[error("the process that holds {} is gone: {reason}; open the log again", path.display())]
    Disconnected {
        /// The folder.
        path: PathBuf,
        /// What was seen.
        reason: String,
    },
    /// The worker that asked is not the one that may commit any more: another has taken its identity or its partitions.
    /// Nothing was done. Whatever it computed since its last commit is to be forgotten and read again.
    #[error(
        "{who} was replaced: {reason}; its last work counts for nothing and is done again by whoever has the partitions"
    )]
    Fenced {
        /// The worker's transactional identity or its group.
        who: String,
        /// In the broker's words.
        reason: String,
    },
    /// Whether the transaction was committed, or a batch without one is in, is not known: the answer got lost. Go on from
    /// [`crate::Log::committed`].
    #[error("whether all that {who} sent is in the log is not known: {reason}")]
    Unknown {
        /// The worker's transactional identity.
        who: String,
        /// What was seen.
        reason: String,
    },
    /// A cluster cannot be reached, refuses the credentials, or lacks something that only its operator can give.
    #[error("Kafka at {bootstrap}: {reason}")]
    Cluster {
        /// As configured.
        bootstrap: String,
        /// What is wrong and what to do about it.
        reason: String,
    },
    /// The cluster cannot do it now: brokers are away, or do not know each other yet. Nothing was done.
    #[error("Kafka at {bootstrap} cannot do it now: {reason}")]
    ClusterAway {
        /// As configured.
        bootstrap: String,
        /// What was seen last.
        reason: String,
    },
    /// The schema registry does not answer, or says that it cannot now.
    #[error("the schema registry does not answer: {reason}")]
    RegistryAway {
        /// What was seen at each of its addresses.
        reason: String,
    },
    /// The schema registry refuses what it is asked, or what answers there is none.
    #[error("the schema registry at {url}: {reason}")]
    Registry {
        /// Its address, without a user's name in it.
        url: String,
        /// What is wrong and what to do about it.
        reason: String,
    },
    /// There is such a schema, but records that are written with it cannot be read here.
    #[error("schema id {id} cannot be used: {reason}")]
    UnusableSchema {
        /// Its id.
        id: u32,
        /// What it is instead.
        reason: String,
    },
    /// The log serves as many others as it can.
    #[error("{} serves {connections} connections already; close some or wait", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
        /// The limit.
        connections: u32,
    },
}

impl LogError {
    /// Whether the same call may succeed later without anyone changing anything. After [`LogError::Disconnected`] the
    /// log has to be opened again before; after [`LogError::Fenced`] and [`LogError::Unknown`] the work has to be taken up
    /// from the last commit.
    pub fn is_retriable(&self) -> bool {
        matches!(
            self,
            LogError::Disconnected { .. }
                | LogError::Busy { .. }
                | LogError::ClusterAway { .. }
                | LogError::RegistryAway { .. }
        )
    }

    /// Whether a worker can go on when it forgets what it did since its last commit and takes its work up from there.
    pub fn asks_to_start_over(&self) -> bool {
        matches!(self, LogError::Fenced { .. } | LogError::Unknown { .. })
    }
}
