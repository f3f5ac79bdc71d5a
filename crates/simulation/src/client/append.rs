//! A transaction, request by request: batches, then offsets, then its end, each of which may get lost on its way.
//!
//! The steps stand apart so that anything may happen between them: a crash, a pause longer than the session, a rebalance.

use hw_engine::{Mark, Resume};
use hw_log::{Commit, LogError, Transaction};

use super::{PATIENCE, SimLog, lock};
use crate::cluster::{Group, Refused};
use crate::world::{Late, START_MS, State, Who};

/// What a worker knows of its transactional identity.
pub(super) struct Session {
    id: String,
    /// `None`: to be initialised before the next request.
    epoch: Option<u32>,
    /// Of requests.
    sequence: u64,
}

impl Session {
    pub(super) fn new(who: Who) -> Session {
        Session {
            id: who.transactional_id(),
            epoch: None,
            sequence: 0,
        }
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    /// It does not arrive.
    Lost,
    /// It is done and its answer does not arrive.
    Unanswered,
    /// It arrives twice.
    Twice,
}

/// What becomes of the request that ends a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EndFate {
    Answered,
    Lost,
    Unanswered,
    /// It is done long after the client has given up.
    Late,
}

impl SimLog {
    pub(super) fn append_all(&self, transaction: &Transaction) -> Result<Vec<u64>, LogError> {
        self.world.touch(self.who, "append")?;
        self.note_size(transaction);
        self.check_marks(transaction);
        self.check_refused(transaction);
        let (is_busy, is_fenced) = self.world.with(|state| {
            let busy = state.faults.busy;
            (state.dice.chance(busy), state.dice.chance(state.faults.fence))
        });
        if is_busy {
            self.remember_refused(transaction);
            return self.say("is refused for now", Err(self.busy()));
        }
        if is_fenced {
            return self.fenced("by whim");
        }
        let before = self.changes_of_groups(transaction);
        let ended = self.transact(transaction);
        if self.changes_of_groups(transaction) != before {
            self.world
                .note(|| format!("{}: a rebalance in the middle of its commit", self.who));
        }
        ended
    }

    /// How often the groups have changed that a transaction commits for.
    fn changes_of_groups(&self, transaction: &Transaction) -> u64 {
        self.world.with(|state| {
            let groups = transaction.commits.iter().map(|commit| &commit.group);
            let known = groups.filter_map(|group| state.cluster.groups.get(group));
            known.map(Group::changes).sum()
        })
    }

    fn transact(&self, transaction: &Transaction) -> Result<Vec<u64>, LogError> {
        let epoch = self.settle()?;
        for append in &transaction.appends {
            let place = (append.topic.clone(), append.partition);
            self.request("produce", |state, id, sequence| {
                let now_ms = state.now_ms;
                state
                    .cluster
                    .produce(now_ms, (id, epoch, sequence), &place, &append.batch)
            })?;
        }
        self.append_offsets(transaction, epoch)?;
        self.doze();
        self.end(transaction, epoch)
    }

    fn append_offsets(&self, transaction: &Transaction, epoch: u32) -> Result<(), LogError> {
        for commits in transaction.commits.chunk_by(|one, next| one.group == next.group) {
            let group = &commits[0].group;
            let member = lock(&self.members).names.get(group).copied();
            self.request("commit offsets", |state, id, sequence| {
                let now_ms = state.now_ms;
                state
                    .cluster
                    .commit_offsets(now_ms, (id, epoch, sequence), (group, member), commits)
            })?;
        }
        Ok(())
    }

    /// Initialises the producer unless it is: fences and ends whatever was under way.
    pub(super) fn settle(&self) -> Result<u32, LogError> {
        if let Some(epoch) = lock(&self.session).epoch {
            return Ok(epoch);
        }
        let epoch = self.request("init producer", |state, id, _| {
            let delays = state.marker_delays();
            let now_ms = state.now_ms;
            state.cluster.init_producer(now_ms, id, &delays)
        })?;
        lock(&self.session).epoch = Some(epoch);
        Ok(epoch)
    }

