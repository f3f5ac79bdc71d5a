//! Episodes: what was planted is out of range and still, and a plain writing of the shipped rule finds it.

use std::collections::{HashMap, HashSet};

use hw_town::{Cause, EpisodeOptions, Faults, Kind, Reading, Town, TownOptions, score};

use crate::{by_user, moved_metres, run};

/// The shipped rule at X = 10 s, written plainly: users and times of findings.
fn findings(town: &Town, readings: &[Reading]) -> Vec<(String, i64)> {
    let ranges: HashMap<u32, _> = town.baselines().into_iter().map(|range| (range.user, range)).collect();
    let mut found = Vec::new();
    for (user, mut rows) in by_user(readings) {
        rows.sort_by_key(|row| row.time_ms);
        let mut first = 0;
        for last in 0..rows.len() {
            while rows[first].time_ms < rows[last].time_ms - 10_000 {
                first += 1;
            }
            let window = &rows[first..=last];
            let mean = window.iter().map(|row| f64::from(row.heart_rate)).sum::<f64>() / window.len() as f64;
            let range = &ranges[&user];
            let out = mean < f64::from(range.min_heart_rate) || mean > f64::from(range.max_heart_rate);
            let spans_ms = rows[last].time_ms - rows[first].time_ms;
            if out && window.len() >= 3 && spans_ms >= 8_000 && moved_metres(window) <= 10.0 {
                found.push((user.to_string(), rows[last].time_ms));
            }
        }
    }
    found
}

#[test]
fn the_first_planted_episode_is_out_of_range_within_seconds() {
    let episodes = EpisodeOptions {
        first_after_ms: 0,
        share_per_hour: 1.0,
        ..EpisodeOptions::default()
    };
    let options = TownOptions {
        users: 200,
        faults: Faults::none(),
        episodes,
        ..TownOptions::default()
    };
    let (readings, truth) = run(&options, 60);
    let first = truth
        .iter()
        .filter(|spell| spell.cause == Cause::Planted)
        .map(|spell| spell.start_ms)
        .min()
        .unwrap();
    assert!(first - options.start_ms < 6_000, "{}", first - options.start_ms);
    let town = Town::new(&options).unwrap();
    let found = findings(&town, &readings);
    let planted: HashSet<&str> = truth
        .iter()
        .filter(|spell| spell.cause == Cause::Planted)
        .map(|spell| spell.user_id.as_str())
        .collect();
    let first = found
        .iter()
        .filter(|(user, _)| planted.contains(user.as_str()))
        .map(|(_, time)| *time)
        .min()
        .unwrap();
    assert!(first - options.start_ms < 12_000, "{}", first - options.start_ms);
}

#[test]
fn planted_episodes_are_out_of_range_and_still_and_the_rule_finds_them() {
    let episodes = EpisodeOptions {
        share_per_hour: 0.5,
        ..EpisodeOptions::default()
    };
    let options = TownOptions {
        users: 400,
        episodes,
        ..TownOptions::default()
    };
    let (readings, truth) = run(&options, 1_800);
    let planted: Vec<_> = truth.iter().filter(|spell| spell.cause == Cause::Planted).collect();
    // One every 18 s, from the tenth second on.
    assert!((96..=101).contains(&planted.len()), "{}", planted.len());
    assert!(planted.iter().any(|spell| spell.kind == Kind::Low));
    let users = by_user(&readings);
    for spell in &planted {
        let user: u32 = spell.user_id.parse().unwrap();
        let inside = |row: &&Reading| (spell.start_ms..=spell.end_ms).contains(&row.time_ms);
        let rows: Vec<Reading> = users[&user].iter().filter(inside).copied().collect();
        let out = rows
            .iter()
            .filter(|row| row.heart_rate < spell.min_heart_rate || row.heart_rate > spell.max_heart_rate);
        assert!(out.count() as f64 >= 0.9 * rows.len() as f64, "{spell:?}");
        let length_ms = spell.end_ms - spell.start_ms;
        assert!(length_ms <= 195_000, "{spell:?}");
        let mut sorted = rows.clone();
        sorted.sort_by_key(|row| row.time_ms);
        assert!(
            sorted.windows(11).all(|window| moved_metres(window) < 12.0),
            "{spell:?}"
        );
    }
    let score = score(&findings(&Town::new(&options).unwrap(), &readings), &truth, 10_000);
    assert!(score.recall.unwrap() > 0.97, "{score:?}");
    assert!(score.precision.unwrap() > 0.97, "{score:?}");
}
