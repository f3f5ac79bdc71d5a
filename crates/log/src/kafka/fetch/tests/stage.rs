//! `Stage`: a fetcher's state without threads, and a broker of our own making that it is played with.
//!
//! Time passes only when a test says so.

use std::collections::HashMap;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::messages::BrokerId;

use super::super::answer::Part;
use super::super::arrival::Arrival;
use super::super::buffers::Buffers;
use super::super::planning::{Named, Next, Plan};
use super::super::state::{Limits, Place, State};
use super::{Writer, batch};
use crate::batch::BatchHeader;
use crate::kafka::connection::Breaker;
use crate::{Fetch, LogError, OffsetRange};

pub(super) const BROKER: BrokerId = BrokerId(1);

/// A state with a broker of our own making: each partition holds batches of ten records.
pub(super) struct Stage {
    pub(super) state: State,
    pub(super) now: Instant,
    buffers: Arc<Buffers>,
    pub(super) ends: HashMap<u32, u64>,
    pub(super) batch: usize,
}

impl Stage {
    pub(super) fn new(bytes_max: usize, partition_bytes_max: usize) -> Stage {
        Stage {
            state: State::new(Limits {
                bytes_max,
                partition_bytes_max,
            }),
            now: Instant::now(),
            buffers: Buffers::new(partition_bytes_max, 0),
            ends: HashMap::new(),
            batch: batch(0, 10, Writer::Plain).len(),
        }
    }

    /// The partition gets `end` records, and a reader at `from`.
    pub(super) fn subscribe(&mut self, partition: u32, from: u64, end: u64) {
        self.ends.insert(partition, end);
        let place = Place {
            leader: BROKER,
            range: OffsetRange { start: 0, end },
        };
        self.state.subscribe(&named(partition), place, from, self.now);
        let desk = self.state.desks.get_mut(&BROKER).unwrap();
        if desk.breaker.is_none() {
            desk.breaker = Some(line());
        }
    }

    pub(super) fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    pub(super) fn next(&mut self) -> Next {
        self.state.next(BROKER, self.now)
    }

    pub(super) fn plan(&mut self) -> Plan {
        match self.next() {
            Next::Ask(plan) => plan,
            other => panic!("{other:?}"),
        }
    }

    /// Answers as a broker does: in the order of the request, cut off where the answer or the partition's share is full.
    pub(super) fn answer(&mut self, plan: &Plan) -> bool {
        let mut left = plan.bytes_max;
        let mut parts = Vec::new();
        for (asked, of) in plan.asked.iter().enumerate() {
            let end = self.ends[&of.of.partition];
            let wanted = ((end - of.from) / 10) as usize * self.batch;
            let sent = wanted.min(left).min(plan.partition_bytes_max);
            left -= sent;
            let first = of.from / 10 * 10;
            let bytes = (0..sent.div_ceil(self.batch) as u64).flat_map(|at| batch(first + at * 10, 10, Writer::Plain));
            let bytes: Vec<u8> = bytes.take(sent).collect();
            parts.push(self.part(asked, 0, end, &bytes));
        }
        self.deliver(plan, parts)
    }

    pub(super) fn part(&self, asked: usize, code: i16, end: u64, bytes: &[u8]) -> Part {
        let records = (!bytes.is_empty()).then(|| {
            let mut records = self.buffers.take(bytes.len());
            records.bytes_mut().copy_from_slice(bytes);
            records
        });
        Part {
            asked,
            code,
            start_offset: 0,
            end_offset: end as i64,
            aborted: Vec::new(),
            records,
        }
    }

    pub(super) fn deliver(&mut self, plan: &Plan, parts: Vec<Part>) -> bool {
        let error = |failure: crate::kafka::failure::Failure| failure.into_log_error("test:9092", "");
        let mut arrivals: Vec<Arrival> = parts.into_iter().map(|part| Arrival::new(part, plan, error)).collect();
        self.state.advance(BROKER, plan, &mut arrivals, self.now);
        arrivals.iter_mut().for_each(Arrival::check);
        self.state.deliver(arrivals, self.now)
    }

    pub(super) fn read(&mut self, partition: u32, from: u64, bytes_max: usize) -> Option<Result<Fetch, LogError>> {
        self.state.read("t", partition, from, bytes_max, self.now)
    }

    /// Reads all that is there; says up to where.
    pub(super) fn drain(&mut self, partition: u32, from: u64) -> u64 {
        let fetch = self.read(partition, from, usize::MAX).unwrap().unwrap();
        let mut at = from / 10 * 10;
        for batch in &fetch.batches {
            assert_eq!(BatchHeader::parse(batch).unwrap().base_offset, at);
            at += 10;
        }
        fetch.next_offset
    }

    pub(super) fn held(&self) -> usize {
        let partitions = self.state.topics.values().flat_map(|topic| topic.partitions.values());
        partitions
            .flat_map(|partition| &partition.cursors)
            .map(|cursor| cursor.bytes())
            .sum()
    }
}

pub(super) fn named(partition: u32) -> Named {
    Named {
        topic: "t".into(),
        name: "ns.t".into(),
        partition,
    }
}

/// A connection to nobody, for hanging up.
pub(super) fn line() -> Breaker {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    Breaker::of(TcpStream::connect(listener.local_addr().unwrap()).unwrap())
}
