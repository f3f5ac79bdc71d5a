//! `Aborted`: which batches of an answer belong to transactions that came to nothing.
//!
//! It looks at headers only. The rule is Kafka's: the broker names the aborted transactions that touch what it sends, each
//! by its producer and first offset; a producer's batches are void from there to its next abort marker.

use std::ops::ControlFlow;

use crate::batch::{BatchHeader, Scratch, walk};

/// In the second two bytes of a control record's key.
const ABORT: [u8; 2] = [0, 0];

/// A transaction that was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AbortedTransaction {
    pub(super) first_offset: i64,
    pub(super) producer_id: i64,
}

/// Goes along with the batches of one answer, in their order.
#[derive(Debug, Default)]
pub(super) struct Aborted {
    /// Those that have not begun yet, the earliest last.
    to_come: Vec<AbortedTransaction>,
    /// The producers of those that have begun and not ended.
    open: Vec<i64>,
}

impl Aborted {
    pub(super) fn new(mut transactions: Vec<AbortedTransaction>) -> Aborted {
        transactions.sort_unstable_by_key(|transaction| std::cmp::Reverse(transaction.first_offset));
        Aborted {
            to_come: transactions,
            open: Vec::new(),
        }
    }

    /// Whether nobody is to see the batch: it is aborted, or no data but a mark.
    pub(super) fn hides(&mut self, header: &BatchHeader, batch: &[u8]) -> bool {
        let last_offset = header.last_offset() as i64;
        while let Some(next) = self.to_come.pop_if(|next| next.first_offset <= last_offset) {
            self.open.push(next.producer_id);
        }
        if header.is_control() {
            if is_abort_marker(batch) {
                self.open.retain(|&producer_id| producer_id != header.producer_id);
            }
            return true;
        }
        header.is_transactional() && self.open.contains(&header.producer_id)
    }
}

/// Whether the control batch ends a transaction by aborting it; it holds one record, whose key says so.
fn is_abort_marker(batch: &[u8]) -> bool {
    let mut is_abort = false;
    // One that cannot be read is found by its checksum.
    let _ = walk(batch, &mut Scratch::default(), |record| {
        is_abort = record.key.and_then(|key| key.get(2..4)) == Some(&ABORT);
        ControlFlow::Break(())
    });
    is_abort
}
