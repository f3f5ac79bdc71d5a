//! Late rows, remembered: a late row makes later, older rows late as well, for as long as they know it.
//!
//! Late rows are rare, so they lie in a map beside the key states. It does not decide about lateness; the queue does.

use std::collections::HashMap;

#[derive(Debug, Clone, Copy)]
struct LateRow {
    arrival_ms: i64,
    time_ms: i64,
}

/// The late rows of a partition's keys.
#[derive(Debug, Default)]
pub(crate) struct LateRows {
    rows: HashMap<u32, Vec<LateRow>>,
}

impl LateRows {
    /// Remembers a late row; those that no row to come can know are dropped.
    pub(crate) fn add(&mut self, key: u32, time_ms: i64, arrival_ms: i64, remember_ms: i64) {
        let rows = self.rows.entry(key).or_default();
        rows.retain(|row| arrival_ms.saturating_sub(row.arrival_ms) <= remember_ms);
        rows.push(LateRow { arrival_ms, time_ms });
    }

    /// Whether a known one makes a row at `time_ms` late.
    pub(crate) fn make_late(&self, key: u32, time_ms: i64, now_ms: i64, rules: &super::operator::Rules) -> bool {
        let Some(rows) = self.rows.get(&key) else { return false };
        rows.iter().any(|row| {
            now_ms.saturating_sub(row.arrival_ms) <= rules.remember_ms
                && now_ms > row.arrival_ms.saturating_add(rules.lateness_ms)
                && row.time_ms >= time_ms
        })
    }

    pub(crate) fn forget(&mut self, key: u32) {
        self.rows.remove(&key);
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
    }
}
