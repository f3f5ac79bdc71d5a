//! The product on real brokers: whatever happens to its workers and to the brokers, the findings that a foreign consumer sees
//! are those of the files, each once.
//!
//! Where many readings are to be under way they are in order, so that none is late and `heartwatch backtest` is the oracle;
//! where it is workers that move, they come in disorder, and the oracle is the reference.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::super::cluster::Cluster;
use super::super::deployment::Deployment;
use super::super::disorder;
use super::super::findings::{Row, compare, rows};
use super::super::oracle;
use super::super::program::Program;
use super::super::stage::{Stage, World};
use super::super::time_oracle::compare_with_rules;
use super::super::time_rules::Rule;
use super::oracle::of_file;

const PIPELINE: &str = "pipelines/still_out_of_range.sql";
const PARTITIONS: &str = "4";
/// The rule over readings in disorder.
const RULE: Rule = Rule {
    lateness_ms: 2_000,
    ..Rule::SHIPPED
};
const KILLS: u32 = 20;
/// A worker that says nothing for so long loses its partitions; the brokers allow no less.
const SESSION: Duration = Duration::from_secs(6);
/// For what takes seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// In which order readings come, which decides who knows the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// None is late, and `heartwatch backtest` knows.
    ByTime,
    /// The reference knows, if they are few.
    Disorder,
}

/// Readings that come for about a minute.
#[derive(Debug, Clone, Copy)]
struct Load {
    order: Order,
    users: &'static str,
    /// Of simulated time.
    length: &'static str,
    /// Readings a second.
    rate: &'static str,
}

/// As many as leave a worker something to do at every moment.
const MANY: Load = Load {
    order: Order::ByTime,
    users: "200",
    length: "15m",
    rate: "2500",
};
/// As many as the reference can bear.
const IN_DISORDER: Load = Load {
    order: Order::Disorder,
    users: "60",
    length: "150s",
    rate: "150",
};

/// A pipeline under load on a cluster.
struct Scene<'a> {
    deployment: Deployment<'a>,
    load: Load,
    /// None when it can only be told afterwards.
    expected: Option<Vec<Row>>,
    readings: String,
    baselines: String,
}

/// SIGKILL at random moments, twenty times, and each time a new worker under the same name.
pub(super) fn killed_worker_loses_and_doubles_nothing(stage: &Stage, world: &mut World) -> Result<()> {
    let scene = Scene::set(stage, world, |world| world.broker(), MANY)?;
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
    let scene = Scene::set(stage, world, |world| world.broker(), IN_DISORDER)?;
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
    let scene = Scene::set(stage, world, |world| world.broker(), IN_DISORDER)?;
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
    let scene = Scene::set(stage, world, |world| world.quorum(), MANY)?;
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
    /// Makes people and their readings, the answer where it is known before, and the topics.
    fn set(
        stage: &'a Stage,
        world: &mut World,
        cluster: impl Fn(&mut World) -> Result<&mut Cluster>,
        load: Load,
    ) -> Result<Scene<'a>> {
        let registry = world.registry()?.url();
        let deployment = Deployment::new(stage, cluster(world)?, registry, "");
        let [simulated, baselines, readings] =
            ["simulated", "baselines", "readings"].map(|name| stage.folder().join(format!("{name}.jsonl")));
        let [out, ranges] = [&simulated, &baselines].map(|path| path.display().to_string());
        let town = ["simulate", "--users", load.users, "--for", load.length, "--seed", "11"];
        let files = ["--out", &out, "--baselines", &ranges];
        Program::run(stage, "simulate", &[&town[..], &files].concat(), &[])?;
        let simulated = std::fs::read_to_string(simulated)?;
        let lines = match load.order {
            Order::ByTime => sorted(&simulated)?,
            Order::Disorder => disorder::of(&simulated, RULE.lateness_ms)?,
        };
        std::fs::write(&readings, lines.join("\n") + "\n")?;
        let expected = match load.order {
            Order::Disorder => None,
            Order::ByTime => {
                let pipeline = stage.kit().root().join(PIPELINE);
                let expected = oracle::backtest(stage, &pipeline, &[], &readings, &baselines)?;
                ensure!(expected.len() > 100, "only {} findings to be seen", expected.len());
                Some(expected)
            }
        };
        deployment.run("setup", &["setup", PIPELINE, "--partitions", PARTITIONS])?;
        deployment.run("baselines", &["produce", &ranges, "--topic", "baselines"])?;
        Ok(Scene {
            deployment,
            load,
            expected,
            readings: readings.display().to_string(),
            baselines: ranges,
        })
    }

    /// Makes trouble while readings come in; then one worker finishes, and every finding has to be there, once.
    fn under_load(&self, trouble: impl FnOnce(&Scene<'_>) -> Result<()>) -> Result<()> {
        let load = [
            "produce",
            &self.readings,
            "--topic",
            "readings",
            "--rate",
            self.load.rate,
        ];
        let mut producing = self.deployment.start("produce", &load, "producer")?;
        producing.wait_for("records/s", PATIENCE)?;
        trouble(self)?;
        let produced = producing.finish(PATIENCE)?;
        ensure!(produced.err.contains("records appended"), "{}", produced.err);
        let began = Instant::now();
        let run = self.arguments();
        let run: Vec<&str> = run.iter().map(String::as_str).chain(["--until-end"]).collect();
        self.deployment.run("finish", &run)?;
        let took = began.elapsed().as_secs_f64();
        let shown = self.compare()?;
        self.deployment
            .stage
            .say(format_args!("{shown}; the last worker took {took:.1} s"));
        Ok(())
    }

    /// All that was answered, against what had to be.
    fn compare(&self) -> Result<String> {
        let Some(expected) = &self.expected else {
            let shown = compare_with_rules(&self.deployment, RULE, &of_file(&self.baselines)?)?;
            ensure!(
                shown.findings > 100 && shown.late > 100,
                "this shows too little: {shown}"
            );
            return Ok(shown.to_string());
        };
        let seen = self.deployment.consume("findings")?;
        compare(expected, &seen)?;
        Ok(format!("{} findings, each there once", seen.len()))
    }

    fn worker(&self, name: &str, number: u32) -> Result<Program> {
        let run = self.arguments();
        let run: Vec<&str> = run.iter().map(String::as_str).collect();
        self.deployment.start(&format!("{name}-{number}"), &run, name)
    }

    /// Those that run the pipeline.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["run".to_owned(), PIPELINE.to_owned()];
        if self.load.order == Order::Disorder {
            arguments.extend(RULE.set().into_iter().flat_map(|pair| ["--set".to_owned(), pair]));
        }
        arguments
    }
}

/// The same lines in the order of their times.
fn sorted(text: &str) -> Result<Vec<String>> {
    let mut lines: Vec<(i64, &str)> = Vec::new();
    for (line, row) in text.lines().zip(rows(text)?) {
        let time_ms = row.get("time").and_then(serde_json::Value::as_i64);
        lines.push((time_ms.context("a reading without a time in milliseconds")?, line));
    }
    lines.sort_by_key(|(time_ms, _)| *time_ms);
    Ok(lines.into_iter().map(|(_, line)| line.to_owned()).collect())
}
