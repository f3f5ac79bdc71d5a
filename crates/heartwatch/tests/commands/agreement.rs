//! One town, three ways to its findings: live on a log, the live engine over files, plain DataFusion over files.
//!
//! The rows must be the same, to the last digit.

use crate::program::{Folder, heartwatch, repository, shipped};

/// Watches send late by up to 4 s and are without network for up to 100 s: so long a lateness, and a window with which the
/// engine remembers longer than that (`remember` is the window, the lateness and a minute), leave nobody out.
const PATIENT: [&str; 4] = ["--set", "window=1 minute", "--set", "lateness=5 seconds"];

/// `simulate` into files of the folder: readings and baselines.
fn town(folder: &Folder, arguments: &[&str]) -> (String, String) {
    let (readings, baselines) = (folder.path("readings.jsonl"), folder.path("baselines.jsonl"));
    let mut all = vec!["simulate", "--out", &readings, "--baselines", &baselines];
    all.extend(arguments);
    heartwatch(&all).succeeded();
    (readings, baselines)
}

/// The findings of both ways over files, which must agree.
fn over_files(pipeline: &str, readings: &str, baselines: &str, sets: &[&str]) -> Vec<String> {
    let mut arguments = vec!["backtest", pipeline, "--readings", readings, "--baselines", baselines];
    arguments.extend(sets);
    let by_engine = heartwatch(&arguments).succeeded().rows();
    arguments.push("--batch");
    let by_datafusion = heartwatch(&arguments).succeeded().rows();
    assert_eq!(by_engine, by_datafusion);
    by_engine
}

/// The findings of `run --until-end` over a log that got the files by `produce`.
fn over_a_log(folder: &Folder, pipeline: &str, readings: &str, baselines: &str, sets: &[&str]) -> Vec<String> {
    let log = folder.path("log");
    heartwatch(&["produce", baselines, "--log", &log, "--topic", "baselines"]).succeeded();
    heartwatch(&[
        "produce",
        readings,
        "--log",
        &log,
        "--topic",
        "readings",
        "--partitions",
        "3",
    ])
    .succeeded();
    let mut arguments = vec!["run", pipeline, "--log", &log, "--until-end"];
    arguments.extend(sets);
    let ran = heartwatch(&arguments).succeeded();
    // What would make live differ from batch did not happen.
    for nothing in [" 0 late", " 0 dead letters", " 0 windows cut"] {
        assert!(ran.err.contains(nothing), "{}", ran.err);
    }
    heartwatch(&["tail", "findings", "--log", &log, "--from-beginning", "--until-end"])
        .succeeded()
        .rows()
}

#[test]
fn live_and_both_backtests_of_a_town_give_the_same_findings() {
    let folder = Folder::new();
    let (readings, baselines) = town(&folder, &["--users", "300", "--for", "10m", "--seed", "7"]);
    let expected = over_files(&shipped(), &readings, &baselines, &PATIENT);
    assert!(
        expected.len() > 20,
        "a test over {} findings shows little",
        expected.len()
    );
    assert_eq!(
        over_a_log(&folder, &shipped(), &readings, &baselines, &PATIENT),
        expected
    );
}

#[test]
fn live_and_both_backtests_agree_in_whole_windows_too() {
    let folder = Folder::new();
    let (readings, baselines) = town(&folder, &["--users", "300", "--for", "10m", "--seed", "8"]);
    // What a watch without network holds back must still find its window open.
    let sets = ["--set", "window=1 minute", "--set", "lateness=2 minutes"];
    let pipeline = repository("pipelines/tumbling.sql");
    let expected = over_files(&pipeline, &readings, &baselines, &sets);
    assert!(
        expected.len() > 20,
        "a test over {} findings shows little",
        expected.len()
    );
    assert_eq!(over_a_log(&folder, &pipeline, &readings, &baselines, &sets), expected);
}
