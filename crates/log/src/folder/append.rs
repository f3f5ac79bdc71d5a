//! Appending to the folder: check, give offsets, write once, show at once.
//!
//! It does not split or merge batches. The checks and the sums are done before the one lock that all writers share.

use std::collections::HashMap;
use std::io::Read;
use std::ops::ControlFlow;

use super::keys::{self, PartitionId};
use super::state::PartitionState;
use super::store::Store;
use crate::batch::{BatchHeader, Scratch, walk};
use crate::names;
use crate::{Append, BatchError, LogError, Transaction};

impl Store {
    pub(super) fn append_checked(&self, transaction: &Transaction) -> Result<Vec<u64>, LogError> {
        names::check_transaction(transaction)?;
        let headers = self.check_batches(&transaction.appends)?;
        for commit in &transaction.commits {
            self.state().partition(&commit.topic, commit.partition)?;
        }
        if transaction.appends.is_empty() && transaction.commits.is_empty() {
            return Ok(Vec::new());
        }

        let _writer = self.writer.lock().expect("invariant: nothing panics while writing");
        let mut write = self.keyspaces.write(self.options.durability);
        let mut base_offsets = Vec::with_capacity(headers.len());
        let mut moved: HashMap<PartitionId, PartitionState> = HashMap::new();
        for (append, header) in transaction.appends.iter().zip(&headers) {
            let (id, found) = self.state().partition(&append.topic, append.partition)?;
            let partition = moved.entry(id).or_insert(found);
            let base_offset = partition.end;
            // The base offset stands first and is not covered by the CRC-32C: this is the only copy of the batch.
            let base_offset_bytes = base_offset.to_be_bytes();
            let mut bytes = (&base_offset_bytes[..]).chain(&append.batch[base_offset_bytes.len()..]);
            let batch = fjall::Slice::from_reader(&mut bytes, append.batch.len())
                .expect("invariant: the chained bytes are as many as the batch's");
            write.insert(&self.keyspaces.batches, id.batch(base_offset), batch);
            if header.max_timestamp_ms > partition.max_timestamp_ms {
                partition.max_timestamp_ms = header.max_timestamp_ms;
                let reached_at = base_offset.to_be_bytes();
                write.insert(&self.keyspaces.times, id.time(header.max_timestamp_ms), reached_at);
            }
            partition.end += u64::from(header.count);
            base_offsets.push(base_offset);
        }
        for commit in &transaction.commits {
            let key = keys::commit(&commit.group, &commit.topic, commit.partition);
            let value = [&commit.offset.to_be_bytes()[..], &commit.metadata].concat();
            write.insert(&self.keyspaces.meta, key, value);
        }
        write.commit().map_err(|error| self.keyspaces.failed(error))?;

        // One lock for all of it: whoever reads sees the transaction whole.
        let mut state = self.state();
        for append in &transaction.appends {
            let id = PartitionId {
                topic: state.topic(&append.topic)?.id,
                partition: append.partition,
            };
            if let Some(&PartitionState {
                end, max_timestamp_ms, ..
            }) = moved.get(&id)
            {
                let partition = state.partition_mut(&append.topic, append.partition);
                // Not the start: cleaning may have moved it meanwhile.
                partition.end = end;
                partition.max_timestamp_ms = max_timestamp_ms;
            }
        }
        for commit in &transaction.commits {
            state.commit(commit);
        }
        state.mark += 1;
        drop(state);
        self.appended.notify_all();
        Ok(base_offsets)
    }

    fn check_batches(&self, appends: &[Append]) -> Result<Vec<BatchHeader>, LogError> {
        let mut scratch = Scratch::default();
        appends
            .iter()
            .map(|append| {
                self.state().partition(&append.topic, append.partition)?;
                let needs_keys = self.state().topic(&append.topic)?.options.compacted;
                let header = check_batch(&append.batch).and_then(|header| {
                    if needs_keys {
                        check_keys(&append.batch, &mut scratch)?;
                    }
                    Ok(header)
                });
                header.map_err(|source| LogError::InvalidBatch {
                    topic: append.topic.clone(),
                    partition: append.partition,
                    source,
                })
            })
            .collect()
    }
}

/// One whole batch, undamaged, of data, whose records fill its offsets.
fn check_batch(batch: &[u8]) -> Result<BatchHeader, BatchError> {
    let header = BatchHeader::parse_finished(batch)?;
    header.verify_crc(batch)?;
    Ok(header)
}

/// A compacted topic cannot say which record without a key replaces which.
fn check_keys(batch: &[u8], scratch: &mut Scratch) -> Result<(), BatchError> {
    let mut index = 0;
    let mut without_key = None;
    walk(batch, scratch, |record| {
        if record.key.is_none() {
            without_key = Some(index);
            return ControlFlow::Break(());
        }
        index += 1;
        ControlFlow::Continue(())
    })?;
    without_key.map_or(Ok(()), |index| Err(BatchError::NoKey { index }))
}
