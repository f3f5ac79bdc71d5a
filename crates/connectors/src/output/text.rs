//! Rows as JSON lines and CSV.
//!
//! Columns are cast and downcast once a batch. It does not write files.

use arrow::array::{
    Array, AsArray, BooleanArray, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int64Type, Schema, TimeUnit, TimestampMillisecondType, UInt64Type,
};
use arrow::error::ArrowError;

use crate::format_time;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    JsonLines,
    Csv,
}

/// A column, downcast. What is no number, boolean or time is text, as Arrow casts it.
enum Values {
    Boolean(BooleanArray),
    Integer(Int64Array),
    Unsigned(UInt64Array),
    /// Apart from the next, for a float of 32 bits has fewer digits that matter.
    Float(Float32Array),
    Double(Float64Array),
    Time(TimestampMillisecondArray),
    Text(StringArray),
}

/// The line of column names that CSV begins with.
pub(super) fn push_header(style: Style, columns: &Schema, out: &mut Vec<u8>) {
    if style == Style::Csv {
        for (index, column) in columns.fields().iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            push_csv_text(column.name(), out);
        }
        out.push(b'\n');
    }
}

/// Appends the batch's rows; an error names a column that cannot be text.
pub(super) fn push_rows(style: Style, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), ArrowError> {
    let columns: Vec<Values> = batch
        .columns()
        .iter()
        .map(|column| Values::of(column))
        .collect::<Result<_, _>>()?;
    let schema = batch.schema();
    let before: Vec<Vec<u8>> = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(at, one)| separator(style, at, one.name()))
        .collect();
    for row in 0..batch.num_rows() {
        for (values, before) in columns.iter().zip(&before) {
            out.extend_from_slice(before);
            match style {
                Style::JsonLines => values.push_json(row, out),
                Style::Csv => values.push_csv(row, out),
            }
        }
        out.extend_from_slice(match (style, columns.is_empty()) {
            (Style::JsonLines, false) => b"}\n",
            (Style::JsonLines, true) => b"{}\n",
            (Style::Csv, _) => b"\n",
        });
    }
    Ok(())
}

/// What stands before a value: in JSON its name, in CSV a comma.
fn separator(style: Style, index: usize, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    match (style, index) {
        (Style::JsonLines, 0) => bytes.push(b'{'),
        (_, 1..) => bytes.push(b','),
        (Style::Csv, 0) => {}
    }
    if style == Style::JsonLines {
        push_json_text(name, &mut bytes);
        bytes.push(b':');
    }
    bytes
}

impl Values {
    fn of(column: &dyn Array) -> Result<Values, ArrowError> {
        Ok(match column.data_type() {
            DataType::Boolean => Values::Boolean(column.as_boolean().clone()),
            DataType::UInt64 => Values::Unsigned(column.as_primitive::<UInt64Type>().clone()),
            DataType::Float32 => Values::Float(column.as_primitive::<Float32Type>().clone()),
            DataType::Float64 => Values::Double(column.as_primitive::<Float64Type>().clone()),
            other if other.is_integer() => {
                Values::Integer(cast(column, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
            }
            DataType::Timestamp(..) => {
                let times = cast(column, &DataType::Timestamp(TimeUnit::Millisecond, None))?;
                Values::Time(times.as_primitive::<TimestampMillisecondType>().clone())
            }
            _ => Values::Text(cast(column, &DataType::Utf8)?.as_string::<i32>().clone()),
        })
    }

    /// NaN and infinities count as null: neither format has them, and a reader would refuse the whole line.
    fn is_null(&self, row: usize) -> bool {
        match self {
            Values::Boolean(values) => values.is_null(row),
            Values::Integer(values) => values.is_null(row),
            Values::Unsigned(values) => values.is_null(row),
            Values::Float(values) => values.is_null(row) || !values.value(row).is_finite(),
            Values::Double(values) => values.is_null(row) || !values.value(row).is_finite(),
            Values::Time(values) => values.is_null(row),
            Values::Text(values) => values.is_null(row),
        }
    }

    fn push_json(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            _ if self.is_null(row) => out.extend_from_slice(b"null"),
            Values::Text(values) => push_json_text(values.value(row), out),
            Values::Time(values) => push_json_text(&format_time(values.value(row)), out),
            other => other.push_plain(row, out),
        }
    }

    fn push_csv(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            _ if self.is_null(row) => {}
            Values::Text(values) => push_csv_text(values.value(row), out),
            Values::Time(values) => out.extend_from_slice(format_time(values.value(row)).as_bytes()),
            other => other.push_plain(row, out),
        }
    }

    /// Numbers and booleans, which look alike in both.
    fn push_plain(&self, row: usize, out: &mut Vec<u8>) {
        let written = match self {
            Values::Boolean(values) => serde_json::to_writer(out, &values.value(row)),
            Values::Integer(values) => serde_json::to_writer(out, &values.value(row)),
            Values::Unsigned(values) => serde_json::to_writer(out, &values.value(row)),
            Values::Float(values) => serde_json::to_writer(out, &values.value(row)),
            Values::Double(values) => serde_json::to_writer(out, &values.value(row)),
            Values::Time(_) | Values::Text(_) => Ok(()),
        };
        written.expect("invariant: memory takes every number");
    }
}

fn push_json_text(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("invariant: memory takes every text");
}

/// In quotes where RFC 4180 asks for them, and where a reader would trim.
fn push_csv_text(text: &str, out: &mut Vec<u8>) {
    let plain = !text.is_empty()
        && text.trim() == text
        && !text
            .bytes()
            .any(|byte| matches!(byte, b',' | b';' | b'\t' | b'"' | b'\n' | b'\r'));
    if plain {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}
