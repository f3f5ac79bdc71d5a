//! `heartwatch demo`: a town, the log, the shipped pipeline and its findings, in one process.
//!
//! Here are the arguments, the life from start to stop, and the loop. One thread feeds the log, reads findings back and shows
//! them; the pipeline's workers have their own. It judges nobody: what is a finding, the pipeline says.

mod face;
mod feed;
mod numbers;
mod plain;
mod scene;
mod screen;
mod topics;
mod view;
mod watch;
mod wording;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use hw_engine::{Clock, RunOptions, Running, SystemClock};
use hw_graph::Pipeline;
use hw_log::{IfMissing, Log};

use crate::inputs::{duration, open_log};
use crate::mistake;
use crate::status::StatusPage;
use face::{Asked, Face};
use feed::Feed;
use numbers::Numbers;
use scene::Scene;
use watch::Watch;

/// The part of the town whose turn it is sends this often.
const TICK: Duration = Duration::from_millis(50);
/// What is too old is removed from the log this often.
const CLEAN_EVERY: Duration = Duration::from_secs(10);

/// See it work: a simulated town, the shipped rule live, and who is out of range.
#[derive(Debug, Args)]
#[command(
    after_help = "Some of the town's watches fail, as watches do: what they send late or twice is counted as late, and goes to \
                  the dead letters.\n\nExample:\n  heartwatch demo --users 2000 --for 60s"
)]
pub(crate) struct DemoArgs {
    /// How many people.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
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
    /// The same seed gives the same town.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Port of the status page, on this machine only; 0 takes a free one [default: 8080, or a free one]
    #[arg(long)]
    port: Option<u16>,
}

/// Runs the demonstration.
pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<()> {
    let began = Instant::now();
    // Before anything long, so that Ctrl-C is orderly at any time.
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || asked.store(true, Ordering::Relaxed))?;
    say(&format!(
        "{} people send a reading a second; Ctrl-C stops. Not a medical device.",
        args.users
    ))?;
    let sql = include_str!("../../../../../pipelines/still_out_of_range.sql");
    let pipeline = Arc::new(hw_plan::plan("still_out_of_range", sql, &[]).map_err(mistake)?);
    // Declared before the log, so that it is removed after the log was closed.
    let mut temporary = None;
    let folder: &Path = match &args.data {
        Some(folder) => folder,
        None => temporary.insert(tempfile::tempdir()?).path(),
    };
    let log = open_log(folder, IfMissing::Create)?;
    let page = match args.port {
        Some(port) => StatusPage::open(port, &pipeline, &log)?,
        None => StatusPage::open_anywhere(&pipeline, &log)?,
    };
    let mut demo = Demo::start(args, &pipeline, log)?;
    page.show(&demo.running);
    let url = page.url();
    // From here on the workers are stopped whatever happens.
    let shown = say(&format!("the page: {url}")).and_then(|()| demo.show(args, &url, began, &stop));
    let summary = demo.end(began);
    shown?;
    say(&summary?)?;
    match &args.data {
        Some(folder) => say(&format!("the log is kept in {}", folder.display())),
        None => say("the log was temporary; --data DIR keeps it"),
    }
}

/// A line on the standard output; an error, not a panic, when nobody reads it any more.
fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// Everything that is at work.
struct Demo {
    log: Arc<dyn Log>,
    running: Running,
    feed: Feed,
    watch: Watch,
    numbers: Numbers,
}

impl Demo {
    fn start(args: &DemoArgs, pipeline: &Arc<Pipeline>, log: Arc<dyn Log>) -> anyhow::Result<Demo> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        topics::make(pipeline, log.as_ref())?;
        let start_ms = start_ms(args, pipeline, log.as_ref(), clock.now_ms())?;
        let feed = Feed::new(args, pipeline, log.as_ref(), start_ms)?;
        // Before the engine, so that none of its findings is missed.
        let watch = Watch::new(log.as_ref(), &topics::findings(pipeline).topic, args.speed)?;
        let running = hw_engine::start(pipeline, &log, &clock, &RunOptions::default()).map_err(mistake)?;
        Ok(Demo {
            log,
            running,
            feed,
            watch,
            numbers: Numbers::default(),
        })
    }

    /// Feeds, watches and shows until it is time to stop. The terminal is as it was when this returns.
    fn show(&mut self, args: &DemoArgs, url: &str, began: Instant, stop: &AtomicBool) -> anyhow::Result<()> {
        let mut face = Face::choose()?;
        let (fed_from, mut cleaned) = (Instant::now(), Instant::now());
        while !stop.load(Ordering::Relaxed) && !self.running.is_finished() {
            let elapsed = began.elapsed();
            let left = args.length.map(|length| length.saturating_sub(elapsed));
            if left.is_some_and(|left| left.is_zero()) {
                break;
            }
            let log = self.log.as_ref();
            self.numbers.look(elapsed, &self.running.tasks.ever());
            self.feed.send(log, fed_from.elapsed(), self.numbers.lag)?;
            let new = self.watch.look(log, self.numbers.clock_ms)?;
            if cleaned.elapsed() >= CLEAN_EVERY {
                log.maintain(self.feed.sent_ms())?;
                cleaned = Instant::now();
            }
            face.show(&Scene {
                users: args.users,
                speed: args.speed,
                elapsed,
                length: args.length,
                url,
                numbers: &self.numbers,
                watch: &self.watch,
                new: &new,
            })?;
            if face.wait(left.map_or(TICK, |left| left.min(TICK)))? == Asked::Stop {
                break;
            }
        }
        Ok(())
    }

    /// Stops the workers, whatever happened before, and says what was done.
    fn end(mut self, began: Instant) -> anyhow::Result<String> {
        self.running.stop();
        let tasks = Arc::clone(&self.running.tasks);
        self.running.join()?;
        self.watch.look(self.log.as_ref(), None)?;
        self.numbers.look(began.elapsed(), &tasks.ever());
        Ok(format!(
            "stopped after {:.1} s: {} readings sent, {} findings, {} late, {} dead letters",
            began.elapsed().as_secs_f64(),
            self.feed.sent(),
            self.watch.findings,
            self.numbers.late,
            self.numbers.dead_letters
        ))
    }
}

/// Now, or just after the newest reading that an earlier demonstration left in the log: a reading before it would be late.
fn start_ms(args: &DemoArgs, pipeline: &Pipeline, log: &dyn Log, now_ms: i64) -> anyhow::Result<i64> {
    let Some(newest_ms) = topics::newest_ms(log, &topics::readings(pipeline).topic)? else {
        return Ok(now_ms);
    };
    let start_ms = now_ms.max(newest_ms + 1);
    let folder = args.data.as_deref().unwrap_or(Path::new("the folder"));
    say(&format!(
        "{} has readings up to {}; this town starts at {}",
        folder.display(),
        hw_connectors::format_time(newest_ms),
        hw_connectors::format_time(start_ms),
    ))?;
    Ok(start_ms)
}
