//! Random readings through the shipped pipelines: batch, backtest and live must agree to the row.
//!
//! The readings sit where answers tip over: heart rates at the ends of the ranges, spans at the coverage, positions just as
//! far apart as is still "still", on both sides of the antimeridian, and times that are equal. They come in order, so
//! nothing is late; disorder is the time rules' own test.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use hw_golden::GoldenFolder;
use proptest::prelude::*;

use crate::live::{Live, Restart};
use crate::{Golden, assert_same, rows};

const SLIDING: &str = include_str!("../../../../pipelines/still_out_of_range.sql");
const TUMBLING: &str = include_str!("../../../../pipelines/tumbling.sql");

/// How far a step of latitude is, in metres, as the pipeline computes it: a threshold that is hit exactly.
const STEP_DEGREES: f64 = 0.000_09;
const START_MS: i64 = 1_767_225_600_000;

#[derive(Debug, Clone)]
struct Walk {
    user: u32,
    after_ms: i64,
    steps: i32,
    is_east: bool,
    heart_rate: i32,
}

fn walk() -> impl Strategy<Value = Walk> {
    let after = prop_oneof![4 => Just(0_i64), 10 => Just(1_000), 3 => 1..3_000_i64, 1 => 8_000..50_000_i64];
    let steps = prop_oneof![6 => Just(0), 3 => Just(1), 1 => 2..4];
    let heart_rate = prop_oneof![3 => 58..=62, 3 => 98..=102, 1 => 1..=300];
    let parts = (1..4_u32, after, steps, proptest::bool::weighted(0.9), heart_rate);
    parts.prop_map(|(user, after_ms, steps, is_east, heart_rate)| Walk {
        user,
        after_ms,
        steps,
        is_east,
        heart_rate,
    })
}

fn readings(walks: &[Walk]) -> String {
    let (mut time_ms, mut text) = (START_MS, String::new());
    for walk in walks {
        time_ms += walk.after_ms;
        let latitude = f64::from(walk.steps) * STEP_DEGREES;
        let longitude = if walk.is_east { 179.99999 } else { -179.99999 };
        let (user, heart_rate) = (walk.user, walk.heart_rate);
        let line = format!(
            r#"{{"user_id":"{user}","time":{time_ms},"zipcode":1,"latitude":{latitude},"longitude":{longitude},"heart_rate":{heart_rate}}}"#
        );
        writeln!(text, "{line}").expect("text");
    }
    text
}

/// The great circle of one step, on the sphere of the design.
fn step_metres() -> f64 {
    let half = (STEP_DEGREES.to_radians() / 2.0).sin();
    2.0 * 6_371_008.8 * (half * half).sqrt().asin()
}

fn golden(sql: &str, walks: &[Walk]) -> Golden {
    // As near to the threshold as text allows, from both sides in turn.
    let metres = step_metres()
        * if walks.len().is_multiple_of(2) {
            1.0
        } else {
            1.0 + f64::EPSILON
        };
    let overrides = vec![("still_metres".to_owned(), format!("{metres}"))];
    let pipeline = hw_plan::plan("golden", sql, &overrides).unwrap_or_else(|error| panic!("{error}"));
    let baselines: String = (1..3)
        .map(|user| format!("{{\"user_id\":\"{user}\",\"min_heart_rate\":60,\"max_heart_rate\":100}}\n"))
        .collect();
    let inputs = BTreeMap::from([
        (
            "readings".to_owned(),
            rows::parse(&readings(walks), &pipeline.streams[0].columns),
        ),
        (
            "baselines".to_owned(),
            rows::parse(&baselines, &pipeline.tables[0].columns),
        ),
    ]);
    Golden {
        folder: GoldenFolder::named(Path::new("no folder"), "random"),
        sql: sql.to_owned(),
        overrides,
        pipeline,
        inputs,
    }
}

fn check(name: &str, sql: &str, walks: &[Walk]) {
    let golden = golden(sql, walks);
    let batch = golden.batch();
    assert_same(name, "backtest", &batch, &golden.backtest());
    let live = Live {
        partitions: 2,
        batch_records: 7,
        restart: Restart::Never,
    };
    assert_same(name, "live", &batch, &live.run(&golden));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_readings_through_sliding_windows(walks in proptest::collection::vec(walk(), 1..150)) {
        check("still_out_of_range", SLIDING, &walks);
    }

    #[test]
    fn random_readings_through_tumbling_windows(walks in proptest::collection::vec(walk(), 1..150)) {
        check("tumbling", TUMBLING, &walks);
    }
}
