//! One simulation: half a minute of trouble, then calm until all is caught up, then the checks.

use std::sync::Arc;
use std::time::Duration;

use hw_engine::{End, TaskMetrics, group};

use crate::Bug;
use crate::cast::{Cast, Casting};
use crate::check::{Checked, check};
use crate::cluster::{Cluster, Times};
use crate::dice::Dice;
use crate::faults::Faults;
use crate::script::{Act, Script, Upheaval};
use crate::workload::{SOURCE, TROUBLE_MS, Workload};
use crate::world::{START_MS, State, World};

/// After the trouble all must be caught up within this time.
const CALM_MS: i64 = 60_000;

/// A run to the end on a slow network that loses answers must end within this time.
const TO_THE_END_MS: i64 = 300_000;

/// Idle time at the end, in which everything that waits is answered: a lateness, a window, and the idle time twice over.
const IDLE_MS: i64 = 15_000;

/// Bytes of a task's state, at most: some dozens of readings of a handful of users. What is kept of every record would be more.
const STATE_BYTES_MAX: u64 = 16 << 10;

/// Bytes of a transaction, at most: a commit interval's answers, or those of what was sent while nobody was there.
const TRANSACTION_BYTES_MAX: usize = 64 << 10;

/// What came of a simulation.
#[derive(Debug)]
pub struct Outcome {
    /// Everything that happened, each line with its time in milliseconds since the beginning.
    pub history: Vec<String>,
    /// What must not be; none when all is well.
    pub violations: Vec<String>,
    /// What was looked at.
    pub checked: Checked,
}

/// Runs the simulation of a seed, with a planted bug or without.
///
/// # Errors
/// When the simulation itself is broken.
pub fn simulate(seed: u64, bug: Option<Bug>) -> anyhow::Result<Outcome> {
    let mut dice = Dice::new(seed);
    let mut simulation = Simulation::new(&mut dice, bug)?;
    simulation.trouble();
    simulation.calm();
    simulation.say_memory();
    let checked = simulation.check();
    // The world and its processes hold one another.
    simulation.world.cast().processes.clear();
    let checked = checked?;
    let world = &simulation.world;
    let (history, mut violations) = world.with(|state| {
        let history = std::mem::take(&mut state.history);
        (history, std::mem::take(&mut state.violations))
    });
    violations.dedup();
    Ok(Outcome {
        history,
        violations,
        checked,
    })
}

struct Simulation {
    world: Arc<World>,
    workload: Workload,
    /// Processes are called 0 to this.
    identities: u32,
}

impl Simulation {
    fn new(dice: &mut Dice, bug: Option<Bug>) -> anyhow::Result<Simulation> {
        let workload = Workload::draw(dice)?;
        let identities = 1 + dice.below(3) as u32;
        let times = Times {
            session_ms: dice.between(1_500, 4_000),
            transaction_ms: dice.between(1_000, 3_000),
        };
        let faults = Faults::draw(dice);
        let mut cluster = Cluster::new(times, bug);
        let mut acts = workload.prepare(&mut cluster, dice)?;
        acts.extend(upheavals(&faults, identities, workload.partitions, dice));
        let casting = Casting {
            pipeline: Arc::clone(&workload.pipeline),
            commit_interval: Duration::from_millis(dice.pick(&[0, 0, 20, 100, 1_000])),
            seats: 1 + dice.below(2) as u32,
            partitions: workload.partitions,
            end: End::Follow,
        };
        let mut state = State::new(dice.apart(), faults, cluster);
        state.note(workload.describe());
        state.note(format!(
            "{identities} processes of {} workers; {faults:?}",
            casting.seats
        ));
        let mut cast = Cast::new(casting, Script::new(acts));
        for identity in 0..identities {
            cast.begin_at(identity, START_MS + dice.between(0, 3_000));
        }
        Ok(Simulation {
            world: Arc::new(World::new(state, cast)),
            workload,
            identities,
        })
    }

    /// Everything that can go wrong, while readings are sent.
    fn trouble(&mut self) {
        self.go_on_until(START_MS + TROUBLE_MS);
    }

    /// No faults any more; all has to be caught up, and what waits to be answered.
    fn calm(&mut self) {
        let (ends_with_a_stop, faults) = self.world.with(|state| {
            state.note("calm");
            state.is_calm = true;
            state.silent.clear();
            let faults = std::mem::take(&mut state.faults);
            (state.dice.chance(500), faults.that_pass())
        });
        self.bury_twins();
        if ends_with_a_stop {
            self.run_to_the_end(faults);
            return;
        }
        let began_ms = self.world.now_ms();
        while !self.is_caught_up() {
            if self.world.now_ms() > began_ms + CALM_MS {
                self.violate("the engine does not catch up");
                return;
            }
            self.go_on_until(self.world.now_ms() + 500);
        }
        self.go_on_until(self.world.now_ms() + IDLE_MS);
        self.stop_all();
        self.let_markers_arrive();
    }

    /// A transaction is decided before its places know of it.
    fn let_markers_arrive(&mut self) {
        self.go_on_until(self.world.now_ms() + 4_000);
    }

