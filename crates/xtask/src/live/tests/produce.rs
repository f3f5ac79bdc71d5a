//! `produce` and `simulate` on a real broker: every record once, everyone's in order, whoever wrote it and however it ended.
//!
//! What is there is read back by `tail`. That foreign clients read the same, other tests show.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::super::findings::{Row, rows};
use super::super::process::Ended;
use super::super::program::Program;
use super::super::readings;
use super::super::stage::{Stage, World};

/// For what takes seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(120);
const USERS: usize = 200;
/// Ten readings a second of each user: 50 seconds.
const READINGS: usize = 100_000;
/// Recorded time from one reading of a user to the next, in milliseconds.
const STEP_MS: i64 = 100;
/// Of the file that is replayed at a pace: 5 seconds.
const FEW: usize = 10_000;

/// Three producers, fast, at a rate and at a speed: all there once, and in the order of the file.
pub(super) fn producers_keep_everyones_order(stage: &Stage, world: &mut World) -> Result<()> {
    let place = Place::new(stage, world)?;
    let (all, few) = (place.readings("all", READINGS)?, place.readings("few", FEW)?);
    let fast = ["--processes", "3", "--batch-size", "32k"];
    let ended = place.produce("fast", &all, &fast)?;
    place.holds("fast", READINGS, &all, &ended)?;
    stage.say(last_line(&ended)?);

    let began = Instant::now();
    let ended = place.produce("rate", &few, &["--processes", "3", "--rate", "4000"])?;
    ensure!(
        began.elapsed() > Duration::from_millis(2_400),
        "{:?} for 10,000 at 4,000 a second",
        began.elapsed()
    );
    ensure!(
        ended.err.contains(" left\n"),
        "nothing says how long it takes:\n{}",
        ended.err
    );
    place.holds("rate", FEW, &few, &ended)?;

    let began = Instant::now();
    let ended = place.produce("speed", &few, &["--processes", "3", "--speed", "2x"])?;
    ensure!(
        began.elapsed() > Duration::from_millis(2_400),
        "{:?} for 5 seconds at 2x",
        began.elapsed()
    );
    place.holds("speed", FEW, &few, &ended)
}

/// Again and again, until SIGINT: what it says is in, is in, and nothing else.
pub(super) fn produce_stops_in_order(stage: &Stage, world: &mut World) -> Result<()> {
    let place = Place::new(stage, world)?;
    let few = place.readings("few", FEW)?;
    for (name, pace) in [
        ("loop-fast", &["--processes", "3"][..]),
        ("loop-at-rate", &["--processes", "3", "--rate", "30000"]),
    ] {
        let loops = place.arguments(name, &few, &[&["--loop"], pace].concat());
        let mut producing = Program::start(stage, name, &borrowed(&loops), &[])?;
        producing.wait_for("records/s", PATIENCE)?;
        let ended = producing.interrupt(PATIENCE)?;
        ensure!(ended.err.contains("all that was sent is acknowledged"), "{}", ended.err);
        let seen = place.tail(name)?;
        let count = seen.lines().count();
        ensure!(
            count == appended(&ended)?,
            "{count} records, but {}",
            last_line(&ended)?
        );
        ensure!(count > FEW, "not one whole round: {count}");
        for user in ["0", "57", "199"] {
            rounds_follow(user, &seen).with_context(|| format!("{name}, user {user}"))?;
        }
        stage.say(last_line(&ended)?);
    }
    Ok(())
}

/// A town straight into the topics, live and stopped: all that it says, and ranges for everyone.
pub(super) fn simulate_goes_into_topics(stage: &Stage, world: &mut World) -> Result<()> {
    let place = Place::new(stage, world)?;
    let town = [
        "simulate",
        "--users",
        "300",
        "--for",
        "1h",
        "--speed",
        "20x",
        "--shift-to-now",
    ];
    let town = [&town[..], &place.on_cluster()].concat();
    let mut living = Program::start(stage, "town", &town, &[])?;
    living.wait_for("records/s", PATIENCE)?;
    let ended = living.interrupt(PATIENCE)?;
    ensure!(ended.err.contains("300 records appended to baselines"), "{}", ended.err);
    let count = place.tail("readings")?.lines().count();
    ensure!(
        count == appended(&ended)? && count > 300,
        "{count} records, but {}",
        ended.err
    );
    let ranges = place.tail("baselines")?.lines().count();
    ensure!(ranges == 300, "{ranges} of 300 have a range");
    stage.say(last_line(&ended)?);
    Ok(())
}

/// A namespace on the shared broker.
struct Place<'a> {
    stage: &'a Stage,
    bootstrap: String,
    namespace: String,
}

