//! The log's own tests against real brokers: cargo runs them, with the environment that they ask for.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::super::cluster::Shape;
use super::super::process::Process;
use super::super::stage::{Stage, World};

/// For a cold compiler, and for tests that wait until sessions end.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Every test of crates/log whose name has `kafka` in it, none of them skipped.
pub(super) fn keeps_its_promises(stage: &Stage, world: &mut World) -> Result<()> {
    // Nothing has to run while the compiler does.
    let mut compile = stage.kit().cargo();
    Process::run(
        "cargo",
        stage.logs(),
        compile.args(["test", "-p", "hw-log", "--no-run"]),
        PATIENCE,
    )?;
    let bootstrap = world.broker()?.bootstrap();
    let secured = world.cluster(Shape::Secured)?;
    let mut command = stage.kit().cargo();
    command
        .args(["test", "-p", "hw-log", "kafka", "--", "--show-output"])
        .env("HEARTWATCH_TEST_KAFKA", &bootstrap)
        .env("HEARTWATCH_TEST_KAFKA_SECURE", secured.secured()?.folder());
    let ended = Process::run("cargo", stage.logs(), &mut command, PATIENCE)?;
    let skipped: Vec<&str> = ended.out.lines().filter(|line| line.starts_with("skipped: ")).collect();
    ensure!(skipped.is_empty(), "{}", skipped.join("\n"));
    let passed = ended.out.lines().filter_map(passed).sum::<usize>();
    ensure!(passed > 0, "no test has kafka in its name");
    stage.say(format_args!("{passed} tests of the log passed"));
    Ok(())
}

/// `test result: ok. 12 passed; 0 failed; …`.
fn passed(line: &str) -> Option<usize> {
    let rest = line.strip_prefix("test result: ok. ")?;
    let (count, _) = rest.split_once(" passed")?;
    count.parse().ok()
}
