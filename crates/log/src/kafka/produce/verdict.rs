//! `Verdict`: what a broker's error code means for the batch, or the transaction, that it answers.
//!
//! It does nothing about it. What a code means depends on who is answered, so that there is one table for each.

use kafka_protocol::error::ResponseError;

/// What is to be done after a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The same again, a little later, perhaps to another broker. Doing it twice does no harm.
    Again,
    /// The broker misses batches that stand before this one, or has forgotten the producer: the batch was not taken.
    OutOfSequence,
    /// Another has this producer's identity, or its worker's place in the group; or the transaction took too long.
    Fenced,
    /// It will never be taken.
    Refused,
}

/// For a batch without a transaction.
pub(super) fn of_append(code: ResponseError) -> Verdict {
    use ResponseError as Code;
    match code {
        // Nobody else can have an identity that stands for no transactional id: the broker lost what it knew of it.
        Code::OutOfOrderSequenceNumber | Code::UnknownProducerId | Code::InvalidProducerEpoch => Verdict::OutOfSequence,
        _ => of_any(code),
    }
}

/// For a batch of a transaction.
pub(super) fn of_transactional_append(code: ResponseError) -> Verdict {
    use ResponseError as Code;
    match code {
        Code::OutOfOrderSequenceNumber | Code::UnknownProducerId => Verdict::OutOfSequence,
        _ => of_any(code),
    }
}

/// For everything else that is asked of a coordinator on behalf of a transaction.
pub(super) fn of_transaction(code: ResponseError) -> Verdict {
    use ResponseError as Code;
    match code {
        Code::IllegalGeneration
        | Code::UnknownMemberId
        | Code::FencedInstanceId
        | Code::FencedMemberEpoch
        | Code::StaleMemberEpoch => Verdict::Fenced,
        _ => of_any(code),
    }
}

fn of_any(code: ResponseError) -> Verdict {
    use ResponseError as Code;
    match code {
        // The id was given up after days of silence, or its numbers ran out and another got new ones.
        Code::ProducerFenced | Code::InvalidProducerEpoch | Code::InvalidProducerIdMapping => Verdict::Fenced,
        // The last transaction is still being ended.
        Code::ConcurrentTransactions => Verdict::Again,
        // Others of the same request were refused, not this.
        Code::OperationNotAttempted => Verdict::Again,
        code if code.is_retriable() => Verdict::Again,
        _ => Verdict::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_done_again() {
        use ResponseError as Code;
        for code in [
            Code::NotLeaderOrFollower,
            Code::NotEnoughReplicas,
            Code::NotEnoughReplicasAfterAppend,
            Code::RequestTimedOut,
            Code::LeaderNotAvailable,
            Code::KafkaStorageError,
            Code::NetworkException,
            // A topic that was just made is not known everywhere yet.
            Code::UnknownTopicOrPartition,
            Code::ThrottlingQuotaExceeded,
        ] {
            assert_eq!(of_append(code), Verdict::Again, "{code:?}");
            assert_eq!(of_transactional_append(code), Verdict::Again, "{code:?}");
        }
        for code in [
            Code::CoordinatorLoadInProgress,
            Code::CoordinatorNotAvailable,
            Code::NotCoordinator,
            Code::ConcurrentTransactions,
        ] {
            assert_eq!(of_transaction(code), Verdict::Again, "{code:?}");
        }
    }

    #[test]
    fn what_another_has_taken_is_fenced() {
        use ResponseError as Code;
        for code in [
            Code::ProducerFenced,
            Code::InvalidProducerEpoch,
            Code::InvalidProducerIdMapping,
        ] {
            assert_eq!(of_transactional_append(code), Verdict::Fenced, "{code:?}");
            assert_eq!(of_transaction(code), Verdict::Fenced, "{code:?}");
        }
        for code in [
            Code::IllegalGeneration,
            Code::UnknownMemberId,
            Code::FencedInstanceId,
            Code::FencedMemberEpoch,
            Code::StaleMemberEpoch,
        ] {
            assert_eq!(of_transaction(code), Verdict::Fenced, "{code:?}");
        }
        assert_eq!(of_append(Code::InvalidProducerEpoch), Verdict::OutOfSequence);
    }

    #[test]
    fn a_gap_is_no_refusal() {
        for code in [
            ResponseError::OutOfOrderSequenceNumber,
            ResponseError::UnknownProducerId,
        ] {
            assert_eq!(of_append(code), Verdict::OutOfSequence);
            assert_eq!(of_transactional_append(code), Verdict::OutOfSequence);
        }
    }

    #[test]
    fn what_cannot_be_taken_is_refused() {
        use ResponseError as Code;
        for code in [
            Code::MessageTooLarge,
            Code::RecordListTooLarge,
            Code::InvalidRecord,
            Code::UnsupportedCompressionType,
            Code::TopicAuthorizationFailed,
            Code::TransactionalIdAuthorizationFailed,
            Code::InvalidTxnState,
            Code::TransactionAbortable,
            Code::UnknownServerError,
            Code::Unknown(999),
        ] {
            assert_eq!(of_transactional_append(code), Verdict::Refused, "{code:?}");
            assert_eq!(of_transaction(code), Verdict::Refused, "{code:?}");
        }
    }
}
