//! What becomes of batches by the brokers' answers.
//!
//! It sends nothing.

use std::collections::HashMap;
use std::time::Instant;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{BrokerId, ProduceResponse};

use super::lane::{Fate, Found, Lane, Standing};
use super::link::Waybill;
use super::{Courier, Strain, refusal};
use crate::LogError;
use crate::kafka::failure::{Failure, Subject};
use crate::kafka::produce::identity;
use crate::kafka::produce::stamp::Visible;
use crate::kafka::produce::trouble;
use crate::kafka::produce::verdict::{self, Verdict};

impl Courier {
    /// Waits for the oldest answer of a broker.
    pub(super) fn receive(&mut self, broker: BrokerId) -> Result<(), LogError> {
        let Some((parcels, answer)) = self.links.get_mut(&broker).and_then(|link| link.receive()) else {
            return Ok(());
        };
        match answer {
            Ok(answer) => self.settle_all(&parcels, &answer),
            Err(failure) => self.lost(broker, parcels, failure),
        }
    }

    /// The connection is of no use any more: what was under way on it may be in or not.
    pub(super) fn lost(&mut self, broker: BrokerId, parcels: Vec<Waybill>, failure: Failure) -> Result<(), LogError> {
        self.strain = Strain::LostRequests;
        self.cluster.forget_what_is_stale(&failure);
        let rest = self.links.remove(&broker).into_iter().flat_map(|link| link.into_lost());
        for waybill in parcels.into_iter().chain(rest) {
            self.settle(waybill, Fate::InDoubt)?;
        }
        self.go_on_after(failure)
    }

    /// Whether to go on after something that may pass: not when it never will, or has lasted for too long.
    pub(super) fn go_on_after(&mut self, failure: Failure) -> Result<(), LogError> {
        let may_pass = match failure.code() {
            Some(code) => verdict::of_append(code) == Verdict::Again,
            None => failure.is_retriable(),
        };
        if may_pass {
            self.be_patient(failure)
        } else {
            Err(self.error(failure))
        }
    }

    /// An error once a batch has been on its way for too long.
    fn be_patient(&self, failure: Failure) -> Result<(), LogError> {
        let oldest = self.lanes.iter().filter_map(Lane::waits_since).min();
        if oldest.is_some_and(|since| since.elapsed() > self.patience) {
            return Err(self.error(failure));
        }
        Ok(())
    }

    fn settle_all(&mut self, parcels: &[Waybill], answer: &ProduceResponse) -> Result<(), LogError> {
        let mut sent: HashMap<usize, u64> = parcels.iter().map(|parcel| (parcel.lane, parcel.ticket)).collect();
        for topic in &answer.responses {
            for partition in &topic.partition_responses {
                let lanes = self.lanes_of.get(topic.name.as_str());
                let lane = lanes.and_then(|lanes| *lanes.get(usize::try_from(partition.index).ok()?)?);
                if let Some((lane, ticket)) = lane.and_then(|lane| sent.remove_entry(&lane)) {
                    self.settle_answered(Waybill { lane, ticket }, partition)?;
                }
            }
        }
        // A broker that says nothing about a batch has not said that it refused it.
        for (lane, ticket) in sent {
            self.settle(Waybill { lane, ticket }, Fate::InDoubt)?;
        }
        Ok(())
    }

    fn settle_answered(&mut self, waybill: Waybill, answer: &PartitionProduceResponse) -> Result<(), LogError> {
        let code = match ResponseError::try_from_code(answer.error_code) {
            // Both say that it is in: the second, that it has been for longer than we thought.
            None | Some(ResponseError::DuplicateSequenceNumber) => return self.settle_in(waybill, answer.base_offset),
            Some(code) => code,
        };
        let lane = &self.lanes[waybill.lane];
        let batch = lane.bytes(waybill.ticket).cloned().unwrap_or_default();
        let failure = Failure::Refused {
            code,
            what: Subject::Partition(lane.topic.clone(), lane.partition),
        };
        let verdict = match self.visible {
            Visible::AtOnce => verdict::of_append(code),
            Visible::WhenCommitted => verdict::of_transactional_append(code),
        };
        match verdict {
            Verdict::Again if !refusal::is_damaged(&batch, code) => {
                self.cluster.forget_what_is_stale(&failure);
                self.settle(waybill, if leaves_open(code) { Fate::InDoubt } else { Fate::NotNow })?;
                self.go_on_after(failure)
            }
            Verdict::OutOfSequence => {
                self.settle(waybill, Fate::OutOfSequence)?;
                self.be_patient(failure)
            }
            Verdict::Fenced => Err(LogError::Fenced {
                who: self.who(),
                reason: code.to_string(),
            }),
            Verdict::Again | Verdict::Refused => Err(refusal::error(&self.cluster, failure, &batch, answer)),
        }
    }

    fn settle_in(&mut self, waybill: Waybill, base_offset: i64) -> Result<(), LogError> {
        let Ok(base_offset) = u64::try_from(base_offset) else {
            let lane = &self.lanes[waybill.lane];
            return Err(self.error(Failure::Refused {
                code: ResponseError::DuplicateSequenceNumber,
                what: Subject::Partition(lane.topic.clone(), lane.partition),
            }));
        };
        self.acknowledge(waybill.ticket, base_offset);
        self.settle(waybill, Fate::In { base_offset })
    }

    fn acknowledge(&mut self, ticket: u64, base_offset: u64) {
        let place = ticket.checked_sub(self.first_ticket);
        if let Some(ticket) = place.and_then(|place| self.tickets.get_mut(place as usize)) {
            self.bytes_under_way -= ticket.bytes;
            ticket.base_offset = Some(base_offset);
        }
    }

    /// Takes note of our batches that were found in a partition.
    pub(super) fn look_up(&mut self, lane: usize, found: &[Found]) -> Result<(), LogError> {
        let (tickets, standing) = self.lanes[lane].look_up(found, Instant::now());
        for (ticket, base_offset) in tickets {
            self.acknowledge(ticket, base_offset);
        }
        self.go_on(lane, standing)
    }

    fn settle(&mut self, waybill: Waybill, fate: Fate) -> Result<(), LogError> {
        let now = Instant::now();
        let standing = self.lanes[waybill.lane].settle(waybill.ticket, fate, now);
        self.go_on(waybill.lane, standing)
    }

    fn go_on(&mut self, lane: usize, standing: Standing) -> Result<(), LogError> {
        match standing {
            Standing::Going => Ok(()),
            Standing::NeedsIdentity => self.renumber(lane),
        }
    }

    /// The broker has lost what it knew of us: for it we are another from now on. Within a transaction there is no
    /// going on, for its identity is the transaction's.
    fn renumber(&mut self, lane: usize) -> Result<(), LogError> {
        let lane = &mut self.lanes[lane];
        if self.visible == Visible::WhenCommitted {
            let failure = Failure::Refused {
                code: ResponseError::OutOfOrderSequenceNumber,
                what: Subject::Partition(lane.topic.clone(), lane.partition),
            };
            return Err(trouble::error(&self.cluster, failure));
        }
        let identity = identity::without_transactions(&self.cluster, Instant::now() + self.patience);
        let identity = identity.map_err(|failure| trouble::error(&self.cluster, failure))?;
        lane.renumber(identity, Instant::now());
        Ok(())
    }
}

/// Whether a batch may be in although the broker says that it failed.
fn leaves_open(code: ResponseError) -> bool {
    matches!(
        code,
        ResponseError::RequestTimedOut | ResponseError::NetworkException | ResponseError::NotEnoughReplicasAfterAppend
    )
}
