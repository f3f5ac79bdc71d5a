//! A town as a whole, from the outside: what its tests share, and that it is the same every time.

mod episodes;
mod faults;
mod life;

use std::collections::HashMap;

use hw_town::{Episode, EpisodeOptions, Faults, Reading, Town, TownOptions};

/// Runs a town for `seconds` and returns all readings in order of arrival, ends included, with the truth.
fn run(options: &TownOptions, seconds: usize) -> (Vec<Reading>, Vec<Episode>) {
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
