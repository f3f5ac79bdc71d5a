//! `Terms`: who a member is and how patient it and its group are with each other. It never changes.

use std::time::Duration;

use crate::Seat;
use crate::kafka::settings::Settings;

/// What a member is made from. Names are those on the cluster.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) group: String,
    pub(super) topic: String,
    /// Of the topic; their number is fixed.
    pub(super) partitions: u32,
    /// What the worker is called over restarts.
    pub(super) instance_id: Option<String>,
    /// A member not heard of for so long is thrown out.
    pub(super) session: Duration,
    /// A member that does not follow a rebalance for so long is thrown out.
    pub(super) rebalance: Duration,
    /// From one heartbeat to the next.
    pub(super) heartbeat: Duration,
}

impl Terms {
    pub(super) fn new(settings: &Settings, group: String, topic: String, partitions: u32, seat: Seat) -> Terms {
        let instance = settings.group_instance_id.as_ref();
        Terms {
            group,
            topic,
            partitions,
            instance_id: instance.map(|instance| format!("{instance}-{}", seat.number)),
            session: settings.session_timeout,
            rebalance: settings.poll_interval_max,
            // Two may be lost before the session is over.
            heartbeat: settings.heartbeat_interval.min(settings.session_timeout / 3),
        }
    }

    /// For messages.
    pub(super) fn who(&self) -> String {
        match &self.instance_id {
            Some(instance) => format!("worker {instance} of group {}", self.group),
            None => format!("a worker of group {}", self.group),
        }
    }
}
