//! What a user does wrong, and what the program says to it: one clear message and exit code 2.
//!
//! Texts are compared by what a user needs from them, not word by word.

use crate::program::{Folder, Started, heartwatch, shipped};

const COMMANDS: [&str; 9] = [
    "demo", "run", "produce", "tail", "backtest", "simulate", "import", "explain", "bench",
];

const READING: &str =
    r#"{"user_id":"1","time":1767225600000,"zipcode":1,"latitude":1.5,"longitude":2.5,"heart_rate":70}"#;

#[test]
fn the_help_of_every_command_has_an_example() {
    for command in COMMANDS {
        let ended = heartwatch(&[command, "--help"]).succeeded();
        assert!(ended.out.contains("Example"), "{command}:\n{}", ended.out);
        assert!(
            ended.out.contains(&format!("heartwatch {command}")),
            "{command}:\n{}",
            ended.out
        );
    }
    let ended = heartwatch(&["--help"]).succeeded();
    for command in COMMANDS {
        assert!(
            ended.out.contains(&format!("  {command} ")),
            "{command}:\n{}",
            ended.out
        );
    }
}

#[test]
fn an_unknown_option_is_named() {
    for command in COMMANDS {
        heartwatch(&[command, "--no-such-option"]).failed(2, &["--no-such-option", "Usage"]);
    }
    heartwatch(&["no-such-command"]).failed(2, &["no-such-command"]);
}

#[test]
fn a_missing_file_is_named() {
    let folder = Folder::new();
    let (missing, log) = (folder.path("missing.jsonl"), folder.path("log"));
    let recording = folder.path("missing.gpx");
    heartwatch(&["produce", &missing, "--log", &log, "--topic", "readings"]).failed(2, &["cannot read", &missing]);
    heartwatch(&["backtest", &shipped(), "--readings", &missing]).failed(2, &["cannot read", &missing]);
    heartwatch(&["import", &recording, "--user", "1", "--out", &folder.path("out.jsonl")])
        .failed(2, &["cannot read", &recording]);
    let pipeline = folder.path("missing.sql");
    heartwatch(&["run", &pipeline, "--log", &log]).failed(2, &["cannot read", &pipeline]);
    heartwatch(&["explain", &pipeline]).failed(2, &["cannot read", &pipeline]);
}

#[test]
fn a_malformed_line_is_skipped_and_counted_with_its_place() {
    let folder = Folder::new();
    let bad = READING.replace("1.5", "north");
    let file = folder.write("readings.jsonl", &format!("{READING}\n{bad}\n{READING}\n"));
    let place = format!("{file}:2:{}", bad.find("north").expect("stands there") + 1);
    let log = folder.path("log");
    let produce = ["produce", &file, "--log", &log, "--topic", "readings"];
    let ended = heartwatch(&produce).succeeded();
    for text in [&place, "2 records appended", "1 malformed lines skipped"] {
        assert!(ended.err.contains(text), "{text}:\n{}", ended.err);
    }
    let backtest = ["backtest", &shipped(), "--readings", &file];
    let ended = heartwatch(&backtest).succeeded();
    for text in [&place, "1 malformed lines skipped"] {
        assert!(ended.err.contains(text), "{text}:\n{}", ended.err);
    }
}

#[test]
fn a_malformed_line_is_an_error_when_that_is_asked_for() {
    let folder = Folder::new();
    let file = folder.write("readings.jsonl", &format!("{READING}\n{{\"user_id\":\n"));
    let log = folder.path("log");
    let place = format!("{file}:2:");
    heartwatch(&["produce", &file, "--log", &log, "--topic", "readings", "--strict"]).failed(2, &[&place]);
    heartwatch(&["backtest", &shipped(), "--readings", &file, "--strict"]).failed(2, &[&place]);
}

