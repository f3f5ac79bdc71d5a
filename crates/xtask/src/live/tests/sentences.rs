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
        (
            "compacted.",
            ("cleanup.policy", "compact"),
            ["is compacted", "produce into a topic that is not"],
        ),
        (
            "short.",
            ("retention.ms", "60000"),
            ["keeps 60000 ms, but a restart replays 140000 ms", "raise its retention"],
        ),
    ] {
        let deployment = Deployment::on_broker(stage, world, name)?;
        let topic = deployment.on_cluster("readings");
        deployment.foreign.create_topic(&topic, 2, &[config])?;
        for command in ["setup", "run"] {
            says(stage, deployment.try_to(command, &[command, PIPELINE])?, &words)?;
        }
    }
    let has_run = |name: &str, world: &mut World| -> Result<Deployment<'_>> {
        let deployment = Deployment::on_broker(stage, world, name)?;
        run(&deployment)?;
        Ok(deployment)
    };
    partitions_were_added(&has_run("enlarged.", world)?)?;
    the_plan_has_changed(&has_run("changed.", world)?)
}

/// Runs the pipeline to the end of some readings.
fn run(deployment: &Deployment<'_>) -> Result<()> {
    let file = deployment.stage.folder().join("readings.jsonl");
    // A minute of each of ten people.
    readings::write(&file, 6_000, 10)?;
    let file = file.display().to_string();
    deployment.run("setup", &["setup", PIPELINE, "--partitions", "2"])?;
    deployment.run("produce", &["produce", &file, "--topic", "readings"])?;
    deployment.run("run", &["run", PIPELINE, "--until-end"])?;
    Ok(())
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

/// With other parameters it goes on and says so, as long as what its windows reach back to is there; the same plan needs what
/// it replays.
fn the_plan_has_changed(deployment: &Deployment<'_>) -> Result<()> {
    let stage = deployment.stage;
    let run = ["run", PIPELINE, "--until-end"];
    let changed = |window: &'static str| [&run[..], &["--set", window]].concat();
    let ended = deployment.run("changed", &changed("window=20 seconds"))?;
    ensure!(ended.err.contains("the pipeline has changed"), "{}", ended.err);
    deployment
        .foreign
        .delete_records(&deployment.on_cluster("readings"), 100)?;
    let words = [
        "still_out_of_range has changed",
        "begins at offset 100",
        "Raise the topic's retention",
    ];
    says(
        stage,
        deployment.try_to("changed", &changed("window=30 seconds"))?,
        &words,
    )?;
    let words = ["begins at offset 100, but a restart", "Raise the topic's retention"];
    says(stage, deployment.try_to("same", &changed("window=20 seconds"))?, &words)
}

/// After a run, somebody gives the source more partitions.
fn partitions_were_added(deployment: &Deployment<'_>) -> Result<()> {
    let (stage, run) = (deployment.stage, ["run", PIPELINE, "--until-end"]);
    deployment
        .foreign
        .enlarge_topic(&deployment.on_cluster("readings"), 3)?;
    let words = [
        "topic readings has 3 partitions, but had 2",
        "Give the topic 2 partitions again",
    ];
    says(stage, deployment.try_to("run", &run)?, &words)
}

/// The last line is one sentence with these words, and it was the user's mistake.
pub(super) fn says(stage: &Stage, ended: Ended, words: &[&str]) -> Result<()> {
    let sentence = ended.err.lines().last().unwrap_or_default();
    let (name, code) = (&ended.name, ended.status.code());
    ensure!(
        code == Some(MISTAKE),
        "{name}: exit code {code:?} instead of {MISTAKE}\n{}",
        ended.err
    );
    let lacks: Vec<&&str> = words.iter().filter(|word| !sentence.contains(**word)).collect();
    ensure!(
        sentence.starts_with("error: ") && lacks.is_empty(),
        "{name} does not say {lacks:?} at its end:\n{}",
        ended.err
    );
    stage.say(sentence);
    Ok(())
}
