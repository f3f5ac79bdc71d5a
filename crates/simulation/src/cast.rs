//! The cast: processes with their workers, and the script of what is sent and what befalls them.
//!
//! Whoever takes a step is taken out of the cast for as long, so that nobody is stepped inside of his own step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hw_engine::{Clock, End, EngineError, Prepared, RunOptions, Step, TableReaders, Worker};
use hw_graph::Pipeline;
use hw_log::{Log, Seat};

use crate::client::SimLog;
use crate::script::{Act, Script};
use crate::world::{ProcessClock, Who, World};

/// How a process that starts now is run.
#[derive(Debug, Clone)]
pub(crate) struct Casting {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) commit_interval: Duration,
    /// Worker threads of a process.
    pub(crate) seats: u32,
    pub(crate) partitions: u32,
    pub(crate) end: End,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Script,
    /// A process that starts.
    Start(u64),
    Worker(u64, usize),
}

/// A life of a process.
pub(crate) struct Process {
    who: Who,
    stage: Stage,
    wake_ms: i64,
    pub(crate) prepared: Option<Arc<Prepared>>,
}

impl Process {
    fn is_stopping(&mut self) -> bool {
        let prepared = self.prepared.as_ref();
        prepared.is_some_and(|prepared| prepared.stop.load(Ordering::Relaxed))
    }
}

enum Stage {
    Begun,
    /// Reads its tables, before anything else.
    Loading(Box<TableReaders>),
    Working(Vec<Slot>),
    /// Somebody is taking its step.
    Away,
}

struct Slot {
    /// `None`: it takes its step just now, or is done.
    worker: Option<Box<Worker>>,
    is_done: bool,
    wake_ms: i64,
}

/// Everybody.
pub(crate) struct Cast {
    casting: Casting,
    pub(crate) processes: Vec<Process>,
    lives: u64,
    /// When a process that ended begins again, by its name.
    restarts: BTreeMap<u32, i64>,
    /// Whether nobody begins again.
    is_closed: bool,
    script: Script,
}

impl Cast {
    pub(crate) fn new(casting: Casting, script: Script) -> Cast {
        Cast {
            casting,
            processes: Vec::new(),
            lives: 0,
            restarts: BTreeMap::new(),
            is_closed: false,
            script,
        }
    }

    pub(crate) fn casting(&mut self) -> &mut Casting {
        &mut self.casting
    }

    /// From then on a process of that name is to live.
    pub(crate) fn begin_at(&mut self, identity: u32, at_ms: i64) {
        self.restarts.insert(identity, at_ms);
    }

