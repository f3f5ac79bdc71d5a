//! What a topic is made of.
//!
//! It does not hold records; it says how many partitions there are and what is removed from them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A topic as it was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    /// 1 to 249 letters, digits, `.`, `_` or `-`, as Kafka demands.
    pub name: String,
    /// Fixed for the topic's life.
    pub options: TopicOptions,
}

/// How a topic is laid out and cleaned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TopicOptions {
    /// At least 1. Keys are spread over them by [`crate::batch::partition_for_key`].
    pub partitions: u32,
    /// Batches whose greatest timestamp is older than this may be removed, in milliseconds. `None`: kept for ever.
    pub retention_ms: Option<u64>,
    /// Whether only the last record of each key is kept in the long run.
    pub compacted: bool,
}

impl TopicOptions {
    /// A stream kept for ever.
    pub fn stream(partitions: u32) -> TopicOptions {
        TopicOptions {
            partitions,
            retention_ms: None,
            compacted: false,
        }
    }

    /// A compacted topic: the last record of each key.
    pub fn table(partitions: u32) -> TopicOptions {
        TopicOptions {
            partitions,
            retention_ms: None,
            compacted: true,
        }
    }
}

impl fmt::Display for TopicOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.partitions == 1 { "" } else { "s" };
        write!(f, "{} partition{plural}", self.partitions)?;
        match self.retention_ms {
            Some(retention_ms) => write!(f, ", kept for {retention_ms} ms")?,
            None => write!(f, ", kept for ever")?,
        }
        if self.compacted {
            write!(f, ", compacted")
        } else {
            Ok(())
        }
    }
}

/// The offsets that a partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OffsetRange {
    /// First offset that can be read.
    pub start: u64,
    /// Offset that the next record will get.
    pub end: u64,
}
