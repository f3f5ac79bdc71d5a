//! `Commit`: what a group has committed, one after the other, and the marks of idle partitions that its commits carry.
//!
//! They are read from Kafka's own topic of offsets once a run is over, rather than asked for while it goes on: a commit carries
//! the marks of its replay range only, and of a commit that was followed by another nobody tells but that topic. So no mark
//! is missed, however fast the clock moves, and a test with workers needs nobody who watches.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// The version of the metadata that is understood here.
const VERSION: u8 = 2;

/// A commit as Kafka keeps it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Commit {
    pub(crate) partition: u32,
    pub(crate) offset: u64,
    metadata: String,
}

/// A mark of an idle partition: before the record at `offset`, its clock was moved to `clock_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) offset: u64,
    pub(crate) clock_ms: i64,
}

/// The marks of each partition, in order.
pub(crate) type Marks = BTreeMap<u32, BTreeSet<Mark>>;

/// All marks that commits have ever carried.
pub(crate) fn marks(commits: &[Commit]) -> Result<Marks> {
    let mut marks = Marks::new();
    for commit in commits {
        let carried = STANDARD.decode(&commit.metadata).ok().and_then(|bytes| carried(&bytes));
        let carried = carried.with_context(|| format!("the metadata of {commit:?} are not understood"))?;
        marks.entry(commit.partition).or_default().extend(carried);
    }
    Ok(marks)
}

/// The last committed offset of each partition.
pub(crate) fn offsets(commits: &[Commit]) -> BTreeMap<u32, u64> {
    commits.iter().map(|commit| (commit.partition, commit.offset)).collect()
}

/// The marks in a commit's metadata: behind other numbers, each as its distance from the one before.
fn carried(metadata: &[u8]) -> Option<Vec<Mark>> {
    let (&VERSION, rest) = metadata.split_first()? else {
        return None;
    };
    // The plan's fingerprint; the witnesses' place; the replay's place; the witnesses that had come far behind.
    let (_, mut bytes) = rest.split_first_chunk::<8>()?;
    number(&mut bytes)?;
    let mut offset = number(&mut bytes)?;
    number(&mut bytes)?;
    let mut clock_ms = clock(&mut bytes)?;
    clock(&mut bytes)?;
    // How many partitions there were.
    number(&mut bytes)?;
    let count = number(&mut bytes)?;
    let mut marks = Vec::new();
    for _ in 0..count {
        offset = offset.wrapping_add(number(&mut bytes)?);
        clock_ms = clock_ms.wrapping_add(signed(number(&mut bytes)?));
        marks.push(Mark { offset, clock_ms });
    }
    bytes.is_empty().then_some(marks)
}

/// A clock that may not have begun; then it counts as 0.
fn clock(bytes: &mut &[u8]) -> Option<i64> {
    let has_begun = bytes.split_off_first()?;
    let clock_ms = signed(number(bytes)?);
    Some(if *has_begun == 1 { clock_ms } else { 0 })
}

/// Seven bits a byte, the lowest first.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Zigzag: 0, -1, 1, -2, …
fn signed(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 2; replay from 5 with the clock at 1,000; marks at (5, 2,000) and (7, 3,000).
    const METADATA: [u8; 25] = [
        2, 1, 2, 3, 4, 5, 6, 7, 8, 3, 5, 0, 1, 0xd0, 0x0f, 0, 0, 4, 2, 0, 0xd0, 0x0f, 2, 0xd0, 0x0f,
    ];

    #[test]
    fn marks_are_found_in_the_metadata() {
        let marks = carried(&METADATA).unwrap();
        let found: Vec<(u64, i64)> = marks.iter().map(|mark| (mark.offset, mark.clock_ms)).collect();
        assert_eq!(found, [(5, 2_000), (7, 3_000)]);
        for end in 0..METADATA.len() {
            assert_eq!(carried(&METADATA[..end]), None);
        }
    }

    #[test]
    fn commits_that_carry_the_same_mark_have_it_once() {
        let commit = |offset| Commit {
            partition: 1,
            offset,
            metadata: STANDARD.encode(METADATA),
        };
        let commits = [commit(7), commit(9)];
        assert_eq!(marks(&commits).unwrap()[&1].len(), 2);
        assert_eq!(offsets(&commits), BTreeMap::from([(1, 9)]));
    }
}
