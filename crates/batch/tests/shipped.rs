//! The shipped pipelines in batch against a brute-force computation, on planted edge cases.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type, TimestampMillisecondType};
use hw_batch::Answers;
use hw_plan::haversine_metres;

#[derive(Debug, Clone)]
struct Reading {
    user: String,
    time_ms: i64,
    latitude: f64,
    longitude: f64,
    heart_rate: i32,
}

/// The finding's rule, as the design says it.
struct Rule {
    window_ms: i64,
    still_metres: f64,
    min_readings: usize,
    coverage: f64,
}

const RULE: Rule = Rule {
    window_ms: 10_000,
    still_metres: 10.0,
    min_readings: 3,
    coverage: 0.8,
};

fn file(name: &str) -> String {
    let path = format!("{}/../../pipelines/{name}.sql", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("shipped with the repository")
}

fn readings_batch(readings: &[Reading]) -> RecordBatch {
    let text = |column: fn(&Reading) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(readings.iter().map(column)))
    };
    let degrees = |column: fn(&Reading) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(readings.iter().map(column)))
    };
    let times = TimestampMillisecondArray::from_iter_values(readings.iter().map(|reading| reading.time_ms));
    let rates = Int32Array::from_iter_values(readings.iter().map(|reading| reading.heart_rate));
    RecordBatch::try_from_iter([
        ("user_id", text(|reading| &reading.user)),
        ("time", Arc::new(times) as ArrayRef),
        ("latitude", degrees(|reading| reading.latitude)),
        ("longitude", degrees(|reading| reading.longitude)),
        ("heart_rate", Arc::new(rates) as ArrayRef),
    ])
    .expect("columns of one length")
}

fn baselines_batch(baselines: &[(&str, i32, i32)]) -> RecordBatch {
    let users = StringArray::from_iter_values(baselines.iter().map(|(user, ..)| *user));
    let least = Int32Array::from_iter_values(baselines.iter().map(|(_, least, _)| *least));
    let most = Int32Array::from_iter_values(baselines.iter().map(|(.., most)| *most));
    RecordBatch::try_from_iter([
        ("user_id", Arc::new(users) as ArrayRef),
        ("min_heart_rate", Arc::new(least) as ArrayRef),
        ("max_heart_rate", Arc::new(most) as ArrayRef),
    ])
    .expect("columns of one length")
}

/// Mean and moved metres of a window's readings, when they make a finding.
fn judge(rule: &Rule, window: &[&Reading], range: Option<&(i32, i32)>) -> Option<(f64, f64)> {
    let (least, most) = range?;
    let fold = |column: fn(&Reading) -> f64, choose: fn(f64, f64) -> f64| {
        window
            .iter()
            .map(|reading| column(reading))
            .reduce(choose)
            .expect("a window holds its own reading")
    };
    let time = |choose: fn(i64, i64) -> i64| {
        window
            .iter()
            .map(|reading| reading.time_ms)
            .reduce(choose)
            .expect("a window holds its own reading")
    };
    let spanned_ms = time(i64::max) - time(i64::min);
    let moved = haversine_metres(
        fold(|reading| reading.latitude, f64::min),
        fold(|reading| reading.longitude, f64::min),
        fold(|reading| reading.latitude, f64::max),
        fold(|reading| reading.longitude, f64::max),
    );
    let mean = window.iter().map(|reading| f64::from(reading.heart_rate)).sum::<f64>() / window.len() as f64;
    let finding = window.len() >= rule.min_readings
        && spanned_ms as f64 / 1000.0 >= rule.coverage * (rule.window_ms as f64 / 1000.0)
        && moved <= rule.still_metres
        && (mean < f64::from(*least) || mean > f64::from(*most));
    finding.then_some((mean, moved))
}

fn sliding(rule: &Rule, readings: &[Reading], ranges: &HashMap<String, (i32, i32)>) -> Vec<String> {
    let mut rows = Vec::new();
    for one in readings {
        let inside = |other: &&Reading| {
            other.user == one.user && other.time_ms >= one.time_ms - rule.window_ms && other.time_ms <= one.time_ms
        };
        let window: Vec<&Reading> = readings.iter().filter(inside).collect();
        if let Some((mean, moved)) = judge(rule, &window, ranges.get(&one.user)) {
            rows.push(format!("{} {} {mean} {moved} {}", one.user, one.time_ms, window.len()));
        }
    }
    rows.sort();
    rows
}

