//! Readings in disorder: as networks deliver them that are slow for some, and watches send them whose clocks are wrong.
//!
//! It makes no readings, it puts them in another order and moves some people's times. The same readings give the same disorder.
//!
//! # Constraints
//!
//! - The first reading of all is days ahead: in its partition the clock is set wrongly, and has to be set back.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::findings::{Row, rows};

/// More than any clock is led by a single device (1 minute), and less than makes a dead letter (1 day).
const AHEAD_MS: i64 = 10 * 60_000;
const DAY_MS: i64 = 24 * 60 * 60_000;

/// What is wrong with somebody's watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watch {
    Right,
    /// Ahead by minutes in its middle third.
    Ahead,
    /// One reading in ten is days ahead.
    FarAhead,
    /// Days behind in its last third.
    Behind,
}

/// A reading to be sent.
#[derive(Debug, Clone)]
struct Sent {
    arrives_ms: i64,
    row: Row,
}

/// JSON lines of the same readings as they arrive. Most of those that are delayed still come within the lateness, some come
/// after it.
pub(crate) fn of(lines: &str, lateness_ms: i64) -> Result<Vec<String>> {
    let readings = rows(lines)?;
    let mut users = BTreeSet::new();
    for row in &readings {
        users.insert(user(row)?.to_owned());
    }
    let wrong: Vec<&String> = users.iter().take(3).collect();
    ensure!(
        wrong.len() == 3 && readings.len() > 100,
        "too few readings for disorder"
    );
    let watch = |user: &str| match wrong.iter().position(|other| *other == user) {
        Some(0) => Watch::Ahead,
        Some(1) => Watch::FarAhead,
        Some(2) => Watch::Behind,
        _ => Watch::Right,
    };
    let total = readings.len();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut sent = Vec::new();
    for (number, mut row) in readings.into_iter().enumerate() {
        let time_ms = time_of(&row)?;
        let shift_ms = dice.shift_ms(watch(user(&row)?), 3 * number / total);
        row.insert("time".to_owned(), (time_ms + shift_ms).into());
        sent.push(Sent {
            arrives_ms: time_ms + dice.delay_ms(lateness_ms),
            row,
        });
    }
    sent.sort_by_key(|sent| sent.arrives_ms);
    let first = sent
        .iter()
        .position(|sent| sent.row.get("user_id").and_then(Value::as_str) == Some(wrong[1]))
        .context("invariant: everybody has a reading")?;
    let mut first = sent.remove(first);
    first
        .row
        .insert("time".to_owned(), (time_of(&first.row)? + 3 * DAY_MS).into());
    sent.insert(0, first);
    Ok(sent.into_iter().map(|sent| Value::from(sent.row).to_string()).collect())
}

/// Who has sent a reading.
pub(crate) fn user(row: &Row) -> Result<&str> {
    row.get("user_id")
        .and_then(Value::as_str)
        .context("a reading without a user")
}

fn time_of(row: &Row) -> Result<i64> {
    row.get("time")
        .and_then(Value::as_i64)
        .context("a reading without a time in milliseconds")
}

/// Xorshift: the same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 1) as i64 % bound.max(1)
    }

    /// How wrong a watch is in a third of the time.
    fn shift_ms(&mut self, watch: Watch, third: usize) -> i64 {
        match (watch, third) {
            (Watch::Ahead, 1) => AHEAD_MS,
            (Watch::FarAhead, _) if self.below(10) == 0 => 3 * DAY_MS,
            (Watch::Behind, 2) => -2 * DAY_MS,
            _ => 0,
        }
    }

    /// Half come at once, four in ten within the lateness, the others up to four times as late.
    fn delay_ms(&mut self, lateness_ms: i64) -> i64 {
        match self.below(10) {
            0..5 => 0,
            5..9 => self.below(lateness_ms),
            _ => lateness_ms + self.below(3 * lateness_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_s_readings_are_there_and_some_times_are_wrong() {
        let line = |number: i64| format!("{{\"user_id\":\"{}\",\"time\":{}}}\n", number % 10, number * 100);
        let lines: String = (0..600).map(line).collect();
        let sent = of(&lines, 2_000).unwrap();
        let times: Vec<i64> = sent
            .iter()
            .map(|line| time_of(&rows(line).unwrap()[0]).unwrap())
            .collect();
        assert_eq!(times.len(), 600);
        assert!(times[0] > 2 * DAY_MS, "{}", times[0]);
        let count = |wrong: &dyn Fn(i64) -> bool| times.iter().filter(|time_ms| wrong(**time_ms)).count();
        assert_eq!(count(&|time_ms| time_ms < 0), 20);
        assert!(count(&|time_ms| (AHEAD_MS..DAY_MS).contains(&time_ms)) >= 20);
        assert!(times.windows(2).filter(|pair| pair[1] < pair[0]).count() > 100);
        assert_eq!(of(&lines, 2_000).unwrap(), sent);
    }
}
