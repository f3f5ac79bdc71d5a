//! What a thread does next: the choice of the next request.
//!
//! It sends nothing.
//!
//! # The rules
//!
//! - Whoever waits longest for data comes first, so that nobody starves: a broker fills an answer in the order of the
//!   request until it is full.
//! - A cursor that holds its share is left out. If all memory is taken, what was not read for [`STALE`] is given up.
//! - The broker may keep a request until something is appended only if that keeps nobody waiting. While somebody is left
//!   out, and for a while after somebody has subscribed, it is asked for what there is; and if that was nothing, the
//!   thread waits a moment here, where it can be woken.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::messages::BrokerId;

use super::state::State;

/// A cursor that was not read for so long is not waited for, and its memory may be taken.
const STALE: Duration = Duration::from_secs(1);
/// A cursor that was not read for so long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(30);
/// How long after a subscription more are expected.
const UNSETTLED: Duration = Duration::from_secs(1);
/// Between two requests of which the first brought nothing, while the broker is not to wait.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a thread without anything to do waits before it looks again whether it is needed.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// A thread whose broker leads nothing any more ends after this.
const UNNEEDED: Duration = Duration::from_secs(10);

/// What a thread is to do.
#[derive(Debug)]
pub(super) enum Next {
    /// Something is to be asked, and there is no connection.
    Connect,
    Ask(Plan),
    /// Somebody else leads these now, or soon.
    FindLeaders(Vec<Named>),
    /// Until then, or until it is woken.
    Wait(Duration),
    Leave,
}

/// A partition by all its names.
#[derive(Debug, Clone)]
pub(super) struct Named {
    /// The topic as the log's user calls it.
    pub(super) topic: Arc<str>,
    /// The topic as the cluster calls it.
    pub(super) name: Arc<str>,
    pub(super) partition: u32,
}

/// One request.
#[derive(Debug)]
pub(super) struct Plan {
    /// In this order.
    pub(super) asked: Vec<Asked>,
    /// The most that is to come, but for one batch.
    pub(super) bytes_max: usize,
    /// Of one partition.
    pub(super) partition_bytes_max: usize,
    /// Whether the broker may keep it until there is something.
    pub(super) may_wait: bool,
}

/// One partition in a request.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) of: Named,
    /// For whom.
    pub(super) cursor: u64,
    pub(super) from: u64,
    served: u64,
    /// Whether anything can be expected of the partition at once.
    is_eager: bool,
}

/// What a look at all partitions of a broker shows.
struct Look {
    asked: Vec<Asked>,
    /// Whether somebody is left out who reads.
    leaves_out: bool,
    /// Partitions that it leads, or led.
    led: usize,
    /// Those whose leader is to be found now.
    lost: Vec<Named>,
    /// When the next leader is to be found.
    lost_at: Option<Instant>,
}

impl State {
    pub(super) fn next(&mut self, broker: BrokerId, now: Instant) -> Next {
        self.forget_unread(now);
        let look = self.look(broker, now);
        if !look.lost.is_empty() {
            return Next::FindLeaders(look.lost);
        }
        let Some(desk) = self.desks.get(&broker) else {
            return Next::Leave;
        };
        let (changed_at, answered_at, is_connected) = (desk.changed_at, desk.answered_at, desk.breaker.is_some());
        if look.led == 0 && now.duration_since(changed_at) > UNNEEDED {
            self.desks.remove(&broker);
            return Next::Leave;
        }
        let until = |at: Instant| at.saturating_duration_since(now);
        let quiet = look.lost_at.map_or(LOOK_AGAIN, |at| until(at).min(LOOK_AGAIN));
        let (answer_bytes, share) = self.answer_bytes();
        if look.asked.is_empty() || !self.has_room(share, now) {
            self.wants_room = true;
            return Next::Wait(quiet);
        }
        if !is_connected {
            return Next::Connect;
        }
        let may_wait = !look.leaves_out && now.duration_since(changed_at) >= UNSETTLED;
        let pause = until(answered_at + PAUSE);
        let is_eager = look.asked.iter().any(|asked| asked.is_eager);
        if !is_eager && !may_wait && !pause.is_zero() {
            self.wants_room = true;
            return Next::Wait(pause.min(quiet));
        }
        let bytes_max = answer_bytes.min(self.room());
        Next::Ask(self.plan(broker, look.asked, bytes_max, share, may_wait))
    }

