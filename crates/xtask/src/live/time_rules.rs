//! What the findings of the shipped rule have to be, whatever was late: the reference of the time rules over what every
//! partition holds, and the rule itself written out once more.
//!
//! It knows no engine, no SQL and no cluster. It is slow: some ten thousand readings a partition are what it is for.
//!
//! # Constraints
//!
//! - Every reading is valid, or it is refused: who judges invalid ones is not asked here.
//! - When a partition was idle, only who ran it knows: its marks are handed in, the last of them, which answers all that
//!   waits, as well.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use hw_reference::{Reference, Refused, Rules, Window};
use serde_json::{Value, json};

use super::commits::{Mark, Marks};
use super::findings::Row;
use super::foreign::Record;

/// Later than any reading, and far from what a sum could not hold.
const END_MS: i64 = i64::MAX / 4;
/// Mean radius of the Earth in metres, R₁ of the IUGG.
const EARTH_RADIUS_METRES: f64 = 6_371_008.8;
const MINUTE_MS: i64 = 60_000;

/// The shipped rule's parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) window_ms: i64,
    pub(crate) lateness_ms: i64,
    pub(crate) still_metres: f64,
    pub(crate) min_readings: usize,
    /// Share of the window that readings have to span.
    pub(crate) coverage: f64,
}

/// What has to be there.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) findings: Vec<Row>,
    /// Partition and offset of every late reading.
    pub(crate) late: BTreeSet<(u32, u64)>,
    /// Of every reading too far ahead of its partition's clock.
    pub(crate) skewed: BTreeSet<(u32, u64)>,
}

/// A reading, as far as the rule looks at it.
#[derive(Debug, Clone)]
struct Reading {
    offset: u64,
    user: String,
    time_ms: i64,
    latitude: f64,
    longitude: f64,
    heart_rate: i64,
}

/// What the reference says of a partition, whose readings it numbers.
struct Answers {
    refused: Vec<(u64, Refused)>,
    /// Every answer's time, and the readings in its window.
    windows: Vec<(i64, Vec<u64>)>,
}

/// The marks of so many partitions that were never idle before their ends.
pub(crate) fn idle_at_the_end(partitions: u32) -> Marks {
    let last = Mark {
        offset: u64::MAX,
        clock_ms: END_MS,
    };
    (0..partitions)
        .map(|partition| (partition, BTreeSet::from([last])))
        .collect()
}

impl Rule {
    /// The parameters as they are in the file.
    pub(crate) const SHIPPED: Rule = Rule {
        window_ms: 10_000,
        lateness_ms: 0,
        still_metres: 10.0,
        min_readings: 3,
        coverage: 0.8,
    };

    /// The parameters that time has to do with, as `--set` takes them.
    pub(crate) fn set(&self) -> [String; 2] {
        [("window", self.window_ms), ("lateness", self.lateness_ms)]
            .map(|(name, ms)| format!("{name}={} milliseconds", ms))
    }

    /// The findings over readings of all partitions, each partition's in the order of offsets.
    pub(crate) fn findings(&self, readings: &[Record], baselines: &[Record], marks: &Marks) -> Result<Expected> {
        let mut partitions: BTreeMap<u32, Vec<Reading>> = BTreeMap::new();
        for record in readings {
            partitions.entry(record.partition).or_default().push(reading(record)?);
        }
        let ranges: BTreeMap<String, (i64, i64)> = baselines.iter().map(range).collect::<Result<_>>()?;
        let mut expected = Expected::default();
        for (partition, readings) in partitions {
            let marks = marks.get(&partition).into_iter().flatten();
            let answers = self.answers(&readings, marks.copied().collect());
            for (number, why) in answers.refused {
                let refused = match why {
                    Refused::Late => &mut expected.late,
                    Refused::Skewed => &mut expected.skewed,
                };
                refused.insert((partition, at(&readings, number)?.offset));
            }
            for (time_ms, members) in answers.windows {
                let members: Vec<&Reading> = members
                    .iter()
                    .map(|number| at(&readings, *number))
                    .collect::<Result<_>>()?;
                let user = &members.first().context("invariant: a row is in its own window")?.user;
                let found = ranges
                    .get(user)
                    .and_then(|range| self.judge(user, time_ms, &members, *range));
                expected.findings.extend(found);
            }
        }
        Ok(expected)
    }

