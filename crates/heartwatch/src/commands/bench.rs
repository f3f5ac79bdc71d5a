//! `heartwatch bench`: how fast is it here?
//!
//! It wires and prints; what is measured is in `hw_bench`. Run it from a release build on a machine that does nothing else.

use std::time::Duration;

use clap::{Args, Subcommand};
use hw_bench::{
    EngineBench, EngineMeasured, Form, KafkaBench, LogBench, Work, measure_batch, measure_engine, measure_log,
};
use hw_town::steady::{Order, Steady};

use crate::place::{KafkaArgs, NamespaceArgs};

/// Measure the engine or the whole way on a folder log.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cargo run --release -- bench engine\n\nDebug builds say nothing about speed.")]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// One core, in memory: from encoded lz4 record batches to findings encoded, beside plain DataFusion in batch.
    Engine(EngineArgs),
    /// A Kafka cluster: produce readings, then run both pipelines over them, exactly once, and check the answers.
    Kafka(KafkaBenchArgs),
    /// Two cores, on a folder log: append, fetch, finding, a commit every 100 ms.
    Log {
        /// How many readings.
        #[arg(long, default_value_t = 10_000_000)]
        readings: u64,
    },
}

#[derive(Debug, Args)]
struct EngineArgs {
    /// Only cases whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Leave out DataFusion's batch run.
    #[arg(long)]
    no_batch: bool,
}

#[derive(Debug, Args)]
struct KafkaBenchArgs {
    #[command(flatten)]
    kafka: KafkaArgs,
    /// How many readings.
    #[arg(long, default_value_t = 10_000_000)]
    readings: u64,
    /// Worker threads.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    workers: u16,
    /// How often each pipeline runs over the readings.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

/// Runs the benchmark.
pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    if cfg!(debug_assertions) {
        eprintln!("note: this is a debug build; use `cargo run --release -- bench …` for numbers that mean something");
    }
    match &args.what {
        What::Engine(engine) => run_engine(engine),
        What::Log { readings } => run_log(*readings),
        What::Kafka(kafka) => run_kafka(kafka),
    }
}

fn cases() -> Vec<(&'static str, EngineBench)> {
    let town = Steady {
        users: 20_000,
        order: Order::Same,
    };
    let million = Steady {
        users: 1_000_000,
        order: Order::Shuffled,
    };
    let case = |form, load, window_s, warm_s, measured_s| EngineBench {
        form,
        load,
        window_s,
        warm_s,
        measured_s,
    };
    vec![
        (
            "tumbling, X = 10 s, 20,000 users",
            case(Form::Tumbling, town, 10, 20, 200),
        ),
        (
            "sliding, X = 10 s, 20,000 users",
            case(Form::Sliding, town, 10, 20, 200),
        ),
        (
            "sliding, X = 600 s, 20,000 users",
            case(Form::Sliding, town, 600, 620, 100),
        ),
        (
            "sliding, X = 10 s, 1,000,000 users in random order",
            case(Form::Sliding, million, 10, 12, 8),
        ),
    ]
}

fn run_engine(args: &EngineArgs) -> anyhow::Result<()> {
    println!(
        "{:<52} {:>12} {:>10} {:>10} {:>14}",
        "engine, one core", "readings/s", "ns each", "findings", "state bytes/key"
    );
    let wanted = |name: &str| args.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    for (name, bench) in cases().into_iter().filter(|(name, _)| wanted(name)) {
        let measured = measure_engine(&bench)?;
        let per_key = measured.state_bytes / measured.keys.max(1);
        println!("{name:<52} {} {per_key:>14}", figures(&measured));
    }
    if !args.no_batch {
        let (_, bench) = cases()[1];
        let measured = measure_batch(&EngineBench {
            measured_s: 50,
            ..bench
        })?;
        println!(
            "{:<52} {} {:>14}",
            "DataFusion in batch, the same query, columns, 2 cores",
            figures(&measured),
            "-"
        );
    }
    Ok(())
}

fn figures(measured: &EngineMeasured) -> String {
    let rate = measured.rate();
    format!("{:>10.2} M {:>10.0} {:>10}", rate / 1e6, 1e9 / rate, measured.findings)
}

fn run_log(readings: u64) -> anyhow::Result<()> {
    let bench = LogBench {
        users: 20_000,
        readings,
        partitions: 2,
        commit_interval: Duration::from_millis(100),
    };
    println!(
        "folder log, append and engine at the same time, {readings} readings of {} users",
        bench.users
    );
    let folder = tempfile::tempdir()?;
    let measured = measure_log(&bench, folder.path())?;
    println!(
        "{:.2} M readings/s end to end, appended in {:.2} s, all committed after {:.2} s, {} findings",
        readings as f64 / measured.committed_after.as_secs_f64() / 1e6,
        measured.appended_after.as_secs_f64(),
        measured.committed_after.as_secs_f64(),
        measured.findings
    );
    Ok(())
}

/// Every round is a new namespace below the one that was asked for, so that nothing is resumed.
fn run_kafka(args: &KafkaBenchArgs) -> anyhow::Result<()> {
    println!(
        "{:<44} {:>12} {:>16} {:>10} {:>10}",
        "Kafka, exactly once, a commit every 100 ms", "readings/s", "per CPU-second", "peak MB", "findings"
    );
    for round in 0..args.rounds {
        let namespace = args.kafka.names.namespace.as_deref().unwrap_or("bench.");
        let names = NamespaceArgs {
            namespace: Some(format!("{namespace}{}.{round}.", std::process::id())),
        };
        let kafka = KafkaArgs {
            kafka: args.kafka.kafka.clone(),
            names,
        };
        let bench = KafkaBench::new(kafka.open()?, args.readings);
        let measured = measure_kafka(&bench, args);
        bench.clear()?;
        measured?;
    }
    Ok(())
}

fn measure_kafka(bench: &KafkaBench, args: &KafkaBenchArgs) -> anyhow::Result<()> {
    show("producing, acks=all, encoding included", &bench.produce()?);
    for (name, form) in [
        ("tumbling, X = 10 s", Form::Tumbling),
        ("sliding, X = 10 s", Form::Sliding),
    ] {
        show(name, &bench.run(form, usize::from(args.workers))?);
    }
    Ok(())
}

fn show(name: &str, work: &Work) {
    let readings = work.readings as f64 / 1e6;
    println!(
        "{name:<44} {:>10.2} M {:>14.2} M {:>10} {:>10}",
        readings / work.elapsed.as_secs_f64(),
        readings / work.cpu.as_secs_f64(),
        work.peak_bytes / 1_000_000,
        work.findings
    );
}