    /// Sends a request until it is answered. It must be one that may be done twice.
    fn request<T>(
        &self,
        what: &str,
        mut send: impl FnMut(&mut State, &str, u64) -> Result<T, Refused>,
    ) -> Result<T, LogError> {
        let (id, sequence) = {
            let mut session = lock(&self.session);
            session.sequence += 1;
            (session.id.clone(), session.sequence)
        };
        for _ in 0..PATIENCE {
            self.world.touch(self.who, what)?;
            let (fate, delay_ms) = self.world.with(|state| (fate(state), state.delay_ms()));
            self.world.pass_time(delay_ms);
            let answer = self.world.with(|state| match fate {
                Fate::Answered => Some(send(state, &id, sequence)),
                Fate::Lost => None,
                Fate::Unanswered => {
                    let _ = send(state, &id, sequence);
                    None
                }
                Fate::Twice => {
                    let _ = send(state, &id, sequence);
                    Some(send(state, &id, sequence))
                }
            });
            match answer {
                Some(Ok(done)) => return Ok(done),
                Some(Err(Refused::Fenced)) => return self.fenced(what),
                Some(Err(Refused::Busy)) => self.world.pass_time(20),
                None => self.world.pass_time(30),
            }
        }
        // Nothing of the transaction can come to be: its end was never asked for, and the next request aborts it.
        lock(&self.session).epoch = None;
        self.say(what, Err(self.busy()))
    }

    fn end(&self, transaction: &Transaction, epoch: u32) -> Result<Vec<u64>, LogError> {
        let id = lock(&self.session).id.clone();
        self.world.touch(self.who, "end transaction")?;
        let (fate, delay_ms, late_ms, delays) = self.world.with(|state| {
            let fate = end_fate(state);
            (
                fate,
                state.delay_ms(),
                state.dice.between(50, 4_000),
                state.marker_delays(),
            )
        });
        self.world.pass_time(delay_ms);
        let answer = self.world.with(|state| {
            let now_ms = state.now_ms;
            match fate {
                EndFate::Answered => Some(state.cluster.end_transaction(now_ms, (&id, epoch), true, &delays)),
                EndFate::Unanswered => {
                    let _ = state.cluster.end_transaction(now_ms, (&id, epoch), true, &delays);
                    None
                }
                EndFate::Lost => None,
                EndFate::Late => {
                    state.late.push(Late {
                        due_ms: now_ms + late_ms,
                        id: id.clone(),
                        epoch,
                        is_commit: true,
                        delays_ms: delays.clone(),
                    });
                    None
                }
            }
        });
        self.world.touch(self.who, "after the end")?;
        match answer {
            Some(Ok(())) => self.say("is committed", Ok(vec![0; transaction.appends.len()])),
            Some(Err(_)) => self.fenced("end transaction"),
            None => {
                lock(&self.session).epoch = None;
                let who = id;
                let reason = format!("{fate:?}");
                self.say("is unknown", Err(LogError::Unknown { who, reason }))
            }
        }
    }

    /// A long pause in the middle of a transaction, now and then: longer than a session, or than a transaction may be open.
    fn doze(&self) {
        let pause_ms = self.world.with(|state| {
            let dozes = state.dice.chance(state.faults.doze);
            let pause_ms = state.dice.between(500, 8_000);
            if dozes { pause_ms } else { 0 }
        });
        if pause_ms > 0 {
            self.world
                .note(|| format!("{} dozes {pause_ms} ms in a transaction", self.who));
            self.world.pass_time(pause_ms);
        }
    }

    fn fenced<T>(&self, reason: &str) -> Result<T, LogError> {
        let mut session = lock(&self.session);
        session.epoch = None;
        let error = LogError::Fenced {
            who: session.id.clone(),
            reason: reason.into(),
        };
        drop(session);
        self.say(reason, Err(error))
    }

