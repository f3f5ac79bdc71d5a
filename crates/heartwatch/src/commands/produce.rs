//! `heartwatch produce`: files into a topic, in file order, at the pace that is wanted.
//!
//! Here are the arguments and what they come to; rows come from `files`, and go by `delivery`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, Field, Schema as ArrowSchema, SchemaRef, TimeUnit};
use clap::Args;
use hw_avro::{Schema, shipped};
use hw_connectors::{Malformed, Renamed, Table};
use hw_engine::{Clock, SystemClock};
use hw_log::{Log, LogError, TopicOptions};

use crate::crew::{Crew, Flow};
use crate::delivery::{Delivered, Delivery, Manner, Stamp};
use crate::encode::{BATCH_BYTES, TopicWriter};
use crate::files::{Files, Kind, renamed};
use crate::inputs::{byte_count, duration, log_error};
use crate::mistake;
use crate::pace::{Tempo, speed};
use crate::place::{LogArgs, NamespaceArgs};
use crate::producer::OpenLog;
use crate::replay::{Replay, Start};
use crate::stop::Stop;

/// Partitions of a stream's topic that is made, unless the user says otherwise.
pub(crate) const PARTITIONS: u32 = 4;

/// What a second Ctrl-C says.
pub(crate) const LOST: &str = "records that were sent and not acknowledged may be in the topic or not";

const HELP: &str = "\
Files are read one after the other, each in its own order: JSON lines (.jsonl, .ndjson, .json, .data), KEY:JSON lines, .csv with a \
header, .parquet, and with --user what a watch or a bike computer has stored (.fit, .gpx, .tcx, .csv, .jsonl). Ranges without a \
user belong to the user with their line's number.

Ctrl-C or the end of --for stops in order: what was sent is waited for, and a line says how many records are in the topic, \
for every key the first of the files. Exit code: 0 when all that was sent is in, 1 when that failed or is not known, 2 for a mistake, \
such as a malformed line with --strict.

Examples:
  heartwatch produce baselines.jsonl --log data --topic baselines
  heartwatch produce readings.jsonl --kafka localhost:9092 --topic readings --processes 3
  heartwatch produce ride.gpx --user 17 --kafka localhost:9092 --topic readings --speed 10x --shift-to-now --loop
  heartwatch produce old.data --log data --topic readings --now --rate 2000";

/// Replay files of readings or baselines into a topic, in file order.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct ProduceArgs {
    /// The files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    names: NamespaceArgs,
    /// The topic; made when it is not there, compacted when its records have no time.
    #[arg(long)]
    topic: String,
    /// Partitions of a topic that is made [default: 4]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    partitions: Option<u32>,
    /// `reading`, `baseline` or an Avro schema's file; by default what the topic's name says.
    #[arg(long)]
    schema: Option<String>,
    /// The column that is the record's key.
    #[arg(long, default_value = "user_id")]
    key: String,
    /// The files are recordings of this user.
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// The zip code that recordings carry; none by default.
    #[arg(long, requires = "user")]
    zipcode: Option<i32>,
    /// A column that the files call otherwise, such as `heart_rate=HR`; may be given several times.
    #[arg(long = "column", value_name = "NAME=COLUMN", value_parser = renamed)]
    columns: Vec<Renamed>,
    /// Make a malformed line an error.
    #[arg(long)]
    strict: bool,
    /// Producers side by side: threads of this process, each with a connection and a producer's identity of its own. A
    /// partition, and so a key, belongs to one of them.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    processes: u32,
    /// Records a second, of all producers together; by default as fast as it goes.
    #[arg(long, value_name = "R", conflicts_with = "speed", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// So many times as fast as recorded: 1x is live, 10x takes a tenth of the time. What is older than what stands before
    /// it, such as a second file of the same hour, goes at once.
    #[arg(long, value_name = "TIMES", value_parser = speed)]
    speed: Option<f64>,
    /// Again and again until Ctrl-C or --for. Each round's times follow the last round's by a second.
    #[arg(long = "loop")]
    again: bool,
    /// Stop after this long.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    length: Option<Duration>,
    /// Move all times so that the first reading is now.
    #[arg(long)]
    shift_to_now: bool,
    /// Give every reading the time at which it is sent, whatever its file says: for files without times, such as the
    /// predecessor's.
    #[arg(long, conflicts_with_all = ["speed", "shift_to_now"])]
    now: bool,
    /// How large a batch gets before it is sent, in bytes before compression: 64k, 1m. What is due at a --rate or --speed
    /// does not wait for it [default: 256k]
    #[arg(long, value_name = "BYTES", value_parser = byte_count)]
    batch_size: Option<usize>,
}

/// Replays the files.
pub(crate) fn run(args: &ProduceArgs) -> anyhow::Result<()> {
    let (schema, is_table) = schema(args)?;
    let columns = columns(&schema, is_table)?;
    let key = columns
        .index_of(&args.key)
        .map_err(|_| mistake(format!("the schema has no column {}", args.key)))?;
    if columns.field(key).data_type() != &DataType::Utf8 {
        return Err(mistake(format!(
            "column {} is no text, and only text can be a key",
            args.key
        )));
    }
    let time = (!is_table).then(|| columns.fields().len() - 1);
    let manner = manner(args, time)?;
    let mut source = Source::new(args, &columns, key, time)?;
    let to = OpenLog::open(&args.log.place(&args.names)?)?;
    let log = to.log();
    make_topic(args, log.as_ref(), is_table)?;
    let writer = TopicWriter::new(log.as_ref(), &args.topic, &schema, &columns, (key, time))?;
    let writers = producers(args, &writer);
    // Before that nothing was sent, and the process may just end.
    let stop = Stop::at_ctrl_c(LOST)?;
    let crew = Crew::start(
        &to,
        writer
            .with_batch_bytes(args.batch_size.unwrap_or(BATCH_BYTES))
            .split(writers),
    )?;
    let mut delivery = Delivery::begin(crew, manner, stop);
    let replayed = source.replay(&mut delivery);
    let delivered = delivery.finish();
    if delivered.is_any() || replayed.is_ok() {
        say_what_is_in(args, &delivered, &source);
    }
    // A producer's failure is why there was nobody to give rows to.
    delivered.outcome.and(replayed)
}

