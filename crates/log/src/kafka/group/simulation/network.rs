//! What is on its way between workers and coordinator, in the order in which it comes.
//!
//! It does not know what it carries, nor loses anything by itself.

use std::collections::BTreeMap;
use std::time::Instant;

use super::coordinator::Ticket;
use crate::kafka::group::ask::{Answer, Ask};

/// Something on its way.
pub(super) enum Message {
    /// To the coordinator, from a worker with an instance id or without.
    Request(Ticket, Option<String>, Ask),
    /// To whoever holds the ticket.
    Reply(Ticket, Answer),
}

/// All of it.
#[derive(Default)]
pub(super) struct Network {
    on_its_way: BTreeMap<(Instant, u64), Message>,
    sent: u64,
}

impl Network {
    pub(super) fn send(&mut self, arrives_at: Instant, message: Message) {
        self.sent += 1;
        self.on_its_way.insert((arrives_at, self.sent), message);
    }

    /// The next that is there at `now`.
    pub(super) fn receive(&mut self, now: Instant) -> Option<Message> {
        let first = self.on_its_way.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}
