//! CSV to records of fields, in buffers that are used again.
//!
//! Constraints: a field in quotes may hold separators, line ends and doubled quotes; a record longer than a mebibyte is
//! passed over to the end of its line, so that one stray quote costs that much and not the rest of the file's memory. It
//! does not know what the fields mean.

use std::io::{self, BufRead, BufReader, Read};

const RECORD_BYTES_MAX: usize = 1 << 20;

pub(crate) struct Split<R> {
    source: BufReader<R>,
    separator: u8,
    /// Lines read so far.
    lines: u64,
    /// Bytes of these lines.
    bytes_read: u64,
    raw: Vec<u8>,
    /// The fields one behind another, quotes taken away.
    bytes: Vec<u8>,
    /// Where each field ends in `bytes`, and where it starts in the record.
    ends: Vec<(usize, usize)>,
}

/// One record.
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    ends: &'a [(usize, usize)],
    line: u64,
    fault: Option<&'static str>,
}

impl<R: Read> Split<R> {
    pub(crate) fn new(source: R) -> Self {
        Split {
            source: BufReader::with_capacity(1 << 18, source),
            separator: b',',
            lines: 0,
            bytes_read: 0,
            raw: Vec::new(),
            bytes: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// The names of the first record, from which the separator is taken; `None` if there is none.
    pub(crate) fn header(&mut self) -> io::Result<Option<Vec<String>>> {
        // The first line that is not blank, whole: a header does not span lines.
        while self.read_line()? {
            if self.raw.starts_with(b"\xef\xbb\xbf") {
                self.raw.drain(..3);
            }
            if self.raw.trim_ascii().is_empty() {
                self.raw.clear();
                continue;
            }
            let count = |separator: u8| self.raw.iter().filter(|byte| **byte == separator).count();
            // The last of equals wins: a comma before the others.
            self.separator = [b'\t', b';', b',']
                .into_iter()
                .max_by_key(|one| count(*one))
                .unwrap_or(b',');
            split(&self.raw, self.separator, &mut self.bytes, &mut self.ends);
            self.raw.clear();
            let fields = self.fields(self.lines, None);
            let names = (0..fields.len()).map(|place| fields.get(place).unwrap_or("").trim().to_owned());
            return Ok(Some(names.collect()));
        }
        Ok(None)
    }

    /// Bytes of the lines read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The next record; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Fields<'_>>> {
        self.raw.clear();
        if !self.read_line()? {
            return Ok(None);
        }
        let line = self.lines;
        while split(&self.raw, self.separator, &mut self.bytes, &mut self.ends) == Quotes::Open {
            if self.raw.len() > RECORD_BYTES_MAX {
                return Ok(Some(self.fields(
                    line,
                    Some("the record is longer than 1048576 bytes; is a quote missing?"),
                )));
            }
            if !self.read_line()? {
                return Ok(Some(self.fields(line, Some("a quote is opened and never closed"))));
            }
        }
        Ok(Some(self.fields(line, None)))
    }

    /// Appends the next line to `raw`; `false` at the end.
    fn read_line(&mut self) -> io::Result<bool> {
        let before = self.raw.len();
        let limit = RECORD_BYTES_MAX as u64 + 1;
        let read = self.source.by_ref().take(limit).read_until(b'\n', &mut self.raw)?;
        self.bytes_read += read as u64;
        if read as u64 == limit && self.raw.last() != Some(&b'\n') {
            self.bytes_read += self.source.skip_until(b'\n')? as u64;
        }
        if read > 0 {
            self.lines += 1;
        }
        Ok(self.raw.len() > before)
    }

    fn fields(&self, line: u64, fault: Option<&'static str>) -> Fields<'_> {
        let too_long = self.raw.len() > RECORD_BYTES_MAX;
        Fields {
            bytes: &self.bytes,
            ends: &self.ends,
            line,
            fault: fault.or(too_long.then_some("the record is longer than 1048576 bytes")),
        }
    }
}

impl<'a> Fields<'a> {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The field as text; `None` if it is not UTF-8 (or not there).
    pub(crate) fn get(&self, place: usize) -> Option<&'a str> {
        let start = if place == 0 { 0 } else { self.ends.get(place - 1)?.0 };
        str::from_utf8(&self.bytes[start..self.ends.get(place)?.0]).ok()
    }

    /// The byte of the record at which the field starts, counted from 1.
    pub(crate) fn column(&self, place: usize) -> usize {
        self.ends.get(place).map_or(0, |(_, start)| start + 1)
    }

    /// The line on which the record starts, counted from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// Why this is no record.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        self.fault
    }

    /// Whether the line holds nothing.
    pub(crate) fn is_blank(&self) -> bool {
        self.fault.is_none() && self.ends.len() == 1 && self.bytes.trim_ascii().is_empty()
    }
}

#[derive(PartialEq)]
enum Quotes {
    Closed,
    Open,
}

/// Splits a record, line end included; [`Quotes::Open`] when it goes on behind the line.
fn split(record: &[u8], separator: u8, bytes: &mut Vec<u8>, ends: &mut Vec<(usize, usize)>) -> Quotes {
    bytes.clear();
    ends.clear();
    let line = record.strip_suffix(b"\n").unwrap_or(record);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (mut at, mut start) = (0, 0);
    loop {
        if line.get(at) == Some(&b'"') {
            at += 1;
            loop {
                match line[at..].iter().position(|byte| *byte == b'"') {
                    None => return Quotes::Open,
                    Some(quote) => {
                        bytes.extend_from_slice(&line[at..at + quote]);
                        at += quote + 1;
                    }
                }
                if line.get(at) != Some(&b'"') {
                    break;
                }
                bytes.push(b'"');
                at += 1;
            }
        }
        // Whatever stands behind a closing quote belongs to the field, as most readers have it.
        let rest = line[at..]
            .iter()
            .position(|byte| *byte == separator)
            .unwrap_or(line.len() - at);
        bytes.extend_from_slice(&line[at..at + rest]);
        at += rest;
        ends.push((bytes.len(), start));
        if at == line.len() {
            return Quotes::Closed;
        }
        at += 1;
        start = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<Vec<String>> {
        let mut split = Split::new(text.as_bytes());
        let mut records = vec![split.header().expect("in memory").expect("a header")];
        while let Some(fields) = split.next().expect("in memory") {
            assert_eq!(fields.fault(), None);
            records.push(
                (0..fields.len())
                    .map(|place| fields.get(place).expect("UTF-8").to_owned())
                    .collect(),
            );
        }
        records
    }

    #[test]
    fn quotes_line_ends_and_separators() {
        assert_eq!(
            all("a,b\r\n1,\"x,\"\"y\"\"\nz\"\r\n,\n"),
            [vec!["a", "b"], vec!["1", "x,\"y\"\nz"], vec!["", ""]]
        );
        assert_eq!(all("\u{feff}a;b\n1,5;2"), [vec!["a", "b"], vec!["1,5", "2"]]);
        assert_eq!(all("\na\tb\n1\t2\n"), [vec!["a", "b"], vec!["1", "2"]]);
    }

    #[test]
    fn a_quote_that_is_never_closed_is_a_fault_of_its_record() {
        let mut split = Split::new("a\n\"x\ny\n".as_bytes());
        split.header().expect("in memory");
        let fields = split.next().expect("in memory").expect("a record");
        assert_eq!(
            (fields.line(), fields.fault()),
            (2, Some("a quote is opened and never closed"))
        );
    }
}
