//! What is asked next, and what cursors make of the answers: turns, bounds, sharing, sleep, hanging up.

use std::time::Duration;

use kafka_protocol::messages::BrokerId;

use super::super::planning::{Next, Plan};
use super::stage::{BROKER, Stage, line, named};
use super::{Writer, batch};
use crate::LogError;

const MIB: usize = 1 << 20;

fn order(plan: &Plan) -> Vec<u32> {
    plan.asked.iter().map(|asked| asked.of.partition).collect()
}

#[test]
fn everybody_gets_a_turn() {
    let mut stage = Stage::new(40_000, 10_000);
    for partition in 0..12 {
        stage.subscribe(partition, 0, 1_000_000);
    }
    let mut at = [0; 12];
    for round in 0..300 {
        let plan = stage.plan();
        assert_eq!((plan.bytes_max, plan.partition_bytes_max), (10_000, 10_000));
        assert_eq!(order(&plan).len(), 12, "all have room");
        stage.answer(&plan);
        for partition in 0..12 {
            at[partition as usize] = stage.drain(partition, at[partition as usize]);
        }
        let (least, most) = (at.iter().min().unwrap(), at.iter().max().unwrap());
        assert!(most - least <= 400, "round {round}: {at:?}");
    }
    assert!(at.iter().all(|&at| at > 1_000));
}

/// What is left of an answer may be less than a batch: its partition comes first the next time.
#[test]
fn a_share_smaller_than_a_batch_is_no_end() {
    let mut stage = Stage::new(4_000, 1_000);
    stage.subscribe(0, 0, 1_000);
    stage.subscribe(1, 0, 1_000);
    let plan = stage.plan();
    let bytes = batch(0, 10, Writer::Plain);
    let parts = vec![stage.part(0, 0, 1_000, &bytes), stage.part(1, 0, 1_000, &bytes[..100])];
    let (first, second) = (plan.asked[0].of.partition, plan.asked[1].of.partition);
    stage.deliver(&plan, parts);
    assert_eq!(order(&stage.plan()), [second, first]);
}

