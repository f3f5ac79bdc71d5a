//! Delivery: readings on their way that arrive later than they were sent.
//!
//! Holds only late and repeated readings, so it stays small; punctual ones never pass through it. Equal arrival times keep
//! the order of sending, so that a town is the same every time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::reading::Reading;

#[derive(Debug)]
struct Underway {
    arrives_ms: i64,
    number: u64,
    reading: Reading,
}

impl Underway {
    fn order(&self) -> (i64, u64) {
        (self.arrives_ms, self.number)
    }
}

impl PartialEq for Underway {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Underway {}

impl PartialOrd for Underway {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Underway {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

/// Everything that is on its way.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    underway: BinaryHeap<Reverse<Underway>>,
    sent: u64,
}

impl Delivery {
    /// Sends a reading that arrives at `arrives_ms`.
    pub(crate) fn send(&mut self, reading: Reading, arrives_ms: i64) {
        self.sent += 1;
        self.underway.push(Reverse(Underway {
            arrives_ms,
            number: self.sent,
            reading,
        }));
    }

    /// Hands out what has arrived by `now_ms`.
    pub(crate) fn arrive(&mut self, now_ms: i64, out: &mut Vec<Reading>) {
        while self
            .underway
            .peek()
            .is_some_and(|Reverse(first)| first.arrives_ms <= now_ms)
        {
            out.extend(self.underway.pop().map(|Reverse(first)| first.reading));
        }
    }
}
