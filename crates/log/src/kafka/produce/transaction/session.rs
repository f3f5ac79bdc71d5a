//! `Session`: what a [`super::Transactor`] has while nothing went wrong: an identity, and connections on which nothing
//! is under way.
//!
//! It is good for many transactions, and for none after an error.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::messages::{ProducerId, TransactionalId};
use kafka_protocol::protocol::StrBytes;

use super::end::End;
use super::lines::Lines;
use crate::kafka::cluster::Cluster;
use crate::kafka::failure::{Failure, Subject};
use crate::kafka::identities::GroupIdentities;
use crate::kafka::produce::courier::{Courier, Strain};
use crate::kafka::produce::identity::{self, Claim};
use crate::kafka::produce::pauses::Pauses;
use crate::kafka::produce::stamp::Identity;
use crate::kafka::produce::trouble;
use crate::kafka::produce::verdict::{self, Verdict};
use crate::{LogError, Transaction};

/// How long to try to undo a transaction: the next undoes it too, and the coordinator does once it has lasted too long.
const ABORT_PATIENCE: Duration = Duration::from_secs(3);

/// One identity's transactions.
pub(super) struct Session {
    pub(super) cluster: Arc<Cluster>,
    /// As the cluster knows it.
    pub(super) id: String,
    pub(super) groups: GroupIdentities,
    pub(super) lines: Lines,
    identity: Identity,
    courier: Courier,
}

impl Session {
    /// Shuts out whoever had the id before, and ends what he had under way.
    pub(super) fn open(cluster: &Arc<Cluster>, id: &str, groups: &GroupIdentities) -> Result<Session, LogError> {
        Session::claim(cluster, id, groups, Claim::TakeOver)
    }

    /// Goes on where a session ended that may have left something open, unless another has had the id since.
    pub(super) fn go_on_after(
        cluster: &Arc<Cluster>,
        id: &str,
        groups: &GroupIdentities,
        identity: Identity,
    ) -> Result<Session, LogError> {
        let mut before = Session::with(cluster, id, groups, identity);
        let deadline = Instant::now() + cluster.settings().request_timeout;
        before
            .until(deadline, Session::leave_nothing_open)
            .map_err(|failure| before.error(failure))?;
        Session::claim(cluster, id, groups, Claim::GoOnAfter(identity))
    }

    fn claim(cluster: &Arc<Cluster>, id: &str, groups: &GroupIdentities, claim: Claim) -> Result<Session, LogError> {
        let deadline = Instant::now() + cluster.settings().request_timeout;
        let identity = identity::of_transactional_id(cluster, id, claim, deadline);
        let identity = identity.map_err(|failure| trouble::error(cluster, failure))?;
        Ok(Session::with(cluster, id, groups, identity))
    }

    fn with(cluster: &Arc<Cluster>, id: &str, groups: &GroupIdentities, identity: Identity) -> Session {
        let settings = cluster.settings();
        let timeout = settings.transaction_timeout.min(settings.request_timeout);
        Session {
            cluster: Arc::clone(cluster),
            id: id.to_owned(),
            groups: Arc::clone(groups),
            lines: Lines::new(cluster, timeout),
            identity,
            courier: Courier::of_transactions(cluster, identity, id),
        }
    }

    /// Whether nothing of the transactions so far can still be under way to a broker.
    pub(super) fn is_certain(&self) -> bool {
        self.lines.strain() == Strain::None && self.courier.strain() == Strain::None
    }

    /// One transaction, begun and ended.
    pub(super) fn commit(&mut self, transaction: &Transaction) -> Result<Vec<u64>, LogError> {
        for append in &transaction.appends {
            self.courier.check(append)?;
        }
        self.lines.refresh();
        match self.write(transaction, Instant::now() + self.timeout()) {
            Ok(offsets) => self.end(End::Commit, self.end_patience()).map(|()| offsets),
            Err(error) => Err(self.abort_after(error)),
        }
    }

    fn write(&mut self, transaction: &Transaction, deadline: Instant) -> Result<Vec<u64>, LogError> {
        self.enlist(transaction, deadline)?;
        for append in &transaction.appends {
            self.courier.hand_over(append.clone())?;
        }
        self.courier.send_all()?;
        // While the leaders write the batches, the groups' coordinators write the offsets.
        self.commit_offsets(&transaction.commits, deadline)?;
        self.courier.wait_until_under_way(0)?;
        Ok(std::iter::from_fn(|| self.courier.next_base_offset()).collect())
    }

    /// Ends what was begun, so that no reader waits for it. That another has the id, or that the transaction took too
    /// long, says more than an error of the cluster, but not more than the caller's own mistake.
    fn abort_after(&mut self, error: LogError) -> LogError {
        match (self.end(End::Abort, ABORT_PATIENCE), error) {
            (Err(fenced @ LogError::Fenced { .. }), LogError::Cluster { .. } | LogError::ClusterAway { .. }) => fenced,
            (_, error) => error,
        }
    }

    /// How long a transaction may take.
    pub(super) fn timeout(&self) -> Duration {
        self.cluster.settings().transaction_timeout
    }

    pub(super) fn transactional_id(&self) -> TransactionalId {
        TransactionalId(StrBytes::from_string(self.id.clone()))
    }

    pub(super) fn producer_id(&self) -> ProducerId {
        ProducerId(self.identity.producer_id)
    }

    pub(super) fn identity(&self) -> Identity {
        self.identity
    }

    pub(super) fn epoch(&self) -> i16 {
        self.identity.epoch
    }

    pub(super) fn subject(&self) -> Subject {
        Subject::Transaction(self.id.clone())
    }

    /// Tries until it succeeds, is refused for good, or the deadline has passed. Only for what can be done twice.
    pub(super) fn until(
        &mut self,
        deadline: Instant,
        mut attempt: impl FnMut(&mut Session) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut pauses = Pauses::new();
        while let Err(failure) = attempt(self) {
            self.lines.note(&failure);
            if !may_pass(&failure) || !pauses.wait(deadline) {
                return Err(failure);
            }
        }
        Ok(())
    }

    pub(super) fn error(&self, failure: Failure) -> LogError {
        trouble::error(&self.cluster, failure)
    }
}

fn may_pass(failure: &Failure) -> bool {
    match failure.code() {
        Some(code) => verdict::of_transaction(code) == Verdict::Again,
        None => failure.is_retriable(),
    }
}
