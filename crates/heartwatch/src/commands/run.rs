//! `heartwatch run`: a pipeline, live on a log in a folder or on Kafka.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use hw_engine::{Clock, End, RunOptions, Running, SystemClock, TaskMetrics, TaskStatus};
use hw_graph::Pipeline;
use hw_log::{IfMissing, Log};

use crate::holder::on_log;
use crate::inputs::{PipelineArgs, duration, start_error};
use crate::maintenance::Maintenance;
use crate::place::{LogArgs, NamespaceArgs, Place};
use crate::status::StatusPage;

/// A failure that lasts so long is said.
const TROUBLE_LASTS: Duration = Duration::from_secs(2);

/// Run a pipeline live; a restart resumes where the last commit was. On Kafka, start it as often as there is work to share.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  heartwatch run pipelines/still_out_of_range.sql --log data --set window='1 minute'\n\n\
A log survives kill -9. With HEARTWATCH_LOG_SURVIVES=power-failure in the environment of whichever command opens the\n\
folder first, every transaction is synced to the disk and survives a power failure too; each takes milliseconds longer."
)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    names: NamespaceArgs,
    /// Worker threads; by default one a processor.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    workers: Option<u16>,
    /// Outputs and positions are committed this often.
    #[arg(long, value_parser = duration, default_value = "100ms")]
    commit_interval: Duration,
    /// Answer all that is in the log, and what waits as an idle partition would, then end.
    #[arg(long)]
    until_end: bool,
    /// Partitions of topics that are made.
    #[arg(long, default_value_t = 4)]
    partitions: u32,
    /// Serve a status page on this port, on this machine only; 0 takes a free one.
    #[arg(long)]
    port: Option<u16>,
}

/// Runs until Ctrl-C, or until the end. When another process holds the folder and ends, the engine starts again from its
/// last commit.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<()> {
    let pipeline = Arc::new(args.pipeline.plan()?);
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || asked.store(true, Ordering::Relaxed))?;
    let place = args.log.place(&args.names)?;
    on_log(&place, IfMissing::Create, |log| {
        run_on((log, &place), &pipeline, args, &stop)
    })
}

fn run_on(
    (log, place): (&Arc<dyn Log>, &Place),
    pipeline: &Arc<Pipeline>,
    args: &RunArgs,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let end = if args.until_end { End::Stop } else { End::Follow };
    let options = RunOptions {
        end,
        partitions: args.partitions,
        commit_interval: args.commit_interval,
        workers: args.workers.map_or(RunOptions::default().workers, usize::from),
    };
    let page = args
        .port
        .map(|port| StatusPage::open(port, pipeline, log))
        .transpose()?;
    let running = hw_engine::start(pipeline, log, &clock, &options).map_err(start_error)?;
    let _maintenance = Maintenance::start(Arc::clone(log))?;
    say_start(pipeline, &running, place);
    if let Some(page) = &page {
        page.show(&running);
        eprintln!("the page: {}", page.url());
    }
    let tasks = Arc::clone(&running.tasks);
    let (mut rate, mut trouble, mut known) = (Rate::new(), Trouble::default(), tasks.present());
    while !running.is_finished() {
        std::thread::sleep(Duration::from_millis(50));
        if stop.load(Ordering::Relaxed) {
            running.stop();
        }
        rate.say(&tasks.ever());
        trouble.say(tasks.trouble());
        known = say_changes(&known, tasks.present());
    }
    running.join().map_err(start_error)?;
    eprintln!("stopped: {}", totals(&tasks.ever()));
    Ok(())
}

/// What is read, and where each task resumes.
fn say_start(pipeline: &Pipeline, running: &Running, place: &Place) {
    for (declared, table) in pipeline.tables.iter().zip(&running.tables) {
        let rows = table.read().unwrap_or_else(PoisonError::into_inner).rows();
        eprintln!("table {}: {rows} rows", declared.name);
    }
    let tasks = running.tasks.ever();
    for tasks in tasks.chunk_by(|one, next| one.job == next.job) {
        let places: Vec<String> = tasks.iter().map(begins).collect();
        let sink = &pipeline.streams[pipeline.jobs[tasks[0].job].sink].topic;
        eprintln!("{} to {sink}: {}", tasks[0].topic, places.join(", "));
    }
    eprintln!(
        "{} runs with {} tasks on {place}; Ctrl-C stops it",
        pipeline.name,
        tasks.len(),
    );
}

