//! `Lane`: the batches on their way to one partition, in their order.
//!
//! It sends nothing: it says which batch may go next, and is told what became of each.
//!
//! # Constraints
//!
//! - A batch keeps its sequence number until it is known to be in the partition, or known not to be. A broker knows a
//!   producer's last five batches of a partition, so none is sent before the fifth before it is known to be in.
//! - A broker that does not know the producer takes a batch of any number, be it one that it has. It may have forgotten
//!   him whenever it was started, or when the batches' own timestamps are more than a day old
//!   (`producer.id.expiration.ms` is counted from them). So the first batch, and the first after any failure, goes
//!   alone: were it refused and the next taken, they would change places. And one whose answer was lost is looked for
//!   in the partition before it is sent again. In a transaction neither is forgotten, and nothing is looked for.
//! - After a failure nothing is sent until all that is under way has been answered; then whatever is not in goes again,
//!   from the front. So a batch never overtakes another, however often both are sent.
//! - A new identity is taken only when the first batch that is not in was refused for its number, with nothing under
//!   way: then none that is left is in the partition, and all may be numbered anew.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::BrokerId;

use crate::kafka::produce::pauses::Pauses;
use crate::kafka::produce::stamp::{Identity, Stamp, Visible, sequence_after};

/// How many batches of a partition a broker knows again.
const UNDER_WAY_MAX: u64 = 5;

/// A producer that was quiet for longer may be forgotten by the broker: it forgets after `producer.id.expiration.ms`,
/// which is a day unless its operator wants it shorter.
const REMEMBERED: Duration = Duration::from_secs(600);

/// What is on its way to one partition.
pub(super) struct Lane {
    /// The topic's name on the cluster.
    pub(super) topic: String,
    pub(super) partition: u32,
    /// Where all that is under way was sent, so that it is answered in order.
    pub(super) leader: Option<BrokerId>,
    visible: Visible,
    identity: Identity,
    next_sequence: i32,
    next_place: u64,
    /// Whatever is not known to be in the partition.
    parcels: VecDeque<Parcel>,
    under_way: usize,
    /// Whatever is in doubt stands at this offset or later.
    doubt_from: u64,
    /// When the broker last took a batch from this identity.
    known_at: Option<Instant>,
    flow: Flow,
    /// How long to wait after a failure; from the shortest again once a batch has come in.
    pauses: Pauses,
}

struct Parcel {
    /// How whoever sent it calls it.
    ticket: u64,
    /// The how manieth batch of the lane it is.
    place: u64,
    batch: Bytes,
    sequence: i32,
    records: u32,
    since: Instant,
    /// Whether it is to be sent, and not under way or waiting for the others' answers.
    is_waiting: bool,
    /// Whether it may be in the partition: an answer was lost.
    in_doubt: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// Batches go from this time on.
    Open { from: Instant },
    /// Something failed: answers are waited for.
    Settling { renumber: Renumber },
    /// All is answered, but for what is in doubt: from this time on it is looked for.
    Doubting { from: Instant, renumber: Renumber },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Renumber {
    No,
    Yes,
}

/// What became of a batch that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is in the partition.
    In { base_offset: u64 },
    /// It was not taken now, though it may be later.
    NotNow,
    /// It was not taken, because of its number.
    OutOfSequence,
    /// Whether it was taken is not known.
    InDoubt,
}

/// A batch of ours in the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) sequence: i32,
    pub(super) base_offset: u64,
}

/// Where a lane stands after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It goes on.
    Going,
    /// It goes on once it has a new identity: [`Lane::renumber`].
    NeedsIdentity,
}

impl Lane {
    /// An empty lane to a partition that ends at `end` or later.
    pub(super) fn new(topic: String, partition: u32, end: u64, stamp: Stamp, now: Instant) -> Lane {
        Lane {
            topic,
            partition,
            leader: None,
            visible: stamp.visible,
            identity: stamp.identity,
            next_sequence: stamp.sequence,
            next_place: 0,
            parcels: VecDeque::new(),
            under_way: 0,
            doubt_from: end,
            known_at: None,
            flow: Flow::Open { from: now },
            pauses: Pauses::new(),
        }
    }

