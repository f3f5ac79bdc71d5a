//! Room for rows: blocks of so many rows, handed out and taken back.
//!
//! All columns of a store share the places, so that a block is the same stretch of every column. It holds no rows itself.

/// Blocks of this many rows and more start at a multiple of [`super::column::SUMMARY_ROWS`].
pub(crate) const LONG_ROWS: usize = 96;

const SMALL: [u32; 11] = [2, 4, 6, 8, 11, 14, 18, 24, 32, 48, 64];

/// Hands out stretches of places.
#[derive(Debug)]
pub(crate) struct Blocks {
    /// Rows of a block of each class, growing by about a quarter to a half.
    capacities: Vec<u32>,
    free: Vec<Vec<u32>>,
    end: u32,
}

impl Blocks {
    pub(crate) fn new() -> Blocks {
        let mut capacities = SMALL.to_vec();
        let mut rows = LONG_ROWS as u32;
        while rows < 1 << 28 {
            capacities.push(rows);
            rows = (rows + rows / 4).next_multiple_of(super::column::SUMMARY_ROWS as u32);
        }
        let free = vec![Vec::new(); capacities.len()];
        Blocks {
            capacities,
            free,
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
        let rows = self.capacity(class);
        if let Some(at) = self.free[class as usize].pop() {
            return at;
        }
        let align = if rows >= LONG_ROWS {
            super::column::SUMMARY_ROWS as u32
        } else {
            1
        };
        let at = self.end.next_multiple_of(align);
        self.end = at
            .checked_add(rows as u32)
            .expect("more than 4 billion window rows in one partition");
        at
    }

    pub(crate) fn give_back(&mut self, at: u32, class: u8) {
        self.free[class as usize].push(at);
    }

    /// Places handed out so far, free ones among them.
    pub(crate) fn end(&self) -> usize {
        self.end as usize
    }
}
