//! Typed column builders that a [`Decoder`](crate::Decoder) appends rows to.
//!
//! Constraints: values of one type stand in one list of vectors (`longs[2]` is the third 64-bit column), so that an
//! operation reaches its vector with one index and no look at a type. Nulls are kept as row numbers, not bits: a value
//! that is there then costs nothing more. A row exists once [`Columns::rows`] counts it; whatever a failed row has left
//! behind is cut off. It does not decode anything.

use std::mem;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, PrimitiveArray, StringArray};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Float32Type, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMillisecondType,
};
use serde_json::Value;

use crate::{Fault, SchemaError};

/// A column that is wanted from every record.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnRequest {
    /// The name of the Avro field.
    pub name: String,
    /// `Boolean`, `Int32`, `Int64`, `Float32`, `Float64`, `Utf8` or `Timestamp(Millisecond, None)` (UTC).
    pub data_type: DataType,
    /// Whether the column may hold nulls.
    pub nullable: bool,
    /// The value, as JSON, when the writer's schema has no such field. Without one it is null.
    pub default: Option<Value>,
    /// Names that the field has in other writers' schemas, the likeliest first; for those that have none of its own name.
    pub aliases: Vec<String>,
}

impl ColumnRequest {
    /// A column without a default and without other names.
    pub fn new(name: impl Into<String>, data_type: DataType, nullable: bool) -> Self {
        ColumnRequest {
            name: name.into(),
            data_type,
            nullable,
            default: None,
            aliases: Vec::new(),
        }
    }
}

/// Where a column's values stand: the kind of vector, and which one of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) kind: Kind,
    pub(crate) index: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Text,
    /// Stands among the longs.
    Timestamp,
}

/// The slot of every request, in their order.
pub(crate) fn slots(requests: &[ColumnRequest]) -> Result<Vec<Slot>, SchemaError> {
    let mut used = [0; 6];
    let slots = requests.iter().map(|request| {
        let (kind, list) = match request.data_type {
            DataType::Boolean => (Kind::Boolean, 0),
            DataType::Int32 => (Kind::Int, 1),
            DataType::Int64 => (Kind::Long, 2),
            DataType::Timestamp(TimeUnit::Millisecond, None) => (Kind::Timestamp, 2),
            DataType::Float32 => (Kind::Float, 3),
            DataType::Float64 => (Kind::Double, 4),
            DataType::Utf8 => (Kind::Text, 5),
            _ => {
                return Err(SchemaError::NoAvroType {
                    column: request.name.clone(),
                    data_type: request.data_type.clone(),
                });
            }
        };
        used[list] += 1;
        Ok(Slot {
            kind,
            index: used[list] - 1,
        })
    });
    slots.collect()
}

/// Rows decoded so far, by column.
#[derive(Debug)]
pub struct Columns {
    rows: usize,
    slots: Vec<Slot>,
    pub(crate) booleans: Vec<Vec<bool>>,
    pub(crate) ints: Vec<Vec<i32>>,
    pub(crate) longs: Vec<Vec<i64>>,
    pub(crate) floats: Vec<Vec<f32>>,
    pub(crate) doubles: Vec<Vec<f64>>,
    pub(crate) texts: Vec<Texts>,
    /// For every column, the rows that are null, ascending.
    nulls: Vec<Vec<usize>>,
}

/// A column of text as Arrow has it.
#[derive(Debug)]
pub(crate) struct Texts {
    /// Where each text starts, and where the last one ends.
    ends: Vec<i32>,
    bytes: Vec<u8>,
}

impl Texts {
    fn with_capacity(rows: usize, bytes: usize) -> Self {
        let mut ends = Vec::with_capacity(rows + 1);
        ends.push(0);
        Texts {
            ends,
            bytes: Vec::with_capacity(bytes),
        }
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, text: &str) -> Result<(), Fault> {
        let end = i32::try_from(self.bytes.len() + text.len()).map_err(|_| Fault::BatchTooLarge)?;
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(end);
        Ok(())
    }

    /// Keeps the first `rows` texts.
    fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows + 1);
        self.bytes.truncate(self.ends.last().map_or(0, |end| *end as usize));
    }
}

impl Columns {
    /// Empty columns for these requests; the same that the decoders were compiled with.
    pub fn new(requests: &[ColumnRequest]) -> Result<Self, SchemaError> {
        let slots = slots(requests)?;
        let mut columns = Columns {
            rows: 0,
            slots,
            booleans: Vec::new(),
            ints: Vec::new(),
            longs: Vec::new(),
            floats: Vec::new(),
            doubles: Vec::new(),
            texts: Vec::new(),
            nulls: vec![Vec::new(); requests.len()],
        };
        for slot in &columns.slots {
            match slot.kind {
                Kind::Boolean => columns.booleans.push(Vec::new()),
                Kind::Int => columns.ints.push(Vec::new()),
                Kind::Long | Kind::Timestamp => columns.longs.push(Vec::new()),
                Kind::Float => columns.floats.push(Vec::new()),
                Kind::Double => columns.doubles.push(Vec::new()),
                Kind::Text => columns.texts.push(Texts::with_capacity(0, 0)),
            }
        }
        Ok(columns)
    }

