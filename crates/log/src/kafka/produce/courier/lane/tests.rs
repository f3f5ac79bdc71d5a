//! A lane's promises, with a broker that is a few lines: it takes batches in the order of their numbers only, and knows
//! the last five again.

use std::collections::VecDeque;
use std::time::Duration;

use super::*;
use crate::batch::{BatchBuilder, BatchHeader, Compression, at};

const IDENTITY: Identity = Identity {
    producer_id: 7,
    epoch: 0,
};

/// A partition as a leader keeps it. A record's offset does not count here: batches do.
#[derive(Default)]
struct Partition {
    tickets: Vec<u64>,
    /// Producer and number of every batch.
    numbers: Vec<(i64, i32)>,
    /// What it remembers of the producer.
    producer: Option<i64>,
    known: VecDeque<(i32, i32)>,
}

impl Partition {
    fn append(&mut self, ticket: u64, batch: &[u8]) -> Fate {
        let header = BatchHeader::parse(batch).unwrap();
        header.verify_crc(batch).unwrap();
        let producer = i64::from_be_bytes(batch[at::PRODUCER_ID..at::PRODUCER_EPOCH].try_into().unwrap());
        let first = i32::from_be_bytes(batch[at::BASE_SEQUENCE..at::COUNT].try_into().unwrap());
        let next = sequence_after(first, header.count);
        if self.producer.replace(producer) != Some(producer) {
            self.known.clear();
        }
        if self.known.contains(&(first, next)) {
            let place = self.numbers.iter().position(|number| *number == (producer, first));
            return at_offset(place.unwrap());
        }
        if self.known.back().is_some_and(|last| last.1 != first) {
            return Fate::OutOfSequence;
        }
        self.known.push_back((first, next));
        if self.known.len() > 5 {
            self.known.pop_front();
        }
        self.tickets.push(ticket);
        self.numbers.push((producer, first));
        at_offset(self.tickets.len() - 1)
    }

    /// It is started again, and the batches' timestamps are old.
    fn forget(&mut self) {
        self.producer = None;
        self.known.clear();
    }

    fn of(&self, producer: i64) -> Vec<Found> {
        let all = self.numbers.iter().enumerate();
        let own = all.filter(|(_, number)| number.0 == producer);
        own.map(|(place, number)| Found {
            sequence: number.1,
            base_offset: place as u64,
        })
        .collect()
    }
}

fn at_offset(place: usize) -> Fate {
    Fate::In {
        base_offset: place as u64,
    }
}

const IN: Fate = Fate::In { base_offset: 0 };

fn lane(batches: u64, now: Instant) -> Lane {
    let stamp = Stamp {
        identity: IDENTITY,
        sequence: 0,
        visible: Visible::AtOnce,
    };
    let mut lane = Lane::new("t".into(), 0, 0, stamp, now);
    let mut builder = BatchBuilder::new(Compression::None);
    for ticket in 0..batches {
        for _ in 0..=ticket % 3 {
            builder.push(0, None, Some(b"value"), &[]);
        }
        lane.push(ticket, builder.finish(), ticket as u32 % 3 + 1, now);
    }
    lane
}

/// Takes whatever may go.
fn take_all(lane: &mut Lane, now: Instant) -> Vec<(u64, Bytes)> {
    std::iter::from_fn(|| lane.ready(now).and_then(|_| lane.take())).collect()
}

fn tickets(taken: &[(u64, Bytes)]) -> Vec<u64> {
    taken.iter().map(|(ticket, _)| *ticket).collect()
}

#[test]
fn the_first_goes_alone_and_then_five() {
    let now = Instant::now();
    let mut lane = lane(8, now);
    assert_eq!(tickets(&take_all(&mut lane, now)), [0]);
    lane.settle(0, IN, now);
    assert_eq!(tickets(&take_all(&mut lane, now)), [1, 2, 3, 4, 5]);
    lane.settle(1, IN, now);
    assert_eq!(tickets(&take_all(&mut lane, now)), [6]);
}

#[test]
fn one_that_is_in_before_its_turn_frees_no_place() {
    let now = Instant::now();
    let mut lane = lane(8, now);
    take_all(&mut lane, now);
    lane.settle(0, IN, now);
    take_all(&mut lane, now);
    // The first of five was written too, but its replicas were too slow: it is sent again, and is to be known again.
    lane.settle(1, Fate::NotNow, now);
    for ticket in 2..=5 {
        lane.settle(ticket, IN, now);
    }
    let later = now + Duration::from_secs(1);
    assert_eq!(tickets(&take_all(&mut lane, later)), [1]);
}

