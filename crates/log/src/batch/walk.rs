//! `walk`: every record of a batch, in place.
//!
//! It does not check the CRC-32C ([`BatchHeader::verify_crc`] does; what [`crate::Log::read`] hands out was checked) and
//! it does not skip records before the offset a reader asked for. This is the hottest loop of the program: the records
//! are decompressed into memory that is kept between batches, and a record is six words on the stack.

use std::ops::ControlFlow;

use super::codec::Decoders;
use super::{BatchError, BatchHeader, HEADER_BYTES, varint};

/// Memory for decompressed records, kept from batch to batch. One for every thread that walks.
#[derive(Default)]
pub struct Scratch {
    decoders: Decoders,
    bytes: Vec<u8>,
}

/// One record, borrowed from its batch or from the scratch.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Its place in the partition.
    pub offset: u64,
    /// In milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// `None` when it has no key.
    pub key: Option<&'a [u8]>,
    /// `None` is a tombstone: in a compacted topic it removes the key.
    pub value: Option<&'a [u8]>,
    /// What its producer added.
    pub headers: Headers<'a>,
}

/// The headers of a record: an iterator that decodes them one by one.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a> {
    /// Starts with the count; [`walk`] has checked every bound.
    bytes: &'a [u8],
}

/// One header of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// UTF-8 by Kafka's rules, but nobody checks what a producer writes.
    pub name: &'a [u8],
    /// `None` when it has none.
    pub value: Option<&'a [u8]>,
}

/// Calls `visit` with every record of the batch that `batch` starts with, in offset order, until it says
/// [`ControlFlow::Break`]. Gives the batch's header.
///
/// # Errors
/// When the bytes are malformed; records before the place were visited by then.
#[inline]
pub fn walk(
    batch: &[u8],
    scratch: &mut Scratch,
    mut visit: impl FnMut(Record<'_>) -> ControlFlow<()>,
) -> Result<BatchHeader, BatchError> {
    let header = BatchHeader::parse(batch)?;
    let stored = &batch[HEADER_BYTES..header.total_bytes()];
    let records = match scratch.decoders.decode(header.codec()?, stored, &mut scratch.bytes)? {
        Some(filled) => &scratch.bytes[..filled],
        None => stored,
    };
    let mut at = 0;
    // The least offset delta that the next record may have: offsets rise within a batch.
    let mut delta_min = 0;
    let mut index = 0;
    // Not `for`: in a build whose dependencies are little optimised, a range's `next` is a call, for every record.
    while index < header.count {
        let record = match next_record(records, &mut at, &header, &mut delta_min) {
            Ok(record) => record,
            Err((reason, at)) => {
                return Err(BatchError::Record {
                    index,
                    reason: reason.into(),
                    at: at as u64,
                });
            }
        };
        if visit(record).is_break() {
            return Ok(header);
        }
        index += 1;
    }
    if at != records.len() {
        let reason = "bytes follow the last record".into();
        return Err(BatchError::Record {
            index: header.count,
            reason,
            at: at as u64,
        });
    }
    Ok(header)
}

type Malformed = (&'static str, usize);

#[inline(always)]
fn next_record<'a>(
    records: &'a [u8],
    at: &mut usize,
    header: &BatchHeader,
    delta_min: &mut i64,
) -> Result<Record<'a>, Malformed> {
    let start = *at;
    let length = varint::read(records, at).ok_or(("no length", start))?;
    let end = usize::try_from(length)
        .ok()
        .and_then(|length| at.checked_add(length))
        .filter(|&end| end <= records.len())
        .ok_or(("its length reaches past the end", start))?;
    // From here on nothing can be read past the record's own end.
    let body = &records[..end];
    // One byte of attributes, of which none is in use.
    *at += 1;
    let timestamp_delta = varint::read(body, at).ok_or(("no timestamp", *at))?;
    let offset_delta = varint::read(body, at).ok_or(("no offset", *at))?;
    if offset_delta < *delta_min || offset_delta > i64::from(header.last_offset_delta) {
        return Err(("its offset is out of order", start));
    }
    *delta_min = offset_delta + 1;
    let key = read_bytes(body, at).ok_or(("its key reaches past its end", *at))?;
    let value = read_bytes(body, at).ok_or(("its value reaches past its end", *at))?;
    let headers = Headers { bytes: &body[*at..] };
    // The usual record has none, which is a single zero.
    if !matches!(headers.bytes, [0]) && !headers.are_well_formed() {
        return Err(("its headers do not fill the rest of it", *at));
    }
    *at = end;
    let timestamp_ms = if header.has_append_time() {
        header.max_timestamp_ms
    } else {
        header.base_timestamp_ms.wrapping_add(timestamp_delta)
    };
    Ok(Record {
        offset: header.base_offset + offset_delta as u64,
        timestamp_ms,
        key,
        value,
        headers,
    })
}

/// Bytes after their length; a negative length stands for none. The outer `None` says that they are cut off.
#[inline(always)]
fn read_bytes<'a>(body: &'a [u8], at: &mut usize) -> Option<Option<&'a [u8]>> {
    let length = varint::read(body, at)?;
    if length < 0 {
        return (length == -1).then_some(None);
    }
    let bytes = body.get(*at..at.checked_add(usize::try_from(length).ok()?)?)?;
    *at += bytes.len();
    Some(Some(bytes))
}

impl<'a> Headers<'a> {
    /// With the count in front, as in the record.
    pub(crate) fn encoded(&self) -> &'a [u8] {
        self.bytes
    }

    /// The headers in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = Header<'a>> + use<'a> {
        let bytes = self.bytes;
        let mut at = 0;
        let count = varint::read(bytes, &mut at).unwrap_or(0);
        (0..count).map_while(move |_| next_header(bytes, &mut at))
    }

    #[inline(never)]
    fn are_well_formed(&self) -> bool {
        let mut at = 0;
        let Some(count) = varint::read(self.bytes, &mut at) else {
            return false;
        };
        // A hostile count ends at the first header that is not there.
        count >= 0 && (0..count).all(|_| next_header(self.bytes, &mut at).is_some()) && at == self.bytes.len()
    }
}

fn next_header<'a>(bytes: &'a [u8], at: &mut usize) -> Option<Header<'a>> {
    let name = read_bytes(bytes, at)??;
    let value = read_bytes(bytes, at)?;
    Some(Header { name, value })
}
