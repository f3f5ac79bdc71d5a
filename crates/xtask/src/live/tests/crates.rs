//! The crates' own tests against real servers: cargo runs them, with the environment that they ask for.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::super::cluster::Shape;
use super::super::process::{Ended, Process};
use super::super::stage::{Stage, World};

/// For a cold compiler, and for tests that wait until sessions end.
const PATIENCE: Duration = Duration::from_secs(1800);
/// How long producers work while brokers die: each of three once, on a busy machine.
const OUTAGE: Duration = Duration::from_secs(90);
/// How long a broker is down: longer than it is waited for (4 s).
const DOWN: Duration = Duration::from_secs(6);
/// How long nothing is amiss in between.
const QUIET: Duration = Duration::from_secs(2);

/// The log's tests and the suite of its contract, against brokers without and with encryption.
pub(super) fn log_keeps_its_promises(stage: &Stage, world: &mut World) -> Result<()> {
    compile(stage, "hw-log")?;
    let bootstrap = world.broker()?.bootstrap();
    let secured = world.cluster(Shape::Secured)?;
    let folder = secured.secured()?.folder().display().to_string();
    let environment = [
        ("HEARTWATCH_TEST_KAFKA", &*bootstrap),
        ("HEARTWATCH_TEST_KAFKA_SECURE", &folder),
    ];
    let all = ["-p", "hw-log", "--lib", "--test", "kafka", "--test", "conformance"];
    test(stage, &all, &environment)
}

/// Partitions that move between the quorum's brokers are read on without a gap.
pub(super) fn log_follows_leaders(stage: &Stage, world: &mut World) -> Result<()> {
    compile(stage, "hw-log")?;
    let cluster = world.quorum()?;
    let bootstrap = cluster.bootstrap();
    let which = ["-p", "hw-log", "--lib", "a_partition_changes_its_leader"];
    test(stage, &which, &[("HEARTWATCH_TEST_KAFKA", &*bootstrap)])
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

/// The log's own producers work on while each broker of the quorum is killed and started again.
pub(super) fn log_outlives_brokers(stage: &Stage, world: &mut World) -> Result<()> {
    compile(stage, "hw-log")?;
    let cluster = world.quorum()?;
    let environment = [
        ("HEARTWATCH_TEST_KAFKA", cluster.bootstrap()),
        ("HEARTWATCH_TEST_OUTAGE", OUTAGE.as_secs().to_string()),
    ];
    let mut command = stage.kit().cargo();
    command
        .args(["test", "-p", "hw-log", "--lib", "outage", "--", "--show-output"])
        .envs(environment);
    let working = Process::start("cargo", stage.logs(), &mut command)?;
    let began = Instant::now();
    for index in (0..cluster.size()).cycle() {
        stage.pause(QUIET)?;
        cluster.kill(index)?;
        stage.pause(DOWN)?;
        cluster.restart(index)?;
        cluster.wait_until_in_sync()?;
        stage.say(format_args!("broker {} was killed and is back", index + 1));
        // At the end they read back what they wrote, and shall find everybody there.
        if began.elapsed() + DOWN * 4 > OUTAGE {
            break;
        }
    }
    judge(stage, &working.finish(PATIENCE)?.succeeded()?)
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
    judge(stage, &Process::run("cargo", stage.logs(), &mut command, PATIENCE)?)
}

fn judge(stage: &Stage, ended: &Ended) -> Result<()> {
    let said = || ended.out.lines().chain(ended.err.lines());
    let skipped: Vec<&str> = said().filter(|line| line.starts_with("skipped: ")).collect();
    ensure!(skipped.is_empty(), "{}", skipped.join("\n"));
    let passed = said().filter_map(passed).sum::<usize>();
    ensure!(passed > 0, "cargo has found no test");
    stage.say(format_args!("{passed} tests passed"));
    Ok(())
}

/// `test result: ok. 12 passed; 0 failed; …`.
fn passed(line: &str) -> Option<usize> {
    let rest = line.strip_prefix("test result: ok. ")?;
    let (count, _) = rest.split_once(" passed")?;
    count.parse().ok()
}