impl<'a> Place<'a> {
    fn new(stage: &'a Stage, world: &mut World) -> Result<Place<'a>> {
        Ok(Place {
            stage,
            bootstrap: world.broker()?.bootstrap(),
            namespace: stage.named(""),
        })
    }

    fn on_cluster(&self) -> [&str; 4] {
        ["--kafka", &self.bootstrap, "--namespace", &self.namespace]
    }

    fn readings(&self, name: &str, count: usize) -> Result<String> {
        let file = self.stage.folder().join(format!("{name}.jsonl"));
        readings::write(&file, count, USERS)?;
        Ok(file.display().to_string())
    }

    fn arguments(&self, topic: &str, file: &str, more: &[&str]) -> Vec<String> {
        let produce = [
            "produce",
            file,
            "--topic",
            topic,
            "--schema",
            "reading",
            "--partitions",
            "7",
        ];
        let arguments = [&produce[..], &self.on_cluster(), more].concat();
        arguments.into_iter().map(str::to_owned).collect()
    }

    fn produce(&self, topic: &str, file: &str, more: &[&str]) -> Result<Ended> {
        let arguments = self.arguments(topic, file, more);
        Program::run(self.stage, topic, &borrowed(&arguments), &[])
    }

    /// The records as printed, partition by partition.
    fn tail(&self, topic: &str) -> Result<String> {
        let tail = ["tail", topic, "--from-beginning", "--until-end"];
        let ended = Program::run(
            self.stage,
            &format!("tail-{topic}"),
            &[&tail[..], &self.on_cluster()].concat(),
            &[],
        )?;
        Ok(ended.out)
    }

    /// The topic has the file's readings, once each, and every user's in the file's order.
    fn holds(&self, topic: &str, count: usize, file: &str, ended: &Ended) -> Result<()> {
        ensure!(appended(ended)? == count, "{topic}: {}", ended.err);
        let seen = rows(&self.tail(topic)?)?;
        ensure!(seen.len() == count, "{topic}: {} of {count} readings", seen.len());
        let expected = by_user(readings::expected(Path::new(file), count)?)?;
        let seen = by_user(seen)?;
        for (user, rows) in &expected {
            let seen = seen.get(user).with_context(|| format!("{topic}: nothing of {user}"))?;
            ensure!(
                seen == rows,
                "{topic}: the readings of {user} differ or are out of order"
            );
        }
        Ok(())
    }
}

fn borrowed(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

fn by_user(rows: Vec<Row>) -> Result<BTreeMap<String, Vec<Row>>> {
    let mut users: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for mut row in rows {
        // 40 and 40.0 are the same number.
        for value in row.values_mut() {
            *value = value.as_f64().map_or_else(|| value.clone(), Into::into);
        }
        let user = row
            .get("user_id")
            .and_then(|user| user.as_str())
            .context("a row without a user")?;
        users.entry(user.to_owned()).or_default().push(row);
    }
    Ok(users)
}

/// A user's readings are those of the file, again and again, each round a second behind the last.
fn rounds_follow(user: &str, printed: &str) -> Result<()> {
    let own = format!("\"user_id\":\"{user}\"");
    let steps_a_round = (FEW / USERS) as i64;
    let round_ms = (steps_a_round - 1) * STEP_MS + 1_000;
    let mut first_ms = None;
    for (step, line) in (0..).zip(printed.lines().filter(|line| line.contains(&own))) {
        let row = rows(line)?.pop().context("invariant: a line is a row")?;
        let time = row
            .get("time")
            .and_then(|time| time.as_str())
            .context("a row without a time")?;
        let time_ms = ms_of_day(time)?;
        let (round, within) = (step / steps_a_round, step % steps_a_round);
        let expected = *first_ms.get_or_insert(time_ms) + round * round_ms + within * STEP_MS;
        ensure!(time_ms == expected, "reading {step} is at {time}");
    }
    ensure!(first_ms.is_some(), "there is nothing");
    Ok(())
}

/// Milliseconds since midnight of `2026-01-01T00:00:07.250Z`; a loop of seconds does not reach the next.
fn ms_of_day(time: &str) -> Result<i64> {
    let number = |from: usize, to: usize| -> Result<i64> { Ok(time.get(from..to).context("a short time")?.parse()?) };
    let seconds = (number(11, 13)? * 60 + number(14, 16)?) * 60 + number(17, 19)?;
    Ok(seconds * 1_000 + number(20, 23)?)
}

/// The number before the last `records appended`.
fn appended(ended: &Ended) -> Result<usize> {
    let line = last_line(ended)?;
    let number = line.split(' ').next().context("an empty line")?;
    number.parse().with_context(|| format!("no number begins {line:?}"))
}

fn last_line(ended: &Ended) -> Result<&str> {
    let mut lines = ended.err.lines().rev();
    let line = lines.find(|line| line.contains("records appended"));
    line.with_context(|| format!("no line says what is in:\n{}", ended.err))
}
