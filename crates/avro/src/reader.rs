//! A cursor over the Avro bytes of one record.
//!
//! It checks every length against what is left before it uses it, allocates nothing and never panics. It knows no
//! schema. The integers of readings take one to three bytes, so those lengths have a straight path each.

use crate::Fault;

/// What is left of a record.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    /// Bytes that are left.
    #[inline]
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// A zigzag variable-length integer: Avro's `int` and `long`.
    ///
    /// Of one and two bytes without a branch: heart rates stand on both sides of 64, where the second byte begins, and
    /// guessing wrong costs more than reading a record.
    #[inline(always)]
    pub(crate) fn long(&mut self) -> Result<i64, Fault> {
        let rest = self.rest;
        let Some(last) = rest.len().checked_sub(1) else {
            return Err(Fault::Truncated);
        };
        let (first, second) = (u64::from(rest[0]), u64::from(rest[last.min(1)]));
        let more = first >> 7;
        if more & (second >> 7) == 0 && more as usize <= last {
            self.rest = &rest[1 + more as usize..];
            return Ok(unzigzag(first & 0x7f | (second * more) << 7));
        }
        if let [a, b, c @ 0..0x80, after @ ..] = rest {
            self.rest = after;
            return Ok(unzigzag(
                u64::from(a & 0x7f) | u64::from(b & 0x7f) << 7 | u64::from(*c) << 14,
            ));
        }
        let (value, after) = long_of_many_bytes(rest)?;
        self.rest = after;
        Ok(value)
    }

    /// Avro's `int`.
    #[inline(always)]
    pub(crate) fn int(&mut self) -> Result<i32, Fault> {
        i32::try_from(self.long()?).map_err(|_| Fault::IntRange)
    }

    /// The next `N` bytes.
    #[inline(always)]
    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<&'a [u8; N], Fault> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(Fault::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// The next `length` bytes.
    #[inline(always)]
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Fault::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Avro's `bytes` and `string`: a length, then so many bytes.
    #[inline(always)]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.long()?;
        let length = usize::try_from(length).map_err(|_| Fault::Length)?;
        self.take(length).map_err(|_| Fault::Length)
    }

    /// Avro's `string`.
    #[inline(always)]
    pub(crate) fn text(&mut self) -> Result<&'a str, Fault> {
        str::from_utf8(self.bytes()?).map_err(|_| Fault::Utf8)
    }

    /// Avro's `boolean`.
    #[inline(always)]
    pub(crate) fn boolean(&mut self) -> Result<bool, Fault> {
        match self.fixed::<1>()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Fault::Boolean),
        }
    }

    /// The index of a union's branch or an enum's symbol, below `count`.
    #[inline(always)]
    pub(crate) fn branch(&mut self, count: usize) -> Result<usize, Fault> {
        let index = usize::try_from(self.long()?).map_err(|_| Fault::Branch)?;
        if index < count { Ok(index) } else { Err(Fault::Branch) }
    }

    /// The head of a block of an array or map.
    ///
    /// The count is not held against the bytes that are left: whoever reads items that take bytes comes to their end first,
    /// and items that take none must not be read one by one.
    pub(crate) fn block(&mut self) -> Result<Block, Fault> {
        let count = self.long()?;
        if count == 0 {
            return Ok(Block::End);
        }
        let bytes = match count < 0 {
            true => Some(usize::try_from(self.long()?).map_err(|_| Fault::Length)?),
            false => None,
        };
        if bytes.is_some_and(|bytes| bytes > self.left()) {
            return Err(Fault::Length);
        }
        Ok(Block::Items {
            count: count.unsigned_abs(),
            bytes,
        })
    }
}

/// The head of a block of an array or map.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// No block follows.
    End,
    /// Items follow.
    Items {
        /// How many, in the writer's words.
        count: u64,
        /// How many bytes they take, if the writer said so: no more than are left.
        bytes: Option<usize>,
    },
}

/// Takes and gives back what is left by value, so that the callers' cursors can stay in registers.
#[inline(never)]
fn long_of_many_bytes(rest: &[u8]) -> Result<(i64, &[u8]), Fault> {
    let mut value = 0u64;
    for (at, &byte) in rest.iter().enumerate() {
        // The tenth byte holds the 64th bit and nothing else.
        if at == 9 && byte > 1 {
            return Err(Fault::VarintTooLong);
        }
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            return Ok((unzigzag(value), &rest[at + 1..]));
        }
    }
    Err(Fault::Truncated)
}

#[inline(always)]
fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(bytes: &[u8]) -> Result<i64, Fault> {
        Reader::new(bytes).long()
    }

    #[test]
    fn integers_of_every_length() {
        assert_eq!(long(&[0x00]), Ok(0));
        assert_eq!(long(&[0x01]), Ok(-1));
        assert_eq!(long(&[0x7f]), Ok(-64));
        assert_eq!(long(&[0x80, 0x01]), Ok(64));
        assert_eq!(long(&[0xa2, 0x9c, 0x01]), Ok(10_001));
        assert_eq!(long(&[0x80, 0x80, 0x80, 0x01]), Ok(1 << 20));
        assert_eq!(
            long(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
            Ok(i64::MIN)
        );
        assert_eq!(
            long(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
            Ok(i64::MAX)
        );
    }

    #[test]
    fn integers_that_are_none() {
        assert_eq!(long(&[]), Err(Fault::Truncated));
        assert_eq!(long(&[0x80, 0x80]), Err(Fault::Truncated));
        assert_eq!(long(&[0xff; 9]), Err(Fault::Truncated));
        assert_eq!(long(&[0xff; 10]), Err(Fault::VarintTooLong));
        assert_eq!(Reader::new(&[0x80, 0x80, 0x80, 0x80, 0x20]).int(), Err(Fault::IntRange));
    }

    #[test]
    fn hostile_lengths_cost_nothing() {
        let i64_max = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Reader::new(&i64_max).bytes(), Err(Fault::Length));
        assert_eq!(Reader::new(&[0x01]).bytes(), Err(Fault::Length));
        // i64::MIN has no positive counterpart.
        let i64_min = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00];
        let block = Block::Items {
            count: 1 << 63,
            bytes: Some(0),
        };
        assert_eq!(Reader::new(&i64_min).block(), Ok(block));
        assert_eq!(Reader::new(&[0x01, 0x02]).block(), Err(Fault::Length));
        assert_eq!(Reader::new(&[0x01, 0x01]).block(), Err(Fault::Length));
    }
}
