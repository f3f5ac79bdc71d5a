//! `Cluster`: what is known of a cluster's brokers, leaders and coordinators, and connections for single calls.
//!
//! It does nothing twice by itself: [`super::retry`] does. Long conversations have connections of their own.
//!
//! # Constraints
//!
//! - What is known is only a guess: brokers answer when it is wrong, and whoever hears that has it forgotten.
//! - No lock is held while a broker is waited for.
//! - At most [`IDLE_MAX`] connections wait for the next call.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::{Request, StrBytes};

use super::address::Address;
use super::connection::Connection;
use super::failure::{Failure, Subject};
use super::settings::Settings;
use crate::LogError;

/// How many connections are kept for later calls.
const IDLE_MAX: usize = 8;

/// Which broker is to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    /// Whichever can be reached.
    Any,
    /// The one that changes topics.
    Controller,
    /// This one.
    Broker(BrokerId),
}

/// Whose coordinator is wanted; names are those on the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Coordinates<'a> {
    Group(&'a str),
    Transaction(&'a str),
}

/// A cluster as far as it is known.
pub(crate) struct Cluster {
    settings: Settings,
    /// Written by whoever asks a broker, read by every call; held for a look only.
    known: Mutex<Known>,
    /// Connections that nobody uses now, the latest used last.
    idle: Mutex<Vec<Connection>>,
}

#[derive(Default)]
struct Known {
    brokers: HashMap<BrokerId, Address>,
    controller: Option<BrokerId>,
    /// The leader of every partition of a topic, where it has one.
    leaders: HashMap<String, Vec<Option<BrokerId>>>,
    /// By kind (as in the protocol) and name.
    coordinators: HashMap<(i8, String), BrokerId>,
    /// Where the last call to just any broker went.
    preferred: Option<Address>,
}

impl Cluster {
    /// Asks one of the bootstrap servers for the others.
    pub(crate) fn open(settings: Settings) -> Result<Arc<Cluster>, Failure> {
        let cluster = Cluster {
            settings,
            known: Mutex::default(),
            idle: Mutex::default(),
        };
        cluster.metadata(Some(&[]))?;
        Ok(Arc::new(cluster))
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The topic's or group's name on the cluster: with the namespace before it.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}{name}", self.settings.namespace)
    }

    /// The failure for whoever uses the log.
    pub(crate) fn error(&self, failure: Failure) -> LogError {
        failure.into_log_error(&self.settings.bootstrap_text(), &self.settings.namespace)
    }

    /// A connection of the caller's own.
    pub(crate) fn connect(&self, broker: BrokerId) -> Result<Connection, Failure> {
        Connection::open(&self.settings, &self.address(broker)?)
    }

    /// How many partitions a topic has.
    pub(crate) fn partitions(&self, topic: &str) -> Result<u32, Failure> {
        let leaders = self.leaders(topic)?;
        Ok(u32::try_from(leaders.len()).unwrap_or(u32::MAX))
    }

    /// The broker that a partition is written to and read from.
    pub(crate) fn leader(&self, topic: &str, partition: u32) -> Result<BrokerId, Failure> {
        let leaders = self.leaders(topic)?;
        let Some(leader) = leaders.get(partition as usize) else {
            return Err(Failure::UnknownPartition {
                topic: topic.to_owned(),
                partition,
                partitions: u32::try_from(leaders.len()).unwrap_or(u32::MAX),
            });
        };
        leader.ok_or_else(|| Failure::Refused {
            code: ResponseError::LeaderNotAvailable,
            what: Subject::Partition(topic.to_owned(), partition),
        })
    }

    /// The leaders of all partitions of a topic, in their order.
    pub(crate) fn leaders(&self, topic: &str) -> Result<Vec<Option<BrokerId>>, Failure> {
        let known = self.known().leaders.get(topic).cloned();
        if let Some(leaders) = known {
            return Ok(leaders);
        }
        let answer = self.metadata(Some(&[topic]))?;
        let leaders = answer.topics.first().map(leaders_of).unwrap_or_default();
        Ok(leaders)
    }

    /// They changed: ask again at the next call.
    pub(crate) fn forget_leaders(&self, topic: &str) {
        self.known().leaders.remove(topic);
    }

    /// The broker that keeps a group's or a transactional id's state.
    pub(crate) fn coordinator(&self, of: Coordinates<'_>) -> Result<BrokerId, Failure> {
        let key = of.key();
        let known = self.known().coordinators.get(&key).copied();
        if let Some(broker) = known {
            return Ok(broker);
        }
        let request = FindCoordinatorRequest::default()
            .with_key_type(key.0)
            .with_key(StrBytes::from_string(key.1.clone()));
        let answer = self.call(Where::Any, 1..=3, &request)?;
        Failure::check(answer.error_code, || of.subject())?;
        let address = address(&answer.host, answer.port)?;
        let mut known = self.known();
        known.brokers.insert(answer.node_id, address);
        known.coordinators.insert(key, answer.node_id);
        Ok(answer.node_id)
    }

    /// It moved: ask again at the next call.
    pub(crate) fn forget_coordinator(&self, of: Coordinates<'_>) {
        self.known().coordinators.remove(&of.key());
    }

    /// The broker there is gone, perhaps for a while: others lead and coordinate now, or soon.
    pub(crate) fn forget_broker(&self, address: &Address) {
        let mut known = self.known();
        let gone: Vec<BrokerId> = (known.brokers.iter())
            .filter(|(_, known)| *known == address)
            .map(|(broker, _)| *broker)
            .collect();
        known.coordinators.retain(|_, broker| !gone.contains(broker));
        known
            .leaders
            .retain(|_, leaders| !leaders.iter().flatten().any(|leader| gone.contains(leader)));
        known.controller = known.controller.filter(|broker| !gone.contains(broker));
        known.preferred = known.preferred.take().filter(|preferred| preferred != address);
        drop(known);
        self.idle().retain(|connection| connection.address() != address);
    }

    /// Another broker changes topics now.
    pub(crate) fn forget_controller(&self) {
        self.known().controller = None;
    }

    /// One request and its answer, on a connection that may have served others before.
    pub(crate) fn call<R: Request>(
        &self,
        broker: Where,
        versions: RangeInclusive<i16>,
        request: &R,
    ) -> Result<R::Response, Failure> {
        let mut connection = match broker {
            Where::Any => self.any_connection()?,
            Where::Controller => self.connection_to(&self.address(self.controller()?)?)?,
            Where::Broker(broker) => self.connection_to(&self.address(broker)?)?,
        };
        connection.set_timeout(self.settings.request_timeout);
        let answer = connection.call(versions, request)?;
        self.keep(connection);
        Ok(answer)
    }

    /// Asks for some topics (all, when `None`) and remembers what is said about them and the brokers.
    pub(crate) fn metadata(&self, topics: Option<&[&str]>) -> Result<MetadataResponse, Failure> {
        let named = |topic: &&str| {
            let name = TopicName(StrBytes::from_string((*topic).to_owned()));
            MetadataRequestTopic::default().with_name(Some(name))
        };
        let request = MetadataRequest::default()
            .with_topics(topics.map(|topics| topics.iter().map(named).collect()))
            .with_allow_auto_topic_creation(false);
        let answer = self.call(Where::Any, 4..=12, &request)?;
        self.learn(&answer)?;
        // Among all topics, one that is in trouble does not keep the others from being known.
        if topics.is_some() {
            answer.topics.iter().try_for_each(check_topic)?;
        }
        Ok(answer)
    }

    fn learn(&self, answer: &MetadataResponse) -> Result<(), Failure> {
        let mut brokers = HashMap::new();
        for broker in &answer.brokers {
            brokers.insert(broker.node_id, address(&broker.host, broker.port)?);
        }
        let mut known = self.known();
        // Whoever is not there any more leads and coordinates nothing, whatever was heard before.
        known
            .leaders
            .retain(|_, leaders| leaders.iter().flatten().all(|leader| brokers.contains_key(leader)));
        known.coordinators.retain(|_, broker| brokers.contains_key(broker));
        known.brokers = brokers;
        known.controller = (answer.controller_id.0 >= 0).then_some(answer.controller_id);
        for topic in &answer.topics {
            let Some(name) = topic.name.as_ref().map(|name| name.as_str()) else {
                continue;
            };
            if topic.error_code == 0 {
                known.leaders.insert(name.to_owned(), leaders_of(topic));
            } else {
                known.leaders.remove(name);
            }
        }
        Ok(())
    }

    fn controller(&self) -> Result<BrokerId, Failure> {
        let known = self.known().controller;
        if let Some(broker) = known {
            return Ok(broker);
        }
        let answer = self.metadata(Some(&[]))?;
        Ok(answer.controller_id)
    }

    fn address(&self, broker: BrokerId) -> Result<Address, Failure> {
        let known = self.known().brokers.get(&broker).cloned();
        if let Some(address) = known {
            return Ok(address);
        }
        self.metadata(Some(&[]))?;
        self.known()
            .brokers
            .get(&broker)
            .cloned()
            .ok_or_else(|| Failure::Refused {
                code: ResponseError::BrokerNotAvailable,
                what: Subject::Other(format!("broker {}", broker.0)),
            })
    }

    /// A connection to the broker that answered last, or else to the first that can be reached.
    fn any_connection(&self) -> Result<Connection, Failure> {
        let mut failure = None;
        for address in self.candidates() {
            match self.connection_to(&address) {
                Ok(connection) => {
                    self.known().preferred = Some(address);
                    return Ok(connection);
                }
                Err(unreachable @ Failure::Unreachable { .. }) => failure = failure.or(Some(unreachable)),
                Err(other) => return Err(other),
            }
        }
        Err(failure.unwrap_or_else(|| Failure::Refused {
            code: ResponseError::BrokerNotAvailable,
            what: Subject::Other("any broker".into()),
        }))
    }

    /// Where to ask: brokers once heard of may all be gone, so the bootstrap servers come last, always.
    fn candidates(&self) -> Vec<Address> {
        let known = self.known();
        let mut candidates: Vec<Address> = known.preferred.iter().cloned().collect();
        for address in known.brokers.values().chain(&self.settings.bootstrap) {
            if !candidates.contains(address) {
                candidates.push(address.clone());
            }
        }
        candidates
    }

    fn connection_to(&self, address: &Address) -> Result<Connection, Failure> {
        loop {
            let mut idle = self.idle();
            let found = idle.iter().rposition(|connection| connection.address() == address);
            let Some(connection) = found.map(|at| idle.remove(at)) else {
                drop(idle);
                return Connection::open(&self.settings, address);
            };
            if connection.is_open() {
                return Ok(connection);
            }
        }
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() == IDLE_MAX {
            idle.remove(0);
        }
        idle.push(connection);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Coordinates<'_> {
    fn key(self) -> (i8, String) {
        match self {
            Coordinates::Group(group) => (0, group.to_owned()),
            Coordinates::Transaction(id) => (1, id.to_owned()),
        }
    }

    fn subject(self) -> Subject {
        match self {
            Coordinates::Group(group) => Subject::Group(group.to_owned()),
            Coordinates::Transaction(id) => Subject::Transaction(id.to_owned()),
        }
    }
}

fn check_topic(topic: &MetadataResponseTopic) -> Result<(), Failure> {
    use ResponseError as Code;
    let name = topic.name.as_ref().map_or(String::new(), |name| name.to_string());
    match ResponseError::try_from_code(topic.error_code) {
        None => Ok(()),
        // A name that no topic can have is one that none has.
        Some(Code::UnknownTopicOrPartition | Code::InvalidTopicException) => Err(Failure::UnknownTopic { topic: name }),
        Some(code) => Err(Failure::Refused {
            code,
            what: Subject::Topic(name),
        }),
    }
}

fn leaders_of(topic: &MetadataResponseTopic) -> Vec<Option<BrokerId>> {
    let mut leaders = vec![None; topic.partitions.len()];
    for partition in &topic.partitions {
        let place = usize::try_from(partition.partition_index).ok();
        if let Some(leader) = place.and_then(|place| leaders.get_mut(place)) {
            *leader = (partition.leader_id.0 >= 0).then_some(partition.leader_id);
        }
    }
    leaders
}

fn address(host: &StrBytes, port: i32) -> Result<Address, Failure> {
    let host = host.to_string();
    let address = |port| Address {
        host: host.clone(),
        port,
    };
    u16::try_from(port).map(address).map_err(|_| Failure::Protocol {
        address: address(0),
        reason: format!("it says that a broker listens on port {port}"),
    })
}
