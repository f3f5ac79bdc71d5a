//! A keyed table in memory: the latest row of every key of a compacted topic, in columns.
//!
//! A [`Table`] is filled by the runner before the first evaluation and follows its topic from then on; tasks only look
//! up. A key keeps its place for ever; a deleted key's place is marked absent. It does not read the log.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, SchemaRef};

use crate::EngineError;

/// A place that no key has.
pub(crate) const NO_PLACE: u32 = u32::MAX;

#[derive(Debug)]
enum Values {
    Boolean(Vec<Option<bool>>),
    Int32(Vec<Option<i32>>),
    Int64(Vec<Option<i64>>),
    Float32(Vec<Option<f32>>),
    Float64(Vec<Option<f64>>),
    Timestamp(Vec<Option<i64>>),
    Text(Vec<Option<Box<str>>>),
}

macro_rules! each {
    ($values:expr, $column:ident => $body:expr) => {
        match $values {
            Values::Boolean($column) => $body,
            Values::Int32($column) => $body,
            Values::Int64($column) => $body,
            Values::Float32($column) => $body,
            Values::Float64($column) => $body,
            Values::Timestamp($column) => $body,
            Values::Text($column) => $body,
        }
    };
}

/// The latest row of every key. Shared by the tasks of a process behind a lock that the runner writes through.
#[derive(Debug)]
pub struct Table {
    places: HashMap<Box<str>, u32>,
    present: Vec<bool>,
    columns: Vec<Values>,
    key: usize,
    rows: usize,
}

impl Table {
    /// An empty table; `key` is the column that is the record's key.
    pub fn new(schema: &SchemaRef, key: usize) -> Result<Table, EngineError> {
        let columns = schema.fields().iter().map(|field| match field.data_type() {
            DataType::Boolean => Ok(Values::Boolean(Vec::new())),
            DataType::Int32 => Ok(Values::Int32(Vec::new())),
            DataType::Int64 => Ok(Values::Int64(Vec::new())),
            DataType::Float32 => Ok(Values::Float32(Vec::new())),
            DataType::Float64 => Ok(Values::Float64(Vec::new())),
            DataType::Timestamp(_, _) => Ok(Values::Timestamp(Vec::new())),
            DataType::Utf8 => Ok(Values::Text(Vec::new())),
            other => Err(EngineError::Plan(format!(
                "a table cannot hold a column of type {other}"
            ))),
        });
        let columns = columns.collect::<Result<_, _>>()?;
        Ok(Table {
            places: HashMap::new(),
            present: Vec::new(),
            columns,
            key,
            rows: 0,
        })
    }

    /// Takes rows over; the last of a key counts.
    pub fn upsert(&mut self, batch: &RecordBatch) {
        let keys = batch.column(self.key).as_string::<i32>();
        for (row, key) in keys.iter().enumerate() {
            if let Some(key) = key {
                let place = self.place_for(key);
                self.rows += usize::from(!std::mem::replace(&mut self.present[place as usize], true));
                for (values, array) in self.columns.iter_mut().zip(batch.columns()) {
                    values.set(place as usize, array, row);
                }
            }
        }
    }

    /// Deletes the key's row.
    pub fn delete(&mut self, key: &str) {
        if let Some(place) = self.places.get(key) {
            self.rows -= usize::from(std::mem::replace(&mut self.present[*place as usize], false));
        }
    }

    /// How many keys have a row.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Where the key's row is, present or not; [`NO_PLACE`] when the key was never seen.
    pub(crate) fn place(&self, key: &str) -> u32 {
        self.places.get(key).copied().unwrap_or(NO_PLACE)
    }

    #[inline]
    pub(crate) fn is_present(&self, place: u32) -> bool {
        self.present.get(place as usize).copied().unwrap_or(false)
    }

    /// A column at some places; null where no row is present.
    pub(crate) fn gather(&self, column: usize, places: &[u32]) -> ArrayRef {
        let at = |place: u32| self.is_present(place).then_some(place as usize);
        match &self.columns[column] {
            Values::Boolean(values) => {
                Arc::new(places.iter().map(|place| values[at(*place)?]).collect::<BooleanArray>())
            }
            Values::Int32(values) => Arc::new(places.iter().map(|place| values[at(*place)?]).collect::<Int32Array>()),
            Values::Int64(values) => Arc::new(places.iter().map(|place| values[at(*place)?]).collect::<Int64Array>()),
            Values::Float32(values) => {
                Arc::new(places.iter().map(|place| values[at(*place)?]).collect::<Float32Array>())
            }
            Values::Float64(values) => {
                Arc::new(places.iter().map(|place| values[at(*place)?]).collect::<Float64Array>())
            }
            Values::Timestamp(values) => Arc::new(
                places
                    .iter()
                    .map(|place| values[at(*place)?])
                    .collect::<TimestampMillisecondArray>(),
            ),
            Values::Text(values) => Arc::new(
                places
                    .iter()
                    .map(|place| values[at(*place)?].as_deref())
                    .collect::<StringArray>(),
            ),
        }
    }

    fn place_for(&mut self, key: &str) -> u32 {
        if let Some(place) = self.places.get(key) {
            return *place;
        }
        let place = self.present.len() as u32;
        self.places.insert(key.into(), place);
        self.present.push(false);
        for values in &mut self.columns {
            each!(values, column => column.push(None));
        }
        place
    }
}

impl Values {
    fn set(&mut self, place: usize, array: &ArrayRef, row: usize) {
        use arrow::datatypes::{Float32Type, Float64Type, Int32Type, Int64Type, TimestampMillisecondType};
        let valid = array.is_valid(row);
        match self {
            Values::Boolean(values) => values[place] = valid.then(|| array.as_boolean().value(row)),
            Values::Int32(values) => values[place] = valid.then(|| array.as_primitive::<Int32Type>().value(row)),
            Values::Int64(values) => values[place] = valid.then(|| array.as_primitive::<Int64Type>().value(row)),
            Values::Float32(values) => values[place] = valid.then(|| array.as_primitive::<Float32Type>().value(row)),
            Values::Float64(values) => values[place] = valid.then(|| array.as_primitive::<Float64Type>().value(row)),
            Values::Timestamp(values) => {
                values[place] = valid.then(|| array.as_primitive::<TimestampMillisecondType>().value(row));
            }
            Values::Text(values) => values[place] = valid.then(|| array.as_string::<i32>().value(row).into()),
        }
    }
}