    /// Takes a finished batch of so many records.
    pub(super) fn push(&mut self, ticket: u64, mut batch: Vec<u8>, records: u32, now: Instant) {
        let sequence = self.next_sequence;
        self.stamp(sequence).press(&mut batch);
        self.next_sequence = sequence_after(sequence, records);
        self.parcels.push_back(Parcel {
            ticket,
            place: self.next_place,
            batch: batch.into(),
            sequence,
            records,
            since: now,
            is_waiting: true,
            in_doubt: false,
        });
        self.next_place += 1;
    }

    /// The bytes of the batch that may be sent now, if one may.
    pub(super) fn ready(&self, now: Instant) -> Option<usize> {
        let is_open = matches!(self.flow, Flow::Open { from } if from <= now);
        let is_known = self.known_at.is_some_and(|at| now < at + REMEMBERED);
        let may_go = is_open && (is_known || self.under_way == 0);
        self.next().filter(|_| may_go).map(|at| self.parcels[at].batch.len())
    }

    /// The offset from which the partition is to be looked through now for batches that may be in it.
    pub(super) fn doubts(&self, now: Instant) -> Option<u64> {
        matches!(self.flow, Flow::Doubting { from, .. } if from <= now).then_some(self.doubt_from)
    }

    /// When there is something to do; `None` while answers are waited for, or when nothing is left.
    pub(super) fn opens_at(&self) -> Option<Instant> {
        match self.flow {
            Flow::Open { from } => self.next().map(|_| from),
            Flow::Doubting { from, .. } => Some(from),
            Flow::Settling { .. } => None,
        }
    }

    /// Takes the batch that [`Lane::ready`] has found: it is under way.
    pub(super) fn take(&mut self) -> Option<(u64, Bytes)> {
        let at = self.next()?;
        let parcel = &mut self.parcels[at];
        parcel.is_waiting = false;
        self.under_way += 1;
        Some((parcel.ticket, parcel.batch.clone()))
    }

    /// How many batches wait to be sent for the first time or again.
    pub(super) fn waiting(&self) -> usize {
        self.parcels.iter().filter(|parcel| parcel.is_waiting).count()
    }

    /// Whose the batches are, as the broker sees it.
    pub(super) fn identity(&self) -> Identity {
        self.identity
    }

    /// The bytes of a batch on its way.
    pub(super) fn bytes(&self, ticket: u64) -> Option<&Bytes> {
        self.parcels
            .iter()
            .find(|parcel| parcel.ticket == ticket)
            .map(|parcel| &parcel.batch)
    }

