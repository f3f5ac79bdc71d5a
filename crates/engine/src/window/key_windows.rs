//! What is kept of every key's tumbling windows: [`KeyWindows`] holds two places of eight bytes beside each key.
//!
//! A place holds the usual window: its rows all came in time and the clock left no gap among them. Any other window, and
//! the third one of a key, lies in a map. It knows neither rows nor when a window closes.
//!
//! # Constraints
//!
//! - A window comes back exactly as it was put.
//! - Windows are numbered from the first one seen: a place's number reaches two thousand million windows either way.

use std::cell::Cell;
use std::collections::HashMap;

/// No time.
pub(super) const NONE: i64 = i64::MIN;

/// What is kept of a window of a key, while it is open and while it may make rows late. Times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyWindow {
    pub(super) start_ms: i64,
    /// Arrival of the last row of its range, late or not.
    pub(super) last_ms: i64,
    /// Arrival of the last accepted row; `NONE` when all were late.
    pub(super) accepted_ms: i64,
    /// Arrival of the last row after which it could have closed before the next came; `NONE` when there is none.
    pub(super) gap_ms: i64,
    pub(super) is_open: bool,
}

/// A window in eight bytes: its number, and the last arrival after its start with two bits of what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    number: u32,
    last: u32,
}

const FREE: Place = Place {
    number: u32::MAX,
    last: 0,
};

const IS_OPEN: u32 = 1 << 31;
/// Its last row was accepted, and so all its rows may have been; else none was.
const IS_ACCEPTED: u32 = 1 << 30;
/// A last arrival is at most this far from the window's start, either way: six days.
const REACH_MS: i64 = 1 << 29;

/// The windows of every key.
#[derive(Debug)]
pub(super) struct KeyWindows {
    length_ms: i64,
    /// Start of the window in the middle of all numbers.
    middle_ms: Option<i64>,
    /// The start that was asked for last, and its number: a division is slow, and neighbours ask for the same window.
    last: Cell<(i64, u32)>,
    places: Vec<[Place; 2]>,
    more: HashMap<u32, Vec<KeyWindow>>,
}

impl KeyWindows {
    pub(super) fn new(length_ms: i64) -> KeyWindows {
        KeyWindows {
            length_ms,
            middle_ms: None,
            last: Cell::new((NONE, FREE.number)),
            places: Vec::new(),
            more: HashMap::new(),
        }
    }

    /// Makes room for a key.
    #[inline]
    pub(super) fn make_room(&mut self, key: u32) {
        if self.places.len() <= key as usize {
            self.places.resize(key as usize + 1, [FREE; 2]);
        }
    }

    /// All windows of a key, in no order.
    #[inline]
    pub(super) fn of_key(&self, key: u32) -> impl Iterator<Item = KeyWindow> {
        let beside = self.places.get(key as usize).into_iter().flatten();
        let beside = beside
            .filter(|place| **place != FREE)
            .map(|place| self.unpacked(*place));
        beside.chain(self.elsewhere(key).iter().copied())
    }

    #[inline]
    pub(super) fn get(&self, key: u32, start_ms: i64) -> Option<KeyWindow> {
        if let Some(number) = self.number(start_ms) {
            let mut beside = self.places.get(key as usize)?.iter();
            if let Some(place) = beside.find(|place| place.number == number) {
                return Some(self.unpacked(*place));
            }
        }
        let mut elsewhere = self.elsewhere(key).iter();
        elsewhere.find(|window| window.start_ms == start_ms).copied()
    }

    /// Keeps a window of a key that there is room for, instead of the one of the same start.
    #[inline]
    pub(super) fn put(&mut self, key: u32, window: KeyWindow) {
        self.middle_ms.get_or_insert(window.start_ms);
        if let Some(packed) = self.packed(&window) {
            let places = &mut self.places[key as usize];
            let same = places.iter().position(|place| place.number == packed.number);
            let is_elsewhere = same.is_none() && !self.more.is_empty() && self.is_elsewhere(key, window.start_ms);
            let places = &mut self.places[key as usize];
            let free = || places.iter().position(|place| *place == FREE);
            if let Some(place) = same.or_else(free).filter(|_| !is_elsewhere) {
                places[place] = packed;
                return;
            }
        }
        self.put_elsewhere(key, window);
    }

    #[cold]
    fn put_elsewhere(&mut self, key: u32, window: KeyWindow) {
        if let Some(number) = self.number(window.start_ms) {
            let mut beside = self.places[key as usize].iter_mut();
            if let Some(place) = beside.find(|place| place.number == number) {
                *place = FREE;
            }
        }
        let windows = self.more.entry(key).or_default();
        match windows.iter_mut().find(|known| known.start_ms == window.start_ms) {
            Some(known) => *known = window,
            None => windows.push(window),
        }
    }

    /// Drops the windows of a key that are not to be kept.
    #[inline]
    pub(super) fn retain(&mut self, key: u32, keep: impl Fn(&KeyWindow) -> bool) {
        for index in 0..2 {
            let place = self.places[key as usize][index];
            if place != FREE && !keep(&self.unpacked(place)) {
                self.places[key as usize][index] = FREE;
            }
        }
        if self.more.is_empty() {
            return;
        }
        if let Some(windows) = self.more.get_mut(&key) {
            windows.retain(keep);
            if windows.is_empty() {
                self.more.remove(&key);
            }
        }
    }

