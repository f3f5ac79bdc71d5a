//! What this process has used so far, as Linux counts it. Elsewhere everything is zero.

use std::time::Duration;

/// User and system time, in hundredths of a second.
pub(crate) fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name in brackets, which may hold anything, come the fields from the third on.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// The greatest resident set since [`forget_peak`], in bytes.
pub(crate) fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1_024
}

/// Counts the greatest resident set anew (`proc(5)`, `clear_refs`). What was used before and is not given back counts on.
pub(crate) fn forget_peak() {
    // Where it is not allowed, the peak is that of the whole process: more, never less.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