    fn plan(
        &mut self,
        broker: BrokerId,
        mut asked: Vec<Asked>,
        bytes_max: usize,
        partition_bytes_max: usize,
        may_wait: bool,
    ) -> Plan {
        asked.sort_by_key(|asked| asked.served);
        self.plans += 1;
        let plans = self.plans;
        for Asked { of, cursor, .. } in &asked {
            if let Some(partition) = self.partition(&of.topic, of.partition) {
                partition.is_under_way = true;
                let cursor = partition.cursors.iter_mut().find(|each| each.id == *cursor);
                cursor.into_iter().for_each(|cursor| cursor.asked = plans);
            }
        }
        if let Some(desk) = self.desks.get_mut(&broker) {
            desk.reserved = bytes_max;
            desk.is_waiting_there = may_wait;
        }
        Plan {
            asked,
            bytes_max,
            partition_bytes_max,
            may_wait,
        }
    }

    fn look(&self, broker: BrokerId, now: Instant) -> Look {
        let mut look = Look {
            asked: Vec::new(),
            leaves_out: false,
            led: 0,
            lost: Vec::new(),
            lost_at: None,
        };
        let (_, share) = self.answer_bytes();
        let since = now.checked_sub(STALE).unwrap_or(now);
        for (topic, found) in &self.topics {
            for (number, partition) in found
                .partitions
                .iter()
                .filter(|(_, partition)| partition.leader == broker)
            {
                look.led += 1;
                let of = || Named {
                    topic: Arc::clone(topic),
                    name: Arc::clone(&found.name),
                    partition: *number,
                };
                if let Some(at) = partition.lost {
                    if at <= now {
                        look.lost.push(of());
                    }
                    look.lost_at = Some(look.lost_at.map_or(at, |earlier| earlier.min(at)));
                    continue;
                }
                let next = partition.next_cursor(share).filter(|_| !partition.is_under_way);
                look.leaves_out |= partition.leaves_out(next, share, since);
                look.asked.extend(next.map(|cursor| Asked {
                    of: of(),
                    cursor: cursor.id,
                    from: cursor.fetch_from,
                    served: cursor.served,
                    is_eager: partition.is_eager(share),
                }));
            }
        }
        look
    }

    /// How much one answer may bring, and how much of it one partition. A quarter of all memory for each answer leaves
    /// room for the next one while earlier ones are read; with many brokers their answers together get a half.
    fn answer_bytes(&self) -> (usize, usize) {
        let answer = (self.limits.bytes_max / (2 * self.desks.len()).max(4)).max(1);
        (answer, self.limits.partition_bytes_max.min(answer))
    }

    /// How much may still be fetched.
    fn room(&self) -> usize {
        let partitions = self.topics.values().flat_map(|topic| topic.partitions.values());
        let held: usize = partitions
            .flat_map(|partition| &partition.cursors)
            .map(|cursor| cursor.bytes())
            .sum();
        let reserved: usize = self.desks.values().map(|desk| desk.reserved).sum();
        self.limits.bytes_max.saturating_sub(held + reserved)
    }

    /// Whether so much may still be fetched, perhaps after those gave way who do not read.
    fn has_room(&mut self, bytes: usize, now: Instant) -> bool {
        let mut room = self.room();
        if room >= bytes {
            return true;
        }
        let all = self.partitions_mut().flat_map(|partition| &mut partition.cursors);
        let mut stale: Vec<_> = all
            .filter(|cursor| cursor.bytes() > 0 && now.duration_since(cursor.read_at) > STALE)
            .collect();
        stale.sort_by_key(|cursor| cursor.read_at);
        for cursor in stale {
            room += cursor.bytes();
            cursor.put_to_sleep();
            if room >= bytes {
                return true;
            }
        }
        false
    }

    fn forget_unread(&mut self, now: Instant) {
        for partition in self.partitions_mut() {
            partition
                .cursors
                .retain(|cursor| now.duration_since(cursor.read_at) < FORGOTTEN);
        }
        for topic in self.topics.values_mut() {
            topic.partitions.retain(|_, partition| !partition.cursors.is_empty());
        }
    }
}
