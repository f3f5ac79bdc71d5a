//! Poison: readings of people who are still and out of range, with records in between that no pipeline can process.
//!
//! The poisonous bytes are made by a foreign producer; here it is said what is sent, and what a pipeline has to say of it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use super::foreign::Record;

/// 2026-01-01T00:00:00 in milliseconds.
const START_MS: i64 = 1_767_225_600_000;
const DAY_MS: i64 = 24 * 60 * 60_000;
const USERS: i64 = 12;
/// Good readings between two that are not.
const GOOD: i64 = 12;

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Poison {
    /// What its line has besides a reading's fields, or instead of them.
    fields: &'static [(&'static str, &'static str)],
    /// How much later than its neighbours it claims to be.
    ahead_ms: i64,
    /// How the reason begins.
    pub(crate) reason: &'static str,
    /// So large that the dead letter has no room for it.
    pub(crate) is_left_out: bool,
}

const fn spoiled(fields: &'static [(&'static str, &'static str)], reason: &'static str) -> Poison {
    Poison {
        fields,
        ahead_ms: 0,
        reason,
        is_left_out: false,
    }
}

/// Every kind. Two of the largest stand together: no batch has room for both.
const KINDS: [Poison; 17] = [
    spoiled(&[("poison", "magic")], "value: "),
    spoiled(&[("poison", "schema")], "value: schema id 2000000001 is not known"),
    spoiled(&[("poison", "cut")], "value: "),
    spoiled(&[("poison", "megabyte")], "value: "),
    spoiled(&[("poison", "megabyte")], "value: "),
    Poison {
        fields: &[("poison", "largest")],
        ahead_ms: 0,
        reason: "value: ",
        is_left_out: true,
    },
    spoiled(&[("poison", "null")], "the record has no value"),
    spoiled(&[("latitude", "NaN")], "CHECK (latitude BETWEEN -90 AND 90)"),
    spoiled(&[("longitude", "NaN")], "CHECK (longitude BETWEEN -180 AND 180)"),
    spoiled(&[("latitude", "Infinity")], "CHECK (latitude BETWEEN -90 AND 90)"),
    spoiled(&[("longitude", "-Infinity")], "CHECK (longitude BETWEEN -180 AND 180)"),
    spoiled(&[("latitude", "90.000001")], "CHECK (latitude BETWEEN -90 AND 90)"),
    spoiled(&[("longitude", "-180.5")], "CHECK (longitude BETWEEN -180 AND 180)"),
    spoiled(&[("heart_rate", "0")], "CHECK (heart_rate BETWEEN 1 AND 300)"),
    spoiled(&[("heart_rate", "301")], "CHECK (heart_rate BETWEEN 1 AND 300)"),
    spoiled(&[("heart_rate", "-2147483648")], "CHECK (heart_rate BETWEEN 1 AND 300)"),
    Poison {
        fields: &[],
        ahead_ms: 2 * DAY_MS,
        reason: "time: more than max_skew ahead",
        is_left_out: false,
    },
];

/// A line to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) reading: Value,
    /// None for a good reading.
    pub(crate) poison: Option<Poison>,
}

/// Where a line has come to stand.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Stands {
    pub(crate) line: usize,
    pub(crate) partition: u32,
    pub(crate) offset: u64,
    /// Of poison, in base64; none for a tombstone.
    pub(crate) value: Option<String>,
}

/// Every kind of poison three times among good readings, one a second of everybody.
pub(crate) fn lines() -> Vec<Line> {
    let mut lines = Vec::new();
    for block in 0..3 * KINDS.len() as i64 {
        for good in 0..GOOD {
            let number = block * GOOD + good;
            lines.push(Line {
                reading: reading(number),
                poison: None,
            });
        }
        let poison = KINDS[block as usize % KINDS.len()];
        let mut reading = reading(block * GOOD + block % USERS);
        reading["bad"] = true.into();
        reading["time"] = (time_ms((block + 1) * GOOD - 1) + poison.ahead_ms).into();
        for (name, value) in poison.fields {
            let number = value.parse::<i64>().ok().filter(|_| *name == "heart_rate");
            reading[*name] = number.map_or_else(|| json!(value), |number| json!(number));
        }
        lines.push(Line {
            reading,
            poison: Some(poison),
        });
    }
    lines
}

/// Everybody's own range.
pub(crate) fn baselines() -> Vec<Value> {
    let range = |user| json!({"user_id": user_id(user), "min_heart_rate": 50, "max_heart_rate": 90});
    (0..USERS).map(range).collect()
}

/// What of the lines counts for the rules of time, as records: the good ones and those whose time is wrong.
pub(crate) fn valid(lines: &[Line], stand: &[Stands]) -> Result<Vec<Record>> {
    let mut records = BTreeMap::new();
    for place in stand {
        let line = lines.get(place.line).context("a line that was never sent")?;
        if line.poison.is_some_and(|poison| poison.ahead_ms == 0) {
            continue;
        }
        let value = line.reading.as_object().context("invariant: a reading is an object")?;
        let (partition, offset) = (place.partition, place.offset);
        let record = Record {
            partition,
            offset,
            timestamp: value.get("time").and_then(Value::as_i64).unwrap_or_default(),
            time: String::new(),
            key: value.get("user_id").and_then(Value::as_str).map(str::to_owned),
            value: Some(value.clone()),
        };
        records.insert((partition, offset), record);
    }
    Ok(records.into_values().collect())
}

fn reading(number: i64) -> Value {
    let user = number % USERS;
    // Half of the people are out of their range.
    let heart_rate = if user < USERS / 2 {
        70
    } else {
        100 + number / USERS % 20
    };
    json!({
        "user_id": user_id(user), "time": time_ms(number), "zipcode": 10_000 + user,
        "latitude": 40.0 + user as f64 * 1e-3, "longitude": -74.0, "heart_rate": heart_rate,
    })
}

fn user_id(user: i64) -> String {
    format!("user {user}")
}

fn time_ms(number: i64) -> i64 {
    START_MS + number / USERS * 1_000 + number % USERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_readings_are_in_order_and_every_kind_is_there() {
        let lines = lines();
        let time = |line: &Line| line.reading["time"].as_i64().unwrap();
        let good: Vec<i64> = lines.iter().filter(|line| line.poison.is_none()).map(time).collect();
        assert!(good.windows(2).all(|pair| pair[0] < pair[1]));
        let kinds = lines.iter().filter_map(|line| line.poison);
        assert_eq!(kinds.count(), 3 * KINDS.len());
    }

    #[test]
    fn only_a_wrong_time_counts_for_the_rules() {
        let lines = lines();
        let stands = |line| Stands {
            line,
            partition: 0,
            offset: line as u64,
            value: None,
        };
        let all: Vec<Stands> = (0..lines.len()).map(stands).collect();
        let valid = valid(&lines, &all).unwrap();
        assert_eq!(valid.len(), lines.len() - 3 * (KINDS.len() - 1));
    }
}
