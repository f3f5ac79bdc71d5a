//! `Producer`: appends batches to a cluster, each once and in order, and does transactions.
//!
//! It builds no batches: it takes finished ones, stamps them ([`stamp`]) and brings them to their partitions
//! ([`courier`]). It joins no group and reads nothing.
//!
//! # The way of an append without a transaction
//!
//! A broker gives the producer an identity. Every batch gets the number of its first record within its partition; a
//! broker knows the last five batches of each producer and partition again, and takes none out of order. So whatever
//! went wrong, the same bytes are sent again until they are known to be in; where the broker's memory cannot be relied
//! upon, the partition itself is looked at ([`courier`] has the rules). A batch that the broker will never take is an
//! error, and so is one that took too long; then the error says whether it may be in.
//!
//! # The way of a transaction
//!
//! - *New*: InitProducerId shuts out all earlier identities of the id. Then it is ready.
//! - *Ready*: AddPartitionsToTxn and AddOffsetsToTxn are sent together. Then it is open, or failed.
//! - *Open*: Produce goes to all leaders at once, and TxnOffsetCommit meanwhile. Then it is written, or failed.
//! - *Written*: EndTxn(commit) is sent, again until it is answered. Then it is done; or new with [`LogError::Fenced`],
//!   or with [`LogError::Unknown`] when the transaction may have been committed.
//! - *Done*: it is ready again; or shaken, if any connection was lost with something under way.
//! - *Failed*: EndTxn(abort). Then it is shaken, with the error; or new when that is [`LogError::Fenced`].
//! - *Shaken*: EndTxn(abort) in case something is open, then InitProducerId for whoever had the last identity. Then it
//!   is ready; or new with [`LogError::Fenced`], for another had the id meanwhile.
//!
//! Only from "open" to the answer of EndTxn is anything of the transaction on a broker, and all of that is within one
//! call. A worker that is stopped there for longer than `transaction.timeout.ms` finds that the coordinator has undone
//! its work and shut its identity out: [`LogError::Fenced`].
//!
//! This is the way that every Kafka since 0.11 knows, and that 4.x brokers go on with for requests of these versions
//! (Produce up to 11, AddPartitionsToTxn up to 3, TxnOffsetCommit and EndTxn up to 4), whatever `transaction.version`
//! the cluster has finalised. The newer way of `transaction.version` 2 lets the leaders and the group's coordinator
//! tell the transaction's coordinator themselves, and changes the epoch with every transaction. It is not used: with
//! several leaders their calls get in one another's way at the coordinator, where one request of ours tells all at
//! once. What it is for, shutting out requests that arrive when their transaction is over, is had here by a rule: after
//! any lost connection the next transaction begins with a new epoch.
//!
//! # Constraints
//!
//! - Nothing is opened before it is needed: a log that only reads has no producer on the cluster.
//! - Callers without a transaction do not wait for each other; those with one take turns, for their identity is one.
//! - No thread runs here: all happens within the calls.

mod courier;
mod identity;
#[cfg(test)]
mod live;
mod pauses;
mod pipeline;
mod shift;
mod stamp;
mod transaction;
mod trouble;
mod verdict;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use self::pipeline::Pipeline;

use self::courier::Courier;
use self::transaction::Transactor;
use super::cluster::Cluster;
use super::identities::GroupIdentities;
use crate::{Append, LogError, Transaction};

/// Couriers kept for the next append; more are dropped after use.
const IDLE_MAX: usize = 8;

/// How often a broker may be silent for `request.timeout.ms` before an append is given up: 2 minutes, by default.
const TIMEOUTS_MAX: u32 = 4;

