//! `Classic`: a member of a group whose leader shares the partitions out (JoinGroup, SyncGroup, Heartbeat, LeaveGroup),
//! cooperatively: the worker works on through every rebalance and gives back only what moves.
//!
//! It has no socket and no clock (see [`Machine`]).
//!
//! # Constraints
//!
//! - Every join claims all that is held at the moment it is made, and nothing is handed out between it and the share that
//!   answers it. So whatever the leader believes to be free is free.
//! - Whoever was not part of a generation has lost everything: the coordinator says so, or the numbers do, or the lease is
//!   over before it can have begun.
//! - While a join is held back, heartbeats go on as of the generation before, which the coordinator answers: they are
//!   what keeps the lease.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use kafka_protocol::error::ResponseError as Code;

use super::ask::{Answer, Ask, Heartbeat, Join, Joined, Lane, Leave, Role, Sync};
use super::assign::{Claims, assign};
use super::holdings::Holdings;
use super::lanes::{Lanes, UnderWay};
use super::lease::Lease;
use super::machine::{Departure, Machine};
use super::terms::Terms;
use crate::Change;
use crate::kafka::failure::{Failure, Subject};
use crate::kafka::identities::GroupIdentity;
use crate::kafka::retry::Backoff;

/// The generation of whoever is in none.
const NO_GENERATION: i32 = -1;
/// After a heartbeat of which nobody heard.
const HEARTBEAT_AGAIN: Duration = Duration::from_millis(250);

/// A member of a classic group.
pub(super) struct Classic {
    terms: Terms,
    /// Given by the coordinator; empty before.
    member_id: String,
    /// The last that it was part of.
    generation: i32,
    phase: Phase,
    holdings: Holdings,
    /// The generation in which they were given.
    given_in: i32,
    /// What the last join claimed.
    claimed: BTreeSet<u32>,
    lease: Lease,
    lanes: Lanes,
    heartbeat_at: Instant,
    /// When the leader looks after partitions that it left between two owners.
    follow_up_at: Option<Instant>,
    backoff: Backoff,
    failure: Option<Failure>,
}

#[derive(Debug)]
enum Phase {
    /// It is to join, from then on.
    Apart(Instant, &'static str),
    Joining,
    /// It is part of a generation, and asks for its share from then on.
    Syncing(Sync, Instant),
    /// It has its share.
    Member,
    Leaving,
    Over,
}

impl Classic {
    pub(super) fn new(terms: Terms, now: Instant) -> Classic {
        Classic {
            lease: Lease::new(terms.session, terms.rebalance),
            terms,
            member_id: String::new(),
            generation: NO_GENERATION,
            phase: Phase::Apart(now, "it starts"),
            holdings: Holdings::default(),
            given_in: NO_GENERATION,
            claimed: BTreeSet::new(),
            lanes: Lanes::default(),
            heartbeat_at: now,
            follow_up_at: None,
            backoff: Backoff::new(),
            failure: None,
        }
    }

    fn join(&mut self, reason: &'static str) {
        self.phase = Phase::Joining;
        self.follow_up_at = None;
        self.claimed.clone_from(self.holdings.held());
        let claims = Claims {
            partitions: self.claimed.iter().copied().collect(),
            generation: self.given_in,
        };
        let member_id = self.member_id.clone();
        let join = Join {
            member_id,
            claims,
            reason,
        };
        self.lanes.ask(Lane::Rebalance, Ask::Join(join));
    }

    fn join_answered(&mut self, now: Instant, sent_at: Instant, answer: Answer) {
        match answer {
            Answer::Joined(joined) => self.begin(now, sent_at, joined),
            Answer::MemberIdRequired(member_id) => {
                self.member_id = member_id;
                self.join("it has its member id");
            }
            Answer::Refused(code) => self.refused(now, code),
            _ => self.try_again(now),
        }
    }

