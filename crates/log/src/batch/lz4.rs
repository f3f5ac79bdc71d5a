//! The lz4 frame format around the records of a batch.
//!
//! Frames of independent blocks, which is what Kafka's clients write, are decoded block by block straight into the
//! caller's memory; anything rarer (linked blocks, block checksums, dictionaries) goes through `lz4_flex`'s own frame
//! decoder. It does not check a frame's checksums on the fast way: the batch's CRC-32C covers the same bytes.

use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};

use super::BatchError;
use super::codec::{Codec, read_all, room_for};

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// Version 1 and independent blocks; block size 64 KiB; and the header checksum of these two bytes.
const DESCRIPTOR: [u8; 3] = [0x60, 0x40, 0x82];
const BLOCK_BYTES: usize = 64 << 10;

const VERSION_MASK: u8 = 0xc0;
const VERSION_1: u8 = 0x40;
const INDEPENDENT_BLOCKS: u8 = 0x20;
const CONTENT_SIZE: u8 = 0x08;
const CONTENT_CHECKSUM: u8 = 0x04;
/// In a block's length: the block is stored as it is.
const STORED: u32 = 1 << 31;
/// `lz4_flex` copies in steps of 16 bytes only as long as this much room is left behind them.
const SLACK: usize = 64;

/// Appends `records` as one frame.
pub(super) fn compress(records: &[u8], table: &mut CompressTable, out: &mut Vec<u8>) {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&DESCRIPTOR);
    for block in records.chunks(BLOCK_BYTES) {
        let length_at = out.len();
        let start = length_at + 4;
        out.resize(start + get_maximum_output_size(block.len()), 0);
        let written = compress_into_with_table(block, &mut out[start..], table)
            .expect("invariant: the room is what the compressor asks for");
        let length = if written < block.len() {
            out.truncate(start + written);
            written as u32
        } else {
            out.truncate(start);
            out.extend_from_slice(block);
            block.len() as u32 | STORED
        };
        out[length_at..start].copy_from_slice(&length.to_le_bytes());
    }
    out.extend_from_slice(&[0; 4]);
}

/// Decodes `frame` to the front of `out`, which only ever grows, and says how many bytes that are. `at` is where the
/// frame stands in its batch, for messages.
pub(super) fn decompress(frame: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize, BatchError> {
    match independent_blocks(frame) {
        Some((blocks_at, block_max)) => decompress_blocks(frame, blocks_at, block_max, at, out),
        None => decompress_any(frame, at, out),
    }
}

/// Where the blocks start and how large one may be when decompressed, if the frame is one for the fast way.
fn independent_blocks(frame: &[u8]) -> Option<(usize, usize)> {
    let flags = *frame.get(4)?;
    let block_size = *frame.get(5)?;
    let plain = flags & !(CONTENT_SIZE | CONTENT_CHECKSUM) == VERSION_1 | INDEPENDENT_BLOCKS;
    if frame[..4] != MAGIC || flags & VERSION_MASK != VERSION_1 || !plain || block_size & 0x8f != 0 {
        return None;
    }
    let block_max = match block_size >> 4 {
        4 => 64 << 10,
        5 => 256 << 10,
        6 => 1 << 20,
        7 => 4 << 20,
        _ => return None,
    };
    let header = if flags & CONTENT_SIZE == 0 { 7 } else { 15 };
    (frame.len() > header).then_some((header, block_max))
}

fn decompress_blocks(
    frame: &[u8],
    mut next: usize,
    block_max: usize,
    at: usize,
    out: &mut Vec<u8>,
) -> Result<usize, BatchError> {
    let mut filled = 0;
    loop {
        let Some(length) = frame.get(next..next + 4) else {
            return Err(malformed("it ends without an end mark", at + next));
        };
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
        next += 4;
        if length == 0 {
            return Ok(filled);
        }
        let stored = length & STORED != 0;
        let length = (length & !STORED) as usize;
        let Some(block) = frame.get(next..next.saturating_add(length)) else {
            return Err(malformed(
                format!("a block of {length} bytes reaches past its end"),
                at + next - 4,
            ));
        };
        // Room is made for what one block can give at most, so a frame cannot claim memory that it does not fill.
        let room = filled + block_max + SLACK;
        room_for(room, out)?;
        let written = if stored {
            if length > block_max {
                return Err(malformed(
                    format!("a stored block of {length} bytes, over {block_max}"),
                    at + next - 4,
                ));
            }
            out[filled..filled + length].copy_from_slice(block);
            length
        } else {
            decompress_into(block, &mut out[filled..room]).map_err(|error| malformed(error.to_string(), at + next))?
        };
        if written > block_max {
            return Err(malformed(
                format!("a block decompresses to {written} bytes, over {block_max}"),
                at + next,
            ));
        }
        filled += written;
        next += length;
    }
}

fn decompress_any(frame: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize, BatchError> {
    read_all(lz4_flex::frame::FrameDecoder::new(frame), out, |reason| {
        malformed(reason, at)
    })
}

fn malformed(reason: impl Into<std::borrow::Cow<'static, str>>, at: usize) -> BatchError {
    Codec::Lz4.malformed(reason, at)
}
