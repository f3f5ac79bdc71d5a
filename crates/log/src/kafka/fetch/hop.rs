//! `hop`: the batches of a record set, found by hopping from header to header.
//!
//! It decompresses nothing and does not sum up what it passes: [`Hop::check`] does, after the next request is on its way.

use std::ops::Range;

use super::aborted::Aborted;
use crate::BatchError;
use crate::batch::BatchHeader;

/// One whole batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    /// Its bytes in the record set.
    pub(super) range: Range<usize>,
    /// The offset of its first record.
    pub(super) offset: u64,
    /// The offset after its last record.
    pub(super) next_offset: u64,
}

/// Bytes that are no batch, and where in the partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) offset: u64,
    pub(super) error: BatchError,
}

/// What a record set holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hop {
    /// Those with data that counts, in offset order. The first may start before the place asked for.
    pub(super) batches: Vec<Batch>,
    /// Those that nobody is to see: aborted, control, or emptied by compaction.
    pub(super) hidden: Vec<Batch>,
    /// Where to ask next.
    pub(super) next_offset: u64,
    /// What stands there, if it is no batch.
    pub(super) damage: Option<Damage>,
}

/// Finds the batches that hold `from` or come after it. The last one is usually cut off, since a broker counts bytes and
/// not batches; it comes again.
pub(super) fn hop(records: &[u8], from: u64, aborted: &mut Aborted) -> Hop {
    let mut hop = Hop {
        batches: Vec::new(),
        hidden: Vec::new(),
        next_offset: from,
        damage: None,
    };
    let mut at = 0;
    while at < records.len() {
        let rest = &records[at..];
        let header = match BatchHeader::parse(rest) {
            Ok(header) => header,
            Err(BatchError::Truncated { .. }) => break,
            Err(error) => {
                let offset = hop.next_offset;
                hop.damage = Some(Damage { offset, error });
                break;
            }
        };
        let bytes = header.total_bytes();
        let batch = Batch {
            range: at..at + bytes,
            offset: header.base_offset,
            next_offset: header.last_offset() + 1,
        };
        at += bytes;
        let is_hidden = aborted.hides(&header, &rest[..bytes]) || header.count == 0;
        if batch.next_offset <= from {
            continue;
        }
        hop.next_offset = batch.next_offset;
        if is_hidden {
            hop.hidden.push(batch);
        } else {
            hop.batches.push(batch);
        }
    }
    hop
}

impl Hop {
    /// Sums every batch up. From the first one that is damaged on, all are taken out; reading can only go on there.
    pub(super) fn check(&mut self, records: &[u8]) {
        let damages = self
            .batches
            .iter()
            .chain(&self.hidden)
            .filter_map(|batch| damage(records, batch));
        let Some(first) = damages.min_by_key(|damage| damage.offset) else {
            return;
        };
        self.batches.retain(|batch| batch.next_offset <= first.offset);
        self.hidden.retain(|batch| batch.next_offset <= first.offset);
        let whole = self.batches.last().into_iter().chain(self.hidden.last());
        self.next_offset = whole.map(|batch| batch.next_offset).max().unwrap_or(first.offset);
        self.damage = Some(first);
    }
}

fn damage(records: &[u8], batch: &Batch) -> Option<Damage> {
    let bytes = &records[batch.range.clone()];
    let error = BatchHeader::parse(bytes)
        .and_then(|header| header.verify_crc(bytes))
        .err()?;
    let offset = batch.offset;
    Some(Damage { offset, error })
}
