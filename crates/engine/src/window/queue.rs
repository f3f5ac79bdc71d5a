//! Rows that wait to become ready, in offset order.
//!
//! Arrivals never go back while the clock does not, so the rows become ready in the order of the queue; only a key whose
//! rows stand in disorder takes some out of turn, and those are passed over when their turn comes. Every row points to
//! the one before it of the same key. The queue does not know when a row is ready.

use std::collections::VecDeque;

use super::evaluated::RowRef;
use super::state::NONE_WAITS;

/// An accepted row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting {
    pub(crate) time_ms: i64,
    pub(crate) arrival_ms: i64,
    pub(crate) at: RowRef,
    pub(crate) key: u32,
    /// The queue's number of the key's waiting row before this one.
    earlier: u32,
    /// Evaluated already, out of turn.
    done: bool,
}

/// The waiting rows of a partition. Rows are numbered; numbers wrap around, and `u32::MAX` is none.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    rows: VecDeque<Waiting>,
    first: u32,
}

impl Queue {
    #[inline]
    pub(crate) fn push(&mut self, key: u32, time_ms: i64, arrival_ms: i64, at: RowRef, earlier: u32) -> u32 {
        let mut number = self.first.wrapping_add(self.rows.len() as u32);
        if number == NONE_WAITS {
            // The one number that means none is given to a row that is done before it begins.
            let done = Waiting {
                time_ms,
                arrival_ms,
                at,
                key,
                earlier: NONE_WAITS,
                done: true,
            };
            self.rows.push_back(done);
            number = 0;
        }
        self.rows.push_back(Waiting {
            time_ms,
            arrival_ms,
            at,
            key,
            earlier,
            done: false,
        });
        number
    }

    /// The row whose turn is next.
    #[inline]
    pub(crate) fn front(&self) -> Option<&Waiting> {
        self.rows.front()
    }

    #[inline]
    pub(crate) fn front_is_done(&self) -> bool {
        self.rows.front().is_some_and(|row| row.done)
    }

    /// Takes the next row out, with its number.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(u32, Waiting)> {
        let number = self.first;
        let row = self.rows.pop_front()?;
        self.first = number.wrapping_add(1);
        Some((number, row))
    }

    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<&Waiting> {
        if number == NONE_WAITS {
            return None;
        }
        self.rows.get(number.wrapping_sub(self.first) as usize)
    }

    /// The waiting rows of a key that are not done, the newest first, with their numbers.
    pub(crate) fn of_key(&self, newest: u32) -> impl Iterator<Item = (u32, &Waiting)> {
        let mut next = newest;
        std::iter::from_fn(move || {
            let number = next;
            let row = self.get(number)?;
            next = row.earlier;
            Some((number, row))
        })
        .filter(|(_, row)| !row.done)
    }

    pub(crate) fn mark_done(&mut self, number: u32) {
        if let Some(row) = self.rows.get_mut(number.wrapping_sub(self.first) as usize) {
            row.done = true;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }
}
