//! `heartwatch simulate`: a town of people, with the truth of what was planted, into files or straight into a log.
//!
//! It makes nobody up itself; that is the town's.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgGroup, Args};
use hw_engine::{Clock, SystemClock};
use hw_town::original::{Generator, OriginalReadings};
use hw_town::{Baseline, Episode, Reading, Town, TownOptions, original, write_json_line};

use crate::commands::produce::PARTITIONS;
use crate::crew::Flow;
use crate::inputs::duration;
use crate::pace::speed;
use crate::place::NamespaceArgs;
use crate::{mistake, progress};
use topics::Topics;

mod topics;

/// Everyone that the predecessor had a range of.
const ORIGINAL_USERS: u32 = 19_999;

/// Make readings of simulated people, in the order in which they would arrive: JSON lines, or records of a log.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("target").required(true).args(["out", "log", "kafka"]),
    after_help = "With --log or --kafka the ranges go to the topic `baselines` first and the readings to `readings`, both made when they \
                  are not there. Ctrl-C stops in order and says how many are in; exit code 0 when all that was sent is in.\n\nExamples:\n  \
                  heartwatch simulate --users 500 --for 30m --seed 7 --out readings.jsonl --baselines ranges.jsonl --truth truth.jsonl\n  \
                  heartwatch simulate --users 500 --for 1h --kafka localhost:9092 --speed 1x --shift-to-now"
)]
pub(crate) struct SimulateArgs {
    /// How many people; with --like-original, readings a second.
    #[arg(long, default_value_t = 100)]
    users: u32,
    /// How long, in simulated time.
    #[arg(long = "for", value_parser = duration, default_value = "10m")]
    length: Duration,
    /// The same seed gives the same readings.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the readings go; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The folder of a log instead; made when it is not there.
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// A Kafka cluster instead: HOST:PORT, or a file of Kafka's own settings; HEARTWATCH_KAFKA_… in the environment is
    /// added to either.
    #[arg(long, value_name = "HOST:PORT|FILE")]
    kafka: Option<String>,
    #[command(flatten)]
    names: NamespaceArgs,
    /// Partitions of the topic `readings` when it is made.
    #[arg(long, default_value_t = PARTITIONS, value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "out")]
    partitions: u32,
    /// Simulated seconds a second, such as 1x; by default as fast as it goes.
    #[arg(long, value_name = "TIMES", value_parser = speed, conflicts_with = "out")]
    speed: Option<f64>,
    /// Simulated time begins now; by default on a Monday afternoon in January 2026.
    #[arg(long)]
    shift_to_now: bool,
    /// A file for everyone's own range.
    #[arg(long, value_name = "FILE")]
    baselines: Option<PathBuf>,
    /// A file for the truth: who was really out of range, and when.
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// The predecessor's random data instead of people.
    #[arg(long)]
    like_original: bool,
    /// Random records of an Avro schema with the random generator's `arg.properties` instead, --users of them.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["like_original", "truth", "baselines", "log", "kafka", "shift_to_now"]
    )]
    schema: Option<PathBuf>,
}

/// Makes the readings.
pub(crate) fn run(args: &SimulateArgs) -> anyhow::Result<()> {
    if let (Some(schema), Some(out)) = (&args.schema, &args.out) {
        return write_random_records(schema, args, out);
    }
    let (mut people, ranges) = People::new(args)?;
    if let Some(path) = &args.baselines {
        write_all(path, &ranges)?;
    }
    let truth = match &args.out {
        Some(out) => write_file(args, &mut people, out)?,
        None => Topics::open(args, &ranges)?.send(args, &mut people)?,
    };
    match &args.truth {
        Some(path) => write_all(path, truth),
        None => Ok(()),
    }
}

/// Who sends readings.
enum People {
    Town(Box<Town>),
    Original(OriginalReadings),
    /// All is told.
    Gone,
}

