//! The binary: command line and wiring.
//!
//! It holds no logic of streams. A mistake of the user's ends with one clear message and exit code 2; a failure while
//! running with exit code 1.

mod commands;
mod crew;
mod decode_view;
mod delivery;
mod encode;
mod files;
mod holder;
mod inputs;
mod maintenance;
mod pace;
mod place;
mod producer;
mod progress;
mod replay;
mod status;
mod stop;
mod town_rows;

use clap::{Parser, Subcommand};

/// Who is outside their own heart-rate range while not having moved? Live and in batch, by the same SQL. Not a medical device.
#[derive(Debug, Parser)]
#[command(version, after_help = "Start with:\n  heartwatch demo --for 60s")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(commands::demo::DemoArgs),
    Run(commands::run::RunArgs),
    Produce(commands::produce::ProduceArgs),
    Tail(commands::tail::TailArgs),
    Setup(commands::setup::SetupArgs),
    Teardown(commands::teardown::TeardownArgs),
    Status(commands::status::StatusArgs),
    Backtest(commands::backtest::BacktestArgs),
    Simulate(commands::simulate::SimulateArgs),
    Import(commands::import::ImportArgs),
    Explain(commands::explain::ExplainArgs),
    Bench(commands::bench::BenchArgs),
}

/// A mistake of the user's: exit code 2.
#[derive(Debug)]
pub(crate) struct Mistake(String);

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Mistake {}

/// Makes an error the user's.
pub(crate) fn mistake(error: impl std::fmt::Display) -> anyhow::Error {
    Mistake(error.to_string()).into()
}

fn main() -> std::process::ExitCode {
    let result = match Cli::parse().command {
        Command::Demo(args) => commands::demo::run(&args),
        Command::Run(args) => commands::run::run(&args),
        Command::Produce(args) => commands::produce::run(&args),
        Command::Tail(args) => commands::tail::run(&args),
        Command::Setup(args) => commands::setup::run(&args),
        Command::Teardown(args) => commands::teardown::run(&args),
        Command::Status(args) => commands::status::run(&args),
        Command::Backtest(args) => commands::backtest::run(&args),
        Command::Simulate(args) => commands::simulate::run(&args),
        Command::Import(args) => commands::import::run(&args),
        Command::Explain(args) => commands::explain::run(&args),
        Command::Bench(args) => commands::bench::run(&args),
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        // Whoever reads our output has had enough (such as `| head`): that is no failure.
        Err(error) if is_broken_pipe(&error) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            let text = format!("{error:#}");
            let prefix = if text.starts_with("error") { "" } else { "error: " };
            eprintln!("{prefix}{text}");
            std::process::ExitCode::from(if error.is::<Mistake>() { 2 } else { 1 })
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}
