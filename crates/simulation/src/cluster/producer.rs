//! Producers with a transactional id, and the requests that make up a transaction.
//!
//! What fences: every request carries the epoch that its producer got when it was initialised. A later initialisation, or a
//! transaction that took too long, raises the epoch, and whoever comes with an earlier one is refused.

use std::collections::BTreeSet;

use hw_log::Commit;

use super::{Cluster, Marker, Place, Target};
use crate::Bug;

/// Why a request was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// An earlier epoch, or a member that is out.
    Fenced,
    /// The transaction before is still being ended: to be asked again.
    Busy,
}

/// What the transaction coordinator knows of an id.
#[derive(Debug, Default)]
pub(crate) struct Producer {
    epoch: u32,
    open: Option<Open>,
    /// Requests that were done, by epoch and sequence: a repeated one is not done again.
    done: BTreeSet<(u32, u64)>,
    /// How the last transaction of the present epoch ended.
    last: Option<bool>,
}

#[derive(Debug)]
struct Open {
    transaction: u64,
    began_ms: i64,
    partitions: BTreeSet<Place>,
    groups: BTreeSet<String>,
}

impl Cluster {
    /// Raises the epoch and aborts what an earlier producer of that id left open.
    pub(crate) fn init_producer(&mut self, now_ms: i64, id: &str, delays_ms: &[i64]) -> Result<u32, Refused> {
        if self.is_ending(id) {
            return Err(Refused::Busy);
        }
        self.end_open(now_ms, id, false, delays_ms);
        let producer = self.producers.entry(id.to_owned()).or_default();
        producer.epoch += 1;
        producer.last = None;
        Ok(producer.epoch)
    }

    /// A batch as a part of the producer's transaction.
    pub(crate) fn produce(
        &mut self,
        now_ms: i64,
        (id, epoch, sequence): (&str, u32, u64),
        place: &Place,
        batch: &[u8],
    ) -> Result<(), Refused> {
        let Some(transaction) = self.begin(now_ms, id, epoch, sequence)? else {
            return Ok(());
        };
        if let Some(open) = self.producers.get_mut(id).and_then(|producer| producer.open.as_mut()) {
            open.partitions.insert(place.clone());
        }
        if let Some(partition) = self.partition_mut(place) {
            partition.append(batch, Some(transaction));
        }
        Ok(())
    }

    /// Offsets as a part of the producer's transaction, for a member of their group.
    pub(crate) fn commit_offsets(
        &mut self,
        now_ms: i64,
        (id, epoch, sequence): (&str, u32, u64),
        (group, member): (&str, Option<u64>),
        commits: &[Commit],
    ) -> Result<(), Refused> {
        let known = self.groups.get(group);
        let is_member = member.is_some_and(|member| known.is_some_and(|known| known.has(member)));
        if !is_member && !self.has(Bug::NoFencing) {
            return Err(Refused::Fenced);
        }
        let Some(transaction) = self.begin(now_ms, id, epoch, sequence)? else {
            return Ok(());
        };
        if let Some(open) = self.producers.get_mut(id).and_then(|producer| producer.open.as_mut()) {
            open.groups.insert(group.to_owned());
        }
        for commit in commits {
            if self.has(Bug::OffsetsOutsideTransaction) {
                self.offsets.put(now_ms, commit.clone());
            } else {
                self.offsets.add_pending(transaction, commit.clone());
            }
        }
        Ok(())
    }

    /// Ends the producer's transaction. Its places get to know of it after these delays, in turn.
    pub(crate) fn end_transaction(
        &mut self,
        now_ms: i64,
        (id, epoch): (&str, u32),
        is_commit: bool,
        delays_ms: &[i64],
    ) -> Result<(), Refused> {
        self.check_epoch(id, epoch)?;
        let producer = self.producers.entry(id.to_owned()).or_default();
        if producer.open.is_none() {
            // Asked once more, because the answer got lost.
            return if producer.last == Some(is_commit) {
                Ok(())
            } else {
                Err(Refused::Fenced)
            };
        }
        producer.last = Some(is_commit);
        self.end_open(now_ms, id, is_commit, delays_ms);
        Ok(())
    }

    /// Whether the id's last transaction has not reached all of its places.
    fn is_ending(&self, id: &str) -> bool {
        self.markers.iter().any(|(_, marker)| marker.transactional_id == id)
    }

    fn check_epoch(&self, id: &str, epoch: u32) -> Result<(), Refused> {
        let current = self.producers.get(id).map_or(0, |producer| producer.epoch);
        if epoch == current || self.has(Bug::NoFencing) {
            Ok(())
        } else {
            Err(Refused::Fenced)
        }
    }

    /// The open transaction, begun if there is none; `None` when the request was done before.
    fn begin(&mut self, now_ms: i64, id: &str, epoch: u32, sequence: u64) -> Result<Option<u64>, Refused> {
        self.check_epoch(id, epoch)?;
        if self.is_ending(id) {
            return Err(Refused::Busy);
        }
        let producer = self.producers.entry(id.to_owned()).or_default();
        if !producer.done.insert((epoch, sequence)) {
            return Ok(None);
        }
        if producer.open.is_none() {
            self.transactions += 1;
            producer.open = Some(Open {
                transaction: self.transactions,
                began_ms: now_ms,
                partitions: BTreeSet::new(),
                groups: BTreeSet::new(),
            });
        }
        Ok(producer.open.as_ref().map(|open| open.transaction))
    }

    fn end_open(&mut self, now_ms: i64, id: &str, is_commit: bool, delays_ms: &[i64]) {
        let Some(open) = self.producers.get_mut(id).and_then(|producer| producer.open.take()) else {
            return;
        };
        let partitions = open.partitions.into_iter().map(Target::Partition);
        let targets = partitions.chain(open.groups.into_iter().map(Target::Group));
        let delays = delays_ms.iter().copied().chain([0]).cycle();
        for (target, delay_ms) in targets.zip(delays) {
            let marker = Marker {
                transactional_id: id.to_owned(),
                transaction: open.transaction,
                is_commit,
                target,
            };
            self.markers.push((now_ms + delay_ms, marker));
        }
    }

    /// Aborts transactions that have been open for too long, and fences their producers.
    pub(super) fn abort_overdue(&mut self, now_ms: i64) {
        let limit_ms = self.times.transaction_ms;
        let is_overdue = |producer: &Producer| {
            let open = producer.open.as_ref();
            open.is_some_and(|open| now_ms - open.began_ms > limit_ms)
        };
        let overdue = self.producers.iter().filter(|(_, producer)| is_overdue(producer));
        let overdue: Vec<String> = overdue.map(|(id, _)| id.clone()).collect();
        for id in overdue {
            self.end_open(now_ms, &id, false, &[]);
            if let Some(producer) = self.producers.get_mut(&id) {
                producer.epoch += 1;
                producer.last = None;
            }
        }
    }
}