#[test]
fn memory_is_bounded() {
    let mut stage = Stage::new(64_000, 4_000);
    for partition in 0..40 {
        stage.subscribe(partition, 0, 1_000_000);
    }
    for _ in 0..200 {
        match stage.next() {
            Next::Ask(plan) => {
                assert!(stage.held() + plan.bytes_max <= 64_000);
                stage.answer(&plan);
            }
            Next::Wait(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!((56_000..=64_000).contains(&stage.held()), "{} bytes", stage.held());
    // Whoever reads makes room, and is told that a thread waits for it.
    assert!(stage.state.wants_room);
    assert!((0..40).any(|partition| stage.drain(partition, 0) > 0 && std::mem::take(&mut stage.state.has_work)));
    assert!(matches!(stage.next(), Next::Ask(_)));
}

#[test]
fn whoever_is_full_is_left_out_and_the_broker_is_not_to_wait() {
    let mut stage = Stage::new(64_000, 2_000);
    stage.subscribe(0, 0, 1_000_000);
    stage.subscribe(1, 0, 0);
    stage.wait(1_500);
    stage.read(0, 0, 0);
    let plan = stage.plan();
    assert!(plan.may_wait, "all are in it");
    stage.answer(&plan);
    let Next::Wait(pause) = stage.next() else { panic!() };
    assert_eq!(pause, Duration::from_millis(20));
    stage.wait(20);
    let plan = stage.plan();
    assert_eq!((order(&plan), plan.may_wait), (vec![1], false));
    stage.answer(&plan);
    stage.drain(0, 0);
    assert!(stage.state.has_work, "there is room");
    let plan = stage.plan();
    assert_eq!(order(&plan).len(), 2);
    // A reader that does not come back keeps nobody from waiting.
    stage.answer(&plan);
    stage.wait(1_500);
    let plan = stage.plan();
    assert_eq!((order(&plan), plan.may_wait), (vec![1], true));
}

#[test]
fn readers_of_one_partition_share_what_comes() {
    let mut stage = Stage::new(MIB, 4_000);
    stage.subscribe(0, 0, 500);
    stage.subscribe(0, 0, 500);
    stage.subscribe(0, 20, 500);
    let plan = stage.plan();
    assert_eq!(plan.asked.len(), 1, "a partition is asked for once");
    stage.answer(&plan);
    // All three got it, whole batches each from its own place.
    let first = stage.drain(0, 0);
    assert_eq!((stage.drain(0, 0), stage.drain(0, 20)), (first, first));
    assert!(first >= 40);
    assert_eq!(stage.held(), 0);
    // Each has its own place: nobody has to be fetched again because another read.
    let next = stage.drain(0, first);
    assert_eq!(next, first);
}

#[test]
fn a_place_farther_on_or_back() {
    let mut stage = Stage::new(MIB, 100_000);
    stage.subscribe(0, 0, 500);
    let plan = stage.plan();
    stage.answer(&plan);
    assert_eq!(stage.drain(0, 255), 500, "passes over what was fetched before");
    assert!(stage.read(0, 100, 1).is_none(), "has to be fetched again");
    assert!(stage.read(0, 501, 1).is_none());
    assert!(stage.read(7, 0, 1).is_none());
    let fetch = stage.read(0, 500, 1).unwrap().unwrap();
    assert_eq!(
        (fetch.batches.len(), fetch.next_offset, fetch.end_offset),
        (0, 500, 500)
    );
}

#[test]
fn hidden_batches_are_passed_over_and_may_be_asked_for_again() {
    let mut stage = Stage::new(MIB, 100_000);
    stage.subscribe(0, 0, 21);
    let plan = stage.plan();
    let records = [batch(0, 10, Writer::Plain), batch(10, 11, Writer::Commit(3))].concat();
    let parts = vec![stage.part(0, 0, 21, &records)];
    assert!(stage.deliver(&plan, parts));
    let fetch = stage.read(0, 0, 0).unwrap().unwrap();
    assert_eq!((fetch.batches.len(), fetch.next_offset, fetch.end_offset), (1, 21, 21));
    // Who goes by the last record he saw stands before the mark.
    let fetch = stage.read(0, 10, 0).unwrap().unwrap();
    assert_eq!((fetch.batches.len(), fetch.next_offset), (0, 21));
}

#[test]
fn the_end_is_news_once() {
    let mut stage = Stage::new(MIB, 100_000);
    stage.subscribe(0, 50, 50);
    for is_news in [true, false, false] {
        stage.wait(100);
        let plan = stage.plan();
        assert_eq!(stage.answer(&plan), is_news);
    }
    stage.ends.insert(0, 60);
    stage.wait(100);
    let plan = stage.plan();
    assert!(stage.answer(&plan));
    assert_eq!(stage.drain(0, 50), 60);
}

#[test]
fn what_nobody_reads_gives_way_and_comes_back() {
    let mut stage = Stage::new(16_000, 4_000);
    for partition in 0..8 {
        stage.subscribe(partition, 0, 1_000_000);
    }
    while let Next::Ask(plan) = stage.next() {
        stage.answer(&plan);
    }
    assert!(stage.held() > 12_000);
    // One reads on, the others do not.
    let mut at = stage.drain(0, 0);
    stage.wait(1_100);
    for _ in 0..50 {
        at = stage.drain(0, at);
        if let Next::Ask(plan) = stage.next() {
            stage.answer(&plan);
        }
    }
    assert!(at > 1_000, "{at}");
    // Whoever comes back finds nothing, and then everything from the same place.
    let (partition, from) = (1..8)
        .find_map(|partition| (stage.drain(partition, 0) == 0).then_some((partition, 0)))
        .expect("one gave way");
    let plan = stage.plan();
    assert!(order(&plan).contains(&partition));
    stage.answer(&plan);
    assert!(stage.drain(partition, from) > 0);
    // In the end all but the reader are forgotten.
    stage.wait(29_500);
    stage.drain(0, at);
    stage.wait(600);
    stage.next();
    assert_eq!(stage.state.topics["t"].partitions.len(), 1);
}

#[test]
fn a_newcomer_does_not_wait_behind_a_long_request() {
    let mut stage = Stage::new(MIB, 100_000);
    stage.subscribe(0, 0, 0);
    assert!(!stage.plan().may_wait, "more are expected");
    stage.state.give_up(BROKER, None, Duration::ZERO, stage.now);
    stage.state.desks.get_mut(&BROKER).unwrap().breaker = Some(line());
    stage.state.partition("t", 0).unwrap().lost = None;
    stage.wait(2_000);
    assert!(stage.plan().may_wait);
    stage.subscribe(1, 0, 10);
    assert!(stage.state.desks[&BROKER].is_hung_up);
    assert!(
        stage.state.give_up(BROKER, None, Duration::from_secs(9), stage.now),
        "nothing is wrong"
    );
    assert!(matches!(stage.next(), Next::Connect), "at once");
}

#[test]
fn refusals() {
    let mut stage = Stage::new(MIB, 100_000);
    for partition in 0..4 {
        stage.subscribe(partition, 0, 10);
    }
    let plan = stage.plan();
    let [away, gone, forbidden, fine] = [0, 1, 2, 3].map(|at| plan.asked[at].of.partition);
    let parts = vec![
        stage.part(0, 6, 10, b""),
        stage.part(1, 1, 10, b""),
        stage.part(2, 29, 10, b""),
        stage.part(3, 0, 10, &batch(0, 10, Writer::Plain)),
    ];
    assert!(stage.deliver(&plan, parts));
    assert_eq!(stage.drain(fine, 0), 10);
    assert_eq!(stage.drain(away, 0), 0);
    assert!(stage.read(gone, 0, 1).is_none(), "to be looked up anew");
    let error = stage.read(forbidden, 0, 1).unwrap().unwrap_err().to_string();
    assert!(
        error.contains(&format!("not allowed to do this with partition ns.t/{forbidden}")),
        "{error}"
    );
    assert_eq!(stage.drain(forbidden, 0), 0, "is tried again");
    stage.wait(100);
    let Next::FindLeaders(lost) = stage.next() else {
        panic!()
    };
    assert_eq!(lost.iter().map(|lost| lost.partition).collect::<Vec<_>>(), [away]);
    assert!(
        stage.state.lead(&named(away), BrokerId(2), stage.now),
        "broker 2 needs a thread"
    );
    assert!(!stage.state.lead(&named(away), BROKER, stage.now));
    let mut asked = order(&stage.plan());
    asked.sort_unstable();
    let mut expected = vec![away, forbidden, fine];
    expected.sort_unstable();
    assert_eq!(asked, expected);
}

#[test]
fn a_damaged_batch_comes_after_those_before_it() {
    let mut stage = Stage::new(MIB, 100_000);
    stage.subscribe(0, 0, 30);
    let plan = stage.plan();
    let mut records = [batch(0, 10, Writer::Plain), batch(10, 10, Writer::Plain)].concat();
    let last = records.len() - 1;
    records[last] ^= 1;
    let parts = vec![stage.part(0, 0, 30, &records)];
    stage.deliver(&plan, parts);
    assert_eq!(stage.drain(0, 0), 10);
    let error = stage.read(0, 10, 1).unwrap().unwrap_err();
    assert!(matches!(error, LogError::Damaged { offset: 10, .. }), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("the batch at offset 10 of t/0 cannot be read: the batch is damaged")
    );
    let plan = stage.plan();
    assert_eq!(plan.asked[0].from, 10, "whoever asks again has it fetched again");
}

#[test]
fn names_of_brokers_that_lead_nothing_are_dropped() {
    let mut stage = Stage::new(MIB, 100_000);
    stage.subscribe(0, 0, 0);
    stage.state.release("t", 0);
    assert!(matches!(stage.next(), Next::Wait(_)));
    stage.wait(10_001);
    assert!(matches!(stage.next(), Next::Leave));
    assert!(stage.state.desks.is_empty());
}

/// What this log has appended may lie behind another's open transaction for long.
#[test]
fn what_cannot_come_yet_is_not_asked_for_all_the_time() {
    let mut stage = Stage::new(MIB, 2_000);
    stage.subscribe(0, 0, 1_000_000);
    stage.subscribe(1, 0, 0);
    let plan = stage.plan();
    stage.answer(&plan);
    stage.state.partition("t", 1).unwrap().range.end = 50;
    // The first is full, so the broker is not to wait.
    stage.wait(20);
    let plan = stage.plan();
    assert_eq!((order(&plan), plan.may_wait), (vec![1], false));
    stage.answer(&plan);
    assert!(matches!(stage.next(), Next::Wait(_)));
    let fetch = stage.read(1, 0, 1).unwrap().unwrap();
    assert_eq!((fetch.next_offset, fetch.end_offset), (0, 50), "not at the end");
}
