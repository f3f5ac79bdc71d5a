//! The crates' own tests against real servers: cargo runs them, with the environment that they ask for.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::super::cluster::Shape;
use super::super::process::Process;
use super::super::stage::{Stage, World};

/// For a cold compiler, and for tests that wait until sessions end.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Every test of the log whose name has `kafka` in it, against brokers without and with encryption.
pub(super) fn log_keeps_its_promises(stage: &Stage, world: &mut World) -> Result<()> {
    compile(stage, "hw-log")?;
    let bootstrap = world.broker()?.bootstrap();
    let secured = world.cluster(Shape::Secured)?;
    let folder = secured.secured()?.folder().display().to_string();
    let environment = [
        ("HEARTWATCH_TEST_KAFKA", &*bootstrap),
        ("HEARTWATCH_TEST_KAFKA_SECURE", &folder),
    ];
    test(stage, &["-p", "hw-log", "kafka"], &environment)
}

/// The registry's client against a real registry.
pub(super) fn registry_client_is_understood(stage: &Stage, world: &mut World) -> Result<()> {
    compile(stage, "hw-registry")?;
    let url = world.registry()?.url();
    test(
        stage,
        &["-p", "hw-registry", "--test", "live"],
        &[("HEARTWATCH_TEST_REGISTRY", &url)],
    )
}

/// Before servers run: they have nothing to do while the compiler works.
fn compile(stage: &Stage, package: &str) -> Result<()> {
    let mut command = stage.kit().cargo();
    command.args(["test", "--no-run", "-p", package]);
    Process::run("cargo", stage.logs(), &mut command, PATIENCE)?;
    Ok(())
}

/// Runs tests; none may fail, none may be skipped, and there have to be some.
fn test(stage: &Stage, which: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let mut command = stage.kit().cargo();
    command
        .arg("test")
        .args(which)
        .args(["--", "--show-output"])
        .envs(environment.iter().copied());
    let ended = Process::run("cargo", stage.logs(), &mut command, PATIENCE)?;
    let said = || ended.out.lines().chain(ended.err.lines());
    let skipped: Vec<&str> = said().filter(|line| line.starts_with("skipped: ")).collect();
    ensure!(skipped.is_empty(), "{}", skipped.join("\n"));
    let passed = said().filter_map(passed).sum::<usize>();
    ensure!(passed > 0, "cargo test {} has found no test", which.join(" "));
    stage.say(format_args!("cargo test {}: {passed} tests passed", which.join(" ")));
    Ok(())
}

/// `test result: ok. 12 passed; 0 failed; …`.
fn passed(line: &str) -> Option<usize> {
    let rest = line.strip_prefix("test result: ok. ")?;
    let (count, _) = rest.split_once(" passed")?;
    count.parse().ok()
}
