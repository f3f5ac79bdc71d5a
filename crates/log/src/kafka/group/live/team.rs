//! A team: the workers of one group in this process, polled in turn, each of which does as it is told.
//!
//! It looks that no two of them own the same partition.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::kafka::cluster::Cluster;
use crate::kafka::group::GroupMember;
use crate::kafka::identities::GroupIdentities;
use crate::kafka::live::fresh;
use crate::kafka::settings::Settings;
use crate::{Change, LogError, Membership, Seat, TopicOptions};

const PAUSE: Duration = Duration::from_millis(20);

/// How the group shares out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Classic,
    Consumer,
}

impl Protocol {
    pub(super) fn name(self) -> &'static str {
        match self {
            Protocol::Classic => "classic",
            Protocol::Consumer => "consumer",
        }
    }
}

/// Settings for the broker of the environment, with a short session; `None` when there is no broker.
pub(super) fn settings(protocol: &str, instance: Option<&str>) -> Option<Settings> {
    let mut properties = vec![
        ("bootstrap.servers", crate::kafka::live::settings()?.bootstrap_text()),
        ("group.protocol", protocol.to_owned()),
        ("session.timeout.ms", "6000".to_owned()),
        ("heartbeat.interval.ms", "500".to_owned()),
    ];
    properties.extend(instance.map(|instance| ("group.instance.id", instance.to_owned())));
    let properties: Vec<(&str, &str)> = properties.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Some(crate::kafka::live::settings_for(&properties))
}

pub(super) struct Team {
    pub(super) cluster: Arc<Cluster>,
    pub(super) protocol: Protocol,
    pub(super) group: String,
    pub(super) topic: String,
    pub(super) partitions: u32,
    pub(super) workers: Vec<Worker>,
}

impl Team {
    /// `None` when there is no broker.
    pub(super) fn new(name: &str, protocol: Protocol, partitions: u32) -> Option<Team> {
        let cluster = Cluster::open(settings(protocol.name(), None)?).unwrap();
        let topic = fresh(&format!("group-{name}"));
        cluster.create_topic(&topic, &TopicOptions::stream(partitions)).unwrap();
        Some(Team {
            cluster,
            protocol,
            group: topic.clone(),
            topic,
            partitions,
            workers: Vec::new(),
        })
    }

    pub(super) fn join(&mut self, instance: Option<&str>) {
        self.join_at(self.workers.len(), instance);
    }

    pub(super) fn join_at(&mut self, place: usize, instance: Option<&str>) {
        let cluster = Cluster::open(settings(self.protocol.name(), instance).unwrap()).unwrap();
        self.workers
            .insert(place, Worker::new(&cluster, &self.group, &self.topic));
    }

    pub(super) fn leave(&mut self, which: usize) {
        self.workers.remove(which).member.leave().unwrap();
    }

    pub(super) fn leave_for_good(&mut self, which: usize) {
        self.workers.remove(which).member.leave_for_good().unwrap();
    }

    /// Goes on until every partition has an owner among the team, evenly, and stays so for a moment.
    pub(super) fn until_shared(&mut self, patience: Duration) {
        let start = Instant::now();
        let mut shared_since = None;
        while shared_since.is_none_or(|since: Instant| since.elapsed() < Duration::from_secs(1)) {
            let shares: Vec<_> = self.workers.iter().map(|worker| &worker.history).collect();
            assert!(start.elapsed() < patience, "not shared: {shares:#?}");
            self.step();
            shared_since = if self.is_shared() {
                shared_since.or(Some(Instant::now()))
            } else {
                None
            };
        }
    }

    pub(super) fn watch(&mut self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            self.step();
        }
    }

    fn step(&mut self) {
        for which in 0..self.workers.len() {
            self.workers[which].step();
            self.check_exclusive();
        }
        std::thread::sleep(PAUSE);
    }

    fn check_exclusive(&self) {
        let mut seen = BTreeSet::new();
        for partition in self.workers.iter().flat_map(|worker| &worker.held) {
            assert!(seen.insert(*partition), "{partition} has two owners");
        }
    }

    fn is_shared(&self) -> bool {
        let sizes: Vec<usize> = self.workers.iter().map(|worker| worker.held.len()).collect();
        let least = sizes.iter().min().copied().unwrap_or(0);
        sizes.iter().sum::<usize>() == self.partitions as usize && sizes.iter().all(|size| *size <= least + 1)
    }
}

pub(super) struct Worker {
    pub(super) member: GroupMember,
    pub(super) held: BTreeSet<u32>,
    pub(super) history: Vec<Change>,
    pub(super) lost: usize,
    identities: GroupIdentities,
    group: String,
}

impl Worker {
    pub(super) fn new(cluster: &Arc<Cluster>, group: &str, topic: &str) -> Worker {
        let identities = GroupIdentities::default();
        Worker {
            member: GroupMember::join(cluster, &identities, group, topic, Seat::ONLY).unwrap(),
            held: BTreeSet::new(),
            history: Vec::new(),
            lost: 0,
            identities,
            group: cluster.name(group),
        }
    }

    pub(super) fn generation(&self) -> i32 {
        self.identities.lock().unwrap()[&self.group].generation_or_epoch
    }

    pub(super) fn step(&mut self) {
        self.try_step().unwrap();
    }

    fn try_step(&mut self) -> Result<(), LogError> {
        while let Some(change) = self.member.poll()? {
            match &change {
                Change::Assigned(partitions) => self.held.extend(partitions),
                Change::Revoked(partitions) => {
                    self.held.retain(|partition| !partitions.contains(partition));
                    self.member.released()?;
                }
                Change::Lost(partitions) => {
                    assert_ne!(self.identities.lock().unwrap()[&self.group].member_id, "");
                    self.held.retain(|partition| !partitions.contains(partition));
                    self.lost += 1;
                }
            }
            self.history.push(change);
        }
        Ok(())
    }

    /// Goes on until the group refuses the worker for good.
    pub(super) fn until_error(&mut self, patience: Duration) -> LogError {
        let start = Instant::now();
        loop {
            if let Err(error) = self.try_step() {
                return error;
            }
            assert!(start.elapsed() < patience, "{:?}", self.history);
            std::thread::sleep(PAUSE);
        }
    }
}
