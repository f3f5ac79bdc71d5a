//! Times as recordings have them, beyond RFC 3339.
//!
//! It does not know the device's place: a time without a zone is UTC, and a zone's letters mean what they mean in America
//! or Europe, where the exports that write them come from.

use chrono::NaiveDateTime;

use crate::parse_time;

/// Plain numbers up to here are seconds (the year 5138), above it milliseconds (from the year 1973).
const SECONDS_MAX: f64 = 1e11;

/// Milliseconds since the epoch: RFC 3339, a number of seconds or milliseconds, or `Sun Sep 25 06:00:22 PDT 2011`.
pub(super) fn time_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return time_ms_of_number(number);
    }
    parse_time(text).or_else(|| with_zone_letters(text))
}

pub(super) fn time_ms_of_number(number: f64) -> Option<i64> {
    let ms = if number.abs() < SECONDS_MAX {
        number * 1_000.0
    } else {
        number
    };
    // The year 9999 bounds what a recording can mean; NaN fails as well.
    (ms.abs() < 253_402_300_800_000.0).then_some(ms.round() as i64)
}

/// What Java's `Date` prints, and Garmin's CSV exports with it.
fn with_zone_letters(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, month, day, clock, zone, year] = words.as_slice() else {
        return None;
    };
    let local = NaiveDateTime::parse_from_str(&format!("{year} {month} {day} {clock}"), "%Y %b %d %H:%M:%S").ok()?;
    Some(local.and_utc().timestamp_millis() - zone_hours(zone)? * 3_600_000)
}

/// Hours east of UTC.
fn zone_hours(zone: &str) -> Option<i64> {
    Some(match zone {
        "UTC" | "GMT" | "Z" | "WET" => 0,
        "CET" | "MEZ" | "BST" | "WEST" => 1,
        "CEST" | "MESZ" | "EET" => 2,
        "EEST" | "MSK" => 3,
        "JST" | "KST" => 9,
        "AEST" => 10,
        "AEDT" => 11,
        "NZST" => 12,
        "NZDT" => 13,
        "ADT" => -3,
        "AST" | "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" | "AKDT" => -8,
        "AKST" => -9,
        "HST" => -10,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_that_recordings_have() {
        let expected = Some(1_316_955_622_000);
        for text in [
            "Sun Sep 25 06:00:22 PDT 2011",
            "2011-09-25T13:00:22Z",
            "2011-09-25 13:00:22",
            "1316955622",
            "1316955622000",
            " 1316955622.0 ",
        ] {
            assert_eq!(time_ms(text), expected, "{text}");
        }
        for text in [
            "",
            "NaN",
            "inf",
            "1e300",
            "Sun Sep 25 06:00:22 XYZ 2011",
            "Sun Sep 31 06:00:22 PDT 2011",
        ] {
            assert_eq!(time_ms(text), None, "{text}");
        }
    }
}
