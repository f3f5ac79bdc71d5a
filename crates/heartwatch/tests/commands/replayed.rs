//! `produce` as a replay: every kind of file, every pace, and what it says at the end.
//!
//! What is in the topic is asked of `tail`, never of `produce`.

use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::program::{Ended, Folder, Started, heartwatch, repository};

const START_MS: i64 = 1_767_225_600_000;

/// JSON lines of so many seconds of so many users, second by second.
fn readings(users: usize, seconds: usize) -> String {
    let line = |second: usize, user: usize| {
        let time_ms = START_MS + second as i64 * 1_000;
        format!(
            "{{\"user_id\":\"{user}\",\"time\":{time_ms},\"zipcode\":{user},\"latitude\":40.5,\"longitude\":-74.25,\"heart_rate\":{}}}\n",
            60 + second % 50
        )
    };
    (0..seconds)
        .flat_map(|second| (0..users).map(move |user| line(second, user)))
        .collect()
}

fn produce(file: &str, log: &str, more: &[&str]) -> Ended {
    heartwatch(&[&["produce", file, "--log", log, "--topic", "readings"][..], more].concat())
}

/// What is in the topic, as printed: partition by partition.
fn in_topic(log: &str, topic: &str) -> String {
    let tail = ["tail", topic, "--log", log, "--from-beginning", "--until-end"];
    heartwatch(&tail).succeeded().out
}

/// Times and heart rates of a user, in the topic's order.
fn of_user(printed: &str, user: &str) -> Vec<(i64, i64)> {
    let rows = printed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let own = rows.filter(|row| row["user_id"] == user);
    own.map(|row| {
        let time = row["time"].as_str().expect("a time");
        (ms(time), row["heart_rate"].as_i64().expect("a number"))
    })
    .collect()
}

/// `2026-01-01T00:00:07.250Z`; only days and what is smaller differ in these tests.
fn ms(time: &str) -> i64 {
    let number = |from: usize, to: usize| -> i64 { time[from..to].parse().expect("digits") };
    let day = days_since_epoch(number(0, 4), number(5, 7), number(8, 10));
    (((day * 24 + number(11, 13)) * 60 + number(14, 16)) * 60 + number(17, 19)) * 1_000 + number(20, 23)
}

fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let years: i64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let february = if leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    years + months[..month as usize - 1].iter().sum::<i64>() + day - 1
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.expect("after 1970").as_millis() as i64
}

