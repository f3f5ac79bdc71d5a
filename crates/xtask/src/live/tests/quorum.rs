//! The quorum of three: what was acknowledged is there exactly once, whichever broker fails while it is written.
//!
//! The clients are foreign: this is what the harness itself can do, before the product is asked to do the same.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::super::cluster::Cluster;
use super::super::findings::compare;
use super::super::foreign::{Foreign, Load, Producing, Transaction};
use super::super::readings;
use super::super::stage::{Stage, World};
use super::foreign::{fixed, load};

/// More than is sent until the last broker is back.
const READINGS: usize = 200_000;
/// A load that leaves the machine to the brokers.
const RATE: u32 = 500;
/// Longer than a dead broker is waited for (4 s), so that its partitions have other leaders.
const DOWN: Duration = Duration::from_secs(6);

/// SIGKILL and a new start for each broker in turn.
pub(super) fn survives_the_death_of_each_broker(stage: &Stage, world: &mut World) -> Result<()> {
    let cluster = world.quorum()?;
    let foreign = stage.foreign(cluster);
    under_load(stage, cluster, &foreign, |cluster, topic| {
        for index in 0..cluster.size() {
            cluster.kill(index)?;
            stage.pause(DOWN)?;
            // With one broker down everything can still be read.
            let seen = foreign.consume(topic, &fixed(stage))?.len();
            let took = cluster.restart(index)?;
            cluster.wait_until_in_sync()?;
            let seconds = took.as_secs_f64();
            stage.say(format_args!(
                "without broker {}: {seen} records; back in {seconds:.1} s",
                index + 1
            ));
        }
        Ok(())
    })
}

/// SIGSTOP, longer than the others wait, and SIGCONT.
pub(super) fn survives_a_broker_that_stops_answering(stage: &Stage, world: &mut World) -> Result<()> {
    let cluster = world.quorum()?;
    // Its connections stay open: clients learn of it by their own patience, which is 30 s and more by default.
    let impatient = [("request.timeout.ms", "3000"), ("socket.timeout.ms", "4000")];
    let foreign = stage.foreign(cluster).with(&impatient);
    under_load(stage, cluster, &foreign, |cluster, topic| {
        cluster.pause(0)?;
        stage.pause(DOWN)?;
        let before = foreign.consume(topic, &fixed(stage))?.len();
        stage.pause(Duration::from_secs(2))?;
        let after = foreign.consume(topic, &fixed(stage))?.len();
        cluster.resume(0)?;
        ensure!(
            after > before,
            "nothing was acknowledged while one broker of three was stopped"
        );
        cluster.wait_until_in_sync()?;
        stage.say(format_args!(
            "{before} and then {after} records while a broker was stopped; it is in sync again"
        ));
        Ok(())
    })
}

/// Makes trouble while a producer sends; then everything it sent has to be there, once.
fn under_load(
    stage: &Stage,
    cluster: &mut Cluster,
    foreign: &Foreign,
    trouble: impl FnOnce(&mut Cluster, &str) -> Result<()>,
) -> Result<()> {
    let (topic, file) = (stage.named("readings"), stage.folder().join("readings.jsonl"));
    readings::write(&file, READINGS, 100)?;
    foreign.create_topic(&topic, 6, &[])?;
    let mut producing = start(stage, foreign, &topic, &file)?;
    trouble(cluster, &topic)?;
    ensure!(producing.runs()?, "the load was over before the trouble was");
    let sent = producing.stop()?;
    ensure!(sent.acknowledged == sent.sent, "{sent:?}");
    let seen = foreign.consume(&topic, &fixed(stage))?;
    compare(&readings::expected(&file, sent.sent)?, &seen).context("what was acknowledged is not what is there")?;
    stage.say(format_args!(
        "{} readings were acknowledged, and each is there once",
        sent.acknowledged
    ));
    Ok(())
}

fn start(stage: &Stage, foreign: &Foreign, topic: &str, file: &Path) -> Result<Producing> {
    let load = Load {
        rate: Some(RATE),
        ..load(stage, topic, file, Transaction::None)
    };
    foreign.produce(&load, &fixed(stage))
}
