//! Workers of a group copy a topic, each record once, while workers come, go, hang and are gone.
//!
//! Who gets which partition, the unit tests look at; here it is what comes out that counts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hw_log::batch::{BatchBuilder, Compression, Scratch, walk};
use hw_log::kafka::{KafkaLog, Settings, TopicSchemas};
use hw_log::{Append, Change, Commit, Log, LogError, Membership, Seat, TopicOptions, Transaction};

const PARTITIONS: u32 = 6;
const RECORDS: u64 = 6_000;
/// Records of one batch, which is what a worker copies at a time.
const BATCH: u64 = 10;
const GROUP: &str = "copy";

const WORK: u8 = 0;
const LEAVE: u8 = 1;
const HANG: u8 = 2;
const VANISH: u8 = 3;

#[test]
fn each_record_once_classic() {
    each_record_once("classic");
}

#[test]
fn each_record_once_consumer() {
    each_record_once("consumer");
}

fn each_record_once(protocol: &'static str) {
    let Ok(bootstrap) = std::env::var("HEARTWATCH_TEST_KAFKA") else {
        eprintln!("skipped: HEARTWATCH_TEST_KAFKA=host:port names no broker");
        return;
    };
    let namespace = format!("group-copy-{protocol}-{}-", std::process::id());
    let open = || open(&bootstrap, protocol, &namespace);
    let log = open();
    fill(&log);
    let mut workers: Vec<Worker> = (0..2).map(|_| Worker::start(open())).collect();
    // Nobody is lost while workers only come and go.
    for joins in [true, true, false, true, false] {
        thread::sleep(Duration::from_millis(1_500));
        if joins {
            workers.push(Worker::start(open()));
        } else {
            workers.remove(0).end(LEAVE);
        }
    }
    thread::sleep(Duration::from_millis(1_500));
    let replays: usize = workers
        .iter()
        .map(|worker| worker.replays.load(Ordering::Relaxed))
        .sum();
    println!("replays while workers come and go: {replays}");
    workers.remove(0).end(VANISH);
    workers[0].order.store(HANG, Ordering::Relaxed);
    let start = Instant::now();
    while copied(&log) < PARTITIONS as usize * RECORDS as usize {
        assert!(
            start.elapsed() < Duration::from_secs(150),
            "{} are copied",
            copied(&log)
        );
        thread::sleep(Duration::from_millis(500));
    }
    for worker in workers {
        worker.end(LEAVE);
    }
    assert_eq!(
        copied(&log),
        PARTITIONS as usize * RECORDS as usize,
        "some were copied twice"
    );
    let ends: BTreeSet<u64> = log
        .committed(GROUP)
        .unwrap()
        .iter()
        .map(|commit| commit.offset)
        .collect();
    assert_eq!(ends, BTreeSet::from([RECORDS]));
    assert_eq!(replays, 0, "a worker that only shares its partitions out works on");
}

fn open(bootstrap: &str, protocol: &str, namespace: &str) -> KafkaLog {
    let properties: BTreeMap<String, String> = [
        ("bootstrap.servers", bootstrap),
        ("group.protocol", protocol),
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "300"),
        ("heartwatch.namespace", namespace),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let settings = Settings::from_properties(&properties).unwrap();
    let schemas = TopicSchemas::open(settings.clone()).unwrap();
    KafkaLog::open(settings, Arc::new(schemas)).unwrap()
}

fn fill(log: &KafkaLog) {
    log.create_topic("in", &TopicOptions::stream(PARTITIONS)).unwrap();
    log.create_topic("out", &TopicOptions::stream(1)).unwrap();
    let mut builder = BatchBuilder::new(Compression::None);
    let mut pipeline = log.pipeline(1 << 20).unwrap();
    for partition in 0..PARTITIONS {
        for number in 0..RECORDS {
            builder.push(
                number as i64,
                None,
                Some(format!("{partition}/{number}").as_bytes()),
                &[],
            );
            if number % BATCH == BATCH - 1 {
                let append = Append {
                    topic: "in".into(),
                    partition,
                    batch: builder.finish(),
                };
                pipeline.send(append).unwrap();
            }
        }
    }
    pipeline.flush().unwrap();
}

