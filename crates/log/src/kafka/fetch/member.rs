//! `FetchingMember`: a membership after whose changes nothing is fetched any more that is another worker's.
//!
//! It shares nothing out; the membership inside does.

use std::sync::Arc;

use super::Fetcher;
use crate::{Change, LogError, Membership};

/// A worker's part in a group, together with what it has fetched.
pub(crate) struct FetchingMember<M> {
    pub(crate) membership: M,
    pub(crate) fetcher: Arc<Fetcher>,
    /// Whose partitions are shared out.
    pub(crate) topic: String,
}

impl<M: Membership> Membership for FetchingMember<M> {
    fn poll(&mut self) -> Result<Option<Change>, LogError> {
        let change = self.membership.poll()?;
        if let Some(Change::Revoked(partitions) | Change::Lost(partitions)) = &change {
            for &partition in partitions {
                self.fetcher.release(&self.topic, partition);
            }
        }
        Ok(change)
    }

    fn released(&mut self) -> Result<(), LogError> {
        self.membership.released()
    }

    fn leave(&mut self) -> Result<(), LogError> {
        self.membership.leave()
    }
}
