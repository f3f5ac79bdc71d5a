//! Reading from the folder: whole batches from an offset, and the offset of a time.
//!
//! It does not decompress (but for the one batch in which a time is looked for) and copies nothing that is in memory.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::keys::{self, PartitionId};
use super::store::Store;
use crate::batch::{BatchHeader, Scratch, walk};
use crate::{Fetch, LogError, RawBatch};

/// Whatever a reader asks for, one read gives not much more than this.
pub(super) const READ_BYTES_MAX: usize = 32 << 20;

impl Store {
    pub(super) fn fetch(
        &self,
        topic: &str,
        partition: u32,
        from_offset: u64,
        bytes_max: usize,
    ) -> Result<Fetch, LogError> {
        let (id, end) = self.readable(topic, partition, from_offset)?;
        let mut fetch = Fetch {
            batches: Vec::new(),
            next_offset: end,
            end_offset: end,
        };
        let mut bytes = 0;
        for guard in self.batches_from(id, from_offset, end)? {
            if bytes >= bytes_max.min(READ_BYTES_MAX)
                && let Some(last) = fetch.batches.last()
            {
                let header = BatchHeader::parse(last).map_err(|error| self.keyspaces.broken(error))?;
                fetch.next_offset = header.last_offset() + 1;
                break;
            }
            let batch = guard.value().map_err(|error| self.keyspaces.failed(error))?;
            let header = BatchHeader::parse(&batch).map_err(|error| self.keyspaces.broken(error))?;
            // Compaction may have left a batch without records, or the one before the gap that holds the offset.
            if header.count == 0 || header.last_offset() < from_offset {
                continue;
            }
            bytes += batch.len();
            let range = 0..batch.len();
            fetch.batches.push(RawBatch::new(Arc::new(batch), range));
        }
        // Retention may have removed batches since the first look: then what was found starts too late.
        self.readable(topic, partition, from_offset)?;
        Ok(fetch)
    }

    /// The partition and its end, if it holds the offset.
    fn readable(&self, topic: &str, partition: u32, offset: u64) -> Result<(PartitionId, u64), LogError> {
        let (id, found) = self.state().partition(topic, partition)?;
        if offset < found.start || offset > found.end {
            let (start, end) = (found.start, found.end);
            return Err(LogError::OffsetOutOfRange {
                topic: topic.into(),
                partition,
                offset,
                start,
                end,
            });
        }
        Ok((id, found.end))
    }

    /// The batches from the one that may hold `from_offset` up to `end`, lazily.
    pub(super) fn batches_from(&self, id: PartitionId, from_offset: u64, end: u64) -> Result<fjall::Iter, LogError> {
        let batches = &self.keyspaces.batches;
        let first = match batches.range(id.batch(0)..=id.batch(from_offset)).next_back() {
            Some(guard) => guard.key().map_err(|error| self.keyspaces.failed(error))?,
            None => id.batch(from_offset).into(),
        };
        // Batches behind the end belong to a transaction that is being written.
        Ok(batches.range::<&[u8], _>(&first[..]..&id.batch(end)[..]))
    }

    pub(super) fn first_at_time(&self, topic: &str, partition: u32, timestamp_ms: i64) -> Result<u64, LogError> {
        let (id, found) = self.state().partition(topic, partition)?;
        if timestamp_ms > found.max_timestamp_ms {
            return Ok(found.end);
        }
        // Everything before the batch that first reached the time is older.
        let reached = self
            .keyspaces
            .times
            .range(id.time(timestamp_ms)..=id.time(i64::MAX))
            .next();
        let from_offset = match reached {
            Some(guard) => {
                let (_, value) = guard.into_inner().map_err(|error| self.keyspaces.failed(error))?;
                keys::last_number(&value).ok_or_else(|| self.keyspaces.broken("an offset is cut off"))?
            }
            None => return Ok(found.end),
        };
        let mut scratch = Scratch::default();
        for guard in self.batches_from(id, from_offset.max(found.start), found.end)? {
            let batch = guard.value().map_err(|error| self.keyspaces.failed(error))?;
            let mut first = None;
            let header = BatchHeader::parse(&batch).map_err(|error| self.keyspaces.broken(error))?;
            if header.max_timestamp_ms < timestamp_ms {
                continue;
            }
            let visit = |record: crate::batch::Record<'_>| {
                if record.timestamp_ms >= timestamp_ms && record.offset >= found.start {
                    first = Some(record.offset);
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            };
            walk(&batch, &mut scratch, visit).map_err(|error| self.keyspaces.broken(error))?;
            if let Some(offset) = first {
                return Ok(offset);
            }
        }
        Ok(found.end)
    }
}