    /// A generation begins.
    fn begin(&mut self, now: Instant, sent_at: Instant, joined: Joined) {
        // A generation that was left out may have given to others what we held.
        if ![self.generation, self.generation.saturating_add(1)].contains(&joined.generation) {
            self.lose();
        }
        self.member_id = joined.member_id;
        self.generation = joined.generation;
        self.heartbeat_at = now;
        // Heartbeats have kept the lease while the join was held back, if there was something to be kept.
        match self.holdings.is_empty() {
            true => self.lease.end(),
            false => {
                self.lease.rest(sent_at);
                self.lease.rest_again();
            }
        }
        let mut shares = Vec::new();
        match joined.role {
            Role::Follower => {}
            Role::Leader(candidates) => {
                let assigned = assign(self.terms.partitions, &candidates);
                // Their owners let go of them and join again, unless they die in between and come back as if nothing was.
                self.follow_up_at = (!assigned.moving.is_empty()).then_some(now + self.terms.session);
                shares = assigned.by_member.into_iter().collect();
            }
            // What it left between two owners before it went, it does not know any more.
            Role::ReturningLeader => self.follow_up_at = Some(now + self.terms.session),
        }
        let sync = Sync {
            member_id: self.member_id.clone(),
            generation: self.generation,
            shares,
        };
        self.lanes.ask(Lane::Rebalance, Ask::Sync(sync.clone()));
        self.phase = Phase::Syncing(sync, now);
    }

    fn sync_answered(&mut self, now: Instant, sent_at: Instant, answer: Answer) {
        match answer {
            Answer::Synced(partitions) => {
                self.phase = Phase::Member;
                self.backoff = Backoff::new();
                self.given_in = self.generation;
                self.lease.rest(sent_at);
                self.holdings.give(partitions);
                self.follow_up(now);
            }
            Answer::Refused(code) if !code.is_retriable() => self.refused(now, code),
            // The same question is answered in the same way.
            _ => {
                let ask_at = now + self.backoff.pause();
                if let Phase::Syncing(_, at) = &mut self.phase {
                    *at = ask_at;
                }
            }
        }
    }

    fn heartbeat_answered(&mut self, now: Instant, sent_at: Instant, answer: Answer) {
        match answer {
            // Whoever has not asked for its share yet can still be thrown out for that.
            Answer::Done if matches!(self.phase, Phase::Syncing(..)) => self.lease.renew(sent_at),
            Answer::Done => {
                self.lease.renew(sent_at);
                self.lease.rest(sent_at);
            }
            Answer::Refused(Code::RebalanceInProgress) => {
                self.lease.renew(sent_at);
                if matches!(self.phase, Phase::Member) {
                    self.phase = Phase::Apart(now, "a rebalance is on");
                }
            }
            // The answer to the join is on its way, or lost; then the lease ends.
            Answer::Refused(Code::IllegalGeneration) if matches!(self.phase, Phase::Joining) => {}
            // The answer to the join will say what to do.
            Answer::Refused(Code::UnknownMemberId) if matches!(self.phase, Phase::Joining) => self.lose(),
            Answer::Refused(code) if !code.is_retriable() => {
                self.lanes.abandon(Lane::Rebalance);
                self.refused(now, code);
            }
            _ => self.heartbeat_at = now + HEARTBEAT_AGAIN.min(self.terms.heartbeat),
        }
    }

    fn refused(&mut self, now: Instant, code: Code) {
        match code {
            Code::UnknownMemberId => {
                self.lose();
                self.member_id.clear();
                self.phase = Phase::Apart(now, "it was thrown out");
            }
            Code::IllegalGeneration => {
                self.lose();
                self.phase = Phase::Apart(now, "it has missed a generation");
            }
            Code::RebalanceInProgress => self.phase = Phase::Apart(now, "a rebalance is on"),
            code if code.is_retriable() => self.try_again(now),
            code => self.fail(Failure::Refused {
                code,
                what: Subject::Other(self.terms.who()),
            }),
        }
    }

    fn try_again(&mut self, now: Instant) {
        self.phase = Phase::Apart(now + self.backoff.pause(), "its last join was not answered");
    }

    /// Joins once more when the worker has let go of something that waits for its new owner.
    fn follow_up(&mut self, now: Instant) {
        let is_free =
            |partition| !self.holdings.held().contains(partition) && !self.holdings.given().contains(partition);
        if matches!(self.phase, Phase::Member) && self.claimed.iter().any(is_free) {
            self.phase = Phase::Apart(now, "it has let go of partitions");
        }
    }

