//! Compaction of one batch: which records stay, and the batch that they make.
//!
//! It does not read or write the store. A record stays when it is the last of its key; a tombstone stays until the
//! horizon that its batch got when compaction first saw it, as Kafka does it (attribute bit 6, KIP-534).

use std::collections::HashMap;
use std::ops::ControlFlow;

use crate::BatchError;
use crate::batch::{BatchBuilder, BatchHeader, DELETE_HORIZON, Record, Scratch, walk};

/// Offset of the last record of every key.
pub(super) type Latest = HashMap<Vec<u8>, u64>;

/// Enters the keys of the next batch of a partition.
pub(super) fn note_keys(batch: &[u8], scratch: &mut Scratch, latest: &mut Latest) -> Result<(), BatchError> {
    walk(batch, scratch, |record| {
        if let Some(key) = record.key {
            match latest.get_mut(key) {
                Some(offset) => *offset = record.offset,
                None => drop(latest.insert(key.to_vec(), record.offset)),
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(())
}

pub(super) struct Rewriter {
    pub(super) latest: Latest,
    pub(super) now_ms: i64,
    /// Until when tombstones stay that are seen for the first time.
    pub(super) horizon_ms: i64,
    /// The partition's end: the batch before it stays even when it is empty, for it says where the partition ends.
    pub(super) end: u64,
    pub(super) builder: BatchBuilder,
    /// Whether any batch so far has kept a tombstone.
    pub(super) has_tombstones: bool,
}

/// What became of a batch, and how many records went.
pub(super) enum Rewritten {
    Unchanged,
    Replaced { batch: Vec<u8>, records: u64 },
    Removed { records: u64 },
}

impl Rewriter {
    pub(super) fn rewrite(&mut self, batch: &[u8], scratch: &mut Scratch) -> Result<Rewritten, BatchError> {
        let header = BatchHeader::parse(batch)?;
        let tombstones_are_due = header
            .delete_horizon_ms()
            .is_some_and(|horizon_ms| horizon_ms <= self.now_ms);
        let latest = &self.latest;
        let stays = |record: &Record<'_>| {
            let is_latest = record.key.is_some_and(|key| latest.get(key) == Some(&record.offset));
            is_latest && !(tombstones_are_due && record.value.is_none())
        };
        let mut kept = 0;
        let mut kept_tombstones = 0;
        walk(batch, scratch, |record| {
            if stays(&record) {
                kept += 1;
                kept_tombstones += u32::from(record.value.is_none());
            }
            ControlFlow::Continue(())
        })?;
        self.has_tombstones |= kept_tombstones > 0;
        let needs_horizon = kept_tombstones > 0 && header.delete_horizon_ms().is_none();
        let records = u64::from(header.count - kept);
        let is_newest = header.last_offset() + 1 >= self.end;
        if kept == 0 && !is_newest {
            return Ok(Rewritten::Removed { records });
        }
        if records == 0 && !needs_horizon {
            return Ok(Rewritten::Unchanged);
        }
        let (base_timestamp_ms, attributes) = if needs_horizon {
            (self.horizon_ms, DELETE_HORIZON)
        } else {
            (header.base_timestamp_ms, 0)
        };
        let builder = &mut self.builder;
        builder.start_rewriting(base_timestamp_ms);
        walk(batch, scratch, |record| {
            if stays(&record) {
                builder.push_kept((record.offset - header.base_offset) as u32, &record);
            }
            ControlFlow::Continue(())
        })?;
        Ok(Rewritten::Replaced {
            batch: builder.finish_rewriting(&header, attributes),
            records,
        })
    }
}
