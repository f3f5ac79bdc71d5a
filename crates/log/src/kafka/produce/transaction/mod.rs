//! `Transactor`: does one transaction after the other under one transactional id.
//!
//! It decides nothing about what is in a transaction, and does none twice.
//!
//! # Constraints
//!
//! - Between two calls no transaction is open: a worker that stops for long holds no reader up.
//! - After any failure, and after any lost connection even if all went well, its [`Session`] is dropped, and the next
//!   transaction starts with a new identity: whatever the broker may still receive of the old one is refused.

mod end;
mod enlist;
mod lines;
mod offsets;
mod session;

use std::sync::Arc;
use std::time::Instant;

use self::session::Session;
use super::super::cluster::Cluster;
use super::super::identities::GroupIdentities;
use crate::{LogError, Transaction};

/// Does the transactions of one transactional id.
pub(super) struct Transactor {
    cluster: Arc<Cluster>,
    /// As the cluster knows it.
    id: String,
    groups: GroupIdentities,
    /// `None` until the next transaction needs it.
    session: Option<Session>,
}

impl Transactor {
    pub(super) fn new(cluster: &Arc<Cluster>, id: String, groups: GroupIdentities) -> Transactor {
        Transactor {
            cluster: Arc::clone(cluster),
            id,
            groups,
            session: None,
        }
    }

    /// Does all of it or nothing, and gives the offset of each batch.
    pub(super) fn commit(&mut self, transaction: &Transaction) -> Result<Vec<u64>, LogError> {
        if transaction.appends.is_empty() && transaction.commits.is_empty() {
            return Ok(Vec::new());
        }
        self.check_commits(transaction)?;
        let mut session = match self.session.take() {
            Some(session) => session,
            None => Session::open(&self.cluster, &self.id, &self.groups)?,
        };
        let offsets = session.commit(transaction)?;
        if session.is_certain() {
            self.session = Some(session);
        }
        Ok(offsets)
    }

    /// Brokers would say it too, but only after it was tried for long: a topic may be so new that they do not know it yet.
    fn check_commits(&self, transaction: &Transaction) -> Result<(), LogError> {
        for commit in &transaction.commits {
            let topic = self.cluster.name(&commit.topic);
            let deadline = Instant::now() + self.cluster.settings().transaction_timeout;
            let leader = self
                .cluster
                .retry(deadline, || self.cluster.leader(&topic, commit.partition));
            leader.map_err(|failure| self.cluster.error(failure))?;
        }
        Ok(())
    }
}
