//! The simulated log as a process sees it: [`SimLog`] keeps the promises of [`hw_log::Log`] over a network that does not.
//!
//! Requests and answers get lost, come late and come twice here; the cluster behind knows nothing of that. While a call waits
//! for its answer, other workers go on ([`World::pass_time`]).

mod append;
mod fetch;
mod member;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hw_engine::Resume;
use hw_log::{
    Commit, EngineGuard, Fetch, Log, LogError, Membership, OffsetRange, Removed, Seat, Topic, TopicOptions, Transaction,
};

use crate::Bug;
use crate::cluster::Place;
use crate::world::{Who, World};
use append::Session;
use fetch::Feeds;
use member::SimMember;

/// How often an answer that says "not yet" is asked for again.
const PATIENCE: usize = 60;

/// What a worker's memberships and its transactions have in common.
pub(super) type Members = Arc<Mutex<Standing>>;

/// Where a worker stands.
#[derive(Default)]
pub(super) struct Standing {
    /// Which member of which group it is at the moment: what its transactions are checked by.
    names: BTreeMap<String, u64>,
    /// How far its last transaction would have come, which the log refused for now; forgotten when partitions change hands.
    refused: BTreeMap<Place, u64>,
}

/// The log of a process or of one of its workers.
pub(crate) struct SimLog {
    world: Arc<World>,
    who: Who,
    /// What was fetched and not handed out. Of one worker, but a log is shared by its type.
    feeds: Mutex<Feeds>,
    /// Of transactions, likewise.
    session: Mutex<Session>,
    members: Members,
}

impl SimLog {
    pub(crate) fn new(world: &Arc<World>, who: Who) -> SimLog {
        SimLog {
            world: Arc::clone(world),
            who,
            feeds: Mutex::default(),
            session: Mutex::new(Session::new(who)),
            members: Members::default(),
        }
    }

    fn busy(&self) -> LogError {
        LogError::Busy {
            path: "simulated".into(),
            connections: 0,
        }
    }

    /// The last commit of every place, each read at a time when it was not under way: what a transaction is about to
    /// overwrite must not be gone on from.
    fn decided(&self, group: &str) -> Result<Vec<Commit>, LogError> {
        let mut known: BTreeMap<Place, Commit> = BTreeMap::new();
        for _ in 0..PATIENCE {
            self.world.touch(self.who, "committed")?;
            let (commits, undecided) = self.world.with(|state| {
                let (commits, undecided) = state.cluster.committed(group);
                let ignore = state.cluster.has(Bug::UndecidedOffsets);
                (commits, if ignore { Vec::new() } else { undecided })
            });
            let undecided: BTreeSet<Place> = undecided.into_iter().collect();
            for commit in commits {
                let place = (commit.topic.clone(), commit.partition);
                if !undecided.contains(&place) {
                    known.entry(place).or_insert(commit);
                }
            }
            if undecided.iter().all(|place| known.contains_key(place)) {
                return Ok(known.into_values().collect());
            }
            let wait_ms = self.world.with(|state| state.dice.between(20, 150));
            self.world.pass_time(wait_ms);
        }
        Err(self.busy())
    }
}

impl Log for SimLog {
    fn create_topic(&self, name: &str, options: &TopicOptions) -> Result<(), LogError> {
        self.world.touch(self.who, "create topic")?;
        self.world.with(|state| state.cluster.create_topic(name, options))
    }

    fn topic(&self, name: &str) -> Result<Topic, LogError> {
        self.world.touch(self.who, "topic")?;
        let options = self
            .world
            .with(|state| state.cluster.topic(name).map(|(options, _)| *options))?;
        Ok(Topic {
            name: name.into(),
            options,
        })
    }

    fn topics(&self) -> Result<Vec<Topic>, LogError> {
        self.world.touch(self.who, "topics")?;
        Ok(self.world.with(|state| state.cluster.topics()))
    }

    fn ranges(&self, topic: &str) -> Result<Vec<OffsetRange>, LogError> {
        self.world.touch(self.who, "ranges")?;
        self.world.with(|state| state.cluster.ranges(topic))
    }

