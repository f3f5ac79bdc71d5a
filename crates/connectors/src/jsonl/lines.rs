//! Lines of a source of bytes, numbered, in a buffer that is used again.
//!
//! Bound: a line longer than [`LINE_BYTES_MAX`] is passed over without being held. It does not know JSON.

use std::io::{self, BufRead, BufReader, Read};

/// A record of a watch takes about a hundred bytes; what is longer than this is another kind of file.
pub(crate) const LINE_BYTES_MAX: usize = 1 << 20;

pub(crate) struct Lines<R> {
    source: BufReader<R>,
    line: Vec<u8>,
    number: u64,
    bytes_read: u64,
}

pub(crate) enum Line<'a> {
    /// Without its line feed; never empty (a blank line is a space).
    Whole(&'a [u8]),
    TooLong,
    End,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(source: R) -> Self {
        Lines {
            source: BufReader::with_capacity(1 << 18, source),
            line: Vec::new(),
            number: 0,
            bytes_read: 0,
        }
    }

    /// Bytes of the lines read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The number of the line that [`next`](Self::next) gave last, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn next(&mut self) -> io::Result<Line<'_>> {
        self.line.clear();
        let limit = LINE_BYTES_MAX as u64 + 1;
        if self.source.by_ref().take(limit).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(Line::End);
        }
        self.number += 1;
        self.bytes_read += self.line.len() as u64;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if self.line.len() as u64 == limit {
            self.bytes_read += self.source.skip_until(b'\n')? as u64;
            return Ok(Line::TooLong);
        }
        if self.number == 1 && self.line.starts_with(b"\xef\xbb\xbf") {
            // A byte order mark: three blanks keep the columns of problems right.
            self.line[..3].fill(b' ');
        }
        if self.line.is_empty() {
            self.line.push(b' ');
        }
        Ok(Line::Whole(&self.line))
    }
}
