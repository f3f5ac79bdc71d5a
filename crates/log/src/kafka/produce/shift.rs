//! Moving a CRC-32C past bytes that follow, without looking at them.
//!
//! It sums nothing up. The sum is linear, so that following bytes act on it as a matrix of bits; the matrices for 1, 2,
//! 4, ... bytes are made once, where `crc32c_combine` makes them anew for every batch, at the price of summing it up.

use std::sync::LazyLock;

/// What one bit of the sum becomes, for each bit.
type Matrix = [u32; 32];

/// For 2 to the power of the index bytes. A batch is under 2 GiB.
static PAST: LazyLock<[Matrix; 31]> = LazyLock::new(|| {
    let mut matrices = [[0; 32]; 31];
    for (bit, becomes) in matrices[0].iter_mut().enumerate() {
        *becomes = crc32c::crc32c_combine(1 << bit, 0, 1);
    }
    for power in 1..matrices.len() {
        let half = matrices[power - 1];
        matrices[power] = half.map(|sum| apply(&half, sum));
    }
    matrices
});

/// What a change of the sum of some bytes is for the sum of those and `bytes` more.
pub(super) fn past(change: u32, bytes: usize) -> u32 {
    let powers = PAST.iter().enumerate().filter(|(power, _)| bytes >> power & 1 == 1);
    powers.fold(change, |change, (_, matrix)| apply(matrix, change))
}

fn apply(matrix: &Matrix, sum: u32) -> u32 {
    let bits = (0..32).filter(|bit| sum >> bit & 1 == 1);
    bits.fold(0, |becomes, bit| becomes ^ matrix[bit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_combining_gives() {
        for bytes in [0, 1, 2, 3, 61, 1_000, 65_537, (1 << 30) + 12_345] {
            for change in [0, 1, 0x8000_0000, 0xdead_beef, u32::MAX] {
                assert_eq!(past(change, bytes), crc32c::crc32c_combine(change, 0, bytes));
            }
        }
    }
}
