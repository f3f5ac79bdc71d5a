//! Processes that end without a word, and others that go on: nothing is lost, nothing is said twice.
//!
//! What is killed here is killed by SIGKILL, while records are on their way.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::Command;
use std::sync::mpsc::sync_channel;

use crate::program::{Folder, PATIENCE, Started, heartwatch, produce_readings, shipped};

const USERS: usize = 100;
/// Enough for several of produce's transactions, one of which ends within.
const PART_SECONDS: usize = 300;

/// Readings of everyone for some seconds: nobody moves, all in order, so that no idle moment changes an answer. Every
/// tenth user is out of the range of 50 to 100 for half of each minute.
fn write_seconds(out: impl Write, from: usize, seconds: usize) {
    let mut out = BufWriter::new(out);
    for second in from..from + seconds {
        let time_ms = 1_767_225_600_000 + second as u64 * 1_000;
        for user in 0..USERS {
            let is_out = user % 10 == 0 && (second + user) % 60 < 30;
            let heart_rate = if is_out { 130 } else { 60 + second % 30 };
            writeln!(
                out,
                r#"{{"user_id":"{user}","time":{time_ms},"zipcode":1,"latitude":40.5,"longitude":-74.25,"heart_rate":{heart_rate}}}"#
            )
            .expect("somebody reads");
        }
    }
    out.flush().expect("somebody reads");
}

/// Opens a pipe for writing; that waits for its reader, and would wait for ever if the reader failed before.
fn opened_by_a_reader(pipe: &str) -> File {
    let (sender, opened) = sync_channel(1);
    let pipe = pipe.to_owned();
    std::thread::spawn(move || sender.send(File::create(pipe)));
    let opened = opened.recv_timeout(PATIENCE).expect("somebody opens it for reading");
    opened.expect("a pipe of our own")
}

fn produce_baselines(folder: &Folder, log: &str) {
    let lines: String = (0..USERS)
        .map(|user| format!("{{\"user_id\":\"{user}\",\"min_heart_rate\":50,\"max_heart_rate\":100}}\n"))
        .collect();
    let file = folder.write("baselines.jsonl", &lines);
    heartwatch(&["produce", &file, "--log", log, "--topic", "baselines"]).succeeded();
}

fn findings(log: &str) -> Vec<String> {
    heartwatch(&["tail", "findings", "--log", log, "--from-beginning", "--until-end"])
        .succeeded()
        .rows()
}

fn run_to_end(log: &str) {
    heartwatch(&["run", &shipped(), "--log", log, "--until-end"]).succeeded();
}

/// The findings of a run that nobody disturbs.
fn unbroken(folder: &Folder, seconds: usize) -> Vec<String> {
    let (log, file) = (folder.path("unbroken"), folder.path("all.jsonl"));
    write_seconds(File::create(&file).expect("writable"), 0, seconds);
    produce_baselines(folder, &log);
    produce_readings(&file, &log, "2");
    run_to_end(&log);
    findings(&log)
}

#[test]
fn an_engine_killed_again_and_again_answers_everything_once() {
    const ROUNDS: usize = 4;
    let folder = Folder::new();
    let log = folder.path("log");
    produce_baselines(&folder, &log);
    let pipeline = shipped();
    let mut answered = 0;
    for round in 0..ROUNDS {
        let pipe = folder.path(&format!("round-{round}.jsonl"));
        assert!(
            Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .expect("mkfifo is there")
                .success()
        );
        // The engine holds the folder, and the producer is its guest: it loses its host in the middle of the file.
        let engine = Started::new(&["run", &pipeline, "--log", &log, "--partitions", "2"]);
        engine.wait_for("Ctrl-C stops it");
        let producer = Started::new(&[
            "produce",
            &pipe,
            "--log",
            &log,
            "--topic",
            "readings",
            "--partitions",
            "2",
            "--processes",
            // Two that lose their host at once have a receipt each.
            if round % 2 == 0 { "1" } else { "2" },
        ]);
        let mut writing = opened_by_a_reader(&pipe);
        let from = round * 2 * PART_SECONDS;
        write_seconds(&mut writing, from, PART_SECONDS);
        if round > 0 {
            // Killed between two answers rather than before the first.
            let limit = (answered + 1).to_string();
            heartwatch(&["tail", "findings", "--log", &log, "--from-beginning", "--limit", &limit]).succeeded();
        }
        engine.kill();
        write_seconds(&mut writing, from + PART_SECONDS, PART_SECONDS);
        drop(writing);
        producer.wait_for("is open again");
        let said = producer.wait_for("records appended");
        assert!(
            said.starts_with(&format!("{} records", 2 * PART_SECONDS * USERS)),
            "{said}"
        );
        assert_eq!(producer.ended(), Some(0));
        answered = findings(&log).len();
    }
    run_to_end(&log);
    let expected = unbroken(&folder, ROUNDS * 2 * PART_SECONDS);
    assert!(
        expected.len() > 1_000,
        "a test over {} findings shows little",
        expected.len()
    );
    assert!(
        0 < answered && answered < expected.len(),
        "{answered} before the last run"
    );
    let found = findings(&log);
    assert_eq!(found.len(), expected.len());
    assert!(found == expected, "as many findings, but others");
}

#[test]
fn run_and_tail_go_on_when_the_process_that_holds_the_folder_ends() {
    let folder = Folder::new();
    let log = folder.path("log");
    produce_baselines(&folder, &log);
    let produce = |from| {
        let file = folder.path("minute.jsonl");
        write_seconds(File::create(&file).expect("writable"), from, 60);
        heartwatch(&["produce", &file, "--log", &log, "--topic", "readings"]).succeeded();
    };
    let pipeline = shipped();
    let run = ["run", &pipeline, "--log", &log];
    let first = Started::new(&run);
    first.wait_for("Ctrl-C stops it");
    let tail = Started::new(&["tail", "findings", "--log", &log, "--from-beginning"]);
    produce(0);
    tail.wait_for_out("2026-01-01T00:00:20.000Z");
    first.kill();
    // Nobody else is there: now the tail holds the folder, and the next engine is its guest.
    tail.wait_for("is open again");
    let second = Started::new(&run);
    second.wait_for("Ctrl-C stops it");
    produce(60);
    tail.wait_for_out("2026-01-01T00:01:20.000Z");
    tail.kill();
    second.wait_for("is open again");
    second.wait_for("Ctrl-C stops it");
    produce(120);
    assert_eq!(second.interrupt(), Some(0));
    run_to_end(&log);
    assert!(findings(&log) == unbroken(&folder, 180));
}
