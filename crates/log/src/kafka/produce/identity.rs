//! Asking for an [`Identity`]: InitProducerId.
//!
//! For a transactional id the answer shuts out whoever had it before and ends what he had under way; without one, every
//! answer is a new identity. Asking twice does no harm.

use std::time::Instant;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, TransactionalId};
use kafka_protocol::protocol::StrBytes;

use super::super::cluster::{Cluster, Coordinates, Where};
use super::super::failure::{Failure, Subject};
use super::pauses::Pauses;
use super::stamp::Identity;
use super::verdict::{self, Verdict};

const VERSIONS: std::ops::RangeInclusive<i16> = 1..=4;

/// An identity for a producer without transactions.
pub(super) fn without_transactions(cluster: &Cluster, deadline: Instant) -> Result<Identity, Failure> {
    // Left out, it is an empty name, not none.
    let request = InitProducerIdRequest::default().with_transactional_id(None);
    cluster.retry(deadline, || {
        let answer = cluster.call(Where::Any, VERSIONS, &request)?;
        identity(&answer, || Subject::Other("a producer's identity".into()))
    })
}

/// The next identity of a transactional id.
pub(super) fn of_transactional_id(cluster: &Cluster, id: &str, deadline: Instant) -> Result<Identity, Failure> {
    let timeout = cluster.settings().transaction_timeout;
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(StrBytes::from_string(id.to_owned()))))
        .with_transaction_timeout_ms(i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
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
        if !may_pass(&failure) || !pauses.wait(deadline) {
            return Err(failure);
        }
    }
}

/// Whoever asks for an identity cannot be fenced: it is he who fences.
fn may_pass(failure: &Failure) -> bool {
    match failure.code() {
        Some(ResponseError::ProducerFenced | ResponseError::InvalidProducerEpoch) => true,
        Some(code) => verdict::of_transaction(code) == Verdict::Again,
        None => failure.is_retriable(),
    }
}

fn identity(answer: &InitProducerIdResponse, what: impl FnOnce() -> Subject) -> Result<Identity, Failure> {
    Failure::check(answer.error_code, what)?;
    Ok(Identity {
        producer_id: answer.producer_id.0,
        epoch: answer.producer_epoch,
    })
}
