//! Gzip around the records of a batch.
//!
//! It writes none. Of all codecs this one is the slowest to read, so nothing is done to spare it an allocation a batch.

use flate2::bufread::MultiGzDecoder;

use super::BatchError;
use super::codec::{Codec, read_all};

/// Decodes to the front of `out` and says how many bytes that are.
pub(super) fn decompress(frame: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize, BatchError> {
    read_all(MultiGzDecoder::new(frame), out, |reason| {
        Codec::Gzip.malformed(reason, at)
    })
}
