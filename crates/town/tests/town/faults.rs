//! Faults: each takes its share, and delivers as it says. Nothing of what the readings say.

use std::collections::{HashMap, HashSet};

use hw_town::{Faults, Spell, Town, TownOptions};

use crate::{by_user, quiet, run};

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
