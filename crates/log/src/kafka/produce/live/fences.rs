//! Workers that were replaced, stopped or thrown out of their group: they commit nothing.

use std::time::Duration;

use super::{Isolation, Stage, noise, read, transaction, wait_for};
use crate::LogError;
use crate::kafka::identities::GroupIdentity;

#[test]
fn a_second_worker_shuts_the_first_out() {
    let Some(stage) = Stage::set("fence", 1, &[]) else {
        return;
    };
    let (first, second) = (stage.worker(&stage.topic), stage.worker(&stage.topic));
    let one = |value| {
        transaction(
            vec![stage.append(0, &[value])],
            vec![stage.commit(&stage.topic, 0, 1, b"")],
        )
    };
    first.append(&one("first")).unwrap();
    second.append(&one("second")).unwrap();
    let fenced = first.append(&one("not there"));
    assert!(matches!(&fenced, Err(LogError::Fenced { .. })), "{fenced:?}");
    second.append(&one("second again")).unwrap();
    assert_eq!(stage.committed(0), ["first", "second", "second again"]);
    // It starts over, if it wants: that shuts the second out.
    first.append(&one("first again")).unwrap();
    assert!(matches!(second.append(&one("not there")), Err(LogError::Fenced { .. })));
    assert_eq!(stage.committed(0), ["first", "second", "second again", "first again"]);
}

/// A worker whose last transaction was not done may do it again, but not when another has come since.
#[test]
fn what_was_not_done_is_not_done_again_after_another() {
    let small = [("max.message.bytes", "1000")];
    let Some(stage) = Stage::set("again", 1, &small) else {
        return;
    };
    let (first, second) = (stage.worker(&stage.topic), stage.worker(&stage.topic));
    let one = |value: &str| transaction(vec![stage.append(0, &[value])], vec![]);
    for round in ["zero", "one"] {
        let refused = first.append(&one(&noise(3_000)));
        assert!(matches!(&refused, Err(LogError::TooLarge { .. })), "{refused:?}");
        first.append(&one(round)).unwrap();
    }
    assert!(first.append(&one(&noise(3_000))).is_err());
    second.append(&one("second")).unwrap();
    let fenced = first.append(&one("not there"));
    assert!(matches!(&fenced, Err(LogError::Fenced { .. })), "{fenced:?}");
    second.append(&one("second again")).unwrap();
    assert_eq!(stage.committed(0), ["zero", "one", "second", "second again"]);
}

/// The second comes while the first is in the middle of a transaction, its batches written.
#[test]
fn what_a_replaced_worker_wrote_is_never_seen() {
    let Some(stage) = Stage::set("replaced", 1, &[]) else {
        return;
    };
    let (first, second) = (stage.worker(&stage.topic), stage.worker(&stage.topic));
    let one = |value| {
        transaction(
            vec![stage.append(0, &[value])],
            vec![stage.commit(&stage.topic, 0, 1, b"")],
        )
    };
    first.append(&one("zero")).unwrap();
    let fenced = std::thread::scope(|scope| {
        let identities = first.groups.lock().unwrap();
        let stopped = scope.spawn(|| first.append(&one("written, not committed")));
        wait_for(|| read(&stage.cluster, &stage.topic, 0, Isolation::ReadUncommitted).len() == 2);
        second.append(&one("second")).unwrap();
        drop(identities);
        stopped.join().unwrap()
    });
    assert!(matches!(&fenced, Err(LogError::Fenced { .. })), "{fenced:?}");
    assert_eq!(stage.committed(0), ["zero", "second"]);
}

/// As a worker that gets SIGSTOP: it stands still in the middle of a transaction for longer than that may take.
#[test]
fn a_worker_that_stands_still_is_shut_out() {
    let Some(mut stage) = Stage::set("still", 1, &[]) else {
        return;
    };
    let bootstrap = std::env::var("HEARTWATCH_TEST_KAFKA").unwrap();
    stage.cluster = Stage::at(&bootstrap, &[("transaction.timeout.ms", "1000")], "still-short", 1, &[]).cluster;
    let worker = stage.worker(&stage.topic);
    let one = |value| {
        transaction(
            vec![stage.append(0, &[value])],
            vec![stage.commit(&stage.topic, 0, 1, b"")],
        )
    };
    worker.append(&one("zero")).unwrap();
    let fenced = std::thread::scope(|scope| {
        let identities = worker.groups.lock().unwrap();
        let stopped = scope.spawn(|| worker.append(&one("too late")));
        // Coordinators look for transactions that take too long every ten seconds.
        std::thread::sleep(Duration::from_secs(13));
        drop(identities);
        stopped.join().unwrap()
    });
    assert!(matches!(&fenced, Err(LogError::Fenced { .. })), "{fenced:?}");
    worker.append(&one("one")).unwrap();
    assert_eq!(stage.committed(0), ["zero", "one"]);
}

#[test]
fn a_group_refuses_whoever_is_not_in_it() {
    let Some(stage) = Stage::set("member", 1, &[]) else {
        return;
    };
    let worker = stage.worker(&stage.topic);
    let one = |value, offset| {
        transaction(
            vec![stage.append(0, &[value])],
            vec![stage.commit(&stage.topic, 0, offset, b"")],
        )
    };
    worker.append(&one("nobody", 1)).unwrap();
    let stranger = GroupIdentity {
        member_id: "stranger".into(),
        generation_or_epoch: 7,
        instance_id: None,
    };
    worker.groups.lock().unwrap().insert(stage.topic.clone(), stranger);
    let fenced = worker.append(&one("stranger", 2));
    assert!(matches!(&fenced, Err(LogError::Fenced { .. })), "{fenced:?}");
    worker.groups.lock().unwrap().clear();
    worker.append(&one("nobody again", 3)).unwrap();
    assert_eq!(stage.committed(0), ["nobody", "nobody again"]);
    wait_for(|| stage.cluster.committed(&stage.topic).unwrap()[0].offset == 3);
}
