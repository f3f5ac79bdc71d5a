//! A worker's membership of a group, over a network that loses heartbeats.
//!
//! It does nothing but when it is polled: a worker that is paused is not heard of, and may find itself out of the group.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use hw_log::{Change, LogError, Membership};

use super::{Members, lock};
use crate::Bug;
use crate::cluster::{Group, Held};
use crate::world::{Who, World};

/// Between two heartbeats.
const BEAT_MS: i64 = 250;

/// One worker's part in a group.
pub(super) struct SimMember {
    world: Arc<World>,
    who: Who,
    group: String,
    partitions: u32,
    /// What the worker's transactions say who they are.
    members: Members,
    /// The name in the group; none while out of it.
    name: Option<u64>,
    /// As the worker was told.
    owned: BTreeSet<u32>,
    /// Told to be given back, and not given back yet.
    revoked: BTreeSet<u32>,
    /// Given back, which the coordinator does not know yet.
    given_back: BTreeSet<u32>,
    changes: VecDeque<Change>,
    next_beat_ms: i64,
}

impl SimMember {
    pub(super) fn new(world: &Arc<World>, who: Who, group: &str, partitions: u32, members: Members) -> SimMember {
        SimMember {
            world: Arc::clone(world),
            who,
            group: group.to_owned(),
            partitions,
            members,
            name: None,
            owned: BTreeSet::new(),
            revoked: BTreeSet::new(),
            given_back: BTreeSet::new(),
            changes: VecDeque::new(),
            next_beat_ms: i64::MIN,
        }
    }

    fn beat(&mut self) {
        let (group, partitions, given_back) = (&self.group, self.partitions, &self.given_back);
        let name = self.name;
        let heard = self.world.with(|state| {
            let now_ms = state.now_ms;
            if now_ms < self.next_beat_ms {
                return None;
            }
            self.next_beat_ms = now_ms + BEAT_MS;
            if state.dice.chance(state.faults.lose) {
                return None;
            }
            let known = state.cluster.groups.entry(group.clone());
            let known = known.or_insert_with(|| Group::new(partitions));
            let name = name.unwrap_or_else(|| known.join(now_ms));
            let held = known.heartbeat(now_ms, name, given_back);
            let is_answered = !state.dice.chance(state.faults.lose);
            is_answered.then_some((name, held))
        });
        match heard {
            None => {}
            Some((name, Some(held))) => self.hear(name, &held),
            Some((_, None)) => self.be_out(),
        }
    }

    fn hear(&mut self, name: u64, held: &Held) {
        self.name = Some(name);
        lock(&self.members).names.insert(self.group.clone(), name);
        // What it does not have, as when an answer that gave it something got lost, it gives back at once.
        self.given_back = held.revoked.difference(&self.owned).copied().collect();
        let new: Vec<u32> = held.holds.difference(&self.owned).copied().collect();
        if !new.is_empty() {
            self.owned.extend(&new);
            self.changes.push_back(Change::Assigned(new));
        }
        let owned_still = held.revoked.intersection(&self.owned).copied();
        let revoked: Vec<u32> = owned_still
            .filter(|partition| !self.revoked.contains(partition))
            .collect();
        if !revoked.is_empty() {
            self.revoked.extend(&revoked);
            self.changes.push_back(Change::Revoked(revoked));
        }
    }

    /// The coordinator does not know the member any more. The worker is told first; then it joins again.
    fn be_out(&mut self) {
        self.name = None;
        lock(&self.members).names.remove(&self.group);
        lock(&self.members).refused.clear();
        let lost: Vec<u32> = std::mem::take(&mut self.owned).into_iter().collect();
        self.revoked.clear();
        self.given_back.clear();
        self.changes.clear();
        let is_told = self.world.with(|state| !state.cluster.has(Bug::SilentLoss));
        if !is_told {
            self.owned.extend(lost);
        } else if !lost.is_empty() {
            self.changes.push_back(Change::Lost(lost));
        }
    }
}

impl Membership for SimMember {
    fn poll(&mut self) -> Result<Option<Change>, LogError> {
        self.world.touch(self.who, "poll")?;
        if self.changes.is_empty() {
            self.beat();
        }
        let change = self.changes.pop_front();
        if let Some(change) = &change {
            self.world
                .note(|| format!("{} in {}: {change:?}", self.who, self.group));
        }
        Ok(change)
    }

    fn released(&mut self) -> Result<(), LogError> {
        self.world.touch(self.who, "released")?;
        lock(&self.members).refused.clear();
        for partition in std::mem::take(&mut self.revoked) {
            self.owned.remove(&partition);
            self.given_back.insert(partition);
        }
        self.next_beat_ms = i64::MIN;
        Ok(())
    }

    fn leave(&mut self) -> Result<(), LogError> {
        if let Some(name) = self.name.take() {
            self.world.with(|state| {
                if let Some(group) = state.cluster.groups.get_mut(&self.group) {
                    group.leave(name);
                }
            });
        }
        Ok(())
    }
}
