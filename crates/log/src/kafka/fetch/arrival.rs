//! `Arrival`: what an answer brought of one partition, on its way to the cursors that want it.
//!
//! It goes in two steps, with the next request between them: [`State::advance`] says where that one starts, and
//! [`State::deliver`] hands over what was checked meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::BrokerId;

use super::aborted::Aborted;
use super::answer::Part;
use super::buffers::Records;
use super::cursor::Expected;
use super::hop::{Damage, Hop, hop};
use super::planning::{Asked, Plan};
use super::state::State;
use crate::kafka::failure::{Failure, Subject};
use crate::{LogError, OffsetRange};

/// Between two questions for a leader.
const LEADER_PAUSE: Duration = Duration::from_millis(100);

/// What came of one partition.
pub(super) struct Arrival {
    asked: Asked,
    start_offset: Option<u64>,
    end_offset: Option<u64>,
    outcome: Outcome,
    /// Whether the answer brought records, of whatever partition.
    is_among_others: bool,
    /// Who gets it.
    expected: Vec<Expected>,
}

enum Outcome {
    /// Nothing, for now.
    Empty,
    Records(Hop, Arc<Records>),
    /// The broker has no such offset.
    OutOfRange,
    /// Another broker leads the partition, or this one cannot serve it now.
    Elsewhere,
    /// It cannot be read.
    Failed(LogError),
}

impl Arrival {
    /// `error` makes a failure one for the reader.
    pub(super) fn new(part: Part, plan: &Plan, error: impl Fn(Failure) -> LogError) -> Arrival {
        let asked = plan.asked[part.asked].clone();
        Arrival {
            start_offset: u64::try_from(part.start_offset).ok(),
            end_offset: u64::try_from(part.end_offset).ok(),
            outcome: outcome(part, &asked, error),
            asked,
            is_among_others: false,
            expected: Vec::new(),
        }
    }

    /// Sums up what came.
    pub(super) fn check(&mut self) {
        if let Outcome::Records(hop, records) = &mut self.outcome {
            hop.check((**records).as_ref());
        }
    }
}

fn outcome(part: Part, asked: &Asked, error: impl Fn(Failure) -> LogError) -> Outcome {
    use ResponseError as Code;
    match ResponseError::try_from_code(part.code) {
        None => match part.records {
            Some(records) => {
                let hop = hop(records.as_ref(), asked.from, &mut Aborted::new(part.aborted));
                Outcome::Records(hop, Arc::new(records))
            }
            None => Outcome::Empty,
        },
        Some(Code::OffsetOutOfRange) => Outcome::OutOfRange,
        // What the broker has on its disk is damaged: asking again does not mend it.
        Some(code) if code != Code::CorruptMessage && (code.is_retriable() || code == Code::UnknownServerError) => {
            Outcome::Elsewhere
        }
        Some(code) => {
            let what = Subject::Partition(asked.of.name.to_string(), asked.of.partition);
            Outcome::Failed(error(Failure::Refused { code, what }))
        }
    }
}

impl State {
    /// An answer came: from now on the next request may be made, which starts behind it.
    pub(super) fn advance(&mut self, broker: BrokerId, plan: &Plan, arrivals: &mut [Arrival], now: Instant) {
        self.set_down(broker, now);
        for Asked { of, .. } in &plan.asked {
            if let Some(partition) = self.partition(&of.topic, of.partition) {
                partition.is_under_way = false;
            }
        }
        let has_records = arrivals
            .iter()
            .any(|arrival| matches!(arrival.outcome, Outcome::Records(..)));
        for arrival in arrivals {
            arrival.is_among_others = has_records;
            let Outcome::Records(hop, records) = &arrival.outcome else {
                continue;
            };
            let Asked {
                of, cursor: id, from, ..
            } = &arrival.asked;
            let bytes = if hop.batches.is_empty() {
                0
            } else {
                records.memory_bytes()
            };
            let Some(partition) = self
                .topics
                .get_mut(&of.topic)
                .and_then(|topic| topic.partitions.get_mut(&of.partition))
            else {
                continue;
            };
            for cursor in &mut partition.cursors {
                // Others may have been waiting for the same; those that are full get it when they have room.
                if cursor.id == *id || cursor.is_ready(plan.partition_bytes_max) {
                    arrival.expected.extend(cursor.expect(*from, hop.next_offset, bytes));
                }
            }
        }
    }

