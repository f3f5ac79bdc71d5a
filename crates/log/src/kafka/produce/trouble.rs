//! A [`Failure`] as whoever uses the log gets to know it, where it is a producer's.
//!
//! It decides nothing about what was done; whoever calls it knows that nothing was.

use kafka_protocol::error::ResponseError;

use super::verdict::{self, Verdict};
use crate::LogError;
use crate::kafka::cluster::Cluster;
use crate::kafka::failure::Failure;

/// The error when nothing was done.
pub(super) fn error(cluster: &Cluster, failure: Failure) -> LogError {
    let verdict = failure.code().map(verdict::of_transaction);
    match (verdict, &failure) {
        (Some(Verdict::Fenced), Failure::Refused { code, what }) => LogError::Fenced {
            who: what.to_string(),
            reason: code.to_string(),
        },
        _ if failure.says_topic_is_missing() => cluster.error(failure),
        _ if failure.is_retriable() || verdict == Some(Verdict::Again) || is_aborted(&failure) => {
            LogError::ClusterAway {
                bootstrap: cluster.settings().bootstrap_text(),
                reason: failure.to_string(),
            }
        }
        _ => cluster.error(failure),
    }
}

/// Whether a transaction cannot be finished, but another with the same content may be: its coordinator or a leader died in
/// the middle of it.
fn is_aborted(failure: &Failure) -> bool {
    matches!(
        failure.code(),
        Some(
            ResponseError::TransactionAbortable
                | ResponseError::InvalidTxnState
                | ResponseError::OutOfOrderSequenceNumber
                | ResponseError::UnknownProducerId
                | ResponseError::DuplicateSequenceNumber
        )
    )
}
