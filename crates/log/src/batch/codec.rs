//! `Codec`: how the records of a batch are compressed, and the way back.
//!
//! It reads all that Kafka's clients write: none, gzip, snappy, lz4 and zstd, each in a module of its own. It compresses
//! nothing: this program's own batches are lz4 or plain ([`super::Compression`]).

use std::borrow::Cow;
use std::io::Read;

use super::{BatchError, DECOMPRESSED_BYTES_MAX, HEADER_BYTES, gzip, lz4, snappy, zstd};

/// How the records of a batch are compressed, in the order of Kafka's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Not at all.
    None,
    /// RFC 1952.
    Gzip,
    /// Raw, as C clients write it, or in the frames of Java's snappy library.
    Snappy,
    /// The lz4 frame format.
    Lz4,
    /// RFC 8878.
    Zstd,
}

impl Codec {
    /// By its number in a batch's attributes.
    pub(super) fn from_number(number: u8) -> Result<Codec, BatchError> {
        match number {
            0 => Ok(Codec::None),
            1 => Ok(Codec::Gzip),
            2 => Ok(Codec::Snappy),
            3 => Ok(Codec::Lz4),
            4 => Ok(Codec::Zstd),
            number => Err(BatchError::Codec { number }),
        }
    }

    /// Kafka's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }

    pub(super) fn malformed(self, reason: impl Into<Cow<'static, str>>, at: usize) -> BatchError {
        BatchError::Compressed {
            codec: self.name().into(),
            reason: reason.into(),
            at: at as u64,
        }
    }
}

/// What decoders keep from batch to batch; made when first needed.
#[derive(Default)]
pub(super) struct Decoders {
    zstd: zstd::Context,
}

impl Decoders {
    /// Decodes the records that a batch stores behind its header to the front of `out`, and says how many bytes that
    /// are; `None` when they are not compressed.
    #[inline]
    pub(super) fn decode(
        &mut self,
        codec: Codec,
        stored: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, BatchError> {
        let filled = match codec {
            Codec::None => return Ok(None),
            Codec::Lz4 => lz4::decompress(stored, HEADER_BYTES, out),
            Codec::Gzip => gzip::decompress(stored, HEADER_BYTES, out),
            Codec::Snappy => snappy::decompress(stored, HEADER_BYTES, out),
            Codec::Zstd => self.zstd.decompress(stored, HEADER_BYTES, out),
        };
        filled.map(Some)
    }
}

/// Makes `out`, which only ever grows, at least `bytes` long.
pub(super) fn room_for(bytes: usize, out: &mut Vec<u8>) -> Result<(), BatchError> {
    if bytes > DECOMPRESSED_BYTES_MAX {
        return Err(too_large());
    }
    if out.len() < bytes {
        out.resize(bytes, 0);
    }
    Ok(())
}

pub(super) fn too_large() -> BatchError {
    BatchError::TooLarge {
        limit: DECOMPRESSED_BYTES_MAX as u64,
    }
}

/// For decoders that only give bytes one after the other.
pub(super) fn read_all(
    decoder: impl Read,
    out: &mut Vec<u8>,
    malformed: impl FnOnce(String) -> BatchError,
) -> Result<usize, BatchError> {
    out.clear();
    decoder
        .take(DECOMPRESSED_BYTES_MAX as u64 + 1)
        .read_to_end(out)
        .map_err(|error| malformed(error.to_string()))?;
    if out.len() > DECOMPRESSED_BYTES_MAX {
        return Err(too_large());
    }
    Ok(out.len())
}