    /// Since when the first batch has been on its way.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.parcels.front().map(|parcel| parcel.since)
    }

    /// Whether any batch may be in the partition without our knowing.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.under_way > 0 || self.parcels.iter().any(|parcel| parcel.in_doubt)
    }

    /// Takes note of what became of a batch under way.
    pub(super) fn settle(&mut self, ticket: u64, fate: Fate, now: Instant) -> Standing {
        let Some(at) = self.parcels.iter().position(|parcel| parcel.ticket == ticket) else {
            return Standing::Going;
        };
        self.under_way -= 1;
        if let Fate::In { base_offset } = fate {
            self.is_in(at, base_offset);
            self.pauses = Pauses::new();
            self.known_at = Some(now);
        } else {
            let renumber = match (fate, self.flow) {
                // Behind another that is not in, a number out of order only says so again.
                (Fate::OutOfSequence, _) if at == 0 => Renumber::Yes,
                (_, Flow::Settling { renumber }) => renumber,
                _ => Renumber::No,
            };
            self.parcels[at].in_doubt |= fate == Fate::InDoubt;
            self.known_at = None;
            self.flow = Flow::Settling { renumber };
        }
        match self.flow {
            Flow::Settling { renumber } if self.under_way == 0 => self.send_again(renumber, now),
            _ => Standing::Going,
        }
    }

    /// Takes note of all batches of this identity that stand in the partition from [`Lane::doubts`] on; gives the
    /// tickets and offsets of those that were in doubt, or otherwise not known to be in.
    pub(super) fn look_up(&mut self, found: &[Found], now: Instant) -> (Vec<(u64, u64)>, Standing) {
        let mut tickets = Vec::new();
        for &Found { sequence, base_offset } in found {
            let place = self.parcels.iter().position(|parcel| parcel.sequence == sequence);
            let ticket = place.and_then(|at| self.is_in(at, base_offset));
            tickets.extend(ticket.map(|ticket| (ticket, base_offset)));
        }
        for parcel in &mut self.parcels {
            parcel.in_doubt = false;
        }
        let Flow::Doubting { renumber, .. } = self.flow else {
            return (tickets, Standing::Going);
        };
        (tickets, self.send_again(renumber, now))
    }

    /// The leader is another, or was perhaps started again: it may not know us.
    pub(super) fn meet_anew(&mut self) {
        self.known_at = None;
    }

    /// Nothing could be done: nobody leads the partition, or the leader cannot be reached.
    pub(super) fn postpone(&mut self, now: Instant) {
        if self.under_way == 0 {
            self.leader = None;
            let later = now + self.pauses.next();
            match &mut self.flow {
                Flow::Open { from } | Flow::Doubting { from, .. } => *from = later,
                Flow::Settling { .. } => {}
            }
        }
    }

    /// Numbers whatever is left anew, for another producer as the broker sees it.
    pub(super) fn renumber(&mut self, identity: Identity, now: Instant) {
        self.identity = identity;
        self.known_at = None;
        self.next_sequence = 0;
        for at in 0..self.parcels.len() {
            let stamp = self.stamp(self.next_sequence);
            let parcel = &mut self.parcels[at];
            let mut batch = Vec::from(std::mem::take(&mut parcel.batch));
            stamp.press(&mut batch);
            parcel.batch = batch.into();
            parcel.sequence = self.next_sequence;
            self.next_sequence = sequence_after(self.next_sequence, parcel.records);
        }
        self.open_after_pause(now);
    }

    fn stamp(&self, sequence: i32) -> Stamp {
        Stamp {
            identity: self.identity,
            sequence,
            visible: self.visible,
        }
    }

    fn next(&self) -> Option<usize> {
        let at = self.parcels.iter().position(|parcel| parcel.is_waiting)?;
        let is_known_again = self.parcels[at].place < self.parcels[0].place + UNDER_WAY_MAX;
        is_known_again.then_some(at)
    }

    /// Takes a parcel out that is in the partition, and gives its ticket.
    fn is_in(&mut self, at: usize, base_offset: u64) -> Option<u64> {
        let parcel = self.parcels.remove(at)?;
        // What stands before it may still be in doubt, and have a lower offset.
        if at == 0 {
            self.doubt_from = base_offset + u64::from(parcel.records);
        }
        Some(parcel.ticket)
    }

    /// With all answered after a failure, what is not in goes again.
    fn send_again(&mut self, renumber: Renumber, now: Instant) -> Standing {
        self.leader = None;
        for parcel in &mut self.parcels {
            parcel.is_waiting = true;
        }
        let is_in_doubt = self.parcels.iter().any(|parcel| parcel.in_doubt);
        if is_in_doubt && self.visible == Visible::AtOnce {
            let from = now + self.pauses.next();
            self.flow = Flow::Doubting { from, renumber };
            return Standing::Going;
        }
        match renumber {
            Renumber::Yes if !self.parcels.is_empty() => Standing::NeedsIdentity,
            _ => {
                self.open_after_pause(now);
                Standing::Going
            }
        }
    }

    fn open_after_pause(&mut self, now: Instant) {
        self.flow = Flow::Open {
            from: now + self.pauses.next(),
        };
    }
}

#[cfg(test)]
mod tests;
