//! A coordinator of classic groups in memory, as Apache Kafka's is: it forms generations of whoever joins, hands the
//! leader's shares on, and throws out whoever is not heard.
//!
//! It loses nothing and answers at once or when the others have come; the network is the world's.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kafka_protocol::error::ResponseError as Code;

use crate::kafka::group::ask::{Answer, Ask, Join, Joined, Role, Sync};
use crate::kafka::group::assign::{Candidate, Claims};

/// Which request an answer is for.
pub(super) type Ticket = u64;

const INITIAL_DELAY: Duration = Duration::from_millis(300);
/// How long a member may wait for its first generation.
const NEW_MEMBER_MAX: Duration = Duration::from_secs(300);

pub(super) struct Coordinator {
    session: Duration,
    rebalance: Duration,
    phase: Phase,
    pub(super) generation: i32,
    leader: String,
    members: BTreeMap<String, Member>,
    /// Ids that were given out and are not members yet.
    pending: BTreeMap<String, Instant>,
    next_id: u32,
    replies: Vec<(Ticket, Answer)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Empty,
    /// The first members are waited for until then, however many come.
    Starting(Instant),
    Preparing(Instant),
    /// Shares are waited for.
    Completing,
    Stable,
}

struct Member {
    instance: Option<String>,
    claims: Claims,
    is_new: bool,
    joining: Option<Ticket>,
    syncing: Option<Ticket>,
    /// Until then it has to ask for its share.
    sync_until: Option<Instant>,
    expires_at: Instant,
    share: Vec<u32>,
}

impl Coordinator {
    pub(super) fn new(session: Duration, rebalance: Duration) -> Coordinator {
        Coordinator {
            session,
            rebalance,
            phase: Phase::Empty,
            generation: 0,
            leader: String::new(),
            members: BTreeMap::new(),
            pending: BTreeMap::new(),
            next_id: 0,
            replies: Vec::new(),
        }
    }

    pub(super) fn take_replies(&mut self) -> Vec<(Ticket, Answer)> {
        std::mem::take(&mut self.replies)
    }

    pub(super) fn ask(&mut self, now: Instant, ticket: Ticket, instance: Option<&str>, ask: Ask) {
        let refusal = match &ask {
            Ask::Join(join) if join.member_id.is_empty() || self.pending.contains_key(&join.member_id) => None,
            Ask::Join(join) => self.check(&join.member_id, instance),
            Ask::Sync(sync) => self.check_generation(&sync.member_id, instance, sync.generation),
            Ask::Heartbeat(beat) => self.check_generation(&beat.member_id, instance, beat.generation),
            Ask::Leave(leave) => self.check(&leave.member_id, instance),
            Ask::ConsumerHeartbeat(_) => Some(Code::UnsupportedVersion),
        };
        match (refusal, ask) {
            (Some(code), _) => self.reply(ticket, Answer::Refused(code)),
            (None, Ask::Join(join)) => self.join(now, ticket, instance, join),
            (None, Ask::Sync(sync)) => self.sync(now, ticket, sync),
            (None, Ask::Heartbeat(beat)) => {
                self.member(&beat.member_id).expires_at = now + self.session;
                let is_preparing = matches!(self.phase, Phase::Preparing(_) | Phase::Starting(_));
                let refused = Answer::Refused(Code::RebalanceInProgress);
                self.reply(ticket, if is_preparing { refused } else { Answer::Done });
            }
            (None, Ask::Leave(leave)) => {
                self.reply(ticket, Answer::Done);
                self.remove(now, &leave.member_id);
            }
            (None, Ask::ConsumerHeartbeat(_)) => {}
        }
    }

    /// Time passes.
    pub(super) fn tick(&mut self, now: Instant) {
        let pending = self.pending.len();
        self.pending.retain(|_, until| *until > now);
        if self.pending.len() < pending {
            self.complete_if_all_came(now);
        }
        let is_lost = |member: &Member| {
            let waits = !member.is_new && (member.joining.is_some() || member.syncing.is_some());
            member.expires_at <= now && !waits || member.sync_until.is_some_and(|until| until <= now)
        };
        let lost: Vec<String> = self
            .members
            .iter()
            .filter(|(_, member)| is_lost(member))
            .map(|(id, _)| id.clone())
            .collect();
        for member_id in lost {
            self.remove(now, &member_id);
        }
        match self.phase {
            Phase::Preparing(until) | Phase::Starting(until) if until <= now => self.complete(now),
            _ => {}
        }
    }

