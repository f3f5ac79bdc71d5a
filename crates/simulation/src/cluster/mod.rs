//! A simulated cluster: what Kafka's brokers and coordinators keep, and how they answer a request.
//!
//! Every method is one request and is done at once; delays, losses and repetitions happen on the way to it, in `client`. It
//! models what exactly-once rests on: transactions with ids and epochs, offsets that a transaction commits, markers that
//! arrive at one partition after another, groups that know their members. It knows no engine.
//!
//! # Constraints
//!
//! - Time comes with every call and moves only forward; nothing happens between calls ([`Cluster::tick`] is told).
//! - What a [`Bug`] changes is changed here and in the client alone, so that everything else is the same program.

mod group;
mod offsets;
mod partition;
mod producer;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use hw_log::{Commit, Fetch, LogError, OffsetRange, Topic, TopicOptions};

use crate::Bug;
pub(crate) use group::{Group, Held};
pub(crate) use offsets::Offsets;
pub(crate) use partition::Partition;
pub(crate) use producer::{Producer, Refused};

/// A partition's name.
pub(crate) type Place = (String, u32);

/// Times of the cluster, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// A member that is not heard of for so long is out.
    pub(crate) session_ms: i64,
    /// A transaction that is open for so long is aborted.
    pub(crate) transaction_ms: i64,
}

/// Everything that the brokers keep.
pub(crate) struct Cluster {
    pub(crate) times: Times,
    pub(crate) bug: Option<Bug>,
    topics: BTreeMap<String, (TopicOptions, Vec<Partition>)>,
    /// By transactional id.
    producers: BTreeMap<String, Producer>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) offsets: Offsets,
    schemas: Vec<(String, String)>,
    transactions: u64,
    /// Where readers were told that a partition ends.
    ends_told: BTreeMap<Place, BTreeSet<u64>>,
    /// Markers on their way, each with the time when it arrives.
    markers: Vec<(i64, Marker)>,
}

/// The end of a transaction, as one of the places it touched gets to know of it.
#[derive(Debug, Clone)]
struct Marker {
    transactional_id: String,
    transaction: u64,
    is_commit: bool,
    target: Target,
}

#[derive(Debug, Clone)]
enum Target {
    Partition(Place),
    /// The offsets of a group.
    Group(String),
}

impl Cluster {
    pub(crate) fn new(times: Times, bug: Option<Bug>) -> Cluster {
        Cluster {
            times,
            bug,
            topics: BTreeMap::new(),
            producers: BTreeMap::new(),
            groups: BTreeMap::new(),
            offsets: Offsets::default(),
            schemas: Vec::new(),
            transactions: 0,
            ends_told: BTreeMap::new(),
            markers: Vec::new(),
        }
    }

    /// Whether the planted bug is this one.
    pub(crate) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    pub(crate) fn create_topic(&mut self, name: &str, wanted: &TopicOptions) -> Result<(), LogError> {
        match self.topics.get(name) {
            Some((existing, _)) if existing == wanted => Ok(()),
            Some((existing, _)) => Err(LogError::TopicDiffers {
                topic: name.into(),
                existing: *existing,
                wanted: *wanted,
            }),
            None => {
                let partitions = (0..wanted.partitions).map(|_| Partition::default()).collect();
                self.topics.insert(name.into(), (*wanted, partitions));
                Ok(())
            }
        }
    }

    pub(crate) fn topics(&self) -> Vec<Topic> {
        let topic = |(name, (options, _)): (&String, &(TopicOptions, Vec<Partition>))| Topic {
            name: name.clone(),
            options: *options,
        };
        self.topics.iter().map(topic).collect()
    }

    pub(crate) fn topic(&self, name: &str) -> Result<&(TopicOptions, Vec<Partition>), LogError> {
        self.topics
            .get(name)
            .ok_or_else(|| LogError::UnknownTopic { topic: name.into() })
    }

    pub(crate) fn partition(&self, topic: &str, partition: u32) -> Result<&Partition, LogError> {
        let (options, partitions) = self.topic(topic)?;
        partitions
            .get(partition as usize)
            .ok_or_else(|| LogError::UnknownPartition {
                topic: topic.into(),
                partition,
                partitions: options.partitions,
            })
    }

