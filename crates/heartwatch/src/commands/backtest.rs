//! `heartwatch backtest`: a pipeline over files that are complete.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{Field, Schema, SchemaRef};
use clap::Args;
use hw_connectors::output::{Format, Writer};
use hw_connectors::{Malformed, Table};
use hw_graph::{Pipeline, Stream};

use crate::files::LeftOut;
use crate::inputs::PipelineArgs;
use crate::{mistake, progress};

/// Run a pipeline over complete files: "what would this rule have said last week?"
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  heartwatch backtest pipelines/still_out_of_range.sql --readings week.jsonl --baselines ranges.jsonl --out findings.csv"
)]
pub(crate) struct BacktestArgs {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// Files for the stream `readings` (.jsonl, .csv, .parquet), in any order.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    readings: Vec<PathBuf>,
    /// Files for the table `baselines`; of several rows for a user the last one counts.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    baselines: Vec<PathBuf>,
    /// A file for another stream or table.
    #[arg(long, value_name = "NAME=FILE", value_parser = input)]
    input: Vec<(String, PathBuf)>,
    /// Answer by plain DataFusion instead of the live engine.
    #[arg(long)]
    batch: bool,
    /// Where the answers go, as JSON lines, CSV or Parquet by extension; JSON lines on standard output by default.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Make a malformed line an error.
    #[arg(long)]
    strict: bool,
}

fn input(text: &str) -> Result<(String, PathBuf), String> {
    let (name, file) = text.split_once('=').ok_or("expected NAME=FILE")?;
    Ok((name.to_owned(), file.into()))
}

/// Runs the backtest.
pub(crate) fn run(args: &BacktestArgs) -> anyhow::Result<()> {
    let pipeline = args.pipeline.plan()?;
    let mut files: Vec<(String, PathBuf)> = args
        .readings
        .iter()
        .map(|file| ("readings".to_owned(), file.clone()))
        .collect();
    files.extend(args.baselines.iter().map(|file| ("baselines".to_owned(), file.clone())));
    files.extend(args.input.iter().cloned());
    if files.is_empty() {
        return Err(mistake(
            "there is nothing to read; give --readings FILE, --baselines FILE or --input NAME=FILE",
        ));
    }
    let mut inputs: Vec<(String, Vec<RecordBatch>)> = Vec::new();
    let mut skipped = 0;
    for (name, file) in &files {
        let (batches, problems) = read(&pipeline, name, file, args.strict)?;
        skipped += problems;
        match inputs.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => known.extend(batches),
            None => inputs.push((name.clone(), batches)),
        }
    }
    let started = Instant::now();
    let waiting = progress::wait("answering");
    let (sinks, summary) = if args.batch {
        by_datafusion(args, &pipeline, inputs)?
    } else {
        by_engine(&pipeline, inputs)?
    };
    waiting.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    let rows: usize = sinks.iter().map(|(_, batch)| batch.num_rows()).sum();
    write(args, &pipeline, &sinks)?;
    let skipped = if skipped > 0 {
        format!(", {skipped} malformed lines skipped")
    } else {
        String::new()
    };
    eprintln!("{rows} answers in {seconds:.2} s: {summary}{skipped}");
    Ok(())
}

/// All rows of a file for an input of the pipeline, and how many lines were malformed.
fn read(pipeline: &Pipeline, name: &str, file: &Path, strict: bool) -> anyhow::Result<(Vec<RecordBatch>, u64)> {
    let stream = pipeline.streams.iter().find(|stream| stream.name == name);
    let table = pipeline.tables.iter().find(|table| table.name == name);
    let declared = match (stream, table) {
        (Some(stream), _) => Table {
            columns: stream.columns.clone(),
            key: stream.key,
            time: Some(stream.time),
        },
        (None, Some(table)) => Table {
            columns: table.columns.clone(),
            key: table.key,
            time: None,
        },
        _ => {
            return Err(mistake(format!(
                "the pipeline declares no stream or table {name}, which {} is for",
                file.display()
            )));
        }
    };
    let malformed = if strict { Malformed::Refuse } else { Malformed::Skip };
    let mut reader = hw_connectors::open(file, &declared, malformed, &[]).map_err(mistake)?;
    let (mut batches, mut left_out) = (Vec::new(), LeftOut::default());
    let count = progress::count(format!("reading {}", file.display()));
    let mut say = |line: &str| count.suspend(|| eprintln!("{line}"));
    let mut problems = Vec::new();
    while let Some(batch) = reader.next_batch(&mut problems).map_err(mistake)? {
        count.inc(batch.num_rows() as u64);
        batches.push(batch);
        left_out.of_table(&problems, &mut say);
        problems.clear();
    }
    left_out.of_table(&problems, &mut say);
    left_out.end_of_file(&mut say);
    count.finish_and_clear();
    Ok((batches, left_out.count))
}