    fn append(&self, transaction: &Transaction) -> Result<Vec<u64>, LogError> {
        self.append_all(transaction)
    }

    fn read(&self, topic: &str, partition: u32, from_offset: u64, _bytes_max: usize) -> Result<Fetch, LogError> {
        self.world.touch(self.who, "read")?;
        lock(&self.feeds).read((&self.world, self.who), (topic, partition), from_offset)
    }

    fn wait_for_appends(&self, _seen: u64, _timeout: Duration) -> Result<u64, LogError> {
        // The scheduler waits for everybody; here the mark is all that is asked for.
        self.world.touch(self.who, "mark")?;
        Ok(1)
    }

    fn offset_at_time(&self, topic: &str, partition: u32, _timestamp_ms: i64) -> Result<u64, LogError> {
        self.world.touch(self.who, "offset at time")?;
        self.world
            .with(|state| state.cluster.partition(topic, partition).map(|_| 0))
    }

    fn committed(&self, group: &str) -> Result<Vec<Commit>, LogError> {
        // After an unknown outcome the transaction under way may be ended first. A log that does not do so waits longer
        // for it to be decided, and must come to the same.
        if self
            .world
            .with(|state| state.settles_early && !state.cluster.has(Bug::UndecidedOffsets))
        {
            self.settle()?;
        }
        let mut commits = self.decided(group)?;
        if self.world.with(|state| state.cluster.has(Bug::ReplayFromCommitted)) {
            commits.iter_mut().for_each(forget_replay);
        }
        Ok(commits)
    }

    fn register_schema(&self, subject: &str, json: &str) -> Result<u32, LogError> {
        self.world.touch(self.who, "register schema")?;
        Ok(self.world.with(|state| state.cluster.register(subject, json)))
    }

    fn schema(&self, id: u32) -> Result<Option<String>, LogError> {
        self.world.touch(self.who, "schema")?;
        let (schema, is_refused) = self.world.with(|state| {
            let is_refused = state.dice.chance(state.faults.busy);
            (state.cluster.schema(id), is_refused)
        });
        if is_refused { Err(self.busy()) } else { Ok(schema) }
    }

    fn claim_engine(&self, _name: &str) -> Result<EngineGuard, LogError> {
        Ok(EngineGuard::new(()))
    }

    fn for_worker(&self, _pipeline: &str, seat: Seat) -> Result<Option<Arc<dyn Log>>, LogError> {
        let who = Who {
            seat: Some(seat.number),
            ..self.who
        };
        let log = SimLog::new(&self.world, who);
        if self.world.with(|state| state.settles_early) {
            // Whoever begins waits until the transaction of an earlier life has ended everywhere.
            let mut settled = (0..PATIENCE).map(|_| log.settle());
            let settled = settled.find(|settled| !matches!(settled, Err(error) if error.is_retriable()));
            settled.unwrap_or_else(|| Err(self.busy()))?;
        }
        Ok(Some(Arc::new(log)))
    }

    fn join(&self, group: &str, topic: &str, _seat: Seat) -> Result<Box<dyn Membership>, LogError> {
        let partitions = self.topic(topic)?.options.partitions;
        let members = Arc::clone(&self.members);
        Ok(Box::new(SimMember::new(
            &self.world,
            self.who,
            group,
            partitions,
            members,
        )))
    }

    fn maintain(&self, _now_ms: i64) -> Result<Vec<Removed>, LogError> {
        Ok(Vec::new())
    }
}

/// The planted bug of a resume that replays nothing: processing starts at the committed offset.
fn forget_replay(commit: &mut Commit) {
    let Ok(resume) = Resume::from_bytes(&commit.metadata) else {
        return;
    };
    let nothing = Resume {
        witnesses_from: commit.offset,
        replay_from: commit.offset,
        clock_there_ms: resume.clock_ms,
        marks: Vec::new(),
        ..resume
    };
    commit.metadata = nothing.to_bytes();
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