    /// One partition by the rules of time.
    fn answers(&self, readings: &[Reading], marks: Vec<Mark>) -> Answers {
        let window = Window::Sliding {
            length_ms: self.window_ms,
        };
        let mut reference = Reference::new(self.rules(), window);
        let mut keys: BTreeMap<&str, u32> = BTreeMap::new();
        let mut marks = marks.into_iter().peekable();
        for reading in readings {
            // A partition that was idle moved its clock before what came next.
            while let Some(mark) = marks.next_if(|mark| mark.offset <= reading.offset) {
                reference.mark(mark.clock_ms);
            }
            let next = keys.len() as u32;
            let key = *keys.entry(&reading.user).or_insert(next);
            reference.record(key, reading.time_ms, reading.heart_rate, true);
        }
        marks.for_each(|mark| reference.mark(mark.clock_ms));
        let answers = reference.take();
        let times_ms = answers.rows.iter().map(|answer| answer.time_ms);
        Answers {
            refused: answers.refused,
            windows: times_ms.zip(reference.take_windows()).collect(),
        }
    }

    fn rules(&self) -> Rules {
        let usual_ms = self.window_ms + self.lateness_ms + MINUTE_MS;
        Rules {
            lateness_ms: self.lateness_ms,
            remember_ms: usual_ms.max(2 * self.lateness_ms),
            max_lead_ms: MINUTE_MS,
            max_skew_ms: 24 * 60 * MINUTE_MS,
        }
    }

    /// The rule on one window: the finding, if it is one.
    fn judge(&self, user: &str, time_ms: i64, window: &[&Reading], (least, most): (i64, i64)) -> Option<Row> {
        let (first_ms, last_ms) = ends(window.iter().map(|reading| reading.time_ms))?;
        let (south, north) = ends(window.iter().map(|reading| reading.latitude))?;
        let (west, east) = ends(window.iter().map(|reading| reading.longitude))?;
        let sum: i64 = window.iter().map(|reading| reading.heart_rate).sum();
        let mean = sum as f64 / window.len() as f64;
        let spanned = (last_ms - first_ms) as f64 / 1_000.0;
        let moved_metres = haversine(south, west, north, east);
        let is_finding = window.len() >= self.min_readings
            && spanned >= self.coverage * (self.window_ms as f64 / 1_000.0)
            && moved_metres <= self.still_metres
            && !(least as f64..=most as f64).contains(&mean);
        let row = json!({
            "user_id": user,
            "time": super::readings::iso(time_ms),
            "avg_heart_rate": mean,
            "min_heart_rate": least,
            "max_heart_rate": most,
            "moved_metres": moved_metres,
            "readings": window.len(),
        });
        match row {
            Value::Object(row) if is_finding => Some(row),
            _ => None,
        }
    }
}

/// The least and the greatest.
fn ends<T: Copy + PartialOrd>(values: impl Iterator<Item = T>) -> Option<(T, T)> {
    values.fold(None, |ends, value| match ends {
        None => Some((value, value)),
        Some((least, most)) => Some((
            if value < least { value } else { least },
            if value > most { value } else { most },
        )),
    })
}

fn haversine(lat1: f64, lon1: f64, lat2: f64, lon2: f64) -> f64 {
    let [half_lat, half_lon] = [lat2 - lat1, lon2 - lon1].map(|degrees| degrees.to_radians() / 2.0);
    let h = half_lat.sin().powi(2) + lat1.to_radians().cos() * lat2.to_radians().cos() * half_lon.sin().powi(2);
    2.0 * EARTH_RADIUS_METRES * h.sqrt().clamp(0.0, 1.0).asin()
}

/// A reading by its number in the partition.
fn at(readings: &[Reading], number: u64) -> Result<&Reading> {
    let found = usize::try_from(number).ok().and_then(|number| readings.get(number));
    found.context("invariant: the reference numbers what it was given")
}

fn reading(record: &Record) -> Result<Reading> {
    let parse = || {
        let value = record.value.as_ref()?;
        let number = |name: &str| value.get(name)?.as_f64();
        Some(Reading {
            offset: record.offset,
            user: record.key.clone()?,
            time_ms: record.timestamp,
            latitude: number("latitude").filter(|degrees| (-90.0..=90.0).contains(degrees))?,
            longitude: number("longitude").filter(|degrees| (-180.0..=180.0).contains(degrees))?,
            heart_rate: value
                .get("heart_rate")?
                .as_i64()
                .filter(|rate| (1..=300).contains(rate))?,
        })
    };
    parse().with_context(|| format!("no valid reading: {record:?}"))
}

