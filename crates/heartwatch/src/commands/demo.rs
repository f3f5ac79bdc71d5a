//! `heartwatch demo`: a town, the log, the shipped pipeline and its findings, in one process.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::SchemaRef;
use clap::Args;
use hw_engine::{Clock, RunOptions, SystemClock, TaskMetrics};
use hw_graph::Pipeline;
use hw_log::batch::{Scratch, walk};
use hw_log::{IfMissing, Log, TopicOptions};
use hw_town::{EpisodeOptions, Reading, Town, TownOptions};
use serde_json::Value;

use crate::commands::produce::ensure_topic;
use crate::commands::run::sum;
use crate::decode_view::RecordView;
use crate::encode::TopicWriter;
use crate::inputs::{duration, open_log};
use crate::mistake;
use crate::status::StatusPage;

/// Someone without a finding for this long, in event time, is back in range or has moved.
const OVER_AFTER_MS: i64 = 5_000;

/// See it work: a simulated town, the shipped rule live, and who is out of range.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heartwatch demo --users 2000 --for 60s")]
pub(crate) struct DemoArgs {
    /// How many people.
    #[arg(long, default_value_t = 1_000)]
    users: u32,
    /// Simulated seconds a second.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    speed: u32,
    /// Stop after this long; until Ctrl-C by default.
    #[arg(long = "for", value_parser = duration)]
    length: Option<Duration>,
    /// Keep the log in this folder.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Port of the status page, on this machine only; 0 takes a free one [default: 8080, or a free one]
    #[arg(long)]
    port: Option<u16>,
    /// The same seed gives the same town.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs the demonstration.
pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<()> {
    let sql = include_str!("../../../../pipelines/still_out_of_range.sql");
    let pipeline = Arc::new(hw_plan::plan("still_out_of_range", sql, &[]).map_err(mistake)?);
    let temporary = tempfile::tempdir()?;
    let folder = args.data.clone().unwrap_or_else(|| temporary.path().to_owned());
    let log = open_log(&folder, IfMissing::Create)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let start_ms = clock.now_ms();
    let episodes = EpisodeOptions {
        share_per_hour: 1.0,
        first_after_ms: 0,
        ..EpisodeOptions::default()
    };
    let local_offset_ms = TownOptions::afternoon_offset_ms(start_ms);
    let options = TownOptions {
        users: args.users,
        seed: args.seed,
        start_ms,
        local_offset_ms,
        episodes,
        ..TownOptions::default()
    };
    let mut town = Town::new(&options).map_err(mistake)?;
    let mut readings = prepare(&pipeline, log.as_ref(), &town)?;
    let page = match args.port {
        Some(port) => StatusPage::open(port, &pipeline, &log)?,
        None => StatusPage::open_anywhere(&pipeline, &log)?,
    };
    let running = hw_engine::start(&pipeline, &log, &clock, &RunOptions::default()).map_err(mistake)?;
    page.show(&running);
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || asked.store(true, Ordering::Relaxed))?;
    println!(
        "{} people send a reading a second; Ctrl-C stops. Not a medical device.",
        args.users
    );
    println!("the page: {}", page.url());
    let mut watch = Watch::new(log.as_ref(), &pipeline)?;
    let (began, mut seconds, mut sent) = (Instant::now(), 0_u64, Vec::new());
    while !stop.load(Ordering::Relaxed)
        && !running.is_finished()
        && args.length.is_none_or(|length| began.elapsed() < length)
    {
        let due = began.elapsed().as_millis() as u64 * u64::from(args.speed) / 1_000;
        while seconds < due {
            town.next_second(&mut sent);
            seconds += 1;
        }
        if !sent.is_empty() {
            readings
                .writer
                .write(log.as_ref(), &columns(&readings.columns, &sent)?)?;
            readings.writer.flush(log.as_ref())?;
            sent.clear();
        }
        watch.look(log.as_ref())?;
        watch.say_rate(
            began.elapsed(),
            sum(&running.tasks, |metrics| TaskMetrics::get(&metrics.records_in)),
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    running.stop();
    running.join()?;
    watch.look(log.as_ref())?;
    println!(
        "stopped: {} readings sent, {} findings",
        readings.writer.records, watch.findings
    );
    match &args.data {
        Some(folder) => println!("the log is kept in {}", folder.display()),
        None => println!("the log was temporary; --data DIR keeps it"),
    }
    Ok(())
}

struct Readings {
    writer: TopicWriter,
    columns: SchemaRef,
}

/// Topics, everyone's range, and a writer for the readings.
fn prepare(pipeline: &Pipeline, log: &dyn Log, town: &Town) -> anyhow::Result<Readings> {
    let (source, table) = (&pipeline.streams[pipeline.jobs[0].source], &pipeline.tables[0]);
    ensure_topic(log, &source.topic, TopicOptions::stream(4))?;
    ensure_topic(log, &table.topic, TopicOptions::table(1))?;
    let ranges = town.baselines();
    let schema = hw_engine::value_schema(&table.record, &table.columns, None)?;
    let mut writer = TopicWriter::new(log, &table.topic, &schema, &table.columns, (table.key, None))?;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(
            ranges
                .iter()
                .map(|range| Some(range.user.to_string()))
                .collect::<StringArray>(),
        ),
        Arc::new(
            ranges
                .iter()
                .map(|range| Some(range.min_heart_rate))
                .collect::<Int32Array>(),
        ),
        Arc::new(
            ranges
                .iter()
                .map(|range| Some(range.max_heart_rate))
                .collect::<Int32Array>(),
        ),
    ];
    writer.write(log, &RecordBatch::try_new(table.columns.clone(), columns)?)?;
    writer.flush(log)?;
    let time = hw_engine::outside_value(source);
    let schema = hw_engine::value_schema(&source.record, &source.columns, time)?;
    let writer = TopicWriter::new(log, &source.topic, &schema, &source.columns, (source.key, time))?;
    Ok(Readings {
        writer,
        columns: source.columns.clone(),
    })
}

fn columns(schema: &SchemaRef, readings: &[Reading]) -> anyhow::Result<RecordBatch> {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(
            readings
                .iter()
                .map(|reading| Some(reading.user.to_string()))
                .collect::<StringArray>(),
        ),
        Arc::new(
            readings
                .iter()
                .map(|reading| Some(reading.time_ms))
                .collect::<TimestampMillisecondArray>(),
        ),
        Arc::new(
            readings
                .iter()
                .map(|reading| Some(reading.zipcode))
                .collect::<Int32Array>(),
        ),
        Arc::new(
            readings
                .iter()
                .map(|reading| Some(reading.latitude))
                .collect::<Float64Array>(),
        ),
        Arc::new(
            readings
                .iter()
                .map(|reading| Some(reading.longitude))
                .collect::<Float64Array>(),
        ),
        Arc::new(
            readings
                .iter()
                .map(|reading| Some(reading.heart_rate))
                .collect::<Int32Array>(),
        ),
    ];
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

/// Reads findings as they come and says who is newly out of range.
struct Watch {
    topic: String,
    positions: Vec<u64>,
    view: RecordView,
    /// By person: the time of the last finding.
    out_of_range: HashMap<String, i64>,
    newest_ms: i64,
    findings: u64,
    said: (Duration, u64),
}

impl Watch {
    fn new(log: &dyn Log, pipeline: &Pipeline) -> anyhow::Result<Watch> {
        let topic = pipeline.streams[pipeline.jobs[0].sink].topic.clone();
        let positions = log.ranges(&topic)?.iter().map(|range| range.end).collect();
        Ok(Watch {
            topic,
            positions,
            view: RecordView::default(),
            out_of_range: HashMap::new(),
            newest_ms: i64::MIN,
            findings: 0,
            said: (Duration::ZERO, 0),
        })
    }

