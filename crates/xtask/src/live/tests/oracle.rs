//! The oracle and the comparison that later tests trust, on findings that went through Kafka by foreign hands.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::super::findings::{Row, compare};
use super::super::foreign::{Foreign, Load, Record, Schemas, Transaction};
use super::super::oracle;
use super::super::program::Program;
use super::super::stage::{Stage, World};

/// The shipped rule.
const PIPELINE: &str = "pipelines/still_out_of_range.sql";

/// Readings of simulated people through Kafka and back give the findings of the files, and one finding too many is noticed.
pub(super) fn knows_the_findings(stage: &Stage, world: &mut World) -> Result<()> {
    let foreign = stage.foreign(world.broker()?);
    let pipeline = stage.kit().root().join(PIPELINE);
    let [readings, baselines, findings] =
        ["readings", "baselines", "findings"].map(|name| stage.folder().join(format!("{name}.jsonl")));
    let town = ["simulate", "--users", "200", "--for", "3m", "--seed", "7", "--out"];
    let [out, ranges] = [&readings, &baselines].map(|path| path.display().to_string());
    Program::run(
        stage,
        "simulate",
        &[&town[..], &[&out, "--baselines", &ranges]].concat(),
        &[],
    )?;
    let of_files = oracle::backtest(stage, &pipeline, &[], &readings, &baselines)?;
    ensure!(!of_files.is_empty(), "nobody was out of range");

    let readings = through_kafka(stage, &foreign, "reading", Some("time"), &readings)?;
    let baselines = through_kafka(stage, &foreign, "baseline", None, &baselines)?;
    let of_topics = oracle::findings(stage, &pipeline, &[], &readings, &baselines)?;
    write(&findings, &of_topics)?;
    let seen = through_kafka(stage, &foreign, "finding", Some("time"), &findings)?;
    compare(&of_files, &seen)?;
    stage.say(format_args!(
        "{} findings of {} readings, by both ways",
        seen.len(),
        readings.len()
    ));

    let doubled = [&seen[..], &seen[..1]].concat();
    let difference = compare(&of_files, &doubled)
        .err()
        .context("a doubled finding went unnoticed")?;
    ensure!(difference.to_string().contains("1 are doubled"), "{difference:#}");
    Ok(())
}

/// Sends a file's lines and gives what a consumer sees of them.
fn through_kafka(
    stage: &Stage,
    foreign: &Foreign,
    record: &str,
    time: Option<&str>,
    file: &Path,
) -> Result<Vec<Record>> {
    let topic = stage.named(record);
    let schema = stage.kit().schema(record);
    let schemas = Schemas::Fixed(BTreeMap::from([(7, schema.clone())]));
    foreign.create_topic(&topic, 4, &[])?;
    let load = Load {
        topic: &topic,
        file,
        schema,
        time,
        rate: None,
        transaction: Transaction::None,
    };
    foreign.produce(&load, &schemas)?.finish()?;
    foreign.consume(&topic, &schemas)
}

fn write(file: &Path, rows: &[Row]) -> Result<()> {
    let lines: Vec<String> = rows
        .iter()
        .map(|row| serde_json::Value::from(row.clone()).to_string() + "\n")
        .collect();
    std::fs::write(file, lines.concat()).with_context(|| format!("cannot write {}", file.display()))
}
