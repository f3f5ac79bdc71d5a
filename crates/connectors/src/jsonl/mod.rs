//! Tables from JSON lines: one object a line, fields by the columns' names.
//!
//! Fields that the table does not have are passed over. Two forms of an older system are read as well:
//! - `KEY:{…}`: the key stands before the object, which need not hold it;
//! - `{…}` without the key, in a table without a time: the line's number is the key, counted from 1 over the lines that are
//!   not blank. (That system began its files with a blank line at times, and its first user was 1 nonetheless.)
//!
//! It does not read objects over several lines, or one array of objects.

mod line;
mod lines;
pub(crate) mod scan;

use std::borrow::Cow;
use std::io::Read;

use arrow::array::RecordBatch;

use crate::rows::{Cell, Rows, fit};
use crate::{BATCH_ROWS, BatchReader, Malformed, Problem, ReadError, Table};
use lines::{Line, Lines};

/// Reads JSON lines from a file or any other source of bytes.
pub struct Reader<R> {
    lines: Lines<R>,
    /// Lines so far that were not blank.
    objects: u64,
    file: String,
    table: Table,
    malformed: Malformed,
    rows: Rows,
}

impl<R: Read> Reader<R> {
    /// `file` is what problems call the source. The table's column types must be those that [`Table`] lists.
    pub fn new(source: R, file: impl Into<String>, table: &Table, malformed: Malformed) -> Self {
        Reader {
            lines: Lines::new(source),
            objects: 0,
            file: file.into(),
            table: table.clone(),
            malformed,
            rows: Rows::new(table.columns.clone()),
        }
    }

    /// Reads the next line into the rows; `false` at the end.
    fn line(&mut self, problems: &mut Vec<Problem>) -> Result<bool, ReadError> {
        let bytes = match self.lines.next() {
            Ok(Line::End) => return Ok(false),
            Ok(Line::Whole(bytes)) => bytes,
            Ok(Line::TooLong) => &[],
            Err(source) => {
                return Err(ReadError::Io {
                    path: self.file.clone().into(),
                    source,
                });
            }
        };
        let too_long = bytes.is_empty();
        if !too_long && bytes.trim_ascii().is_empty() {
            return Ok(true);
        }
        self.objects += 1;
        let outcome = if too_long {
            Err((0, format!("the line is longer than {} bytes", lines::LINE_BYTES_MAX)))
        } else {
            read(bytes, &self.table, self.objects, &mut self.rows)
        };
        if let Err((column, message)) = outcome {
            let file = self.file.clone();
            let problem = Problem {
                file,
                line: self.lines.number(),
                column,
                message,
            };
            match self.malformed {
                Malformed::Skip => problems.push(problem),
                Malformed::Refuse => return Err(ReadError::Refused(problem)),
            }
        }
        Ok(true)
    }
}

impl<R: Read> BatchReader for Reader<R> {
    fn next_batch(&mut self, problems: &mut Vec<Problem>) -> Result<Option<RecordBatch>, ReadError> {
        for read in 0..BATCH_ROWS {
            if !self.line(problems)? {
                return Ok(if read == 0 || self.rows.len() == 0 {
                    None
                } else {
                    Some(self.rows.finish())
                });
            }
        }
        Ok(Some(self.rows.finish()))
    }

    fn bytes_read(&self) -> u64 {
        self.lines.bytes_read()
    }
}

/// Appends the object of a line to `rows`; an error is the column (counted from 1) and what is wrong.
fn read(bytes: &[u8], table: &Table, object: u64, rows: &mut Rows) -> Result<(), scan::Fault> {
    let (key, start) = key_before(bytes);
    let mut cells: Vec<Option<Cell<'_>>> = vec![None; table.columns.fields().len()];
    line::read(&bytes[start..], &table.columns, &mut cells).map_err(|(column, message)| (column + start, message))?;
    let key = key.or_else(|| table.time.is_none().then(|| object.to_string().into()));
    if let (None, Some(key)) = (&cells[table.key], key) {
        let key = fit(Cell::Text(key), table.columns.field(table.key)).map_err(|message| (1, message))?;
        cells[table.key] = Some(key);
    }
    rows.push(&mut cells).map_err(|(_, message)| (0, message))
}

/// The key of `KEY:{…}`, perhaps quoted, and where the object starts.
fn key_before(bytes: &[u8]) -> (Option<Cow<'_, str>>, usize) {
    let object = bytes.iter().position(|byte| *byte == b'{').unwrap_or(0);
    let Some(key) = bytes[..object].trim_ascii().strip_suffix(b":") else {
        return (None, 0);
    };
    let key = key.trim_ascii();
    let key = key
        .strip_prefix(b"\"")
        .and_then(|key| key.strip_suffix(b"\""))
        .unwrap_or(key);
    (Some(String::from_utf8_lossy(key)), object)
}
