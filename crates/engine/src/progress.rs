//! How far a task has come, and from where its state can be rebuilt: what a commit's metadata carries.
//!
//! The log is the state. A task that starts reads again from [`Resume::witnesses_from`]: records up to
//! [`Resume::replay_from`] only bear witness for the clock; from there on, with the clock set as it stood, they are
//! processed, marks are obeyed, and nothing is answered below the committed offset. Nothing is read or written here.
//!
//! # Constraints
//!
//! - What is decided now depends on rows whose arrivals are at most 2 x `remember` + `lateness` before now, and on the clock's
//!   last 16 records at the time. [`Progress`] keeps places further back than both, a few for every such stretch of time.
//! - A commit's metadata stays below 3,072 bytes: at most 256 marks.

use std::collections::VecDeque;

use crate::clock::WITNESSES;

/// Idle marks kept in a commit at most.
pub(crate) const MARKS_MAX: usize = 256;

const VERSION: u8 = 1;
const PLACES_PER_RANGE: i64 = 32;

/// A mark of an idle partition: before the record at `offset`, the clock was moved to `clock_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The partition's end when the mark was made.
    pub offset: u64,
    /// In milliseconds since the epoch.
    pub clock_ms: i64,
}

/// What a task needs to rebuild its state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resume {
    /// Of the job that wrote it.
    pub fingerprint: u64,
    /// Where reading starts again: 16 records before `replay_from`, or more.
    pub witnesses_from: u64,
    /// Where processing starts again.
    pub replay_from: u64,
    /// The clock before the record at `replay_from`, in milliseconds; `None` at the beginning.
    pub clock_there_ms: Option<i64>,
    /// Which of the witnesses there had come far behind the clock: a bit each, the lowest for the latest.
    pub behind: u16,
    /// The clock at the commit, in milliseconds.
    pub clock_ms: Option<i64>,
    /// Since `replay_from`, in order.
    pub marks: Vec<Mark>,
}

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

impl Resume {
    /// As bytes for a commit's metadata.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.fingerprint.to_le_bytes());
        push(&mut bytes, self.witnesses_from);
        push(&mut bytes, self.replay_from);
        push(&mut bytes, u64::from(self.behind));
        for clock_ms in [self.clock_there_ms, self.clock_ms] {
            bytes.push(u8::from(clock_ms.is_some()));
            push(&mut bytes, zigzag(clock_ms.unwrap_or(0)));
        }
        push(&mut bytes, self.marks.len() as u64);
        let (mut offset, mut clock_ms) = (self.replay_from, self.clock_there_ms.unwrap_or(0));
        for mark in &self.marks {
            push(&mut bytes, mark.offset.wrapping_sub(offset));
            push(&mut bytes, zigzag(mark.clock_ms.wrapping_sub(clock_ms)));
            (offset, clock_ms) = (mark.offset, mark.clock_ms);
        }
        bytes
    }

    /// From a commit's metadata.
    ///
    /// # Errors
    /// Says what is wrong with the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Resume, &'static str> {
        let (version, rest) = bytes.split_first().ok_or("it is empty")?;
        if *version != VERSION {
            return Err("it has an unknown version");
        }
        let (fingerprint, mut rest) = rest.split_first_chunk::<8>().ok_or("it is cut off")?;
        let witnesses_from = pull(&mut rest)?;
        let replay_from = pull(&mut rest)?;
        let behind = u16::try_from(pull(&mut rest)?).map_err(|_| "it names too many witnesses")?;
        let clock_there_ms = pull_clock(&mut rest)?;
        let clock_ms = pull_clock(&mut rest)?;
        let count = pull(&mut rest)?;
        if count > 2 * MARKS_MAX as u64 {
            return Err("it has too many marks");
        }
        let mut marks = Vec::new();
        let mut last = Mark {
            offset: replay_from,
            clock_ms: clock_there_ms.unwrap_or(0),
        };
        for _ in 0..count {
            let offset = last.offset.wrapping_add(pull(&mut rest)?);
            last = Mark {
                offset,
                clock_ms: last.clock_ms.wrapping_add(unzigzag(pull(&mut rest)?)),
            };
            marks.push(last);
        }
        Ok(Resume {
            fingerprint: u64::from_le_bytes(*fingerprint),
            witnesses_from,
            replay_from,
            clock_there_ms,
            behind,
            clock_ms,
            marks,
        })
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn push(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn pull(bytes: &mut &[u8]) -> Result<u64, &'static str> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or("it is cut off")?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number in it is too long")
}

fn pull_clock(bytes: &mut &[u8]) -> Result<Option<i64>, &'static str> {
    let (is_some, rest) = bytes.split_first().ok_or("it is cut off")?;
    *bytes = rest;
    let clock_ms = unzigzag(pull(bytes)?);
    Ok((*is_some == 1).then_some(clock_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_comes_back_and_stays_small() {
        let clock_ms = 1_767_225_600_123;
        let marks = (0..MARKS_MAX as i64)
            .map(|i| Mark {
                offset: 1 << 40,
                clock_ms: clock_ms + i * 900_000,
            })
            .collect();
        let resume = Resume {
            fingerprint: u64::MAX - 5,
            witnesses_from: (1 << 39) - 20,
            replay_from: 1 << 39,
            clock_there_ms: Some(-3),
            behind: 0x8001,
            clock_ms: Some(clock_ms),
            marks,
        };
        let bytes = resume.to_bytes();
        assert!(bytes.len() < 3_072, "{} bytes", bytes.len());
        assert_eq!(Resume::from_bytes(&bytes), Ok(resume));
        for end in 0..bytes.len() {
            assert!(Resume::from_bytes(&bytes[..end]).is_err());
        }
    }

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
