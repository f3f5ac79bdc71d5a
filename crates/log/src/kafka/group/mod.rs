//! `GroupMember`: one worker's part in a Kafka consumer group over one topic.
//!
//! It fetches nothing and commits nothing; as whom the worker commits, it writes down for the producer
//! ([`super::identities`]), and that it is no member any more before it says that anything is lost.
//!
//! | file | what |
//! |---|---|
//! | `classic.rs`, `consumer.rs` | the two protocols, as machines without sockets, threads or clocks |
//! | `holdings.rs`, `lease.rs`, `lanes.rs` | what both are made of: partitions, the time a membership lasts, requests under way |
//! | `assign.rs` | the leader's part of the classic protocol: who gets which partition |
//! | `ask.rs`, `wire.rs`, `embedded.rs` | requests and answers, and their bytes |
//! | `driver.rs` | the thread of each connection |
//! | `scripted.rs` | tests: single conversations |
//! | `simulation/` | tests: many members, one coordinator, a bad network, by seed |
//!
//! # Constraints
//!
//! - [`Membership::poll`] waits for nobody: requests are sent and answers awaited by threads that do nothing else.
//! - Heartbeats and joins begin in `poll` alone. A worker that hangs is thrown out when its session times out, and has
//!   lost everything when it wakes up, before it hears anything else.
//! - A worker without an instance id has left when it says so, or when its session is over. One with an instance id is
//!   away until its session is over, unless it says that it leaves for good.

mod ask;
mod assign;
mod classic;
mod consumer;
mod driver;
mod embedded;
mod holdings;

mod lanes;
mod lease;
#[cfg(test)]
mod live;
mod machine;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod simulation;
mod terms;
mod wire;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;

use self::ask::Lane;
use self::classic::Classic;
use self::consumer::Consumer;
use self::driver::Driver;
use self::machine::{Departure, Machine};
use self::terms::Terms;
use self::wire::Wire;
use super::cluster::Cluster;
use super::identities::GroupIdentities;
use super::settings::{GroupProtocol, Settings};
use crate::{Change, LogError, Membership, Seat};

/// How long leaving waits to be heard.
const LEAVE_WAIT_MAX: Duration = Duration::from_secs(5);

/// One worker's part in a group.
pub(crate) struct GroupMember {
    driver: Arc<Driver>,
}

impl GroupMember {
    /// Begins to join; nothing is asked of the coordinator before the first [`Membership::poll`]. As whom the worker is
    /// to commit, stands in `identities` while it is a member.
    ///
    /// # Errors
    /// [`LogError::UnknownTopic`]; or when the cluster cannot be reached.
    pub(crate) fn join(
        cluster: &Arc<Cluster>,
        identities: &GroupIdentities,
        group: &str,
        topic: &str,
        seat: Seat,
    ) -> Result<GroupMember, LogError> {
        let topic = cluster.name(topic);
        let answer = cluster
            .retry(Instant::now() + cluster.settings().request_timeout, || {
                cluster.metadata(Some(&[&topic]))
            })
            .map_err(|failure| cluster.error(failure))?;
        let found = answer.topics.first();
        let partitions = found.map_or(0, |found| u32::try_from(found.partitions.len()).unwrap_or(u32::MAX));
        let topic_id = found.map(|found| TopicPartitions::default().with_topic_id(found.topic_id));
        let terms = Terms::new(cluster.settings(), cluster.name(group), topic, partitions, seat);
        let wire = Wire::new(terms.clone(), topic_id.unwrap_or_default());
        let (machine, lanes) = machine(cluster.settings(), terms.clone())?;
        let driver = Arc::new(Driver::new(
            Arc::clone(cluster),
            Arc::clone(identities),
            terms,
            wire,
            machine,
        ));
        // Before the first answer the worker is no member: it may not commit.
        driver.step(|_, _| ());
        let member = GroupMember { driver };
        for &lane in lanes {
            member.start(lane)?;
        }
        Ok(member)
    }

    fn start(&self, lane: Lane) -> Result<(), LogError> {
        let driver = Arc::clone(&self.driver);
        let started = thread::Builder::new()
            .name("kafka-group".into())
            .spawn(move || driver.run(lane));
        started
            .map(drop)
            .map_err(|error| self.driver.error_of(&format!("no thread can be started: {error}")))
    }

    fn leave_as(&mut self, departure: Departure) -> Result<(), LogError> {
        self.driver.step(|machine, _| machine.leave(departure));
        self.driver.farewell(LEAVE_WAIT_MAX)
    }
}

impl Membership for GroupMember {
    fn poll(&mut self) -> Result<Option<Change>, LogError> {
        let change = self.driver.step(|machine, now| {
            machine.tick(now);
            machine.change()
        });
        change.map_err(|failure| self.driver.error(failure))
    }

    fn released(&mut self) -> Result<(), LogError> {
        self.driver.step(|machine, now| machine.released(now));
        Ok(())
    }

    fn leave(&mut self) -> Result<(), LogError> {
        self.leave_as(Departure::ForNow)
    }

    fn leave_for_good(&mut self) -> Result<(), LogError> {
        self.leave_as(Departure::ForGood)
    }
}

impl Drop for GroupMember {
    /// Says nothing to the group. The threads end by themselves, at the latest when their broker has answered or not.
    fn drop(&mut self) {
        self.driver.close();
    }
}

/// The member that speaks the protocol, and the connections that it needs.
fn machine(settings: &Settings, terms: Terms) -> Result<(Box<dyn Machine>, &'static [Lane]), LogError> {
    let now = Instant::now();
    Ok(match settings.group_protocol {
        GroupProtocol::Classic => (Box::new(Classic::new(terms, now)), &[Lane::Rebalance, Lane::Heartbeat]),
        GroupProtocol::Consumer => {
            let name = fresh_name(&settings.client_id)?;
            (Box::new(Consumer::new(terms, name, now)), &[Lane::Heartbeat])
        }
    })
}

/// As coordinators name members where they do, with 16 random bytes.
fn fresh_name(client_id: &str) -> Result<String, LogError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| LogError::Invalid {
        what: "a member id".into(),
        name: String::new(),
        reason: format!("the system gives no random bytes: {error}"),
    })?;
    Ok(format!("{client_id}-{}", URL_SAFE_NO_PAD.encode(random)))
}