impl People {
    /// Them and their ranges.
    fn new(args: &SimulateArgs) -> anyhow::Result<(People, Vec<Baseline>)> {
        let mut options = TownOptions {
            users: args.users,
            seed: args.seed,
            ..TownOptions::default()
        };
        if args.shift_to_now {
            let now_ms = SystemClock.now_ms();
            // The town's clocks show what they show without: the same readings at another time.
            options.local_offset_ms += options.start_ms - now_ms;
            options.start_ms = now_ms;
        }
        if args.like_original {
            let random = OriginalReadings::new(args.seed, options.start_ms, args.users);
            let ranges = original::baselines(args.seed, ORIGINAL_USERS).collect();
            return Ok((People::Original(random), ranges));
        }
        let town = Town::new(&options).map_err(mistake)?;
        let ranges = town.baselines();
        Ok((People::Town(Box::new(town)), ranges))
    }

    fn next_second(&mut self, readings: &mut Vec<Reading>, truth: &mut Vec<Episode>) {
        match self {
            People::Town(town) => {
                town.next_second(readings);
                truth.extend(town.take_truth());
            }
            People::Original(random) => random.next_second(readings),
            People::Gone => {}
        }
    }

    /// What was held back on the way, and what is still going on.
    fn finish(&mut self, readings: &mut Vec<Reading>, truth: &mut Vec<Episode>) {
        if let People::Town(town) = std::mem::replace(self, People::Gone) {
            truth.extend(town.finish(readings));
        }
    }

    /// Calls `give` with the readings of every second and how much of the time is over then, until it says that this is
    /// the end, and gives the truth.
    fn live(
        &mut self,
        seconds: u64,
        mut give: impl FnMut(&mut Vec<Reading>, f64) -> anyhow::Result<Flow>,
    ) -> anyhow::Result<Vec<Episode>> {
        let (mut readings, mut truth) = (Vec::new(), Vec::new());
        for second in 1..=seconds {
            self.next_second(&mut readings, &mut truth);
            let flow = give(&mut readings, second as f64 / seconds as f64)?;
            readings.clear();
            if flow == Flow::End {
                // What is still on its way would have arrived later.
                self.finish(&mut readings, &mut truth);
                return Ok(truth);
            }
        }
        self.finish(&mut readings, &mut truth);
        give(&mut readings, 1.0)?;
        Ok(truth)
    }
}

fn write_file(args: &SimulateArgs, people: &mut People, path: &Path) -> anyhow::Result<Vec<Episode>> {
    let mut out = create(path)?;
    let bar = progress::bar(args.length.as_secs(), "simulated seconds");
    let truth = people.live(args.length.as_secs(), |readings, _| {
        bar.inc(1);
        for reading in readings {
            write_json_line(&mut out, reading)?;
        }
        Ok(Flow::GoOn)
    })?;
    bar.finish_and_clear();
    out.flush()?;
    Ok(truth)
}

fn write_random_records(schema: &Path, args: &SimulateArgs, path: &Path) -> anyhow::Result<()> {
    let mut out = create(path)?;
    let json = std::fs::read_to_string(schema).map_err(|error| mistake(format!("{}: {error}", schema.display())))?;
    let mut generator = Generator::new(&json, args.seed).map_err(mistake)?;
    for _ in 0..args.users {
        write_json_line(&mut out, &generator.generate())?;
    }
    Ok(out.flush()?)
}

fn create(path: &Path) -> anyhow::Result<Box<dyn Write>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufWriter::new(std::io::stdout())));
    }
    let file = File::create(path).map_err(|error| mistake(format!("cannot write {}: {error}", path.display())))?;
    Ok(Box::new(BufWriter::new(file)))
}

fn write_all<T: serde::Serialize>(path: &Path, lines: impl IntoIterator<Item = T>) -> anyhow::Result<()> {
    let mut out = create(path)?;
    for line in lines {
        write_json_line(&mut out, &line)?;
    }
    Ok(out.flush()?)
}
