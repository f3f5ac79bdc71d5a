//! `heartwatch produce`: files into a topic, in file order.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::{DataType, Field, Schema as ArrowSchema, SchemaRef, TimeUnit};
use clap::Args;
use hw_avro::{Schema, shipped};
use hw_connectors::{Malformed, Table};
use hw_log::{Log, LogError, TopicOptions};

use crate::commands::backtest::show_problems;
use crate::encode::TopicWriter;
use crate::inputs::log_error;
use crate::mistake;
use crate::pace::Pace;
use crate::place::{LogArgs, NamespaceArgs};
use crate::producer::{Destination, Producer};

/// Partitions of a stream's topic that is made, unless the user says otherwise.
pub(crate) const PARTITIONS: u32 = 4;

/// Append readings or baselines to a topic, in file order.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  heartwatch produce readings.jsonl --log data --topic readings --partitions 4\n  heartwatch produce ranges.jsonl --log data --topic baselines\n  heartwatch produce readings.jsonl --kafka localhost:9092 --topic readings"
)]
pub(crate) struct ProduceArgs {
    /// .jsonl (also KEY:JSON lines), .csv or .parquet. Ranges without a user take the line's number as the user.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    names: NamespaceArgs,
    /// The topic; made when it is not there, compacted when its records have no time.
    #[arg(long)]
    topic: String,
    /// Partitions of a topic that is made.
    #[arg(long, default_value_t = PARTITIONS)]
    partitions: u32,
    /// `reading`, `baseline` or an Avro schema's file; by default what the topic's name says.
    #[arg(long)]
    schema: Option<String>,
    /// The column that is the record's key.
    #[arg(long, default_value = "user_id")]
    key: String,
    /// Make a malformed line an error.
    #[arg(long)]
    strict: bool,
    /// Records a second; by default as fast as it goes.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
}

/// Appends the files.
pub(crate) fn run(args: &ProduceArgs) -> anyhow::Result<()> {
    let (schema, is_table) = schema(args)?;
    let columns = columns(&schema, is_table)?;
    let key = columns
        .index_of(&args.key)
        .map_err(|_| mistake(format!("the schema has no column {}", args.key)))?;
    let time = if is_table {
        None
    } else {
        Some(columns.fields().len() - 1)
    };
    let table = Table {
        columns: columns.clone(),
        key,
        time,
    };
    let place = args.log.place(&args.names)?;
    let (log, to) = Destination::open(&place)?;
    let options = if is_table {
        TopicOptions::table(1)
    } else {
        TopicOptions::stream(args.partitions)
    };
    ensure_topic(log.as_ref(), &args.topic, options)?;
    let partitions = log.topic(&args.topic)?.options.partitions;
    if !is_table && partitions != args.partitions {
        eprintln!(
            "note: topic {} exists with {partitions} partitions; --partitions counts only when a topic is made",
            args.topic
        );
    }
    let writer = TopicWriter::new(log.as_ref(), &args.topic, &schema, &columns, (key, time))?;
    let mut producer = Producer::new(to, writer)?;
    let malformed = if args.strict {
        Malformed::Refuse
    } else {
        Malformed::Skip
    };
    let mut skipped = 0;
    let mut pace = Pace::new(args.rate);
    let stop = stop_at_ctrl_c()?;
    for file in &args.files {
        let mut reader = hw_connectors::open(file, &table, malformed).map_err(mistake)?;
        let mut problems = Vec::new();
        while let Some(batch) = reader.next_batch(&mut problems).map_err(mistake)? {
            pace.write(&batch, &mut producer, &stop)?;
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
        show_problems(&problems);
        skipped += problems.len();
    }
    producer.flush()?;
    let stopped = if stop.load(Ordering::Relaxed) {
        "; stopped before the end"
    } else {
        ""
    };
    eprintln!(
        "{} records appended to {}, {skipped} malformed lines skipped{stopped}",
        producer.records(),
        args.topic
    );
    Ok(())
}

/// Set by Ctrl-C: what is under way is still brought in, and said.
fn stop_at_ctrl_c() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || asked.store(true, Ordering::Relaxed))?;
    Ok(stop)
}

/// Makes a topic; one that exists stays as it is.
pub(crate) fn ensure_topic(log: &dyn Log, topic: &str, options: TopicOptions) -> anyhow::Result<()> {
    match log.topic(topic) {
        Ok(_) => Ok(()),
        Err(LogError::UnknownTopic { .. }) => log.create_topic(topic, &options).map_err(log_error),
        Err(error) => Err(log_error(error)),
    }
}

fn schema(args: &ProduceArgs) -> anyhow::Result<(Schema, bool)> {
    let name = args
        .schema
        .clone()
        .unwrap_or_else(|| args.topic.trim_end_matches('s').to_owned());
    let json = match shipped::by_record_name(&name) {
        Some(json) => json.to_owned(),
        None if args.schema.is_some() => std::fs::read_to_string(&name)
            .map_err(|error| mistake(format!("cannot read the schema {name}: {error}")))?,
        None => {
            let topic = &args.topic;
            return Err(mistake(format!(
                "no schema is known for topic {topic}; say --schema reading, baseline or FILE.avsc"
            )));
        }
    };
    let schema = Schema::parse(&json).map_err(mistake)?;
    let is_table = schema.record.name == "baseline";
    Ok((schema, is_table))
}

/// The value's fields as columns, and behind them the record's `time` for a stream.
fn columns(schema: &Schema, is_table: bool) -> anyhow::Result<SchemaRef> {
    let mut fields = Vec::new();
    for field in &schema.record.fields {
        let (avro, nullable) = match field.avro.without_null() {
            Some((avro, _)) => (avro.clone(), true),
            None => (field.avro.clone(), false),
        };
        let data_type = match avro {
            hw_avro::Type::Boolean => DataType::Boolean,
            hw_avro::Type::Int | hw_avro::Type::TimeMillis => DataType::Int32,
            hw_avro::Type::Long | hw_avro::Type::TimeMicros | hw_avro::Type::TimestampNanos => DataType::Int64,
            hw_avro::Type::Float => DataType::Float32,
            hw_avro::Type::Double => DataType::Float64,
            hw_avro::Type::String => DataType::Utf8,
            other => {
                return Err(mistake(format!(
                    "field {} is Avro {other:?}, which a file cannot give",
                    field.name
                )));
            }
        };
        fields.push(Field::new(&field.name, data_type, nullable));
    }
    if !is_table {
        fields.push(Field::new(
            "time",
            DataType::Timestamp(TimeUnit::Millisecond, None),
            false,
        ));
    }
    Ok(Arc::new(ArrowSchema::new(fields)))
}
