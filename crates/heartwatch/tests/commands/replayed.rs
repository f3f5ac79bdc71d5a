//! `produce` as a replay: producers side by side, every pace, rounds, and how it ends.
//!
//! What is in the topic is asked of `tail`, never of `produce`.

use std::time::{Duration, Instant};

use crate::program::{Folder, Started, heartwatch};
use crate::readings::{START_MS, appended, in_topic, now_ms, of_user, produce, readings};

#[test]
fn producers_side_by_side_keep_everyones_order_and_lose_nothing() {
    let folder = Folder::new();
    let file = folder.write("readings.jsonl", &readings(40, 500));
    let (alone, together) = (folder.path("alone"), folder.path("together"));
    produce(&file, &alone, &["--partitions", "5"]).succeeded();
    let more = ["--partitions", "5", "--processes", "3", "--batch-size", "4k"];
    let ended = produce(&file, &together, &more).succeeded();
    assert_eq!(appended(&ended.err), 20_000);
    // Partition by partition the same, whoever wrote it.
    assert!(in_topic(&alone, "readings") == in_topic(&together, "readings"));
    let ended = produce(&file, &folder.path("few"), &["--partitions", "2", "--processes", "3"]).succeeded();
    assert!(
        ended.err.contains("as many as topic readings has partitions: 2"),
        "{}",
        ended.err
    );
    assert_eq!(appended(&ended.err), 20_000);
}

#[test]
fn a_rate_is_kept_and_how_far_it_is_is_said() {
    let folder = Folder::new();
    let file = folder.write("readings.jsonl", &readings(10, 100));
    let log = folder.path("log");
    let began = Instant::now();
    let ended = produce(&file, &log, &["--rate", "300", "--processes", "2"]).succeeded();
    let took = began.elapsed();
    // The last portion of fifteen is due a twentieth of a second before the end.
    assert!(took > Duration::from_millis(3_200), "{took:?}");
    assert_eq!(appended(&ended.err), 1_000);
    let line = ended.err.lines().find(|line| line.ends_with(" left"));
    let line = line.unwrap_or_else(|| panic!("no line says how far it is:\n{}", ended.err));
    assert!(line.contains(" records, ") && line.contains(" records/s, "), "{line}");
    produce(&file, &log, &["--rate", "300", "--speed", "1x"]).failed(2, &["--rate", "--speed"]);
    produce(&file, &log, &["--speed", "fast"]).failed(2, &["10x"]);
}

#[test]
fn recorded_time_passes_so_many_times_as_fast_and_may_begin_now() {
    let folder = Folder::new();
    let file = folder.write("readings.jsonl", &readings(3, 21));
    let log = folder.path("log");
    let (before, began) = (now_ms(), Instant::now());
    produce(&file, &log, &["--speed", "10x", "--shift-to-now"]).succeeded();
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(2), "{took:?}");
    let seen = of_user(&in_topic(&log, "readings"), "1");
    assert_eq!(seen.len(), 21);
    let first_ms = seen[0].0;
    assert!(
        (before..=now_ms()).contains(&first_ms),
        "{first_ms} is not between {before} and now"
    );
    let seconds: Vec<i64> = seen.iter().map(|(time_ms, _)| time_ms - first_ms).collect();
    assert_eq!(seconds, (0..21).map(|second| second * 1_000).collect::<Vec<i64>>());
    let ranges = folder.write("ranges.jsonl", "{\"min_heart_rate\":51,\"max_heart_rate\":108}\n");
    for option in [&["--speed", "10x"][..], &["--shift-to-now"], &["--now"]] {
        let baselines = ["produce", &ranges, "--log", &log, "--topic", "baselines"];
        heartwatch(&[&baselines[..], option].concat()).failed(2, &[option[0], "baselines"]);
    }
}

#[test]
fn rounds_follow_one_another_until_the_time_is_over() {
    let folder = Folder::new();
    let file = folder.write("readings.jsonl", &readings(2, 10));
    let log = folder.path("log");
    let ended = produce(&file, &log, &["--loop", "--for", "1s", "--rate", "50"]).succeeded();
    let count = appended(&ended.err);
    assert!((40..=60).contains(&count), "{}", ended.err);
    assert!(
        ended.err.contains(" 2 whole rounds; stopped before the end"),
        "{}",
        ended.err
    );
    let printed = in_topic(&log, "readings");
    assert_eq!(printed.lines().count(), count);
    let expected = |index: i64| (START_MS + index * 1_000, 60 + index % 10);
    for user in ["0", "1"] {
        let seen = of_user(&printed, user);
        let expected: Vec<_> = (0..seen.len() as i64).map(expected).collect();
        assert_eq!(seen, expected);
    }
    let empty = folder.write("empty.jsonl", "\n");
    let ended = produce(&empty, &log, &["--loop"]).succeeded();
    assert_eq!(appended(&ended.err), 0);
}

#[test]
fn ctrl_c_brings_in_what_was_sent_and_says_how_much() {
    let folder = Folder::new();
    let file = folder.write("readings.jsonl", &readings(20, 50));
    for pace in [&["--rate", "2000"][..], &["--processes", "3"], &["--speed", "20x"]] {
        let log = folder.path(pace[0]);
        let produce = ["produce", &file, "--log", &log, "--topic", "readings", "--loop"];
        let producer = Started::new(&[&produce[..], pace].concat());
        producer.wait_for("records/s");
        let ended = producer.interrupted();
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        for text in [
            "stopping",
            "whole rounds; stopped before the end, all that was sent is acknowledged",
        ] {
            assert!(ended.err.contains(text), "{text}:\n{}", ended.err);
        }
        let printed = in_topic(&log, "readings");
        assert_eq!(printed.lines().count(), appended(&ended.err), "{pace:?}");
        // The first of the files' readings and no others, in order, whenever it was.
        for user in ["0", "19"] {
            let seen = of_user(&printed, user);
            let expected: Vec<_> = (0..seen.len() as i64)
                .map(|index| (START_MS + index * 1_000, 60 + index % 50))
                .collect();
            assert!(seen.len() > 10 && seen == expected, "{pace:?}");
        }
    }
}

#[test]
fn batch_sizes_are_bounded() {
    let folder = Folder::new();
    let file = folder.write("readings.jsonl", &readings(1, 1));
    for size in ["10", "64q", "1g"] {
        produce(&file, &folder.path("log"), &["--batch-size", size]).failed(2, &["--batch-size", "64k"]);
    }
}

#[test]
fn a_long_wait_is_said_and_ends_with_ctrl_c() {
    let folder = Folder::new();
    let hour = readings(1, 3_600);
    let lines = readings(1, 1) + hour.lines().last().expect("an hour");
    let (file, log) = (folder.write("readings.jsonl", &lines), folder.path("log"));
    let producer = Started::new(&["produce", &file, "--log", &log, "--topic", "readings", "--speed", "10x"]);
    let said = producer.wait_for("the next reading was recorded later");
    assert!(said.contains("it is sent in 35"), "{said}");
    let ended = producer.interrupted();
    assert_eq!((ended.code, appended(&ended.err)), (Some(0), 1), "{}", ended.err);
    assert_eq!(in_topic(&log, "readings").lines().count(), 1);
}
