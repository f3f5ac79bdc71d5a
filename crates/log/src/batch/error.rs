//! `BatchError`: what is wrong with the bytes of a record batch, and at which byte.
//!
//! It does not know topics or offsets; [`crate::LogError`] adds them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Why bytes are no record batch that can be read. Bytes count from the first byte of the batch, or, where the message
/// says so, of its decompressed records.
///
/// It can be serialised because a log that is reached through a socket hands it to the other process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum BatchError {
    /// The bytes end inside the batch.
    #[error("the batch is cut off: {needed} bytes are needed, {available} are there")]
    Truncated {
        /// Bytes that the batch says it has, or its header needs.
        needed: u64,
        /// Bytes that are there.
        available: u64,
    },
    /// A field of the header holds what no batch can hold.
    #[error("the batch header's {field} is {value} (byte {at})")]
    Header {
        /// The field's name in Kafka's description of the format.
        field: Cow<'static, str>,
        /// Its value.
        value: i64,
        /// Where the field starts.
        at: u64,
    },
    /// A message set of Kafka's earlier formats.
    #[error(
        "it is in Kafka's message format {format}; only format 2 (Kafka 0.11 and later) can be read: copy the topic with a \
         newer producer"
    )]
    Format {
        /// 0 or 1.
        format: u8,
    },
    /// The checksum does not fit the bytes.
    #[error("the batch is damaged: its CRC-32C is {found:#010x}, its header says {stated:#010x} (byte 17)")]
    Checksum {
        /// In the header.
        stated: u32,
        /// Computed from the bytes.
        found: u32,
    },
    /// Compressed by a codec that Kafka had not when this was written.
    #[error("the batch is compressed with codec {number}; none, gzip, snappy, lz4 and zstd (0 to 4) can be read")]
    Codec {
        /// Its number in the attributes.
        number: u8,
    },
    /// The compressed records are malformed.
    #[error("the {codec} frame is malformed at byte {at}: {reason}")]
    Compressed {
        /// Kafka's name of the codec.
        codec: Cow<'static, str>,
        /// What is wrong.
        reason: Cow<'static, str>,
        /// Where, in the batch; the frame's first byte where its decoder does not say.
        at: u64,
    },
    /// The records would take more memory than a batch may.
    #[error("the records take more than {limit} bytes when decompressed")]
    TooLarge {
        /// The limit in bytes: [`crate::batch::DECOMPRESSED_BYTES_MAX`].
        limit: u64,
    },
    /// A record is malformed.
    #[error("record {index} is malformed at byte {at} of the decompressed records: {reason}")]
    Record {
        /// The record's place in the batch, from 0.
        index: u32,
        /// What is wrong.
        reason: Cow<'static, str>,
        /// Where, in the decompressed records.
        at: u64,
    },
    /// A record without a key, for a topic that needs them.
    #[error("record {index} has no key, and a compacted topic keeps records by their key")]
    NoKey {
        /// The record's place in the batch, from 0.
        index: u32,
    },
}
