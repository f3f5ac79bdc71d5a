//! The rules of time on a real broker: with readings in disorder, an idle partition, wrong clocks and killed workers, a foreign
//! consumer sees the findings and the late readings of the reference.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::super::deployment::Deployment;
use super::super::disorder;
use super::super::findings::rows;
use super::super::foreign::RawRecord;
use super::super::program::Program;
use super::super::stage::{Stage, World};
use super::super::time_oracle::{self, compare_with_rules};
use super::super::time_rules::Rule;
use super::oracle::of_file;

const NAME: &str = "still_out_of_range";
const PARTITIONS: &str = "4";
const RULE: Rule = Rule {
    lateness_ms: 2_000,
    ..Rule::SHIPPED
};
/// Readings a second, when all partitions have some.
const RATE: usize = 400;
/// For what takes seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Two workers, each killed once, and a partition that is silent for seconds.
pub(super) fn kafka_keeps_the_rules_of_time(stage: &Stage, world: &mut World) -> Result<()> {
    let scene = Scene::set(Deployment::on_broker(stage, world, "")?)?;
    let all = &scene.readings;
    let (first, rest) = all.split_at(all.len() * 2 / 5);
    let (second, third) = rest.split_at(rest.len() / 2);

    let mut one = scene.worker("one")?;
    let two = scene.worker("two")?;
    one.wait_for("partition", PATIENCE)?;
    let producing = scene.produce("first", first)?;
    stage.pause(Duration::from_secs(2))?;
    one.kill()?;
    let one = scene.worker("one")?;
    producing.finish(PATIENCE)?;

    let (silent, others) = scene.without_a_partition(second)?;
    let producing = scene.produce("second", &others)?;
    stage.pause(Duration::from_secs(1))?;
    two.kill()?;
    let two = scene.worker("two")?;
    producing.finish(PATIENCE)?;
    scene.wait_for_marks()?;
    // Who was silent sends it all at once.
    scene.produce("third", &[&silent, third].concat())?.finish(PATIENCE)?;
    for worker in [one, two] {
        worker.interrupt(PATIENCE)?;
    }
    scene.finish()
}

/// The shipped rule over readings in disorder.
struct Scene<'a> {
    deployment: Deployment<'a>,
    /// The pipeline, with partitions that are idle soon.
    pipeline: String,
    baselines: String,
    /// In the order in which they arrive.
    readings: Vec<String>,
}

impl<'a> Scene<'a> {
    fn set(deployment: Deployment<'a>) -> Result<Scene<'a>> {
        let stage = deployment.stage;
        let [pipeline, readings, baselines] = [&format!("{NAME}.sql"), "readings.jsonl", "baselines.jsonl"]
            .map(|file| stage.folder().join(file).display().to_string());
        let shipped = std::fs::read_to_string(stage.kit().root().join(format!("pipelines/{NAME}.sql")))?;
        let impatient = shipped.replace(
            "'lateness' '$lateness'",
            "'lateness' '$lateness', 'idle_after' '1 second'",
        );
        ensure!(impatient != shipped, "the shipped pipeline has no lateness to be found");
        std::fs::write(&pipeline, impatient)?;
        let town = ["simulate", "--users", "60", "--for", "100s", "--seed", "5"];
        let files = ["--out", &readings, "--baselines", &baselines];
        Program::run(stage, "simulate", &[&town[..], &files].concat(), &[])?;
        deployment.run("setup", &["setup", &pipeline, "--partitions", PARTITIONS])?;
        deployment.run("baselines", &["produce", &baselines, "--topic", "baselines"])?;
        Ok(Scene {
            readings: disorder::of(&std::fs::read_to_string(readings)?, RULE.lateness_ms)?,
            deployment,
            pipeline,
            baselines,
        })
    }

    fn worker(&self, instance: &str) -> Result<Program> {
        let run = self.arguments();
        let run: Vec<&str> = run.iter().map(String::as_str).collect();
        let mut worker = self.deployment.start(instance, &run, instance)?;
        worker.wait_for("runs with", PATIENCE)?;
        Ok(worker)
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments = ["run", &self.pipeline, "--workers", "1"].map(str::to_owned).to_vec();
        arguments.extend(RULE.set().into_iter().flat_map(|pair| ["--set".to_owned(), pair]));
        arguments
    }

    /// Starts to send readings; the first are there when this returns.
    fn produce(&self, name: &str, readings: &[String]) -> Result<Program> {
        let file = self.deployment.stage.folder().join(format!("{name}.jsonl"));
        std::fs::write(&file, readings.join("\n") + "\n")?;
        let (file, rate) = (file.display().to_string(), RATE.to_string());
        let produce = ["produce", &file, "--topic", "readings", "--rate", &rate];
        self.deployment.start(name, &produce, "producer")
    }

    /// Readings of those whose partition is to be silent, and all others. Who lies where, the topic says.
    fn without_a_partition(&self, readings: &[String]) -> Result<(Vec<String>, Vec<String>)> {
        let mut partitions: BTreeMap<String, u32> = BTreeMap::new();
        for record in self.raw("readings")? {
            partitions.insert(record.key.context("a reading without a key")?, record.partition);
        }
        let mut parts = (Vec::new(), Vec::new());
        for line in readings {
            let row = rows(line)?;
            let row = row.first().context("invariant: a line is a row")?;
            let is_silent = partitions.get(disorder::user(row)?) == Some(&1);
            let part = if is_silent { &mut parts.0 } else { &mut parts.1 };
            part.push(line.clone());
        }
        ensure!(
            !parts.0.is_empty() && !parts.1.is_empty(),
            "nobody is in one of the parts"
        );
        Ok(parts)
    }

    fn raw(&self, topic: &str) -> Result<Vec<RawRecord>> {
        let topic = self.deployment.on_cluster(topic);
        self.deployment.foreign.consume_raw(&topic)
    }

    /// Until an idle partition has moved its clock by the wall's more than three times.
    fn wait_for_marks(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let marks = time_oracle::marks(&self.deployment)?;
            if marks.values().any(|marks| marks.len() > 3) {
                return Ok(());
            }
            self.deployment.stage.pause(Duration::from_millis(200))?;
        }
        bail!("no partition was idle within {} s", PATIENCE.as_secs())
    }

    /// Answers what is left, and compares all that was ever answered.
    fn finish(&self) -> Result<()> {
        let idle = time_oracle::marks(&self.deployment)?;
        let idle: Vec<usize> = idle.values().map(BTreeSet::len).collect();
        let mut run = self.arguments();
        run.push("--until-end".to_owned());
        let run: Vec<&str> = run.iter().map(String::as_str).collect();
        self.deployment.run("finish", &run)?;
        let shown = compare_with_rules(&self.deployment, RULE, &of_file(&self.baselines)?)?;
        self.deployment
            .stage
            .say(format_args!("{shown}; marks of idle partitions: {idle:?}"));
        ensure!(
            shown.findings > 100 && shown.late > 100 && shown.skewed > 5,
            "this shows too little"
        );
        ensure!(idle.len() == 4, "not every partition has said where it stands");
        Ok(())
    }
}