    fn lose(&mut self) {
        self.holdings.lose();
        self.generation = NO_GENERATION;
        self.given_in = NO_GENERATION;
        self.lease.end();
    }

    fn fail(&mut self, failure: Failure) {
        self.lose();
        self.lanes.abandon(Lane::Rebalance);
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

    fn go_on(&mut self, now: Instant) {
        let is_free = self.lanes.is_free(Lane::Rebalance);
        match &self.phase {
            Phase::Apart(join_at, reason) if is_free && *join_at <= now => self.join(reason),
            Phase::Syncing(sync, ask_at) if is_free && *ask_at <= now => {
                self.lanes.ask(Lane::Rebalance, Ask::Sync(sync.clone()));
            }
            Phase::Member if self.follow_up_at.is_some_and(|at| at <= now) => {
                self.join("partitions may be between two owners");
            }
            _ => {}
        }
    }
}

impl Machine for Classic {
    fn tick(&mut self, now: Instant) {
        if self.lease.is_over(now) {
            self.lose();
            self.lanes.abandon(Lane::Rebalance);
            self.phase = Phase::Apart(now, "its session is over");
        }
        self.go_on(now);
        let has_generation = self.generation != NO_GENERATION;
        if has_generation && self.heartbeat_at <= now && self.lanes.is_free(Lane::Heartbeat) {
            self.heartbeat_at = now + self.terms.heartbeat;
            let heartbeat = Heartbeat {
                member_id: self.member_id.clone(),
                generation: self.generation,
            };
            self.lanes.ask(Lane::Heartbeat, Ask::Heartbeat(heartbeat));
        }
    }

    fn change(&mut self) -> Result<Option<Change>, Failure> {
        if let Some(lost) = self.holdings.take_lost() {
            return Ok(Some(lost));
        }
        match (&self.failure, &self.phase) {
            (Some(failure), _) => Err(failure.clone()),
            // A share that came late may be of a session that is over already: a heartbeat has to be heard first.
            (None, Phase::Member) if self.lease.is_running() => Ok(self.holdings.next_step()),
            _ => Ok(None),
        }
    }

    fn released(&mut self, now: Instant) {
        self.holdings.release();
        self.follow_up(now);
        self.tick(now);
    }

    fn leave(&mut self, departure: Departure) {
        let is_static = self.terms.instance_id.is_some();
        let is_known = is_static || !self.member_id.is_empty();
        let says_so = is_known && (departure == Departure::ForGood || !is_static);
        let is_over = matches!(self.phase, Phase::Over);
        self.holdings.forget();
        self.lose();
        self.lanes.abandon(Lane::Rebalance);
        if is_over || !says_so {
            self.phase = Phase::Over;
            self.failure = None;
            return;
        }
        self.phase = Phase::Leaving;
        let member_id = self.member_id.clone();
        self.lanes.ask(Lane::Heartbeat, Ask::Leave(Leave { member_id }));
    }

    fn farewell(&self) -> Option<Result<(), Failure>> {
        matches!(self.phase, Phase::Over).then(|| self.failure.clone().map_or(Ok(()), Err))
    }

    fn identity(&self) -> Option<GroupIdentity> {
        let is_member = self.generation != NO_GENERATION && !self.holdings.has_lost();
        is_member.then(|| GroupIdentity {
            member_id: self.member_id.clone(),
            generation_or_epoch: self.generation,
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
        let Some(UnderWay { ask, sent_at, .. }) = self.lanes.finish(lane) else {
            return;
        };
        match (ask, answer) {
            (_, Answer::Failed(failure)) => self.fail(failure),
            (Ask::Join(_), answer) => self.join_answered(now, sent_at, answer),
            (Ask::Sync(_), answer) => self.sync_answered(now, sent_at, answer),
            (Ask::Heartbeat(of), answer) if of.generation == self.generation && of.member_id == self.member_id => {
                self.heartbeat_answered(now, sent_at, answer);
            }
            (Ask::Leave(_), answer) => self.left(answer),
            // Of a generation that is over.
            _ => {}
        }
    }
}
