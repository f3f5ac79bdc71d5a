//! `Stamp`: what a producer writes into the header of a finished batch, so that the broker knows a repetition.
//!
//! It does not look at the records. The checksum is moved along with the fields it covers instead of being summed up
//! again: a batch that was damaged before stays damaged, and the broker refuses it.

use super::shift;
use crate::batch::{TRANSACTIONAL, at};

/// Who a broker takes us for: given by InitProducerId.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) producer_id: i64,
    /// A greater one shuts all smaller ones of the same id out.
    pub(super) epoch: i16,
}

/// Whether readers see a batch at once, or when its transaction is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visible {
    AtOnce,
    WhenCommitted,
}

/// The place of a batch among all that its producer sends to a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) identity: Identity,
    /// Number of the batch's first record in its partition; each record takes one.
    pub(super) sequence: i32,
    pub(super) visible: Visible,
}

impl Stamp {
    /// Writes the stamp into `batch`, which [`crate::batch::BatchHeader::parse`] has found to be one. A batch can be
    /// stamped again.
    pub(super) fn press(self, batch: &mut [u8]) {
        let (before, after) = batch.split_at_mut(at::COUNT);
        let stamped = &mut before[at::ATTRIBUTES..];
        let sum_before = crc32c::crc32c(stamped);
        self.write(stamped);
        let sum_after = crc32c::crc32c(stamped);
        // The sum is linear: what changes in the front of the bytes changes it by the same amount, moved past the rest.
        let moved = shift::past(sum_before ^ sum_after, after.len());
        let stated = &mut before[at::CRC..at::ATTRIBUTES];
        for (byte, change) in stated.iter_mut().zip(moved.to_be_bytes()) {
            *byte ^= change;
        }
    }

    /// `stamped` is the header from its attributes on.
    fn write(self, stamped: &mut [u8]) {
        let transactional = TRANSACTIONAL.to_be_bytes()[1];
        match self.visible {
            Visible::AtOnce => stamped[1] &= !transactional,
            Visible::WhenCommitted => stamped[1] |= transactional,
        }
        let mut put = |field: usize, bytes: &[u8]| {
            let start = field - at::ATTRIBUTES;
            stamped[start..start + bytes.len()].copy_from_slice(bytes);
        };
        put(at::PRODUCER_ID, &self.identity.producer_id.to_be_bytes());
        put(at::PRODUCER_EPOCH, &self.identity.epoch.to_be_bytes());
        put(at::BASE_SEQUENCE, &self.sequence.to_be_bytes());
    }
}

/// The sequence number `records` after `sequence`: they count to the greatest `i32` and start over at 0.
pub(super) fn sequence_after(sequence: i32, records: u32) -> i32 {
    ((i64::from(sequence) + i64::from(records)) % (1 << 31)) as i32
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::batch::{BatchBuilder, BatchError, BatchHeader, Compression, Scratch, walk};

    const STAMP: Stamp = Stamp {
        identity: Identity {
            producer_id: 0x0102_0304_0506_0708,
            epoch: 0x0910,
        },
        sequence: 0x1112_1314,
        visible: Visible::WhenCommitted,
    };

    fn batch(records: usize, compression: Compression) -> Vec<u8> {
        let mut builder = BatchBuilder::new(compression);
        for index in 0..records {
            let value = [index as u8; 39];
            builder.push(index as i64, Some(b"17"), Some(&value), &[("h", b"v")]);
        }
        builder.finish()
    }

    fn check(batch: &[u8], records: usize) -> BatchHeader {
        let header = BatchHeader::parse(batch).unwrap();
        header.verify_crc(batch).unwrap();
        let mut walked = 0;
        walk(batch, &mut Scratch::default(), |_| {
            walked += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(walked, records);
        header
    }

    #[test]
    fn a_stamped_batch_is_in_order_and_says_whose_it_is() {
        for records in [1, 2, 100, 5_000] {
            for compression in [Compression::None, Compression::Lz4] {
                let plain = batch(records, compression);
                let mut stamped = plain.clone();
                STAMP.press(&mut stamped);
                let header = check(&stamped, records);
                assert!(header.is_transactional());
                assert_eq!(header.codec(), BatchHeader::parse(&plain).unwrap().codec());
                assert_eq!(
                    stamped[at::PRODUCER_ID..at::COUNT],
                    *b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x10\x11\x12\x13\x14"
                );
                assert_eq!(stamped[at::COUNT..], plain[at::COUNT..]);
                assert_eq!(stamped[..at::CRC], plain[..at::CRC]);
            }
        }
    }

    #[test]
    fn a_batch_can_be_stamped_again() {
        let mut batch = batch(10, Compression::Lz4);
        STAMP.press(&mut batch);
        let again = Stamp {
            identity: Identity {
                producer_id: 7,
                epoch: 0,
            },
            sequence: 0,
            visible: Visible::AtOnce,
        };
        again.press(&mut batch);
        assert!(!check(&batch, 10).is_transactional());
    }

    #[test]
    fn damage_is_not_covered_up() {
        let mut batch = batch(10, Compression::None);
        let last = batch.len() - 1;
        batch[last] ^= 1;
        STAMP.press(&mut batch);
        let header = BatchHeader::parse(&batch).unwrap();
        assert!(matches!(header.verify_crc(&batch), Err(BatchError::Checksum { .. })));
    }

    #[test]
    fn sequences_start_over_at_the_greatest() {
        assert_eq!(sequence_after(0, 3), 3);
        assert_eq!(sequence_after(i32::MAX, 1), 0);
        assert_eq!(sequence_after(i32::MAX - 1, 3), 1);
    }
}
