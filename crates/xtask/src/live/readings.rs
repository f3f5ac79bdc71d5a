//! Readings for tests that do not ask what they mean: as many as wanted, each another one.
//!
//! Findings are not to be had from them; `heartwatch simulate` makes readings of people.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};

use super::findings::{Row, rows};

/// 2026-01-01T00:00:00 in milliseconds.
const START_MS: u64 = 1_767_225_600_000;

/// Writes JSON lines of so many readings, ten a second of each of so many users.
pub(crate) fn write(file: &Path, readings: usize, users: usize) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut out = BufWriter::new(File::create(file)?);
        for number in 0..readings {
            writeln!(out, "{}", reading(number, users))?;
        }
        out.flush()
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}

/// The rows that a consumer has to see of the first so many lines of a file of readings.
pub(crate) fn expected(file: &Path, readings: usize) -> Result<Vec<Row>> {
    let text = std::fs::read_to_string(file)?;
    let mut rows = rows(&text)?;
    rows.truncate(readings);
    for row in &mut rows {
        let time_ms = row.get("time").and_then(serde_json::Value::as_i64);
        row.insert(
            "time".to_owned(),
            iso(time_ms.context("a reading without time")?).into(),
        );
    }
    Ok(rows)
}

fn reading(number: usize, users: usize) -> String {
    let (user, step) = (number % users, number / users);
    let time_ms = START_MS + step as u64 * 100;
    let zipcode = if user.is_multiple_of(3) {
        "null".to_owned()
    } else {
        (10_000 + user).to_string()
    };
    format!(
        r#"{{"user_id":"{user}","time":{time_ms},"zipcode":{zipcode},"latitude":{},"longitude":{},"heart_rate":{}}}"#,
        40.0 + user as f64 * 1e-3,
        -74.0 + step as f64 * 1e-7,
        50 + (user + step) % 100,
    )
}

/// A moment as foreign consumers print it: `2026-01-01T00:00:00.000Z`.
pub(crate) fn iso(time_ms: i64) -> String {
    let (days, of_day) = (time_ms.div_euclid(86_400_000), time_ms.rem_euclid(86_400_000));
    let (hour, minute, ms) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day % 60_000);
    // Years that begin in March have their odd day last, so that months have a pattern of 153 days in five.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + next;
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{:03}Z",
        ms / 1_000,
        ms % 1_000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_python_writes_them() {
        for (time_ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_767_225_600_974, "2026-01-01T00:00:00.974Z"),
            (1_709_210_096_789, "2024-02-29T12:34:56.789Z"),
            (1_740_787_199_999, "2025-02-28T23:59:59.999Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(iso(time_ms), text);
        }
    }

    #[test]
    fn every_reading_is_another_one() {
        let mut lines: Vec<String> = (0..1_000).map(|number| reading(number, 7)).collect();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), 1_000);
    }
}
