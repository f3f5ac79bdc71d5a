//! `Member`: a worker's membership whose partitions are fetched no longer than they are its own.
//!
//! It decides nothing about who gets what; [`GroupMember`] does.

use std::sync::Arc;

use super::fetch::Fetcher;
use super::group::GroupMember;
use crate::{Change, LogError, Membership};

pub(super) struct Member {
    pub(super) group: GroupMember,
    pub(super) fetcher: Arc<Fetcher>,
    pub(super) topic: String,
    /// Of the last [`Change::Revoked`], until they are released.
    pub(super) revoked: Vec<u32>,
}

impl Member {
    fn stop_fetching(&self, partitions: &[u32]) {
        for &partition in partitions {
            self.fetcher.release(&self.topic, partition);
        }
    }
}

impl Membership for Member {
    fn poll(&mut self) -> Result<Option<Change>, LogError> {
        let change = self.group.poll()?;
        match &change {
            Some(Change::Revoked(partitions)) => self.revoked.clone_from(partitions),
            Some(Change::Lost(partitions)) => self.stop_fetching(partitions),
            _ => {}
        }
        Ok(change)
    }

    fn released(&mut self) -> Result<(), LogError> {
        let revoked = std::mem::take(&mut self.revoked);
        self.stop_fetching(&revoked);
        self.group.released()
    }

    fn leave(&mut self) -> Result<(), LogError> {
        self.group.leave()
    }

    fn leave_for_good(&mut self) -> Result<(), LogError> {
        self.group.leave_for_good()
    }
}
