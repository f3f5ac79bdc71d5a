//! Points of a recording, judged: readings and the reasons why others are none.
//!
//! It does not know file formats.

use std::collections::BTreeMap;
use std::fmt;

/// A point of a recording that has all a reading needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Milliseconds since the epoch, UTC.
    pub time_ms: i64,
    /// Degrees north, -90 to 90.
    pub latitude: f64,
    /// Degrees east, -180 to 180.
    pub longitude: f64,
    /// Beats per minute, 1 to 300.
    pub heart_rate: i32,
}

/// Why a point gives no reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkipReason {
    /// The point (a CSV or JSON line) cannot be read at all.
    Unreadable,
    /// No time, or one that cannot be read.
    NoTime,
    /// No latitude or no longitude.
    NoPosition,
    /// No heart rate.
    NoHeartRate,
    /// A position off the globe, or a heart rate outside of 1..300.
    OutOfRange,
    /// Its time lies before that of points that stand before it.
    TimeGoesBack,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SkipReason::Unreadable => "unreadable",
            SkipReason::NoTime => "no time",
            SkipReason::NoPosition => "no position",
            SkipReason::NoHeartRate => "no heart rate",
            SkipReason::OutOfRange => "out of range",
            SkipReason::TimeGoesBack => "time goes back",
        })
    }
}

/// What a recording gave.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recording {
    /// In the file's order; times never go back, but may stand still.
    pub readings: Vec<Reading>,
    /// How many points were left out, by reason; a point counts once.
    pub skipped: BTreeMap<SkipReason, u64>,
    /// Why reading ended before the file did, if so.
    pub cut_short: Option<String>,
}

/// A point as a file has it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Point {
    pub(super) time_ms: Option<i64>,
    pub(super) latitude: Option<f64>,
    pub(super) longitude: Option<f64>,
    pub(super) heart_rate: Option<f64>,
}

/// Collects points until the file ends.
#[derive(Default)]
pub(super) struct Collector {
    recording: Recording,
    points: u64,
}

impl Collector {
    pub(super) fn skip(&mut self, reason: SkipReason) {
        self.points += 1;
        *self.recording.skipped.entry(reason).or_default() += 1;
    }

    pub(super) fn push(&mut self, point: Point) {
        match judge(point) {
            Ok(reading) => {
                self.points += 1;
                self.recording.readings.push(reading);
            }
            Err(reason) => self.skip(reason),
        }
    }

    /// The recording; the reason, if the file ended too soon and no point stood before.
    pub(super) fn finish(mut self, cut_short: Option<String>) -> Result<Recording, String> {
        if self.points == 0 {
            return Err(cut_short.unwrap_or_else(|| "it holds no point".to_owned()));
        }
        let kept = longest_forward(&self.recording.readings);
        for _ in kept.len()..self.recording.readings.len() {
            self.skip(SkipReason::TimeGoesBack);
        }
        self.recording.readings = kept;
        self.recording.cut_short = cut_short;
        Ok(self.recording)
    }
}

fn judge(point: Point) -> Result<Reading, SkipReason> {
    let time_ms = point.time_ms.ok_or(SkipReason::NoTime)?;
    let (Some(latitude), Some(longitude)) = (point.latitude, point.longitude) else {
        return Err(SkipReason::NoPosition);
    };
    let heart_rate = point.heart_rate.ok_or(SkipReason::NoHeartRate)?;
    let on_globe = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
    if !on_globe || !(1.0..=300.0).contains(&heart_rate) {
        return Err(SkipReason::OutOfRange);
    }
    Ok(Reading {
        time_ms,
        latitude,
        longitude,
        heart_rate: heart_rate.round() as i32,
    })
}

/// The most readings whose times never go back, in their order; of several such choices the one with the earlier points.
///
/// Dropping every reading older than its forerunner instead would let one wrong time in the future drop all that follow.
fn longest_forward(readings: &[Reading]) -> Vec<Reading> {
    // Patience sorting from the end: `firsts[n]` is the reading with the greatest time that a run of n + 1 begins with;
    // each knows the one behind it.
    let mut firsts: Vec<usize> = Vec::new();
    let mut behind: Vec<Option<usize>> = vec![None; readings.len()];
    for (index, reading) in readings.iter().enumerate().rev() {
        let length = firsts.partition_point(|first| readings[*first].time_ms >= reading.time_ms);
        behind[index] = length.checked_sub(1).map(|shorter| firsts[shorter]);
        match firsts.get_mut(length) {
            Some(first) => *first = index,
            None => firsts.push(index),
        }
    }
    let mut kept = Vec::with_capacity(firsts.len());
    let mut at = firsts.last().copied();
    while let Some(index) = at {
        kept.push(readings[index]);
        at = behind[index];
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(times: &[i64]) -> (Vec<i64>, u64) {
        let mut collector = Collector::default();
        for time_ms in times {
            collector.push(Point {
                time_ms: Some(*time_ms),
                latitude: Some(1.0),
                longitude: Some(2.0),
                heart_rate: Some(70.0),
            });
        }
        let recording = collector.finish(None).expect("has points");
        let back = recording.skipped.get(&SkipReason::TimeGoesBack).copied().unwrap_or(0);
        (recording.readings.iter().map(|reading| reading.time_ms).collect(), back)
    }

    #[test]
    fn the_fewest_points_are_dropped_so_that_time_never_goes_back() {
        assert_eq!(times(&[1, 2, 2, 3]), (vec![1, 2, 2, 3], 0));
        assert_eq!(
            times(&[1, 2, 9_000, 3, 4]),
            (vec![1, 2, 3, 4], 1),
            "one clock glitch ahead costs one point"
        );
        assert_eq!(times(&[5, 6, 1, 7]), (vec![5, 6, 7], 1));
    }

    #[test]
    fn a_point_counts_once_with_its_first_reason() {
        let mut collector = Collector::default();
        collector.push(Point::default());
        let no_heart = Point {
            time_ms: Some(1),
            latitude: Some(91.0),
            longitude: Some(0.0),
            heart_rate: None,
        };
        collector.push(no_heart);
        collector.push(Point {
            heart_rate: Some(70.0),
            ..no_heart
        });
        collector.push(Point {
            latitude: Some(f64::NAN),
            heart_rate: Some(70.0),
            ..no_heart
        });
        let recording = collector.finish(None).expect("has points");
        let expected = [
            (SkipReason::NoTime, 1),
            (SkipReason::NoHeartRate, 1),
            (SkipReason::OutOfRange, 2),
        ];
        assert_eq!(recording.skipped, BTreeMap::from(expected));
    }
}
