//! `BrokerThread`: the conversation with one broker about all partitions that it leads.
//!
//! It decides little: [`super::planning`] says what to ask, and [`super::arrival`] what an answer means.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::Shared;
use super::answer::{self, VERSIONS};
use super::arrival::Arrival;
use super::planning::{Asked, Named, Next, Plan};
use crate::kafka::connection::{Connection, Sent};
use crate::kafka::failure::{Failure, Subject};
use crate::kafka::retry::Backoff;

/// Only what is committed.
const READ_COMMITTED: i8 = 1;
/// Where a leader is not found, it is asked for again after this.
const LEADER_PAUSE: Duration = Duration::from_millis(250);
/// What went wrong for good is tried again at most so often, if a reader asks again.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// One thread's side of the conversation.
pub(super) struct BrokerThread {
    shared: Arc<Shared>,
    broker: BrokerId,
    connection: Option<Connection>,
    backoff: Backoff,
}

impl BrokerThread {
    pub(super) fn new(shared: Arc<Shared>, broker: BrokerId) -> BrokerThread {
        BrokerThread {
            shared,
            broker,
            connection: None,
            backoff: Backoff::new(),
        }
    }

    /// Works until the fetcher is dropped or nothing of this broker is read any more.
    pub(super) fn run(mut self) {
        while let Some(next) = self.shared.wait_for_work(self.broker) {
            let done = match next {
                Next::Connect => self.connect(),
                Next::Ask(plan) => self.converse(plan),
                Next::FindLeaders(lost) => {
                    self.find_leaders(lost);
                    Ok(())
                }
                Next::Wait(_) | Next::Leave => return,
            };
            if let Err(failure) = done {
                self.recover(failure);
            }
        }
    }

    fn connect(&mut self) -> Result<(), Failure> {
        let mut connection = self.shared.cluster.connect(self.broker)?;
        let settings = self.shared.cluster.settings();
        connection.set_timeout(settings.request_timeout + settings.fetch_wait_max);
        let breaker = connection.breaker()?;
        self.shared.connected(self.broker, breaker);
        self.connection = Some(connection);
        Ok(())
    }

    /// Asks, and goes on asking while there is more to ask for. The next request is on its way before the answer to the
    /// last is handed over.
    fn converse(&mut self, plan: Plan) -> Result<(), Failure> {
        let mut sent = self.ask(&plan)?;
        let mut plan = plan;
        loop {
            let mut arrivals = self.receive(sent, &plan)?;
            let next = self.shared.advance(self.broker, &plan, &mut arrivals);
            let asked = next.map(|next| self.ask(&next).map(|sent| (sent, next)));
            arrivals.iter_mut().for_each(Arrival::check);
            self.shared.deliver(arrivals);
            self.backoff = Backoff::new();
            match asked {
                None => return Ok(()),
                Some(asked) => (sent, plan) = asked?,
            }
        }
    }

    fn ask(&mut self, plan: &Plan) -> Result<Sent<FetchRequest>, Failure> {
        let request = self.request(plan);
        let connection = self.connection()?;
        let version = connection.version::<FetchRequest>(VERSIONS)?;
        connection.send(version, &request)
    }

    fn request(&self, plan: &Plan) -> FetchRequest {
        let settings = self.shared.cluster.settings();
        let wait = if plan.may_wait {
            settings.fetch_wait_max
        } else {
            Duration::ZERO
        };
        FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(i32::try_from(wait.as_millis()).unwrap_or(i32::MAX))
            .with_min_bytes(i32::try_from(settings.fetch_bytes_min).unwrap_or(i32::MAX))
            .with_max_bytes(i32::try_from(plan.bytes_max).unwrap_or(i32::MAX))
            .with_isolation_level(READ_COMMITTED)
            // No session: what is asked for differs from request to request, as room comes and goes.
            .with_session_epoch(-1)
            .with_topics(topics(plan))
    }

    fn receive(&mut self, sent: Sent<FetchRequest>, plan: &Plan) -> Result<Vec<Arrival>, Failure> {
        let buffers = Arc::clone(&self.shared.buffers);
        let answer = self.connection()?.receive_in_pieces(sent, |pieces, version| {
            answer::read(pieces, version, &buffers, |topic, partition, next| {
                find(&plan.asked, topic, partition, next)
            })
        })?;
        Failure::check(answer.code, || {
            Subject::Other(format!("fetching from broker {}", self.broker.0))
        })?;
        let arrival = |part| Arrival::new(part, plan, |failure| self.shared.cluster.error(failure));
        Ok(answer.parts.into_iter().map(arrival).collect())
    }

    fn connection(&mut self) -> Result<&mut Connection, Failure> {
        self.connection.as_mut().ok_or_else(|| Failure::Refused {
            code: ResponseError::NetworkException,
            what: Subject::Other(format!("broker {}", self.broker.0)),
        })
    }

    /// Whatever was under way is lost and nothing else: it is asked for again, of whoever leads the partitions then.
    fn recover(&mut self, failure: Failure) {
        self.connection = None;
        let cluster = &self.shared.cluster;
        let (error, pause) = match failure.is_retriable() {
            true => (None, self.backoff.pause()),
            false => (Some(cluster.error(failure.clone())), REFUSED_PAUSE),
        };
        let is_hung_up = self.shared.give_up(self.broker, error.as_ref(), pause);
        if !is_hung_up {
            cluster.forget_what_is_stale(&failure);
        }
    }

    fn find_leaders(&self, lost: Vec<Named>) {
        for named in &lost {
            self.shared.cluster.forget_leaders(&named.name);
        }
        for named in lost {
            let leader = self.shared.cluster.leader(&named.name, named.partition);
            match leader {
                Ok(leader) => self.shared.lead(&named, leader),
                Err(failure) if failure.is_retriable() => self.shared.postpone(&named, LEADER_PAUSE, None),
                Err(failure) => {
                    let error = self.shared.cluster.error(failure);
                    self.shared.postpone(&named, REFUSED_PAUSE, Some(error));
                }
            }
        }
    }
}

/// The partitions of a plan by topic, as far as their order allows: a broker fills its answer in this order.
fn topics(plan: &Plan) -> Vec<FetchTopic> {
    let mut topics: Vec<FetchTopic> = Vec::new();
    for Asked { of, from, .. } in &plan.asked {
        let partition = FetchPartition::default()
            .with_partition(of.partition as i32)
            .with_fetch_offset(i64::try_from(*from).unwrap_or(i64::MAX))
            .with_partition_max_bytes(i32::try_from(plan.partition_bytes_max).unwrap_or(i32::MAX));
        match topics.last_mut() {
            Some(last) if last.topic.as_str() == &*of.name => last.partitions.push(partition),
            _ => {
                let name = TopicName(StrBytes::from_string(of.name.to_string()));
                topics.push(FetchTopic::default().with_topic(name).with_partitions(vec![partition]));
            }
        }
    }
    topics
}

/// Which of those asked for is meant; probably the next one.
fn find(asked: &[Asked], topic: &str, partition: i32, next: usize) -> Option<usize> {
    let is_meant = |asked: &Asked| asked.of.partition as i32 == partition && &*asked.of.name == topic;
    if asked.get(next).is_some_and(is_meant) {
        return Some(next);
    }
    asked.iter().position(is_meant)
}
