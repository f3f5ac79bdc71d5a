//! The watch: findings read back from the log, and from them who is out of range, since when, and by how much.
//!
//! It judges no readings: someone is out of range as long as findings about them keep coming. All times are event time.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

use hw_log::Log;
use hw_log::batch::{Scratch, walk};
use serde_json::Value;

use crate::decode_view::RecordView;

/// Someone without a finding for this long is back in range, or has moved, or is silent.
const OVER_AFTER_MS: i64 = 5_000;
/// A finding needs up to this long of the demonstration's own time from the clock to here: it waits for a commit.
const WAY_MS: i64 = 1_000;
const READ_BYTES: usize = 1 << 20;

/// Someone out of range, as the latest finding has them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OutOfRange {
    pub(super) user: String,
    /// Mean heart rate of the window, in beats a minute.
    pub(super) mean: f64,
    /// The own range, in beats a minute.
    pub(super) low: f64,
    pub(super) high: f64,
    /// How far the positions of the window lie apart, in metres.
    pub(super) moved_metres: f64,
    /// Event times of the first and the latest finding, in milliseconds since the epoch.
    pub(super) since_ms: i64,
    pub(super) last_ms: i64,
}

/// On which side of the range, and by how many beats a minute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Outside {
    Above(f64),
    Below(f64),
}

impl Outside {
    pub(super) fn beats(self) -> f64 {
        match self {
            Outside::Above(beats) | Outside::Below(beats) => beats,
        }
    }
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self {
            Outside::Above(_) => "above",
            Outside::Below(_) => "below",
        };
        // Outside by less than is shown is still outside, and never "0.0 above".
        write!(f, "{:.1} {side}", self.beats().max(0.1))
    }
}

impl OutOfRange {
    pub(super) fn outside(&self) -> Outside {
        if self.mean < self.low {
            Outside::Below(self.low - self.mean)
        } else {
            Outside::Above(self.mean - self.high)
        }
    }
}

/// Reads findings as they come.
pub(super) struct Watch {
    topic: String,
    positions: Vec<u64>,
    view: RecordView,
    /// By person.
    pub(super) out_of_range: BTreeMap<String, OutOfRange>,
    /// Findings read so far.
    pub(super) findings: u64,
    over_after_ms: i64,
}

impl Watch {
    /// Watches what is appended to the topic from now on. At a high speed, event time runs ahead of what can be seen.
    pub(super) fn new(log: &dyn Log, topic: &str, speed: u32) -> anyhow::Result<Watch> {
        Ok(Watch {
            topic: topic.to_owned(),
            positions: log.ranges(topic)?.iter().map(|range| range.end).collect(),
            view: RecordView::default(),
            out_of_range: BTreeMap::new(),
            findings: 0,
            over_after_ms: OVER_AFTER_MS + WAY_MS * i64::from(speed),
        })
    }

    /// Reads all findings that are there and gives those who are newly out of range. `clock_ms` is how far event time has come.
    pub(super) fn look(&mut self, log: &dyn Log, clock_ms: Option<i64>) -> anyhow::Result<Vec<OutOfRange>> {
        let mut new = Vec::new();
        for partition in 0..self.positions.len() {
            while let Some(findings) = self.read(log, partition)? {
                new.extend(findings.into_iter().filter_map(|finding| self.take(finding)));
            }
        }
        if let Some(clock_ms) = clock_ms {
            self.forget_before(clock_ms - self.over_after_ms);
        }
        Ok(new)
    }

    /// Those out of range, the farthest outside first.
    pub(super) fn farthest_first(&self) -> Vec<&OutOfRange> {
        let mut people: Vec<&OutOfRange> = self.out_of_range.values().collect();
        // The sort is stable, so that equals keep their places.
        people.sort_by(|a, b| b.outside().beats().total_cmp(&a.outside().beats()));
        people
    }

    /// The next findings of a partition; none at its end.
    fn read(&mut self, log: &dyn Log, partition: usize) -> anyhow::Result<Option<Vec<OutOfRange>>> {
        let position = self.positions[partition];
        let fetch = log.read(&self.topic, partition as u32, position, READ_BYTES)?;
        let mut findings = Vec::new();
        for batch in &fetch.batches {
            walk(batch, &mut Scratch::default(), |record| {
                if record.offset >= position {
                    findings.push(finding(&self.view.show(log, &record), record.timestamp_ms));
                }
                ControlFlow::Continue(())
            })?;
        }
        self.positions[partition] = fetch.next_offset;
        Ok((fetch.next_offset > position).then_some(findings))
    }

