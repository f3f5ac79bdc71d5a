//! Keys as dense numbers: [`Keys`] gives every key a small number for as long as it is remembered.
//!
//! Inside the engine a key is its number; its text is made only for rows that come out. A key of up to 15 bytes lies in
//! 16 bytes and is compared as one number; a longer one lies in a box of its own. It does not know windows or time.
//!
//! # Constraints
//!
//! - Numbers are reused after [`Keys::forget`], so that per-key state stays an array without holes.
//! - The table holds 4 bytes a slot: 26 bits of number and 6 bits of the hash, so that most wrong candidates are passed
//!   over without touching the key. Look-ups are asked for ahead with [`Keys::prefetch`].

use std::hash::{BuildHasher, Hasher};

use crate::prefetch::prefetch;

const NUMBER_BITS: u32 = 26;
const NUMBER_MASK: u32 = (1 << NUMBER_BITS) - 1;
const EMPTY: u32 = u32::MAX;
const LONG: u8 = u8::MAX;

/// What stands in place of a key whose number is free. No key looks like it: lengths are at most 15, or `LONG`.
const FREE: Packed = Packed([u8::MAX - 1; 16]);

/// A key in 16 bytes: its text and its length, or a place among the long ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Packed([u8; 16]);

impl Packed {
    fn short(key: &[u8]) -> Packed {
        let mut packed = [0; 16];
        packed[..key.len()].copy_from_slice(key);
        packed[15] = key.len() as u8;
        Packed(packed)
    }

    fn long(place: usize) -> Packed {
        let mut packed = [0; 16];
        packed[..8].copy_from_slice(&(place as u64).to_le_bytes());
        packed[15] = LONG;
        Packed(packed)
    }

    fn long_place(&self) -> Option<usize> {
        let place: [u8; 8] = self.0[..8].try_into().expect("eight of sixteen bytes");
        (self.0[15] == LONG).then(|| u64::from_le_bytes(place) as usize)
    }
}

/// The keys of a block of rows, on their way to become numbers.
#[derive(Debug, Default)]
pub(crate) struct KeyBlock {
    packed: Vec<Packed>,
    hashes: Vec<u64>,
    /// The bytes of long keys, one behind the other; a place among them is where they begin and how many they are.
    long: Vec<u8>,
}

impl KeyBlock {
    pub(crate) fn clear(&mut self) {
        self.packed.clear();
        self.hashes.clear();
        self.long.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.packed.len()
    }

    fn push_long(&mut self, key: &[u8]) {
        self.packed.push(Packed::long(self.long.len() << 32 | key.len()));
        self.long.extend_from_slice(key);
    }

    fn long(&self, place: usize) -> &[u8] {
        let start = place >> 32;
        &self.long[start..start + (place & 0xffff_ffff)]
    }
}

/// Keys and their numbers.
#[derive(Debug)]
pub(crate) struct Keys {
    slots: Vec<u32>,
    packed: Vec<Packed>,
    long: Vec<Box<[u8]>>,
    long_free: Vec<usize>,
    long_bytes: usize,
    free: Vec<u32>,
    hasher: hashbrown::DefaultHashBuilder,
}

impl Default for Keys {
    fn default() -> Self {
        Keys {
            slots: vec![EMPTY; 64],
            packed: Vec::new(),
            long: Vec::new(),
            long_free: Vec::new(),
            long_bytes: 0,
            free: Vec::new(),
            hasher: hashbrown::DefaultHashBuilder::default(),
        }
    }
}

impl Keys {
    /// Adds a key to a block.
    #[inline]
    pub(crate) fn stage(&self, key: &[u8], block: &mut KeyBlock) {
        if key.len() < 16 {
            let packed = Packed::short(key);
            block.packed.push(packed);
            block.hashes.push(self.hash_packed(packed));
        } else {
            block.hashes.push(self.hash_long(key));
            block.push_long(key);
        }
    }

