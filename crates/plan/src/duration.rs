//! A duration as people write it: `10 s`, `10 seconds`, `1 minute 30 seconds`.
//!
//! It knows no months or years, which have no fixed length. Everything is whole milliseconds, the resolution of event
//! time.

/// The milliseconds of a text such as `10 s` or `1 hour 30 minutes`; `None` when it is no such text.
pub(crate) fn parse_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let mut rest = text;
    let mut total_ms = 0i64;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        total_ms = total_ms.checked_add(part_ms(number, unit_ms(unit)?)?)?;
        rest = after.trim_start();
    }
    Some(total_ms)
}

/// Units of a fixed length only: a minute is 60 s and a day 24 h, for event time is UTC without leap seconds.
fn unit_ms(unit: &str) -> Option<i64> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        "w" | "week" | "weeks" => 604_800_000,
        _ => return None,
    })
}

/// A decimal number of units, exactly: `None` when it is no number or no whole number of milliseconds.
fn part_ms(number: &str, unit_ms: i64) -> Option<i64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole_ms = whole.parse::<i64>().ok()?.checked_mul(unit_ms)?;
    if fraction.is_empty() {
        return Some(whole_ms);
    }
    let scale = 10i64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let scaled = fraction.parse::<i64>().ok()?.checked_mul(unit_ms)?;
    (scaled % scale == 0).then_some(whole_ms.checked_add(scaled / scale)?)
}

#[cfg(test)]
mod tests {
    use super::parse_ms;

    #[test]
    fn texts_of_people() {
        for (text, ms) in [
            ("10 s", 10_000),
            ("10s", 10_000),
            ("10 seconds", 10_000),
            ("1 minute", 60_000),
            ("1 hour 30 minutes", 5_400_000),
            ("1.5 s", 1_500),
            ("0 seconds", 0),
            ("250ms", 250),
            ("1 DAY", 86_400_000),
        ] {
            assert_eq!(parse_ms(text), Some(ms), "{text}");
        }
        for text in [
            "",
            "10",
            "s",
            "1 month",
            "-1 s",
            "1.0005 ms",
            "1..5 s",
            "10 s,",
            "99999999999999 days",
        ] {
            assert_eq!(parse_ms(text), None, "{text}");
        }
    }
}
