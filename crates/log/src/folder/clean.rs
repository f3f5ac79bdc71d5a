//! Cleaning the folder: retention from the front, compaction by key.
//!
//! It does not run by itself and never moves an offset. Readers and writers go on meanwhile: what is changed are batches
//! below the ends that were seen when it began, and each change is one write of the store.

use std::collections::HashMap;

use super::compact::{self, Rewritten};
use super::keys::{self, PartitionId};
use super::store::Store;
use crate::batch::{BatchBuilder, BatchHeader, Compression, Scratch};
use crate::{LogError, Removed};

/// Changes are written in pieces of about this size, so that cleaning takes little memory.
const WRITE_BYTES: usize = 8 << 20;

/// What cleaning remembers between two runs of the same process.
#[derive(Default)]
pub(super) struct Cleaner {
    /// For every partition of a compacted topic, how far it was compacted.
    compacted: HashMap<PartitionId, Compacted>,
}

struct Compacted {
    end: u64,
    /// Whether tombstones are left whose time will come.
    has_tombstones: bool,
}

/// One partition as it was when cleaning began.
struct Partition {
    topic: String,
    id: PartitionId,
    start: u64,
    end: u64,
    retention_ms: Option<u64>,
    is_compacted: bool,
}

impl Store {
    pub(super) fn clean(&self, now_ms: i64) -> Result<Vec<Removed>, LogError> {
        let mut cleaner = self.cleaner.lock().expect("invariant: nothing panics while cleaning");
        let mut all = Vec::new();
        for mut partition in self.partitions() {
            let mut removed = Removed {
                topic: partition.topic.clone(),
                partition: partition.id.partition,
                records: 0,
                bytes: 0,
            };
            if let Some(retention_ms) = partition.retention_ms {
                let oldest_ms = now_ms.saturating_sub_unsigned(retention_ms);
                self.remove_older(&mut partition, oldest_ms, &mut removed)?;
            }
            if partition.is_compacted {
                self.compact(&partition, &mut cleaner, now_ms, &mut removed)?;
            }
            if removed.records > 0 {
                all.push(removed);
            }
        }
        Ok(all)
    }

    fn partitions(&self) -> Vec<Partition> {
        let state = self.state();
        let topics = state.topics.iter();
        topics
            .flat_map(|(name, topic)| {
                topic.partitions.iter().enumerate().map(|(partition, found)| Partition {
                    topic: name.clone(),
                    id: PartitionId {
                        topic: topic.id,
                        partition: partition as u32,
                    },
                    start: found.start,
                    end: found.end,
                    retention_ms: topic.options.retention_ms,
                    is_compacted: topic.options.compacted,
                })
            })
            .collect()
    }

    /// Removes batches from the front until one is young enough, and never the newest.
    fn remove_older(&self, partition: &mut Partition, oldest_ms: i64, removed: &mut Removed) -> Result<(), LogError> {
        let mut old = Vec::new();
        for guard in self.batches_from(partition.id, partition.start, partition.end)? {
            let (key, batch) = guard.into_inner().map_err(|error| self.keyspaces.failed(error))?;
            let header = BatchHeader::parse(&batch).map_err(|error| self.keyspaces.broken(error))?;
            let next = header.last_offset() + 1;
            if header.max_timestamp_ms >= oldest_ms || next >= partition.end {
                break;
            }
            partition.start = next;
            removed.records += u64::from(header.count);
            removed.bytes += batch.len() as u64;
            old.push(key);
        }
        if old.is_empty() {
            return Ok(());
        }
        // Readers are told before the batches go, so that none of them passes over a gap without knowing.
        self.state()
            .partition_mut(&partition.topic, partition.id.partition)
            .start = partition.start;
        let mut write = self.keyspaces.write(self.options.durability);
        write.insert(
            &self.keyspaces.meta,
            partition.id.start(),
            partition.start.to_be_bytes(),
        );
        for key in old {
            write.remove(&self.keyspaces.batches, key);
        }
        for key in self.times_before(partition)? {
            write.remove(&self.keyspaces.times, key);
        }
        write.commit().map_err(|error| self.keyspaces.failed(error))
    }

    /// The entries of times for removed batches, but for the last: it stands for all times up to its own, which now lead
    /// to the partition's start.
    fn times_before(&self, partition: &Partition) -> Result<Vec<fjall::Slice>, LogError> {
        let mut before = Vec::new();
        for guard in self.keyspaces.times.range(partition.id.all()) {
            let (key, value) = guard.into_inner().map_err(|error| self.keyspaces.failed(error))?;
            if keys::last_number(&value).is_none_or(|offset| offset >= partition.start) {
                break;
            }
            before.push(key);
        }
        before.pop();
        Ok(before)
    }

    fn compact(
        &self,
        partition: &Partition,
        cleaner: &mut Cleaner,
        now_ms: i64,
        removed: &mut Removed,
    ) -> Result<(), LogError> {
        let id = partition.id;
        if let Some(done) = cleaner.compacted.get(&id)
            && done.end == partition.end
            && !done.has_tombstones
        {
            return Ok(());
        }
        let broken = |error| self.keyspaces.broken(error);
        let mut scratch = Scratch::default();
        let mut latest = HashMap::new();
        for guard in self.batches_from(id, partition.start, partition.end)? {
            let batch = guard.value().map_err(|error| self.keyspaces.failed(error))?;
            compact::note_keys(&batch, &mut scratch, &mut latest).map_err(broken)?;
        }
        let mut rewriter = compact::Rewriter {
            latest,
            now_ms,
            horizon_ms: now_ms.saturating_add_unsigned(self.options.delete_retention_ms),
            end: partition.end,
            builder: BatchBuilder::new(Compression::Lz4),
            has_tombstones: false,
        };
        let mut write = self.keyspaces.write(self.options.durability);
        let mut write_bytes = 0;
        for guard in self.batches_from(id, partition.start, partition.end)? {
            let (key, batch) = guard.into_inner().map_err(|error| self.keyspaces.failed(error))?;
            let (kept_bytes, records) = match rewriter.rewrite(&batch, &mut scratch).map_err(broken)? {
                Rewritten::Unchanged => continue,
                Rewritten::Removed { records } => {
                    write.remove(&self.keyspaces.batches, key);
                    (0, records)
                }
                Rewritten::Replaced { batch, records } => {
                    let bytes = batch.len();
                    write.insert(&self.keyspaces.batches, key, batch);
                    (bytes, records)
                }
            };
            removed.records += records;
            removed.bytes += batch.len().saturating_sub(kept_bytes) as u64;
            write_bytes += kept_bytes + 64;
            if write_bytes > WRITE_BYTES {
                let full = std::mem::replace(&mut write, self.keyspaces.write(self.options.durability));
                full.commit().map_err(|error| self.keyspaces.failed(error))?;
                write_bytes = 0;
            }
        }
        write.commit().map_err(|error| self.keyspaces.failed(error))?;
        let done = Compacted {
            end: partition.end,
            has_tombstones: rewriter.has_tombstones,
        };
        cleaner.compacted.insert(id, done);
        Ok(())
    }
}
