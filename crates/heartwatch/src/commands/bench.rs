//! `heartwatch bench`: how fast is it here?
//!
//! It wires and prints; what is measured is in `hw_bench`. Run it from a release build on a machine that does nothing else.

use std::process::{Command, Stdio};
use std::time::Duration;

use clap::{Args, Subcommand};
use hw_bench::{
    EngineBench, EngineMeasured, Form, KafkaBench, LogBench, RestartBench, Work, measure_batch, measure_engine,
    measure_log,
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
    /// A Kafka cluster: how long a worker takes from its start after kill -9 to its first new finding.
    Restart(RestartArgs),
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
    /// Worker threads; by default one a core.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    workers: Option<u16>,
    /// How often each pipeline runs over the readings.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Readings a second while the time from a reading to its finding is measured; by default half of the best
    /// rate. 0 leaves it out.
    #[arg(long)]
    latency_rate: Option<f64>,
    /// Another stream processor to run on the same topics after the last round, as NAME=COMMAND. In the command {readings},
    /// {baselines}, {alerts} and {count} are replaced; its output says msg/s=, msg/cpu_s= and peakRSS_MB=.
    #[arg(long = "peer", value_name = "NAME=COMMAND")]
    peers: Vec<String>,
}

#[derive(Debug, Args)]
struct RestartArgs {
    #[command(flatten)]
    kafka: KafkaArgs,
    /// How many users, each with a reading a second.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1_000..=2_000_000))]
    users: u32,
    /// Readings of a user remember each other for X alone, instead of X and a minute: a restart replays 20 s instead of 140 s.
    #[arg(long)]
    short: bool,
}

/// How long readings come while latency is measured.
const LATENCY_FOR: Duration = Duration::from_secs(15);

/// Runs the benchmark.
pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    if cfg!(debug_assertions) {
        eprintln!("note: this is a debug build; use `cargo run --release -- bench …` for numbers that mean something");
    }
    match &args.what {
        What::Engine(engine) => run_engine(engine),
        What::Log { readings } => run_log(*readings),
        What::Kafka(kafka) => run_kafka(kafka),
        What::Restart(restart) => run_restart(restart),
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
        "{:<44} {:>12} {:>16} {:>10} {:>10} {:>10}",
        "Kafka, exactly once, a commit every 100 ms", "readings/s", "per CPU-second", "peak MB", "start ms", "findings"
    );
    let mut best = 0.0;
    for round in 0..args.rounds {
        let bench = kafka_bench(args, &round.to_string())?;
        let peers = if round + 1 == args.rounds { &args.peers[..] } else { &[] };
        let measured = measure_kafka(&bench, args).and_then(|rate| {
            peers.iter().try_for_each(|peer| measure_peer(&bench, peer))?;
            Ok(rate)
        });
        bench.clear()?;
        best = f64::max(best, measured?);
    }
    let rate = args.latency_rate.unwrap_or(best / 2.0);
    if rate > 0.0 {
        measure_latency(args, rate)?;
    }
    Ok(())
}

fn kafka_bench(args: &KafkaBenchArgs, name: &str) -> anyhow::Result<KafkaBench> {
    Ok(KafkaBench::new(below(&args.kafka, name).open()?, args.readings))
}

/// The same cluster in a namespace of this process's own.
fn below(kafka: &KafkaArgs, name: &str) -> KafkaArgs {
    let namespace = kafka.names.namespace.as_deref().unwrap_or("bench.");
    let names = NamespaceArgs {
        namespace: Some(format!("{namespace}{}.{name}.", std::process::id())),
    };
    KafkaArgs {
        kafka: kafka.kafka.clone(),
        names,
    }
}

/// The worker is this program.
fn run_restart(args: &RestartArgs) -> anyhow::Result<()> {
    let kafka = below(&args.kafka, "restart");
    let bench = RestartBench::new(kafka.open()?, args.users, args.short);
    let folder = tempfile::tempdir()?;
    // The benchmark asks for the commits of a pipeline of this name.
    let file = folder.path().join("sliding.sql");
    std::fs::write(&file, bench.sql()?)?;
    let program = std::env::current_exe()?;
    let measured = bench.measure(|| {
        let mut command = Command::new(&program);
        command.arg("run").arg(&file).args(["--kafka", &kafka.kafka]);
        command.args(["--namespace", kafka.names.namespace.as_deref().unwrap_or_default()]);
        // Under a name of its own a worker that comes back takes its partitions up at once.
        command.env("HEARTWATCH_KAFKA_GROUP_INSTANCE_ID", "bench");
        command.stdout(Stdio::null());
        command
    });
    bench.clear()?;
    let restarted = measured?;
    let (took_s, replayed) = (
        restarted.to_first_finding.as_secs_f64(),
        restarted.replayed as f64 / 1e6,
    );
    println!(
        "{} users: the first new finding {took_s:.2} s after the start, {replayed:.1} M readings replayed ({:.2} M a second)",
        args.users,
        replayed / took_s
    );
    Ok(())
}

const FORMS: [(&str, Form); 2] = [
    ("tumbling, X = 10 s", Form::Tumbling),
    ("sliding, X = 10 s", Form::Sliding),
];

/// Gives the readings a second of the faster form.
fn measure_kafka(bench: &KafkaBench, args: &KafkaBenchArgs) -> anyhow::Result<f64> {
    show("producing, acks=all, encoding included", &bench.produce()?);
    let mut rate = 0.0;
    for (name, form) in FORMS {
        let work = bench.run(form, workers(args))?;
        show(name, &work);
        rate = f64::max(rate, work.readings as f64 / work.elapsed.as_secs_f64());
    }
    Ok(rate)
}

fn measure_peer(bench: &KafkaBench, peer: &str) -> anyhow::Result<()> {
    let Some((name, command)) = peer.split_once('=') else {
        anyhow::bail!("--peer {peer}: write NAME=COMMAND");
    };
    let work = bench.peer(name, command)?;
    let (rate, per_cpu_second) = (work.rate / 1e6, work.per_cpu_second / 1e6);
    println!(
        "{name:<44} {rate:>10.2} M {per_cpu_second:>14.2} M {:>10.0} {:>10} {:>10}",
        work.peak_megabytes, "-", work.findings
    );
    Ok(())
}

fn measure_latency(args: &KafkaBenchArgs, rate: f64) -> anyhow::Result<()> {
    println!(
        "\n{:<44} {:>12} {:>10} {:>10} {:>10} {:>10}",
        "from a reading's append to its finding", "readings/s", "p50 ms", "p99 ms", "max ms", "findings"
    );
    for (name, form) in FORMS {
        let bench = kafka_bench(args, "latency")?;
        let measured = bench.latency(form, rate, LATENCY_FOR, workers(args));
        bench.clear()?;
        let latency = measured?;
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        println!(
            "{name:<44} {:>10.2} M {:>10.0} {:>10.0} {:>10.0} {:>10}",
            latency.rate / 1e6,
            ms(latency.p50),
            ms(latency.p99),
            ms(latency.max),
            latency.findings
        );
    }
    Ok(())
}

fn workers(args: &KafkaBenchArgs) -> usize {
    args.workers
        .map_or_else(|| hw_engine::RunOptions::default().workers, usize::from)
}

fn show(name: &str, work: &Work) {
    let readings = work.readings as f64 / 1e6;
    println!(
        "{name:<44} {:>10.2} M {:>14.2} M {:>10} {:>10} {:>10}",
        readings / work.elapsed.as_secs_f64(),
        readings / work.cpu.as_secs_f64(),
        work.peak_bytes / 1_000_000,
        work.started.as_millis(),
        work.findings
    );
}
