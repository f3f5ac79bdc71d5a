//! `BatchBuilder`: records in, one batch out.
//!
//! It does not choose partitions or decide when a batch is full; [`BatchBuilder::bytes_estimate`] is there for who does.
//! Its memory is kept from batch to batch, so that building costs no allocation but the finished bytes.

use lz4_flex::block::CompressTable;

use super::header::at;
use super::{BatchHeader, Compression, HEADER_BYTES, lz4, varint};

/// Collects records and writes them as one batch.
pub struct BatchBuilder {
    compression: Compression,
    /// The encoded records, not compressed.
    records: Vec<u8>,
    table: CompressTable,
    count: u32,
    /// The first record's time, unless the batch is a rewritten one.
    base_timestamp_ms: i64,
    max_timestamp_ms: i64,
}

impl BatchBuilder {
    /// An empty builder.
    pub fn new(compression: Compression) -> BatchBuilder {
        BatchBuilder {
            compression,
            records: Vec::new(),
            table: CompressTable::large(),
            count: 0,
            base_timestamp_ms: 0,
            max_timestamp_ms: i64::MIN,
        }
    }

    /// Adds a record. The timestamp is in milliseconds since the epoch.
    ///
    /// A batch is finished by its maker long before its records take [`super::DECOMPRESSED_BYTES_MAX`]: larger ones
    /// could not be read.
    #[inline]
    pub fn push(&mut self, timestamp_ms: i64, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(&str, &[u8])]) {
        if self.count == 0 {
            self.base_timestamp_ms = timestamp_ms;
        }
        let headers_bytes: usize = headers
            .iter()
            .map(|(name, value)| sized(name.len()) + sized(value.len()))
            .sum::<usize>()
            + varint::len(headers.len() as i64);
        self.push_fixed(timestamp_ms, self.count, key, value, headers_bytes);
        varint::write(&mut self.records, headers.len() as i64);
        for (name, value) in headers {
            write_bytes(&mut self.records, Some(name.as_bytes()));
            write_bytes(&mut self.records, Some(value));
        }
    }

    /// Adds a record that compaction keeps, with the offset delta it had and its headers (count included) as they are.
    pub(crate) fn push_kept(&mut self, offset_delta: u32, record: &super::Record<'_>) {
        let headers = record.headers.encoded();
        self.push_fixed(
            record.timestamp_ms,
            offset_delta,
            record.key,
            record.value,
            headers.len(),
        );
        self.records.extend_from_slice(headers);
    }

    /// Everything of a record but its headers, which take `headers_bytes`.
    #[inline(always)]
    fn push_fixed(
        &mut self,
        timestamp_ms: i64,
        offset_delta: u32,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers_bytes: usize,
    ) {
        // Deltas wrap: a reader adds them the same way, so that even the most distant times come back as they were.
        let timestamp_delta = timestamp_ms.wrapping_sub(self.base_timestamp_ms);
        let offset_delta = i64::from(offset_delta);
        let bytes = 1
            + varint::len(timestamp_delta)
            + varint::len(offset_delta)
            + key.map_or(1, |key| sized(key.len()))
            + value.map_or(1, |value| sized(value.len()))
            + headers_bytes;
        self.records.reserve(bytes + 5);
        varint::write(&mut self.records, bytes as i64);
        self.records.push(0);
        varint::write(&mut self.records, timestamp_delta);
        varint::write(&mut self.records, offset_delta);
        write_bytes(&mut self.records, key);
        write_bytes(&mut self.records, value);
        self.max_timestamp_ms = self.max_timestamp_ms.max(timestamp_ms);
        self.count += 1;
    }

    /// Records added since the last [`Self::finish`].
    #[inline]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether no record was added since the last [`Self::finish`].
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What the batch would take without compression, in bytes.
    #[inline]
    pub fn bytes_estimate(&self) -> usize {
        HEADER_BYTES + self.records.len()
    }

    /// The finished batch, or no bytes at all when no record was added. The builder is empty again.
    pub fn finish(&mut self) -> Vec<u8> {
        if self.count == 0 {
            return Vec::new();
        }
        let last_offset_delta = self.count - 1;
        self.write_batch(0, last_offset_delta, 0)
    }

    /// Makes timestamps count from `base_timestamp_ms` in the batch to come.
    pub(crate) fn start_rewriting(&mut self, base_timestamp_ms: i64) {
        self.clear();
        self.base_timestamp_ms = base_timestamp_ms;
    }

    /// The batch of the records kept out of `original`: it keeps its offsets, and its attributes but for the codec.
    /// With a delete horizon, that is the base timestamp that rewriting started with.
    pub(crate) fn finish_rewriting(&mut self, original: &BatchHeader, extra_attributes: i16) -> Vec<u8> {
        // Append time is given by the greatest timestamp, which must survive the removal of the record that had it.
        if self.count == 0 || original.has_append_time() {
            self.max_timestamp_ms = original.max_timestamp_ms;
        }
        let attributes = (original.attributes & !0x07) | extra_attributes;
        self.write_batch(original.base_offset, original.last_offset_delta, attributes)
    }

    fn write_batch(&mut self, base_offset: u64, last_offset_delta: u32, attributes: i16) -> Vec<u8> {
        let mut batch = Vec::with_capacity(HEADER_BYTES + self.records.len());
        batch.resize(HEADER_BYTES, 0);
        let codec = match self.compression {
            Compression::None => {
                batch.extend_from_slice(&self.records);
                0
            }
            Compression::Lz4 => {
                lz4::compress(&self.records, &mut self.table, &mut batch);
                3
            }
        };
        let length = i32::try_from(batch.len() - at::BATCH_LENGTH - 4).expect("invariant: a batch is under 2 GiB");
        put(&mut batch, 0, base_offset.to_be_bytes());
        put(&mut batch, at::BATCH_LENGTH, length.to_be_bytes());
        batch[at::MAGIC] = 2;
        put(&mut batch, at::ATTRIBUTES, (attributes | codec).to_be_bytes());
        put(&mut batch, at::LAST_OFFSET_DELTA, last_offset_delta.to_be_bytes());
        put(&mut batch, at::BASE_TIMESTAMP, self.base_timestamp_ms.to_be_bytes());
        put(&mut batch, at::MAX_TIMESTAMP, self.max_timestamp_ms.to_be_bytes());
        // No idempotent producer: a transaction of the log is atomic without one.
        put(&mut batch, at::PRODUCER_ID, (-1i64).to_be_bytes());
        put(&mut batch, at::PRODUCER_EPOCH, (-1i16).to_be_bytes());
        put(&mut batch, at::BASE_SEQUENCE, (-1i32).to_be_bytes());
        put(&mut batch, at::COUNT, self.count.to_be_bytes());
        let crc = crc32c::crc32c(&batch[at::ATTRIBUTES..]);
        put(&mut batch, at::CRC, crc.to_be_bytes());
        self.clear();
        batch
    }

    fn clear(&mut self) {
        self.records.clear();
        self.count = 0;
        self.max_timestamp_ms = i64::MIN;
    }
}

fn put<const N: usize>(batch: &mut [u8], start: usize, bytes: [u8; N]) {
    batch[start..start + N].copy_from_slice(&bytes);
}

/// Bytes of a length and what it counts.
#[inline(always)]
fn sized(length: usize) -> usize {
    varint::len(length as i64) + length
}

#[inline(always)]
fn write_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            varint::write(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
        None => varint::write(out, -1),
    }
}
