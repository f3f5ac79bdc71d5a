//! Poison on a real broker: what cannot be processed is a dead letter, exactly once and as it was, in the transaction that
//! commits its offset; the good readings around it are answered.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::super::commits;
use super::super::dead_letters::DeadLetter;
use super::super::deployment::Deployment;
use super::super::findings::compare;
use super::super::foreign::{Record, lines_of};
use super::super::poison::{self, Line, Stands};
use super::super::process::Process;
use super::super::stage::{Stage, World};
use super::super::time_rules::Rule;

const NAME: &str = "still_out_of_range";
const PIPELINE: &str = "pipelines/still_out_of_range.sql";
/// As whom the worker is known, before it is killed and after.
const WORKER: &str = "worker";
const KILLS: u32 = 3;
/// Lines a second.
const RATE: u32 = 100;
/// For what takes seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// All kinds of poison, among good readings, under a worker that is killed three times.
pub(super) fn is_a_dead_letter_once(stage: &Stage, world: &mut World) -> Result<()> {
    let deployment = Deployment::on_broker(stage, world, "")?;
    let lines = poison::lines();
    let (first, last) = lines.split_at(lines.len() * 2 / 3);
    let baselines = stage.folder().join("baselines.jsonl");
    write(&baselines, poison::baselines())?;
    deployment.run("setup", &["setup", PIPELINE, "--partitions", "4"])?;
    let produce = ["produce", &baselines.display().to_string(), "--topic", "baselines"];
    deployment.run("baselines", &produce)?;

    let run = ["run", PIPELINE, "--workers", "1"];
    let producing = send(&deployment, "first", first)?;
    for kill in 0..KILLS {
        let mut worker = deployment.start("killed", &run, WORKER)?;
        worker.wait_for("from offset", PATIENCE)?;
        stage.pause(Duration::from_millis(700 + u64::from(kill) * 130))?;
        if kill + 1 == KILLS {
            deployment.wait_for_commit()?;
        }
        worker.still_runs()?;
        worker.kill()?;
    }
    let letters = deployment.dead_letters(NAME)?;
    let committed = commits::offsets(&commits(&deployment)?);
    let mut stand = stand(producing, 0)?;
    // Nobody is at work: what is committed and what is a dead letter are of the same transactions.
    let is_committed = |place: &&Stands| committed.get(&place.partition).is_some_and(|end| place.offset < *end);
    let done: Vec<&Stands> = stand.iter().filter(is_committed).collect();
    let under_way = compare_letters(&lines, &done, &letters).context("after the last worker was killed")?;

    stand.extend(self::stand(send(&deployment, "last", last)?, first.len())?);
    ensure!(
        stand.len() == lines.len(),
        "{} of {} lines were sent",
        stand.len(),
        lines.len()
    );
    deployment
        .start("finish", &[&run[..], &["--until-end"]].concat(), WORKER)?
        .finish(PATIENCE)?;
    let all = compare_letters(
        &lines,
        &stand.iter().collect::<Vec<_>>(),
        &deployment.dead_letters(NAME)?,
    )?;
    let marks = commits::marks(&commits(&deployment)?)?;
    let expected = Rule::SHIPPED.findings(&poison::valid(&lines, &stand)?, &ranges(), &marks)?;
    compare(&expected.findings, &deployment.consume("findings")?)?;
    let findings = expected.findings.len();
    stage.say(format_args!(
        "{all} dead letters, {under_way} of them before the last kill, and {findings} findings of the {} others",
        lines.len() - all
    ));
    ensure!(findings > 200 && expected.late.is_empty(), "this shows too little");
    ensure!(
        under_way > 0 && under_way < all,
        "the workers were not killed in the middle"
    );
    Ok(())
}

/// Starts to send lines.
fn send(deployment: &Deployment<'_>, name: &str, lines: &[Line]) -> Result<Process> {
    let file = deployment.stage.folder().join(format!("{name}.jsonl"));
    write(&file, lines.iter().map(|line| line.reading.clone()))?;
    let topic = deployment.on_cluster("readings");
    deployment
        .foreign
        .produce_poison(&topic, &file, deployment.registry(), RATE)
}

/// Where the lines have come to stand, of which so many had been sent before.
fn stand(producing: Process, before: usize) -> Result<Vec<Stands>> {
    let mut stand: Vec<Stands> = lines_of(&producing.finish(PATIENCE)?.succeeded()?)?;
    stand.iter_mut().for_each(|place| place.line += before);
    Ok(stand)
}

fn write(file: &Path, rows: impl IntoIterator<Item = Value>) -> Result<()> {
    let lines: String = rows.into_iter().map(|row| format!("{row}\n")).collect();
    std::fs::write(file, lines).with_context(|| format!("cannot write {}", file.display()))
}

fn commits(deployment: &Deployment<'_>) -> Result<Vec<commits::Commit>> {
    let [group, topic] = [format!("{NAME}-0"), "readings".to_owned()].map(|name| deployment.on_cluster(&name));
    deployment.foreign.commits(&group, &topic)
}

/// Every piece of poison among the places has its letter, and there are no others; says how many.
fn compare_letters(lines: &[Line], places: &[&Stands], letters: &[DeadLetter]) -> Result<usize> {
    let mut open: BTreeMap<(u32, u64), &DeadLetter> = BTreeMap::new();
    for letter in letters {
        let is_second = open.insert(letter.place(), letter).is_some();
        ensure!(
            !is_second,
            "a second dead letter {:?}: {}",
            letter.place(),
            letter.reason
        );
    }
    let mut count = 0;
    for place in places {
        let line = lines.get(place.line).context("a line that was never sent")?;
        let Some(poison) = line.poison else { continue };
        let at = (place.partition, place.offset);
        let letter = open
            .remove(&at)
            .with_context(|| format!("no dead letter of {at:?}: {line:?}"))?;
        let reason = &letter.reason;
        ensure!(
            reason.starts_with(poison.reason),
            "{line:?} was refused with {reason:?}"
        );
        let (time, key) = (line.reading["time"].as_i64(), line.reading["user_id"].as_str());
        let original = &letter.original;
        ensure!(
            letter.topic == "readings"
                && original.value.as_ref() == place.value.as_ref().filter(|_| !poison.is_left_out)
                && Some(original.timestamp) == time
                && original.key.as_deref() == key,
            "the dead letter of {line:?} is not as it was"
        );
        count += 1;
    }
    let left: Vec<String> = open
        .values()
        .map(|letter| format!("{:?}: {}", letter.place(), letter.reason))
        .collect();
    ensure!(
        left.is_empty(),
        "dead letters of good readings, or before their time: {left:?}"
    );
    Ok(count)
}

/// The baselines as records.
fn ranges() -> Vec<Record> {
    let record = |range: Value| Record {
        partition: 0,
        offset: 0,
        timestamp: 0,
        time: String::new(),
        key: range["user_id"].as_str().map(str::to_owned),
        value: range.as_object().cloned(),
    };
    poison::baselines().into_iter().map(record).collect()
}
