//! A group: who of its members works on which partitions, decided by its coordinator.
//!
//! A partition goes to another member only when the one that held it has given it back or is out: by its session, or because
//! the coordinator has forgotten it.

use std::collections::{BTreeMap, BTreeSet};

/// What a member is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    /// What it may work on.
    pub(crate) holds: BTreeSet<u32>,
    /// What it is to give back.
    pub(crate) revoked: BTreeSet<u32>,
}

#[derive(Debug)]
struct Member {
    heard_ms: i64,
    holds: BTreeSet<u32>,
}

/// One group over one topic.
#[derive(Debug, Default)]
pub(crate) struct Group {
    partitions: u32,
    members: BTreeMap<u64, Member>,
    joined: u64,
    /// How often members came and went.
    changes: u64,
}

impl Group {
    pub(crate) fn new(partitions: u32) -> Group {
        Group {
            partitions,
            ..Group::default()
        }
    }

    /// A new member, with a name that no member had before.
    pub(crate) fn join(&mut self, now_ms: i64) -> u64 {
        self.joined += 1;
        let holds = BTreeSet::new();
        let heard_ms = now_ms;
        self.changes += 1;
        self.members.insert(self.joined, Member { heard_ms, holds });
        self.joined
    }

    pub(crate) fn has(&self, member: u64) -> bool {
        self.members.contains_key(&member)
    }

    /// A member is heard of, and says what it has given back. `None`: it is out.
    pub(crate) fn heartbeat(&mut self, now_ms: i64, member: u64, given_back: &BTreeSet<u32>) -> Option<Held> {
        let me = self.members.get_mut(&member)?;
        me.heard_ms = now_ms;
        me.holds.retain(|partition| !given_back.contains(partition));
        let target = self.target();
        let mine = |partition: &u32| target.get(partition) == Some(&member);
        let held: BTreeSet<u32> = self.members.values().flat_map(|other| &other.holds).copied().collect();
        let me = self.members.get_mut(&member)?;
        let free = (0..self.partitions).filter(|partition| mine(partition) && !held.contains(partition));
        me.holds.extend(free);
        Some(Held {
            holds: me.holds.iter().filter(|partition| mine(partition)).copied().collect(),
            revoked: me.holds.iter().filter(|partition| !mine(partition)).copied().collect(),
        })
    }

    pub(crate) fn leave(&mut self, member: u64) {
        self.remove_if(|name, _| name == member);
    }

    pub(crate) fn expire(&mut self, now_ms: i64, session_ms: i64) {
        self.remove_if(|_, member| now_ms - member.heard_ms > session_ms);
    }

    /// How often members have come and gone.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    fn remove_if(&mut self, is_out: impl Fn(u64, &Member) -> bool) {
        let before = self.members.len();
        self.members.retain(|name, member| !is_out(*name, member));
        self.changes += (before - self.members.len()) as u64;
    }

    /// Forgets the member that holds most, as a coordinator that moves to another broker may.
    pub(crate) fn forget_one(&mut self) -> Option<u64> {
        let (member, _) = self.members.iter().max_by_key(|(_, member)| member.holds.len())?;
        let member = *member;
        self.leave(member);
        Some(member)
    }

    /// Who is to have which partition: nobody more than his part, and everybody what he has as far as that allows.
    fn target(&self) -> BTreeMap<u32, u64> {
        let (count, members) = (self.partitions as usize, self.members.len().max(1));
        let (least, more) = (count / members, count % members);
        let mut room: BTreeMap<u64, usize> = BTreeMap::new();
        let mut by_holding: Vec<(&u64, &Member)> = self.members.iter().collect();
        by_holding.sort_by_key(|(name, member)| (std::cmp::Reverse(member.holds.len()), **name));
        for (index, (name, _)) in by_holding.iter().enumerate() {
            room.insert(**name, least + usize::from(index < more));
        }
        let mut target = BTreeMap::new();
        for (name, member) in &by_holding {
            for partition in &member.holds {
                let left = room.entry(**name).or_default();
                if *left > 0 {
                    *left -= 1;
                    target.insert(*partition, **name);
                }
            }
        }
        for partition in 0..self.partitions {
            if !target.contains_key(&partition)
                && let Some((name, left)) = room.iter_mut().find(|(_, left)| **left > 0)
            {
                *left -= 1;
                target.insert(partition, *name);
            }
        }
        target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_changes_hands_only_when_it_was_given_back() {
        let mut group = Group::new(4);
        let none = BTreeSet::new();
        let first = group.join(0);
        let held = group.heartbeat(0, first, &none).expect("a member");
        assert_eq!(held.holds.len(), 4);
        let second = group.join(1);
        assert!(group.heartbeat(1, second, &none).expect("a member").holds.is_empty());
        let held = group.heartbeat(2, first, &none).expect("a member");
        assert_eq!((held.holds.len(), held.revoked.len()), (2, 2));
        assert!(group.heartbeat(3, second, &none).expect("a member").holds.is_empty());
        group.heartbeat(4, first, &held.revoked);
        assert_eq!(group.heartbeat(5, second, &none).expect("a member").holds, held.revoked);
        group.expire(4_000, 3_995);
        assert!(group.heartbeat(4_000, first, &none).is_none());
        assert_eq!(group.heartbeat(4_000, second, &none).expect("a member").holds.len(), 4);
    }
}