fn range(record: &Record) -> Result<(String, (i64, i64))> {
    let parse = || {
        let value = record.value.as_ref()?;
        let number = |name: &str| value.get(name)?.as_i64();
        Some((
            record.key.clone()?,
            (number("min_heart_rate")?, number("max_heart_rate")?),
        ))
    };
    parse().with_context(|| format!("no valid baseline: {record:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(partition: u32, offset: u64, user: &str, time_ms: i64, value: Value) -> Record {
        Record {
            partition,
            offset,
            timestamp: time_ms,
            time: String::new(),
            key: Some(user.to_owned()),
            value: value.as_object().cloned(),
        }
    }

    fn reading(partition: u32, offset: u64, time_ms: i64, heart_rate: i64) -> Record {
        let value = json!({"user_id": "u", "latitude": 40.0, "longitude": -74.0, "heart_rate": heart_rate});
        record(partition, offset, "u", time_ms, value)
    }

    fn expected(readings: &[Record]) -> Expected {
        let range = json!({"user_id": "u", "min_heart_rate": 50, "max_heart_rate": 90});
        let baselines = [record(0, 0, "u", 0, range)];
        Rule::SHIPPED
            .findings(readings, &baselines, &idle_at_the_end(3))
            .unwrap()
    }

    #[test]
    fn somebody_still_and_out_of_range_is_found() {
        let readings = [
            reading(0, 0, 0, 100),
            reading(0, 1, 4_000, 101),
            reading(0, 3, 8_000, 102),
        ];
        let findings = expected(&readings).findings;
        assert_eq!(findings.len(), 1);
        let text = Value::from(findings[0].clone()).to_string();
        assert_eq!(
            text,
            r#"{"avg_heart_rate":101.0,"max_heart_rate":90,"min_heart_rate":50,"moved_metres":0.0,"readings":3,"time":"1970-01-01T00:00:08.000Z","user_id":"u"}"#
        );
    }

    #[test]
    fn a_late_reading_is_in_no_window_and_has_its_offset() {
        let readings = [
            reading(2, 0, 0, 100),
            reading(2, 5, 8_000, 102),
            reading(2, 6, 9_000, 102),
            reading(2, 8, 4_000, 101),
        ];
        let expected = expected(&readings);
        assert_eq!(expected.late, BTreeSet::from([(2, 8)]));
        assert_eq!(expected.findings.len(), 1);
    }

    #[test]
    fn partitions_know_nothing_of_each_other() {
        let readings = [
            reading(0, 0, 0, 100),
            reading(0, 1, 9_000, 102),
            reading(1, 0, 4_000, 101),
        ];
        let expected = expected(&readings);
        assert!(expected.late.is_empty() && expected.findings.is_empty());
    }

    #[test]
    fn a_mark_answers_what_waits_and_makes_the_next_reading_late() {
        let readings = [
            reading(0, 0, 0, 100),
            reading(0, 1, 4_000, 101),
            reading(0, 2, 8_000, 102),
            reading(0, 5, 8_000, 102),
        ];
        let mark = |offset| {
            Marks::from([(
                0,
                BTreeSet::from([Mark {
                    offset,
                    clock_ms: 9_000,
                }]),
            )])
        };
        let range = json!({"user_id": "u", "min_heart_rate": 50, "max_heart_rate": 90});
        let baselines = [record(0, 0, "u", 0, range)];
        let with = |mark: Marks| Rule::SHIPPED.findings(&readings, &baselines, &mark).unwrap();
        let before = with(mark(3));
        assert_eq!((before.findings.len(), before.late), (1, BTreeSet::from([(0, 5)])));
        // Behind the last reading, it answers both of the same time.
        let after = with(mark(6));
        assert_eq!((after.findings.len(), after.late.len()), (2, 0));
    }

    #[test]
    fn a_watch_days_ahead_is_refused() {
        let mut readings = [reading(0, 0, 0, 100), reading(0, 1, 100_000_000, 101)];
        readings[1].key = Some("v".to_owned());
        let expected = expected(&readings);
        assert_eq!((expected.skewed, expected.late.len()), (BTreeSet::from([(0, 1)]), 0));
    }

    #[test]
    fn what_is_not_valid_is_refused() {
        assert!(
            Rule::SHIPPED
                .findings(&[reading(0, 0, 0, 301)], &[], &Marks::new())
                .is_err()
        );
    }
}
