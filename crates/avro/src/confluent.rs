//! Confluent's frame: a zero byte and the schema's id (4 bytes, big-endian) before the Avro bytes.
//!
//! It does not know what an id stands for; that is the registry's.

use crate::FramingError;

/// Bytes of the frame.
pub const HEADER_BYTES: usize = 5;

/// The schema's id and the Avro bytes behind the frame.
#[inline]
pub fn split(value: &[u8]) -> Result<(u32, &[u8]), FramingError> {
    match value {
        [0, a, b, c, d, avro @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), avro)),
        [0, ..] | [] => Err(FramingError::TooShort(value.len())),
        [magic, ..] => Err(FramingError::Magic(*magic)),
    }
}

/// The frame of a value that is written with schema `id`.
#[inline]
pub fn header(id: u32) -> [u8; HEADER_BYTES] {
    let [a, b, c, d] = id.to_be_bytes();
    [0, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_is_zero_and_big_endian_id() {
        assert_eq!(header(0x0102_0304), [0, 1, 2, 3, 4]);
        assert_eq!(split(&[0, 0, 0, 1, 0, 9, 8]), Ok((256, &[9, 8][..])));
        assert_eq!(split(&[0, 0, 0, 0, 7]), Ok((7, &[][..])));
    }

    #[test]
    fn other_bytes_are_refused() {
        assert_eq!(split(&[]), Err(FramingError::TooShort(0)));
        assert_eq!(split(&[0, 1, 2]), Err(FramingError::TooShort(3)));
        assert_eq!(split(b"{\"a\":1}"), Err(FramingError::Magic(b'{')));
    }
}
