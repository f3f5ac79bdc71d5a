//! The world: time, the cluster, and everybody in it, one step after another in one thread.
//!
//! Whoever is ready may be next; dice say who. A call that waits for its answer lets time pass, and others go on inside of it
//! ([`World::pass_time`]): that is how a worker is caught in the middle of a commit without threads.
//!
//! # Constraints
//!
//! - Every decision comes from the seed's dice. No thread, no wall clock, no map in random order.
//! - The state's lock is never held while somebody takes a step.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hw_engine::Clock;
use hw_log::LogError;

use crate::cast::Cast;
use crate::cluster::{Cluster, Place};
use crate::dice::Dice;
use crate::faults::Faults;

/// When the simulation begins, in milliseconds since the epoch.
pub(crate) const START_MS: i64 = 1_767_225_600_000;

/// Calls within calls, at most: whoever waits deeper lets nobody go on.
const DEPTH_MAX: usize = 5;

/// Calls that are made all the time: a process dies at one of them more seldom than at any other.
const FREQUENT: [&str; 3] = ["read", "poll", "mark"];

/// Calls that are hardly ever made: a process dies at one of them more often.
const SELDOM: [&str; 4] = ["topics", "create topic", "released", "init producer"];

/// Who makes a call: a worker of a process, or the process itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Who {
    /// The process's name, which its successor has too.
    pub(crate) identity: u32,
    /// This life of it.
    pub(crate) instance: u64,
    pub(crate) seat: Option<u32>,
}

impl Who {
    /// A worker's, in all lives of its process: a successor fences what is left of its predecessor.
    pub(crate) fn transactional_id(self) -> String {
        format!("process-{}-{}", self.identity, self.seat.unwrap_or_default())
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} (life {})", self.identity, self.instance)?;
        self.seat.map_or(Ok(()), |seat| write!(f, " worker {seat}"))
    }
}

/// The end of a transaction that is still on its way.
#[derive(Debug, Clone)]
pub(crate) struct Late {
    pub(crate) due_ms: i64,
    pub(crate) id: String,
    pub(crate) epoch: u32,
    pub(crate) is_commit: bool,
    pub(crate) delays_ms: Vec<i64>,
}

/// What all share.
pub(crate) struct State {
    pub(crate) now_ms: i64,
    pub(crate) dice: Dice,
    pub(crate) faults: Faults,
    pub(crate) cluster: Cluster,
    pub(crate) late: Vec<Late>,
    /// Partitions that answer no fetch before a time.
    pub(crate) silent: BTreeMap<Place, i64>,
    /// Lives that have ended: their calls fail.
    dead: BTreeSet<u64>,
    /// How far the clocks of processes are off, by life, in milliseconds.
    pub(crate) skews_ms: BTreeMap<u64, i64>,
    /// Whether nothing goes wrong any more.
    pub(crate) is_calm: bool,
    /// Whether a client initialises its producer as soon as it has lost it, or only for its next transaction.
    pub(crate) settles_early: bool,
    pub(crate) history: Vec<String>,
    pub(crate) violations: Vec<String>,
    /// Bytes of a task's state.
    pub(crate) largest_state: u64,
    /// Bytes.
    pub(crate) largest_transaction: usize,
    /// Fetched answers of one partition.
    pub(crate) buffered_max: usize,
}

impl State {
    pub(crate) fn new(mut dice: Dice, faults: Faults, cluster: Cluster) -> State {
        State {
            settles_early: dice.chance(500),
            now_ms: START_MS,
            dice,
            faults,
            cluster,
            late: Vec::new(),
            silent: BTreeMap::new(),
            dead: BTreeSet::new(),
            skews_ms: BTreeMap::new(),
            is_calm: false,
            history: Vec::new(),
            violations: Vec::new(),
            largest_state: 0,
            largest_transaction: 0,
            buffered_max: 0,
        }
    }

    /// How long a message takes.
    pub(crate) fn delay_ms(&mut self) -> i64 {
        let is_slow = self.dice.chance(self.faults.slow);
        if is_slow {
            self.dice.between(50, 1_200)
        } else {
            self.dice.between(0, 12)
        }
    }

    /// How long the end of a transaction takes to each of its places.
    pub(crate) fn marker_delays(&mut self) -> Vec<i64> {
        let mut delay_ms = || {
            let is_slow = self.dice.chance(4 * self.faults.slow);
            self.dice.between(0, if is_slow { 2_500 } else { 6 })
        };
        (0..5).map(|_| delay_ms()).collect()
    }

    pub(crate) fn is_silent(&self, place: &Place) -> bool {
        self.silent.get(place).is_some_and(|until_ms| self.now_ms < *until_ms)
    }