    /// Another broker takes over: it knows the members, and nobody waits for an answer any more.
    pub(super) fn move_on(&mut self, now: Instant) {
        let mut tickets = Vec::new();
        for member in self.members.values_mut() {
            tickets.extend(member.joining.take().into_iter().chain(member.syncing.take()));
            member.expires_at = now + self.session;
        }
        for ticket in tickets {
            self.reply(ticket, Answer::Refused(Code::NotCoordinator));
        }
    }

    fn check(&self, member_id: &str, instance: Option<&str>) -> Option<Code> {
        let of_instance = instance.and_then(|instance| self.find_instance(instance));
        match (self.members.contains_key(member_id), of_instance) {
            (_, Some(other)) if other != member_id => Some(Code::FencedInstanceId),
            (false, _) => Some(Code::UnknownMemberId),
            (true, _) => None,
        }
    }

    fn check_generation(&self, member_id: &str, instance: Option<&str>, generation: i32) -> Option<Code> {
        self.check(member_id, instance)
            .or((generation != self.generation).then_some(Code::IllegalGeneration))
    }

    fn find_instance(&self, instance: &str) -> Option<&str> {
        let mut members = self.members.iter();
        members
            .find(|(_, member)| member.instance.as_deref() == Some(instance))
            .map(|(id, _)| id.as_str())
    }

    fn join(&mut self, now: Instant, ticket: Ticket, instance: Option<&str>, join: Join) {
        if self.members.contains_key(&join.member_id) {
            return self.rejoin(now, ticket, join);
        }
        let is_pending = self.pending.remove(&join.member_id).is_some();
        let member_id = if is_pending {
            join.member_id
        } else {
            self.fresh_id(instance)
        };
        let replaced = instance
            .and_then(|instance| self.find_instance(instance))
            .map(str::to_owned);
        match (is_pending || instance.is_some(), replaced) {
            (false, _) => {
                self.pending.insert(member_id.clone(), now + self.session);
                self.reply(ticket, Answer::MemberIdRequired(member_id));
            }
            (true, Some(old)) => self.replace(now, ticket, &old, member_id, join.claims),
            (true, None) => {
                let member = Member {
                    instance: instance.map(str::to_owned),
                    claims: join.claims,
                    is_new: true,
                    joining: Some(ticket),
                    syncing: None,
                    sync_until: None,
                    expires_at: now + NEW_MEMBER_MAX,
                    share: Vec::new(),
                };
                self.members.insert(member_id, member);
                self.rebalance(now);
            }
        }
    }

    fn fresh_id(&mut self, instance: Option<&str>) -> String {
        self.next_id += 1;
        format!("{}-{:03}", instance.unwrap_or("member"), self.next_id)
    }

    fn rejoin(&mut self, now: Instant, ticket: Ticket, join: Join) {
        let is_leader = self.leader == join.member_id;
        let is_same = self.member(&join.member_id).claims == join.claims;
        match self.phase {
            Phase::Completing if is_same => self.tell_generation(ticket, &join.member_id, Role::Follower),
            Phase::Stable if is_same && !is_leader => self.tell_generation(ticket, &join.member_id, Role::Follower),
            _ => {
                let member = self.member(&join.member_id);
                member.claims = join.claims;
                member.joining = Some(ticket);
                self.rebalance(now);
            }
        }
    }

    /// A worker with an instance id is back; its earlier life is fenced.
    fn replace(&mut self, now: Instant, ticket: Ticket, old: &str, member_id: String, claims: Claims) {
        let Some(mut member) = self.members.remove(old) else {
            return;
        };
        for ticket in member.joining.take().into_iter().chain(member.syncing.take()) {
            self.reply(ticket, Answer::Refused(Code::FencedInstanceId));
        }
        if self.leader == old {
            self.leader.clone_from(&member_id);
        }
        member.claims = claims;
        member.expires_at = now + self.session;
        member.joining = (self.phase != Phase::Stable).then_some(ticket);
        self.members.insert(member_id.clone(), member);
        match self.phase {
            Phase::Stable => self.tell_generation(ticket, &member_id, Role::ReturningLeader),
            _ => self.rebalance(now),
        }
    }

