//! Records that could not be processed: what they were, where they stood, and why.
//!
//! A dead letter keeps the original key and value, so that it can be looked at and sent again. Nothing is decided here.

use std::fmt;

use hw_log::batch::BatchBuilder;

/// Why a record is a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It has no key, or one that is no UTF-8 text.
    Key(&'static str),
    /// It has no value where a stream needs one.
    NoValue,
    /// The value is not what its schema says, or its schema is not known.
    Value(String),
    /// The event time is missing or impossible.
    Time(String),
    /// A declared `CHECK` does not hold.
    Check(String),
    /// It is late: a ready row of its key has an equal or greater time, or its window is closed.
    Late,
    /// Its time is more than `max_skew` ahead of the partition's clock, and nobody confirms it.
    Skewed,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Key(what) => write!(f, "key: {what}"),
            Reason::NoValue => f.write_str("the record has no value"),
            Reason::Value(what) => write!(f, "value: {what}"),
            Reason::Time(what) => write!(f, "time: {what}"),
            Reason::Check(text) => write!(f, "CHECK ({text}) does not hold"),
            Reason::Late => f.write_str("late: the rows of its key have been answered up to its time or beyond"),
            Reason::Skewed => f.write_str("time: more than max_skew ahead of the partition's clock"),
        }
    }
}

/// A record that could not be processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its offset in its partition.
    pub offset: u64,
    /// Its timestamp in milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// Its key as it came.
    pub key: Option<Vec<u8>>,
    /// Its value as it came.
    pub value: Option<Vec<u8>>,
    /// What is wrong with it.
    pub reason: Reason,
}

impl DeadLetter {
    /// Adds it to a batch of the dead-letter topic, with where it came from in the headers `reason`, `topic`,
    /// `partition` and `offset`.
    pub fn push_to(&self, builder: &mut BatchBuilder, topic: &str, partition: u32) {
        let (reason, partition, offset) = (self.reason.to_string(), partition.to_string(), self.offset.to_string());
        let headers: [(&str, &[u8]); 4] = [
            ("reason", reason.as_bytes()),
            ("topic", topic.as_bytes()),
            ("partition", partition.as_bytes()),
            ("offset", offset.as_bytes()),
        ];
        builder.push(self.timestamp_ms, self.key.as_deref(), self.value.as_deref(), &headers);
    }
}
