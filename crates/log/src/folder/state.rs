//! What the holder of a folder keeps in memory: topics, where each partition starts and ends, commits and schemas.
//!
//! It does not write. Everything here is read from the store when the folder is opened, and changed under one lock after
//! the store has taken the change: that lock is what makes a transaction appear as a whole.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::keys::{self, PartitionId, kind};
use super::store::Keyspaces;
use crate::batch::BatchHeader;
use crate::{Commit, LogError, Topic, TopicOptions};

#[derive(Default)]
pub(super) struct State {
    pub(super) topics: BTreeMap<String, TopicState>,
    /// By group, then topic and partition.
    pub(super) commits: BTreeMap<String, BTreeMap<(String, u32), Position>>,
    /// Ids count from 1.
    pub(super) schemas: BTreeMap<u32, Schema>,
    pub(super) schema_ids: HashMap<Schema, u32>,
    /// Changes with every transaction; what waiting readers watch.
    pub(super) mark: u64,
    /// Set when the folder is given up, so that nobody waits any longer.
    pub(super) is_closing: bool,
}

pub(super) struct TopicState {
    pub(super) id: u32,
    pub(super) options: TopicOptions,
    pub(super) partitions: Vec<PartitionState>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct PartitionState {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Greatest timestamp of all batches ever appended; `i64::MIN` before the first.
    pub(super) max_timestamp_ms: i64,
}

pub(super) struct Position {
    pub(super) offset: u64,
    pub(super) metadata: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Schema {
    pub(super) subject: String,
    pub(super) json: String,
}

/// A topic as the store keeps it, under its name.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredTopic {
    pub(super) id: u32,
    pub(super) options: TopicOptions,
}

impl State {
    pub(super) fn load(keyspaces: &Keyspaces) -> Result<State, LogError> {
        // Marks start at 1: 0 stands for "now" when waiting.
        let mut state = State {
            mark: 1,
            ..State::default()
        };
        for guard in keyspaces.meta.iter() {
            let (key, value) = guard.into_inner().map_err(|error| keyspaces.failed(error))?;
            match key.first() {
                Some(&kind::TOPIC) => {
                    let name = String::from_utf8_lossy(&key[1..]).into_owned();
                    let stored: StoredTopic = parse(keyspaces, &value)?;
                    state.topics.insert(name, load_topic(keyspaces, stored)?);
                }
                Some(&kind::SCHEMA) => {
                    let id = key.last_chunk().map_or(0, |id| u32::from_be_bytes(*id));
                    state.add_schema(id, parse(keyspaces, &value)?);
                }
                Some(&kind::COMMIT) => {
                    let Some(((group, topic, partition), (offset, metadata))) =
                        keys::parse_commit(&key).zip(value.split_first_chunk())
                    else {
                        return Err(keyspaces.broken("a commit that cannot be read"));
                    };
                    let position = Position {
                        offset: u64::from_be_bytes(*offset),
                        metadata: metadata.to_vec(),
                    };
                    state
                        .commits
                        .entry(group)
                        .or_default()
                        .insert((topic, partition), position);
                }
                _ => {}
            }
        }
        Ok(state)
    }

    pub(super) fn topic(&self, name: &str) -> Result<&TopicState, LogError> {
        self.topics
            .get(name)
            .ok_or_else(|| LogError::UnknownTopic { topic: name.into() })
    }

    pub(super) fn partition(&self, topic: &str, partition: u32) -> Result<(PartitionId, PartitionState), LogError> {
        let state = self.topic(topic)?;
        match state.partitions.get(partition as usize) {
            Some(&found) => Ok((
                PartitionId {
                    topic: state.id,
                    partition,
                },
                found,
            )),
            None => Err(LogError::UnknownPartition {
                topic: topic.into(),
                partition,
                partitions: state.options.partitions,
            }),
        }
    }

    /// For a partition that was looked up before: topics are never removed.
    pub(super) fn partition_mut(&mut self, topic: &str, partition: u32) -> &mut PartitionState {
        let topic = self.topics.get_mut(topic).expect("invariant: topics are never removed");
        &mut topic.partitions[partition as usize]
    }

    pub(super) fn next_topic_id(&self) -> u32 {
        self.topics.values().map(|topic| topic.id + 1).max().unwrap_or(0)
    }

    pub(super) fn next_schema_id(&self) -> u32 {
        self.schemas.last_key_value().map_or(1, |(id, _)| id + 1)
    }

    pub(super) fn add_schema(&mut self, id: u32, schema: Schema) {
        self.schema_ids.insert(schema.clone(), id);
        self.schemas.insert(id, schema);
    }

    pub(super) fn commit(&mut self, commit: &Commit) {
        // The group is there already for all but its first commit: no name is copied then.
        if !self.commits.contains_key(&commit.group) {
            self.commits.insert(commit.group.clone(), BTreeMap::new());
        }
        if let Some(positions) = self.commits.get_mut(&commit.group) {
            let position = Position {
                offset: commit.offset,
                metadata: commit.metadata.clone(),
            };
            positions.insert((commit.topic.clone(), commit.partition), position);
        }
    }
}

impl TopicState {
    pub(super) fn new(stored: &StoredTopic) -> TopicState {
        let empty = PartitionState {
            start: 0,
            end: 0,
            max_timestamp_ms: i64::MIN,
        };
        TopicState {
            id: stored.id,
            options: stored.options,
            partitions: vec![empty; stored.options.partitions as usize],
        }
    }

    pub(super) fn named(&self, name: &str) -> Topic {
        Topic {
            name: name.into(),
            options: self.options,
        }
    }
}

fn load_topic(keyspaces: &Keyspaces, stored: StoredTopic) -> Result<TopicState, LogError> {
    let mut state = TopicState::new(&stored);
    for (partition, found) in state.partitions.iter_mut().enumerate() {
        let id = PartitionId {
            topic: stored.id,
            partition: partition as u32,
        };
        let failed = |error| keyspaces.failed(error);
        if let Some(start) = keyspaces.meta.get(id.start()).map_err(failed)? {
            found.start = keys::last_number(&start).ok_or_else(|| keyspaces.broken("a start offset is cut off"))?;
        }
        found.end = found.start;
        // The newest batch is never removed, so it tells where the partition ends.
        if let Some(last) = keyspaces.batches.range(id.all()).next_back() {
            let batch = last.value().map_err(failed)?;
            let header = BatchHeader::parse(&batch).map_err(|error| keyspaces.broken(error))?;
            found.end = header.last_offset() + 1;
        }
        if let Some(last) = keyspaces.times.range(id.all()).next_back() {
            let key = last.key().map_err(failed)?;
            found.max_timestamp_ms = keys::time_of(&key).ok_or_else(|| keyspaces.broken("a time is cut off"))?;
        }
    }
    Ok(state)
}

fn parse<T: serde::de::DeserializeOwned>(keyspaces: &Keyspaces, json: &[u8]) -> Result<T, LogError> {
    serde_json::from_slice(json).map_err(|error| keyspaces.broken(error))
}
