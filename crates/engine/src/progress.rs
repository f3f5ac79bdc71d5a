//! How far a task has come, and from where its state can be rebuilt.
//!
//! The log is the state: [`Progress`] follows a task and says what a commit of its present place has to carry
//! ([`Resume`]). Nothing is read or written here.
//!
//! # Constraints
//!
//! - What is decided now depends on rows whose arrivals are at most 2 x `remember` + `lateness` before now, and on the clock's
//!   last 16 records at the time. [`Progress`] keeps places further back than both, a few for every such stretch of time.
//! - A range never holds more than [`MARKS_MAX`] marks, for they all have to fit into a commit.

use std::collections::VecDeque;

use crate::clock::WITNESSES;
pub(crate) use crate::resume::Mark;
use crate::resume::{MARKS_MAX, Resume};

const PLACES_PER_RANGE: i64 = 32;

/// A place in the log from where reading can start again.
#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    clock_ms: Option<i64>,
    /// As `clock_ms`, but before everything for places before the clock was set back.
    age_ms: i64,
    /// How many records came before it.
    records: u64,
    behind: u16,
    /// The records that follow are not known to have been processed from here: a place for witnesses only.
    only_witnesses: bool,
}

/// Places from where reading could start again, and the marks since.
#[derive(Debug)]
pub(crate) struct Progress {
    range_ms: i64,
    places: VecDeque<Place>,
    marks: VecDeque<Mark>,
    records: u64,
    /// The clock after the last chunk.
    last_ms: Option<i64>,
}

impl Progress {
    /// `range_ms`: 2 x `remember` + `lateness`.
    pub(crate) fn new(range_ms: i64) -> Progress {
        Progress {
            range_ms,
            places: VecDeque::new(),
            marks: VecDeque::new(),
            records: 0,
            last_ms: None,
        }
    }

    /// Idle marks are at least this far apart, so that a range never holds more than [`MARKS_MAX`].
    pub(crate) fn mark_spacing_ms(&self) -> i64 {
        self.range_ms / (MARKS_MAX as i64 - 16) + 1
    }

    /// Reading starts at `offset`, for the witnesses.
    pub(crate) fn warms_up(&mut self, offset: u64) {
        self.places.push_back(Place {
            offset,
            clock_ms: None,
            age_ms: i64::MIN,
            records: self.records,
            behind: 0,
            only_witnesses: true,
        });
    }

    /// The witnesses are known: processing starts at `offset`, with the clock at `clock_ms`.
    pub(crate) fn is_warm(&mut self, offset: u64, clock_ms: Option<i64>, behind: u16) {
        self.places.push_back(Place {
            offset,
            clock_ms,
            age_ms: clock_ms.unwrap_or(i64::MIN),
            records: self.records,
            behind,
            only_witnesses: false,
        });
    }

    /// Before the records of a chunk: `offset` is the next record's, `clock_ms` the clock, `behind` what it says of its witnesses.
    pub(crate) fn before_chunk(&mut self, offset: u64, clock_ms: Option<i64>, behind: u16) {
        let age_ms = clock_ms.unwrap_or(i64::MIN);
        let step_ms = self.range_ms / PLACES_PER_RANGE;
        let due = self
            .places
            .back()
            .is_none_or(|last| age_ms.saturating_sub(last.age_ms) > step_ms);
        if due {
            self.places.push_back(Place {
                offset,
                clock_ms,
                age_ms,
                records: self.records,
                behind,
                only_witnesses: false,
            });
        }
        self.drop_old(clock_ms);
    }

    /// After the records of a chunk, with the clock at `clock_ms`.
    pub(crate) fn after_chunk(&mut self, records: usize, clock_ms: Option<i64>) {
        self.bore_witness(records);
        self.last_ms = clock_ms;
    }

    /// After records that only bore witness.
    pub(crate) fn bore_witness(&mut self, records: usize) {
        self.records += records as u64;
    }

    /// The clock was set back: it says nothing any more about how long ago the places are.
    pub(crate) fn set_back(&mut self) {
        for place in &mut self.places {
            place.age_ms = i64::MIN;
        }
    }