    pub(crate) fn is_dead(&self, instance: u64) -> bool {
        self.dead.contains(&instance)
    }

    pub(crate) fn kill(&mut self, instance: u64) {
        self.dead.insert(instance);
    }

    pub(crate) fn note(&mut self, text: impl fmt::Display) {
        let at_ms = self.now_ms - START_MS;
        self.history.push(format!("{at_ms:>7} {text}"));
    }

    /// Time goes on; what was due in between happens.
    pub(crate) fn advance_to(&mut self, now_ms: i64) {
        self.now_ms = self.now_ms.max(now_ms);
        let now_ms = self.now_ms;
        let (due, left) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|late| late.due_ms <= now_ms);
        self.late = left;
        let due: Vec<Late> = due;
        for late in due {
            let end = (late.id.as_str(), late.epoch);
            let ended = self
                .cluster
                .end_transaction(now_ms, end, late.is_commit, &late.delays_ms);
            let what = if late.is_commit { "commit" } else { "abort" };
            self.note(format!("a late {what} of {}: {ended:?}", late.id));
        }
        self.cluster.tick(now_ms);
    }

    fn next_event_ms(&self) -> Option<i64> {
        let late = self.late.iter().map(|late| late.due_ms).min();
        late.into_iter().chain(self.cluster.next_event_ms()).min()
    }
}

/// Time, the cluster, and everybody in it.
pub(crate) struct World {
    state: Mutex<State>,
    cast: Mutex<Cast>,
    depth: Mutex<usize>,
}

impl World {
    pub(crate) fn new(state: State, cast: Cast) -> World {
        World {
            state: Mutex::new(state),
            cast: Mutex::new(cast),
            depth: Mutex::new(0),
        }
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut lock(&self.state))
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.with(|state| state.now_ms)
    }

    pub(crate) fn cast(&self) -> MutexGuard<'_, Cast> {
        lock(&self.cast)
    }

    pub(crate) fn note(&self, text: impl FnOnce() -> String) {
        let text = text();
        self.with(|state| state.note(text));
    }

    /// Every call begins with this: it fails when the caller's process is dead, which may happen just now.
    pub(crate) fn touch(&self, who: Who, point: &str) -> Result<(), LogError> {
        self.with(|state| {
            let is_spared = FREQUENT.contains(&point) && !state.dice.chance(15);
            let times = if SELDOM.contains(&point) { 5 } else { 1 };
            let crashes = !is_spared && state.dice.chance(times * state.faults.crash);
            if crashes && !state.is_dead(who.instance) {
                state.note(format!("{who} crashes at: {point}"));
                state.kill(who.instance);
            }
            if state.is_dead(who.instance) {
                return Err(LogError::Cluster {
                    bootstrap: "simulated".into(),
                    reason: "the process is dead".into(),
                });
            }
            Ok(())
        })
    }

    /// Lets so much time pass; others go on meanwhile.
    pub(crate) fn pass_time(self: &Arc<Self>, ms: i64) {
        let until_ms = self.now_ms() + ms;
        let depth = {
            let mut depth = lock(&self.depth);
            *depth += 1;
            *depth
        };
        while self.now_ms() < until_ms {
            if depth > DEPTH_MAX || !self.step_one() {
                let next_ms = self.next_ms().unwrap_or(until_ms);
                self.with(|state| state.advance_to(next_ms.max(state.now_ms + 1).min(until_ms)));
            }
        }
        *lock(&self.depth) -= 1;
    }

    /// Lets somebody who is ready take a step; false when nobody is.
    pub(crate) fn step_one(self: &Arc<Self>) -> bool {
        let ready = self.cast().ready(self.now_ms());
        if ready.is_empty() {
            return false;
        }
        let turn = self.with(|state| state.dice.pick(&ready));
        crate::cast::take_turn(self, turn);
        self.with(|state| {
            let took_ms = state.dice.between(0, 3);
            state.advance_to(state.now_ms + took_ms);
        });
        true
    }

    /// When somebody is ready or something happens next.
    pub(crate) fn next_ms(&self) -> Option<i64> {
        let wakes = self.cast().next_wake_ms();
        let event = self.with(|state| state.next_event_ms());
        wakes.into_iter().chain(event).min()
    }
}

/// The clock of a process, which may be off and be set.
pub(crate) struct ProcessClock {
    pub(crate) world: Arc<World>,
    pub(crate) instance: u64,
}

impl Clock for ProcessClock {
    fn now_ms(&self) -> i64 {
        self.world.with(|state| {
            let skew_ms = state.skews_ms.get(&self.instance);
            state.now_ms + skew_ms.copied().unwrap_or_default()
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
