//! A worker of the simulation: a member's machine, what the worker believes to own, and how it is doing.
//!
//! It knows nothing of the others; whether two own the same, the world looks.

use std::collections::BTreeSet;
use std::time::Instant;

use super::coordinator::Ticket;
use super::dice::Dice;
use crate::Change;
use crate::kafka::group::ask::Lane;
use crate::kafka::group::classic::Classic;
use crate::kafka::group::machine::{Departure, Machine};
use crate::kafka::group::terms::Terms;

pub(super) const LANES: [Lane; 2] = [Lane::Rebalance, Lane::Heartbeat];

/// What keeps a worker from polling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Its connections' threads go on.
    Hung(Instant),
    /// Nothing of the process does.
    Frozen(Instant),
}

pub(super) struct Worker {
    pub(super) name: u32,
    pub(super) instance: Option<String>,
    pub(super) machine: Classic,
    pub(super) held: BTreeSet<u32>,
    /// Requests under way, by lane.
    pub(super) tickets: [Option<Ticket>; 2],
    pub(super) trouble: Option<Trouble>,
    /// Nothing gets through until then.
    pub(super) cut_until: Instant,
    poll_at: Instant,
    /// When it will have let go of what was revoked, and of what.
    letting_go: Option<(Instant, Vec<u32>)>,
    pub(super) has_left: bool,
}

impl Worker {
    pub(super) fn new(name: u32, terms: Terms, now: Instant) -> Worker {
        Worker {
            name,
            instance: terms.instance_id.clone(),
            machine: Classic::new(terms, now),
            held: BTreeSet::new(),
            tickets: [None; 2],
            trouble: None,
            cut_until: now,
            poll_at: now,
            letting_go: None,
            has_left: false,
        }
    }

    /// Whether its threads run.
    pub(super) fn is_running(&self, now: Instant) -> bool {
        !matches!(self.trouble, Some(Trouble::Frozen(until)) if until > now)
    }

    /// Whether it calls its membership in time, so that what it believes counts: who wakes up polls before all else.
    pub(super) fn is_awake(&self) -> bool {
        self.trouble.is_none()
    }

    /// Whatever kept it is over.
    pub(super) fn recover(&mut self, now: Instant) {
        if let Some(Trouble::Frozen(until) | Trouble::Hung(until)) = &mut self.trouble {
            *until = now;
        }
        self.cut_until = now;
    }

    /// Polls if it is time to, and gives what changed.
    pub(super) fn poll(&mut self, now: Instant, dice: &mut Dice) -> Vec<Change> {
        let is_kept = matches!(self.trouble, Some(Trouble::Frozen(until) | Trouble::Hung(until)) if until > now);
        if is_kept || now < self.poll_at || self.has_left {
            return Vec::new();
        }
        (self.poll_at, self.trouble) = (now + dice.millis(10, 300), None);
        self.machine.tick(now);
        let mut changes = Vec::new();
        while let Some(change) = self.machine.change().unwrap() {
            self.obey(&change, now, dice);
            changes.push(change);
        }
        self.let_go(now);
        changes
    }

    fn obey(&mut self, change: &Change, now: Instant, dice: &mut Dice) {
        match change {
            Change::Assigned(partitions) => {
                assert!(
                    partitions.iter().all(|partition| self.held.insert(*partition)),
                    "{partitions:?} was its own"
                );
            }
            Change::Revoked(partitions) => {
                assert!(
                    partitions.iter().all(|partition| self.held.contains(partition)),
                    "{partitions:?} was not its own"
                );
                assert!(self.letting_go.is_none(), "one at a time");
                self.letting_go = Some((now + dice.millis(0, 400), partitions.clone()));
            }
            Change::Lost(partitions) => {
                let all: Vec<u32> = std::mem::take(&mut self.held).into_iter().collect();
                assert_eq!(partitions, &all, "all is lost or nothing");
                self.letting_go = None;
            }
        }
    }

    fn let_go(&mut self, now: Instant) {
        if let Some((_, partitions)) = self.letting_go.take_if(|(at, _)| *at <= now) {
            self.held.retain(|partition| !partitions.contains(partition));
            self.machine.released(now);
        }
    }

    /// Ends its work and says so.
    pub(super) fn leave(&mut self, departure: Departure) {
        self.held.clear();
        self.letting_go = None;
        self.has_left = true;
        self.machine.leave(departure);
    }
}
