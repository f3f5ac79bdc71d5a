//! When recorded rows are due: as fast as it goes, so many a second, or so many times as fast as they were recorded.
//!
//! It waits for nothing and sends nothing: it is told how much time has passed, and says what is due then.

use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMillisecondType;

/// At a rate, rows go in portions of what is due in a twentieth of a second.
const PORTIONS_A_SECOND: u32 = 20;

/// How fast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Tempo {
    /// As fast as it goes.
    Free,
    /// Records a second.
    Rate(u32),
    /// Recorded seconds a second, by the times in a column.
    Speed { times_as_fast: f64, time: usize },
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Due {
    /// So many rows, now.
    Rows(usize),
    /// Nothing until this much time has passed.
    In(Duration),
}

/// Says what is due.
#[derive(Debug)]
pub(crate) struct Pace {
    tempo: Tempo,
    /// Rows that were due so far.
    rows: u64,
    /// The first row's time and the greatest so far, in milliseconds since the epoch.
    clock: Option<(i64, i64)>,
}

impl Pace {
    /// Nothing was due yet.
    pub(crate) fn new(tempo: Tempo) -> Pace {
        Pace {
            tempo,
            rows: 0,
            clock: None,
        }
    }

    /// What of the rows behind the first `from` is due when this much time has passed since the first was.
    pub(crate) fn due(&mut self, rows: &RecordBatch, from: usize, elapsed: Duration) -> Due {
        let left = rows.num_rows() - from;
        let due = match self.tempo {
            Tempo::Free => Due::Rows(left),
            Tempo::Rate(rate) => self.due_at_rate(rate, left, elapsed),
            Tempo::Speed { times_as_fast, time } => {
                let times = rows.column(time).as_primitive::<TimestampMillisecondType>();
                self.due_at_speed(times_as_fast, &times.values()[from..], elapsed)
            }
        };
        if let Due::Rows(rows) = due {
            self.rows += rows as u64;
        }
        due
    }

    fn due_at_rate(&self, rate: u32, left: usize, elapsed: Duration) -> Due {
        let due = Duration::from_secs_f64(self.rows as f64 / f64::from(rate));
        match due.checked_sub(elapsed) {
            Some(early) if !early.is_zero() => Due::In(early),
            _ => Due::Rows(left.min((rate / PORTIONS_A_SECOND).max(1) as usize)),
        }
    }

    /// A row is due when as much time has passed as lies between the first row and the newest up to it: one that is older
    /// than its forerunners came late when it was recorded, and goes with them.
    fn due_at_speed(&mut self, times_as_fast: f64, times_ms: &[i64], elapsed: Duration) -> Due {
        let Some(next_ms) = times_ms.first() else {
            return Due::Rows(0);
        };
        let (first_ms, mut newest_ms) = *self.clock.get_or_insert((*next_ms, *next_ms));
        let passed_ms = elapsed.as_secs_f64() * 1_000.0 * times_as_fast;
        let ahead_ms = |time_ms: i64| time_ms.saturating_sub(first_ms) as f64 - passed_ms;
        let mut rows = 0;
        for time_ms in times_ms {
            if ahead_ms(newest_ms.max(*time_ms)) > 0.0 {
                break;
            }
            newest_ms = newest_ms.max(*time_ms);
            rows += 1;
        }
        self.clock = Some((first_ms, newest_ms));
        match rows {
            // A clock that stood wrong may name a time that no duration reaches.
            0 => Due::In(
                Duration::try_from_secs_f64(ahead_ms(newest_ms.max(*next_ms)) / times_as_fast / 1_000.0)
                    .unwrap_or(Duration::MAX),
            ),
            rows => Due::Rows(rows),
        }
    }
}

/// `10x`, `10` or `0.5x`.
pub(crate) fn speed(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix(['x', 'X']).unwrap_or(text);
    match number.parse::<f64>() {
        // The bounds keep every wait within what a clock can count.
        Ok(speed) if (1e-6..=1e9).contains(&speed) => Ok(speed),
        _ => Err(format!(
            "{text:?} is no speed; write how many times as fast, such as 10x or 0.5x"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, TimestampMillisecondArray};

    use super::*;

    fn rows(times_ms: &[i64]) -> RecordBatch {
        let times: ArrayRef = Arc::new(TimestampMillisecondArray::from(times_ms.to_vec()));
        RecordBatch::try_from_iter([("time", times)]).unwrap()
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn at_a_rate_portions_are_due_one_after_the_other() {
        let rows = rows(&[0; 100]);
        let mut pace = Pace::new(Tempo::Rate(1_000));
        assert_eq!(pace.due(&rows, 0, ms(0)), Due::Rows(50));
        assert_eq!(pace.due(&rows, 50, ms(10)), Due::In(ms(40)));
        assert_eq!(pace.due(&rows, 50, ms(50)), Due::Rows(50));
        // The next batch goes on where this one ended.
        assert_eq!(pace.due(&rows, 0, ms(60)), Due::In(ms(40)));
        let mut slow = Pace::new(Tempo::Rate(2));
        assert_eq!(slow.due(&rows, 0, ms(0)), Due::Rows(1));
        assert_eq!(slow.due(&rows, 1, ms(0)), Due::In(ms(500)));
    }

    #[test]
    fn at_a_speed_rows_are_due_by_their_times_and_late_ones_with_their_forerunners() {
        let mut pace = Pace::new(Tempo::Speed {
            times_as_fast: 10.0,
            time: 0,
        });
        let rows = rows(&[5_000, 5_000, 6_000, 5_500, 7_000]);
        assert_eq!(pace.due(&rows, 0, ms(0)), Due::Rows(2));
        assert_eq!(pace.due(&rows, 2, ms(40)), Due::In(ms(60)));
        assert_eq!(pace.due(&rows, 2, ms(100)), Due::Rows(2));
        assert_eq!(pace.due(&rows, 4, ms(100)), Due::In(ms(100)));
        assert_eq!(pace.due(&rows, 4, ms(200)), Due::Rows(1));
    }

    #[test]
    fn a_time_beyond_reason_is_waited_for_and_overflows_nothing() {
        let mut pace = Pace::new(Tempo::Speed {
            times_as_fast: 1.0,
            time: 0,
        });
        let rows = rows(&[i64::MIN, i64::MAX]);
        assert_eq!(pace.due(&rows, 0, ms(0)), Due::Rows(1));
        assert!(matches!(pace.due(&rows, 1, ms(0)), Due::In(wait) if wait > ms(1_000_000)));
    }

    #[test]
    fn speeds_are_read_with_and_without_the_x() {
        assert_eq!(speed("10x"), Ok(10.0));
        assert_eq!(speed("0.5"), Ok(0.5));
        for wrong in ["0x", "-1", "fast", "x", "NaN", "inf", ""] {
            assert!(speed(wrong).unwrap_err().contains("10x"), "{wrong}");
        }
    }
}
