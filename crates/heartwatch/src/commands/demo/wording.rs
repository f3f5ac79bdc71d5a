//! Numbers and times as people read them.
//!
//! For the terminal view; plain lines and files keep what programs read.

use std::time::Duration;

/// `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `0:07`, `12:34` or `1:02:03`.
pub(super) fn minutes(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// `640 kB` or `12.3 MB`.
pub(super) fn bytes(bytes: u64) -> String {
    if bytes < 1_000_000 {
        format!("{} kB", bytes.div_ceil(1_000))
    } else {
        format!("{:.1} MB", bytes as f64 / 1e6)
    }
}

/// `1 person`, `2,000 people`.
pub(super) fn people(count: u64) -> String {
    if count == 1 {
        "1 person".to_owned()
    } else {
        format!("{} people", grouped(count))
    }
}

/// The time of day in UTC of milliseconds since the epoch: `21:04:17`.
pub(super) fn time_of_day(time_ms: i64) -> String {
    let seconds = time_ms.div_euclid(1_000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_well() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [7, 754, 3_723].map(|seconds| minutes(Duration::from_secs(seconds))),
            ["0:07", "12:34", "1:02:03"]
        );
        assert_eq!([0, 640_000, 12_345_678].map(bytes), ["0 kB", "640 kB", "12.3 MB"]);
        assert_eq!([1, 2_000].map(people), ["1 person", "2,000 people"]);
        assert_eq!(time_of_day(1_767_650_400_123), "22:00:00");
    }
}
