//! Daily life: plausible motion, hearts, homes and hours. Not faults, and no planted episodes.

use std::collections::HashSet;

use hw_town::{Cause, Kind, Town, TownOptions};

use crate::{by_user, moved_metres, quiet, run};

#[test]
fn sitting_people_stay_within_ten_metres_and_movers_do_not() {
    // 14:00 in the town: people sit, or move on purpose.
    let start_ms = TownOptions::default().start_ms - 3 * 3_600_000;
    let (readings, _) = run(&TownOptions { start_ms, ..quiet() }, 600);
    let mut boxes_m: Vec<f64> = Vec::new();
    for rows in by_user(&readings).values() {
        boxes_m.extend(rows.windows(11).map(moved_metres));
    }
    // Between a resting receiver's drift and a slow walker lies a gap with hardly anything in it.
    let still = boxes_m.iter().filter(|metres| **metres <= 10.0).count();
    let between = boxes_m.iter().filter(|metres| (8.0..11.5).contains(*metres)).count();
    let moving = boxes_m.iter().filter(|metres| **metres > 11.5).count();
    assert!(between as f64 <= 0.01 * still as f64, "{between} of {still}");
    assert!(moving > boxes_m.len() / 100, "{moving} of {}", boxes_m.len());
    let (fastest, _) = boxes_m
        .iter()
        .fold((0.0_f64, 0), |(most, count), metres| (most.max(*metres), count + 1));
    assert!(fastest < 15.0 * 11.0, "{fastest}");
}

#[test]
fn homes_and_resting_ranges_differ() {
    let (readings, _) = run(&quiet(), 1);
    let zipcodes: HashSet<i32> = readings.iter().map(|reading| reading.zipcode).collect();
    assert!(zipcodes.len() > 15, "{}", zipcodes.len());
    let ranges = Town::new(&quiet()).unwrap().baselines();
    let lowest: HashSet<i32> = ranges.iter().map(|range| range.min_heart_rate).collect();
    assert!(
        lowest.len() > 20 && lowest.iter().all(|lowest| (30..75).contains(lowest)),
        "{lowest:?}"
    );
    for reading in &readings {
        assert_eq!((reading.latitude * 1e7).round() / 1e7, reading.latitude);
    }
}

#[test]
fn sleepers_are_still_and_low_but_within_their_range() {
    // 03:00 in the town.
    let start_ms = TownOptions::default().start_ms + 10 * 3_600_000;
    let options = TownOptions { start_ms, ..quiet() };
    let ranges = Town::new(&options).unwrap().baselines();
    let (readings, truth) = run(&options, 300);
    assert_eq!(truth, Vec::new());
    let users = by_user(&readings);
    let windows: Vec<f64> = users
        .values()
        .flat_map(|rows| rows.windows(11).map(moved_metres))
        .collect();
    let still = windows.iter().filter(|metres| **metres <= 10.0).count();
    assert!(
        still as f64 >= 0.99 * windows.len() as f64,
        "{still} of {}",
        windows.len()
    );
    for range in ranges {
        let rates: Vec<i32> = users[&range.user].iter().map(|row| row.heart_rate).collect();
        let (lowest, highest) = (rates.iter().min().unwrap(), rates.iter().max().unwrap());
        // The lower end of the range is what sleep needs, the upper end is what a day needs.
        assert!(
            *lowest >= range.min_heart_rate && *highest < range.max_heart_rate,
            "{lowest} {highest} {range:?}"
        );
        assert!(range.max_heart_rate - range.min_heart_rate >= 25, "{range:?}");
    }
}

#[test]
fn hearts_take_minutes_to_fall_after_a_run() {
    let (_, truth) = run(
        &TownOptions {
            users: 1_500,
            ..quiet()
        },
        3_600,
    );
    let longest_ms = truth
        .iter()
        .filter(|spell| spell.cause == Cause::AfterExercise && spell.kind == Kind::High)
        .map(|spell| spell.end_ms - spell.start_ms)
        .max()
        .unwrap();
    assert!((60_000..420_000).contains(&longest_ms), "{longest_ms}");
    assert!(truth.iter().any(|spell| spell.cause == Cause::Training));
    assert!(truth.iter().all(|spell| spell.cause != Cause::Planted));
}

#[test]
fn a_demonstration_at_night_shows_an_afternoon() {
    // 03:00 in New York.
    let start_ms = TownOptions::default().start_ms + 10 * 3_600_000;
    let options = TownOptions {
        start_ms,
        local_offset_ms: TownOptions::afternoon_offset_ms(start_ms),
        ..quiet()
    };
    let (readings, _) = run(&options, 60);
    let moving = by_user(&readings)
        .values()
        .filter(|rows| moved_metres(rows) > 50.0)
        .count();
    assert!(moving > 20, "{moving}");
}
