//! `heartwatch import`: recordings of watches and bike computers to readings, in a file or in a log.

use std::io::Write;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use clap::{ArgGroup, Args};
use hw_avro::{Schema, shipped};
use hw_connectors::Renamed;
use hw_connectors::output::{Format, Writer};
use hw_connectors::recordings;
use hw_log::TopicOptions;

use crate::commands::produce::{PARTITIONS, ensure_topic};
use crate::encode::TopicWriter;
use crate::files::{column_names, renamed, say_recording};
use crate::place::Place;
use crate::producer::{OpenLog, Producer};
use crate::{mistake, progress};

/// The topic that `--log` appends to.
const TOPIC: &str = "readings";

/// Turn recordings (.fit, .gpx, .tcx, .csv, .jsonl) into readings; says what was skipped and why.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("target").required(true).args(["out", "log"]),
    after_help = "Examples:\n  heartwatch import ride.gpx --user 17 --out readings.jsonl\n  heartwatch import *.fit --user 17 --log data\n  heartwatch import export.csv --user 17 --column heart_rate=HR --column time=When --out -"
)]
pub(crate) struct ImportArgs {
    /// The recordings.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Whose they are.
    #[arg(long)]
    user: String,
    /// The zip code that the readings carry; none by default.
    #[arg(long)]
    zipcode: Option<i32>,
    /// Where the readings go: .jsonl, .csv or .parquet; `-` is standard output, as JSON lines.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The folder of a log, made when it is not there; the readings are appended to its topic `readings`.
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// Which column of a .csv (or field of a .jsonl) is `time`, `latitude`, `longitude` or `heart_rate`; once for each
    /// whose own name does not tell.
    #[arg(long = "column", value_name = "NAME=COLUMN", value_parser = renamed)]
    columns: Vec<Renamed>,
}

/// Imports the files.
pub(crate) fn run(args: &ImportArgs) -> anyhow::Result<()> {
    let names = column_names(&args.columns)?;
    let mut target = Target::open(args)?;
    let bar = progress::bar(args.files.len() as u64, "recordings");
    for file in &args.files {
        let recording = recordings::import(file, &names).map_err(mistake)?;
        target.write(&recordings::to_batch(&recording.readings, &args.user, args.zipcode))?;
        bar.suspend(|| say_recording(file, &recording, &mut |line| eprintln!("{line}")));
        bar.inc(1);
    }
    bar.finish_and_clear();
    target.finish()
}

/// Where the readings go.
enum Target {
    File(Writer<Box<dyn Write + Send>>),
    Topic(Box<Producer>),
}

impl Target {
    fn open(args: &ImportArgs) -> anyhow::Result<Target> {
        let columns = recordings::reading_columns();
        if let Some(folder) = &args.log {
            let to = OpenLog::open(&Place::Folder(folder.clone()))?;
            let log = to.log();
            ensure_topic(log.as_ref(), TOPIC, TopicOptions::stream(PARTITIONS))?;
            let schema = Schema::parse(shipped::READING).map_err(mistake)?;
            let key_and_time = (columns.index_of("user_id")?, Some(columns.index_of("time")?));
            let writer = TopicWriter::new(log.as_ref(), TOPIC, &schema, &columns, key_and_time)?;
            return Ok(Target::Topic(Box::new(to.producer(writer)?)));
        }
        let path = args.out.as_deref().unwrap_or(Path::new("-"));
        let (name, format, sink): (String, Format, Box<dyn Write + Send>) = if path == Path::new("-") {
            let name = "standard output".to_owned();
            (name, Format::JsonLines, Box::new(std::io::stdout()))
        } else {
            let format = Format::of(path).map_err(mistake)?;
            let file = std::fs::File::create(path)
                .map_err(|error| mistake(format!("cannot write {}: {error}", path.display())))?;
            (path.display().to_string(), format, Box::new(file))
        };
        Ok(Target::File(Writer::new(sink, name, format, &columns)?))
    }

    fn write(&mut self, readings: &RecordBatch) -> anyhow::Result<()> {
        match self {
            Target::File(writer) => Ok(writer.write(readings)?),
            Target::Topic(producer) => producer.write(readings),
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Target::File(writer) => Ok(writer.finish()?),
            Target::Topic(mut producer) => {
                producer.flush()?;
                eprintln!("{} records appended to {TOPIC}", producer.acknowledged());
                Ok(())
            }
        }
    }
}
