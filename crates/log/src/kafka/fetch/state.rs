//! `State`: all that readers and fetching threads share, behind one lock.
//!
//! Here is what it consists of and what readers do with it; what threads do stands in `planning` and `arrival`. It never
//! waits for anything.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use kafka_protocol::messages::BrokerId;

use super::cursor::Cursor;
use super::partition::Partition;
use super::planning::Named;
use crate::kafka::connection::Breaker;
use crate::{Fetch, LogError, OffsetRange};

/// How much memory may be used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// For all that is fetched, and not read yet.
    pub(super) bytes_max: usize,
    /// For one partition in one answer.
    pub(super) partition_bytes_max: usize,
}

/// Shared by readers and threads.
pub(super) struct State {
    pub(super) limits: Limits,
    /// By the names that the log's user knows.
    pub(super) topics: HashMap<Arc<str>, Topic>,
    /// One for each broker that has a thread.
    pub(super) desks: HashMap<BrokerId, Desk>,
    /// Rises when a reader may find something new.
    pub(super) mark: u64,
    pub(super) is_closing: bool,
    /// Whether a thread would go on if there were more room.
    pub(super) wants_room: bool,
    /// Whether threads that wait should look again.
    pub(super) has_work: bool,
    /// How many requests were made.
    pub(super) plans: u64,
    /// How many answers were delivered.
    pub(super) answers: u64,
    next_cursor: u64,
}

/// A topic of which something is read.
pub(super) struct Topic {
    /// On the cluster.
    pub(super) name: Arc<str>,
    pub(super) partitions: BTreeMap<u32, Partition>,
}

/// A partition as it was found before the first fetch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) leader: BrokerId,
    pub(super) range: OffsetRange,
}

/// What one thread is at.
pub(super) struct Desk {
    pub(super) breaker: Option<Breaker>,
    /// The most that the answer under way can bring.
    pub(super) reserved: usize,
    /// Whether the broker may keep the request under way until something is appended.
    pub(super) is_waiting_there: bool,
    /// Whether its connection was broken off on purpose.
    pub(super) is_hung_up: bool,
    /// When somebody last subscribed to something here, or came back to it.
    pub(super) changed_at: Instant,
    /// When the last answer came.
    pub(super) answered_at: Instant,
}

impl Desk {
    fn new(now: Instant) -> Desk {
        Desk {
            breaker: None,
            reserved: 0,
            is_waiting_there: false,
            is_hung_up: false,
            changed_at: now,
            answered_at: now,
        }
    }
}

impl State {
    pub(super) fn new(limits: Limits) -> State {
        State {
            limits,
            topics: HashMap::new(),
            desks: HashMap::new(),
            mark: 1,
            is_closing: false,
            wants_room: false,
            has_work: false,
            plans: 0,
            answers: 0,
            next_cursor: 0,
        }
    }

    /// What is there for a reader at `from`; `None` when he has to subscribe first.
    pub(super) fn read(
        &mut self,
        topic: &str,
        partition: u32,
        from: u64,
        bytes_max: usize,
        now: Instant,
    ) -> Option<Result<Fetch, LogError>> {
        let partition = self.partition(topic, partition)?;
        let (leader, end_offset) = (partition.leader, partition.range.end);
        let cursor = partition.cursor_at(from)?;
        cursor.read_at = now;
        if cursor.is_lost() {
            let id = cursor.id;
            partition.remove(id);
            return None;
        }
        let error = cursor.take_error();
        if error.is_some() || cursor.is_asleep {
            cursor.is_asleep = false;
            cursor.is_eager = true;
            self.call(leader, now);
            return Some(error.map_or(Ok(nothing(from, end_offset)), Err));
        }
        let held = cursor.bytes();
        let batches = cursor.take(bytes_max);
        let next_offset = cursor.position();
        if cursor.bytes() < held && self.wants_room {
            self.wants_room = false;
            self.has_work = true;
        }
        Some(Ok(Fetch {
            batches,
            next_offset,
            end_offset: end_offset.max(next_offset),
        }))
    }

    /// From now on the partition is fetched from that offset on. Says whether its broker needs a thread.
    pub(super) fn subscribe(&mut self, of: &Named, place: Place, from: u64, now: Instant) -> bool {
        self.next_cursor += 1;
        let cursor = Cursor::new(self.next_cursor, from, now);
        let topic = self.topics.entry(Arc::clone(&of.topic)).or_insert_with(|| Topic {
            name: Arc::clone(&of.name),
            partitions: BTreeMap::new(),
        });
        let new = || Partition::new(place.leader, place.range);
        let partition = topic.partitions.entry(of.partition).or_insert_with(new);
        if partition.cursors.is_empty() {
            // What was known before may be of a topic that was deleted since.
            partition.range = place.range;
        }
        partition.add(cursor);
        let leader = partition.leader;
        self.call_or_open(leader, now)
    }

    /// The partition is fetched from that broker from now on. Says whether the broker needs a thread.
    pub(super) fn lead(&mut self, of: &Named, leader: BrokerId, now: Instant) -> bool {
        let Some(partition) = self.partition(&of.topic, of.partition) else {
            return false;
        };
        partition.leader = leader;
        partition.lost = None;
        self.call_or_open(leader, now)
    }

    /// Something is to be fetched from that broker. Says whether there is no thread to do so.
    fn call_or_open(&mut self, broker: BrokerId, now: Instant) -> bool {
        let is_new = !self.desks.contains_key(&broker);
        if is_new {
            self.desks.insert(broker, Desk::new(now));
        }
        self.call(broker, now);
        is_new
    }

    /// Nobody here reads the partition any more.
    pub(super) fn release(&mut self, topic: &str, partition: u32) {
        if let Some(topic) = self.topics.get_mut(topic) {
            topic.partitions.remove(&partition);
        }
        self.has_work = self.wants_room;
    }

    /// Something is to be fetched from that broker that is not asked for yet. A broker answers one request after the other,
    /// so if it keeps one until something is appended, the only way not to wait with it is to hang up.
    pub(super) fn call(&mut self, broker: BrokerId, now: Instant) {
        self.has_work = true;
        let Some(desk) = self.desks.get_mut(&broker) else {
            return;
        };
        desk.changed_at = now;
        if desk.is_waiting_there && !desk.is_hung_up {
            desk.is_hung_up = true;
            if let Some(breaker) = &desk.breaker {
                breaker.hang_up();
            }
        }
    }

    /// The partition, if anybody still reads it.
    pub(super) fn partition(&mut self, topic: &str, partition: u32) -> Option<&mut Partition> {
        self.topics.get_mut(topic)?.partitions.get_mut(&partition)
    }

    /// All partitions that somebody reads.
    pub(super) fn partitions_mut(&mut self) -> impl Iterator<Item = &mut Partition> {
        self.topics.values_mut().flat_map(|topic| topic.partitions.values_mut())
    }
}

/// What a reader gets while nothing is there.
pub(super) fn nothing(from: u64, end_offset: u64) -> Fetch {
    Fetch {
        batches: Vec::new(),
        next_offset: from,
        end_offset: end_offset.max(from),
    }
}
