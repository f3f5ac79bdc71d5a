//! Golden pipelines on a real broker: whatever the number of partitions, and though the worker is killed in the middle, a
//! foreign consumer sees the expected rows.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hw_golden::{GoldenFolder, canonical};
use serde_json::Value;

use super::super::deployment::Deployment;
use super::super::findings::Row;
use super::super::foreign::Record;
use super::super::stage::{Stage, World};

const PARTITIONS: [u32; 2] = [1, 4];
/// In which the second half of every stream comes.
const SECOND_HALF: Duration = Duration::from_millis(1_500);
/// For what takes seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// As whom the worker is known, before it is killed and after.
const WORKER: &str = "worker";

/// Every folder of golden pipelines, with one partition and with four.
pub(super) fn pipelines_answer_on_kafka(stage: &Stage, world: &mut World) -> Result<()> {
    let folders = GoldenFolder::all(stage.kit().root())?;
    ensure!(folders.len() >= 7, "only {} golden pipelines were found", folders.len());
    for folder in &folders {
        for partitions in PARTITIONS {
            let name = format!("{}.{partitions}.", folder.name());
            let deployment = Deployment::on_broker(stage, world, &name)?;
            let rows = one(&deployment, folder, partitions).with_context(|| format!("golden pipeline {name}"))?;
            stage.say(format_args!("{}, {partitions} partitions: {rows} rows", folder.name()));
        }
    }
    Ok(())
}

/// Runs one; says how many rows it has answered.
fn one(deployment: &Deployment<'_>, folder: &GoldenFolder, partitions: u32) -> Result<usize> {
    let pipeline = folder.pipeline().display().to_string();
    deployment.run("setup", &["setup", &pipeline, "--partitions", &partitions.to_string()])?;
    let inputs = Inputs::cut(deployment, folder)?;
    for (topic, file) in &inputs.first {
        deployment.run("produce", &produce(topic, file))?;
    }
    // While the worker is there, readings come all the time: an idle partition would make later ones late.
    let mut producing = Vec::new();
    for (topic, file, lines) in &inputs.second {
        let rate = (lines * 1_000 / SECOND_HALF.as_millis() as usize).max(1).to_string();
        let load = [&produce(topic, file)[..], &["--rate", &rate]].concat();
        producing.push(deployment.start(&format!("produce-{topic}"), &load, "producer")?);
    }
    let run = ["run", &pipeline, "--workers", "1"];
    let mut killed = deployment.start("killed", &run, WORKER)?;
    killed.wait_for("from offset", PATIENCE)?;
    deployment.wait_for_commit()?;
    killed.still_runs()?;
    killed.kill()?;
    for producing in producing {
        producing.finish(PATIENCE)?;
    }
    let goes_on = deployment.start("goes-on", &[&run[..], &["--until-end"]].concat(), WORKER)?;
    goes_on.end()?.succeeded()?;
    let mut rows = 0;
    for (sink, expected) in folder.expected()? {
        let seen = canonical_rows(deployment.consume(&sink)?, &expected)?;
        ensure!(seen == expected, "{sink}: {}", difference(&expected, &seen));
        rows += seen.len();
    }
    Ok(rows)
}

/// The arguments that bring a file's rows to a topic.
fn produce<'a>(topic: &'a str, file: &'a str) -> [&'a str; 6] {
    ["produce", file, "--topic", topic, "--schema", record(topic)]
}

/// What the rows of an input are.
fn record(input: &str) -> &'static str {
    if input == "baselines" { "baseline" } else { "reading" }
}

/// The files of a golden pipeline's inputs, by topic.
#[derive(Default)]
struct Inputs {
    /// Tables, and the first half of every stream.
    first: Vec<(String, String)>,
    /// The other half, and how many rows that is.
    second: Vec<(String, String, usize)>,
}

impl Inputs {
    fn cut(deployment: &Deployment<'_>, folder: &GoldenFolder) -> Result<Inputs> {
        let mut inputs = Inputs::default();
        for (topic, file) in folder.inputs()? {
            let text = std::fs::read_to_string(&file)?;
            let lines: Vec<&str> = text.lines().collect();
            let is_table = record(&topic) == "baseline";
            let (first, second) = lines.split_at(if is_table { lines.len() } else { lines.len() / 2 });
            let write = |half: &str, lines: &[&str]| -> Result<String> {
                let file = deployment.stage.folder().join(format!("{topic}.{half}.jsonl"));
                std::fs::write(&file, lines.join("\n") + "\n")?;
                Ok(file.display().to_string())
            };
            inputs.first.push((topic.clone(), write("first", first)?));
            if !is_table {
                inputs
                    .second
                    .push((topic.clone(), write("second", second)?, second.len()));
            }
        }
        Ok(inputs)
    }
}

/// What a consumer saw as the expected rows are written. The field that no value has is the record's own time.
fn canonical_rows(records: Vec<Record>, expected: &[String]) -> Result<Vec<String>> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    for row in expected {
        names.extend(serde_json::from_str::<Row>(row)?.into_iter().map(|(name, _)| name));
    }
    let mut rows = Vec::new();
    for record in records {
        let mut row = record.value.context("a sink with a tombstone")?;
        if let Some(time) = names.iter().find(|name| !row.contains_key(*name)) {
            row.insert(time.clone(), record.time.into());
        }
        row.values_mut().for_each(shorten);
        rows.push(canonical(row));
    }
    rows.sort();
    Ok(rows)
}

/// `2026-01-01T00:00:50.000Z`, as consumers write moments, is `2026-01-01T00:00:50` in the expected rows.
fn shorten(value: &mut Value) {
    let moment = value.as_str().and_then(|text| text.strip_suffix('Z'));
    if let Some(moment) = moment.filter(|moment| moment.len() == "2026-01-01T00:00:50.000".len()) {
        *value = moment.trim_end_matches(".000").into();
    }
}

/// Some of the rows of which one has more than the other.
fn difference(expected: &[String], seen: &[String]) -> String {
    let count = |rows: &[String], row: &String| rows.iter().filter(|other| *other == row).count();
    let more = |one: &[String], other: &[String]| -> Vec<String> {
        let more = one.iter().filter(|row| count(one, row) > count(other, row));
        more.take(5).cloned().collect()
    };
    format!(
        "{} rows instead of {}; missing such as {:#?}; too many such as {:#?}",
        seen.len(),
        expected.len(),
        more(expected, seen),
        more(seen, expected)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_expected_rows_have_them() {
        for (seen, expected) in [
            ("2026-01-01T00:00:50.000Z", "2026-01-01T00:00:50"),
            ("2026-01-01T00:00:50.900Z", "2026-01-01T00:00:50.900"),
            ("USER Z", "USER Z"),
        ] {
            let mut value = Value::from(seen);
            shorten(&mut value);
            assert_eq!(value, expected);
        }
    }
}
