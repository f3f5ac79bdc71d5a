//! `simulate` straight into a log: what comes there is what the files of the same seed hold.
//!
//! Who the people are is the town's own business.

use std::time::{Duration, Instant};

use crate::program::{Folder, Started, heartwatch};
use crate::readings::in_topic;

const TOWN: [&str; 7] = ["simulate", "--users", "30", "--for", "60s", "--seed", "7"];

/// What `produce` makes of the files.
fn by_files(folder: &Folder, more: &[&str]) -> (String, String) {
    let (log, readings, baselines) = (folder.path("by-files"), folder.path("r.jsonl"), folder.path("b.jsonl"));
    let files = ["--out", &readings, "--baselines", &baselines];
    heartwatch(&[&TOWN[..], &files, more].concat()).succeeded();
    for (file, topic) in [(&readings, "readings"), (&baselines, "baselines")] {
        heartwatch(&["produce", file, "--log", &log, "--topic", topic, "--strict"]).succeeded();
    }
    (in_topic(&log, "readings"), in_topic(&log, "baselines"))
}

#[test]
fn a_town_in_a_log_is_the_town_of_the_files() {
    for more in [&[][..], &["--like-original"]] {
        let folder = Folder::new();
        let (log, truth, other_truth) = (folder.path("log"), folder.path("t.jsonl"), folder.path("t2.jsonl"));
        let to_log = ["--log", &log, "--truth", &truth];
        let ended = heartwatch(&[&TOWN[..], &to_log, more].concat()).succeeded();
        let (readings, baselines) = by_files(&folder, &[more, &["--truth", &other_truth]].concat());
        let said = format!(
            "{} records appended to readings; all are acknowledged",
            readings.lines().count()
        );
        assert!(ended.err.contains(&said), "{}", ended.err);
        assert!(in_topic(&log, "readings") == readings);
        assert!(in_topic(&log, "baselines") == baselines);
        let read = |path| std::fs::read_to_string(path).expect("written");
        assert_eq!(read(&truth), read(&other_truth));
    }
}

#[test]
fn a_live_town_takes_its_time_and_stops_in_order() {
    let folder = Folder::new();
    let log = folder.path("log");
    let began = Instant::now();
    let live = ["--log", &log, "--speed", "30x", "--shift-to-now"];
    heartwatch(&[&TOWN[..], &live].concat()).succeeded();
    let took = began.elapsed();
    // What was held back to the end comes when it would; the last second begins after 59.
    assert!(took > Duration::from_millis(1_900), "{took:?}");
    assert!(in_topic(&log, "readings").lines().count() > 1_000);
    let (log, truth) = (folder.path("stopped"), folder.path("truth.jsonl"));
    let live = ["--log", &log, "--speed", "1x", "--truth", &truth];
    let town = Started::new(&[&TOWN[..], &live].concat());
    town.wait_for("records/s");
    let ended = town.interrupted();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let count = in_topic(&log, "readings").lines().count();
    let said = format!("{count} records appended to readings; stopped before the end");
    assert!(ended.err.contains(&said), "{count}:\n{}", ended.err);
    assert!((30..1_000).contains(&count), "{count}");
    assert!(std::path::Path::new(&truth).is_file(), "the truth so far");
}

#[test]
fn readings_go_to_one_place() {
    let folder = Folder::new();
    let (log, out) = (folder.path("log"), folder.path("out.jsonl"));
    heartwatch(&TOWN).failed(2, &["--out", "--log", "--kafka"]);
    heartwatch(&[&TOWN[..], &["--log", &log, "--out", &out]].concat()).failed(2, &["--log", "--out"]);
    heartwatch(&[&TOWN[..], &["--out", &out, "--speed", "1x"]].concat()).failed(2, &["--speed"]);
}
