//! What stops a pipeline.
//!
//! A record that cannot be processed stops nothing: it is a dead letter ([`crate::DeadLetter`]).

use hw_log::LogError;

/// Why a pipeline cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The graph asks for something that the engine cannot do; the planner should have refused it.
    #[error("the pipeline cannot be run: {0}")]
    Plan(String),
    /// An expression failed on data, such as a division by zero.
    #[error("evaluating {expression} failed: {reason}; guard it in the SQL, for example with nullif or CASE")]
    Evaluate {
        /// As SQL text.
        expression: String,
        /// What DataFusion said.
        reason: String,
    },
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record batch is damaged.
    #[error("a record batch cannot be read: {0}; the log is damaged there, restore it or skip the offset")]
    Batch(#[from] hw_log::BatchError),
    /// A schema does not fit the pipeline.
    #[error("topic {topic:?}: {source}")]
    Schema {
        /// The topic.
        topic: String,
        /// What does not fit.
        source: hw_avro::SchemaError,
    },
    /// Encoding an answer failed.
    #[error("topic {topic:?}: {source}")]
    Encode {
        /// The topic.
        topic: String,
        /// What does not fit.
        source: hw_avro::EncodeError,
    },
    /// The topics are not as the pipeline needs them.
    #[error("{0}")]
    Topics(String),
    /// A commit's metadata cannot be read.
    #[error("the commit of {topic}[{partition}] cannot be understood: {reason}; it was written by another version")]
    Metadata {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The group that shares partitions out has no place for the worker.
    #[error("group {group} does not take this worker: {source}")]
    Group {
        /// Its name.
        group: String,
        /// In the log's words.
        source: LogError,
    },
    /// A worker thread ended by a panic.
    #[error("worker {0} has crashed; its uncommitted work is done again at the next start")]
    Crashed(String),
}
