//! The predecessor's own data: ranges without a user, random readings.
//!
//! Its files are read as they are.

use std::path::Path;

use crate::program::{Folder, heartwatch, shipped};

#[test]
fn a_range_without_a_user_belongs_to_the_user_of_its_line() {
    let folder = Folder::new();
    let file = folder.write(
        "historical.data",
        "\n{\"min_heart_rate\":51,\"max_heart_rate\":108}\n{\"min_heart_rate\":60,\"max_heart_rate\":99}\n",
    );
    let log = folder.path("log");
    heartwatch(&["produce", &file, "--log", &log, "--topic", "baselines"]).succeeded();
    let tail = heartwatch(&["tail", "baselines", "--log", &log, "--from-beginning", "--until-end"]).succeeded();
    assert_eq!(
        tail.out,
        "{\"user_id\":\"1\",\"min_heart_rate\":51,\"max_heart_rate\":108}\n\
         {\"user_id\":\"2\",\"min_heart_rate\":60,\"max_heart_rate\":99}\n"
    );
}

#[test]
fn the_predecessors_ranges_are_read_whole() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/historical_20000.data");
    if !file.is_file() {
        eprintln!("left out: there is no {}", file.display());
        return;
    }
    let folder = Folder::new();
    let (file, log) = (file.to_str().expect("UTF-8"), folder.path("log"));
    let lines = std::fs::read_to_string(file).expect("readable");
    let ranges = lines.lines().filter(|line| !line.trim().is_empty()).count();
    let ended = heartwatch(&["produce", file, "--log", &log, "--topic", "baselines"]).succeeded();
    let said = format!("{ranges} records appended to baselines, 0 malformed");
    assert!(ended.err.contains(&said), "{}", ended.err);
}

#[test]
fn random_readings_like_the_predecessors_are_judged_alike_by_both_ways() {
    let folder = Folder::new();
    let (readings, baselines) = (folder.path("readings.jsonl"), folder.path("baselines.jsonl"));
    let simulate = [
        "simulate",
        "--like-original",
        "--users",
        "2000",
        "--for",
        "20s",
        "--out",
        &readings,
        "--baselines",
        &baselines,
    ];
    heartwatch(&simulate).succeeded();
    let text = std::fs::read_to_string(&readings).expect("readable");
    assert_eq!(text.lines().count(), 40_000);
    let pipeline = shipped();
    // Random positions are kilometres apart: only a wide idea of stillness, and few readings, find anything at all.
    let mut backtest = vec![
        "backtest",
        &pipeline,
        "--readings",
        &readings,
        "--baselines",
        &baselines,
        "--set",
        "still_metres=10000000",
        "--set",
        "min_readings=2",
        "--set",
        "coverage=0.1",
    ];
    let by_engine = heartwatch(&backtest).succeeded().rows();
    assert!(!by_engine.is_empty());
    backtest.push("--batch");
    assert_eq!(by_engine, heartwatch(&backtest).succeeded().rows());
    // The same seed, the same bytes.
    let again = folder.path("again.jsonl");
    heartwatch(&[
        "simulate",
        "--like-original",
        "--users",
        "2000",
        "--for",
        "20s",
        "--out",
        &again,
    ])
    .succeeded();
    assert!(std::fs::read(&again).expect("readable") == text.as_bytes());
}
