//! Asking for an [`Identity`]: InitProducerId.
//!
//! For a transactional id the answer shuts out all identities before it; without one, every answer is a new identity.
//! Asking twice does no harm.

use std::time::Instant;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId, TransactionalId};
use kafka_protocol::protocol::StrBytes;

use super::super::cluster::{Cluster, Coordinates, Where};
use super::super::failure::{Failure, Subject};
use super::pauses::Pauses;
use super::stamp::Identity;
use super::verdict::{self, Verdict};

/// From 3 on an identity can be followed by the next.
const VERSIONS: std::ops::RangeInclusive<i16> = 3..=4;

/// An identity for a producer without transactions.
pub(super) fn without_transactions(cluster: &Cluster, deadline: Instant) -> Result<Identity, Failure> {
    // Left out, it is an empty name, not none.
    let request = InitProducerIdRequest::default().with_transactional_id(None);
    cluster.retry(deadline, || {
        let answer = cluster.call(Where::Any, VERSIONS, &request)?;
        identity(&answer, || Subject::Other("a producer's identity".into()))
    })
}

/// What an identity is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// Whoever has the id now is shut out.
    TakeOver,
    /// Only if nobody has had the id since this identity; then it is the one that follows.
    GoOnAfter(Identity),
}

/// The next identity of a transactional id.
pub(super) fn of_transactional_id(
    cluster: &Cluster,
    id: &str,
    claim: Claim,
    deadline: Instant,
) -> Result<Identity, Failure> {
    let request = request(cluster, id, claim);
    let mut pauses = Pauses::new();
    loop {
        let attempt = cluster
            .coordinator(Coordinates::Transaction(id))
            .and_then(|coordinator| {
                let answer = cluster.call(Where::Broker(coordinator), VERSIONS, &request)?;
                identity(&answer, || Subject::Transaction(id.to_owned()))
            });
        let failure = match attempt {
            Ok(identity) => return Ok(identity),
            Err(failure) => failure,
        };
        cluster.forget_what_is_stale(&failure);
        if !may_pass(&failure, claim) || !pauses.wait(deadline) {
            return Err(failure);
        }
    }
}

fn request(cluster: &Cluster, id: &str, claim: Claim) -> InitProducerIdRequest {
    let timeout = cluster.settings().transaction_timeout;
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(StrBytes::from_string(id.to_owned()))))
        .with_transaction_timeout_ms(i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
    match claim {
        Claim::TakeOver => request,
        Claim::GoOnAfter(identity) => request
            .with_producer_id(ProducerId(identity.producer_id))
            .with_producer_epoch(identity.epoch),
    }
}

fn may_pass(failure: &Failure, claim: Claim) -> bool {
    match (failure.code(), claim) {
        // Who takes over cannot be shut out, but he may get in the way of himself.
        (Some(ResponseError::ProducerFenced | ResponseError::InvalidProducerEpoch), Claim::TakeOver) => true,
        (Some(code), _) => verdict::of_transaction(code) == Verdict::Again,
        (None, _) => failure.is_retriable(),
    }
}

fn identity(answer: &InitProducerIdResponse, what: impl FnOnce() -> Subject) -> Result<Identity, Failure> {
    Failure::check(answer.error_code, what)?;
    Ok(Identity {
        producer_id: answer.producer_id.0,
        epoch: answer.producer_epoch,
    })
}
