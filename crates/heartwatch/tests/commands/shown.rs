//! What `tail` shows and what `import` writes.
//!
//! Whole lines are compared: their order of fields is a promise.

use crate::program::{Folder, heartwatch, produce_readings, shipped};

const TAIL: [&str; 2] = ["--from-beginning", "--until-end"];

fn tail(log: &str, topic: &str) -> String {
    heartwatch(&[&["tail", topic, "--log", log][..], &TAIL].concat())
        .succeeded()
        .out
}

fn reading(user: &str, second: u32, zipcode: &str, heart_rate: i32) -> String {
    format!(
        "{{\"heart_rate\":{heart_rate},\"user_id\":\"{user}\",\"time\":\"2026-01-01T00:00:{second:02}Z\"{zipcode},\
         \"latitude\":40.5,\"longitude\":-74.25}}\n"
    )
}

#[test]
fn fields_stand_in_the_schemas_order_and_a_zipcode_may_be_missing() {
    let folder = Folder::new();
    let log = folder.path("log");
    let lines = [
        reading("1", 0, ",\"zipcode\":7", 70),
        reading("1", 1, ",\"zipcode\":null", 71),
        reading("1", 2, "", 72),
    ];
    let file = folder.write("readings.jsonl", &lines.concat());
    heartwatch(&["produce", &file, "--log", &log, "--topic", "readings", "--strict"]).succeeded();
    let expected = [("00", "7", 70), ("01", "null", 71), ("02", "null", 72)].map(|(second, zipcode, heart_rate)| {
        format!(
            "{{\"user_id\":\"1\",\"time\":\"2026-01-01T00:00:{second}.000Z\",\"zipcode\":{zipcode},\"latitude\":40.5,\
             \"longitude\":-74.25,\"heart_rate\":{heart_rate}}}\n"
        )
    });
    assert_eq!(tail(&log, "readings"), expected.concat());
    let two = heartwatch(&["tail", "readings", "--log", &log, "--from-beginning", "--limit", "2"]).succeeded();
    assert_eq!(two.out, expected[..2].concat());
    heartwatch(&["tail", "readings", "--log", &log, "--limit", "0"]).failed(2, &["--limit"]);
}

#[test]
fn a_dead_letter_says_why_and_where_and_what_it_was() {
    let folder = Folder::new();
    let log = folder.path("log");
    let file = folder.write(
        "readings.jsonl",
        &[reading("1", 0, "", 70), reading("1", 1, "", 700)].concat(),
    );
    produce_readings(&file, &log, "1");
    heartwatch(&["run", &shipped(), "--log", &log, "--until-end"]).succeeded();
    assert_eq!(
        tail(&log, "still_out_of_range.dead-letters"),
        "{\"reason\":\"CHECK (heart_rate BETWEEN 1 AND 300) does not hold\",\"topic\":\"readings\",\"partition\":0,\
         \"offset\":1,\"key\":\"1\",\"time\":\"2026-01-01T00:00:01.000Z\",\"value\":{\"user_id\":\"1\",\"zipcode\":null,\
         \"latitude\":40.5,\"longitude\":-74.25,\"heart_rate\":700}}\n"
    );
}

#[test]
fn run_says_where_it_resumes() {
    let folder = Folder::new();
    let log = folder.path("log");
    let file = folder.write("readings.jsonl", &reading("1", 0, "", 70));
    produce_readings(&file, &log, "1");
    let run = || {
        heartwatch(&["run", &shipped(), "--log", &log, "--until-end"])
            .succeeded()
            .err
    };
    let (first, second) = (run(), run());
    assert!(
        first.contains("readings to findings: partition 0 from offset 0\n"),
        "{first}"
    );
    let resumed = "readings to findings: partition 0 from offset 1 (state rebuilt from 0)\n";
    assert!(second.contains(resumed), "{second}");
}

const EXPORT: &str =
    "When,Lat,Lon,HR,Power\n2026-01-01T00:00:00Z,40.5,-74.25,70,1\n2026-01-01T00:00:01Z,40.5,-74.25,,1\n";

#[test]
fn an_export_with_names_of_its_own_is_imported_to_standard_output() {
    let folder = Folder::new();
    let file = folder.write("export.csv", EXPORT);
    let import = ["import", &file, "--user", "17", "--out", "-"];
    heartwatch(&import).failed(2, &["no column holds the time", "When, Lat, Lon, HR, Power"]);
    let named = [&import[..], &["--column", "time=When", "--column", "heart_rate=HR"]].concat();
    let ended = heartwatch(&named).succeeded();
    assert_eq!(
        ended.out,
        "{\"user_id\":\"17\",\"time\":\"2026-01-01T00:00:00.000Z\",\"zipcode\":null,\"latitude\":40.5,\"longitude\":-74.25,\
         \"heart_rate\":70}\n"
    );
    assert!(
        ended.err.contains("1 readings, 1 skipped (no heart rate)"),
        "{}",
        ended.err
    );
    heartwatch(&[&import[..], &["--column", "pulse=HR"]].concat()).failed(2, &["pulse", "heart_rate"]);
}

#[test]
fn a_recording_is_imported_into_a_log() {
    let folder = Folder::new();
    let (file, log) = (folder.write("export.csv", EXPORT), folder.path("log"));
    let names = ["--column", "time=When", "--column", "heart_rate=HR"];
    let import = ["import", &file, "--user", "17", "--log", &log, "--zipcode", "9"];
    heartwatch(&[&import[..], &names].concat()).succeeded();
    assert_eq!(
        tail(&log, "readings"),
        "{\"user_id\":\"17\",\"time\":\"2026-01-01T00:00:00.000Z\",\"zipcode\":9,\"latitude\":40.5,\"longitude\":-74.25,\
         \"heart_rate\":70}\n"
    );
    heartwatch(&["import", &file, "--user", "17"]).failed(2, &["--out", "--log"]);
    heartwatch(&[&import[..], &["--out", "-"]].concat()).failed(2, &["--out"]);
}

#[test]
fn of_several_files_of_ranges_the_last_row_of_a_user_counts() {
    let folder = Folder::new();
    let readings: String = (0..30).map(|second| reading("1", second, "", 70)).collect();
    let readings = folder.write("readings.jsonl", &readings);
    let range = |name, max| {
        let line = format!("{{\"user_id\":\"1\",\"min_heart_rate\":50,\"max_heart_rate\":{max}}}\n");
        folder.write(name, &line)
    };
    let (wide, narrow) = (range("wide.jsonl", 100), range("narrow.jsonl", 60));
    let found = |first: &str, second: &str, batch: &[&str]| {
        let pipeline = shipped();
        let backtest = [
            "backtest",
            &pipeline,
            "--readings",
            &readings,
            "--baselines",
            first,
            "--baselines",
            second,
        ];
        heartwatch(&[&backtest[..], batch].concat()).succeeded().rows().len()
    };
    for batch in [&[][..], &["--batch"]] {
        assert_eq!(found(&narrow, &wide, batch), 0);
        assert_eq!(found(&wide, &narrow, batch), 22);
    }
}
