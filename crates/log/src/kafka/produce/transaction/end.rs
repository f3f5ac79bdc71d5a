//! Ending a transaction: EndTxn, until it is known how it ended or that this cannot be known.
//!
//! It writes nothing else. The question is asked again after a lost answer: a coordinator that has committed says so,
//! as long as nothing else was done under the id.

use std::time::{Duration, Instant};

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::EndTxnRequest;

use super::session::Session;
use crate::LogError;
use crate::kafka::cluster::Coordinates;
use crate::kafka::failure::Failure;
use crate::kafka::produce::pauses::Pauses;
use crate::kafka::produce::verdict::{self, Verdict};

/// From 5 on the coordinator gives a new identity after every transaction, and adds partitions by itself.
const VERSIONS: std::ops::RangeInclusive<i16> = 1..=4;

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Commit,
    Abort,
}

/// What is known of the requests sent so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// None was, or each was refused: nothing was done.
    NothingDone,
    /// One may have been done, or may yet be.
    PerhapsDone,
}

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    AskAgain,
    /// Nothing was done, and that is for good.
    Failed,
    /// It may have been done; asking does not help.
    Unknown,
}

impl Session {
    /// Ends the transaction.
    ///
    /// # Errors
    /// [`LogError::Unknown`] when it may have been committed, any other when it was not.
    pub(super) fn end(&mut self, how: End, patience: Duration) -> Result<(), LogError> {
        let deadline = Instant::now() + patience;
        let mut pauses = Pauses::new();
        let mut sent = Sent::NothingDone;
        while let Err(failure) = self.ask_to_end(how) {
            self.lines.note(&failure);
            let next;
            (next, sent) = judge(&failure, sent);
            let is_over = next != Next::AskAgain || !pauses.wait(deadline);
            match next {
                Next::AskAgain if !is_over => {}
                Next::AskAgain if sent == Sent::NothingDone => return Err(self.error(failure)),
                Next::Failed => return Err(self.error(failure)),
                Next::AskAgain | Next::Unknown => {
                    return Err(LogError::Unknown {
                        who: self.subject().to_string(),
                        reason: failure.to_string(),
                    });
                }
            }
        }
        Ok(())
    }

    /// By then the coordinator has ended the transaction by itself, if it is there.
    pub(super) fn end_patience(&self) -> Duration {
        self.cluster.settings().request_timeout.max(self.timeout())
    }

    /// Undoes whatever an earlier session may have left open.
    pub(super) fn leave_nothing_open(&mut self) -> Result<(), Failure> {
        match self.ask_to_end(End::Abort) {
            // It left nothing.
            Err(failure) if failure.code() == Some(ResponseError::InvalidTxnState) => Ok(()),
            ended => ended,
        }
    }

    fn ask_to_end(&mut self, how: End) -> Result<(), Failure> {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.transactional_id())
            .with_producer_id(self.producer_id())
            .with_producer_epoch(self.epoch())
            .with_committed(how == End::Commit);
        let id = self.id.clone();
        let answer = self.lines.to(Coordinates::Transaction(&id))?.call(VERSIONS, &request)?;
        Failure::check(answer.error_code, || self.subject())
    }
}

/// What follows from a failure, and what is known after it.
pub(super) fn judge(failure: &Failure, sent: Sent) -> (Next, Sent) {
    match failure {
        // Nothing was sent.
        Failure::Unreachable { .. } => (Next::AskAgain, sent),
        Failure::Refused { code, .. } => judge_refusal(*code, sent),
        Failure::Io { .. } => (Next::AskAgain, Sent::PerhapsDone),
        // An answer that cannot be read is an answer.
        _ => (Next::Unknown, Sent::PerhapsDone),
    }
}

fn judge_refusal(code: ResponseError, sent: Sent) -> (Next, Sent) {
    match (verdict::of_transaction(code), sent) {
        // A coordinator that loses its place says so even when it has already written the end down.
        (Verdict::Again, _) => (Next::AskAgain, Sent::PerhapsDone),
        // Fenced after it was done, or before?
        (_, Sent::PerhapsDone) => (Next::Unknown, sent),
        // The transaction is in no state to be ended: that ought not to be, so that nothing is known.
        _ if code == ResponseError::InvalidTxnState => (Next::Unknown, sent),
        (_, Sent::NothingDone) => (Next::Failed, sent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::address::Address;
    use crate::kafka::failure::Subject;

    fn refused(code: ResponseError) -> Failure {
        Failure::Refused {
            code,
            what: Subject::Transaction("t".into()),
        }
    }

    fn address() -> Address {
        Address {
            host: "broker".into(),
            port: 9092,
        }
    }

    fn lost() -> Failure {
        Failure::Io {
            address: address(),
            reason: "it was closed".into(),
        }
    }

    #[test]
    fn fenced_at_once_is_not_done() {
        for code in [ResponseError::ProducerFenced, ResponseError::InvalidProducerEpoch] {
            assert_eq!(judge(&refused(code), Sent::NothingDone).0, Next::Failed);
        }
    }

    #[test]
    fn fenced_after_a_lost_answer_may_be_done() {
        let (next, sent) = judge(&lost(), Sent::NothingDone);
        assert_eq!(next, Next::AskAgain);
        assert_eq!(judge(&refused(ResponseError::ProducerFenced), sent).0, Next::Unknown);
    }

    #[test]
    fn fenced_after_the_coordinator_moved_may_be_done() {
        let (next, sent) = judge(&refused(ResponseError::NotCoordinator), Sent::NothingDone);
        assert_eq!(next, Next::AskAgain);
        assert_eq!(
            judge(&refused(ResponseError::InvalidProducerEpoch), sent).0,
            Next::Unknown
        );
    }

    #[test]
    fn a_request_that_was_never_sent_is_not_done() {
        let failure = Failure::Unreachable {
            address: address(),
            reason: "nothing listens there".into(),
        };
        assert_eq!(judge(&failure, Sent::NothingDone), (Next::AskAgain, Sent::NothingDone));
    }

    #[test]
    fn a_state_that_cannot_be_is_not_trusted() {
        assert_eq!(
            judge(&refused(ResponseError::InvalidTxnState), Sent::NothingDone).0,
            Next::Unknown
        );
    }
}
