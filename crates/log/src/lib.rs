//! A partitioned log of record batches behind one trait, [`Log`], and its implementations: in a folder of
//! this machine ([`FolderLog`]), and on an Apache Kafka cluster ([`kafka`]).
//!
//! It knows no SQL, no operators, no Avro and no HTTP: keys and values are bytes. Batches are Kafka's own format 2
//! ([`batch`]), so that decoding is the same whatever the log is.
//!
//! ```
//! use hw_log::batch::{BatchBuilder, Compression, Scratch, walk};
//! use hw_log::{Append, FolderLog, FolderOptions, Log, TopicOptions, Transaction};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let log = FolderLog::open(folder.path(), &FolderOptions::default())?;
//! log.create_topic("readings", &TopicOptions::stream(1))?;
//!
//! let mut builder = BatchBuilder::new(Compression::Lz4);
//! builder.push(1_767_225_600_000, Some(b"17"), Some(b"a reading"), &[]);
//! let append = Append { topic: "readings".into(), partition: 0, batch: builder.finish() };
//! log.append(&Transaction { appends: vec![append], commits: Vec::new() })?;
//!
//! let fetch = log.read("readings", 0, 0, 1 << 20)?;
//! let mut scratch = Scratch::default();
//! walk(&fetch.batches[0], &mut scratch, |record| {
//!     assert_eq!((record.offset, record.value), (0, Some(&b"a reading"[..])));
//!     std::ops::ControlFlow::Continue(())
//! })?;
//! # Ok(())
//! # }
//! ```
//!
//! # The contract
//!
//! Whoever implements [`Log`] keeps these promises, and `tests/conformance` holds every implementation to them.
//!
//! **Topics** have a fixed number of partitions, each a sequence of records with rising offsets. A record's offset never
//! changes, and no offset is given twice.
//!
//! **Append.** A [`Transaction`] is atomic: either every batch can be read and every commit is in force, or nothing of
//! it, also after the process was killed at any moment. When [`Log::append`] returns, all later reads, by anyone, see
//! it; no reader sees a part of it first (on a cluster, [less is promised](kafka) of several partitions at once). Batches of one partition keep the order of the transaction, and transactions
//! the order in which they were committed. A batch is checked before it is taken: header, CRC-32C, and that its
//! records fill its offsets as a builder makes them. A compacted topic takes no record without a key.
//!
//! **Read.** [`Log::read`] hands out whole batches that were checked, of committed data only: no control batches, no
//! aborted ones. The first batch may start before the offset asked for; the reader skips. In a compacted topic offsets
//! have gaps: [`Fetch::next_offset`] is where to go on. Any number of readers may read anywhere at any time.
//!
//! **Waiting.** Take a mark with [`Log::wait_for_appends`], read until nothing is left, wait with the mark.
//!
//! **Cleaning** happens in [`Log::maintain`] only. *Retention* removes whole batches from the front, first to last,
//! whose greatest timestamp is older than the topic's `retention_ms`, and never the newest batch. *Compaction* removes
//! records whose key has a later record; a tombstone (no value) goes too once it has been seen by a `maintain` for the
//! log's delete retention, so that readers had that long to see it. What is kept keeps its offset, timestamp, headers and
//! order.
//!
//! **Engines.** [`Log::claim_engine`] is exclusive where a log has one engine at a time; everything else may be done by
//! any process beside the engine. Workers share partitions out by [`Log::join`].
//!
//! **Errors** are [`LogError`], and [`LogError::is_retriable`] says whether trying again can help.

pub mod batch;
mod contract;
mod error;
pub mod folder;
pub mod kafka;
mod membership;
mod names;
mod topic;
mod transaction;

pub use batch::BatchError;
pub use contract::{EngineGuard, Log};
pub use error::LogError;
pub use folder::{Durability, FolderLog, FolderOptions, IfMissing, Role};
pub use membership::{Change, Membership, Seat};
pub use topic::{OffsetRange, Topic, TopicOptions};
pub use transaction::{Append, Commit, Fetch, METADATA_BYTES_MAX, RawBatch, Removed, Transaction};
