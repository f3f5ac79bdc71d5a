//! What a task counts, for whoever watches: plain numbers that the task writes and others read.
//!
//! Counting decides nothing. All numbers are since the start of the process, but gauges say what is now. A task that is
//! made anew counts again what it does again.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// The numbers of one job and partition. Written by the thread that has its task once a round, read by anyone; relaxed, for none depends on another.
#[derive(Debug, Default)]
pub struct TaskMetrics {
    /// Records read, replayed ones not counted.
    pub records_in: AtomicU64,
    /// Answers written.
    pub rows_out: AtomicU64,
    /// Rows that came late.
    pub late: AtomicU64,
    /// Records that went to the dead-letter topic, late ones among them.
    pub dead_letters: AtomicU64,
    /// Evaluated rows whose key an inner look-up did not find.
    pub unmatched: AtomicU64,
    /// Answers whose windows reached over rows that do not know each other.
    pub cut_windows: AtomicU64,
    /// How often it was made anew because the log refused a transaction, or did not say whether it was committed.
    pub starts_over: AtomicU64,
    /// Gauge: rows that wait.
    pub waiting: AtomicU64,
    /// Gauge: keys that are remembered.
    pub keys: AtomicU64,
    /// Gauge: bytes of state.
    pub state_bytes: AtomicU64,
    /// Gauge: the partition's clock in milliseconds since the epoch; `i64::MIN` before the first record.
    pub clock_ms: AtomicI64,
    /// Gauge: records between the task's position and the partition's end.
    pub lag: AtomicU64,
}

impl TaskMetrics {
    pub(crate) fn set(gauge: &AtomicU64, value: u64) {
        gauge.store(value, Ordering::Relaxed);
    }

    pub(crate) fn add(counter: &AtomicU64, value: u64) {
        counter.fetch_add(value, Ordering::Relaxed);
    }

    /// Of a task that works no more.
    pub(crate) fn clear_gauges(&self) {
        for gauge in [&self.waiting, &self.keys, &self.state_bytes, &self.lag] {
            TaskMetrics::set(gauge, 0);
        }
        self.clock_ms.store(i64::MIN, Ordering::Relaxed);
    }

    /// The present value of a number.
    pub fn get(number: &AtomicU64) -> u64 {
        number.load(Ordering::Relaxed)
    }
}
