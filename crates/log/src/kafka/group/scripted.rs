//! Conversations of one member with a coordinator that says what the test wants, for what the simulation does not look at:
//! each error's consequence, and the consumer protocol.
//!
//! Time moves only where a test says so.

use std::time::{Duration, Instant};

use kafka_protocol::error::ResponseError as Code;

use super::ask::{Answer, Ask, ConsumerHeard, Fields, Joined, Lane, Role};
use super::classic::Classic;
use super::consumer::Consumer;
use super::machine::{Departure, Machine};
use super::terms::Terms;
use crate::Change::{self, Assigned, Lost, Revoked};
use crate::kafka::failure::Failure;

const SESSION: Duration = Duration::from_secs(10);
const HEARTBEAT: Duration = Duration::from_secs(1);

struct Talk<M> {
    member: M,
    now: Instant,
}

fn terms(instance: Option<&str>) -> Terms {
    Terms {
        group: "g".into(),
        topic: "t".into(),
        partitions: 4,
        instance_id: instance.map(str::to_owned),
        session: SESSION,
        rebalance: Duration::from_secs(60),
        heartbeat: HEARTBEAT,
    }
}

fn classic(instance: Option<&str>) -> Talk<Classic> {
    let now = Instant::now();
    let member = Classic::new(terms(instance), now);
    Talk { member, now }
}

fn consumer(instance: Option<&str>) -> Talk<Consumer> {
    let now = Instant::now();
    let member = Consumer::new(terms(instance), "me".into(), now);
    Talk { member, now }
}

impl<M: Machine> Talk<M> {
    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// What the worker is told.
    fn poll(&mut self) -> Vec<Change> {
        self.member.tick(self.now);
        std::iter::from_fn(|| self.member.change().unwrap()).collect()
    }

    fn first_change(&mut self) -> Change {
        self.member.tick(self.now);
        self.member.change().unwrap().unwrap()
    }

    fn error(&mut self) -> Failure {
        self.member.tick(self.now);
        self.member.change().unwrap_err()
    }

    fn asked(&mut self, lane: Lane) -> Option<Ask> {
        self.member.take(lane, self.now)
    }

    fn answer(&mut self, lane: Lane, answer: Answer) {
        self.member.answered(lane, self.now, answer);
    }

    /// Takes what is asked and answers it.
    fn converse(&mut self, lane: Lane, answer: Answer) -> Ask {
        let ask = self.asked(lane).unwrap();
        self.answer(lane, answer);
        ask
    }
}

fn joined(generation: i32) -> Answer {
    Answer::Joined(Joined {
        member_id: "me".into(),
        generation,
        role: Role::Follower,
    })
}

impl Talk<Classic> {
    fn heartbeat(&mut self, answer: Answer) {
        self.pass(HEARTBEAT);
        self.member.tick(self.now);
        self.converse(Lane::Heartbeat, answer);
    }

    /// A generation with these partitions.
    fn generation(&mut self, generation: i32, partitions: &[u32]) {
        self.member.tick(self.now);
        self.converse(Lane::Rebalance, joined(generation));
        self.converse(Lane::Rebalance, Answer::Synced(partitions.into()));
        self.heartbeat(Answer::Done);
    }

