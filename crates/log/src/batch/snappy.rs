//! Snappy around the records of a batch: raw, or in the frames of Java's snappy library (named xerial after its author's
//! organisation).
//!
//! It writes none, and does not read the framing format of snappy's own specification, which no Kafka client uses.

use super::BatchError;
use super::codec::{Codec, room_for};

/// What every xerial stream starts with. A raw block that does so would be 130 bytes long and start with a copy of what
/// is not there yet.
const XERIAL: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// The mark, and two versions of four bytes: the stream's own and the oldest that can read it.
const XERIAL_HEADER_BYTES: usize = 16;
/// A copy of 64 bytes takes three, so no block gets larger than this many times its bytes.
const GROWTH_MAX: usize = 22;

/// Decodes to the front of `out`, which only ever grows, and says how many bytes that are. `at` is where the frame stands
/// in its batch, for messages.
pub(super) fn decompress(frame: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize, BatchError> {
    if !frame.starts_with(&XERIAL) {
        return decompress_block(frame, at, 0, out);
    }
    let mut next = XERIAL_HEADER_BYTES;
    let mut filled = 0;
    while next < frame.len() {
        let Some(length) = frame.get(next..next + 4) else {
            return Err(malformed("it ends inside a block's length", at + next));
        };
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        next += 4;
        let Some(block) = frame.get(next..next.saturating_add(length)) else {
            let reason = format!("a block of {length} bytes reaches past its end");
            return Err(malformed(reason, at + next - 4));
        };
        filled += decompress_block(block, at + next, filled, out)?;
        next += length;
    }
    Ok(filled)
}

/// Decodes one block to `out`, behind the `filled` bytes that are there.
fn decompress_block(block: &[u8], at: usize, filled: usize, out: &mut Vec<u8>) -> Result<usize, BatchError> {
    let length = snap::raw::decompress_len(block).map_err(|error| malformed(error.to_string(), at))?;
    if length > block.len().saturating_mul(GROWTH_MAX) {
        let reason = format!("it claims to hold {length} bytes, more than {} can", block.len());
        return Err(malformed(reason, at));
    }
    room_for(filled + length, out)?;
    snap::raw::Decoder::new()
        .decompress(block, &mut out[filled..filled + length])
        .map_err(|error| malformed(error.to_string(), at))
}

fn malformed(reason: impl Into<std::borrow::Cow<'static, str>>, at: usize) -> BatchError {
    Codec::Snappy.malformed(reason, at)
}