type Sinks = Vec<(usize, RecordBatch)>;

fn by_engine(pipeline: &Pipeline, inputs: Vec<(String, Vec<RecordBatch>)>) -> anyhow::Result<(Sinks, String)> {
    let take = |name: &String| {
        inputs
            .iter()
            .find(|(known, _)| known == name)
            .map_or_else(Vec::new, |(_, rows)| rows.clone())
    };
    let streams = pipeline.streams.iter().map(|stream| take(&stream.name)).collect();
    let tables: Vec<_> = pipeline.tables.iter().map(|table| take(&table.name)).collect();
    let answers = hw_engine::backtest(pipeline, streams, &tables)?;
    let mut sinks = Vec::new();
    for (index, batches) in answers
        .streams
        .iter()
        .enumerate()
        .filter(|(index, _)| !pipeline.is_external(*index))
    {
        sinks.push((index, sorted(&pipeline.streams[index], batches)?));
    }
    let summary = format!(
        "{} rows read by the live engine, {} invalid, {} answers without a row in a table",
        answers.rows, answers.invalid, answers.unmatched
    );
    Ok((sinks, summary))
}

fn by_datafusion(
    args: &BacktestArgs,
    pipeline: &Pipeline,
    inputs: Vec<(String, Vec<RecordBatch>)>,
) -> anyhow::Result<(Sinks, String)> {
    let rows: usize = inputs
        .iter()
        .flat_map(|(_, batches)| batches)
        .map(RecordBatch::num_rows)
        .sum();
    let answers = hw_batch::run(&args.pipeline.name(), &args.pipeline.sql()?, &args.pipeline.set, inputs)?;
    let mut sinks = Vec::new();
    for sink in &answers.sinks {
        let index = pipeline.streams.iter().position(|stream| stream.name == sink.name);
        let index = index.ok_or_else(|| anyhow::anyhow!("batch answered for an unknown stream {}", sink.name))?;
        sinks.push((index, sorted(&pipeline.streams[index], &sink.batches)?));
    }
    let invalid: u64 = answers.invalid.iter().map(|(_, count)| count).sum();
    Ok((sinks, format!("{rows} rows read by DataFusion, {invalid} invalid")))
}

/// Rows by time, then by key, so that two runs can be compared line by line.
fn sorted(stream: &Stream, batches: &[RecordBatch]) -> anyhow::Result<RecordBatch> {
    let fields: Vec<Field> = stream
        .columns
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let batches: Vec<RecordBatch> = batches
        .iter()
        .map(|batch| RecordBatch::try_new(schema.clone(), batch.columns().to_vec()))
        .collect::<Result<_, _>>()?;
    let all = concat_batches(&schema, &batches)?;
    let by = |column: usize| SortColumn {
        values: all.column(column).clone(),
        options: None,
    };
    let order = lexsort_to_indices(&[by(stream.time), by(stream.key)], None)?;
    Ok(take_record_batch(&all, &order)?)
}

/// The columns of a sink with the names that its query gives them.
fn named(pipeline: &Pipeline, sink: usize, batch: &RecordBatch) -> anyhow::Result<RecordBatch> {
    let job = pipeline.jobs.iter().find(|job| job.sink == sink);
    let names = job.map_or(&[][..], |job| &job.names);
    let fields: Vec<Field> = batch
        .schema()
        .fields()
        .iter()
        .enumerate()
        .map(|(column, field)| {
            Field::new(
                names.get(column).unwrap_or(field.name()),
                field.data_type().clone(),
                true,
            )
        })
        .collect();
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        batch.columns().to_vec(),
    )?)
}

fn write(args: &BacktestArgs, pipeline: &Pipeline, sinks: &Sinks) -> anyhow::Result<()> {
    // A sink that feeds another job is a step on the way; the answers are those that nobody reads.
    let last: Vec<_> = sinks
        .iter()
        .filter(|(sink, _)| pipeline.jobs.iter().all(|job| job.source != *sink))
        .collect();
    if let (Some(out), true) = (&args.out, last.len() > 1) {
        return Err(mistake(format!(
            "{}: the pipeline has {} sinks; leave --out away",
            out.display(),
            last.len()
        )));
    }
    for (sink, batch) in last {
        let batch = named(pipeline, *sink, batch)?;
        match &args.out {
            Some(out) => {
                let mut writer = Writer::create(out, &batch.schema()).map_err(mistake)?;
                writer.write(&batch)?;
                writer.finish()?;
            }
            None => {
                let stdout = std::io::BufWriter::new(std::io::stdout());
                let mut writer = Writer::new(stdout, "standard output", Format::JsonLines, &batch.schema())?;
                writer.write(&batch)?;
                writer.finish()?;
                std::io::stdout().flush()?;
            }
        }
    }
    Ok(())
}
