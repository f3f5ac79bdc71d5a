//! `Cursor`: one reader's place in a partition, and what was fetched for it.
//!
//! It asks nobody for anything. Several readers of one partition have a cursor each: two jobs over the same stream do not
//! read in step, and if they shared a place, each would throw away what was fetched for the other.
//!
//! # Constraints
//!
//! - `position <= end <= fetch_from`. What lies between `end` and `fetch_from` has arrived and is being checked.
//! - `bytes` is what its record sets take in memory, whole, as long as a batch of theirs waits here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::buffers::Records;
use super::hop::Batch;
use crate::{LogError, RawBatch};

/// A record set with the batches of it that nobody has read yet.
#[derive(Debug)]
struct Load {
    records: Arc<Records>,
    batches: VecDeque<Batch>,
}

/// One reader's place.
#[derive(Debug)]
pub(super) struct Cursor {
    /// No other cursor of the fetcher ever had the same.
    pub(super) id: u64,
    /// Where its reader goes on.
    position: u64,
    /// From here to the position is nothing to be read; a reader may stand anywhere in between without knowing better.
    empty_from: u64,
    /// Never with an empty one.
    loads: VecDeque<Load>,
    /// Behind all that is in `loads`, and behind the hidden batches after that.
    end: u64,
    /// Where the next request starts.
    pub(super) fetch_from: u64,
    bytes: usize,
    /// Rises when what is under way for it counts no longer.
    epoch: u64,
    /// Whether there may be more at once: it is new, or its last answer was not empty.
    pub(super) is_eager: bool,
    /// Nothing is fetched for it until it is read again.
    pub(super) is_asleep: bool,
    /// Whether its reader could know that it is at the end.
    has_seen_end: bool,
    /// When it was last asked for, as a number of requests: the readers of one partition take turns.
    pub(super) asked: u64,
    /// When it was last given something, as a number of answers: the partition that waits longest comes first.
    pub(super) served: u64,
    pub(super) read_at: Instant,
    /// For its reader, once he has read all that came before.
    error: Option<LogError>,
    /// The broker has no such offset any more: its reader looks the range up anew, once he has read all.
    pub(super) is_out_of_range: bool,
}

/// What an answer means for one cursor.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expected {
    cursor: u64,
    epoch: u64,
    bytes: usize,
    from: u64,
}

impl Cursor {
    pub(super) fn new(id: u64, from: u64, now: Instant) -> Cursor {
        Cursor {
            id,
            position: from,
            empty_from: from,
            loads: VecDeque::new(),
            end: from,
            fetch_from: from,
            bytes: 0,
            epoch: 0,
            is_eager: true,
            is_asleep: false,
            has_seen_end: false,
            asked: 0,
            served: 0,
            read_at: now,
            error: None,
            is_out_of_range: false,
        }
    }

    /// What it holds in memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where its reader goes on.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Whether something is wanted for it: it is in use, and its reader is not to be told first that something is wrong.
    pub(super) fn is_in_use(&self) -> bool {
        !self.is_asleep && !self.is_out_of_range && self.error.is_none()
    }

    /// Whether it can be asked for: what it holds is less than it may.
    pub(super) fn is_ready(&self, bytes_max: usize) -> bool {
        self.is_in_use() && self.bytes < bytes_max
    }

    /// Whether a reader at `offset` is the one that it belongs to.
    pub(super) fn is_at(&self, offset: u64) -> bool {
        (self.empty_from..=self.position).contains(&offset)
    }

    /// Whether it holds `offset` farther on.
    pub(super) fn reaches(&self, offset: u64) -> bool {
        self.position < offset && offset < self.end
    }

    /// Passes over what ends before `offset`.
    pub(super) fn skip_to(&mut self, offset: u64) {
        while self.first().is_some_and(|batch| batch.next_offset <= offset) {
            self.pop();
        }
        self.position = offset;
        self.empty_from = offset;
    }