/// The number before `records appended`.
fn appended(said: &str) -> usize {
    let line = said
        .lines()
        .find(|line| line.contains("records appended"))
        .expect("a last line");
    line.split(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .expect("a number")
}

#[test]
fn every_kind_of_table_gives_the_same_records() {
    let folder = Folder::new();
    let lines = readings(1, 50);
    let jsonl = folder.write("readings.jsonl", &lines);
    let expected = {
        let log = folder.path("jsonl");
        produce(&jsonl, &log, &["--strict"]).succeeded();
        in_topic(&log, "readings")
    };
    assert_eq!(expected.lines().count(), 50);
    let keyed: String = lines
        .lines()
        .map(|line| format!("0:{}\n", line.replace("\"user_id\":\"0\",", "")))
        .collect();
    folder.write("keyed.data", &keyed);
    for name in ["written.csv", "written.parquet"] {
        let import = [
            "import",
            &jsonl,
            "--user",
            "0",
            "--zipcode",
            "0",
            "--out",
            &folder.path(name),
        ];
        heartwatch(&import).succeeded();
    }
    for name in ["keyed.data", "written.csv", "written.parquet"] {
        let log = folder.path(&format!("log-of-{name}"));
        let ended = produce(&folder.path(name), &log, &["--strict"]).succeeded();
        assert!(
            ended.err.contains("50 records appended to readings, 0 malformed"),
            "{name}: {}",
            ended.err
        );
        assert_eq!(in_topic(&log, "readings"), expected, "{name}");
    }
}

const GPX: &str = "<gpx><trk><trkseg>\
    <trkpt lat=\"46.1\" lon=\"15.2\"><time>2026-01-01T00:00:00Z</time><extensions><hr>66</hr></extensions></trkpt>\
    <trkpt lat=\"46.2\" lon=\"15.2\"><time>2026-01-01T00:00:01Z</time></trkpt>\
    <trkpt lat=\"46.3\" lon=\"15.2\"><time>2026-01-01T00:00:02Z</time><extensions><hr>67</hr></extensions></trkpt>\
    </trkseg></trk></gpx>";
const TCX: &str = "<TrainingCenterDatabase><Track>\
    <Trackpoint><Time>2026-01-01T00:00:03Z</Time><Position><LatitudeDegrees>46.4</LatitudeDegrees>\
    <LongitudeDegrees>15.2</LongitudeDegrees></Position><HeartRateBpm><Value>68</Value></HeartRateBpm></Trackpoint>\
    </Track></TrainingCenterDatabase>";

#[test]
fn recordings_of_a_user_are_produced_as_import_reads_them() {
    let folder = Folder::new();
    let (gpx, tcx) = (folder.write("walk.gpx", GPX), folder.write("walk.tcx", TCX));
    let csv = folder.write(
        "export.csv",
        "When,Lat,Lon,HR\n2026-01-01T00:00:04Z,46.5,15.2,69\nnever,46.5,15.2,69\n",
    );
    let log = folder.path("log");
    produce(&gpx, &log, &[]).failed(2, &[&gpx, "--user"]);
    let arguments = [
        tcx.as_str(),
        &csv,
        "--user",
        "17",
        "--zipcode",
        "9",
        "--column",
        "time=When",
    ];
    let ended = produce(&gpx, &log, &arguments).succeeded();
    for text in [
        "walk.gpx: 2 readings, 1 skipped (no heart rate)",
        "export.csv: 1 readings, 1 skipped (no time)",
        "4 records appended to readings, 2 points skipped",
    ] {
        assert!(ended.err.contains(text), "{text}:\n{}", ended.err);
    }
    let (imported, from_import) = (folder.path("import.jsonl"), folder.path("from-import"));
    let import = [
        "import",
        &gpx,
        &tcx,
        &csv,
        "--user",
        "17",
        "--zipcode",
        "9",
        "--column",
        "time=When",
    ];
    heartwatch(&[&import[..], &["--out", &imported]].concat()).succeeded();
    produce(&imported, &from_import, &["--strict"]).succeeded();
    assert_eq!(in_topic(&log, "readings"), in_topic(&from_import, "readings"));
    // Ranges are no recordings, and a cut file is not taken for a whole one.
    let baselines = ["produce", &gpx, "--log", &log, "--topic", "baselines", "--user", "17"];
    heartwatch(&baselines).failed(2, &["min_heart_rate"]);
    let cut = folder.write("cut.gpx", &GPX[..GPX.len() - 60]);
    produce(&cut, &log, &["--user", "17", "--strict"]).failed(2, &["cut.gpx"]);
}

#[test]
fn real_recordings_are_produced_whole() {
    let tracks = repository("../shared/data/tracks");
    if !std::path::Path::new(&tracks).is_dir() {
        eprintln!("left out: there are no recordings in {tracks}");
        return;
    }
    for name in [
        "edge-2013-02-06.fit",
        "edge-500-records.csv",
        "ride-stops.gpx",
        "walk-calm.tcx",
    ] {
        let folder = Folder::new();
        let (file, log, out) = (format!("{tracks}/{name}"), folder.path("log"), folder.path("out.jsonl"));
        produce(&file, &log, &["--user", "17"]).succeeded();
        heartwatch(&["import", &file, "--user", "17", "--out", &out]).succeeded();
        assert_eq!(
            in_topic(&log, "readings"),
            std::fs::read_to_string(&out).expect("written"),
            "{name}"
        );
    }
}

#[test]
fn columns_may_have_other_names() {
    let folder = Folder::new();
    let log = folder.path("log");
    let csv = folder.write(
        "x.csv",
        "who;when;latitude;longitude;heart_rate\n7;2026-01-01T00:00:00Z;1.5;2.5;70\n",
    );
    let named = ["--column", "user_id=who", "--column", "time=when"];
    produce(&csv, &log, &[]).failed(2, &["no column \"user_id\"", "who, when"]);
    produce(&csv, &log, &["--column", "user=who"]).failed(2, &["\"user\"", "user_id, zipcode"]);
    produce(&csv, &log, &named).succeeded();
    let jsonl = folder.write(
        "x.jsonl",
        "{\"who\":7,\"when\":1767225600000,\"latitude\":1.5,\"longitude\":2.5,\"heart_rate\":70}\n",
    );
    produce(&jsonl, &log, &named).succeeded();
    let printed = in_topic(&log, "readings");
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], lines[1]);
}

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
fn lines_of_the_predecessor_have_no_time_and_may_get_that_of_their_sending() {
    let folder = Folder::new();
    let log = folder.path("log");
    let line = |user: u32| {
        format!(
            "{user}:{{\"user_id\":\"{user}\",\"zipcode\":10001,\"latitude\":40.5,\"longitude\":-74.25,\"heart_rate\":70}}\n"
        )
    };
    let bad = line(1).replace("40.5", "\"north\"");
    let file = folder.write("old.data", &format!("{}{bad}{}", line(1), line(2)));
    let place = format!("{file}:2:{}", bad.find("\"north\"").expect("stands there") + 1);
    let ended = produce(&file, &log, &[]).succeeded();
    for text in ["\"time\" is missing", "0 records appended", "--now"] {
        assert!(ended.err.contains(text), "{text}:\n{}", ended.err);
    }
    let before = now_ms();
    let ended = produce(&file, &log, &["--now"]).succeeded();
    for text in [
        &place,
        "2 records appended to readings, 1 malformed lines skipped; all are acknowledged",
    ] {
        assert!(ended.err.contains(text), "{text}:\n{}", ended.err);
    }
    let printed = in_topic(&log, "readings");
    for user in ["1", "2"] {
        let seen = of_user(&printed, user);
        assert!(seen.len() == 1 && (before..=now_ms()).contains(&seen[0].0), "{seen:?}");
    }
    produce(&file, &log, &["--now", "--strict"]).failed(2, &[&place]);
    produce(&file, &log, &["--now", "--shift-to-now"]).failed(2, &["--now", "--shift-to-now"]);
}

#[test]
fn batch_sizes_are_bounded() {
    let folder = Folder::new();
    let file = folder.write("readings.jsonl", &readings(1, 1));
    for size in ["10", "64q", "1g"] {
        produce(&file, &folder.path("log"), &["--batch-size", size]).failed(2, &["--batch-size", "64k"]);
    }
}