    fn partition_mut(&mut self, (topic, partition): &Place) -> Option<&mut Partition> {
        self.topics.get_mut(topic)?.1.get_mut(*partition as usize)
    }

    /// First and next offset of every partition. The next offset lies behind transactions that are not decided for a reader
    /// yet: a transaction that was decided elsewhere may be among them.
    pub(crate) fn ranges(&self, topic: &str) -> Result<Vec<OffsetRange>, LogError> {
        let is_early = self.has(Bug::EarlyEnds);
        let range = |partition: &Partition| OffsetRange {
            start: 0,
            end: if is_early {
                partition.stable_end()
            } else {
                partition.next_offset()
            },
        };
        Ok(self.topic(topic)?.1.iter().map(range).collect())
    }

    /// Committed data from an offset on, at most so many batches.
    pub(crate) fn fetch(&self, topic: &str, partition: u32, from: u64, batches: usize) -> Result<Fetch, LogError> {
        let found = self.partition(topic, partition)?;
        if from > found.next_offset() {
            return Err(LogError::OffsetOutOfRange {
                topic: topic.into(),
                partition,
                offset: from,
                start: 0,
                end: found.next_offset(),
            });
        }
        Ok(found.read(from, batches))
    }

    /// A reader is told that the partition ends there.
    pub(crate) fn tell_end(&mut self, place: &Place, offset: u64) {
        self.ends_told.entry(place.clone()).or_default().insert(offset);
    }

    /// Whether any reader was told that the partition ends at one of these offsets.
    pub(crate) fn has_told_end(&self, place: &Place, offsets: Range<u64>) -> bool {
        let told = self.ends_told.get(place);
        told.is_some_and(|told| told.iter().any(|offset| offsets.contains(offset)))
    }

    /// Appends outside of any transaction.
    pub(crate) fn append(&mut self, place: &Place, batch: &[u8]) -> Option<u64> {
        Some(self.partition_mut(place)?.append(batch, None))
    }

    pub(crate) fn register(&mut self, subject: &str, json: &str) -> u32 {
        let schema = (subject.to_owned(), json.to_owned());
        let known = self.schemas.iter().position(|known| *known == schema);
        let index = known.unwrap_or_else(|| {
            self.schemas.push(schema);
            self.schemas.len() - 1
        });
        index as u32 + 1
    }

    pub(crate) fn schema(&self, id: u32) -> Option<String> {
        let (_, json) = self.schemas.get((id as usize).checked_sub(1)?)?;
        Some(json.clone())
    }

    /// Time has passed: sessions and transactions may have ended, markers may have arrived.
    pub(crate) fn tick(&mut self, now_ms: i64) {
        for group in self.groups.values_mut() {
            group.expire(now_ms, self.times.session_ms);
        }
        self.abort_overdue(now_ms);
        let (due, left) = std::mem::take(&mut self.markers)
            .into_iter()
            .partition(|(due_ms, _)| *due_ms <= now_ms);
        self.markers = left;
        let due: Vec<(i64, Marker)> = due;
        for (_, marker) in due {
            self.mark(now_ms, &marker);
        }
    }

    fn mark(&mut self, now_ms: i64, marker: &Marker) {
        match &marker.target {
            Target::Partition(place) => {
                if let Some(partition) = self.partition_mut(place) {
                    partition.end(marker.transaction, marker.is_commit);
                }
            }
            Target::Group(group) => self.offsets.end(now_ms, group, marker.transaction, marker.is_commit),
        }
    }

    /// When something happens by itself next.
    pub(crate) fn next_event_ms(&self) -> Option<i64> {
        self.markers.iter().map(|(due_ms, _)| *due_ms).min()
    }

    /// The commits of a group that are in force, and the places whose next one is not decided yet.
    pub(crate) fn committed(&self, group: &str) -> (Vec<Commit>, Vec<Place>) {
        (self.offsets.of(group), self.offsets.undecided(group))
    }
}
