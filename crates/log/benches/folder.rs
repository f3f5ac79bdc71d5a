//! How fast a folder takes transactions and gives batches back.
//!
//! Appending is measured end to end: records built into lz4 batches and appended, twelve batches of 2,000 records a
//! transaction. Reading hops from batch to batch; with `walked`, every record is visited as well.

mod readings;

use std::ops::ControlFlow;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use hw_log::batch::{BatchBuilder, Compression, Scratch, walk};
use hw_log::{Append, Durability, FolderLog, FolderOptions, Log, TopicOptions, Transaction};
use readings::{RECORDS, fill, readings};

const PARTITIONS: u32 = 12;
/// About 300 MB of batches: more than the store keeps in memory.
const TRANSACTIONS: usize = 300;

fn main() {
    divan::main();
}

fn open(folder: &tempfile::TempDir, durability: Durability) -> FolderLog {
    let options = FolderOptions {
        durability,
        ..FolderOptions::default()
    };
    let log = FolderLog::open(folder.path(), &options).expect("an empty folder");
    log.create_topic("readings", &TopicOptions::stream(PARTITIONS))
        .expect("a new topic");
    log
}

fn transaction(builder: &mut BatchBuilder, readings: &[(String, Vec<u8>)]) -> Transaction {
    let appends = (0..PARTITIONS)
        .map(|partition| {
            fill(builder, readings);
            Append {
                topic: "readings".into(),
                partition,
                batch: builder.finish(),
            }
        })
        .collect();
    Transaction {
        appends,
        commits: Vec::new(),
    }
}

#[divan::bench(args = [Durability::Process, Durability::Power], sample_count = 100)]
fn build_and_append(bencher: Bencher<'_, '_>, durability: &Durability) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = open(&folder, *durability);
    let (readings, mut builder) = (readings(), BatchBuilder::new(Compression::Lz4));
    bencher
        .counter(ItemsCount::new(RECORDS * PARTITIONS as usize))
        .bench_local(|| {
            log.append(&transaction(&mut builder, &readings))
                .expect("a transaction in order");
        });
}

#[divan::bench(sample_count = 100)]
fn append_only(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = open(&folder, Durability::Process);
    let transaction = transaction(&mut BatchBuilder::new(Compression::Lz4), &readings());
    bencher
        .counter(ItemsCount::new(RECORDS * PARTITIONS as usize))
        .bench_local(|| {
            log.append(&transaction).expect("a transaction in order");
        });
}

/// One record a transaction: what a slow producer pays.
#[divan::bench(args = [Durability::Process, Durability::Power])]
fn append_single(bencher: Bencher<'_, '_>, durability: &Durability) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = open(&folder, *durability);
    let mut builder = BatchBuilder::new(Compression::Lz4);
    builder.push(0, Some(b"17"), Some(&[7; 39]), &[]);
    let append = Append {
        topic: "readings".into(),
        partition: 0,
        batch: builder.finish(),
    };
    let transaction = Transaction {
        appends: vec![append],
        commits: Vec::new(),
    };
    bencher.bench_local(|| log.append(&transaction).expect("a transaction in order"));
}

/// Reads everything once, from the files of a log that was closed in between.
fn read_all(log: &FolderLog, mut visit: impl FnMut(&[u8])) {
    for partition in 0..PARTITIONS {
        let mut next = 0;
        loop {
            let fetch = log
                .read("readings", partition, next, 1 << 20)
                .expect("offsets in order");
            fetch.batches.iter().for_each(|batch| visit(batch));
            next = fetch.next_offset;
            if next == fetch.end_offset {
                break;
            }
        }
    }
}

fn filled() -> (tempfile::TempDir, u64) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = open(&folder, Durability::Process);
    let transaction = transaction(&mut BatchBuilder::new(Compression::Lz4), &readings());
    for _ in 0..TRANSACTIONS {
        log.append(&transaction).expect("a transaction in order");
    }
    let batches: usize = transaction.appends.iter().map(|append| append.batch.len()).sum();
    (folder, (batches * TRANSACTIONS) as u64)
}

#[divan::bench(sample_count = 5)]
fn read(bencher: Bencher<'_, '_>) {
    let (folder, bytes) = filled();
    let log = open(&folder, Durability::Process);
    bencher
        .counter(BytesCount::new(bytes))
        .bench_local(|| read_all(&log, |_| {}));
}

#[divan::bench(sample_count = 5)]
fn read_through_the_socket(bencher: Bencher<'_, '_>) {
    let (folder, bytes) = filled();
    let _holder = open(&folder, Durability::Process);
    let guest = open(&folder, Durability::Process);
    bencher
        .counter(BytesCount::new(bytes))
        .bench_local(|| read_all(&guest, |_| {}));
}

#[divan::bench(sample_count = 5)]
fn read_walked(bencher: Bencher<'_, '_>) {
    let (folder, _) = filled();
    let log = open(&folder, Durability::Process);
    let mut scratch = Scratch::default();
    bencher
        .counter(ItemsCount::new(RECORDS * PARTITIONS as usize * TRANSACTIONS))
        .bench_local(|| {
            let mut sum = 0;
            read_all(&log, |batch| {
                let visit = |record: hw_log::batch::Record<'_>| {
                    sum += record.offset;
                    ControlFlow::Continue(())
                };
                walk(batch, &mut scratch, visit).expect("batches in order");
            });
            sum
        });
}