    /// Gives the person when this finding begins a spell.
    fn take(&mut self, finding: OutOfRange) -> Option<OutOfRange> {
        self.findings += 1;
        let known = self.out_of_range.get(&finding.user);
        let goes_on = known.filter(|known| finding.last_ms - known.last_ms <= OVER_AFTER_MS);
        let since_ms = goes_on.map(|known| known.since_ms);
        let person = OutOfRange {
            since_ms: since_ms.unwrap_or(finding.since_ms),
            ..finding
        };
        self.out_of_range.insert(person.user.clone(), person.clone());
        since_ms.is_none().then_some(person)
    }

    fn forget_before(&mut self, oldest_ms: i64) {
        self.out_of_range.retain(|_, person| person.last_ms >= oldest_ms);
    }
}

/// A record of the findings, as the shipped pipeline writes them.
fn finding(record: &Value, time_ms: i64) -> OutOfRange {
    let number = |name: &str| record[name].as_f64().unwrap_or_default();
    OutOfRange {
        user: record["user_id"].as_str().unwrap_or_default().to_owned(),
        mean: number("avg_heart_rate"),
        low: number("min_heart_rate"),
        high: number("max_heart_rate"),
        moved_metres: number("moved_metres"),
        since_ms: time_ms,
        last_ms: time_ms,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Findings of people with the range 50 to 100, as (user, mean, time).
    pub(crate) fn watch_of<User: AsRef<str>>(findings: &[(User, f64, i64)]) -> Watch {
        let mut watch = Watch {
            topic: String::new(),
            positions: Vec::new(),
            view: RecordView::default(),
            out_of_range: BTreeMap::new(),
            findings: 0,
            over_after_ms: OVER_AFTER_MS + WAY_MS,
        };
        for (user, mean, time_ms) in findings {
            watch.take(about(user.as_ref(), *mean, *time_ms));
        }
        watch
    }

    fn about(user: &str, mean: f64, time_ms: i64) -> OutOfRange {
        let record = serde_json::json!({
            "user_id": user, "avg_heart_rate": mean, "min_heart_rate": 50, "max_heart_rate": 100, "moved_metres": 3.2,
        });
        finding(&record, time_ms)
    }

    #[test]
    fn a_spell_has_the_time_of_its_first_finding_and_the_values_of_its_latest() {
        let mut watch = watch_of::<&str>(&[]);
        assert_eq!(watch.take(about("17", 101.0, 1_000)).unwrap().since_ms, 1_000);
        assert_eq!(watch.take(about("17", 120.5, 6_000)), None);
        let person = &watch.out_of_range["17"];
        assert_eq!((person.since_ms, person.last_ms), (1_000, 6_000));
        assert_eq!(person.outside(), Outside::Above(20.5));
        assert_eq!(watch.findings, 2);
    }

    #[test]
    fn a_pause_ends_a_spell_and_the_next_finding_begins_another() {
        let mut watch = watch_of(&[("17", 101.0, 1_000)]);
        let again = watch.take(about("17", 40.0, 6_001)).unwrap();
        assert_eq!((again.since_ms, again.outside()), (6_001, Outside::Below(10.0)));
    }

    #[test]
    fn who_has_no_finding_for_a_while_is_no_longer_out_of_range() {
        let mut watch = watch_of(&[("17", 101.0, 1_000), ("18", 101.0, 3_000)]);
        watch.forget_before(1_000);
        assert_eq!(watch.out_of_range.len(), 2);
        watch.forget_before(1_001);
        assert!(watch.out_of_range.keys().eq(["18"]));
    }

    #[test]
    fn the_farthest_outside_comes_first_on_either_side() {
        let watch = watch_of(&[("1", 105.0, 0), ("2", 30.0, 0), ("3", 110.0, 0), ("4", 45.0, 0)]);
        let users: Vec<&str> = watch
            .farthest_first()
            .iter()
            .map(|person| person.user.as_str())
            .collect();
        assert_eq!(users, ["2", "3", "1", "4"]);
    }

    #[test]
    fn outside_is_never_shown_as_nothing() {
        assert_eq!(Outside::Above(0.04).to_string(), "0.1 above");
        assert_eq!(Outside::Below(12.34).to_string(), "12.3 below");
    }
}
