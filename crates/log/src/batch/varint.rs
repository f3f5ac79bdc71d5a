//! Zigzag variable-length integers, as Kafka records and Protocol Buffers write them.
//!
//! It does not know what the numbers mean. Reading is bounds-checked and never takes more than ten bytes.

/// The number at `*at`, which is moved past it; `None` when the bytes end inside it or it has more than 64 bits.
#[inline(always)]
pub(crate) fn read(bytes: &[u8], at: &mut usize) -> Option<i64> {
    // Nearly all numbers of a record (lengths, small deltas) take one byte; time and offset deltas within a batch of
    // thousands of records take two. The rest is kept out of line, so that this stays small enough to be everywhere.
    let first = *bytes.get(*at)?;
    if first < 0x80 {
        *at += 1;
        return Some(unzigzag(u64::from(first)));
    }
    let second = *bytes.get(*at + 1)?;
    if second < 0x80 {
        *at += 2;
        return Some(unzigzag(u64::from(first & 0x7f) | u64::from(second) << 7));
    }
    read_long(bytes, at)
}

#[cold]
#[inline(never)]
fn read_long(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let mut value = 0u64;
    for (index, &byte) in bytes.get(*at..)?.iter().take(10).enumerate() {
        let bits = u64::from(byte & 0x7f);
        let shift = 7 * index as u32;
        // The tenth byte has room for one bit only.
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte < 0x80 {
            *at += index + 1;
            return Some(unzigzag(value));
        }
    }
    None
}

#[inline(always)]
fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[inline(always)]
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Appends the number.
#[inline(always)]
pub(crate) fn write(out: &mut Vec<u8>, value: i64) {
    let mut rest = zigzag(value);
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// How many bytes [`write()`] appends for the number.
#[inline(always)]
pub(crate) fn len(value: i64) -> usize {
    // One byte for each seven bits begun; `| 1` makes zero take one bit.
    (64 - (zigzag(value) | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_survives_a_round_trip() {
        let mut numbers = vec![0, -1, 1, 63, -64, 64, -65, i64::MAX, i64::MIN];
        numbers.extend((0..63).flat_map(|bit| [1i64 << bit, -(1i64 << bit), (1i64 << bit) - 1]));
        for number in numbers {
            let mut bytes = Vec::new();
            write(&mut bytes, number);
            assert_eq!(bytes.len(), len(number), "{number}");
            let mut at = 0;
            assert_eq!(read(&bytes, &mut at), Some(number));
            assert_eq!(at, bytes.len());
            for cut in 0..bytes.len() {
                assert_eq!(read(&bytes[..cut], &mut 0), None, "{number} cut to {cut} bytes");
            }
        }
    }

    #[test]
    fn more_than_64_bits_are_refused() {
        assert_eq!(read(&[0xff; 11], &mut 0), None);
        assert_eq!(
            read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], &mut 0),
            None
        );
    }
}