/// Appends to one cluster.
pub(crate) struct Producer {
    cluster: Arc<Cluster>,
    /// As the cluster knows it.
    transactional_id: String,
    /// What is appended for a worker is in transactions always.
    appends: Appends,
    groups: GroupIdentities,
    /// Couriers that nobody uses now; held for a look only.
    idle: Mutex<Vec<Courier>>,
    /// Held for the whole of a transaction: there is one at a time.
    transactor: Mutex<Option<Transactor>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Appends {
    /// A single batch goes without one.
    WithoutTransaction,
    InTransactions,
}

impl Producer {
    /// For commands: a single batch is appended as it is. More at once, or commits, are a transaction under an id that
    /// nobody else has.
    pub(crate) fn of_command(cluster: Arc<Cluster>, groups: GroupIdentities) -> Result<Producer, LogError> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| LogError::Invalid {
            what: "the transactional id".into(),
            name: "heartwatch-".into(),
            reason: format!("no random number can be had: {error}"),
        })?;
        let id = cluster.name(&format!("heartwatch-{:016x}", u64::from_be_bytes(random)));
        Ok(Producer::new(cluster, id, Appends::WithoutTransaction, groups))
    }

    /// For a worker: every append is a transaction under this id (as the cluster knows it), whose first shuts out
    /// whoever had the id before.
    pub(crate) fn of_worker(cluster: Arc<Cluster>, transactional_id: String, groups: GroupIdentities) -> Producer {
        Producer::new(cluster, transactional_id, Appends::InTransactions, groups)
    }

    fn new(cluster: Arc<Cluster>, transactional_id: String, appends: Appends, groups: GroupIdentities) -> Producer {
        Producer {
            cluster,
            transactional_id,
            appends,
            groups,
            idle: Mutex::default(),
            transactor: Mutex::default(),
        }
    }

    /// Appends all batches and stores all commits, or does nothing. Gives the offset of the first record of each
    /// append.
    pub(crate) fn append(&self, transaction: &Transaction) -> Result<Vec<u64>, LogError> {
        match (self.appends, &transaction.appends[..], &transaction.commits[..]) {
            (Appends::WithoutTransaction, [append], []) => self.append_one(append),
            _ => self.commit_transaction(transaction),
        }
    }

    /// As [`Producer::append`], always as a transaction.
    pub(crate) fn commit_transaction(&self, transaction: &Transaction) -> Result<Vec<u64>, LogError> {
        let mut transactor = self.transactor.lock().unwrap_or_else(PoisonError::into_inner);
        transactor
            .get_or_insert_with(|| {
                Transactor::new(&self.cluster, self.transactional_id.clone(), Arc::clone(&self.groups))
            })
            .commit(transaction)
    }

    /// A way to append many batches without waiting for each, and with at most so many bytes under way.
    pub(crate) fn pipeline(self: Arc<Self>, bytes_under_way_max: usize) -> Result<Pipeline, LogError> {
        let courier = self.courier()?;
        Ok(Pipeline::new(self, courier, bytes_under_way_max))
    }

    fn append_one(&self, append: &Append) -> Result<Vec<u64>, LogError> {
        let mut courier = self.courier()?;
        courier.hand_over(append.clone())?;
        courier.wait_until_under_way(0)?;
        let base_offset = courier.next_base_offset();
        self.put_back(courier);
        Ok(base_offset.into_iter().collect())
    }

    fn courier(&self) -> Result<Courier, LogError> {
        if let Some(courier) = self.idle().pop() {
            return Ok(courier);
        }
        let patience = self.patience();
        let identity = identity::without_transactions(&self.cluster, Instant::now() + patience);
        let identity = identity.map_err(|failure| trouble::error(&self.cluster, failure))?;
        Ok(Courier::new(&self.cluster, identity, patience))
    }

    /// Keeps a courier that has not failed for the next append.
    fn put_back(&self, mut courier: Courier) {
        while courier.next_base_offset().is_some() {}
        let mut idle = self.idle();
        if courier.bytes_under_way() == 0 && idle.len() < IDLE_MAX {
            idle.push(courier);
        }
    }

    fn patience(&self) -> Duration {
        self.cluster.settings().request_timeout * TIMEOUTS_MAX
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Courier>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