/// What is read, and at which times it is sent.
struct Source {
    files: Files,
    replay: Option<Replay>,
    again: bool,
    rounds: u64,
}

impl Source {
    fn new(args: &ProduceArgs, columns: &SchemaRef, key: usize, time: Option<usize>) -> anyhow::Result<Source> {
        let malformed = if args.strict {
            Malformed::Refuse
        } else {
            Malformed::Skip
        };
        let kind = match &args.user {
            Some(user) => Kind::Recordings {
                user: user.clone(),
                zipcode: args.zipcode,
            },
            None => Kind::Table,
        };
        // Times that nobody asks for need not be there.
        let columns = match time.filter(|_| args.now) {
            Some(time) => with_nullable(columns, time),
            None => columns.clone(),
        };
        let table = Table { columns, key, time };
        let start = if args.shift_to_now {
            Start::At(SystemClock.now_ms())
        } else {
            Start::Recorded
        };
        Ok(Source {
            files: Files::new(&args.files, kind, table, malformed, args.columns.clone())?,
            replay: time.filter(|_| !args.now).map(|time| Replay::new(time, start)),
            again: args.again,
            rounds: 0,
        })
    }

    fn replay(&mut self, delivery: &mut Delivery) -> anyhow::Result<()> {
        loop {
            let mut rows_of_round = 0;
            while let Some(rows) = self.files.next(&mut |line| delivery.say(line))? {
                rows_of_round += rows.num_rows();
                let rows = match &mut self.replay {
                    Some(replay) => replay.place(&rows)?,
                    None => rows,
                };
                let share = self.files.share().filter(|_| !self.again);
                if delivery.send(&rows, share)? == Flow::End {
                    return Ok(());
                }
            }
            self.rounds += 1;
            // Files without a good line would be read for ever.
            if !self.again || rows_of_round == 0 {
                return Ok(());
            }
            self.files.rewind();
            if let Some(replay) = &mut self.replay {
                replay.next_round();
            }
        }
    }
}

fn manner(args: &ProduceArgs, time: Option<usize>) -> anyhow::Result<Manner> {
    let needs_time = |option: &str| {
        time.ok_or_else(|| {
            mistake(format!(
                "{option} is about times, and records of topic {} have none",
                args.topic
            ))
        })
    };
    if args.shift_to_now {
        needs_time("--shift-to-now")?;
    }
    let tempo = match (args.rate, args.speed) {
        (Some(rate), _) => Tempo::Rate(rate),
        (None, Some(times_as_fast)) => Tempo::Speed {
            times_as_fast,
            time: needs_time("--speed")?,
        },
        (None, None) => Tempo::Free,
    };
    let stamp = if args.now {
        Stamp::Now(needs_time("--now")?)
    } else {
        Stamp::Recorded
    };
    Ok(Manner {
        tempo,
        stamp,
        length: args.length,
    })
}

fn make_topic(args: &ProduceArgs, log: &dyn Log, is_table: bool) -> anyhow::Result<()> {
    let options = if is_table {
        TopicOptions::table(args.partitions.unwrap_or(1))
    } else {
        TopicOptions::stream(args.partitions.unwrap_or(PARTITIONS))
    };
    ensure_topic(log, &args.topic, options)?;
    let partitions = log.topic(&args.topic)?.options.partitions;
    if args.partitions.is_some_and(|wanted| wanted != partitions) {
        eprintln!(
            "note: topic {} exists with {partitions} partitions; --partitions counts only when a topic is made",
            args.topic
        );
    }
    Ok(())
}

/// How many producers there is work for.
fn producers(args: &ProduceArgs, writer: &TopicWriter) -> u32 {
    let partitions = writer.partitions();
    if args.processes > partitions {
        eprintln!(
            "note: a partition belongs to one producer, so there is work for as many as topic {} has partitions: {partitions}",
            args.topic
        );
    }
    args.processes.min(partitions)
}

fn say_what_is_in(args: &ProduceArgs, delivered: &Delivered, source: &Source) {
    let left_out = source.files.left_out();
    let what = if args.user.is_some() {
        "points"
    } else {
        "malformed lines"
    };
    let mut besides = format!(", {} {what} skipped", left_out.count);
    if args.again {
        besides += &format!(", {} whole rounds", source.rounds);
    }
    eprintln!("{}", delivered.summary(&args.topic, &besides));
    if left_out.without_time {
        eprintln!("note: lines had no time; --now gives readings the time at which they are sent");
    }
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
pub(crate) fn columns(schema: &Schema, is_table: bool) -> anyhow::Result<SchemaRef> {
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

fn with_nullable(columns: &SchemaRef, column: usize) -> SchemaRef {
    let fields = columns.fields().iter().enumerate();
    let fields: Vec<Field> = fields
        .map(|(index, field)| {
            let nullable = field.is_nullable() || index == column;
            field.as_ref().clone().with_nullable(nullable)
        })
        .collect();
    Arc::new(ArrowSchema::new(fields))
}