    /// Nothing is under way to that broker any more.
    fn set_down(&mut self, broker: BrokerId, now: Instant) {
        if let Some(desk) = self.desks.get_mut(&broker) {
            desk.reserved = 0;
            desk.is_waiting_there = false;
            desk.answered_at = now;
        }
    }

    /// Hands over what was checked. Says whether a reader may find something new.
    pub(super) fn deliver(&mut self, arrivals: Vec<Arrival>, now: Instant) -> bool {
        self.answers += 1;
        let mut is_news = false;
        for arrival in arrivals {
            is_news |= self.deliver_one(arrival, now);
        }
        self.mark += u64::from(is_news);
        is_news
    }

    fn deliver_one(&mut self, arrival: Arrival, now: Instant) -> bool {
        let answers = self.answers;
        let Asked { of, cursor: id, .. } = &arrival.asked;
        let Some(partition) = self.partition(&of.topic, of.partition) else {
            return false;
        };
        let OffsetRange { start, end } = partition.range;
        partition.range = OffsetRange {
            start: arrival.start_offset.unwrap_or(start),
            // An answer that was under way while we appended knows less than we.
            end: arrival.end_offset.map_or(end, |heard| heard.max(end)),
        };
        let end_offset = partition.range.end;
        let mut is_news = false;
        let asked = partition.cursors.iter_mut().find(|cursor| cursor.id == *id);
        match (&arrival.outcome, asked) {
            (Outcome::Elsewhere, _) => partition.lost = Some(now + LEADER_PAUSE),
            (Outcome::Empty, Some(cursor)) => {
                // It may only have found the answer full. The end as this answer has it counts: what we have appended may
                // have to wait behind somebody's open transaction, and would be asked for all the time.
                let has_more = arrival.end_offset.is_some_and(|heard| cursor.fetch_from < heard);
                cursor.is_eager = arrival.is_among_others && has_more;
                is_news |= cursor.see_end(end_offset);
            }
            (Outcome::OutOfRange, Some(cursor)) => {
                cursor.is_out_of_range = true;
                is_news = true;
            }
            (Outcome::Failed(error), Some(cursor)) => {
                cursor.fail(error.clone());
                is_news = true;
            }
            _ => {}
        }
        let Outcome::Records(hop, records) = &arrival.outcome else {
            return is_news;
        };
        for cursor in &mut partition.cursors {
            let Some(expected) = arrival.expected.iter().find(|expected| cursor.is_expecting(expected)) else {
                continue;
            };
            // A record set of less than a batch is no sign of the end: its cursor will be asked for first.
            cursor.is_eager = true;
            if cursor.deliver(expected, records, &hop.batches, hop.next_offset) {
                cursor.served = answers;
                is_news = true;
            }
            is_news |= cursor.see_end(end_offset);
            if let Some(damage) = &hop.damage {
                cursor.fail(damaged(&arrival.asked, damage));
                is_news = true;
            }
        }
        is_news
    }

    /// The connection to a broker was lost, or refused, with `error` if trying again does not help: whoever leads its
    /// partitions then is to be found after `pause`. Says whether it had been broken off on purpose: then nothing is wrong.
    pub(super) fn give_up(
        &mut self,
        broker: BrokerId,
        error: Option<&LogError>,
        pause: Duration,
        now: Instant,
    ) -> bool {
        self.set_down(broker, now);
        let is_hung_up = self.desks.get_mut(&broker).is_some_and(|desk| {
            desk.breaker = None;
            std::mem::take(&mut desk.is_hung_up)
        });
        for partition in self.partitions_mut().filter(|partition| partition.leader == broker) {
            partition.is_under_way = false;
            if !is_hung_up {
                partition.lost = Some(now + pause);
            }
            if let Some(error) = error.filter(|_| !is_hung_up) {
                partition
                    .cursors
                    .iter_mut()
                    .for_each(|cursor| cursor.fail(error.clone()));
            }
        }
        self.mark += u64::from(error.is_some());
        is_hung_up
    }
}

fn damaged(asked: &Asked, damage: &Damage) -> LogError {
    LogError::Damaged {
        topic: asked.of.topic.to_string(),
        partition: asked.of.partition,
        offset: damage.offset,
        source: damage.error.clone(),
    }
}