    fn say<T>(&self, what: &str, result: Result<T, LogError>) -> Result<T, LogError> {
        self.world.note(|| match &result {
            Ok(_) => format!("{} transaction {what}", self.who),
            Err(error) => format!("{} transaction {what}: {error}", self.who),
        });
        result
    }

    /// A mark may be made only where the log has said that it ends.
    fn check_marks(&self, transaction: &Transaction) {
        let feeds = lock(&self.feeds);
        for commit in &transaction.commits {
            let (topic, partition) = (&commit.topic, commit.partition);
            let Ok(resume) = Resume::from_bytes(&commit.metadata) else {
                continue;
            };
            let place = (topic.clone(), partition);
            let early = self.world.with(|state| {
                let is_new = |mark: &&Mark| !state.cluster.offsets.has_mark(commit, mark);
                let mut new = resume.marks.iter().filter(is_new);
                new.find(|mark| !feeds.has_ended_at(&place, mark.offset)).copied()
            });
            if let Some(mark) = early {
                self.violate(&format!(
                    "{topic}/{partition} was marked idle at {}, which is not its end",
                    mark.offset
                ));
            }
        }
    }

    /// While the log refuses a transaction nothing may be added to it.
    fn check_refused(&self, transaction: &Transaction) {
        let refused = std::mem::take(&mut lock(&self.members).refused);
        for commit in &transaction.commits {
            let place = (commit.topic.clone(), commit.partition);
            if refused.get(&place).is_some_and(|offset| commit.offset > *offset) {
                self.violate(&format!("{place:?} was read on while the log took no transaction"));
            }
        }
    }

    fn remember_refused(&self, transaction: &Transaction) {
        let places = transaction.commits.iter().map(|commit| {
            let place = (commit.topic.clone(), commit.partition);
            (place, commit.offset)
        });
        lock(&self.members).refused = places.collect();
    }

    fn violate(&self, text: &str) {
        self.world.with(|state| {
            let text = format!("{}: {text}", self.who);
            state.note(&text);
            state.violations.push(text);
        });
    }

    fn note_size(&self, transaction: &Transaction) {
        let bytes: usize = transaction.appends.iter().map(|append| append.batch.len()).sum();
        self.world
            .with(|state| state.largest_transaction = state.largest_transaction.max(bytes));
        self.world.note(|| {
            let commits: String = transaction.commits.iter().map(told).collect();
            format!("{} appends {bytes} bytes, commits{commits}", self.who)
        });
    }
}

/// A commit in a few words: place, offset, and what its metadata says.
fn told(commit: &Commit) -> String {
    let (topic, partition, offset) = (&commit.topic, commit.partition, commit.offset);
    let since_start = |clock_ms: Option<i64>| clock_ms.map_or("none".to_owned(), |ms| (ms - START_MS).to_string());
    let Ok(resume) = Resume::from_bytes(&commit.metadata) else {
        return format!(" {topic}/{partition}@{offset} (unreadable)");
    };
    let last = resume.marks.last();
    let last = last.map_or(String::new(), |mark| {
        format!(", the last {} at {}", since_start(Some(mark.clock_ms)), mark.offset)
    });
    format!(
        " {topic}/{partition}@{offset} (clock {}, replay from {}, {} marks{last})",
        since_start(resume.clock_ms),
        resume.replay_from,
        resume.marks.len()
    )
}

fn fate(state: &mut State) -> Fate {
    let lose = state.faults.lose;
    if !state.dice.chance(3 * lose) {
        return Fate::Answered;
    }
    state.dice.pick(&[Fate::Lost, Fate::Unanswered, Fate::Twice])
}

fn end_fate(state: &mut State) -> EndFate {
    let lose = state.faults.unknown;
    if !state.dice.chance(3 * lose) {
        return EndFate::Answered;
    }
    state.dice.pick(&[EndFate::Lost, EndFate::Unanswered, EndFate::Late])
}
