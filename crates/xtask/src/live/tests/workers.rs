//! The product on real brokers: whatever happens to its workers and to the brokers, the findings that a foreign consumer sees
//! are those of the files, each once.
//!
//! The readings are in order, so that none is late and `heartwatch backtest` is the oracle.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::super::cluster::Cluster;
use super::super::findings::{Row, compare, rows};
use super::super::foreign::{Foreign, Record, Schemas};
use super::super::oracle;
use super::super::program::Program;
use super::super::stage::{Stage, World};

const PIPELINE: &str = "pipelines/still_out_of_range.sql";
const PARTITIONS: &str = "4";
const USERS: &str = "200";
/// Of simulated time; at `RATE` the load lasts about a minute.
const LENGTH: &str = "15m";
const RATE: &str = "2500";
const KILLS: u32 = 20;
/// A worker that says nothing for so long loses its partitions; the brokers allow no less.
const SESSION: Duration = Duration::from_secs(6);
/// For what takes seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A pipeline under load on a cluster, in a namespace of its own.
struct Scene<'a> {
    stage: &'a Stage,
    foreign: Foreign,
    registry: String,
    bootstrap: String,
    namespace: String,
    expected: Vec<Row>,
    readings: String,
}

/// SIGKILL at random moments, twenty times, and each time a new worker under the same name.
pub(super) fn killed_worker_loses_and_doubles_nothing(stage: &Stage, world: &mut World) -> Result<()> {
    let scene = Scene::set(stage, world, |world| world.broker())?;
    scene.under_load(|scene| {
        let mut longest = Duration::ZERO;
        for kill in 0..KILLS {
            let began = Instant::now();
            let mut worker = scene.worker("killed", kill)?;
            worker.wait_for("runs with", PATIENCE)?;
            longest = longest.max(began.elapsed());
            // Pseudo-random, and the same in every run.
            stage.pause(Duration::from_millis(200 + u64::from(kill * 7_919 % 1_300)))?;
            worker.still_runs()?;
            worker.kill()?;
        }
        stage.say(format_args!(
            "{KILLS} workers killed; the longest start took {:.1} s",
            longest.as_secs_f64()
        ));
        Ok(())
    })
}

/// A second worker joins and takes over half, leaves in order; a third joins and is killed.
pub(super) fn workers_come_and_go(stage: &Stage, world: &mut World) -> Result<()> {
    let scene = Scene::set(stage, world, |world| world.broker())?;
    scene.under_load(|scene| {
        let mut first = scene.worker("first", 0)?;
        first.wait_for("runs with", PATIENCE)?;
        stage.pause(Duration::from_secs(3))?;
        let mut second = scene.worker("second", 0)?;
        first.wait_for("is given away", PATIENCE)?;
        second.wait_for("partition", PATIENCE)?;
        stage.pause(Duration::from_secs(5))?;
        second.interrupt(PATIENCE)?;
        let mut third = scene.worker("third", 0)?;
        third.wait_for("partition", PATIENCE)?;
        stage.pause(Duration::from_secs(3))?;
        third.kill()?;
        // The first has to take over what the third had once its session is over.
        stage.pause(SESSION + Duration::from_secs(4))?;
        first.still_runs()?;
        first.interrupt(PATIENCE)?;
        Ok(())
    })
}

/// SIGSTOP for longer than its session, and SIGCONT: another has its partitions by then, and what it writes does not count.
pub(super) fn stopped_worker_commits_nothing_more(stage: &Stage, world: &mut World) -> Result<()> {
    let scene = Scene::set(stage, world, |world| world.broker())?;
    scene.under_load(|scene| {
        let mut zombie = scene.worker("zombie", 0)?;
        zombie.wait_for("runs with", PATIENCE)?;
        let mut other = scene.worker("other", 0)?;
        other.wait_for("partition", PATIENCE)?;
        for _ in 0..2 {
            stage.pause(Duration::from_secs(3))?;
            zombie.pause();
            stage.pause(SESSION + Duration::from_secs(5))?;
            zombie.resume();
        }
        stage.pause(Duration::from_secs(5))?;
        zombie.still_runs()?;
        other.still_runs()?;
        zombie.interrupt(PATIENCE)?;
        other.interrupt(PATIENCE)?;
        Ok(())
    })
}

/// SIGKILL and a new start for each broker of the quorum in turn, while two workers and the producer are at work.
pub(super) fn brokers_die_under_workers(stage: &Stage, world: &mut World) -> Result<()> {
    world.quorum()?.wait_until_in_sync()?;
    let scene = Scene::set(stage, world, |world| world.quorum())?;
    let cluster = world.quorum()?;
    scene.under_load(|scene| {
        let mut workers = [scene.worker("one", 0)?, scene.worker("two", 0)?];
        workers[0].wait_for("partition", PATIENCE)?;
        for index in 0..cluster.size() {
            cluster.kill(index)?;
            stage.pause(Duration::from_secs(5))?;
            cluster.restart(index)?;
            cluster.wait_until_in_sync()?;
            workers.iter_mut().try_for_each(Program::still_runs)?;
        }
        for worker in workers {
            worker.interrupt(PATIENCE)?;
        }
        Ok(())
    })
}

