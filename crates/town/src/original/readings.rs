//! Readings and ranges as the predecessor's generator made them, from the two schemas shipped here.
//!
//! No other schema goes through here: their values stay JSON.

use serde_json::Value;

use super::Generator;
use crate::reading::{Baseline, Reading};

/// Schema of the predecessor's readings.
pub const READING_SCHEMA: &str = include_str!("../../schemas/reading.avsc");
/// Schema of the predecessor's ranges.
pub const BASELINE_SCHEMA: &str = include_str!("../../schemas/baseline.avsc");

/// Readings at a steady rate. The predecessor's had no event time; here they are spaced evenly within each second.
#[derive(Debug)]
pub struct OriginalReadings {
    generator: Generator,
    now_ms: i64,
    per_second: u32,
}

impl OriginalReadings {
    /// `per_second` readings in every second from `start_ms` (milliseconds since the Unix epoch).
    pub fn new(seed: u64, start_ms: i64, per_second: u32) -> Self {
        Self {
            generator: shipped(READING_SCHEMA, seed),
            now_ms: start_ms,
            per_second,
        }
    }

    /// Appends the readings of the next second.
    pub fn next_second(&mut self, out: &mut Vec<Reading>) {
        let per_second = i64::from(self.per_second);
        for index in 0..per_second {
            let time_ms = self.now_ms + index * 1000 / per_second;
            out.push(reading(&self.generator.generate(), time_ms));
        }
        self.now_ms += 1000;
    }
}

/// Ranges of the users 1 to `users`.
pub fn baselines(seed: u64, users: u32) -> impl Iterator<Item = Baseline> {
    let mut generator = shipped(BASELINE_SCHEMA, seed);
    (1..=users).map(move |user| {
        let value = generator.generate();
        Baseline {
            user,
            min_heart_rate: whole(&value, "min_heart_rate"),
            max_heart_rate: whole(&value, "max_heart_rate"),
        }
    })
}

fn shipped(schema: &str, seed: u64) -> Generator {
    Generator::new(schema, seed).expect("invariant: the shipped schemas are valid, as a test shows")
}

fn reading(value: &Value, time_ms: i64) -> Reading {
    let user = value["user_id"].as_str().and_then(|user| user.parse().ok());
    Reading {
        user: user.expect("invariant: the shipped expression gives numbers up to 19999"),
        time_ms,
        zipcode: whole(value, "zipcode"),
        latitude: degrees(value, "latitude"),
        longitude: degrees(value, "longitude"),
        heart_rate: whole(value, "heart_rate"),
    }
}

fn whole(value: &Value, field: &str) -> i32 {
    let number = value[field].as_i64().and_then(|number| i32::try_from(number).ok());
    number.expect("invariant: the shipped schema has this field as an int")
}

fn degrees(value: &Value, field: &str) -> f64 {
    value[field]
        .as_f64()
        .expect("invariant: the shipped schema has this field as a double")
}
