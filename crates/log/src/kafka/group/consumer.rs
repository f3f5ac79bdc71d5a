//! `Consumer`: a member of a group whose coordinator shares the partitions out (KIP-848, ConsumerGroupHeartbeat).
//!
//! It has no socket and no clock (see [`Machine`]). How long the coordinator waits for a heartbeat is a setting of the
//! broker (`group.consumer.session.timeout.ms`) which it does not tell; the member believes `session.timeout.ms`.
//!
//! # Constraints
//!
//! - What the coordinator gives is free. What it has taken back is held, and said to be held, until the worker has let go.
//! - What is said to be owned is never less than what is held or may be handed out before the answer comes.

use std::time::{Duration, Instant};

use kafka_protocol::error::ResponseError as Code;

use super::ask::{Answer, Ask, ConsumerHeard, ConsumerHeartbeat, Fields, Lane};
use super::holdings::Holdings;
use super::lanes::{Lanes, UnderWay};
use super::lease::Lease;
use super::machine::{Departure, Machine};
use super::terms::Terms;
use crate::Change;
use crate::kafka::failure::{Failure, Subject};
use crate::kafka::identities::GroupIdentity;
use crate::kafka::retry::Backoff;

const JOIN: i32 = 0;
const LEAVE: i32 = -1;
const LEAVE_FOR_NOW: i32 = -2;

/// A member of a group of the consumer protocol.
pub(super) struct Consumer {
    terms: Terms,
    /// Made up by the worker; no other member was ever called so.
    name: String,
    /// How often it had to take another member id.
    renamed: u32,
    member_id: String,
    epoch: i32,
    phase: Phase,
    holdings: Holdings,
    /// The coordinator has not been told what became of what it gave.
    owes_answer: bool,
    /// An answer was lost: the coordinator has to be told everything.
    owes_everything: bool,
    lease: Lease,
    lanes: Lanes,
    heartbeat_at: Instant,
    backoff: Backoff,
    /// Since when the instance id is held by an earlier member that has not left.
    held_up_since: Option<Instant>,
    failure: Option<Failure>,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Member,
    Leaving,
    Over,
}

impl Consumer {
    /// `name` is to be one of a kind.
    pub(super) fn new(terms: Terms, name: String, now: Instant) -> Consumer {
        Consumer {
            lease: Lease::new(terms.session, terms.rebalance),
            terms,
            member_id: name.clone(),
            name,
            renamed: 0,
            epoch: JOIN,
            phase: Phase::Member,
            holdings: Holdings::default(),
            owes_answer: false,
            owes_everything: true,
            lanes: Lanes::default(),
            heartbeat_at: now,
            backoff: Backoff::new(),
            held_up_since: None,
            failure: None,
        }
    }

    fn heartbeat(&mut self) {
        let owned = || (self.holdings.held() | self.holdings.given()).into_iter().collect();
        let fields = match (self.owes_everything, self.owes_answer && self.holdings.is_settled()) {
            (true, _) => Fields::All(owned()),
            (false, true) => Fields::Owned(owned()),
            (false, false) => Fields::None,
        };
        if fields != Fields::None {
            self.owes_answer = false;
        }
        self.ask(self.epoch, fields);
    }

    fn ask(&mut self, epoch: i32, fields: Fields) {
        let heartbeat = ConsumerHeartbeat {
            member_id: self.member_id.clone(),
            epoch,
            fields,
        };
        self.lanes.ask(Lane::Heartbeat, Ask::ConsumerHeartbeat(heartbeat));
    }

    fn heard(&mut self, now: Instant, sent_at: Instant, heard: ConsumerHeard) {
        if let Some(member_id) = heard.member_id.filter(|given| !given.is_empty()) {
            self.member_id = member_id;
        }
        self.epoch = heard.epoch;
        self.heartbeat_at = now + heard.interval.clamp(Duration::from_millis(10), self.terms.session / 3);
        self.backoff = Backoff::new();
        self.held_up_since = None;
        self.owes_everything = false;
        if let Some(given) = heard.given {
            self.holdings.give(given);
            self.owes_answer = true;
        }
        // A member that does not give back what was taken is thrown out, however alive it is.
        self.lease.renew(sent_at);
        if self.holdings.held().is_subset(self.holdings.given()) {
            self.lease.rest(sent_at);
        }
    }

    fn refused(&mut self, now: Instant, epoch: i32, code: Code) {
        let is_held_up = code == Code::UnreleasedInstanceId && !self.has_waited_enough(now);
        match code {
            Code::UnknownMemberId | Code::FencedMemberEpoch => {
                // One that cannot even join is known as somebody who is still at work.
                if epoch == JOIN && code == Code::FencedMemberEpoch {
                    self.renamed += 1;
                    self.member_id = format!("{}-{}", self.name, self.renamed);
                }
                self.lose();
                self.epoch = JOIN;
                self.try_again(now);
            }
            code if code.is_retriable() || is_held_up => self.try_again(now),
            code => self.fail(Failure::Refused {
                code,
                what: Subject::Other(self.terms.who()),
            }),
        }
    }

