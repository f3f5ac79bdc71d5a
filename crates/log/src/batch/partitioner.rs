//! Which partition a key belongs to, as the default partitioner of Kafka's Java client computes it.
//!
//! It does not spread records without a key: their producer chooses.

/// The partition of a key, from 0.
///
/// Foreign producers and this program must agree, or a key's records end up in two partitions and joins miss rows.
///
/// # Panics
/// When `partitions` is 0: no topic has none.
#[inline]
pub fn partition_for_key(key: &[u8], partitions: u32) -> u32 {
    // Java takes the sign bit away and computes the remainder of what is left.
    (murmur2(key) as u32 & 0x7fff_ffff) % partitions
}

/// MurmurHash2 (Austin Appleby's 32-bit variant, public domain) with the seed of Kafka's `Utils.murmur2`.
pub fn murmur2(data: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const MIX: u32 = 0x5bd1_e995;
    let mut hash = SEED ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(MIX);
        k ^= k >> 24;
        hash = hash.wrapping_mul(MIX) ^ k.wrapping_mul(MIX);
    }
    if !tail.is_empty() {
        for (index, &byte) in tail.iter().enumerate() {
            hash ^= u32::from(byte) << (8 * index);
        }
        hash = hash.wrapping_mul(MIX);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MIX);
    (hash ^ (hash >> 15)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_java_client() {
        assert_eq!(murmur2(b"21"), -973_932_308);
        assert_eq!(murmur2(b"foobar"), -790_332_482);
        assert_eq!(murmur2(b"a-little-bit-long-string"), -985_981_536);
        assert_eq!(murmur2(b"a-little-bit-longer-string"), -1_486_304_829);
        assert_eq!(
            murmur2(b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"),
            -58_897_971
        );
        assert_eq!(murmur2(b"abc"), 479_470_107);
    }

    #[test]
    fn a_negative_hash_still_gives_a_partition() {
        assert_eq!(
            partition_for_key(b"21", 12),
            (-973_932_308i32 & 0x7fff_ffff) as u32 % 12
        );
        assert_eq!(partition_for_key(b"", 1), 0);
    }
}