impl<'a> Scene<'a> {
    /// Makes people and their readings, the answer, and the topics.
    fn set(
        stage: &'a Stage,
        world: &mut World,
        cluster: impl Fn(&mut World) -> Result<&mut Cluster>,
    ) -> Result<Scene<'a>> {
        let registry = world.registry()?.url();
        let cluster = cluster(world)?;
        let (bootstrap, foreign) = (cluster.bootstrap(), stage.foreign(cluster));
        let [unsorted, baselines, readings] =
            ["unsorted", "baselines", "readings"].map(|name| stage.folder().join(format!("{name}.jsonl")));
        let [out, ranges] = [&unsorted, &baselines].map(|path| path.display().to_string());
        let town = ["simulate", "--users", USERS, "--for", LENGTH, "--seed", "11"];
        Program::run(
            stage,
            "simulate",
            &[&town[..], &["--out", &out, "--baselines", &ranges]].concat(),
            &[],
        )?;
        sort(&unsorted, &readings)?;
        let pipeline = stage.kit().root().join(PIPELINE);
        let expected = oracle::backtest(stage, &pipeline, &[], &readings, &baselines)?;
        ensure!(expected.len() > 100, "only {} findings to be seen", expected.len());
        let scene = Scene {
            stage,
            foreign,
            registry,
            bootstrap,
            namespace: stage.named(""),
            expected,
            readings: readings.display().to_string(),
        };
        scene.run("setup", &["setup", PIPELINE, "--partitions", PARTITIONS])?;
        scene.run("baselines", &["produce", &ranges, "--topic", "baselines"])?;
        Ok(scene)
    }

    /// Makes trouble while readings come in; then one worker finishes, and every finding has to be there, once.
    fn under_load(&self, trouble: impl FnOnce(&Scene<'_>) -> Result<()>) -> Result<()> {
        let load = ["produce", &self.readings, "--topic", "readings", "--rate", RATE];
        let mut producing = self.start("produce", &load, "producer")?;
        producing.wait_for("records/s", PATIENCE)?;
        trouble(self)?;
        let produced = producing.finish(PATIENCE)?;
        ensure!(produced.err.contains("records appended"), "{}", produced.err);
        let began = Instant::now();
        self.run("finish", &["run", PIPELINE, "--until-end"])?;
        let took = began.elapsed();
        let seen = self.findings()?;
        compare(&self.expected, &seen)?;
        self.stage.say(format_args!(
            "{} findings, each there once; the last worker took {:.1} s",
            seen.len(),
            took.as_secs_f64()
        ));
        Ok(())
    }

    fn findings(&self) -> Result<Vec<Record>> {
        let topic = format!("{}findings", self.namespace);
        self.foreign.consume(&topic, &Schemas::Registry(self.registry.clone()))
    }

    fn worker(&self, name: &str, number: u32) -> Result<Program> {
        self.start(&format!("{name}-{number}"), &["run", PIPELINE], name)
    }

    /// `instance`: as whom a worker is known to its group.
    fn start(&self, name: &str, arguments: &[&str], instance: &str) -> Result<Program> {
        Program::start(
            self.stage,
            name,
            &self.on_cluster(arguments),
            &self.environment(instance),
        )
    }

    fn run(&self, name: &str, arguments: &[&str]) -> Result<()> {
        Program::run(self.stage, name, &self.on_cluster(arguments), &self.environment(name))?;
        Ok(())
    }

    fn on_cluster<'b>(&'b self, arguments: &[&'b str]) -> Vec<&'b str> {
        let place = ["--kafka", &self.bootstrap, "--namespace", &self.namespace];
        [arguments, &place].concat()
    }

    fn environment<'b>(&'b self, instance: &'b str) -> [(&'b str, &'b str); 4] {
        [
            ("HEARTWATCH_KAFKA_SCHEMA_REGISTRY_URL", &self.registry),
            ("HEARTWATCH_KAFKA_SESSION_TIMEOUT_MS", "6000"),
            ("HEARTWATCH_KAFKA_HEARTBEAT_INTERVAL_MS", "1000"),
            ("HEARTWATCH_KAFKA_GROUP_INSTANCE_ID", instance),
        ]
    }
}

/// The same lines in the order of their times.
fn sort(from: &PathBuf, to: &PathBuf) -> Result<()> {
    let text = std::fs::read_to_string(from)?;
    let mut lines: Vec<(i64, &str)> = Vec::new();
    for (line, row) in text.lines().zip(rows(&text)?) {
        let time_ms = row.get("time").and_then(serde_json::Value::as_i64);
        lines.push((time_ms.context("a reading without a time in milliseconds")?, line));
    }
    lines.sort_by_key(|(time_ms, _)| *time_ms);
    let sorted: Vec<&str> = lines.into_iter().map(|(_, line)| line).collect();
    Ok(std::fs::write(to, sorted.join("\n") + "\n")?)
}
