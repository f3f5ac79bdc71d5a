//! `BatchHeader`: the 61 bytes at the front of a record batch.
//!
//! It does not look at the records, except that [`BatchHeader::verify_crc`] sums them up. Reading a header costs a few
//! nanoseconds, so that a reader can hop from batch to batch without decompressing any.

use super::{BatchError, Codec};

/// Bytes of a batch before its records.
pub const HEADER_BYTES: usize = 61;

/// Where the fields stand, by the message format of Kafka's documentation ("Record Batch").
pub(crate) mod at {
    pub(crate) const BATCH_LENGTH: usize = 8;
    pub(crate) const MAGIC: usize = 16;
    pub(crate) const CRC: usize = 17;
    pub(crate) const ATTRIBUTES: usize = 21;
    pub(crate) const LAST_OFFSET_DELTA: usize = 23;
    pub(crate) const BASE_TIMESTAMP: usize = 27;
    pub(crate) const MAX_TIMESTAMP: usize = 35;
    pub(crate) const PRODUCER_ID: usize = 43;
    pub(crate) const PRODUCER_EPOCH: usize = 51;
    pub(crate) const BASE_SEQUENCE: usize = 53;
    pub(crate) const COUNT: usize = 57;
}

const CODEC_MASK: i16 = 0x07;
const LOG_APPEND_TIME: i16 = 0x08;
pub(crate) const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
pub(crate) const DELETE_HORIZON: i16 = 0x40;

/// What the first bytes of a batch say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset that the records' offset deltas count from. 0 until the batch is appended.
    pub base_offset: u64,
    /// As on the wire: the batch's bytes after this field. See [`Self::total_bytes`].
    pub batch_length: u32,
    /// CRC-32C of everything from the attributes to the end, as stated.
    pub crc: u32,
    /// Kafka's bit set: codec, timestamp type, transactional, control, delete horizon.
    pub attributes: i16,
    /// Offset delta of the last record the batch ever had; compaction keeps it when it removes records.
    pub last_offset_delta: u32,
    /// What the records' timestamp deltas count from, in milliseconds since the epoch; with the delete-horizon
    /// attribute it is also the time after which the batch's tombstones may be removed.
    pub base_timestamp_ms: i64,
    /// Greatest timestamp of the records, in milliseconds since the epoch.
    pub max_timestamp_ms: i64,
    /// The idempotent or transactional producer that wrote it; -1 when it was neither.
    pub producer_id: i64,
    /// How many records it holds now.
    pub count: u32,
}

