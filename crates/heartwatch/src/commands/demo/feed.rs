//! The feed: a town's readings on their way into the log, each when its time has come.
//!
//! It reads no clock: it is told how much time has passed. When the machine cannot keep up, the town falls behind instead
//! of filling memory or the log.

use std::collections::VecDeque;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use hw_graph::Pipeline;
use hw_log::Log;
use hw_town::{Baseline, EpisodeOptions, Reading, Town, TownOptions};

use super::{DemoArgs, topics};
use crate::encode::TopicWriter;
use crate::{mistake, town_rows};

/// Readings sent at a time at most, so that keys and the picture stay live in between.
const SENT_AT_A_TIME: usize = 20_000;
/// Nothing is sent while the pipeline is this many readings behind, or this many of each person.
const LAG_MAX: usize = 200_000;
const LAG_MAX_OF_EACH: usize = 60;

/// Sends a town's readings.
pub(super) struct Feed {
    town: Town,
    arrivals: Arrivals,
    writer: TopicWriter,
    columns: SchemaRef,
    start_ms: i64,
    speed: u32,
    lag_max: usize,
}

impl Feed {
    /// Builds the town and writes everyone's range. The topics exist.
    pub(super) fn new(args: &DemoArgs, pipeline: &Pipeline, log: &dyn Log, start_ms: i64) -> anyhow::Result<Feed> {
        let options = TownOptions {
            users: args.users,
            seed: args.seed,
            start_ms,
            local_offset_ms: TownOptions::afternoon_offset_ms(start_ms),
            episodes: EpisodeOptions {
                // One an hour each, and in a small town one every ten seconds.
                share_per_hour: (360.0 / f64::from(args.users)).max(1.0),
                first_after_ms: 0,
                ..EpisodeOptions::default()
            },
            ..TownOptions::default()
        };
        let town = Town::new(&options).map_err(mistake)?;
        write_ranges(pipeline, log, &town.baselines())?;
        let source = topics::readings(pipeline);
        let time = hw_engine::outside_value(source);
        let schema = hw_engine::value_schema(&source.record, &source.columns, time)?;
        let writer = TopicWriter::new(log, &source.topic, &schema, &source.columns, (source.key, time))?;
        Ok(Feed {
            town,
            arrivals: Arrivals::default(),
            writer,
            columns: source.columns.clone(),
            start_ms,
            speed: args.speed,
            lag_max: LAG_MAX.min(args.users as usize * LAG_MAX_OF_EACH),
        })
    }

    /// Sends what has arrived `elapsed` after the start; `lag` is how many readings the pipeline is behind.
    pub(super) fn send(&mut self, log: &dyn Log, elapsed: Duration, lag: u64) -> anyhow::Result<()> {
        let due_ms = self.start_ms + elapsed.as_millis() as i64 * i64::from(self.speed);
        let room = self.lag_max.saturating_sub(lag as usize).min(SENT_AT_A_TIME);
        let mut sent = Vec::new();
        while sent.len() < room {
            if self.arrivals.is_empty() {
                if self.town.now_ms() > due_ms {
                    break;
                }
                self.arrivals.next_second(&mut self.town);
                continue;
            }
            match self.arrivals.take_due(due_ms) {
                Some(reading) => sent.push(reading),
                None => break,
            }
        }
        if !sent.is_empty() {
            self.writer.write(log, &town_rows::readings(&self.columns, &sent)?)?;
            self.writer.flush(log)?;
        }
        Ok(())
    }

    /// How many readings were sent.
    pub(super) fn sent(&self) -> u64 {
        self.writer.records
    }

    /// The town's time up to which readings were sent, in milliseconds since the epoch.
    pub(super) fn sent_ms(&self) -> i64 {
        self.arrivals.now_ms.max(self.start_ms)
    }
}

/// The readings of the second that is on, in the order in which they arrive.
#[derive(Default)]
struct Arrivals {
    /// Each with the time at which it arrives, which never goes back.
    waiting: VecDeque<(i64, Reading)>,
    /// When the last one taken arrived.
    now_ms: i64,
    made: Vec<Reading>,
}

impl Arrivals {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Lets the town live for a second. Most readings arrive when they are measured; one that is older than the one before
    /// it was held back by its watch, and arrives with it.
    fn next_second(&mut self, town: &mut Town) {
        let mut arrives_ms = town.now_ms();
        town.next_second(&mut self.made);
        let last_ms = town.now_ms() - 1;
        for reading in self.made.drain(..) {
            arrives_ms = arrives_ms.max(reading.time_ms.min(last_ms));
            self.waiting.push_back((arrives_ms, reading));
        }
    }

    fn take_due(&mut self, due_ms: i64) -> Option<Reading> {
        let (arrives_ms, reading) = self.waiting.pop_front_if(|(arrives_ms, _)| *arrives_ms <= due_ms)?;
        self.now_ms = arrives_ms;
        Some(reading)
    }
}

fn write_ranges(pipeline: &Pipeline, log: &dyn Log, ranges: &[Baseline]) -> anyhow::Result<()> {
    let table = &pipeline.tables[0];
    let schema = hw_engine::value_schema(&table.record, &table.columns, None)?;
    let mut writer = TopicWriter::new(log, &table.topic, &schema, &table.columns, (table.key, None))?;
    writer.write(log, &town_rows::ranges(&table.columns, ranges)?)?;
    writer.flush(log)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn town(users: u32, start_ms: i64) -> Town {
        Town::new(&TownOptions {
            users,
            start_ms,
            ..TownOptions::default()
        })
        .unwrap()
    }

    #[test]
    fn a_seconds_readings_are_spread_over_it_and_keep_their_order() {
        let start_ms = 1_767_650_400_000;
        let (mut fed, mut same) = (town(500, start_ms), town(500, start_ms));
        let mut arrivals = Arrivals::default();
        for second in 0..30 {
            let second_ms = start_ms + second * 1_000;
            let mut whole = Vec::new();
            same.next_second(&mut whole);
            arrivals.next_second(&mut fed);
            let mut parts: Vec<Vec<Reading>> = Vec::new();
            for part in 1..=20 {
                let due_ms = second_ms + part * 50 - 1;
                let taken: Vec<Reading> = std::iter::from_fn(|| arrivals.take_due(due_ms)).collect();
                assert!(
                    taken.iter().all(|reading| reading.time_ms <= due_ms),
                    "none comes before its time"
                );
                parts.push(taken);
            }
            assert!(arrivals.is_empty(), "all of a second come within it");
            // Nobody's watch ticks in the first 40 ms of a second.
            assert!(parts[1..].iter().all(|part| part.len() < 100), "spread over the second");
            assert_eq!(parts.concat(), whole, "in the town's order");
        }
    }
}