    /// The next batches, until they take `bytes_max`: at least one, if there is any, and at most one more than fits.
    pub(super) fn take(&mut self, bytes_max: usize) -> Vec<RawBatch> {
        let mut batches = Vec::new();
        let mut bytes = 0;
        while (bytes < bytes_max || batches.is_empty())
            && let Some(batch) = self.pop()
        {
            bytes += batch.len();
            batches.push(batch);
        }
        if self.loads.is_empty() {
            self.position = self.end;
        }
        batches
    }

    /// What its reader has to be told, now that he has read all.
    pub(super) fn take_error(&mut self) -> Option<LogError> {
        if self.loads.is_empty() { self.error.take() } else { None }
    }

    /// Whether its reader has to look up anew where he is.
    pub(super) fn is_lost(&self) -> bool {
        self.is_out_of_range && self.loads.is_empty()
    }

    /// What waits longest, if anything does.
    fn first(&self) -> Option<&Batch> {
        self.loads.front().and_then(|load| load.batches.front())
    }

    fn pop(&mut self) -> Option<RawBatch> {
        let load = self.loads.front_mut()?;
        let batch = load.batches.pop_front()?;
        self.position = batch.next_offset;
        self.empty_from = batch.next_offset;
        let raw = RawBatch::new(load.records.clone(), batch.range);
        if load.batches.is_empty() {
            self.bytes -= load.records.memory_bytes();
            self.loads.pop_front();
        }
        Some(raw)
    }

    /// An answer that starts at `from` reaches to `next_offset`: if it holds what this cursor wants next, the next request
    /// starts behind it, and its memory, of `bytes`, counts from now on.
    pub(super) fn expect(&mut self, from: u64, next_offset: u64, bytes: usize) -> Option<Expected> {
        if !(from..=next_offset).contains(&self.fetch_from) {
            return None;
        }
        let expected = Expected {
            cursor: self.id,
            epoch: self.epoch,
            bytes,
            from: self.fetch_from,
        };
        self.fetch_from = next_offset;
        self.bytes += bytes;
        Some(expected)
    }

    /// Takes what was expected, unless it counts no longer. `next_offset` is behind it all, hidden batches included. Says
    /// whether there was anything.
    pub(super) fn deliver(
        &mut self,
        expected: &Expected,
        records: &Arc<Records>,
        all: &[Batch],
        next_offset: u64,
    ) -> bool {
        if !self.is_expecting(expected) {
            return false;
        }
        let batches: VecDeque<Batch> = all
            .iter()
            .filter(|batch| batch.next_offset > expected.from)
            .cloned()
            .collect();
        if batches.is_empty() {
            self.bytes -= expected.bytes;
        } else {
            let records = Arc::clone(records);
            self.loads.push_back(Load { records, batches });
        }
        let has_moved = next_offset > self.end;
        self.end = self.end.max(next_offset);
        has_moved
    }

    /// Whether an answer is for it as it is now.
    pub(super) fn is_expecting(&self, expected: &Expected) -> bool {
        (expected.cursor, expected.epoch) == (self.id, self.epoch)
    }

    /// Its reader is told once he has read all before.
    pub(super) fn fail(&mut self, error: LogError) {
        self.fetch_from = self.end;
        self.error = Some(error);
    }

    /// Says whether its reader learns by this that he is at the end.
    pub(super) fn see_end(&mut self, end_offset: u64) -> bool {
        let is_at_end = self.end >= end_offset;
        let is_new = is_at_end && !self.has_seen_end;
        self.has_seen_end = is_at_end;
        is_new
    }

    /// Gives its memory up; what was in it is fetched again once its reader comes back.
    pub(super) fn put_to_sleep(&mut self) {
        self.loads.clear();
        self.bytes = 0;
        self.end = self.position;
        self.fetch_from = self.position;
        self.epoch += 1;
        self.is_asleep = true;
    }
}
