//! A town as a whole: the same every time, plausible, with the faults and episodes that were asked for.

use std::collections::{HashMap, HashSet};

use hw_town::{Cause, EpisodeOptions, Faults, Kind, Reading, Spell, Town, TownOptions, score};

/// Runs a town for `seconds` and returns all readings in order of arrival, ends included, with the truth.
fn run(options: &TownOptions, seconds: usize) -> (Vec<Reading>, Vec<hw_town::Episode>) {
    let mut town = Town::new(options).expect("valid options");
    let mut readings = Vec::new();
    let mut truth = Vec::new();
    for _ in 0..seconds {
        town.next_second(&mut readings);
        truth.append(&mut town.take_truth());
    }
    truth.append(&mut town.finish(&mut readings));
    (readings, truth)
}

fn quiet() -> TownOptions {
    TownOptions {
        users: 300,
        faults: Faults::none(),
        episodes: EpisodeOptions {
            share_per_hour: 0.0,
            ..EpisodeOptions::default()
        },
        ..TownOptions::default()
    }
}

fn by_user(readings: &[Reading]) -> HashMap<u32, Vec<Reading>> {
    let mut users: HashMap<u32, Vec<Reading>> = HashMap::new();
    for reading in readings {
        users.entry(reading.user).or_default().push(*reading);
    }
    users
}

/// Great-circle distance in metres between the corners of the box around some readings.
fn moved_metres(window: &[Reading]) -> f64 {
    let over = |value: fn(&Reading) -> f64| {
        let values = window.iter().map(value);
        (
            values.clone().fold(f64::INFINITY, f64::min).to_radians(),
            values.fold(f64::NEG_INFINITY, f64::max).to_radians(),
        )
    };
    let ((south, north), (west, east)) = (over(|reading| reading.latitude), over(|reading| reading.longitude));
    let half = ((north - south) / 2.0).sin().powi(2) + south.cos() * north.cos() * ((east - west) / 2.0).sin().powi(2);
    2.0 * 6_371_008.8 * half.sqrt().asin()
}

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
fn the_same_options_give_the_same_town() {
    let options = TownOptions {
        users: 200,
        ..TownOptions::default()
    };
    assert_eq!(run(&options, 120), run(&options, 120));
    assert_ne!(run(&options, 5).0, run(&TownOptions { seed: 2, ..options }, 5).0);
}

#[test]
fn people_are_independent_of_one_another() {
    let (few, _) = run(&TownOptions { users: 10, ..quiet() }, 30);
    let (many, _) = run(&TownOptions { users: 40, ..quiet() }, 30);
    assert_eq!(by_user(&few)[&7], by_user(&many)[&7]);
}

#[test]
fn without_faults_everyone_sends_every_interval_in_order() {
    let (readings, _) = run(
        &TownOptions {
            interval_ms: 500,
            ..quiet()
        },
        60,
    );
    assert_eq!(readings.len(), 300 * 120);
    for rows in by_user(&readings).values() {
        assert!(
            rows.windows(2)
                .all(|pair| (450..=550).contains(&(pair[1].time_ms - pair[0].time_ms)))
        );
    }
    let (sparse, _) = run(
        &TownOptions {
            interval_ms: 15_000,
            ..quiet()
        },
        60,
    );
    assert_eq!(sparse.len(), 300 * 4);
}

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
fn faults_take_the_shares_that_were_asked_for() {
    let spell = |share, min_ms, max_ms| Spell { share, min_ms, max_ms };
    let faults = Faults {
        watch_off: spell(0.10, 20_000, 60_000),
        gap: spell(0.05, 2_000, 10_000),
        offline: spell(0.10, 10_000, 60_000),
        late_share: 0.03,
        late_max_ms: 4_000,
        duplicate_share: 0.04,
        wrong_clock_share: 0.0,
    };
    let (readings, _) = run(
        &TownOptions {
            users: 1_000,
            faults,
            ..quiet()
        },
        900,
    );
    let all = 1_000.0 * 900.0;
    let distinct: HashSet<(u32, i64)> = readings.iter().map(|reading| (reading.user, reading.time_ms)).collect();
    let near = |share: f64, wanted: f64| (share - wanted).abs() < 0.12 * wanted;
    let lost = 1.0 - distinct.len() as f64 / all;
    assert!(near(lost, 0.15), "lost {lost}");
    // Late and repeated readings come from working devices only: three quarters of the time.
    let repeated = (readings.len() - distinct.len()) as f64 / all;
    assert!(near(repeated, 0.04 * 0.75 * 0.97), "repeated {repeated}");
    let mut newest: HashMap<u32, i64> = HashMap::new();
    let mut seen = HashSet::new();
    let mut late = 0;
    for reading in &readings {
        let newest = newest.entry(reading.user).or_insert(i64::MIN);
        late += usize::from(reading.time_ms < *newest && seen.insert((reading.user, reading.time_ms)));
        seen.insert((reading.user, reading.time_ms));
        *newest = (*newest).max(reading.time_ms);
    }
    let late = late as f64 / all;
    assert!(near(late, 0.03 * 0.75), "late {late}");
}

#[test]
fn what_was_held_offline_comes_at_once_and_in_order() {
    let offline = Spell {
        share: 0.3,
        min_ms: 60_000,
        max_ms: 60_000,
    };
    let options = TownOptions {
        users: 50,
        faults: Faults {
            offline,
            ..Faults::none()
        },
        ..quiet()
    };
    let mut town = Town::new(&options).unwrap();
    let mut bursts = 0;
    let mut newest: HashMap<u32, i64> = HashMap::new();
    for _ in 0..600 {
        let mut second = Vec::new();
        town.next_second(&mut second);
        for reading in &second {
            let last = newest.insert(reading.user, reading.time_ms);
            assert!(last.is_none_or(|last| last < reading.time_ms));
        }
        bursts += by_user(&second).values().filter(|rows| rows.len() >= 59).count();
    }
    assert!(bursts > 50, "{bursts}");
}

#[test]
fn wrong_clocks_are_wrong_by_hours_and_stay_so() {
    let options = TownOptions {
        faults: Faults {
            wrong_clock_share: 0.2,
            ..Faults::none()
        },
        ..quiet()
    };
    let (readings, _) = run(&options, 20);
    let wrong = by_user(&readings)
        .values()
        .filter(|rows| rows.iter().all(|row| (row.time_ms - options.start_ms).abs() > 30_000))
        .count();
    assert!((40..80).contains(&wrong), "{wrong}");
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
fn impossible_options_are_named() {
    let error = |change: fn(&mut TownOptions)| {
        let mut options = TownOptions::default();
        change(&mut options);
        Town::new(&options).unwrap_err().to_string()
    };
    assert_eq!(
        error(|options| options.users = 0),
        "a town needs at least one person: users is 0"
    );
    assert_eq!(
        error(|options| options.faults.late_share = 1.5),
        "late_share is 1.5; a share lies between 0 and 1"
    );
    assert_eq!(
        error(|options| options.episodes.min_ms = 500_000),
        "an episode lasts from 500000 ms to 180000 ms; the first must be at least 1 and no more than the second"
    );
}