#[test]
fn after_a_failure_all_answers_are_waited_for() {
    let now = Instant::now();
    let mut lane = lane(4, now);
    take_all(&mut lane, now);
    lane.settle(0, IN, now);
    take_all(&mut lane, now);
    lane.settle(1, Fate::NotNow, now);
    let later = now + Duration::from_secs(1);
    assert_eq!(lane.ready(later), None);
    // That the next were out of order only says that the first is missing.
    assert_eq!(lane.settle(2, Fate::OutOfSequence, now), Standing::Going);
    assert_eq!(lane.opens_at(), None);
    assert_eq!(lane.settle(3, Fate::OutOfSequence, now), Standing::Going);
    assert_eq!(lane.ready(now), None);
    // The broker may be another, or have forgotten: the first goes alone again.
    assert_eq!(tickets(&take_all(&mut lane, later)), [1]);
    lane.settle(1, IN, later);
    assert_eq!(tickets(&take_all(&mut lane, later)), [2, 3]);
}

#[test]
fn a_forgotten_producer_gets_a_new_identity() {
    let now = Instant::now();
    let mut lane = lane(3, now);
    take_all(&mut lane, now);
    lane.settle(0, IN, now);
    take_all(&mut lane, now);
    assert_eq!(lane.settle(1, Fate::OutOfSequence, now), Standing::Going);
    assert_eq!(lane.settle(2, Fate::OutOfSequence, now), Standing::NeedsIdentity);
    let other = Identity {
        producer_id: 8,
        epoch: 0,
    };
    lane.renumber(other, now);
    let later = now + Duration::from_secs(1);
    let mut partition = Partition::default();
    for _ in 0..2 {
        for (ticket, batch) in take_all(&mut lane, later) {
            let fate = partition.append(ticket, &batch);
            assert_eq!(lane.settle(ticket, fate, later), Standing::Going);
        }
    }
    assert_eq!(partition.tickets, [1, 2]);
    assert_eq!(partition.producer, Some(8));
    assert!(lane.waits_since().is_none() && !lane.is_in_doubt());
}

#[test]
fn what_is_in_doubt_is_looked_for_before_it_is_sent_again() {
    let now = Instant::now();
    let mut lane = lane(3, now);
    take_all(&mut lane, now);
    lane.settle(0, Fate::In { base_offset: 10 }, now);
    take_all(&mut lane, now);
    lane.settle(1, Fate::InDoubt, now);
    lane.settle(2, Fate::InDoubt, now);
    let later = now + Duration::from_secs(1);
    assert_eq!(
        (lane.ready(later), lane.doubts(now), lane.doubts(later)),
        (None, None, Some(11))
    );
    assert!(lane.is_in_doubt());
    // Sequences 0, 1 and 3: the second has two records.
    let found = Found {
        sequence: 1,
        base_offset: 20,
    };
    assert_eq!(lane.look_up(&[found], later), (vec![(1, 20)], Standing::Going));
    assert!(!lane.is_in_doubt());
    assert_eq!(tickets(&take_all(&mut lane, later + Duration::from_secs(1))), [2]);
}

/// Whatever is lost, refused or forgotten, every batch comes in once and in order.
#[test]
fn nothing_is_lost_doubled_or_overtaken() {
    for seed in 1..500u64 {
        let mut dice = seed;
        let mut roll = |sides: u64| {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % sides
        };
        let mut now = Instant::now();
        let (mut lane, mut partition) = (lane(40, now), Partition::default());
        let mut identity = IDENTITY;
        while lane.waits_since().is_some() {
            now += Duration::from_secs(1);
            let mut standing = Standing::Going;
            if lane.doubts(now).is_some() {
                standing = lane.look_up(&partition.of(identity.producer_id), now).1;
            }
            // The broker may be killed: what comes after that, and perhaps some answers before, are lost.
            let killed_after = if roll(4) == 0 { roll(6) } else { u64::MAX };
            for (place, (ticket, batch)) in (0..).zip(take_all(&mut lane, now)) {
                let fate = match roll(8) {
                    _ if place > killed_after => Fate::InDoubt,
                    0 => Fate::InDoubt,
                    1 => {
                        partition.append(ticket, &batch);
                        Fate::InDoubt
                    }
                    2 => Fate::NotNow,
                    _ => partition.append(ticket, &batch),
                };
                standing = lane.settle(ticket, fate, now);
            }
            if killed_after < u64::MAX {
                partition.forget();
                lane.meet_anew();
            }
            if standing == Standing::NeedsIdentity {
                identity.producer_id += 1;
                lane.renumber(identity, now);
            }
        }
        assert_eq!(partition.tickets, (0..40).collect::<Vec<u64>>(), "seed {seed}");
    }
}