    fn look(&mut self, log: &dyn Log) -> anyhow::Result<()> {
        for partition in 0..self.positions.len() {
            let position = self.positions[partition];
            let fetch = log.read(&self.topic, partition as u32, position, 1 << 20)?;
            for batch in &fetch.batches {
                walk(batch, &mut Scratch::default(), |record| {
                    if record.offset >= position {
                        let finding = self.view.show(log, &record);
                        self.take(&finding, record.timestamp_ms);
                    }
                    ControlFlow::Continue(())
                })?;
            }
            self.positions[partition] = fetch.next_offset;
        }
        let oldest_ms = self.newest_ms.saturating_sub(OVER_AFTER_MS);
        self.out_of_range.retain(|_, last_ms| *last_ms >= oldest_ms);
        Ok(())
    }

    fn take(&mut self, finding: &Value, time_ms: i64) {
        self.findings += 1;
        self.newest_ms = self.newest_ms.max(time_ms);
        let user = finding["user_id"].as_str().unwrap_or_default().to_owned();
        if self.out_of_range.insert(user.clone(), time_ms).is_none() {
            let number = |name: &str| finding[name].as_f64().unwrap_or_default();
            let (mean, low, high) = (
                number("avg_heart_rate"),
                number("min_heart_rate"),
                number("max_heart_rate"),
            );
            let side = if mean < low {
                format!("{:.0} below", low - mean)
            } else {
                format!("{:.0} above", mean - high)
            };
            println!(
                "{}  user {user:>6} is still, at {mean:.0} beats/min: {side} the own range of {low:.0} to {high:.0}; moved {:.1} m",
                finding["time"].as_str().unwrap_or_default(),
                number("moved_metres"),
            );
        }
    }

    fn say_rate(&mut self, elapsed: Duration, records: u64) {
        let (said, before) = self.said;
        if elapsed - said >= Duration::from_secs(5) {
            let rate = (records - before) as f64 / (elapsed - said).as_secs_f64();
            let out = self.out_of_range.len();
            println!(
                "{rate:.0} readings/s in, {} findings so far, {out} people out of range now",
                self.findings
            );
            self.said = (elapsed, records);
        }
    }
}