    fn reason(&mut self) -> (String, Vec<u32>, i32, &'static str) {
        self.poll();
        match self.asked(Lane::Rebalance) {
            Some(Ask::Join(join)) => (
                join.member_id,
                join.claims.partitions,
                join.claims.generation,
                join.reason,
            ),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_stopped_worker_hears_first_that_it_has_lost_all() {
    let mut talk = classic(None);
    talk.generation(1, &[0, 1]);
    assert_eq!(talk.poll(), [Assigned(vec![0, 1])]);
    talk.heartbeat(Answer::Refused(Code::RebalanceInProgress));
    assert_eq!(talk.reason().1, [0, 1]);
    // Whatever lies in the socket when it goes on comes too late.
    talk.pass(SESSION);
    talk.answer(Lane::Rebalance, joined(2));
    talk.asked(Lane::Rebalance).unwrap();
    assert!(talk.member.identity().is_some());
    assert_eq!(talk.poll(), [Lost(vec![0, 1])]);
    assert!(talk.member.identity().is_none());
    assert!(talk.member.is_abandoned(Lane::Rebalance));
}

#[test]
fn a_share_counts_once_a_heartbeat_was_heard() {
    let mut talk = classic(None);
    talk.poll();
    talk.converse(Lane::Rebalance, joined(1));
    talk.converse(Lane::Rebalance, Answer::Synced(vec![3]));
    assert_eq!(talk.poll(), []);
    talk.converse(Lane::Heartbeat, Answer::Done);
    assert_eq!(talk.poll(), [Assigned(vec![3])]);
}

#[test]
fn heartbeats_go_on_while_a_join_is_held_back() {
    let mut talk = classic(None);
    talk.generation(1, &[0, 1]);
    talk.poll();
    talk.heartbeat(Answer::Refused(Code::RebalanceInProgress));
    talk.reason();
    for _ in 0..30 {
        talk.heartbeat(Answer::Refused(Code::RebalanceInProgress));
        assert_eq!(talk.poll(), []);
    }
    // As of the generation before; the answer to the join is on its way.
    talk.heartbeat(Answer::Refused(Code::IllegalGeneration));
    talk.answer(Lane::Rebalance, joined(2));
    talk.converse(Lane::Rebalance, Answer::Synced(vec![1]));
    talk.heartbeat(Answer::Done);
    assert_eq!(talk.poll(), [Revoked(vec![0])]);
}

#[test]
fn what_was_let_go_of_is_told_by_a_join() {
    let mut talk = classic(None);
    talk.generation(1, &[0, 1]);
    talk.poll();
    talk.heartbeat(Answer::Refused(Code::RebalanceInProgress));
    talk.generation(2, &[1, 2]);
    assert_eq!(talk.poll(), [Revoked(vec![0]), Assigned(vec![2])]);
    // Until then it is claimed, whatever happens.
    talk.heartbeat(Answer::Refused(Code::RebalanceInProgress));
    assert_eq!(talk.reason(), ("me".into(), vec![0, 1, 2], 2, "a rebalance is on"));
    let now = talk.now;
    talk.member.released(now);
    talk.answer(Lane::Rebalance, joined(3));
    talk.converse(Lane::Rebalance, Answer::Synced(vec![1, 2]));
    assert_eq!(
        talk.reason(),
        ("me".into(), vec![1, 2], 3, "it has let go of partitions")
    );
}

#[test]
fn who_was_thrown_out_has_lost_all_and_starts_anew() {
    for (code, member_id) in [(Code::UnknownMemberId, ""), (Code::IllegalGeneration, "me")] {
        let mut talk = classic(None);
        talk.generation(7, &[0, 1]);
        talk.poll();
        talk.pass(HEARTBEAT);
        talk.poll();
        talk.converse(Lane::Heartbeat, Answer::Refused(code));
        assert!(talk.member.identity().is_none(), "before the worker hears of it");
        assert_eq!(talk.poll(), [Lost(vec![0, 1])]);
        let (id, claims, generation, _) = talk.reason();
        assert_eq!((&*id, claims, generation), (member_id, vec![], -1));
    }
}

#[test]
fn a_generation_that_was_left_out_has_cost_everything() {
    let mut talk = classic(Some("a"));
    talk.generation(1, &[0, 1]);
    talk.poll();
    talk.heartbeat(Answer::Refused(Code::RebalanceInProgress));
    talk.poll();
    talk.converse(Lane::Rebalance, joined(3));
    assert!(talk.member.identity().is_none());
    assert_eq!(talk.poll(), [Lost(vec![0, 1])]);
    assert_eq!(talk.member.identity().unwrap().generation_or_epoch, 3);
}

#[test]
fn what_passes_is_tried_again_and_what_does_not_is_said() {
    let mut talk = classic(Some("a"));
    talk.poll();
    for code in [
        Code::CoordinatorLoadInProgress,
        Code::NotCoordinator,
        Code::CoordinatorNotAvailable,
    ] {
        talk.converse(Lane::Rebalance, Answer::Refused(code));
        assert_eq!(talk.poll(), []);
        assert_eq!(talk.asked(Lane::Rebalance), None, "not at once");
        talk.pass(Duration::from_secs(1));
        talk.poll();
    }
    talk.generation(1, &[2]);
    talk.poll();
    talk.pass(HEARTBEAT);
    talk.poll();
    talk.converse(Lane::Heartbeat, Answer::Refused(Code::FencedInstanceId));
    assert_eq!(talk.first_change(), Lost(vec![2]));
    assert!(talk.error().to_string().contains("worker a of group g"));
    talk.member.leave(Departure::ForNow);
    assert_eq!(talk.member.farewell(), Some(Ok(())));
}

#[test]
fn only_who_does_not_come_back_says_that_it_leaves() {
    for (instance, departure, says_so) in [
        (None, Departure::ForNow, true),
        (Some("a"), Departure::ForNow, false),
        (Some("a"), Departure::ForGood, true),
    ] {
        let mut talk = classic(instance);
        talk.generation(1, &[2]);
        talk.poll();
        talk.member.leave(departure);
        assert!(talk.member.identity().is_none());
        assert_eq!(talk.member.farewell().is_none(), says_so);
        if says_so {
            assert!(matches!(talk.converse(Lane::Heartbeat, Answer::Done), Ask::Leave(_)));
        }
        assert_eq!(talk.member.farewell(), Some(Ok(())));
        assert_eq!(talk.poll(), []);
    }
}

fn heard(epoch: i32, given: Option<&[u32]>) -> Answer {
    Answer::ConsumerHeard(ConsumerHeard {
        member_id: None,
        epoch,
        interval: HEARTBEAT,
        given: given.map(<[u32]>::to_vec),
    })
}

impl Talk<Consumer> {
    /// The next heartbeat, answered.
    fn beat(&mut self, answer: Answer) -> (String, i32, Fields) {
        self.pass(HEARTBEAT);
        self.member.tick(self.now);
        self.beat_now(answer)
    }

    fn beat_now(&mut self, answer: Answer) -> (String, i32, Fields) {
        match self.converse(Lane::Heartbeat, answer) {
            Ask::ConsumerHeartbeat(asked) => (asked.member_id, asked.epoch, asked.fields),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_coordinator_hears_what_became_of_what_it_gave() {
    let mut talk = consumer(None);
    assert_eq!(
        talk.beat(heard(1, Some(&[0, 1]))),
        ("me".into(), 0, Fields::All(vec![]))
    );
    assert_eq!(talk.poll(), [Assigned(vec![0, 1])]);
    talk.poll();
    assert_eq!(talk.beat_now(heard(1, None)).2, Fields::Owned(vec![0, 1]));
    assert_eq!(talk.beat(heard(1, Some(&[1]))), ("me".into(), 1, Fields::None));
    assert_eq!(talk.poll(), [Revoked(vec![0])]);
    // It is not let go of yet.
    assert_eq!(talk.beat(heard(1, None)).2, Fields::None);
    let now = talk.now;
    talk.member.released(now);
    assert_eq!(talk.beat_now(heard(2, Some(&[1]))).2, Fields::Owned(vec![1]));
    assert_eq!(talk.member.identity().unwrap().generation_or_epoch, 2);
}

#[test]
fn after_a_lost_answer_everything_is_said_again() {
    let mut talk = consumer(None);
    talk.beat(heard(1, Some(&[0, 1])));
    talk.poll();
    talk.beat(Answer::Refused(Code::CoordinatorLoadInProgress));
    assert_eq!(talk.beat(heard(1, None)).2, Fields::All(vec![0, 1]));
}

#[test]
fn a_fenced_member_has_lost_all_and_joins_anew() {
    for code in [Code::FencedMemberEpoch, Code::UnknownMemberId] {
        let mut talk = consumer(None);
        talk.beat(heard(5, Some(&[0, 1])));
        talk.poll();
        talk.beat(Answer::Refused(code));
        assert!(talk.member.identity().is_none());
        assert_eq!(talk.poll(), [Lost(vec![0, 1])]);
        assert_eq!(talk.beat(heard(6, Some(&[0]))), ("me".into(), 0, Fields::All(vec![])));
        assert_eq!(talk.poll(), [Assigned(vec![0])]);
    }
    // Known as somebody who is at work, it takes another name.
    let mut talk = consumer(None);
    talk.beat(Answer::Refused(Code::FencedMemberEpoch));
    assert_eq!(talk.beat(heard(1, None)).0, "me-1");
}

#[test]
fn a_worker_that_slept_asks_whether_it_is_known() {
    let mut talk = consumer(None);
    talk.beat(heard(5, Some(&[0, 1])));
    talk.poll();
    talk.beat(heard(5, None));
    talk.pass(SESSION);
    assert_eq!(talk.poll(), [Lost(vec![0, 1])]);
    assert!(talk.member.identity().is_none());
    assert_eq!(
        talk.beat_now(heard(5, Some(&[0, 1]))),
        ("me".into(), 5, Fields::All(vec![]))
    );
    assert_eq!(talk.poll(), [Assigned(vec![0, 1])]);
}

#[test]
fn an_instance_id_is_waited_for_but_not_for_ever() {
    let mut talk = consumer(Some("a"));
    for _ in 0..50 {
        talk.beat(Answer::Refused(Code::UnreleasedInstanceId));
        assert_eq!(talk.poll(), []);
    }
    talk.pass(Duration::from_secs(60));
    talk.beat(Answer::Refused(Code::UnreleasedInstanceId));
    assert!(talk.error().to_string().contains("worker a of group g"));
}

#[test]
fn leaving_the_consumer_protocol() {
    for (instance, departure, epoch) in [
        (None, Departure::ForNow, -1),
        (Some("a"), Departure::ForNow, -2),
        (Some("a"), Departure::ForGood, -1),
    ] {
        let mut talk = consumer(instance);
        talk.beat(heard(1, Some(&[0])));
        talk.poll();
        talk.member.leave(departure);
        assert_eq!(talk.beat_now(heard(epoch, None)), ("me".into(), epoch, Fields::None));
        assert_eq!(talk.member.farewell(), Some(Ok(())));
    }
    let mut talk = consumer(None);
    talk.member.leave(Departure::ForNow);
    assert_eq!(talk.member.farewell(), Some(Ok(())));
}
