//! `GroupIdentity`: as whom a worker commits offsets, for the producer that puts them into its transactions.
//!
//! It decides nothing. The membership writes it and takes it away; the producer shows it with every commit, so that the
//! group can refuse the commit of a worker that has lost its partitions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// One worker as its group knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupIdentity {
    /// Given by the coordinator, or (KIP-848) made up by the worker.
    pub(crate) member_id: String,
    /// The group's generation, or (KIP-848) the member's epoch. It grows while the worker works on: a commit that was
    /// refused as of an old one may be done again with the one that stands here then.
    pub(crate) generation_or_epoch: i32,
    /// What the worker is called over restarts, if it is called anything.
    pub(crate) instance_id: Option<String>,
}

/// The identities of one worker, by the group's name on the cluster. Written for a moment by the membership, also from
/// its threads; read for a moment by the producer.
///
/// A group that stands here has the worker as its member as far as we know, and nothing of what the worker works on is
/// lost. One that is gone has lost it: nothing may be committed.
pub(crate) type GroupIdentities = Arc<Mutex<HashMap<String, GroupIdentity>>>;
