//! A batch under construction: rows of cells checked against a declared table.
//!
//! A row is put together beside the builders and appended at once, so that a bad line leaves nothing behind. It does not
//! know where the cells come from.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BooleanBuilder, Float32Builder, Float64Builder, Int32Builder, Int64Builder, RecordBatch,
    StringBuilder, TimestampMillisecondBuilder,
};
use arrow::datatypes::{DataType, Field, FieldRef, SchemaRef};

use crate::parse_time;

/// A value as a text format has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(Cow<'a, str>),
}

/// A column under construction, one kind for every type that a table may declare.
enum Builder {
    Boolean(BooleanBuilder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Text(StringBuilder),
    Time(TimestampMillisecondBuilder),
}

/// Rows that are whole.
pub(crate) struct Rows {
    columns: SchemaRef,
    builders: Vec<Builder>,
    rows: usize,
}

impl Rows {
    pub(crate) fn new(columns: SchemaRef) -> Self {
        let builders = columns
            .fields()
            .iter()
            .map(|column| Builder::of(column.data_type()))
            .collect();
        Rows {
            columns,
            builders,
            rows: 0,
        }
    }

    /// Appends a row: for every column a cell that [`fit`] gave, or `None` where there is none. An error is the index of a
    /// column that must have one; nothing is appended then.
    pub(crate) fn push(&mut self, cells: &mut [Option<Cell<'_>>]) -> Result<(), (usize, String)> {
        let missing = |(cell, column): (&Option<Cell<'_>>, &FieldRef)| cell.is_none() && !column.is_nullable();
        // Checked first and appended after: builders cannot take a value back.
        if let Some(index) = cells.iter().zip(self.columns.fields()).position(missing) {
            return Err((
                index,
                format!("field {:?} is missing", self.columns.field(index).name()),
            ));
        }
        for (cell, builder) in cells.iter_mut().zip(&mut self.builders) {
            builder.push(cell.take().unwrap_or(Cell::Null));
        }
        self.rows += 1;
        Ok(())
    }

    /// The rows so far as a batch; starts anew.
    pub(crate) fn finish(&mut self) -> RecordBatch {
        self.rows = 0;
        let arrays = self.builders.iter_mut().map(Builder::finish).collect();
        RecordBatch::try_new(self.columns.clone(), arrays).expect("invariant: push checks types and nulls")
    }

    pub(crate) fn len(&self) -> usize {
        self.rows
    }
}

/// The cell as the column has it, or what is wrong with it.
pub(crate) fn fit<'a>(cell: Cell<'a>, column: &Field) -> Result<Cell<'a>, String> {
    if cell == Cell::Null {
        return if column.is_nullable() {
            Ok(cell)
        } else {
            Err(format!("field {:?} may not be null", column.name()))
        };
    }
    fit_type(cell, column.data_type()).map_err(|expected| format!("field {:?} must be {expected}", column.name()))
}

/// The error is what was expected.
fn fit_type<'a>(cell: Cell<'a>, data_type: &DataType) -> Result<Cell<'a>, &'static str> {
    match (data_type, cell) {
        (DataType::Boolean, cell @ Cell::Boolean(_)) => Ok(cell),
        (DataType::Boolean, _) => Err("true or false"),
        (DataType::Int32, cell) => match integer(&cell).and_then(|value| i32::try_from(value).ok()) {
            Some(value) => Ok(Cell::Integer(i64::from(value))),
            None => Err("an integer of 32 bits"),
        },
        (DataType::Int64, cell) => integer(&cell).map(Cell::Integer).ok_or("an integer of 64 bits"),
        (DataType::Timestamp(..), cell) => match cell {
            Cell::Text(text) => parse_time(&text),
            other => integer(&other),
        }
        .map(Cell::Integer)
        .ok_or("a time: milliseconds since the epoch, or RFC 3339 such as 2026-01-01T00:00:00.000Z"),
        (DataType::Float32 | DataType::Float64, cell @ Cell::Float(_)) => Ok(cell),
        (DataType::Float32 | DataType::Float64, Cell::Integer(value)) => Ok(Cell::Float(value as f64)),
        (DataType::Float32 | DataType::Float64, _) => Err("a number"),
        (_, cell @ Cell::Text(_)) => Ok(cell),
        // Ids are often written as numbers; the text is what the number looks like.
        (_, Cell::Integer(value)) => Ok(Cell::Text(value.to_string().into())),
        (_, Cell::Float(value)) => Ok(Cell::Text(value.to_string().into())),
        (_, _) => Err("text"),
    }
}

/// Many tools write whole numbers as 72.0; that loses nothing.
fn integer(cell: &Cell<'_>) -> Option<i64> {
    match *cell {
        Cell::Integer(value) => Some(value),
        // Beyond 2^53 a float does not name one integer.
        Cell::Float(value) if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 => Some(value as i64),
        _ => None,
    }
}

impl Builder {
    fn of(data_type: &DataType) -> Builder {
        match data_type {
            DataType::Boolean => Builder::Boolean(BooleanBuilder::new()),
            DataType::Int32 => Builder::Int32(Int32Builder::new()),
            DataType::Int64 => Builder::Int64(Int64Builder::new()),
            DataType::Float32 => Builder::Float32(Float32Builder::new()),
            DataType::Float64 => Builder::Float64(Float64Builder::new()),
            DataType::Timestamp(..) => Builder::Time(TimestampMillisecondBuilder::new()),
            _ => Builder::Text(StringBuilder::new()),
        }
    }

    /// A cell of another kind than [`fit`] gives for the column becomes null.
    fn push(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Builder::Boolean(builder), Cell::Boolean(value)) => builder.append_value(value),
            (Builder::Int32(builder), Cell::Integer(value)) => builder.append_option(i32::try_from(value).ok()),
            (Builder::Int64(builder), Cell::Integer(value)) => builder.append_value(value),
            (Builder::Time(builder), Cell::Integer(value)) => builder.append_value(value),
            (Builder::Float32(builder), Cell::Float(value)) => builder.append_value(value as f32),
            (Builder::Float64(builder), Cell::Float(value)) => builder.append_value(value),
            (Builder::Text(builder), Cell::Text(text)) => builder.append_value(text),
            (builder, _) => builder.push_null(),
        }
    }

    fn push_null(&mut self) {
        match self {
            Builder::Boolean(builder) => builder.append_null(),
            Builder::Int32(builder) => builder.append_null(),
            Builder::Int64(builder) => builder.append_null(),
            Builder::Float32(builder) => builder.append_null(),
            Builder::Float64(builder) => builder.append_null(),
            Builder::Text(builder) => builder.append_null(),
            Builder::Time(builder) => builder.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Builder::Boolean(builder) => ArrayBuilder::finish(builder),
            Builder::Int32(builder) => ArrayBuilder::finish(builder),
            Builder::Int64(builder) => ArrayBuilder::finish(builder),
            Builder::Float32(builder) => ArrayBuilder::finish(builder),
            Builder::Float64(builder) => ArrayBuilder::finish(builder),
            Builder::Text(builder) => ArrayBuilder::finish(builder),
            Builder::Time(builder) => Arc::new(builder.finish()),
        }
    }
}
