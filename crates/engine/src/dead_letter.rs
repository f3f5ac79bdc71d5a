//! Records that could not be processed: what they were, where they stood, and why.
//!
//! A dead letter keeps the original key and value, so that it can be looked at and sent again. Nothing is decided here.

use std::fmt;

use hw_log::batch::{BatchBuilder, Compression};

/// A batch is closed before its letters take this many bytes; brokers take 1,048,588 unless they are told otherwise, and what
/// cannot be compressed grows by 0.4 %.
const BATCH_BYTES: usize = 1_040_000;
/// Of a letter beside its key and value: headers and framing, unless its reason is very long.
const FRAME_BYTES: usize = 8_000;

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
    /// Adds it to a batch, with where it came from in the headers `reason`, `topic`, `partition` and `offset`. A value
    /// that no batch has room for is left out, and its length is the header `value_bytes`.
    fn push_to(&self, builder: &mut BatchBuilder, topic: &str, partition: u32) {
        let (reason, partition, offset) = (self.reason.to_string(), partition.to_string(), self.offset.to_string());
        let mut headers: Vec<(&str, &[u8])> = vec![
            ("reason", reason.as_bytes()),
            ("topic", topic.as_bytes()),
            ("partition", partition.as_bytes()),
            ("offset", offset.as_bytes()),
        ];
        let value_bytes = self.value.as_ref().map_or(0, Vec::len).to_string();
        let mut value = self.value.as_deref();
        if self.bytes() > BATCH_BYTES {
            headers.push(("value_bytes", value_bytes.as_bytes()));
            value = None;
        }
        builder.push(self.timestamp_ms, self.key.as_deref(), value, &headers);
    }

    /// What it takes at most, and a little more.
    fn bytes(&self) -> usize {
        let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        length(&self.key) + length(&self.value) + FRAME_BYTES
    }
}

/// The dead letters of a transaction, in batches that brokers take.
pub(crate) struct DeadLetterBatches {
    builder: BatchBuilder,
    full: Vec<Vec<u8>>,
}

impl Default for DeadLetterBatches {
    fn default() -> Self {
        DeadLetterBatches {
            builder: BatchBuilder::new(Compression::Lz4),
            full: Vec::new(),
        }
    }
}

impl DeadLetterBatches {
    /// Adds a letter of a topic's partition.
    pub(crate) fn push(&mut self, letter: &DeadLetter, topic: &str, partition: u32) {
        if self.builder.bytes_estimate() + letter.bytes() > BATCH_BYTES && !self.builder.is_empty() {
            self.full.push(self.builder.finish());
        }
        letter.push_to(&mut self.builder, topic, partition);
    }

    /// The batches, in order.
    pub(crate) fn finish(mut self) -> Vec<Vec<u8>> {
        if !self.builder.is_empty() {
            self.full.push(self.builder.finish());
        }
        self.full
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use hw_log::batch::{Scratch, walk};

    use super::*;

    fn letter(offset: u64, value_bytes: usize) -> DeadLetter {
        DeadLetter {
            offset,
            timestamp_ms: 5,
            key: Some(b"k".to_vec()),
            value: Some(vec![7; value_bytes]),
            reason: Reason::Late,
        }
    }

    /// Value's length and number of headers of every letter, by batch.
    fn read(batches: &[Vec<u8>]) -> Vec<Vec<(Option<usize>, usize)>> {
        let letters = |batch: &Vec<u8>| {
            let mut found = Vec::new();
            walk(batch, &mut Scratch::default(), |record| {
                found.push((record.value.map(<[u8]>::len), record.headers.iter().count()));
                ControlFlow::Continue(())
            })
            .expect("a batch");
            found
        };
        batches.iter().map(letters).collect()
    }

    /// Two records of a million bytes that nobody could read once stopped a pipeline: their letters were one batch, which
    /// brokers do not take.
    #[test]
    fn large_letters_stand_in_batches_of_their_own() {
        let mut batches = DeadLetterBatches::default();
        for (offset, bytes) in [1_000_000, 1_000_000, 10, 20].into_iter().enumerate() {
            batches.push(&letter(offset as u64, bytes), "t", 0);
        }
        let read = read(&batches.finish());
        let large = vec![(Some(1_000_000), 4)];
        assert_eq!(
            read,
            [large.clone(), [large, vec![(Some(10), 4), (Some(20), 4)]].concat()]
        );
        assert!(DeadLetterBatches::default().finish().is_empty());
    }

    #[test]
    fn a_value_that_no_batch_has_room_for_is_left_out() {
        let mut batches = DeadLetterBatches::default();
        batches.push(&letter(0, 1_048_400), "t", 0);
        assert_eq!(read(&batches.finish()), [[(None, 5)]]);
    }
}