    pub(crate) fn marked(&mut self, mark: Mark) {
        self.marks.push_back(mark);
        self.drop_old(Some(mark.clock_ms));
    }

    /// What a commit carries at `position`, with the clock at `clock_ms` and `behind` as it says.
    pub(crate) fn resume(&self, fingerprint: u64, clock_ms: Option<i64>, behind: u16, position: u64) -> Resume {
        let here = Place {
            offset: position,
            clock_ms,
            age_ms: i64::MAX,
            records: self.records,
            behind,
            only_witnesses: false,
        };
        // After a long silence no record matters any more, and retention may take them all.
        let is_silent = self.last_ms.is_some_and(|last_ms| last_ms < self.far_ms(clock_ms));
        let rows = if is_silent {
            Some(&here)
        } else {
            self.rows_from(clock_ms)
        };
        let witnesses = rows.and_then(|rows| self.places.iter().rfind(|place| bears_witness(place, rows)));
        let first = self.places.front().or(rows);
        let replay_from = rows.map_or(position, |place| place.offset);
        let later = |mark: &&Mark| mark.offset >= replay_from;
        Resume {
            fingerprint,
            witnesses_from: witnesses.or(first).map_or(position, |place| place.offset),
            replay_from,
            clock_there_ms: rows.map_or(clock_ms, |place| place.clock_ms),
            behind: rows.map_or(0, |place| place.behind),
            clock_ms,
            partitions: 0,
            marks: self.marks.iter().filter(later).copied().collect(),
        }
    }

    /// Records that arrived before this matter no more.
    fn far_ms(&self, clock_ms: Option<i64>) -> i64 {
        clock_ms.map_or(i64::MIN, |now_ms| now_ms.saturating_sub(self.range_ms))
    }

    /// The latest place that is far enough back for processing, or the first that there is.
    fn rows_from(&self, clock_ms: Option<i64>) -> Option<&Place> {
        let far_ms = self.far_ms(clock_ms);
        let far = self.places.partition_point(|place| place.age_ms < far_ms);
        let known = |place: &&Place| !place.only_witnesses;
        self.places
            .range(..far)
            .rfind(known)
            .or_else(|| self.places.iter().find(known))
    }

    /// Leaves, at the front, the latest place from which the witnesses are known.
    fn drop_old(&mut self, clock_ms: Option<i64>) {
        let Some(rows) = self.rows_from(clock_ms).copied() else {
            return;
        };
        while self.places.get(1).is_some_and(|next| bears_witness(next, &rows)) {
            self.places.pop_front();
        }
        while self.marks.front().is_some_and(|mark| mark.offset < rows.offset) {
            self.marks.pop_front();
        }
        while self.marks.len() > MARKS_MAX {
            self.marks.pop_front();
        }
    }
}

/// Whether enough records lie between the two for all witnesses.
fn bears_witness(place: &Place, rows: &Place) -> bool {
    place.records + WITNESSES as u64 <= rows.records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_kept_is_far_enough_back_and_not_too_far() {
        let mut progress = Progress::new(140_000);
        for second in 0..10_000_u64 {
            progress.before_chunk(second * 20, Some(second as i64 * 1_000), 0);
            progress.after_chunk(20, Some(second as i64 * 1_000));
        }
        let resume = progress.resume(1, Some(9_999_000), 0, 200_000);
        let there_ms = resume.clock_there_ms.expect("it has begun");
        assert!(there_ms <= 9_999_000 - 140_000, "{there_ms}");
        assert!(there_ms > 9_999_000 - 170_000, "{there_ms}");
        assert!(resume.witnesses_from + 16 <= resume.replay_from);
        assert!(resume.witnesses_from + 200 >= resume.replay_from);
        let later = progress.resume(1, Some(9_999_000 + 140_001), 0, 200_000);
        assert_eq!(
            (later.replay_from, later.marks.len()),
            (200_000, 0),
            "nothing matters after a long silence"
        );
    }
}
