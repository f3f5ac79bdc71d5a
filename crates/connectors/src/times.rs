//! Event times as text: milliseconds since the epoch, UTC, to and from RFC 3339.
//!
//! It does not know a clock or a local time zone.

use chrono::{DateTime, NaiveDateTime, SecondsFormat};

/// Milliseconds since the epoch of an RFC 3339 time, rounded down. A time without a zone is UTC, and a space may stand for
/// the `T`.
pub fn parse_time(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_millis());
    }
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .map(|time| time.and_utc().timestamp_millis())
}

/// RFC 3339 with milliseconds and `Z`; the plain number for a time that has no year of four digits.
pub fn format_time(time_ms: i64) -> String {
    // From 0001-01-01 to 9999-12-31: RFC 3339 has no other years.
    if !(-62_135_596_800_000..253_402_300_800_000).contains(&time_ms) {
        return time_ms.to_string();
    }
    DateTime::from_timestamp_millis(time_ms).map_or_else(
        || time_ms.to_string(),
        |time| time.to_rfc3339_opts(SecondsFormat::Millis, true),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_there_and_back() {
        assert_eq!(format_time(1_767_225_600_123), "2026-01-01T00:00:00.123Z");
        assert_eq!(format_time(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(format_time(i64::MIN), i64::MIN.to_string());
        for text in [
            "2026-01-01T00:00:00.123Z",
            "2026-01-01T01:00:00.1239+01:00",
            "2026-01-01 00:00:00.123",
        ] {
            assert_eq!(parse_time(text), Some(1_767_225_600_123), "{text}");
        }
        for text in ["", "today", "2026-01-01", "1767225600123", "2026-13-01T00:00:00Z"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
