//! `GroupIdentity`: who a worker is in the group that gave it its partitions.
//!
//! It joins no group: the membership writes it here, and the producer shows it with every commit, so that the group can
//! refuse the commit of a worker that has lost its partitions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// A member as its group knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupIdentity {
    /// Given by the group's coordinator.
    pub(crate) member_id: String,
    /// The group's generation, or the member's epoch where the broker shares the partitions out.
    pub(crate) generation: i32,
    /// `group.instance.id`, of a member that may come back.
    pub(crate) instance_id: Option<String>,
}

/// The identities of one worker, by the group's name on the cluster. Written by its memberships, read by its producer; held
/// for a look only.
pub(crate) type GroupIdentities = Arc<Mutex<HashMap<String, GroupIdentity>>>;
