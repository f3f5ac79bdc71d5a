//! Members against a real coordinator, in both protocols. They run where `HEARTWATCH_TEST_KAFKA` names a broker.
//!
//! What a bad network does to many members, the simulation tests.

mod processes;
mod team;

use std::time::{Duration, Instant};

use self::team::{Protocol, Team};
use crate::kafka::GroupMemberStatus;
use crate::{Change, LogError, Membership};

/// How long a broker may take for anything but a timeout.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn members_come_and_go_classic() {
    members_come_and_go(Protocol::Classic);
}

#[test]
fn members_come_and_go_consumer() {
    members_come_and_go(Protocol::Consumer);
}

fn members_come_and_go(protocol: Protocol) {
    let Some(mut team) = Team::new("come-and-go", protocol, 12) else {
        return;
    };
    team.join(None);
    team.until_shared(SOON);
    assert_eq!(team.workers[0].history, [Change::Assigned((0..12).collect())]);
    team.join(None);
    team.until_shared(SOON);
    let kept = team.workers[0].held.clone();
    team.join(None);
    team.until_shared(SOON);
    assert!(team.workers[0].held.is_subset(&kept), "only what must move moves");
    assert_eq!(team.workers[0].held.len(), 4);
    let kept: Vec<_> = team.workers.iter().map(|worker| worker.held.clone()).collect();
    team.leave(1);
    team.until_shared(SOON);
    for (worker, kept) in team.workers.iter().zip([&kept[0], &kept[2]]) {
        assert!(kept.is_subset(&worker.held), "whoever stays keeps all");
    }
    assert!(team.workers.iter().all(|worker| worker.lost == 0));
}

#[test]
fn more_members_than_partitions_classic() {
    more_members_than_partitions(Protocol::Classic);
}

#[test]
fn more_members_than_partitions_consumer() {
    more_members_than_partitions(Protocol::Consumer);
}

fn more_members_than_partitions(protocol: Protocol) {
    let Some(mut team) = Team::new("few", protocol, 2) else {
        return;
    };
    for _ in 0..4 {
        team.join(None);
    }
    team.until_shared(SOON);
    while team.workers.len() > 1 {
        team.leave(0);
        team.until_shared(SOON);
    }
}

#[test]
fn who_hangs_has_lost_all_when_it_wakes_up() {
    let Some(mut team) = Team::new("hang", Protocol::Classic, 6) else {
        return;
    };
    team.join(None);
    team.join(None);
    team.until_shared(SOON);
    // It polls no more; the others do, though their joins are held back until its session is over.
    let mut hung = team.workers.remove(0);
    team.join(None);
    let start = Instant::now();
    let mut rounds = 0;
    while start.elapsed() < Duration::from_secs(3) {
        team.watch(Duration::from_millis(1));
        rounds += 1;
    }
    assert!(rounds > 30, "a poll waits for nobody: only {rounds} rounds");
    team.until_shared(Duration::from_secs(15));
    let lost = Change::Lost(hung.held.iter().copied().collect());
    let before = hung.history.len();
    hung.step();
    assert_eq!(hung.history.get(before), Some(&lost));
    team.workers.push(hung);
    team.until_shared(SOON);
}

#[test]
fn a_static_member_comes_back_without_a_rebalance_classic() {
    a_static_member_comes_back(Protocol::Classic);
}

#[test]
fn a_static_member_comes_back_without_a_rebalance_consumer() {
    a_static_member_comes_back(Protocol::Consumer);
}

fn a_static_member_comes_back(protocol: Protocol) {
    let Some(mut team) = Team::new("static", protocol, 6) else {
        return;
    };
    team.join(Some("a"));
    team.join(Some("b"));
    team.until_shared(SOON);
    let generation = team.workers[0].generation();
    let held: Vec<_> = team.workers.iter().map(|worker| worker.held.clone()).collect();
    for which in [1, 0] {
        let instance = ["a", "b"][which];
        // It says that it comes back; the group goes on meanwhile.
        team.leave(which);
        team.watch(Duration::from_secs(2));
        team.join_at(which, Some(instance));
        team.until_shared(SOON);
        let now: Vec<_> = team.workers.iter().map(|worker| worker.held.clone()).collect();
        assert_eq!(now, held);
        assert_eq!(
            team.workers[1 - which].generation(),
            generation,
            "there was a rebalance"
        );
    }
    // For good, its partitions are another's at once.
    team.leave_for_good(0);
    team.until_shared(SOON);
}

#[test]
fn a_static_member_that_said_nothing_is_waited_for() {
    let Some(mut team) = Team::new("silent", Protocol::Consumer, 2) else { return };
    team.join(Some("a"));
    team.until_shared(SOON);
    drop(team.workers.remove(0));
    // A broker of default settings misses it after 45 s.
    team.join(Some("a"));
    team.until_shared(Duration::from_secs(70));
    assert_eq!(team.workers[0].history, [Change::Assigned(vec![0, 1])]);
}

#[test]
fn the_same_instance_twice_shuts_the_first_out() {
    let Some(mut team) = Team::new("twice", Protocol::Classic, 3) else {
        return;
    };
    team.join(Some("a"));
    team.until_shared(SOON);
    let mut first = team.workers.remove(0);
    team.join(Some("a"));
    team.until_shared(SOON);
    let error = first.until_error(SOON);
    assert!(
        matches!(&error, LogError::Fenced { who, .. } if who.contains("a-0")),
        "{error}"
    );
    assert_eq!(first.history.last(), Some(&Change::Lost(vec![0, 1, 2])));
    first.member.leave().unwrap();
}

#[test]
fn tools_see_who_has_what() {
    for protocol in [Protocol::Classic, Protocol::Consumer] {
        let Some(mut team) = Team::new("tools", protocol, 4) else {
            return;
        };
        team.join(Some("a"));
        team.join(None);
        team.until_shared(SOON);
        let status = team.cluster.group_status(&team.cluster.name(&team.group)).unwrap();
        let of_topic = |member: &GroupMemberStatus| member.partitions.get(&team.topic).cloned().unwrap_or_default();
        let mut seen: Vec<Vec<u32>> = status.members.iter().map(of_topic).collect();
        let mut held: Vec<Vec<u32>> = team
            .workers
            .iter()
            .map(|worker| worker.held.iter().copied().collect())
            .collect();
        seen.sort();
        held.sort();
        assert_eq!(seen, held);
    }
}