    /// `as_leader`: unless it has to share out.
    fn tell_generation(&mut self, ticket: Ticket, member_id: &str, as_leader: Role) {
        let role = match (self.leader == member_id, self.phase) {
            (true, Phase::Completing) => Role::Leader(self.candidates()),
            (true, _) => as_leader,
            (false, _) => Role::Follower,
        };
        let joined = Joined {
            member_id: member_id.to_owned(),
            generation: self.generation,
            role,
        };
        self.reply(ticket, Answer::Joined(joined));
    }

    fn candidates(&self) -> Vec<Candidate> {
        let candidate = |(id, member): (&String, &Member)| Candidate {
            member_id: id.clone(),
            claims: member.claims.clone(),
        };
        self.members.iter().map(candidate).collect()
    }

    fn sync(&mut self, now: Instant, ticket: Ticket, sync: Sync) {
        match self.phase {
            Phase::Completing => {
                let member = self.member(&sync.member_id);
                member.sync_until = None;
                member.syncing = Some(ticket);
                if self.leader == sync.member_id {
                    self.share_out(now, &sync.shares.into_iter().collect());
                }
            }
            Phase::Stable => {
                let member = self.member(&sync.member_id);
                member.sync_until = None;
                let share = member.share.clone();
                self.reply(ticket, Answer::Synced(share));
            }
            _ => self.reply(ticket, Answer::Refused(Code::RebalanceInProgress)),
        }
    }

    fn share_out(&mut self, now: Instant, shares: &BTreeMap<String, Vec<u32>>) {
        self.phase = Phase::Stable;
        for (id, member) in &mut self.members {
            member.share = shares.get(id).cloned().unwrap_or_default();
            if let Some(ticket) = member.syncing.take() {
                member.expires_at = now + self.session;
                self.replies.push((ticket, Answer::Synced(member.share.clone())));
            }
        }
    }

    fn remove(&mut self, now: Instant, member_id: &str) {
        let Some(member) = self.members.remove(member_id) else {
            return;
        };
        if let Some(ticket) = member.joining {
            self.reply(ticket, Answer::Refused(Code::UnknownMemberId));
        }
        self.rebalance(now);
    }

    /// Begins to form a generation, or goes on with it.
    fn rebalance(&mut self, now: Instant) {
        match self.phase {
            Phase::Empty => self.phase = Phase::Starting(now + INITIAL_DELAY),
            Phase::Completing | Phase::Stable => {
                for member in self.members.values_mut() {
                    member.share.clear();
                    member.sync_until = None;
                    let ticket = member.syncing.take();
                    self.replies
                        .extend(ticket.map(|ticket| (ticket, Answer::Refused(Code::RebalanceInProgress))));
                }
                self.phase = Phase::Preparing(now + self.rebalance);
            }
            Phase::Starting(_) | Phase::Preparing(_) => {}
        }
        self.complete_if_all_came(now);
    }

    fn complete_if_all_came(&mut self, now: Instant) {
        let all_came = self.pending.is_empty() && self.members.values().all(|member| member.joining.is_some());
        if all_came && matches!(self.phase, Phase::Preparing(_)) {
            self.complete(now);
        }
    }

    /// A generation of those who came, and of those who are only away.
    fn complete(&mut self, now: Instant) {
        self.members
            .retain(|_, member| member.joining.is_some() || member.instance.is_some());
        let came = |member: &Member| member.joining.is_some();
        let first = self
            .members
            .iter()
            .find(|(_, member)| came(member))
            .map(|(id, _)| id.clone());
        match first {
            None if !self.members.is_empty() => {
                self.phase = Phase::Preparing(now + self.rebalance);
                return;
            }
            Some(first) if !self.members.get(&self.leader).is_some_and(came) => self.leader = first,
            _ => {}
        }
        self.generation += 1;
        self.phase = if self.members.is_empty() {
            Phase::Empty
        } else {
            Phase::Completing
        };
        let mut tickets = Vec::new();
        for (id, member) in &mut self.members {
            member.is_new = false;
            member.expires_at = now + self.session;
            member.sync_until = Some(now + self.rebalance);
            tickets.extend(member.joining.take().map(|ticket| (ticket, id.clone())));
        }
        for (ticket, id) in tickets {
            self.tell_generation(ticket, &id, Role::Follower);
        }
    }

    fn member(&mut self, member_id: &str) -> &mut Member {
        self.members
            .get_mut(member_id)
            .expect("invariant: it was checked that it is a member")
    }

    fn reply(&mut self, ticket: Ticket, answer: Answer) {
        self.replies.push((ticket, answer));
    }
}