/// How many records came out. Each has to be another.
fn copied(log: &KafkaLog) -> usize {
    let end = log.ranges("out").unwrap()[0].end;
    let (mut place, mut seen) = (0, BTreeSet::new());
    while place < end {
        let fetch = log.read("out", 0, place, 1 << 20).unwrap();
        for batch in &fetch.batches {
            walk(batch, &mut Scratch::default(), |record| {
                let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                assert!(seen.insert(value.clone()), "{value} came out twice");
                ControlFlow::Continue(())
            })
            .unwrap();
        }
        if fetch.next_offset == place {
            thread::sleep(Duration::from_millis(10));
        }
        place = fetch.next_offset;
        if fetch.batches.is_empty() && fetch.next_offset >= fetch.end_offset {
            break;
        }
    }
    seen.len()
}

struct Worker {
    order: Arc<AtomicU8>,
    /// How often it had to take its work up from the last commit.
    replays: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Worker {
    fn start(log: KafkaLog) -> Worker {
        let order = Arc::new(AtomicU8::new(WORK));
        let replays = Arc::new(AtomicUsize::new(0));
        let thread = thread::spawn({
            let (order, replays) = (Arc::clone(&order), Arc::clone(&replays));
            move || {
                let log = log.for_worker(GROUP, Seat::ONLY).unwrap().unwrap();
                let mut copying = Copying {
                    membership: log.join(GROUP, "in", Seat::ONLY).unwrap(),
                    log,
                    places: BTreeMap::new(),
                    replays,
                };
                copying.work(&order);
            }
        });
        Worker { order, replays, thread }
    }

    fn end(self, order: u8) {
        self.order.store(order, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

struct Copying {
    log: Arc<dyn Log>,
    membership: Box<dyn Membership>,
    places: BTreeMap<u32, u64>,
    replays: Arc<AtomicUsize>,
}

impl Copying {
    fn work(&mut self, order: &AtomicU8) {
        loop {
            match order.load(Ordering::Relaxed) {
                LEAVE => return self.membership.leave().unwrap(),
                VANISH => return,
                HANG => {
                    thread::sleep(Duration::from_secs(9));
                    // Another order may have come meanwhile.
                    let _ = order.compare_exchange(HANG, WORK, Ordering::Relaxed, Ordering::Relaxed);
                }
                _ => {}
            }
            while let Some(change) = self.membership.poll().unwrap() {
                self.obey(&change);
            }
            for partition in self.places.keys().copied().collect::<Vec<u32>>() {
                match self.copy(partition) {
                    Ok(()) => {}
                    Err(error) if error.asks_to_start_over() => {
                        eprintln!("{error}");
                        self.replays.fetch_add(1, Ordering::Relaxed);
                        let all: Vec<u32> = self.places.keys().copied().collect();
                        self.take_up(&all);
                        break;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn obey(&mut self, change: &Change) {
        match change {
            Change::Assigned(partitions) => self.take_up(partitions),
            Change::Revoked(partitions) => {
                self.places.retain(|partition, _| !partitions.contains(partition));
                self.membership.released().unwrap();
            }
            Change::Lost(partitions) => {
                self.replays.fetch_add(1, Ordering::Relaxed);
                self.places.retain(|partition, _| !partitions.contains(partition));
            }
        }
    }

    fn take_up(&mut self, partitions: &[u32]) {
        let commits = self.log.committed(GROUP).unwrap();
        for &partition in partitions {
            let commit = commits.iter().find(|commit| commit.partition == partition);
            self.places.insert(partition, commit.map_or(0, |commit| commit.offset));
        }
    }

    /// Copies one batch, if there is one.
    fn copy(&mut self, partition: u32) -> Result<(), LogError> {
        let place = self.places[&partition];
        let fetch = self.log.read("in", partition, place, 1)?;
        let Some(batch) = fetch.batches.first() else {
            return Ok(());
        };
        let mut builder = BatchBuilder::new(Compression::None);
        let mut next = place;
        walk(batch, &mut Scratch::default(), |record| {
            if record.offset >= place {
                builder.push(record.timestamp_ms, record.key, record.value, &[]);
                next = record.offset + 1;
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        let append = Append {
            topic: "out".into(),
            partition: 0,
            batch: builder.finish(),
        };
        let commit = Commit {
            group: GROUP.into(),
            topic: "in".into(),
            partition,
            offset: next,
            metadata: Vec::new(),
        };
        self.log.append(&Transaction {
            appends: vec![append],
            commits: vec![commit],
        })?;
        self.places.insert(partition, next);
        Ok(())
    }
}