impl BatchHeader {
    /// Reads the header of the batch that `bytes` start with; more batches may follow it.
    ///
    /// # Errors
    /// When the bytes do not hold the whole batch, or when a field is one that no batch of format 2 can have.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        // Older formats have shorter headers, but the same place for their number.
        match bytes.get(at::MAGIC) {
            None | Some(2) => {}
            Some(&format @ (0 | 1)) => return Err(BatchError::Format { format }),
            Some(&other) => return Err(bad("magic", i64::from(other), at::MAGIC)),
        }
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(BatchError::Truncated {
                needed: HEADER_BYTES as u64,
                available: bytes.len() as u64,
            });
        };
        let base_offset = i64::from_be_bytes(field(header, 0));
        let batch_length = i32::from_be_bytes(field(header, at::BATCH_LENGTH));
        let last_offset_delta = i32::from_be_bytes(field(header, at::LAST_OFFSET_DELTA));
        let count = i32::from_be_bytes(field(header, at::COUNT));
        if base_offset < 0 || base_offset > i64::MAX - i64::from(i32::MAX) {
            return Err(bad("base offset", base_offset, 0));
        }
        if batch_length < (HEADER_BYTES - 12) as i32 {
            return Err(bad("batch length", i64::from(batch_length), at::BATCH_LENGTH));
        }
        if last_offset_delta < 0 {
            return Err(bad(
                "last offset delta",
                i64::from(last_offset_delta),
                at::LAST_OFFSET_DELTA,
            ));
        }
        if count < 0 || count - 1 > last_offset_delta {
            return Err(bad("record count", i64::from(count), at::COUNT));
        }
        let parsed = BatchHeader {
            base_offset: base_offset as u64,
            batch_length: batch_length as u32,
            crc: u32::from_be_bytes(field(header, at::CRC)),
            attributes: i16::from_be_bytes(field(header, at::ATTRIBUTES)),
            last_offset_delta: last_offset_delta as u32,
            base_timestamp_ms: i64::from_be_bytes(field(header, at::BASE_TIMESTAMP)),
            max_timestamp_ms: i64::from_be_bytes(field(header, at::MAX_TIMESTAMP)),
            producer_id: i64::from_be_bytes(field(header, at::PRODUCER_ID)),
            count: count as u32,
        };
        if parsed.total_bytes() > bytes.len() {
            return Err(BatchError::Truncated {
                needed: parsed.total_bytes() as u64,
                available: bytes.len() as u64,
            });
        }
        Ok(parsed)
    }

    /// Reads the header of `batch`, which is one whole batch as [`super::BatchBuilder`] finishes it: of data, in no
    /// transaction, its records filling its offsets.
    ///
    /// # Errors
    /// When it is none. The checksum and the records are not looked at.
    pub(crate) fn parse_finished(batch: &[u8]) -> Result<BatchHeader, BatchError> {
        let header = BatchHeader::parse(batch)?;
        if header.total_bytes() != batch.len() {
            return Err(bad("batch length", i64::from(header.batch_length), at::BATCH_LENGTH));
        }
        if header.attributes & (TRANSACTIONAL | CONTROL | DELETE_HORIZON) != 0 {
            return Err(bad("attributes", i64::from(header.attributes), at::ATTRIBUTES));
        }
        if header.count != header.last_offset_delta + 1 {
            return Err(bad("record count", i64::from(header.count), at::COUNT));
        }
        header.codec()?;
        Ok(header)
    }

    /// Checks the CRC-32C. `batch` starts where [`Self::parse`] was given it.
    ///
    /// # Errors
    /// When the sum differs, or `batch` is shorter than the header says.
    #[inline]
    pub fn verify_crc(&self, batch: &[u8]) -> Result<(), BatchError> {
        let Some(summed) = batch.get(at::ATTRIBUTES..self.total_bytes()) else {
            return Err(BatchError::Truncated {
                needed: self.total_bytes() as u64,
                available: batch.len() as u64,
            });
        };
        let found = crc32c::crc32c(summed);
        if found == self.crc {
            Ok(())
        } else {
            Err(BatchError::Checksum {
                stated: self.crc,
                found,
            })
        }
    }

    /// All bytes of the batch, header included.
    #[inline]
    pub fn total_bytes(&self) -> usize {
        self.batch_length as usize + at::BATCH_LENGTH + 4
    }

    /// Offset of the last record the batch ever had.
    #[inline]
    pub fn last_offset(&self) -> u64 {
        self.base_offset + u64::from(self.last_offset_delta)
    }

    /// How the records are compressed.
    ///
    /// # Errors
    /// When the codec is none of Kafka's.
    #[inline]
    pub fn codec(&self) -> Result<Codec, BatchError> {
        Codec::from_number((self.attributes & CODEC_MASK) as u8)
    }

    /// Whether its records are marks of Kafka's transactions instead of data.
    #[inline]
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Whether it was written within a transaction of Kafka's.
    #[inline]
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Whether every record has the time of its arrival, [`Self::max_timestamp_ms`], instead of its own.
    #[inline]
    pub fn has_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    /// The time after which compaction removes the batch's tombstones, in milliseconds since the epoch; `None` until
    /// compaction has seen them for the first time.
    #[inline]
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        (self.attributes & DELETE_HORIZON != 0).then_some(self.base_timestamp_ms)
    }
}

#[inline(always)]
fn field<const N: usize>(header: &[u8; HEADER_BYTES], start: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&header[start..start + N]);
    bytes
}

fn bad(field: &'static str, value: i64, at: usize) -> BatchError {
    BatchError::Header {
        field: field.into(),
        value,
        at: at as u64,
    }
}
