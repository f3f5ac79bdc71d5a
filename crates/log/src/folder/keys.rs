//! The keys of the store: how topics, partitions and offsets become bytes whose order is theirs.
//!
//! It does not read or write. Numbers are big-endian, so that a range of keys is a range of offsets or times.

use std::ops::RangeInclusive;

/// A partition of a topic, by the topic's number in this folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PartitionId {
    pub(super) topic: u32,
    pub(super) partition: u32,
}

impl PartitionId {
    fn key(self, last: u64) -> [u8; 16] {
        let mut key = [0; 16];
        key[..4].copy_from_slice(&self.topic.to_be_bytes());
        key[4..8].copy_from_slice(&self.partition.to_be_bytes());
        key[8..].copy_from_slice(&last.to_be_bytes());
        key
    }

    /// Of the batch with this base offset.
    pub(super) fn batch(self, base_offset: u64) -> [u8; 16] {
        self.key(base_offset)
    }

    /// All keys of the partition, in any keyspace that has its keys from here.
    pub(super) fn all(self) -> RangeInclusive<[u8; 16]> {
        self.key(0)..=self.key(u64::MAX)
    }

    /// Of the first batch that reached this timestamp. Flipping the sign bit makes negative times sort first.
    pub(super) fn time(self, timestamp_ms: i64) -> [u8; 16] {
        self.key(timestamp_ms as u64 ^ (1 << 63))
    }

    /// Of the partition's start offset.
    pub(super) fn start(self) -> Vec<u8> {
        let mut key = vec![kind::START];
        key.extend_from_slice(&self.key(0)[..8]);
        key
    }
}

/// The last number of a key made by [`PartitionId`].
pub(super) fn last_number(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*key.last_chunk()?))
}

/// The timestamp in a key made by [`PartitionId::time`].
pub(super) fn time_of(key: &[u8]) -> Option<i64> {
    Some((last_number(key)? ^ (1 << 63)) as i64)
}

/// The first byte of keys in the keyspace of everything that is not a batch.
pub(super) mod kind {
    pub(in super::super) const TOPIC: u8 = b't';
    pub(in super::super) const SCHEMA: u8 = b's';
    pub(in super::super) const COMMIT: u8 = b'c';
    pub(in super::super) const START: u8 = b'o';
}

pub(super) fn topic(name: &str) -> Vec<u8> {
    [&[kind::TOPIC], name.as_bytes()].concat()
}

pub(super) fn schema(id: u32) -> Vec<u8> {
    [&[kind::SCHEMA][..], &id.to_be_bytes()].concat()
}

/// Names hold no zero byte, so it separates them.
pub(super) fn commit(group: &str, topic: &str, partition: u32) -> Vec<u8> {
    [
        &[kind::COMMIT],
        group.as_bytes(),
        b"\0",
        topic.as_bytes(),
        b"\0",
        &partition.to_be_bytes(),
    ]
    .concat()
}

/// Group, topic and partition of a key made by [`commit`].
pub(super) fn parse_commit(key: &[u8]) -> Option<(String, String, u32)> {
    let (names, partition) = key.strip_prefix(&[kind::COMMIT])?.split_last_chunk::<4>()?;
    let mut names = names.split(|&byte| byte == 0);
    let group = String::from_utf8(names.next()?.to_vec()).ok()?;
    let topic = String::from_utf8(names.next()?.to_vec()).ok()?;
    Some((group, topic, u32::from_be_bytes(*partition)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_as_numbers() {
        let id = PartitionId { topic: 1, partition: 0 };
        let times = [i64::MIN, -1, 0, 1, 1_767_225_600_000, i64::MAX];
        let keys: Vec<_> = times.iter().map(|&time| id.time(time)).collect();
        assert!(keys.is_sorted());
        assert!(times.iter().zip(&keys).all(|(&time, key)| time_of(key) == Some(time)));
    }

    #[test]
    fn a_commit_key_gives_its_names_back() {
        assert_eq!(
            parse_commit(&commit("g", "t.x", 258)),
            Some(("g".into(), "t.x".into(), 258))
        );
    }
}
