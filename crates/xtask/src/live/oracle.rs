//! What the findings have to be: the answer of `heartwatch backtest` over the readings that are on the cluster.
//!
//! It asks the program's other half, which reads files and knows no cluster; so it speaks for a live run when no reading
//! there was late.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};

use super::findings::{Row, rows};
use super::foreign::Record;
use super::program::Program;
use super::stage::Stage;

/// The findings of a pipeline over readings and baselines as a foreign consumer saw them; `set` overrides parameters of
/// the pipeline (`NAME=VALUE`).
pub(crate) fn findings(
    stage: &Stage,
    pipeline: &Path,
    set: &[&str],
    readings: &[Record],
    baselines: &[Record],
) -> Result<Vec<Row>> {
    let files = [("readings", readings), ("baselines", baselines)];
    let [readings, baselines] =
        files.map(|(name, records)| (stage.folder().join(format!("oracle-{name}.jsonl")), records));
    write(&readings.0, readings.1)?;
    write(&baselines.0, baselines.1)?;
    backtest(stage, pipeline, set, &readings.0, &baselines.0)
}

/// The findings of a pipeline over files.
pub(crate) fn backtest(
    stage: &Stage,
    pipeline: &Path,
    set: &[&str],
    readings: &Path,
    baselines: &Path,
) -> Result<Vec<Row>> {
    let [pipeline, readings, baselines] = [pipeline, readings, baselines].map(|path| path.display().to_string());
    let mut arguments = vec![
        "backtest",
        &pipeline,
        "--strict",
        "--readings",
        &readings,
        "--baselines",
        &baselines,
    ];
    arguments.extend(set.iter().flat_map(|pair| ["--set", pair]));
    rows(&Program::run(stage, "backtest", &arguments, &[])?.out)
}

/// The rows of records, with their timestamps in milliseconds as `time`.
fn write(file: &Path, records: &[Record]) -> Result<()> {
    let write = || -> Result<()> {
        let mut out = BufWriter::new(File::create(file)?);
        for record in records {
            let mut row = record
                .value
                .clone()
                .context("a reading or a baseline without a value")?;
            row.insert("time".to_owned(), record.timestamp.into());
            serde_json::to_writer(&mut out, &row)?;
            writeln!(out)?;
        }
        Ok(out.flush()?)
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}
