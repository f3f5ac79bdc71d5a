//! What a member asks its coordinator and what it is answered, in words of this room.
//!
//! It knows no bytes: [`super::wire`] turns both into Kafka's protocol and back. A simulation needs none.

use std::time::Duration;

use kafka_protocol::error::ResponseError;

use super::assign::{Candidate, Claims};
use crate::kafka::failure::Failure;

/// One of the two connections of a member. A broker answers a connection's requests one by one and holds a join back for
/// as long as others take; a heartbeat behind it would come too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// For what may take long.
    Rebalance,
    /// For what is answered at once.
    Heartbeat,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ask {
    Join(Join),
    Sync(Sync),
    Heartbeat(Heartbeat),
    Leave(Leave),
    ConsumerHeartbeat(ConsumerHeartbeat),
}

/// To be part of the next generation. It is answered when that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Join {
    /// Empty for one whom the coordinator does not know.
    pub(super) member_id: String,
    pub(super) claims: Claims,
    /// For the broker's log.
    pub(super) reason: &'static str,
}

/// For the share in a generation. It is answered when the leader has sent everybody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sync {
    pub(super) member_id: String,
    pub(super) generation: i32,
    /// From the leader: what each member gets.
    pub(super) shares: Vec<(String, Vec<u32>)>,
}

/// To go on being a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heartbeat {
    pub(super) member_id: String,
    pub(super) generation: i32,
}

/// To be a member no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leave {
    pub(super) member_id: String,
}

/// The only request of KIP-848.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConsumerHeartbeat {
    pub(super) member_id: String,
    /// 0: to join; -1: to leave for good; -2: to leave for a moment, with an instance id.
    pub(super) epoch: i32,
    pub(super) fields: Fields,
}

/// How much a heartbeat says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fields {
    /// That nothing has changed.
    None,
    /// What the member works on now.
    Owned(Vec<u32>),
    /// As before, and whatever else there is to say: when joining, and after an answer was lost.
    All(Vec<u32>),
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    Joined(Joined),
    /// The coordinator wants the join again, with this member id (KIP-394).
    MemberIdRequired(String),
    /// The share.
    Synced(Vec<u32>),
    /// A heartbeat or a leave was heard.
    Done,
    ConsumerHeard(ConsumerHeard),
    /// The coordinator refused it.
    Refused(ResponseError),
    /// Nobody knows: it was lost, or its answer was, or nobody could be asked. It will do again.
    Lost(Failure),
    /// It will never do.
    Failed(Failure),
}

/// A generation begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Joined {
    pub(super) member_id: String,
    pub(super) generation: i32,
    pub(super) role: Role,
}

/// What a member of a generation has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    Follower,
    /// It shares the partitions out among these.
    Leader(Vec<Candidate>),
    /// It came back to a generation that has its shares (KIP-814).
    ReturningLeader,
}

/// What a coordinator of KIP-848 says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConsumerHeard {
    /// Given by the coordinator where it gives them.
    pub(super) member_id: Option<String>,
    pub(super) epoch: i32,
    /// Until the next heartbeat.
    pub(super) interval: Duration,
    /// What the member may work on from now on; `None`: what it had.
    pub(super) given: Option<Vec<u32>>,
}