    /// Nobody begins again by himself.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
        self.restarts.clear();
    }

    /// A life of a process; another of the same name may be alive.
    pub(crate) fn begin(&mut self, identity: u32, now_ms: i64) {
        self.lives += 1;
        self.processes.push(Process {
            who: Who {
                identity,
                instance: self.lives,
                seat: None,
            },
            stage: Stage::Begun,
            wake_ms: now_ms,
            prepared: None,
        });
    }

    /// Lives of a process, the oldest first.
    pub(crate) fn lives_of(&self, identity: u32) -> Vec<u64> {
        let lives = self.processes.iter().filter(|process| process.who.identity == identity);
        lives.map(|process| process.who.instance).collect()
    }

    pub(crate) fn all_lives(&self) -> Vec<u64> {
        self.processes.iter().map(|process| process.who.instance).collect()
    }

    /// Asks a process to commit and end.
    pub(crate) fn stop(&mut self, instance: u64) {
        if let Some(prepared) = self.process(instance).and_then(|process| process.prepared.as_ref()) {
            prepared.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Nobody of a process takes a step before a time.
    pub(crate) fn pause(&mut self, instance: u64, until_ms: i64) {
        if let Some(process) = self.process(instance) {
            process.wake_ms = until_ms;
            if let Stage::Working(slots) = &mut process.stage {
                slots.iter_mut().for_each(|slot| slot.wake_ms = until_ms);
            }
        }
    }

    fn process(&mut self, instance: u64) -> Option<&mut Process> {
        self.processes
            .iter_mut()
            .find(|process| process.who.instance == instance)
    }

    /// Everybody who may take a step.
    pub(crate) fn ready(&mut self, now_ms: i64) -> Vec<Turn> {
        let due = self.restarts.iter().filter(|(_, at_ms)| **at_ms <= now_ms);
        let due: Vec<u32> = due.map(|(identity, _)| *identity).collect();
        for identity in due {
            self.restarts.remove(&identity);
            // A twin may live already.
            if self.lives_of(identity).is_empty() {
                self.begin(identity, now_ms);
            }
        }
        let mut ready = Vec::new();
        for process in &self.processes {
            let instance = process.who.instance;
            match &process.stage {
                Stage::Begun | Stage::Loading(_) if process.wake_ms <= now_ms => ready.push(Turn::Start(instance)),
                Stage::Working(slots) => {
                    let awake = |slot: &Slot| slot.worker.is_some() && slot.wake_ms <= now_ms;
                    let awake = slots.iter().enumerate().filter(|(_, slot)| awake(slot));
                    ready.extend(awake.map(|(seat, _)| Turn::Worker(instance, seat)));
                }
                Stage::Begun | Stage::Loading(_) | Stage::Away => {}
            }
        }
        if self.script.next_ms().is_some_and(|at_ms| at_ms <= now_ms) {
            ready.push(Turn::Script);
        }
        ready
    }

    /// When somebody is ready next.
    pub(crate) fn next_wake_ms(&self) -> Option<i64> {
        let wakes = self.processes.iter().flat_map(|process| match &process.stage {
            Stage::Begun | Stage::Loading(_) => vec![process.wake_ms],
            Stage::Working(slots) => {
                let here = slots.iter().filter(|slot| slot.worker.is_some());
                here.map(|slot| slot.wake_ms).collect()
            }
            Stage::Away => Vec::new(),
        });
        let restarts = self.restarts.values().copied();
        wakes.chain(restarts).chain(self.script.next_ms()).min()
    }

    /// A process whose workers are all done or dead is no more.
    fn bury(&mut self, instance: u64, again_ms: i64) {
        let is_over = |process: &Process| match &process.stage {
            Stage::Working(slots) => slots.iter().all(|slot| slot.is_done),
            Stage::Begun | Stage::Loading(_) | Stage::Away => false,
        };
        let Some(at) = self
            .processes
            .iter()
            .position(|process| process.who.instance == instance)
        else {
            return;
        };
        if is_over(&self.processes[at]) {
            let identity = self.processes.remove(at).who.identity;
            if self.lives_of(identity).is_empty() && !self.is_closed {
                self.restarts.insert(identity, again_ms);
            }
        }
    }
}

/// Lets somebody take his step.
pub(crate) fn take_turn(world: &Arc<World>, turn: Turn) {
    match turn {
        Turn::Script => {
            let act = world.cast().script.next();
            if let Some(act) = act {
                play(world, act);
            }
        }
        Turn::Start(instance) => start(world, instance),
        Turn::Worker(instance, seat) => work(world, instance, seat),
    }
}

fn play(world: &Arc<World>, act: Act) {
    match act {
        Act::Send(sending) => world.with(|state| sending.send(state)),
        Act::Befall(_) if world.with(|state| state.is_calm) => {}
        Act::Befall(upheaval) => upheaval.befall(world),
    }
}

fn start(world: &Arc<World>, instance: u64) {
    let (who, stage, prepared, casting) = {
        let mut cast = world.cast();
        let casting = cast.casting.clone();
        let Some(process) = cast.process(instance) else { return };
        let stage = std::mem::replace(&mut process.stage, Stage::Away);
        (process.who, stage, process.prepared.clone(), casting)
    };
    let log: Arc<dyn Log> = Arc::new(SimLog::new(world, who));
    let next = match (stage, prepared) {
        (Stage::Loading(readers), Some(prepared)) => load(&log, &prepared, readers, casting.seats),
        _ => prepare(world, who, &log, &casting).map(|(prepared, readers)| {
            if let Some(process) = world.cast().process(instance) {
                process.prepared = Some(prepared);
            }
            Stage::Loading(readers)
        }),
    };
    let (now_ms, again_ms) = (
        world.now_ms(),
        world.with(|state| state.now_ms + state.dice.between(50, 3_000)),
    );
    let next = next.unwrap_or_else(|error| {
        say_failure(world, who, &error);
        Stage::Working(Vec::new())
    });
    let mut cast = world.cast();
    if let Some(process) = cast.process(instance) {
        process.stage = next;
        process.wake_ms = now_ms + 10;
    }
    cast.bury(instance, again_ms);
}

fn prepare(
    world: &Arc<World>,
    who: Who,
    log: &Arc<dyn Log>,
    casting: &Casting,
) -> Result<(Arc<Prepared>, Box<TableReaders>), EngineError> {
    let clock: Arc<dyn Clock> = Arc::new(ProcessClock {
        world: Arc::clone(world),
        instance: who.instance,
    });
    let options = RunOptions {
        commit_interval: casting.commit_interval,
        end: casting.end,
        workers: casting.seats as usize,
        partitions: casting.partitions,
    };
    let (prepared, readers) = Prepared::new(&casting.pipeline, log, &clock, &options)?;
    Ok((Arc::new(prepared), Box::new(readers)))
}

/// Reads the tables; makes the workers when that is done.
fn load(
    log: &Arc<dyn Log>,
    prepared: &Arc<Prepared>,
    mut readers: Box<TableReaders>,
    of: u32,
) -> Result<Stage, EngineError> {
    match readers.catch_up() {
        Ok(true) => {}
        // The network is slow, or the log asks to come again.
        Ok(false) => return Ok(Stage::Loading(readers)),
        Err(EngineError::Log(error)) if error.is_retriable() => return Ok(Stage::Loading(readers)),
        Err(error) => return Err(error),
    }
    let mut slots = Vec::new();
    for number in 0..of {
        let readers = std::mem::take(&mut *readers);
        let worker = Worker::new(prepared, log, Seat { number, of }, readers)?;
        slots.push(Slot {
            worker: Some(Box::new(worker)),
            is_done: false,
            wake_ms: 0,
        });
    }
    Ok(Stage::Working(slots))
}

fn work(world: &Arc<World>, instance: u64, seat: usize) {
    let taken = {
        let mut cast = world.cast();
        let process = cast.process(instance);
        process.and_then(|process| match &mut process.stage {
            Stage::Working(slots) => slots[seat].worker.take().map(|worker| (process.who, worker)),
            _ => None,
        })
    };
    let Some((who, mut worker)) = taken else { return };
    let who = Who {
        seat: Some(seat as u32),
        ..who
    };
    let stepped = worker.step();
    let is_dead = world.with(|state| state.is_dead(instance));
    let (back, wait_ms) = match stepped {
        _ if is_dead => (None, 0),
        Ok(Step::Worked) => (Some(worker), 0),
        Ok(Step::Nothing { wait }) => {
            let wait_ms = wait.as_millis() as u64;
            // The log may have more before that.
            (
                Some(worker),
                1 + world.with(|state| state.dice.below(wait_ms + 1)) as i64,
            )
        }
        Ok(Step::Done) => {
            world.note(|| format!("{who} is done"));
            (None, 0)
        }
        Err(error) => {
            say_failure(world, who, &error);
            (None, 0)
        }
    };
    let (now_ms, again_ms) = (
        world.now_ms(),
        world.with(|state| state.now_ms + state.dice.between(50, 3_000)),
    );
    let mut cast = world.cast();
    if let Some(Process {
        stage: Stage::Working(slots),
        ..
    }) = cast.process(instance)
    {
        let slot = &mut slots[seat];
        slot.is_done = back.is_none();
        slot.worker = back;
        // A pause that befell it meanwhile stays.
        slot.wake_ms = slot.wake_ms.max(now_ms + wait_ms);
    }
    cast.bury(instance, again_ms);
}

/// A process that is not dead must not fail: nothing that goes wrong here is more than it has to bear. Only one that was asked
/// to end may give up its last commit, when what would pass has not passed for as long as it tries: nothing is lost by that.
fn say_failure(world: &World, who: Who, error: &EngineError) {
    let is_stopping = world.cast().process(who.instance).is_some_and(Process::is_stopping);
    let passes = matches!(error, EngineError::Log(error) if error.is_retriable());
    world.with(|state| {
        if state.is_dead(who.instance) {
            return;
        }
        let text = format!("{who} failed: {error}");
        state.note(&text);
        if !(is_stopping && passes) {
            state.violations.push(text);
        }
        state.kill(who.instance);
    });
}