    /// All processes end; one that works to the log's end, and ends there, follows. It has to bear what passes by itself.
    fn run_to_the_end(&mut self, faults: Faults) {
        self.stop_all();
        let session_ms = self.world.with(|state| state.cluster.times.session_ms);
        self.go_on_until(self.world.now_ms() + 2 * session_ms);
        let interval = self.world.with(|state| state.dice.pick(&[0, 100, 1_000]));
        {
            let (now_ms, interval) = (self.world.now_ms(), Duration::from_millis(interval));
            let mut cast = self.world.cast();
            cast.casting().end = End::Stop;
            cast.casting().seats = 1;
            cast.casting().commit_interval = interval;
            cast.begin(0, now_ms);
        }
        self.world.with(|state| state.faults = faults);
        self.wait_for_all("the run to the end does not end", TO_THE_END_MS, |_| {});
        self.let_markers_arrive();
        if !self.is_caught_up() {
            self.violate("the run to the end left something");
        }
    }

    /// Second lives of a process would fence each other for ever.
    fn bury_twins(&self) {
        for identity in 0..self.identities {
            let lives = self.world.cast().lives_of(identity);
            let (_, old) = lives.split_last().unwrap_or((&0, &[]));
            self.world
                .with(|state| old.iter().for_each(|instance| state.kill(*instance)));
        }
    }

    fn stop_all(&mut self) {
        self.world.cast().close();
        // Again and again, for one that has only just begun does not hear it.
        self.wait_for_all("a process does not stop", CALM_MS, |cast| {
            let lives = cast.all_lives();
            lives.into_iter().for_each(|instance| cast.stop(instance));
        });
    }

    fn wait_for_all(&mut self, otherwise: &str, patience_ms: i64, ask: impl Fn(&mut Cast)) {
        let began_ms = self.world.now_ms();
        while !self.world.cast().processes.is_empty() {
            if self.world.now_ms() > began_ms + patience_ms {
                self.violate(otherwise);
                return;
            }
            ask(&mut self.world.cast());
            self.go_on_until(self.world.now_ms() + 100);
        }
    }

    fn go_on_until(&mut self, until_ms: i64) {
        while self.world.now_ms() < until_ms {
            self.world.pass_time((until_ms - self.world.now_ms()).min(200));
            self.look_at_memory();
        }
    }

    fn look_at_memory(&mut self) {
        let prepared: Vec<_> = self
            .world
            .cast()
            .processes
            .iter()
            .filter_map(|process| process.prepared.clone())
            .collect();
        let tasks_max = self.workload.partitions as usize * self.workload.pipeline.jobs.len();
        for prepared in prepared {
            let tasks = prepared.tasks.ever();
            if tasks.len() > tasks_max {
                self.violate(&format!("{} tasks are listed, of {tasks_max}", tasks.len()));
            }
            for task in tasks {
                let bytes = TaskMetrics::get(&task.metrics.state_bytes);
                self.world
                    .with(|state| state.largest_state = state.largest_state.max(bytes));
                if bytes > STATE_BYTES_MAX {
                    self.violate(&format!("{}/{} holds {bytes} bytes", task.topic, task.partition));
                }
            }
        }
        let (bytes, buffered) = self.world.with(|state| (state.largest_transaction, state.buffered_max));
        if bytes > TRANSACTION_BYTES_MAX {
            self.violate(&format!("a transaction of {bytes} bytes"));
        }
        if buffered > 64 {
            self.violate(&format!("{buffered} fetched answers wait"));
        }
    }

    fn say_memory(&self) {
        self.world.with(|state| {
            state.note(format!(
                "at most {} bytes of a task's state, {} bytes in a transaction, {} fetched answers of a partition",
                state.largest_state, state.largest_transaction, state.buffered_max
            ));
        });
    }

    /// Whether every job has committed to the end of its source.
    fn is_caught_up(&self) -> bool {
        let pipeline = &self.workload.pipeline;
        self.world.with(|state| {
            (0..pipeline.jobs.len()).all(|job| {
                let topic = &pipeline.streams[pipeline.jobs[job].source].topic;
                let (commits, _) = state.cluster.committed(&group(pipeline, job));
                let ranges = state.cluster.ranges(topic).unwrap_or_default();
                (0..).zip(ranges).all(|(partition, range)| {
                    let mine = commits.iter().find(|commit| commit.partition == partition);
                    mine.map_or(0, |commit| commit.offset) >= range.end
                })
            })
        })
    }

    fn check(&self) -> anyhow::Result<Checked> {
        self.world.with(|state| {
            let mut violations = Vec::new();
            let checked = check(&state.cluster, &self.workload, &mut violations)?;
            violations.iter().for_each(|violation| state.note(violation));
            state.note(checked);
            state.violations.extend(violations);
            Ok(checked)
        })
    }

    fn violate(&self, text: &str) {
        self.world.with(|state| {
            state.note(text);
            state.violations.push(text.to_owned());
        });
    }
}

/// What befalls processes, groups and partitions, about so often.
fn upheavals(faults: &Faults, identities: u32, partitions: u32, dice: &mut Dice) -> Vec<(i64, Act)> {
    let mut acts = Vec::new();
    for second in 0..TROUBLE_MS / 1_000 {
        if dice.chance(faults.upheaval) {
            let at_ms = START_MS + second * 1_000 + dice.between(0, 999);
            let upheaval = Upheaval::draw(dice, identities, SOURCE, partitions);
            acts.push((at_ms, Act::Befall(upheaval)));
        }
    }
    acts
}
