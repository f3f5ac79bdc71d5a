//! `heartwatch simulate`: a town of people, with the truth of what was planted.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use hw_town::original::{Generator, OriginalReadings};
use hw_town::{Reading, Town, TownOptions, original, write_json_line};

use crate::inputs::duration;
use crate::{mistake, progress};

/// Write readings of simulated people as JSON lines, in the order in which they would arrive.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  heartwatch simulate --users 500 --for 30m --seed 7 --out readings.jsonl --baselines ranges.jsonl --truth truth.jsonl"
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
    #[arg(long)]
    out: PathBuf,
    /// Where everyone's own range goes.
    #[arg(long)]
    baselines: Option<PathBuf>,
    /// Where the truth goes: who was really out of range, and when.
    #[arg(long)]
    truth: Option<PathBuf>,
    /// The predecessor's random data instead of people.
    #[arg(long)]
    like_original: bool,
    /// Random records of an Avro schema with the random generator's `arg.properties` instead, --users of them.
    #[arg(long, conflicts_with_all = ["like_original", "truth", "baselines"])]
    schema: Option<PathBuf>,
}

/// Writes the files.
pub(crate) fn run(args: &SimulateArgs) -> anyhow::Result<()> {
    let mut out = create(&args.out)?;
    if let Some(schema) = &args.schema {
        let json =
            std::fs::read_to_string(schema).map_err(|error| mistake(format!("{}: {error}", schema.display())))?;
        let mut generator = Generator::new(&json, args.seed).map_err(mistake)?;
        for _ in 0..args.users {
            write_json_line(&mut out, &generator.generate())?;
        }
        return Ok(out.flush()?);
    }
    let seconds = args.length.as_secs();
    let start_ms = TownOptions::default().start_ms;
    let mut readings = Vec::new();
    let bar = progress::bar(seconds, "simulated seconds");
    if args.like_original {
        let mut random = OriginalReadings::new(args.seed, start_ms, args.users);
        for _ in bar.wrap_iter(0..seconds) {
            random.next_second(&mut readings);
            write_readings(&mut out, &mut readings)?;
        }
        if let Some(path) = &args.baselines {
            write_all(path, original::baselines(args.seed, 19_999))?;
        }
        return Ok(out.flush()?);
    }
    let options = TownOptions {
        users: args.users,
        seed: args.seed,
        ..TownOptions::default()
    };
    let mut town = Town::new(&options).map_err(mistake)?;
    if let Some(path) = &args.baselines {
        write_all(path, town.baselines())?;
    }
    let mut truth = Vec::new();
    for _ in bar.wrap_iter(0..seconds) {
        town.next_second(&mut readings);
        write_readings(&mut out, &mut readings)?;
        truth.extend(town.take_truth());
    }
    truth.extend(town.finish(&mut readings));
    write_readings(&mut out, &mut readings)?;
    if let Some(path) = &args.truth {
        write_all(path, truth)?;
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

fn write_readings(out: &mut impl Write, readings: &mut Vec<Reading>) -> anyhow::Result<()> {
    for reading in readings.drain(..) {
        write_json_line(out, &reading)?;
    }
    Ok(())
}

fn write_all<T: serde::Serialize>(path: &Path, lines: impl IntoIterator<Item = T>) -> anyhow::Result<()> {
    let mut out = create(path)?;
    for line in lines {
        write_json_line(&mut out, &line)?;
    }
    Ok(out.flush()?)
}
