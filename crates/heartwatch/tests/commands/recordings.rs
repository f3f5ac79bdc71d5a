//! Recordings of real watches and bike computers, when they lie beside the checkout: imported, and judged by the rule.
//!
//! They are not a part of the repository. Without them these tests say so and prove nothing.

use std::path::{Path, PathBuf};

use crate::program::{Ended, Folder, heartwatch, shipped};

/// None when there are none; that is printed.
fn tracks() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/tracks");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("left out: there are no recordings in {}", folder.display());
    None
}

/// The readings of a recording as a file in the folder.
fn imported(folder: &Folder, recording: &Path) -> (Ended, String) {
    let readings = folder.path("readings.jsonl");
    let recording = recording.to_str().expect("UTF-8");
    let ended = heartwatch(&["import", recording, "--user", "17", "--out", &readings]);
    (ended.succeeded(), readings)
}

/// What the rule finds with someone's range from 50 to 140, live engine and plain DataFusion alike.
fn findings(folder: &Folder, readings: &str) -> Vec<String> {
    let range = r#"{"user_id":"17","min_heart_rate":50,"max_heart_rate":140}"#;
    let baselines = folder.write("baselines.jsonl", range);
    let pipeline = shipped();
    let mut arguments = vec![
        "backtest",
        &pipeline,
        "--readings",
        readings,
        "--baselines",
        &baselines,
        "--set",
        "window=60 seconds",
        "--set",
        "still_metres=15",
    ];
    let by_engine = heartwatch(&arguments).succeeded().rows();
    arguments.push("--batch");
    assert_eq!(by_engine, heartwatch(&arguments).succeeded().rows());
    by_engine
}

#[test]
fn a_ride_with_stops_is_out_of_range_while_it_stands_still() {
    let Some(tracks) = tracks() else { return };
    let folder = Folder::new();
    let (_, readings) = imported(&folder, &tracks.join("ride-stops.gpx"));
    assert_eq!(findings(&folder, &readings).len(), 137);
}

#[test]
fn a_calm_walk_gives_no_finding() {
    let Some(tracks) = tracks() else { return };
    let folder = Folder::new();
    let (ended, readings) = imported(&folder, &tracks.join("walk-calm.tcx"));
    assert!(ended.err.contains("660 readings"), "{}", ended.err);
    assert_eq!(findings(&folder, &readings), [] as [String; 0]);
}

#[test]
fn every_recording_is_imported_and_judged_alike_by_both_ways() {
    let Some(tracks) = tracks() else { return };
    let mut seen = 0;
    for entry in std::fs::read_dir(&tracks).expect("readable") {
        let recording = entry.expect("readable").path();
        if recording.extension().is_some_and(|extension| extension == "md") {
            continue;
        }
        let folder = Folder::new();
        let (ended, readings) = imported(&folder, &recording);
        let found = findings(&folder, &readings).len();
        eprintln!("{}{found} findings", ended.err);
        seen += 1;
    }
    assert!(seen >= 6, "{seen} recordings");
}