    /// The text of a staged key; `None` when it is no UTF-8.
    pub(crate) fn staged_text<'a>(&self, block: &'a KeyBlock, index: usize) -> Option<&'a str> {
        let packed = &block.packed[index];
        let bytes = match packed.long_place() {
            Some(place) => block.long(place),
            None => &packed.0[..packed.0[15] as usize],
        };
        std::str::from_utf8(bytes).ok()
    }

    /// Asks for the memory that looking up the block's key will touch.
    #[inline]
    pub(crate) fn prefetch(&self, block: &KeyBlock, index: usize) {
        if let Some(hash) = block.hashes.get(index) {
            prefetch(&self.slots, *hash as usize & (self.slots.len() - 1));
        }
    }

    /// The number of the block's key, a new one if need be. `None`: the key is not UTF-8 text.
    #[inline]
    pub(crate) fn intern(&mut self, block: &KeyBlock, index: usize) -> Option<u32> {
        let (packed, hash) = (block.packed[index], block.hashes[index]);
        let mask = self.slots.len() - 1;
        let tag = tag_of(hash);
        let mut place = hash as usize & mask;
        loop {
            let slot = self.slots[place];
            if slot == EMPTY {
                return self.insert(packed, hash, block);
            }
            if slot & !NUMBER_MASK == tag && self.equals(slot & NUMBER_MASK, packed, block) {
                return Some(slot & NUMBER_MASK);
            }
            place = (place + 1) & mask;
        }
    }

    /// How many numbers were ever given at a time: every number is below it.
    pub(crate) fn capacity(&self) -> usize {
        self.packed.len()
    }

    /// How many keys are known.
    pub(crate) fn len(&self) -> usize {
        self.packed.len() - self.free.len()
    }

    /// The key's bytes, which are UTF-8.
    pub(crate) fn bytes(&self, number: u32) -> &[u8] {
        let packed = &self.packed[number as usize];
        match packed.long_place() {
            Some(place) => &self.long[place],
            None => &packed.0[..packed.0[15] as usize],
        }
    }

    /// The key as text.
    pub(crate) fn text(&self, number: u32) -> &str {
        std::str::from_utf8(self.bytes(number)).expect("invariant: only UTF-8 keys are interned")
    }

    /// Gives the number free for another key; does nothing when it is free already, for a sweep meets free numbers too.
    pub(crate) fn forget(&mut self, number: u32) {
        if self.packed[number as usize] == FREE {
            return;
        }
        let hash = self.hash_of(number);
        let mask = self.slots.len() - 1;
        let mut hole = hash as usize & mask;
        while self.slots[hole] & NUMBER_MASK != number || self.slots[hole] == EMPTY {
            hole = (hole + 1) & mask;
        }
        self.close_hole(hole);
        if let Some(place) = self.packed[number as usize].long_place() {
            self.long_bytes -= self.long[place].len();
            self.long[place] = Box::default();
            self.long_free.push(place);
        }
        self.packed[number as usize] = FREE;
        self.free.push(number);
    }

    /// Bytes held.
    pub(crate) fn bytes_held(&self) -> usize {
        let long = self.long_bytes + self.long.len() * size_of::<Box<[u8]>>();
        self.slots.len() * 4 + self.packed.len() * 16 + long + self.free.len() * 4
    }

    #[cold]
    fn insert(&mut self, packed: Packed, hash: u64, block: &KeyBlock) -> Option<u32> {
        let stored = match packed.long_place() {
            None => {
                std::str::from_utf8(&packed.0[..packed.0[15] as usize]).ok()?;
                packed
            }
            Some(place) => {
                let key = block.long(place);
                std::str::from_utf8(key).ok()?;
                Packed::long(self.store_long(key.into()))
            }
        };
        if (self.len() + 1) * 5 > self.slots.len() * 4 {
            self.grow();
        }
        let number = self.free.pop().unwrap_or(self.packed.len() as u32);
        assert!(
            number < NUMBER_MASK,
            "more than {NUMBER_MASK} keys in one partition: use more partitions"
        );
        if number as usize == self.packed.len() {
            self.packed.push(stored);
        } else {
            self.packed[number as usize] = stored;
        }
        self.place(number, hash);
        Some(number)
    }

    fn store_long(&mut self, key: Box<[u8]>) -> usize {
        self.long_bytes += key.len();
        if let Some(place) = self.long_free.pop() {
            self.long[place] = key;
            return place;
        }
        self.long.push(key);
        self.long.len() - 1
    }

    fn place(&mut self, number: u32, hash: u64) {
        let mask = self.slots.len() - 1;
        let mut place = hash as usize & mask;
        while self.slots[place] != EMPTY {
            place = (place + 1) & mask;
        }
        self.slots[place] = tag_of(hash) | number;
    }

    fn grow(&mut self) {
        let old = std::mem::take(&mut self.slots);
        self.slots = vec![EMPTY; old.len() * 2];
        for slot in old.into_iter().filter(|slot| *slot != EMPTY) {
            let number = slot & NUMBER_MASK;
            self.place(number, self.hash_of(number));
        }
    }

    /// Moves later entries of the run forward, so that a look-up never stops at a hole too early.
    fn close_hole(&mut self, mut hole: usize) {
        let mask = self.slots.len() - 1;
        let mut next = (hole + 1) & mask;
        while self.slots[next] != EMPTY {
            let home = self.hash_of(self.slots[next] & NUMBER_MASK) as usize & mask;
            let from_home = next.wrapping_sub(home) & mask;
            if from_home >= (next.wrapping_sub(hole) & mask) {
                self.slots[hole] = self.slots[next];
                hole = next;
            }
            next = (next + 1) & mask;
        }
        self.slots[hole] = EMPTY;
    }

    #[inline]
    fn equals(&self, number: u32, packed: Packed, block: &KeyBlock) -> bool {
        let stored = self.packed[number as usize];
        match (stored.long_place(), packed.long_place()) {
            (None, None) => stored == packed,
            (Some(mine), Some(theirs)) => *self.long[mine] == *block.long(theirs),
            _ => false,
        }
    }

    fn hash_of(&self, number: u32) -> u64 {
        let packed = self.packed[number as usize];
        match packed.long_place() {
            Some(place) => self.hash_long(&self.long[place]),
            None => self.hash_packed(packed),
        }
    }

    #[inline]
    fn hash_packed(&self, packed: Packed) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u128(u128::from_le_bytes(packed.0));
        hasher.finish()
    }

    fn hash_long(&self, key: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key);
        hasher.finish()
    }
}

