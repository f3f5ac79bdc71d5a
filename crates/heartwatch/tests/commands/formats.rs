//! What `produce` reads: every kind of file, recordings, other columns' names, lines without a time.
//!
//! What is in the topic is asked of `tail`, never of `produce`.

use crate::program::{Folder, heartwatch, repository};
use crate::readings::{in_topic, now_ms, of_user, produce, readings};

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
fn nothing_is_produced_when_one_of_the_files_is_missing() {
    let folder = Folder::new();
    let (file, missing) = (
        folder.write("readings.jsonl", &readings(1, 1)),
        folder.path("missing.jsonl"),
    );
    let log = folder.path("log");
    produce(&file, &log, &[&missing]).failed(2, &["cannot read", &missing]);
    heartwatch(&["tail", "readings", "--log", &log]).failed(2, &["no such folder"]);
}
