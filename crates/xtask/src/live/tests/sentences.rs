//! What the program says on a real broker when something about the cluster is not as it needs it: one sentence with what to do,
//! and the exit code of a user's mistake.
//!
//! Texts are compared by what a user needs from them, not word by word.

use anyhow::{Result, ensure};

use super::super::deployment::Deployment;
use super::super::ports;
use super::super::process::Ended;
use super::super::program::Program;
use super::super::readings;
use super::super::stage::{Stage, World};

const PIPELINE: &str = "pipelines/still_out_of_range.sql";
/// Of a mistake of the user's.
const MISTAKE: i32 = 2;

/// Nobody there, no such topic, a topic that cannot be worked on, and one that has changed.
pub(super) fn say_what_to_do(stage: &Stage, world: &mut World) -> Result<()> {
    nobody_is_there(stage)?;
    let deployment = Deployment::on_broker(stage, world, "missing.")?;
    let tail = deployment.try_to("tail", &["tail", "findngs"])?;
    says(stage, tail, &["there is no topic findngs", "setup"])?;
    for (name, config, words) in [
        ("compacted.", ("cleanup.policy", "compact"), ["is compacted", "produce into a topic that is not"]),
        ("short.", ("retention.ms", "60000"), ["keeps 60000 ms, but a restart replays 140000 ms", "raise its retention"]),
    ] {
        let deployment = Deployment::on_broker(stage, world, name)?;
        let topic = deployment.on_cluster("readings");
        deployment.foreign.create_topic(&topic, 2, &[config])?;
        for command in ["setup", "run"] {
            says(stage, deployment.try_to(command, &[command, PIPELINE])?, &words)?;
        }
    }
    partitions_were_added(&Deployment::on_broker(stage, world, "enlarged.")?)
}

/// On a port that nobody listens on.
fn nobody_is_there(stage: &Stage) -> Result<()> {
    let [port, _] = ports::free()?;
    let address = format!("127.0.0.1:{port}");
    for command in [&["run", PIPELINE][..], &["status"]] {
        let arguments = [command, &["--kafka", &address]].concat();
        let ended = Program::start(stage, "refused", &arguments, &[])?.end()?;
        says(stage, ended, &[&address, "cannot be reached", "bootstrap.servers"])?;
    }
    Ok(())
}

/// After a run, somebody gives the source more partitions.
fn partitions_were_added(deployment: &Deployment<'_>) -> Result<()> {
    let (stage, file) = (deployment.stage, deployment.stage.folder().join("readings.jsonl"));
    readings::write(&file, 200, 10)?;
    let file = file.display().to_string();
    let run = ["run", PIPELINE, "--until-end"];
    deployment.run("setup", &["setup", PIPELINE, "--partitions", "2"])?;
    deployment.run("produce", &["produce", &file, "--topic", "readings"])?;
    deployment.run("run", &run)?;
    deployment.foreign.enlarge_topic(&deployment.on_cluster("readings"), 3)?;
    let words = ["topic readings has 3 partitions, but had 2", "Give the topic 2 partitions again"];
    says(stage, deployment.try_to("run", &run)?, &words)
}

/// The last line is one sentence with these words, and it was the user's mistake.
pub(super) fn says(stage: &Stage, ended: Ended, words: &[&str]) -> Result<()> {
    let sentence = ended.err.lines().last().unwrap_or_default();
    let (name, code) = (&ended.name, ended.status.code());
    ensure!(code == Some(MISTAKE), "{name}: exit code {code:?} instead of {MISTAKE}\n{}", ended.err);
    let lacks: Vec<&&str> = words.iter().filter(|word| !sentence.contains(**word)).collect();
    ensure!(
        sentence.starts_with("error: ") && lacks.is_empty(),
        "{name} does not say {lacks:?} at its end:\n{}",
        ended.err
    );
    stage.say(sentence);
    Ok(())
}
