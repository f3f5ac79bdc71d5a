//! `Transactor`: does one transaction after the other under one transactional id.
//!
//! It decides nothing about what is in a transaction, and does none twice.
//!
//! # Constraints
//!
//! - Between two calls no transaction is open: a worker that stops for long holds no reader up.
//! - After any failure, and after any lost connection even if all went well, its [`Session`] is dropped, and the next
//!   transaction starts with a new identity: whatever the broker may still receive of the old one is refused.
//! - Where nothing was done, the caller may do the same transaction again. So the new identity follows the old one only
//!   if no other has had the id since: he may have done it. A caller that was shut out, or does not know, starts over;
//!   only then is the id taken from whoever has it.

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
use super::stamp::Identity;
use super::trouble;
use crate::{LogError, Transaction};

/// Does the transactions of one transactional id.
pub(super) struct Transactor {
    cluster: Arc<Cluster>,
    /// As the cluster knows it.
    id: String,
    groups: GroupIdentities,
    next: Next,
}

/// How the next transaction begins.
enum Next {
    /// With an identity that shuts out all others.
    TakeOver,
    /// With one that follows this.
    GoOnAfter(Identity),
    /// With what is there.
    Use(Session),
}

impl Transactor {
    pub(super) fn new(cluster: &Arc<Cluster>, id: String, groups: GroupIdentities) -> Transactor {
        Transactor {
            cluster: Arc::clone(cluster),
            id,
            groups,
            next: Next::TakeOver,
        }
    }

    /// Does all of it or nothing, and gives the offset of each batch.
    pub(super) fn commit(&mut self, transaction: &Transaction) -> Result<Vec<u64>, LogError> {
        if transaction.appends.is_empty() && transaction.commits.is_empty() {
            return Ok(Vec::new());
        }
        self.check_commits(transaction)?;
        let mut session = self.session()?;
        let identity = session.identity();
        let done = session.commit(transaction);
        self.next = match &done {
            Ok(_) if session.is_certain() => Next::Use(session),
            Err(error) if error.asks_to_start_over() => Next::TakeOver,
            _ => Next::GoOnAfter(identity),
        };
        done
    }

    fn session(&mut self) -> Result<Session, LogError> {
        let (cluster, id, groups) = (&self.cluster, &self.id, &self.groups);
        match std::mem::replace(&mut self.next, Next::TakeOver) {
            Next::Use(session) => Ok(session),
            Next::TakeOver => Session::open(cluster, id, groups),
            Next::GoOnAfter(identity) => {
                let session = Session::go_on_after(cluster, id, groups, identity);
                if session.as_ref().is_err_and(|error| !error.asks_to_start_over()) {
                    self.next = Next::GoOnAfter(identity);
                }
                session
            }
        }
    }

    /// Brokers would say it too, but only after it was tried for long: a topic may be so new that they do not know it
    /// yet.
    fn check_commits(&self, transaction: &Transaction) -> Result<(), LogError> {
        for commit in &transaction.commits {
            let topic = self.cluster.name(&commit.topic);
            let deadline = Instant::now() + self.cluster.settings().transaction_timeout;
            let leader = self
                .cluster
                .retry(deadline, || self.cluster.leader(&topic, commit.partition));
            leader.map_err(|failure| trouble::error(&self.cluster, failure))?;
        }
        Ok(())
    }
}
