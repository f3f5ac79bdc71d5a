//! The trait `Log` itself; what it promises stands in the crate's documentation.
//!
//! It holds no code: the implementations are modules of their own.

use std::sync::Arc;
use std::time::Duration;

use crate::membership::Alone;
use crate::{Commit, Fetch, LogError, Membership, OffsetRange, Removed, Seat, Topic, TopicOptions, Transaction};

/// A partitioned log of record batches. Every call may come from any thread. See the [crate's contract](crate).
pub trait Log: Send + Sync {
    /// Makes a topic. Does nothing when it exists with the same options.
    ///
    /// # Errors
    /// [`LogError::TopicDiffers`] when it exists with others; [`LogError::Invalid`] for impossible names or options.
    fn create_topic(&self, name: &str, options: &TopicOptions) -> Result<(), LogError>;

    /// One topic.
    ///
    /// # Errors
    /// [`LogError::UnknownTopic`].
    fn topic(&self, name: &str) -> Result<Topic, LogError>;

    /// All topics, by name.
    ///
    /// # Errors
    /// When the log cannot be reached.
    fn topics(&self) -> Result<Vec<Topic>, LogError>;

    /// First and next offset of every partition, in their order.
    ///
    /// # Errors
    /// [`LogError::UnknownTopic`].
    fn ranges(&self, topic: &str) -> Result<Vec<OffsetRange>, LogError>;

    /// Appends all batches and stores all commits, or does nothing. Gives the offset of the first record of each append.
    ///
    /// # Errors
    /// Anything wrong with any part of it refuses the whole. After [`LogError::Disconnected`], [`LogError::Store`] and
    /// [`LogError::Unknown`] alone it is not known whether it was done.
    fn append(&self, transaction: &Transaction) -> Result<Vec<u64>, LogError>;

    /// Batches from the one that holds `from_offset` (or the next one there is), until they take `bytes_max` or nothing is
    /// left: at least one if there is any, and at most one more than fits.
    ///
    /// # Errors
    /// [`LogError::OffsetOutOfRange`] when the offset was removed by retention or lies past the end.
    fn read(&self, topic: &str, partition: u32, from_offset: u64, bytes_max: usize) -> Result<Fetch, LogError>;

    /// Waits until something was appended since the call that gave `seen`, at most for `timeout`, and gives the mark to
    /// wait with next. `0` gives the present mark at once. Read *after* taking the mark, and no append is missed.
    ///
    /// # Errors
    /// When the log cannot be reached.
    fn wait_for_appends(&self, seen: u64, timeout: Duration) -> Result<u64, LogError>;

    /// Offset of the first record, in offset order, with a timestamp of at least `timestamp_ms`; the partition's end
    /// when there is none.
    ///
    /// # Errors
    /// [`LogError::UnknownTopic`], [`LogError::UnknownPartition`].
    fn offset_at_time(&self, topic: &str, partition: u32, timestamp_ms: i64) -> Result<u64, LogError>;

    /// The last commit of a group for every partition it ever committed, by topic and partition. None for a group that
    /// is not known.
    ///
    /// # Errors
    /// When the log cannot be reached.
    fn committed(&self, group: &str) -> Result<Vec<Commit>, LogError>;

    /// The id of a schema, which is new unless the same text was registered for the same subject. The text is stored as
    /// it is; ids start at 1.
    ///
    /// # Errors
    /// [`LogError::Invalid`] when the subject has no possible name or the text is no JSON.
    fn register_schema(&self, subject: &str, json: &str) -> Result<u32, LogError>;

    /// The text of a schema; `None` when no schema has that id.
    ///
    /// # Errors
    /// When the log cannot be reached.
    fn schema(&self, id: u32) -> Result<Option<String>, LogError>;

    /// Makes the caller the log's only engine until the guard is dropped or its process ends.
    ///
    /// # Errors
    /// [`LogError::EngineRunning`] names the one that is.
    fn claim_engine(&self, name: &str) -> Result<EngineGuard, LogError>;

    /// The log as one worker of a pipeline uses it: with an identity of its own, whose transactions fence an earlier
    /// worker of the same identity, and connections of its own. `None`: this one serves all.
    ///
    /// # Errors
    /// When the log cannot be reached.
    fn for_worker(&self, _pipeline: &str, _seat: Seat) -> Result<Option<Arc<dyn Log>>, LogError> {
        Ok(None)
    }

    /// Joins the workers that share out the partitions of `topic`, and whose positions are commits of `group`.
    ///
    /// # Errors
    /// [`LogError::UnknownTopic`]; or when the log cannot be reached.
    fn join(&self, _group: &str, topic: &str, seat: Seat) -> Result<Box<dyn Membership>, LogError> {
        Ok(Box::new(Alone::new(self, topic, seat)?))
    }

    /// Applies retention and compaction as of `now_ms` (milliseconds since the epoch) and says what went. Calls from
    /// several threads take turns; readers and writers go on meanwhile.
    ///
    /// # Errors
    /// When the store fails; what was removed until then stays removed.
    fn maintain(&self, now_ms: i64) -> Result<Vec<Removed>, LogError>;
}

/// The right to be the only engine; dropping it gives the right back.
pub struct EngineGuard(#[expect(dead_code, reason = "held for its drop only")] Box<dyn Send + Sync>);

impl EngineGuard {
    /// A guard whose release is the drop of `release`.
    pub fn new(release: impl Send + Sync + 'static) -> EngineGuard {
        EngineGuard(Box::new(release))
    }
}

impl std::fmt::Debug for EngineGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EngineGuard")
    }
}