#[test]
fn a_refused_pipeline_is_shown_with_its_place() {
    let folder = Folder::new();
    let sql = std::fs::read_to_string(shipped()).expect("readable");
    let broken = sql.replace("avg(r.heart_rate) OVER w", "avg(r.hart_rate) OVER w");
    let line = broken
        .lines()
        .position(|line| line.contains("hart_rate"))
        .expect("stands there");
    let column = broken
        .lines()
        .nth(line)
        .and_then(|text| text.find("r.hart_rate"))
        .expect("stands there");
    let file = folder.write("broken.sql", &broken);
    let place = format!("{file}:{}:{}", line + 1, column + 1);
    let log = folder.path("log");
    for arguments in [
        &["explain", &file][..],
        &["run", &file, "--log", &log],
        &["backtest", &file, "--readings", &file],
    ] {
        heartwatch(arguments).failed(2, &["hart_rate", &place]);
    }
}

#[test]
fn an_unknown_parameter_is_named() {
    heartwatch(&["explain", &shipped(), "--set", "windows=1 minute"]).failed(2, &["windows", "window"]);
    heartwatch(&["explain", &shipped(), "--set", "window"]).failed(2, &["NAME=VALUE"]);
}

#[test]
fn tail_of_a_topic_that_is_not_there_says_so() {
    let folder = Folder::new();
    let log = folder.path("log");
    heartwatch(&["tail", "readings", "--log", &log]).failed(2, &[&log, "no such folder"]);
    let file = folder.write("readings.jsonl", READING);
    heartwatch(&["produce", &file, "--log", &log, "--topic", "readings"]).succeeded();
    heartwatch(&["tail", "findngs", "--log", &log]).failed(2, &["there is no topic findngs"]);
}

#[test]
fn a_folder_that_is_no_log_is_left_alone() {
    let folder = Folder::new();
    let log = folder.path("");
    folder.write("letter.txt", "Dear reader");
    for arguments in [
        &["tail", "readings", "--log", &log][..],
        &["run", &shipped(), "--log", &log],
    ] {
        heartwatch(arguments).failed(2, &["other files"]);
    }
}

#[test]
fn a_second_engine_on_a_folder_is_refused() {
    let folder = Folder::new();
    let log = folder.path("log");
    let pipeline = shipped();
    let first = Started::new(&["run", &pipeline, "--log", &log]);
    first.wait_for("Ctrl-C stops it");
    heartwatch(&["run", &pipeline, "--log", &log]).failed(2, &["in use by engine still_out_of_range"]);
    assert_eq!(first.interrupt(), Some(0));
    // What the first gave back can be taken.
    heartwatch(&["run", &pipeline, "--log", &log, "--until-end"]).succeeded();
}

#[test]
fn what_fails_while_running_is_no_mistake_of_the_command_line() {
    let folder = Folder::new();
    let log = folder.path("log");
    let sql = std::fs::read_to_string(shipped()).expect("readable");
    let failing = sql.replace(
        "avg_heart_rate > max_heart_rate)",
        "max_heart_rate / (readings - readings) > 1)",
    );
    assert_ne!(failing, sql);
    let pipeline = folder.write("failing.sql", &failing);
    let second = |second: i64| READING.replace("1767225600000", &(1_767_225_600_000 + second * 1_000).to_string());
    let lines: Vec<String> = (0..20).map(second).collect();
    let readings = folder.write("readings.jsonl", &lines.join("\n"));
    let range = r#"{"user_id":"1","min_heart_rate":50,"max_heart_rate":60}"#;
    let baselines = folder.write("baselines.jsonl", range);
    heartwatch(&["produce", &readings, "--log", &log, "--topic", "readings"]).succeeded();
    heartwatch(&["produce", &baselines, "--log", &log, "--topic", "baselines"]).succeeded();
    let run = ["run", &pipeline, "--log", &log, "--until-end"];
    heartwatch(&run).failed(1, &["evaluating", "nullif"]);
    let backtest = [
        "backtest",
        &pipeline,
        "--readings",
        &readings,
        "--baselines",
        &baselines,
    ];
    heartwatch(&backtest).failed(1, &["evaluating", "nullif"]);
}
