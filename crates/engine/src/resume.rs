//! What a commit's metadata carries: from where a task's state can be rebuilt, as bytes.
//!
//! A task that starts reads again from [`Resume::witnesses_from`]: records up to [`Resume::replay_from`] only bear witness
//! for the clock; from there on, with the clock set as it stood, they are processed, marks are obeyed, and nothing is
//! answered below the committed offset. What the places are, [`crate::progress`] decides.
//!
//! # Constraints
//!
//! - A commit's metadata stays below 3,072 bytes: at most 256 marks.
//! - Metadata of earlier versions can be read.

/// Idle marks kept in a commit at most.
pub(crate) const MARKS_MAX: usize = 256;

const VERSION: u8 = 2;

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
    /// How many partitions the source had, for keys move when that changes; 0 when it was not written down.
    pub partitions: u32,
    /// Since `replay_from`, in order.
    pub marks: Vec<Mark>,
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
        push(&mut bytes, u64::from(self.partitions));
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
        if !(1..=VERSION).contains(version) {
            return Err("it has an unknown version");
        }
        let (fingerprint, mut rest) = rest.split_first_chunk::<8>().ok_or("it is cut off")?;
        let witnesses_from = pull(&mut rest)?;
        let replay_from = pull(&mut rest)?;
        let behind = u16::try_from(pull(&mut rest)?).map_err(|_| "it names too many witnesses")?;
        let clock_there_ms = pull_clock(&mut rest)?;
        let clock_ms = pull_clock(&mut rest)?;
        // Version 1 did not say.
        let partitions = if *version == 1 { 0 } else { pull(&mut rest)? };
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
            partitions: u32::try_from(partitions).map_err(|_| "it names too many partitions")?,
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
            partitions: u32::MAX,
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
    fn metadata_of_the_first_version_is_read() {
        let resume = Resume {
            clock_ms: Some(5_000),
            ..Resume::default()
        };
        let mut bytes = resume.to_bytes();
        bytes[0] = 1;
        let partitions = bytes.len() - 2;
        bytes.remove(partitions);
        assert_eq!(Resume::from_bytes(&bytes), Ok(resume));
    }
}
