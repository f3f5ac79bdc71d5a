//! The oracle and the comparison that later tests trust, on findings that went through Kafka by foreign hands.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::super::findings::{Row, compare, rows};
use super::super::foreign::{Foreign, Load, Record, Schemas, Transaction};
use super::super::oracle;
use super::super::program::Program;
use super::super::stage::{Stage, World};
use super::super::time_rules::{Rule, idle_at_the_end};

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

/// Readings that come late, by the program on a log in a folder: the second oracle, which knows what was late, agrees.
pub(super) fn knows_late_readings(stage: &Stage, _: &mut World) -> Result<()> {
    let rule = Rule {
        lateness_ms: 2_000,
        ..Rule::SHIPPED
    };
    let [readings, baselines, log] =
        ["readings.jsonl", "baselines.jsonl", "log"].map(|name| stage.folder().join(name).display().to_string());
    let town = [
        "simulate",
        "--users",
        "60",
        "--for",
        "3m",
        "--seed",
        "3",
        "--out",
        &readings,
        "--baselines",
        &baselines,
    ];
    Program::run(stage, "simulate", &town, &[])?;
    for (file, topic) in [(&baselines, "baselines"), (&readings, "readings")] {
        let produce = ["produce", file, "--log", &log, "--topic", topic, "--partitions", "1"];
        Program::run(stage, "produce", &produce, &[])?;
    }
    let [window, lateness] = rule.set();
    let run = [
        "run",
        PIPELINE,
        "--log",
        &log,
        "--until-end",
        "--set",
        &window,
        "--set",
        &lateness,
    ];
    Program::run(stage, "run", &run, &[])?;

    let marks = idle_at_the_end(1);
    let expected = rule.findings(&of_file(&readings)?, &of_file(&baselines)?, &marks)?;
    let tail = |topic: &str| -> Result<String> {
        let tail = ["tail", topic, "--log", &log, "--from-beginning", "--until-end"];
        Ok(Program::run(stage, "tail", &tail, &[])?.out)
    };
    compare(&expected.findings, &as_records(&tail("findings")?)?)?;
    let (findings, late) = (expected.findings.len(), expected.late.len());
    stage.say(format_args!("{findings} findings, {late} late readings"));
    let dead_letters = tail("still_out_of_range.dead-letters")?.lines().count();
    ensure!(
        dead_letters == late,
        "{dead_letters} dead letters for {late} late readings"
    );
    ensure!(findings > 0 && late > 0, "this shows too little");
    Ok(())
}

/// A file's lines as a topic of one partition would have them.
pub(super) fn of_file(file: &str) -> Result<Vec<Record>> {
    let mut records = as_records(&std::fs::read_to_string(file)?)?;
    for record in &mut records {
        let value = record.value.as_ref().context("invariant: a line is a value")?;
        let [key, time] = ["user_id", "time"].map(|name| value.get(name).cloned().unwrap_or_default());
        record.key = key.as_str().map(str::to_owned);
        record.timestamp = time.as_i64().unwrap_or_default();
    }
    Ok(records)
}

/// Lines as records of one partition.
pub(super) fn as_records(lines: &str) -> Result<Vec<Record>> {
    let record = |(offset, row): (u64, Row)| Record {
        partition: 0,
        offset,
        timestamp: 0,
        time: row
            .get("time")
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        key: None,
        value: Some(row),
    };
    Ok((0..).zip(rows(lines)?).map(record).collect())
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
