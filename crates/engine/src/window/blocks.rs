//! Room for rows: blocks of so many rows, handed out and taken back.
//!
//! All columns of a store share the places, so that a block is the same stretch of every column. It holds no rows itself.
//!
//! # Constraints
//!
//! - Free places that touch become one, so that the small blocks with which rings begin serve larger ones later.
//! - Taking and giving back cost a search in a tree: rings do it when they grow, not for every row.

use std::collections::{BTreeMap, BTreeSet};

use super::column::SUMMARY_ROWS;

/// Blocks of this many rows and more start at a multiple of [`SUMMARY_ROWS`].
pub(crate) const LONG_ROWS: usize = 96;

const SMALL: [u32; 20] = [
    2, 4, 6, 8, 10, 11, 12, 13, 14, 16, 18, 20, 22, 24, 28, 32, 40, 48, 56, 64,
];

/// Hands out stretches of places.
#[derive(Debug)]
pub(crate) struct Blocks {
    /// Rows of a block of each class.
    capacities: Vec<u32>,
    /// Free stretches: where each starts, and how long it is.
    free: BTreeMap<u32, u32>,
    /// The same by length.
    by_length: BTreeSet<(u32, u32)>,
    end: u32,
}

impl Blocks {
    pub(crate) fn new() -> Blocks {
        let mut capacities = SMALL.to_vec();
        let mut rows = LONG_ROWS as u32;
        while rows < 1 << 28 {
            capacities.push(rows);
            rows = (rows + rows / 4).next_multiple_of(SUMMARY_ROWS as u32);
        }
        Blocks {
            capacities,
            free: BTreeMap::new(),
            by_length: BTreeSet::new(),
            end: 0,
        }
    }

    /// The smallest class that holds `rows`.
    pub(crate) fn class_for(&self, rows: usize) -> u8 {
        let class = self.capacities.partition_point(|capacity| (*capacity as usize) < rows);
        class.min(self.capacities.len() - 1) as u8
    }

    #[inline]
    pub(crate) fn capacity(&self, class: u8) -> usize {
        self.capacities[class as usize] as usize
    }

    /// The block's first place.
    pub(crate) fn take(&mut self, class: u8) -> u32 {
        let rows = self.capacities[class as usize];
        let align = if rows as usize >= LONG_ROWS {
            SUMMARY_ROWS as u32
        } else {
            1
        };
        // A stretch that is longer by the alignment holds the block wherever it starts.
        let found = self.by_length.range((rows + align - 1, 0)..).next().copied();
        let (length, start) = match found {
            Some(stretch) => {
                self.remove(stretch);
                stretch
            }
            None => self.lengthen(rows, align),
        };
        let at = start.next_multiple_of(align);
        self.insert(start, at - start);
        self.insert(at + rows, start + length - at - rows);
        at
    }

    pub(crate) fn give_back(&mut self, at: u32, class: u8) {
        let (mut start, mut length) = (at, self.capacities[class as usize]);
        if let Some((before, before_length)) = self.free.range(..at).next_back().map(|(at, length)| (*at, *length))
            && before + before_length == at
        {
            self.remove((before_length, before));
            (start, length) = (before, length + before_length);
        }
        if let Some(behind) = self.free.get(&(start + length)).copied() {
            self.remove((behind, start + length));
            length += behind;
        }
        self.insert(start, length);
    }

    /// Places handed out so far, free ones among them.
    pub(crate) fn end(&self) -> usize {
        self.end as usize
    }

    /// A new stretch at the end that holds `rows`, aligned.
    fn lengthen(&mut self, rows: u32, align: u32) -> (u32, u32) {
        let start = self.end;
        let end = start
            .next_multiple_of(align)
            .checked_add(rows)
            .expect("more than 4 billion window rows in one partition");
        self.end = end;
        (end - start, start)
    }

    fn insert(&mut self, start: u32, length: u32) {
        if length > 0 {
            self.free.insert(start, length);
            self.by_length.insert((length, start));
        }
    }

    fn remove(&mut self, (length, start): (u32, u32)) {
        self.free.remove(&start);
        self.by_length.remove(&(length, start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_never_overlap_and_what_is_given_back_is_used_again() {
        let mut blocks = Blocks::new();
        let mut held: Vec<(u32, u8)> = Vec::new();
        let mut random = 7_u32;
        for round in 0..4_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if random >> 30 == 0 && !held.is_empty() {
                let (at, class) = held.swap_remove((random >> 8) as usize % held.len());
                blocks.give_back(at, class);
                continue;
            }
            let class = ((random >> 16) % 24) as u8;
            let at = blocks.take(class);
            let rows = blocks.capacity(class) as u32;
            assert!(
                rows < LONG_ROWS as u32 || at.is_multiple_of(SUMMARY_ROWS as u32),
                "round {round}"
            );
            let is_apart =
                |(other, class): &(u32, u8)| at + rows <= *other || *other + blocks.capacity(*class) as u32 <= at;
            assert!(held.iter().all(is_apart), "round {round}");
            held.push((at, class));
        }
        for (at, class) in held {
            blocks.give_back(at, class);
        }
        assert_eq!(blocks.free.len(), 1, "everything is free, in one piece");
        assert_eq!(blocks.free.get(&0).copied(), Some(blocks.end), "and nothing was lost");
    }
}
