//! `Holdings`: what one worker works on, what its group wants it to work on, and the steps between the two.
//!
//! It speaks to nobody and knows no generations; both protocols use it.
//!
//! # Constraints
//!
//! - A partition is *held* from the moment [`Change::Assigned`] is handed out until the worker has let go of it or
//!   [`Change::Lost`] is handed out; whatever is held is claimed wherever the group asks.
//! - What is lost is said before anything else.

use std::collections::BTreeSet;

use crate::Change;

/// The partitions of one worker.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    /// The worker works on these, for all it has been told.
    held: BTreeSet<u32>,
    /// The part of them that it was told to give back.
    leaving: BTreeSet<u32>,
    /// What the group gave last.
    given: BTreeSet<u32>,
    /// Gone, and the worker has not been told yet.
    lost: BTreeSet<u32>,
}

impl Holdings {
    /// What is to be claimed.
    pub(super) fn held(&self) -> &BTreeSet<u32> {
        &self.held
    }

    /// What the group gave, whether the worker knows it yet or not.
    pub(super) fn given(&self) -> &BTreeSet<u32> {
        &self.given
    }

    /// Whether there is something to be lost.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether the worker has exactly what the group gave.
    pub(super) fn is_settled(&self) -> bool {
        self.held == self.given
    }

    /// Whether the worker still believes in something that is gone.
    pub(super) fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// The group gives these, and nothing else any more.
    pub(super) fn give(&mut self, partitions: impl IntoIterator<Item = u32>) {
        self.given = partitions.into_iter().collect();
    }

    /// The worker has let go of what it was told to give back.
    pub(super) fn release(&mut self) {
        let gone = std::mem::take(&mut self.leaving);
        self.held.retain(|partition| !gone.contains(partition));
    }

    /// Everything is another's, or may be.
    pub(super) fn lose(&mut self) {
        self.lost.append(&mut self.held);
        self.leaving.clear();
        self.given.clear();
    }

    /// The worker itself has ended its work.
    pub(super) fn forget(&mut self) {
        *self = Holdings::default();
    }

    /// What is lost, once.
    pub(super) fn take_lost(&mut self) -> Option<Change> {
        let lost = std::mem::take(&mut self.lost);
        (!lost.is_empty()).then(|| Change::Lost(lost.into_iter().collect()))
    }

    /// The next step towards what the group gave. What is to be given back comes first: others wait for it.
    pub(super) fn next_step(&mut self) -> Option<Change> {
        if self.leaving.is_empty() {
            self.leaving = &self.held - &self.given;
            if !self.leaving.is_empty() {
                return Some(Change::Revoked(self.leaving.iter().copied().collect()));
            }
        }
        let new = &self.given - &self.held;
        self.held.extend(&new);
        (!new.is_empty()).then(|| Change::Assigned(new.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_is_given_back_before_it_comes_again() {
        let mut holdings = Holdings::default();
        holdings.give([0, 1, 2]);
        assert_eq!(holdings.next_step(), Some(Change::Assigned(vec![0, 1, 2])));
        holdings.give([0, 3]);
        assert_eq!(holdings.next_step(), Some(Change::Revoked(vec![1, 2])));
        assert_eq!(holdings.next_step(), Some(Change::Assigned(vec![3])));
        // The group changes its mind while the worker still lets go.
        holdings.give([0, 1]);
        assert_eq!(holdings.next_step(), None);
        holdings.release();
        assert_eq!(holdings.next_step(), Some(Change::Revoked(vec![3])));
        assert_eq!(holdings.next_step(), Some(Change::Assigned(vec![1])));
        holdings.release();
        assert_eq!(holdings.next_step(), None);
        assert!(holdings.is_settled());
    }

    #[test]
    fn lost_is_all_that_was_held() {
        let mut holdings = Holdings::default();
        holdings.give([0, 1]);
        holdings.next_step();
        holdings.give([1, 2]);
        holdings.next_step();
        holdings.lose();
        assert!(holdings.has_lost() && holdings.is_empty());
        assert_eq!(holdings.take_lost(), Some(Change::Lost(vec![0, 1])));
        holdings.release();
        assert_eq!((holdings.take_lost(), holdings.next_step()), (None, None));
    }
}