fn tumbling(rule: &Rule, readings: &[Reading], ranges: &HashMap<String, (i32, i32)>) -> Vec<String> {
    let mut windows: HashMap<(String, i64), Vec<&Reading>> = HashMap::new();
    for reading in readings {
        let start_ms = reading.time_ms.div_euclid(rule.window_ms) * rule.window_ms;
        windows
            .entry((reading.user.clone(), start_ms))
            .or_default()
            .push(reading);
    }
    let mut rows = Vec::new();
    for ((user, start_ms), window) in windows {
        if let Some((mean, moved)) = judge(rule, &window, ranges.get(&user)) {
            let end_ms = start_ms + rule.window_ms;
            rows.push(format!("{user} {start_ms} {end_ms} {mean} {moved} {}", window.len()));
        }
    }
    rows.sort();
    rows
}

/// The rows of the only sink: key and times, then mean, moved and count, as the brute force writes them.
fn rows(answers: &Answers, times: &[&str]) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in &answers.sinks[0].batches {
        let column = |name: &str| batch.column_by_name(name).expect("a column of the sink");
        for row in 0..batch.num_rows() {
            let mut text = column("user_id").as_string::<i32>().value(row).to_string();
            for time in times {
                let time = column(time).as_primitive::<TimestampMillisecondType>().value(row);
                text.push_str(&format!(" {time}"));
            }
            let number = |name: &str| column(name).as_primitive::<Float64Type>().value(row);
            let count = column("readings").as_primitive::<Int64Type>().value(row);
            rows.push(format!(
                "{text} {} {} {count}",
                number("avg_heart_rate"),
                number("moved_metres")
            ));
        }
    }
    rows.sort();
    rows
}

fn run(name: &str, set: &[(&str, &str)], readings: &[Reading], baselines: &[(&str, i32, i32)]) -> Answers {
    let set: Vec<(String, String)> = set
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    // Several batches, of one reading too.
    let (first, rest) = readings.split_at(readings.len().min(1));
    let inputs = vec![
        (
            "readings".to_string(),
            vec![readings_batch(first), readings_batch(rest)],
        ),
        ("baselines".to_string(), vec![baselines_batch(baselines)]),
    ];
    match hw_batch::run(name, &file(name), &set, inputs) {
        Ok(answers) => answers,
        Err(error) => panic!("{error}"),
    }
}

fn ranges(baselines: &[(&str, i32, i32)]) -> HashMap<String, (i32, i32)> {
    baselines
        .iter()
        .map(|(user, least, most)| (user.to_string(), (*least, *most)))
        .collect()
}

fn reading(user: &str, time_ms: i64, moved_degrees: f64, heart_rate: i32) -> Reading {
    Reading {
        user: user.to_string(),
        time_ms,
        latitude: 40.0 + moved_degrees,
        longitude: -74.0,
        heart_rate,
    }
}

fn both(rule: &Rule, set: &[(&str, &str)], readings: &[Reading], baselines: &[(&str, i32, i32)]) -> [usize; 2] {
    let expected = sliding(rule, readings, &ranges(baselines));
    let answers = run("still_out_of_range", set, readings, baselines);
    assert_eq!(rows(&answers, &["time"]), expected);
    let windows = tumbling(rule, readings, &ranges(baselines));
    let answers = run("tumbling", set, readings, baselines);
    assert_eq!(rows(&answers, &["window_start", "window_end"]), windows);
    [expected.len(), windows.len()]
}

#[test]
fn thresholds_hit_exactly() {
    // Three readings that span exactly 8 of 10 seconds: enough, and one fewer or less is not.
    let three = [
        reading("a", 0, 0.0, 100),
        reading("a", 4_000, 0.0, 100),
        reading("a", 8_000, 0.0, 100),
    ];
    assert_eq!(both(&RULE, &[], &three, &[("a", 50, 90)]), [1, 1]);
    assert_eq!(both(&RULE, &[], &three[1..], &[("a", 50, 90)]), [0, 0]);
    let short = [
        reading("a", 0, 0.0, 100),
        reading("a", 4_000, 0.0, 100),
        reading("a", 7_999, 0.0, 100),
    ];
    assert_eq!(both(&RULE, &[], &short, &[("a", 50, 90)]), [0, 0]);
    // The mean on the range's own ends is inside.
    assert_eq!(both(&RULE, &[], &three, &[("a", 50, 100)]), [0, 0]);
    assert_eq!(both(&RULE, &[], &three, &[("a", 100, 120)]), [0, 0]);
    assert_eq!(both(&RULE, &[], &three, &[("a", 101, 120)]), [1, 1]);
    // Nobody to compare with.
    assert_eq!(both(&RULE, &[], &three, &[("b", 50, 90)]), [0, 0]);
}

#[test]
fn moved_exactly_as_far_as_allowed() {
    let moved = [
        reading("a", 0, 0.0, 100),
        reading("a", 4_000, 0.0001, 100),
        reading("a", 9_000, 0.0, 100),
    ];
    let metres = haversine_metres(40.0, -74.0, 40.0001, -74.0);
    let rule = |still_metres: f64| Rule { still_metres, ..RULE };
    let exact = metres.to_string();
    assert_eq!(
        both(&rule(metres), &[("still_metres", &exact)], &moved, &[("a", 50, 90)]),
        [1, 1]
    );
    let less = metres.next_down();
    assert_eq!(
        both(
            &rule(less),
            &[("still_metres", &less.to_string())],
            &moved,
            &[("a", 50, 90)]
        ),
        [0, 0]
    );
}