fn tag_of(hash: u64) -> u32 {
    // All bits set would look like an empty slot for the greatest number, which is never given.
    ((hash >> 32) as u32) & !NUMBER_MASK
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn intern(keys: &mut Keys, key: &[u8]) -> Option<u32> {
        let mut block = KeyBlock::default();
        keys.stage(key, &mut block);
        keys.intern(&block, 0)
    }

    #[test]
    fn numbers_are_dense_stable_and_reused() {
        let mut keys = Keys::default();
        let mut known: HashMap<String, u32> = HashMap::new();
        for round in 0..5_000_u32 {
            let key = if round % 3 == 0 {
                format!("a-rather-long-key-{round}")
            } else {
                format!("u{round}")
            };
            let number = intern(&mut keys, key.as_bytes()).expect("text");
            assert_eq!(keys.text(number), key);
            known.insert(key, number);
            if round % 2 == 0 {
                let gone = format!("u{}", round / 2);
                if let Some(number) = known.remove(&gone) {
                    keys.forget(number);
                }
            }
        }
        assert_eq!(keys.len(), known.len());
        assert!(keys.capacity() < 5_000);
        for (key, number) in &known {
            assert_eq!(intern(&mut keys, key.as_bytes()), Some(*number));
        }
    }

    #[test]
    fn forgetting_a_free_number_does_nothing() {
        let mut keys = Keys::default();
        let number = intern(&mut keys, b"").expect("text");
        keys.forget(number);
        keys.forget(number);
        assert_eq!(keys.len(), 0);
        assert_eq!(intern(&mut keys, b"other"), Some(number));
        assert_ne!(intern(&mut keys, b"third"), Some(number), "a number is given once");
    }

    #[test]
    fn a_key_that_is_no_text_has_no_number() {
        let mut keys = Keys::default();
        assert_eq!(intern(&mut keys, &[0xff, 0xfe]), None);
        assert_eq!(intern(&mut keys, &[0xff; 40]), None);
        assert_eq!(keys.len(), 0);
    }
}
