//! `hw-simulation`: replays seeds of the simulation and prints what happened.

use anyhow::bail;
use clap::Parser;
use hw_simulation::{Bug, Checked, simulate};

/// Simulates the engine with everything that goes wrong, every step decided by a seed.
#[derive(Debug, Parser)]
struct Args {
    /// The seed to replay, with its whole history.
    #[arg(long)]
    seed: Option<u64>,
    /// Without a seed: as many seeds, one line each.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Plant a bug in the simulated log.
    #[arg(long)]
    bug: Option<Bug>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    match args.seed {
        Some(seed) => replay(seed, args.bug),
        None => search(args.from, args.seeds, args.bug),
    }
}

fn replay(seed: u64, bug: Option<Bug>) -> anyhow::Result<()> {
    let outcome = simulate(seed, bug)?;
    for line in &outcome.history {
        println!("{line}");
    }
    for violation in &outcome.violations {
        println!("VIOLATION {violation}");
    }
    if !outcome.violations.is_empty() {
        bail!("seed {seed}: {} violations", outcome.violations.len());
    }
    println!("seed {seed}: all is well");
    Ok(())
}

fn search(from: u64, seeds: u64, bug: Option<Bug>) -> anyhow::Result<()> {
    let (mut failed, mut sum) = (Vec::new(), Checked::default());
    for seed in from..from + seeds {
        let outcome = simulate(seed, bug)?;
        sum += outcome.checked;
        if let Some(first) = outcome.violations.first() {
            println!("seed {seed}: {} violations, such as: {first}", outcome.violations.len());
            failed.push(seed);
        }
    }
    println!("{sum}");
    if !failed.is_empty() {
        bail!("{} of {seeds} seeds failed: {failed:?}", failed.len());
    }
    println!("{seeds} seeds: all is well");
    Ok(())
}