#[test]
fn both_ends_of_the_window_are_in_and_equal_times_are_all_in() {
    let ends = [
        reading("a", 0, 0.0, 100),
        reading("a", 5_000, 0.0, 100),
        reading("a", 10_000, 0.0, 100),
    ];
    assert_eq!(both(&RULE, &[], &ends, &[("a", 50, 90)]), [1, 0]);
    let equal = [
        reading("a", 0, 0.0, 100),
        reading("a", 9_000, 0.0, 100),
        reading("a", 9_000, 0.0, 102),
        reading("a", 9_000, 0.0, 104),
    ];
    assert_eq!(both(&RULE, &[], &equal, &[("a", 50, 90)]), [3, 1]);
}

#[test]
fn many_readings_of_several_users() {
    // A linear congruential generator (Knuth, MMIX): any spread of times, moves and rates will do.
    let mut state = 2_026u64;
    let mut next = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut readings = Vec::new();
    for user in ["a", "b", "c", "no baseline"] {
        let (mut time_ms, mut moved) = (1_767_225_600_000i64, 0.0);
        for _ in 0..300 {
            time_ms += [0, 500, 1_000, 1_000, 1_000, 2_000, 15_000][next(7) as usize];
            moved += [0.0, 0.0, 0.0, 0.0, 0.000_02, -0.000_02, 0.001][next(7) as usize];
            readings.push(reading(user, time_ms, moved, 60 + next(60) as i32));
        }
    }
    let baselines = [("a", 50, 85), ("b", 95, 120), ("c", 89, 91), ("nobody", 1, 2)];
    let found = both(&RULE, &[], &readings, &baselines);
    assert!(found[0] > 50 && found[1] > 5, "{found:?} findings do not test much");
    let minute = Rule {
        window_ms: 60_000,
        still_metres: 150.0,
        min_readings: 10,
        coverage: 0.5,
    };
    let set = [
        ("window", "1 minute"),
        ("still_metres", "150"),
        ("min_readings", "10"),
        ("coverage", "0.5"),
    ];
    let found = both(&minute, &set, &readings, &baselines);
    assert!(found[0] > 50 && found[1] > 5, "{found:?} findings do not test much");
}

#[test]
fn rows_that_are_not_valid_are_counted_and_left_out() {
    let good = [
        reading("a", 0, 0.0, 100),
        reading("a", 4_000, 0.0, 100),
        reading("a", 9_000, 0.0, 100),
    ];
    let mut readings = good.to_vec();
    for bad in [
        f64::NAN,
        -f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        90.000_001,
        -90.000_001,
    ] {
        readings.push(Reading {
            latitude: bad,
            ..reading("a", 5_000, 0.0, 300)
        });
    }
    for heart_rate in [0, 301, i32::MIN] {
        readings.push(reading("a", 5_000, 0.0, heart_rate));
    }
    // The last valid line of a user counts, and one whose ends are the wrong way round is none.
    let baselines = [("a", 100, 100), ("a", 50, 90), ("a", 90, 50)];
    let answers = run("still_out_of_range", &[], &readings, &baselines);
    assert_eq!(
        rows(&answers, &["time"]),
        sliding(&RULE, &good, &ranges(&[("a", 50, 90)]))
    );
    assert_eq!(
        answers.invalid,
        [("readings".to_string(), 9), ("baselines".to_string(), 1)]
    );
    // Values at the very ends are valid.
    let ends = [
        Reading {
            latitude: 90.0,
            longitude: 180.0,
            ..reading("a", 0, 0.0, 1)
        },
        reading("a", 0, 0.0, 300),
    ];
    assert_eq!(run("still_out_of_range", &[], &ends, &[]).invalid, []);
}

#[test]
fn columns_are_those_of_the_query() {
    let answers = run("tumbling", &[], &[], &[]);
    let names: Vec<&str> = answers.sinks[0]
        .schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    let expected = "user_id window_start window_end avg_heart_rate min_heart_rate max_heart_rate moved_metres readings";
    assert_eq!(names.join(" "), expected);
    let batch = run(
        "still_out_of_range",
        &[],
        &[
            reading("a", 0, 0.0, 9),
            reading("a", 4_000, 0.0, 9),
            reading("a", 8_000, 0.0, 9),
        ],
        &[("a", 50, 90)],
    );
    let range = batch.sinks[0].batches[0].column_by_name("min_heart_rate").unwrap();
    assert_eq!(range.as_primitive::<Int32Type>().value(0), 50);
}
