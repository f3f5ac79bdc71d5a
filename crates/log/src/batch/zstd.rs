//! Zstandard around the records of a batch.
//!
//! It writes none. A frame is decoded in one go straight into the caller's memory: streaming would copy everything
//! through a window that the frame's header chooses the size of.

use zstd::bulk::Decompressor;

use super::codec::{Codec, too_large};
use super::{BatchError, DECOMPRESSED_BYTES_MAX};

/// Room to begin with: most batches fit.
const ROOM_BYTES: usize = 256 << 10;

/// The decoder's tables, about 150 KB, kept from batch to batch.
#[derive(Default)]
pub(super) struct Context(Option<Decompressor<'static>>);

impl Context {
    /// Decodes to the front of `out`, which only ever grows, and says how many bytes that are. `at` is where the frame
    /// stands in its batch, for messages.
    pub(super) fn decompress(&mut self, frame: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize, BatchError> {
        let malformed = |reason: String| Codec::Zstd.malformed(reason, at);
        let Some(bytes_max) = Decompressor::upper_bound(frame) else {
            return Err(malformed("it is no sequence of whole blocks".into()));
        };
        let limit = bytes_max.min(DECOMPRESSED_BYTES_MAX);
        let decompressor = self.0.get_or_insert_default();
        loop {
            // What a frame claims to hold is not believed before it is seen: room only doubles.
            let error = match decompressor.decompress_to_buffer(frame, &mut out[..]) {
                Ok(filled) => return Ok(filled),
                Err(error) => error,
            };
            if out.len() >= limit {
                return Err(match bytes_max > DECOMPRESSED_BYTES_MAX {
                    true => too_large(),
                    false => malformed(error.to_string()),
                });
            }
            let room = (2 * out.len()).max(ROOM_BYTES).min(limit);
            out.resize(room, 0);
        }
    }
}
