//! Live tests: a real Apache Kafka, real foreign clients and the real program, on this machine's loopback.
//!
//! `cargo run -p xtask -- live` fetches what it needs (jars by Maven, Python's packages by pip) into `target/live`, starts
//! servers on free ports, runs the tests one after the other, and ends all that it started, and nothing else. It installs
//! nothing on the machine.

mod cluster;
mod commits;
mod dead_letters;
mod deployment;
mod disorder;
mod findings;
mod foreign;
mod interrupt;
mod kit;
mod machine;
mod options;
mod oracle;
mod poison;
mod ports;
mod process;
mod program;
mod readings;
mod registry;
mod runner;
mod stage;
mod tests;
mod time_rules;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};

use kit::Kit;
use options::{HELP, Options};
use runner::LiveTest;

/// Runs what the arguments ask for; an error when a test fails, or is skipped though it is required.
pub(crate) fn live(root: &Path, arguments: impl IntoIterator<Item = String>) -> Result<()> {
    let options = Options::parse(arguments)?;
    if options.help {
        println!("{HELP}");
        return Ok(());
    }
    let tests: Vec<&LiveTest> = tests::ALL.iter().filter(|test| options.wants(test.name)).collect();
    if tests.is_empty() {
        bail!("no live test is called so; --list names them");
    }
    if options.list {
        tests.iter().for_each(|test| println!("{}", test.name));
        return Ok(());
    }
    let machine = match machine::find() {
        Ok(machine) => machine,
        Err(missing) if options.required => bail!("the live tests are required and cannot run here: {missing}"),
        Err(missing) => {
            println!("the live tests were skipped: {missing}");
            return Ok(());
        }
    };
    interrupt::watch()?;
    let kit = Arc::new(Kit::prepare(root, machine, options.binary)?);
    let summary = runner::run(&kit, &tests)?;
    println!("{summary}");
    if summary.failed > 0 {
        bail!("{} live test(s) failed", summary.failed);
    }
    if options.required && summary.skipped > 0 {
        bail!("{} live test(s) were skipped, and all are required", summary.skipped);
    }
    Ok(())
}
