//! A partition: batches with offsets, some of transactions that have not ended, and the markers of those that have.

use std::collections::BTreeMap;

use hw_log::batch::BatchHeader;
use hw_log::{Fetch, RawBatch};

/// What stands at an offset.
#[derive(Debug, Clone)]
enum Kind {
    /// Records, of a transaction or of none.
    Records(RawBatch, Option<u64>),
    /// The marker of a transaction's end, which no reader sees but whose offset is taken.
    Marker,
}

#[derive(Debug, Clone)]
struct Entry {
    base: u64,
    /// The offset behind it.
    next: u64,
    kind: Kind,
}

/// One partition of a topic.
#[derive(Debug, Default)]
pub(crate) struct Partition {
    entries: Vec<Entry>,
    /// Whether transactions that have ended here were committed.
    ended: BTreeMap<u64, bool>,
}

impl Partition {
    pub(crate) fn next_offset(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.next)
    }

    /// Up to where everything is decided.
    pub(crate) fn stable_end(&self) -> u64 {
        let open = self.entries.iter().find(|entry| self.is_open(entry));
        open.map_or(self.next_offset(), |entry| entry.base)
    }

    fn is_open(&self, entry: &Entry) -> bool {
        matches!(&entry.kind, Kind::Records(_, Some(transaction)) if !self.ended.contains_key(transaction))
    }

    fn is_committed(&self, transaction: Option<u64>) -> bool {
        transaction.is_none_or(|transaction| self.ended.get(&transaction) == Some(&true))
    }

    /// Takes a batch; gives its first record's offset.
    pub(crate) fn append(&mut self, batch: &[u8], transaction: Option<u64>) -> u64 {
        let base = self.next_offset();
        let mut bytes = batch.to_vec();
        bytes[..8].copy_from_slice(&base.to_be_bytes());
        let header = BatchHeader::parse(&bytes).expect("invariant: the engine appends batches");
        self.entries.push(Entry {
            base,
            next: header.last_offset() + 1,
            kind: Kind::Records(RawBatch::from(bytes), transaction),
        });
        base
    }

    /// A transaction that touched the partition has ended.
    pub(crate) fn end(&mut self, transaction: u64, is_commit: bool) {
        self.ended.insert(transaction, is_commit);
        let base = self.next_offset();
        self.entries.push(Entry {
            base,
            next: base + 1,
            kind: Kind::Marker,
        });
    }

    /// Committed batches from an offset on.
    pub(crate) fn read(&self, from: u64, batches_max: usize) -> Fetch {
        let end = self.stable_end();
        let mut fetch = Fetch {
            batches: Vec::new(),
            next_offset: from,
            end_offset: end,
        };
        let first = self.entries.partition_point(|entry| entry.next <= from);
        for entry in self.entries[first..].iter().take_while(|entry| entry.base < end) {
            if let Kind::Records(batch, transaction) = &entry.kind
                && self.is_committed(*transaction)
            {
                if fetch.batches.len() == batches_max {
                    break;
                }
                fetch.batches.push(batch.clone());
            }
            fetch.next_offset = entry.next;
        }
        fetch
    }
}
