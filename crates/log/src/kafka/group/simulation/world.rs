//! The world of the simulation: it moves time on in small steps, carries messages, breaks things, and looks whether two
//! workers own the same partition.
//!
//! It does not decide who owns what.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::coordinator::{Coordinator, Ticket};
use super::dice::Dice;
use super::network::{Message, Network};
use super::worker::{LANES, Trouble, Worker};
use crate::kafka::address::Address;
use crate::kafka::failure::Failure;
use crate::kafka::group::ask::{Answer, Ask};
use crate::kafka::group::machine::{Departure, Machine};
use crate::kafka::group::terms::Terms;

const STEP: Duration = Duration::from_millis(10);
const SESSION: Duration = Duration::from_secs(6);
const REBALANCE: Duration = Duration::from_secs(10);
const WORKERS_MAX: usize = 7;

pub(super) struct World {
    dice: Dice,
    start: Instant,
    now: Instant,
    partitions: u32,
    coordinator: Coordinator,
    network: Network,
    workers: Vec<Worker>,
    /// Workers with an instance id that will be back.
    away: Vec<(Instant, String)>,
    next_name: u32,
    next_ticket: Ticket,
    /// Of a hundred messages, so many are lost.
    losses: u64,
    pub(super) history: Vec<String>,
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        let now = Instant::now();
        let mut dice = Dice(seed);
        World {
            start: now,
            now,
            partitions: dice.below(24) as u32 + 1,
            dice,
            coordinator: Coordinator::new(SESSION, REBALANCE),
            network: Network::default(),
            workers: Vec::new(),
            away: Vec::new(),
            next_name: 0,
            next_ticket: 0,
            losses: 0,
            history: Vec::new(),
        }
    }

    /// Nothing new goes wrong.
    pub(super) fn run(&mut self, time: Duration) {
        self.losses = 0;
        for worker in &mut self.workers {
            worker.recover(self.now);
        }
        for _ in 0..time.as_millis() / STEP.as_millis() {
            self.step();
        }
    }

    /// Workers come and go and the network is bad.
    pub(super) fn run_in_storm(&mut self, time: Duration) {
        self.losses = self.dice.below(20);
        for _ in 0..time.as_millis() / STEP.as_millis() {
            if self.dice.once_in(150) {
                self.break_something();
            }
            self.step();
        }
        if self.workers.iter().all(|worker| worker.has_left) {
            self.start_dynamic();
        }
    }

    fn break_something(&mut self) {
        let Some(which) = (self.workers.len() as u64)
            .checked_sub(1)
            .map(|last| self.dice.below(last + 1) as usize)
        else {
            return self.start_dynamic();
        };
        let until = self.now + self.dice.millis(200, 14_000);
        match self.dice.below(10) {
            0..=2 if self.workers.len() >= WORKERS_MAX => {}
            0 | 1 => self.start_dynamic(),
            2 => self.start_static(),
            3 => self.trouble(which, Trouble::Hung(until)),
            4 => self.trouble(which, Trouble::Frozen(until)),
            5 => self.cut(which, until),
            6 => self.leave(which, Departure::ForNow),
            7 => self.leave(which, Departure::ForGood),
            8 => self.kill(which, until),
            _ => self.coordinator.move_on(self.now),
        }
    }

    fn trouble(&mut self, which: usize, trouble: Trouble) {
        self.workers[which].trouble = Some(trouble);
        let (kind, until) = match trouble {
            Trouble::Hung(until) => ("hangs", until),
            Trouble::Frozen(until) => ("is frozen", until),
        };
        self.note_until(which, kind, until);
    }

    fn cut(&mut self, which: usize, until: Instant) {
        self.workers[which].cut_until = until;
        self.note_until(which, "is cut off", until);
    }

    pub(super) fn start_dynamic(&mut self) {
        self.start(None);
    }

    pub(super) fn start_static(&mut self) {
        self.start(Some(format!("static{}", self.next_name)));
    }

    fn start(&mut self, instance: Option<String>) {
        self.next_name += 1;
        self.note(format!("worker {} starts as {instance:?}", self.next_name));
        let terms = Terms {
            group: "g".into(),
            topic: "t".into(),
            partitions: self.partitions,
            instance_id: instance,
            session: SESSION,
            rebalance: REBALANCE,
            heartbeat: Duration::from_secs(1),
        };
        self.workers.push(Worker::new(self.next_name, terms, self.now));
    }

    /// It is gone at once and says nothing; one with an instance id comes back.
    fn kill(&mut self, which: usize, back_at: Instant) {
        let worker = self.workers.remove(which);
        self.note(format!("worker {} is killed", worker.name));
        self.away.extend(worker.instance.map(|instance| (back_at, instance)));
    }

    fn leave(&mut self, which: usize, departure: Departure) {
        let worker = &mut self.workers[which];
        if worker.is_awake() && !worker.has_left {
            worker.leave(departure);
            let name = worker.name;
            self.note(format!("worker {name} leaves {departure:?}"));
        }
    }

    /// Kills a worker with an instance id and says as whom it is back after a while.
    pub(super) fn restart_a_static(&mut self, away: Duration) -> (u32, u32) {
        let which = self
            .workers
            .iter()
            .position(|worker| worker.instance.is_some())
            .unwrap();
        let old = self.workers[which].name;
        self.kill(which, self.now + away);
        (old, self.next_name + 1)
    }

    fn step(&mut self) {
        self.now += STEP;
        self.bring_back();
        while let Some(message) = self.network.receive(self.now) {
            self.deliver(message);
        }
        self.coordinator.tick(self.now);
        for (ticket, answer) in self.coordinator.take_replies() {
            self.send(ticket, Message::Reply(ticket, answer));
        }
        for which in 0..self.workers.len() {
            self.poll(which);
            self.drive(which);
        }
        self.workers.retain(|worker| worker.machine.farewell().is_none());
    }

    fn bring_back(&mut self) {
        let now = self.now;
        let back: Vec<(Instant, String)> = self.away.extract_if(.., |(at, _)| *at <= now).collect();
        for (_, instance) in back {
            self.start(Some(instance));
        }
    }

    fn poll(&mut self, which: usize) {
        let changes = self.workers[which].poll(self.now, &mut self.dice);
        let name = self.workers[which].name;
        for change in &changes {
            self.note(format!("worker {name}: {change:?}"));
        }
        if !changes.is_empty() {
            self.check_exclusive(which);
        }
    }

    /// What the threads of a worker's connections do.
    fn drive(&mut self, which: usize) {
        if !self.workers[which].is_running(self.now) {
            return;
        }
        for (lane, index) in LANES.into_iter().zip(0..) {
            let worker = &mut self.workers[which];
            if worker.machine.is_abandoned(lane) {
                worker.tickets[index] = None;
                worker.machine.answered(lane, self.now, Answer::Lost(lost()));
            }
            let Some(ask) = worker.machine.take(lane, self.now) else {
                continue;
            };
            self.next_ticket += 1;
            let ticket = self.next_ticket;
            worker.tickets[index] = Some(ticket);
            let instance = worker.instance.clone();
            let patience = match ask {
                Ask::Join(_) | Ask::Sync(_) => REBALANCE + Duration::from_secs(3),
                _ => Duration::from_secs(3),
            };
            self.network
                .send(self.now + patience, Message::Reply(ticket, Answer::Lost(lost())));
            self.send(ticket, Message::Request(ticket, instance, ask));
        }
    }

    /// Puts it on its way, or loses it; then the connection breaks some time later, or nobody notices for long.
    fn send(&mut self, ticket: Ticket, message: Message) {
        let is_cut = self
            .holder(ticket)
            .is_some_and(|(which, _)| self.workers[which].cut_until > self.now);
        if !is_cut && self.dice.below(100) >= self.losses {
            return self.network.send(self.now + self.dice.millis(1, 60), message);
        }
        if self.dice.once_in(2) {
            let at = self.now + self.dice.millis(10, 1_000);
            self.network.send(at, Message::Reply(ticket, Answer::Lost(lost())));
        }
    }

    fn deliver(&mut self, message: Message) {
        match message {
            Message::Request(ticket, instance, ask) => {
                self.coordinator.ask(self.now, ticket, instance.as_deref(), ask);
            }
            Message::Reply(ticket, answer) => {
                let Some((which, index)) = self.holder(ticket) else {
                    return;
                };
                let now = self.now;
                let worker = &mut self.workers[which];
                if !worker.is_running(now) {
                    // It lies in the socket's buffer.
                    self.network.send(now + STEP, Message::Reply(ticket, answer));
                    return;
                }
                worker.tickets[index] = None;
                worker.machine.answered(LANES[index], now, answer);
            }
        }
    }

    /// Which worker and lane wait for that answer.
    fn holder(&self, ticket: Ticket) -> Option<(usize, usize)> {
        self.workers.iter().enumerate().find_map(|(which, worker)| {
            let index = worker.tickets.iter().position(|held| *held == Some(ticket))?;
            Some((which, index))
        })
    }

    /// Whoever is awake owns what nobody else owns who is.
    fn check_exclusive(&self, which: usize) {
        let held = &self.workers[which].held;
        let others = self
            .workers
            .iter()
            .enumerate()
            .filter(|(other, worker)| *other != which && worker.is_awake());
        for (_, other) in others {
            let both: BTreeSet<u32> = held & &other.held;
            let names = (self.workers[which].name, other.name);
            assert!(
                both.is_empty(),
                "{both:?} is owned by both of {names:?}:\n{}",
                self.history.join("\n")
            );
        }
    }

    /// Every partition has one owner, and nobody owns two more than another.
    pub(super) fn check_balanced(&self) {
        let sizes: Vec<usize> = self.workers.iter().map(|worker| worker.held.len()).collect();
        let total: usize = sizes.iter().sum();
        let least = sizes.iter().min().copied().unwrap_or(0);
        let is_balanced = total == self.partitions as usize && sizes.iter().all(|size| *size <= least + 1);
        assert!(
            is_balanced,
            "{sizes:?} of {}:\n{}",
            self.partitions,
            self.history.join("\n")
        );
    }

    /// Who owns what, by the workers' names.
    pub(super) fn owners(&self) -> BTreeMap<u32, u32> {
        let owned = self
            .workers
            .iter()
            .flat_map(|worker| worker.held.iter().map(|partition| (*partition, worker.name)));
        owned.collect()
    }

    /// As before, with the new name of one worker taken for its old one.
    pub(super) fn owners_named(&self, (old, new): (u32, u32)) -> BTreeMap<u32, u32> {
        let owners = self.owners().into_iter();
        owners
            .map(|(partition, owner)| (partition, if owner == new { old } else { owner }))
            .collect()
    }

    pub(super) fn count(&self) -> usize {
        self.workers.len()
    }

    pub(super) fn generation(&self) -> i32 {
        self.coordinator.generation
    }

    fn note_until(&mut self, which: usize, what: &str, until: Instant) {
        let until = until.duration_since(self.start).as_millis();
        self.note(format!("worker {} {what} until {until} ms", self.workers[which].name));
    }

    fn note(&mut self, what: String) {
        let at = self.now.duration_since(self.start).as_millis();
        self.history.push(format!(
            "{at:>7} ms, generation {}: {what}",
            self.coordinator.generation
        ));
    }
}

fn lost() -> Failure {
    Failure::Io {
        address: Address {
            host: "simulated".into(),
            port: 1,
        },
        reason: "it was lost".into(),
    }
}
