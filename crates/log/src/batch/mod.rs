//! Record batches in Kafka's format 2: built, and read in place.
//!
//! A batch is bytes: a header of 61 bytes and records, compressed together. [`BatchBuilder`] makes one, [`BatchHeader`]
//! says what it is without decompressing it, [`walk()`] visits its records without an object for each.
//!
//! It does not store or send batches, and reads no format before 2 (Kafka 0.11, 2017). Bytes may come from anywhere:
//! whatever they hold, the answer is records or a [`BatchError`], never a panic, and no more memory than
//! [`DECOMPRESSED_BYTES_MAX`].

mod builder;
mod codec;
mod error;
mod gzip;
mod header;
mod lz4;
mod partitioner;
mod snappy;
pub(crate) mod varint;
mod walk;
mod zstd;

pub use builder::BatchBuilder;
pub use codec::Codec;
pub use error::BatchError;
pub use header::{BatchHeader, HEADER_BYTES};
pub(crate) use header::{DELETE_HORIZON, TRANSACTIONAL, at};
pub use partitioner::{murmur2, partition_for_key};
pub use walk::{Header, Headers, Record, Scratch, walk};

/// The most bytes that the records of one batch may take when decompressed: 128 MiB. Kafka's default limit for a batch
/// is 1 MiB compressed, and lz4 makes nothing smaller than a 255th, so real batches stay far below; bytes that claim
/// more are an attack or damage.
pub const DECOMPRESSED_BYTES_MAX: usize = 128 << 20;

/// How a [`BatchBuilder`] compresses; [`Codec`] is all that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Not at all.
    None,
    /// The lz4 frame format with independent blocks of 64 KiB, as Kafka's Java client writes and reads it.
    #[default]
    Lz4,
}
