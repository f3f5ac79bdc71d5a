//! `Courier`: brings finished batches to the leaders of their partitions, and their offsets back.
//!
//! It has no thread: it sends and waits within the calls of its owner. Of transactions it knows only whether its
//! batches belong to one.
//!
//! # Constraints
//!
//! - After an error it is to be dropped: what it still had may be in the partitions or not, and the error says which.
//! - Offsets come back in the order in which batches were handed over, whatever the order of the answers.
//! - A request has at most one batch for a partition, as brokers demand, and about [`REQUEST_BYTES`].

mod answering;
mod lane;
mod link;
mod looking;
mod refusal;
mod sending;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::messages::{BrokerId, TransactionalId};
use kafka_protocol::protocol::StrBytes;

use self::lane::Lane;
use self::link::{Link, Terms};
use super::super::cluster::Cluster;
use super::super::failure::Failure;
use super::stamp::{Identity, Stamp, Visible};
use super::trouble;
use crate::batch::BatchHeader;
use crate::{Append, LogError};

/// Requests are filled up to this before the next is begun; a larger batch goes alone.
const REQUEST_BYTES: usize = 1 << 20;

/// Carries batches for one producer.
pub(super) struct Courier {
    cluster: Arc<Cluster>,
    identity: Identity,
    visible: Visible,
    terms: Terms,
    /// How long a batch may take, with everything that is tried again.
    patience: Duration,
    lanes: Vec<Lane>,
    /// The lane of each partition of a topic, by the topic's name on the cluster.
    lanes_of: HashMap<String, Vec<Option<usize>>>,
    links: HashMap<BrokerId, Link>,
    /// What was handed over and not yet given back.
    tickets: VecDeque<Ticket>,
    first_ticket: u64,
    bytes_under_way: usize,
    strain: Strain,
}

struct Ticket {
    bytes: usize,
    base_offset: Option<u64>,
}

/// Whether anything went wrong that a late request could still make use of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strain {
    None,
    /// A connection was lost with requests under way.
    LostRequests,
}

impl Courier {
    /// For batches without a transaction.
    pub(super) fn new(cluster: &Arc<Cluster>, identity: Identity, patience: Duration) -> Courier {
        Courier::with(cluster, identity, None, patience)
    }

    /// For the batches of a transactional id's transactions.
    pub(super) fn of_transactions(cluster: &Arc<Cluster>, identity: Identity, id: &str) -> Courier {
        let id = TransactionalId(StrBytes::from_string(id.to_owned()));
        Courier::with(cluster, identity, Some(id), cluster.settings().transaction_timeout)
    }

    fn with(cluster: &Arc<Cluster>, identity: Identity, id: Option<TransactionalId>, patience: Duration) -> Courier {
        Courier {
            cluster: Arc::clone(cluster),
            identity,
            visible: match id {
                None => Visible::AtOnce,
                Some(_) => Visible::WhenCommitted,
            },
            terms: Terms {
                transactional_id: id,
                timeout: cluster.settings().request_timeout.min(patience),
            },
            patience,
            lanes: Vec::new(),
            lanes_of: HashMap::new(),
            links: HashMap::new(),
            tickets: VecDeque::new(),
            first_ticket: 0,
            bytes_under_way: 0,
            strain: Strain::None,
        }
    }

    /// Bytes that were handed over and are not known to be in their partitions.
    pub(super) fn bytes_under_way(&self) -> usize {
        self.bytes_under_way
    }

    pub(super) fn strain(&self) -> Strain {
        self.strain
    }

    /// Whether the batch is one, and its partition exists. Nothing is sent.
    pub(super) fn check(&mut self, append: &Append) -> Result<(), LogError> {
        header(append)?;
        self.lane(&append.topic, append.partition).map(|_| ())
    }

    /// Takes a batch. It goes with others that fill a request; [`Courier::send_all`] does not wait for those.
    pub(super) fn hand_over(&mut self, append: Append) -> Result<(), LogError> {
        let header = header(&append)?;
        let lane = self.lane(&append.topic, append.partition)?;
        let ticket = self.first_ticket + self.tickets.len() as u64;
        self.tickets.push_back(Ticket {
            bytes: append.batch.len(),
            base_offset: None,
        });
        self.bytes_under_way += append.batch.len();
        self.lanes[lane].push(ticket, append.batch, header.count, Instant::now());
        // The second of a partition cannot go with the first, so that there is nothing to wait for.
        if self.lanes[lane].waiting() > 1 {
            self.send_full_requests()?;
        }
        Ok(())
    }

    /// The offset of the oldest batch that was handed over and not given back, if it is known.
    pub(super) fn next_base_offset(&mut self) -> Option<u64> {
        let base_offset = self.tickets.front()?.base_offset?;
        self.tickets.pop_front();
        self.first_ticket += 1;
        Some(base_offset)
    }

    /// Waits until at most so many bytes are under way.
    pub(super) fn wait_until_under_way(&mut self, bytes: usize) -> Result<(), LogError> {
        while self.bytes_under_way > bytes {
            self.send_all()?;
            self.wait()?;
        }
        Ok(())
    }

    fn lane(&mut self, topic: &str, partition: u32) -> Result<usize, LogError> {
        let name = self.cluster.name(topic);
        let known = self
            .lanes_of
            .get(&name)
            .and_then(|lanes| *lanes.get(partition as usize)?);
        if let Some(lane) = known {
            return Ok(lane);
        }
        let partitions = self.cluster.retry(Instant::now() + self.patience, || {
            let partitions = self.cluster.partitions(&name)?;
            if partition < partitions {
                return Ok(partitions);
            }
            // There may be more since it was asked for.
            self.cluster.forget_leaders(&name);
            self.cluster.leader(&name, partition)?;
            self.cluster.partitions(&name)
        });
        let end = match self.visible {
            Visible::AtOnce => partitions.and_then(|partitions| Ok((partitions, self.cluster.end(&name, partition)?))),
            Visible::WhenCommitted => partitions.map(|partitions| (partitions, 0)),
        };
        let (partitions, end) = end.map_err(|failure| trouble::error(&self.cluster, failure))?;
        let stamp = Stamp {
            identity: self.identity,
            sequence: 0,
            visible: self.visible,
        };
        let lane = self.lanes.len();
        let lanes = self.lanes_of.entry(name.clone()).or_default();
        lanes.resize(partitions.max(partition + 1) as usize, None);
        lanes[partition as usize] = Some(lane);
        self.lanes.push(Lane::new(name, partition, end, stamp, Instant::now()));
        Ok(lane)
    }

    /// The error after which this courier is dropped.
    fn error(&self, failure: Failure) -> LogError {
        let is_in_doubt = self.visible == Visible::AtOnce && self.lanes.iter().any(Lane::is_in_doubt);
        if is_in_doubt {
            return LogError::Unknown {
                who: self.who(),
                reason: failure.to_string(),
            };
        }
        trouble::error(&self.cluster, failure)
    }

    /// As errors call us.
    fn who(&self) -> String {
        match &self.terms.transactional_id {
            Some(id) => format!("transactional id {}", id.as_str()),
            None => format!("producer {}", self.identity.producer_id),
        }
    }
}

fn header(append: &Append) -> Result<BatchHeader, LogError> {
    BatchHeader::parse_finished(&append.batch).map_err(|source| LogError::InvalidBatch {
        topic: append.topic.clone(),
        partition: append.partition,
        source,
    })
}
