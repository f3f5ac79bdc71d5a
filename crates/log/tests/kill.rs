//! `kill -9` at random moments: nothing committed is lost, nothing is half there.
//!
//! The test starts its own binary again as the writer, kills it, opens the folder and looks. It does not cut the power.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hw_log::batch::{BatchBuilder, Compression, Scratch, walk};
use hw_log::{Append, Commit, FolderLog, FolderOptions, Log, Role, TopicOptions, Transaction};

/// Tells the test binary to be the writer in this folder.
const WRITER: &str = "HW_LOG_TEST_WRITER";
const KILLS: u64 = 20;
/// Records of a transaction in each of the two partitions.
const RECORDS: u64 = 50;

/// Not a test of its own: what the killed process does. Transaction `n` appends its records to both partitions and
/// commits `n + 1`; it is printed once it was answered.
#[test]
fn writer() {
    let Some(folder) = std::env::var_os(WRITER) else { return };
    let log = FolderLog::open(folder, &FolderOptions::default()).unwrap();
    log.create_topic("t", &TopicOptions::stream(2)).unwrap();
    // What a real folder goes through as well: batches that leave memory for files, and cleaning.
    log.create_topic("table", &TopicOptions::table(1)).unwrap();
    let mut number = sequence(&log);
    let mut builder = BatchBuilder::new(Compression::None);
    loop {
        let mut appends = Vec::new();
        for (topic, partition) in [("t", 0), ("t", 1), ("table", 0)] {
            for index in 0..RECORDS {
                let value = [&number.to_be_bytes()[..], &[number as u8; 2_000]].concat();
                builder.push(number as i64, Some(&index.to_be_bytes()), Some(&value), &[]);
            }
            appends.push(Append {
                topic: topic.into(),
                partition,
                batch: builder.finish(),
            });
        }
        let commit = Commit {
            group: "g".into(),
            topic: "t".into(),
            partition: 0,
            offset: number + 1,
            metadata: Vec::new(),
        };
        log.append(&Transaction {
            appends,
            commits: vec![commit],
        })
        .unwrap();
        println!("answered {number}");
        number += 1;
        if number.is_multiple_of(40) {
            log.maintain(number as i64).unwrap();
        }
    }
}

/// The number of the next transaction, by the committed offset.
fn sequence(log: &FolderLog) -> u64 {
    log.committed("g").unwrap().first().map_or(0, |commit| commit.offset)
}

fn start(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer", "--nocapture", "--test-threads=1"])
        .env(WRITER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Lets it run for a while after its first answer, kills it, and gives the last transaction that it said was answered.
fn run_and_kill(folder: &Path, run: Duration) -> u64 {
    let mut child = start(folder);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let number = |line: &str| {
        line.split_once("answered ")
            .and_then(|(_, number)| number.parse::<u64>().ok())
    };
    let first = lines
        .by_ref()
        .find_map(|line| number(&line.unwrap()))
        .expect("it answers");
    let killer = std::thread::spawn(move || {
        std::thread::sleep(run);
        child.kill().unwrap();
        child.wait().unwrap();
    });
    // The last line may be cut off; a number that lost its end is too small to matter.
    let last = lines.filter_map(|line| number(&line.ok()?)).last().unwrap_or(first);
    killer.join().unwrap();
    last
}

/// The numbers of the transactions whose records a partition holds, each checked to be whole.
fn transactions(log: &FolderLog, topic: &str, partition: u32) -> u64 {
    let (mut next, mut records) = (0, 0);
    let mut scratch = Scratch::default();
    loop {
        let fetch = log.read(topic, partition, next, 4 << 20).unwrap();
        for batch in &fetch.batches {
            walk(batch, &mut scratch, |record| {
                assert_eq!(record.offset, records);
                assert_eq!(record.value.unwrap()[..8], (records / RECORDS).to_be_bytes());
                records += 1;
                ControlFlow::Continue(())
            })
            .unwrap();
        }
        if fetch.next_offset == fetch.end_offset {
            assert_eq!(records % RECORDS, 0, "a transaction is there in part");
            assert_eq!(fetch.end_offset, records);
            return records / RECORDS;
        }
        next = fetch.next_offset;
    }
}

#[test]
fn killed_at_random_moments_nothing_is_lost_or_torn() {
    let folder = tempfile::tempdir().unwrap();
    let mut noise = std::process::id() as u64;
    for kill in 0..KILLS {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let run = Duration::from_micros((noise >> 33) % 150_000);
        let answered = run_and_kill(folder.path(), run);
        let log = FolderLog::open(folder.path(), &FolderOptions::default()).unwrap();
        assert_eq!(log.role(), Role::Holder);
        let committed = sequence(&log);
        assert!(
            committed > answered,
            "kill {kill}: {answered} was answered, {committed} are committed"
        );
        for partition in [0, 1] {
            assert_eq!(
                transactions(&log, "t", partition),
                committed,
                "kill {kill}, partition {partition}"
            );
        }
        let table = log.ranges("table").unwrap()[0];
        assert_eq!(table.end, committed * RECORDS, "kill {kill}");
    }
}

/// Being a guest of a process that is killed: the error says to open again, and that makes the guest the holder.
#[test]
fn a_guest_survives_its_holder() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("answered")));
    let guest = FolderLog::open(folder.path(), &FolderOptions::default()).unwrap();
    assert_eq!(guest.role(), Role::Guest);
    let reading = std::thread::spawn(move || {
        loop {
            if let Err(error) = guest.read("t", 0, 0, 1 << 20) {
                return error;
            }
        }
    });
    std::thread::sleep(Duration::from_millis(30));
    child.kill().unwrap();
    child.wait().unwrap();
    let error = reading.join().unwrap();
    assert!(error.is_retriable(), "{error}");
    let log = FolderLog::open(folder.path(), &FolderOptions::default()).unwrap();
    assert_eq!(log.role(), Role::Holder);
    assert_eq!(transactions(&log, "t", 0), sequence(&log));
}