/// Says which tasks have come and which have gone, to or from another worker.
fn say_changes(known: &[TaskStatus], now: Vec<TaskStatus>) -> Vec<TaskStatus> {
    let is_in = |tasks: &[TaskStatus], one: &TaskStatus| {
        let mut same = tasks.iter().filter(|task| task.job == one.job);
        same.any(|task| task.partition == one.partition)
    };
    for gone in known.iter().filter(|task| !is_in(&now, task)) {
        eprintln!("{}: partition {} is given away", gone.topic, gone.partition);
    }
    for new in now.iter().filter(|task| !is_in(known, task)) {
        eprintln!("{}: {}", new.topic, begins(new));
    }
    now
}

/// What the log refuses, and since when.
#[derive(Default)]
struct Trouble {
    since: Option<Instant>,
    is_said: bool,
}

impl Trouble {
    /// Says what the log refuses when that has lasted for a while, and when it is over, once each: what passes at once is
    /// nobody's concern.
    fn say(&mut self, now: Option<String>) {
        let Some(trouble) = now else {
            if self.is_said {
                eprintln!("the log works again");
            }
            *self = Trouble::default();
            return;
        };
        let since = self.since.get_or_insert_with(Instant::now);
        if !self.is_said && since.elapsed() >= TROUBLE_LASTS {
            eprintln!("the log fails, and is tried again: {trouble}");
            self.is_said = true;
        }
    }
}

fn begins(task: &TaskStatus) -> String {
    let TaskStatus {
        partition,
        reads_from,
        answers_from,
        is_changed,
        ..
    } = task;
    let mut notes = Vec::new();
    if *is_changed {
        notes.push("the pipeline has changed: it answers from here on, and nothing again".to_owned());
    }
    if reads_from != answers_from {
        notes.push(format!("state rebuilt from {reads_from}"));
    }
    let notes = if notes.is_empty() {
        String::new()
    } else {
        format!(" ({})", notes.join("; "))
    };
    format!("partition {partition} from offset {answers_from}{notes}")
}

/// The line that says now and then how fast it goes: often on a terminal, seldom in a log file.
struct Rate {
    every: Duration,
    said: Instant,
    records: u64,
}

impl Rate {
    fn new() -> Rate {
        let every = Duration::from_secs(if std::io::stderr().is_terminal() { 5 } else { 60 });
        let said = Instant::now();
        Rate {
            every,
            said,
            records: 0,
        }
    }

    fn say(&mut self, tasks: &[TaskStatus]) {
        let passed = self.said.elapsed();
        if passed >= self.every {
            let records = sum(tasks, |metrics| TaskMetrics::get(&metrics.records_in));
            let a_second = records.saturating_sub(self.records) as f64 / passed.as_secs_f64();
            eprintln!("{a_second:.0} records/s; {}", totals(tasks));
            (self.said, self.records) = (Instant::now(), records);
        }
    }
}

/// Sums a number over the tasks.
pub(crate) fn sum(tasks: &[TaskStatus], number: impl Fn(&TaskMetrics) -> u64) -> u64 {
    tasks.iter().map(|task| number(&task.metrics)).sum()
}

fn totals(tasks: &[TaskStatus]) -> String {
    format!(
        "{} records in, {} answers, {} late, {} dead letters, {} answers without a row in a table, {} windows cut",
        sum(tasks, |metrics| TaskMetrics::get(&metrics.records_in)),
        sum(tasks, |metrics| TaskMetrics::get(&metrics.rows_out)),
        sum(tasks, |metrics| TaskMetrics::get(&metrics.late)),
        sum(tasks, |metrics| TaskMetrics::get(&metrics.dead_letters)),
        sum(tasks, |metrics| TaskMetrics::get(&metrics.unmatched)),
        sum(tasks, |metrics| TaskMetrics::get(&metrics.cut_windows)),
    )
}