    /// A worker that was killed holds its instance id until its session is over.
    fn has_waited_enough(&mut self, now: Instant) -> bool {
        let since = *self.held_up_since.get_or_insert(now);
        now >= since + self.terms.rebalance
    }

    fn try_again(&mut self, now: Instant) {
        self.owes_everything = true;
        self.heartbeat_at = now + self.backoff.pause();
    }

    fn lose(&mut self) {
        self.holdings.lose();
        self.lease.end();
        self.owes_everything = true;
    }

    fn fail(&mut self, failure: Failure) {
        self.lose();
        self.phase = Phase::Over;
        self.failure = Some(failure);
    }

    fn left(&mut self, answer: Answer) {
        self.phase = Phase::Over;
        self.failure = match answer {
            Answer::Lost(failure) => Some(failure),
            // Whoever is not known is not there.
            Answer::Refused(Code::UnknownMemberId) => None,
            Answer::Refused(code) => Some(Failure::Refused {
                code,
                what: Subject::Other(self.terms.who()),
            }),
            _ => None,
        };
    }
}

impl Machine for Consumer {
    fn tick(&mut self, now: Instant) {
        if self.phase != Phase::Member {
            return;
        }
        if self.lease.is_over(now) {
            // The coordinator says whether we are known still; if so, it gives everything again.
            self.lose();
            self.heartbeat_at = now;
        }
        let can_answer = self.owes_answer && self.holdings.is_settled() && !self.owes_everything;
        if (self.heartbeat_at <= now || can_answer) && self.lanes.is_free(Lane::Heartbeat) {
            self.heartbeat();
        }
    }

    fn change(&mut self) -> Result<Option<Change>, Failure> {
        match (self.holdings.take_lost(), &self.failure) {
            (Some(lost), _) => Ok(Some(lost)),
            (None, Some(failure)) => Err(failure.clone()),
            (None, None) => Ok(self.holdings.next_step()),
        }
    }

    fn released(&mut self, now: Instant) {
        self.holdings.release();
        self.owes_answer = true;
        self.tick(now);
    }

    fn leave(&mut self, departure: Departure) {
        let is_over = self.phase == Phase::Over;
        // One that never joined has nothing to leave, unless its first join is on its way.
        let is_known = self.epoch != JOIN || !self.lanes.is_free(Lane::Heartbeat);
        self.holdings.forget();
        self.lose();
        if is_over || !is_known {
            self.phase = Phase::Over;
            self.failure = None;
            return;
        }
        self.phase = Phase::Leaving;
        let comes_back = departure == Departure::ForNow && self.terms.instance_id.is_some();
        self.ask(if comes_back { LEAVE_FOR_NOW } else { LEAVE }, Fields::None);
    }

    fn farewell(&self) -> Option<Result<(), Failure>> {
        (self.phase == Phase::Over).then(|| self.failure.clone().map_or(Ok(()), Err))
    }

    fn identity(&self) -> Option<GroupIdentity> {
        let is_member = self.epoch > JOIN && self.lease.is_running() && !self.holdings.has_lost();
        is_member.then(|| GroupIdentity {
            member_id: self.member_id.clone(),
            generation_or_epoch: self.epoch,
            instance_id: self.terms.instance_id.clone(),
        })
    }

    fn is_wanted(&self, lane: Lane) -> bool {
        self.lanes.is_wanted(lane)
    }

    fn take(&mut self, lane: Lane, now: Instant) -> Option<Ask> {
        self.lanes.take(lane, now)
    }

    fn is_abandoned(&self, lane: Lane) -> bool {
        self.lanes.is_abandoned(lane)
    }

    fn answered(&mut self, lane: Lane, now: Instant, answer: Answer) {
        let Some(UnderWay {
            ask: Ask::ConsumerHeartbeat(asked),
            sent_at,
            ..
        }) = self.lanes.finish(lane)
        else {
            return;
        };
        match (answer, &self.phase) {
            (answer, Phase::Leaving) if asked.epoch < JOIN => self.left(answer),
            (Answer::Failed(failure), _) => self.fail(failure),
            (Answer::ConsumerHeard(heard), Phase::Member) => self.heard(now, sent_at, heard),
            (Answer::Refused(code), Phase::Member) => self.refused(now, asked.epoch, code),
            (_, Phase::Member) => self.try_again(now),
            _ => {}
        }
    }
}