    /// Number of rows.
    #[inline]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no row.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Moves the rows out as Arrow arrays, one for every request, and starts anew with room for as many.
    ///
    /// Only booleans are copied (Arrow packs them into bits).
    pub fn finish(&mut self) -> Vec<ArrayRef> {
        let rows = mem::take(&mut self.rows);
        let slots = mem::take(&mut self.slots);
        let arrays = slots
            .iter()
            .enumerate()
            .map(|(column, slot)| self.finish_column(column, *slot, rows));
        let arrays = arrays.collect();
        self.slots = slots;
        arrays
    }

    fn finish_column(&mut self, column: usize, slot: Slot, rows: usize) -> ArrayRef {
        let nulls = null_buffer(&mut self.nulls[column], rows);
        match slot.kind {
            Kind::Boolean => {
                let values = BooleanBuffer::from(self.booleans[slot.index].as_slice());
                self.booleans[slot.index].clear();
                Arc::new(BooleanArray::new(values, nulls))
            }
            Kind::Int => primitive::<Int32Type>(&mut self.ints[slot.index], nulls),
            Kind::Long => primitive::<Int64Type>(&mut self.longs[slot.index], nulls),
            Kind::Timestamp => primitive::<TimestampMillisecondType>(&mut self.longs[slot.index], nulls),
            Kind::Float => primitive::<Float32Type>(&mut self.floats[slot.index], nulls),
            Kind::Double => primitive::<Float64Type>(&mut self.doubles[slot.index], nulls),
            Kind::Text => {
                let texts = &mut self.texts[slot.index];
                let full = mem::replace(texts, Texts::with_capacity(rows, texts.bytes.len()));
                let ends = OffsetBuffer::new(ScalarBuffer::from(full.ends));
                Arc::new(StringArray::new(ends, Buffer::from_vec(full.bytes), nulls))
            }
        }
    }

    /// The row that has been appended to every column counts from now on.
    #[inline(always)]
    pub(crate) fn commit(&mut self) {
        self.rows += 1;
    }

    /// Takes back whatever a failed row has left behind.
    #[cold]
    pub(crate) fn roll_back(&mut self) {
        let rows = self.rows;
        self.booleans.iter_mut().for_each(|values| values.truncate(rows));
        self.ints.iter_mut().for_each(|values| values.truncate(rows));
        self.longs.iter_mut().for_each(|values| values.truncate(rows));
        self.floats.iter_mut().for_each(|values| values.truncate(rows));
        self.doubles.iter_mut().for_each(|values| values.truncate(rows));
        self.texts.iter_mut().for_each(|texts| texts.truncate(rows));
        for nulls in &mut self.nulls {
            if nulls.last() == Some(&rows) {
                nulls.pop();
            }
        }
    }

    /// Appends a null to `column`.
    pub(crate) fn push_null(&mut self, column: usize) -> Result<(), Fault> {
        self.nulls[column].push(self.rows);
        let slot = self.slots[column];
        match slot.kind {
            Kind::Boolean => self.booleans[slot.index].push(false),
            Kind::Int => self.ints[slot.index].push(0),
            Kind::Long | Kind::Timestamp => self.longs[slot.index].push(0),
            Kind::Float => self.floats[slot.index].push(0.0),
            Kind::Double => self.doubles[slot.index].push(0.0),
            Kind::Text => return self.texts[slot.index].push(""),
        }
        Ok(())
    }
}

/// Moves the values out and leaves room for as many: batches of one stream are of like size.
fn primitive<T: ArrowPrimitiveType>(values: &mut Vec<T::Native>, nulls: Option<NullBuffer>) -> ArrayRef {
    let room = Vec::with_capacity(values.len());
    let values = ScalarBuffer::from(mem::replace(values, room));
    Arc::new(PrimitiveArray::<T>::new(values, nulls))
}

/// Arrow's bits from the row numbers, which are spent; `None` without nulls, so that readers take their fast path.
fn null_buffer(null_rows: &mut Vec<usize>, rows: usize) -> Option<NullBuffer> {
    if null_rows.is_empty() {
        return None;
    }
    let mut valid = vec![true; rows];
    null_rows.drain(..).for_each(|row| valid[row] = false);
    Some(NullBuffer::from(valid))
}
