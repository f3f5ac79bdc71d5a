//! `heartwatch run`: a pipeline, live on a folder log.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;
use hw_engine::{Clock, End, RunOptions, SystemClock, TaskMetrics, TaskStatus};
use hw_log::IfMissing;

use crate::inputs::{PipelineArgs, open_log};
use crate::mistake;
use crate::status::StatusPage;

/// Run a pipeline live on a log in a folder; a restart resumes where the last commit was.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  heartwatch run pipelines/still_out_of_range.sql --log data --set window='1 minute'"
)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// The log's folder; made when it is not there.
    #[arg(long)]
    log: PathBuf,
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

/// Runs until Ctrl-C, or until the end.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<()> {
    let pipeline = Arc::new(args.pipeline.plan()?);
    let log = open_log(&args.log, IfMissing::Create)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let end = if args.until_end { End::Stop } else { End::Follow };
    let options = RunOptions {
        end,
        partitions: args.partitions,
        ..RunOptions::default()
    };
    let page = args
        .port
        .map(|port| StatusPage::open(port, &pipeline, &log))
        .transpose()?;
    let running = hw_engine::start(&pipeline, &log, &clock, &options).map_err(mistake)?;
    let stopper = running.stopper();
    ctrlc::set_handler(move || stopper.store(true, Ordering::Relaxed))?;
    for (declared, table) in pipeline.tables.iter().zip(&running.tables) {
        let rows = table.read().unwrap_or_else(std::sync::PoisonError::into_inner).rows();
        eprintln!("table {}: {rows} rows", declared.name);
    }
    eprintln!(
        "{} runs with {} tasks on {}; Ctrl-C stops it",
        pipeline.name,
        running.tasks.len(),
        args.log.display()
    );
    if let Some(page) = &page {
        page.show(&running);
        eprintln!("the page: {}", page.url());
    }
    let tasks = running.tasks.clone();
    let (mut rounds, mut before) = (0_u32, 0);
    while !running.is_finished() {
        std::thread::sleep(Duration::from_millis(50));
        rounds += 1;
        if rounds.is_multiple_of(100) {
            let records = sum(&tasks, |metrics| TaskMetrics::get(&metrics.records_in));
            eprintln!("{} records/s; {}", (records - before) / 5, totals(&tasks));
            before = records;
        }
    }
    running.join()?;
    eprintln!("stopped: {}", totals(&tasks));
    Ok(())
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
