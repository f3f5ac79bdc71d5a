//! What is written at once, and what comes back when reading.
//!
//! It does not write or read: these are the values that pass through the door of [`crate::Log`].

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Batches and commits that become visible together, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transaction {
    /// In the order in which they get their offsets.
    pub appends: Vec<Append>,
    /// The positions of a group, each overwriting the one before.
    pub commits: Vec<Commit>,
}

/// One batch for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// The topic.
    pub topic: String,
    /// The partition, from 0.
    pub partition: u32,
    /// From [`crate::batch::BatchBuilder::finish`]. Its base offset is ignored.
    pub batch: Vec<u8>,
}

/// How far a group has come in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The group, such as the pipeline's name. Named as a topic is.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// The partition, from 0.
    pub partition: u32,
    /// Offset of the next record to work on.
    pub offset: u64,
    /// Whatever the group wants to know when it resumes, at most [`METADATA_BYTES_MAX`].
    pub metadata: Vec<u8>,
}

/// The most metadata a commit can carry: Kafka's own limit (`offset.metadata.max.bytes`) is 4,096 characters, and bytes
/// take four thirds of that as base64.
pub const METADATA_BYTES_MAX: usize = 3_072;

/// What a read gives.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// In offset order. The first may start before the offset asked for; whoever reads skips those records.
    pub batches: Vec<RawBatch>,
    /// Where to read next: behind the last batch, or at the end when nothing was left. Offsets that compaction has
    /// removed are passed over.
    pub next_offset: u64,
    /// The offset that the next committed record of the partition will get, as last heard. A read that gives nothing while
    /// this lies behind its place is not at the end: more is under way.
    pub end_offset: u64,
}

/// The bytes of one batch, shared with whoever else reads it: cloning costs a count.
#[derive(Clone)]
pub struct RawBatch {
    owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
    range: Range<usize>,
}

impl RawBatch {
    /// The bytes `range` of `owner`, such as one batch of a response that holds many.
    ///
    /// # Panics
    /// When the range reaches past the bytes.
    pub fn new(owner: Arc<dyn AsRef<[u8]> + Send + Sync>, range: Range<usize>) -> RawBatch {
        let available = (*owner).as_ref().len();
        assert!(
            range.start <= range.end && range.end <= available,
            "{range:?} reaches past the {available} bytes that hold the batch"
        );
        RawBatch { owner, range }
    }
}

impl From<Vec<u8>> for RawBatch {
    fn from(bytes: Vec<u8>) -> RawBatch {
        let range = 0..bytes.len();
        RawBatch::new(Arc::new(bytes), range)
    }
}

impl Deref for RawBatch {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &(*self.owner).as_ref()[self.range.clone()]
    }
}

impl fmt::Debug for RawBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawBatch({} bytes)", self.range.len())
    }
}

/// What [`crate::Log::maintain`] took out of one partition.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Removed {
    /// The topic.
    pub topic: String,
    /// The partition, from 0.
    pub partition: u32,
    /// How many records.
    pub records: u64,
    /// By how many bytes the partition's batches are smaller.
    pub bytes: u64,
}
