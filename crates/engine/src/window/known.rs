//! Rows that know each other: those whose arrivals are at most `remember` apart.
//!
//! It does not decide about lateness; it only finds, among a window's rows, those that one row knows.

use std::ops::Range;

use super::rings::{Ring, Rings};

/// Fills `ranges` with the rows of `range` whose arrivals are at most `remember_ms` from `arrival_ms`; `false` when
/// some are not. `now_ms`: no row arrived later.
#[inline]
pub(crate) fn known_ranges(
    rings: &Rings,
    ring: &mut Ring,
    range: Range<usize>,
    arrival_ms: i64,
    (remember_ms, now_ms): (i64, i64),
    ranges: &mut Vec<Range<usize>>,
) -> bool {
    ranges.clear();
    let oldest_ms = arrival_ms.saturating_sub(remember_ms);
    if now_ms.saturating_sub(arrival_ms) <= remember_ms {
        if ring.arrival_low_ms() < oldest_ms {
            rings.tighten_arrivals(ring);
        }
        if ring.arrival_low_ms() >= oldest_ms {
            ranges.push(range);
            return true;
        }
    }
    split(
        rings,
        ring,
        range,
        oldest_ms..=arrival_ms.saturating_add(remember_ms),
        ranges,
    )
}

#[cold]
fn split(
    rings: &Rings,
    ring: &Ring,
    range: Range<usize>,
    arrivals_ms: std::ops::RangeInclusive<i64>,
    ranges: &mut Vec<Range<usize>>,
) -> bool {
    let rows = range.len();
    let mut known = 0;
    for index in range {
        if !arrivals_ms.contains(&rings.arrival_ms(ring, index)) {
            continue;
        }
        known += 1;
        match ranges.last_mut() {
            Some(last) if last.end == index => last.end = index + 1,
            _ => ranges.push(index..index + 1),
        }
    }
    known == rows
}