    pub(super) fn forget(&mut self, key: u32) {
        self.more.remove(&key);
        if let Some(places) = self.places.get_mut(key as usize) {
            *places = [FREE; 2];
        }
    }

    #[inline]
    pub(super) fn prefetch(&self, key: u32) {
        crate::prefetch::prefetch(&self.places, key as usize);
    }

    pub(super) fn bytes_held(&self) -> usize {
        let elsewhere: usize = self.more.values().map(|windows| windows.capacity()).sum();
        self.places.len() * size_of::<[Place; 2]>()
            + self.more.len() * size_of::<(u32, Vec<KeyWindow>)>()
            + elsewhere * size_of::<KeyWindow>()
    }

    #[inline]
    fn elsewhere(&self, key: u32) -> &[KeyWindow] {
        if self.more.is_empty() {
            return &[];
        }
        self.more.get(&key).map_or(&[], Vec::as_slice)
    }

    fn is_elsewhere(&self, key: u32, start_ms: i64) -> bool {
        self.elsewhere(key).iter().any(|window| window.start_ms == start_ms)
    }

    /// The window's number, if it has one.
    #[inline]
    fn number(&self, start_ms: i64) -> Option<u32> {
        let (last_ms, last) = self.last.get();
        if start_ms == last_ms {
            return Some(last);
        }
        let after_ms = start_ms.wrapping_sub(self.middle_ms?);
        let number = i64::from(i32::MAX) + after_ms.div_euclid(self.length_ms);
        let number = u32::try_from(number).ok().filter(|number| *number != FREE.number)?;
        self.last.set((start_ms, number));
        Some(number)
    }

    #[inline]
    fn packed(&self, window: &KeyWindow) -> Option<Place> {
        let after_ms = window.last_ms.wrapping_sub(window.start_ms);
        let is_accepted = window.accepted_ms == window.last_ms;
        let is_usual = window.gap_ms == NONE && (is_accepted || window.accepted_ms == NONE);
        if !is_usual || !(-REACH_MS..REACH_MS).contains(&after_ms) {
            return None;
        }
        let flags = if window.is_open { IS_OPEN } else { 0 } | if is_accepted { IS_ACCEPTED } else { 0 };
        Some(Place {
            number: self.number(window.start_ms)?,
            last: (after_ms + REACH_MS) as u32 | flags,
        })
    }

    #[inline]
    fn unpacked(&self, place: Place) -> KeyWindow {
        let windows = i64::from(place.number) - i64::from(i32::MAX);
        let start_ms = self.middle_ms.unwrap_or(0) + windows * self.length_ms;
        let last_ms = start_ms + i64::from(place.last & (IS_ACCEPTED - 1)) - REACH_MS;
        KeyWindow {
            start_ms,
            last_ms,
            accepted_ms: if place.last & IS_ACCEPTED == 0 { NONE } else { last_ms },
            gap_ms: NONE,
            is_open: place.last & IS_OPEN != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(start_ms: i64, last_ms: i64, kind: u8) -> KeyWindow {
        KeyWindow {
            start_ms,
            last_ms,
            accepted_ms: [last_ms, NONE, last_ms - 7][usize::from(kind % 3)],
            gap_ms: if kind % 5 == 4 { last_ms - 9 } else { NONE },
            is_open: kind.is_multiple_of(2),
        }
    }

    proptest! {
        /// Whatever is put comes back, as from a plain list.
        #[test]
        fn windows_are_as_in_a_list(
            puts in prop::collection::vec((0..3_u32, -6..6_i64, -3..3_i64, any::<u8>(), any::<u8>()), 1..60),
        ) {
            const LENGTH_MS: i64 = 10_000;
            let mut windows = KeyWindows::new(LENGTH_MS);
            let mut list: Vec<(u32, KeyWindow)> = Vec::new();
            for (key, number, far, kind, action) in puts {
                windows.make_room(key);
                // Some lie or arrive further away than a place reaches.
                let start_ms = number * LENGTH_MS + if action == 7 { LENGTH_MS << 40 } else { 0 };
                let new = window(start_ms, start_ms + far * (REACH_MS / 2), kind);
                if action % 4 == 3 {
                    windows.retain(key, |window| window.start_ms > start_ms);
                    list.retain(|(of, window)| *of != key || window.start_ms > start_ms);
                } else {
                    windows.put(key, new);
                    list.retain(|(of, window)| (*of, window.start_ms) != (key, start_ms));
                    list.push((key, new));
                }
                for key in 0..3 {
                    let mut held: Vec<KeyWindow> = windows.of_key(key).collect();
                    let mut wanted: Vec<KeyWindow> =
                        list.iter().filter(|(of, _)| *of == key).map(|(_, window)| *window).collect();
                    held.sort_by_key(|window| window.start_ms);
                    wanted.sort_by_key(|window| window.start_ms);
                    for window in &wanted {
                        prop_assert_eq!(windows.get(key, window.start_ms), Some(*window));
                    }
                    prop_assert_eq!(held, wanted);
                }
            }
        }
    }
}
