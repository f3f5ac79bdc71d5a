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

impl GroupIdentity {
    /// Of a worker that has joined and is no member now, or has lost what it works on: every group refuses it. A broker takes
    /// a transaction's commit from whoever does not say who he is, whoever the group's members are; so an identity, once it
    /// stands, is replaced and never taken away.
    pub(crate) fn of_no_member() -> GroupIdentity {
        GroupIdentity {
            member_id: "no-member".to_owned(),
            generation_or_epoch: 0,
            instance_id: None,
        }
    }
}

/// The identities of one worker, by the group's name on the cluster. Written for a moment by the membership, also from
/// its threads; read for a moment by the producer. A group that the worker has not joined does not stand here.
pub(crate) type GroupIdentities = Arc<Mutex<HashMap<String, GroupIdentity>>>;
