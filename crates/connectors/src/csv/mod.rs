//! Tables from CSV with a header: RFC 4180, separated by commas, semicolons or tabs, whichever the header holds most of.
//!
//! Columns that the table does not have are passed over; an empty field is no value. It does not guess types: the table
//! declares them.

mod split;

use std::borrow::Cow;
use std::io::Read;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;

use crate::rows::{Cell, Rows, fit};
use crate::{BATCH_ROWS, BatchReader, Malformed, Problem, ReadError, Table};
pub(crate) use split::{Fields, Split};

/// Reads CSV from a file or any other source of bytes.
pub struct Reader<R> {
    split: Split<R>,
    file: String,
    table: Table,
    malformed: Malformed,
    rows: Rows,
    /// For every column of the table, where it stands in the file.
    places: Vec<Option<usize>>,
    /// Number of columns in the header.
    width: usize,
}

impl<R: Read> Reader<R> {
    /// Reads the header. `file` is what problems call the source.
    pub fn new(source: R, file: impl Into<String>, table: &Table, malformed: Malformed) -> Result<Self, ReadError> {
        let file = file.into();
        let mut split = Split::new(source);
        let io = |source| ReadError::Io {
            path: file.clone().into(),
            source,
        };
        let Some(header) = split.header().map_err(io)? else {
            return Err(ReadError::unusable(
                &file,
                "the file is empty; a header with the columns' names was expected",
            ));
        };
        let mut places = Vec::new();
        for column in table.columns.fields() {
            let name = column.name();
            let place = header.iter().position(|one| one == name);
            if place.is_none() && !column.is_nullable() {
                let message = format!("the header has no column {name:?}; it has {}", header.join(", "));
                return Err(ReadError::unusable(&file, message));
            }
            places.push(place);
        }
        Ok(Reader {
            split,
            file,
            table: table.clone(),
            malformed,
            rows: Rows::new(table.columns.clone()),
            places,
            width: header.len(),
        })
    }

    /// Reads the next record into the rows; `false` at the end.
    fn record(&mut self, problems: &mut Vec<Problem>) -> Result<bool, ReadError> {
        let io = |source| ReadError::Io {
            path: self.file.clone().into(),
            source,
        };
        let Some(fields) = self.split.next().map_err(io)? else {
            return Ok(false);
        };
        if fields.is_blank() {
            return Ok(true);
        }
        if let Err((column, message)) = read(&fields, &self.table, &self.places, self.width, &mut self.rows) {
            let problem = Problem {
                file: self.file.clone(),
                line: fields.line(),
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
        for _ in 0..BATCH_ROWS {
            if !self.record(problems)? {
                return Ok(if self.rows.len() == 0 {
                    None
                } else {
                    Some(self.rows.finish())
                });
            }
        }
        Ok(Some(self.rows.finish()))
    }

    fn bytes_read(&self) -> u64 {
        self.split.bytes_read()
    }
}

/// Appends a record to `rows`; an error is the column (byte of the record, from 1) and what is wrong.
fn read(
    fields: &Fields<'_>,
    table: &Table,
    places: &[Option<usize>],
    width: usize,
    rows: &mut Rows,
) -> Result<(), (usize, String)> {
    if let Some(fault) = fields.fault() {
        return Err((0, fault.to_owned()));
    }
    if fields.len() != width {
        return Err((
            0,
            format!("the line has {} fields, the header has {width}", fields.len()),
        ));
    }
    let mut cells = Vec::with_capacity(places.len());
    for (place, column) in places.iter().zip(table.columns.fields()) {
        let Some(place) = *place else {
            cells.push(None);
            continue;
        };
        let wrong = |message: String| (fields.column(place), message);
        let text = fields
            .get(place)
            .ok_or_else(|| wrong("the field is not UTF-8".to_owned()))?;
        cells.push(match text {
            "" => None,
            text => Some(fit(cell(text, column.data_type()), column).map_err(wrong)?),
        });
    }
    rows.push(&mut cells)
        .map_err(|(index, message)| (places[index].map_or(0, |place| fields.column(place)), message))
}

/// Text that is no number stays text, which is then refused by the column's type with its own message.
fn cell<'a>(text: &'a str, data_type: &DataType) -> Cell<'a> {
    let trimmed = text.trim();
    let parsed = match data_type {
        DataType::Utf8 => None,
        DataType::Boolean if trimmed.eq_ignore_ascii_case("true") => Some(Cell::Boolean(true)),
        DataType::Boolean if trimmed.eq_ignore_ascii_case("false") => Some(Cell::Boolean(false)),
        DataType::Boolean => None,
        // An integer first: a float would lose digits beyond 2^53.
        _ => match trimmed.parse() {
            Ok(value) => Some(Cell::Integer(value)),
            Err(_) => trimmed.parse().ok().map(Cell::Float),
        },
    };
    parsed.unwrap_or(Cell::Text(Cow::Borrowed(text)))
}
