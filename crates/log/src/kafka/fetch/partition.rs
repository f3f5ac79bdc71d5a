//! `Partition`: what is known of a subscribed partition, and the cursors of its readers.
//!
//! It does not know which request comes next; `planning` does.

use std::time::Instant;

use kafka_protocol::messages::BrokerId;

use super::cursor::Cursor;
use crate::OffsetRange;

/// A partition has more readers at a time only while they are replaced; the one that has not read for longest goes.
const CURSORS_MAX: usize = 4;

/// A partition that somebody reads.
#[derive(Debug)]
pub(super) struct Partition {
    /// Who is asked.
    pub(super) leader: BrokerId,
    /// When to ask who leads it, once its leader turned out not to.
    pub(super) lost: Option<Instant>,
    /// First offset that is kept, and the one that the next committed record gets, as last heard.
    pub(super) range: OffsetRange,
    /// Whether a request for it has no answer yet. Never two: it would get the same twice.
    pub(super) is_under_way: bool,
    pub(super) cursors: Vec<Cursor>,
}

impl Partition {
    pub(super) fn new(leader: BrokerId, range: OffsetRange) -> Partition {
        Partition {
            leader,
            lost: None,
            range,
            is_under_way: false,
            cursors: Vec::new(),
        }
    }

    /// The cursor of a reader at `offset`. Exactly there is better than on its way there: the reader whose cursor it is
    /// would have to get another one.
    pub(super) fn cursor_at(&mut self, offset: u64) -> Option<&mut Cursor> {
        if let Some(at) = self.cursors.iter().position(|cursor| cursor.is_at(offset)) {
            return self.cursors.get_mut(at);
        }
        let cursor = self.cursors.iter_mut().find(|cursor| cursor.reaches(offset))?;
        cursor.skip_to(offset);
        Some(cursor)
    }

    pub(super) fn add(&mut self, cursor: Cursor) {
        if self.cursors.len() == CURSORS_MAX {
            self.cursors.sort_by_key(|cursor| std::cmp::Reverse(cursor.read_at));
            self.cursors.pop();
        }
        self.cursors.push(cursor);
    }

    pub(super) fn remove(&mut self, cursor: u64) {
        self.cursors.retain(|each| each.id != cursor);
    }

    /// The cursor to ask for next, of those for which there is room: the one that waits longest.
    pub(super) fn next_cursor(&self, cursor_bytes_max: usize) -> Option<&Cursor> {
        let ready = self.cursors.iter().filter(|cursor| cursor.is_ready(cursor_bytes_max));
        ready.min_by_key(|cursor| cursor.asked)
    }

    /// Whether one of those for which there is room may get something at once.
    pub(super) fn is_eager(&self, cursor_bytes_max: usize) -> bool {
        self.cursors
            .iter()
            .any(|cursor| cursor.is_ready(cursor_bytes_max) && cursor.is_eager)
    }

    /// Whether a request for `next` leaves out somebody who read since `since`: his memory is full, or he stands elsewhere.
    pub(super) fn leaves_out(&self, next: Option<&Cursor>, cursor_bytes_max: usize, since: Instant) -> bool {
        let mut waiting = self
            .cursors
            .iter()
            .filter(|cursor| cursor.is_in_use() && cursor.read_at >= since);
        waiting.any(|cursor| {
            !cursor.is_ready(cursor_bytes_max) || next.is_none_or(|next| next.fetch_from != cursor.fetch_from)
        })
    }
}
