//! One JSON object to the cells of a table.
//!
//! A visitor over the declared columns: no tree of values is built, text without escapes is borrowed from the line, and
//! fields that nobody wants are passed over. What fits a type is decided alike for every format, elsewhere.

use std::borrow::Cow;
use std::fmt;

use arrow::datatypes::Schema;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::rows::{Cell, fit};

/// Fills `cells`, one for every column; an error is the column (counted from 1) in the line and what is wrong.
pub(super) fn read<'a>(
    json: &'a [u8],
    columns: &Schema,
    cells: &mut [Option<Cell<'a>>],
) -> Result<(), (usize, String)> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let outcome = deserializer
        .deserialize_map(Object { columns, cells })
        .and_then(|()| deserializer.end());
    outcome.map_err(|error| {
        let text = error.to_string();
        // serde_json appends the place, which the problem says already.
        let message = text
            .rsplit_once(" at line ")
            .map_or(text.as_str(), |(message, _)| message);
        (error.column(), message.to_owned())
    })
}

struct Object<'c, 'a> {
    columns: &'c Schema,
    cells: &'c mut [Option<Cell<'a>>],
}

impl<'de> Visitor<'de> for Object<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let count = self.cells.len();
        // Objects name their fields in the same order line after line: look behind the last one first.
        let mut likely = 0;
        while let Some(found) = map.next_key_seed(Name {
            columns: self.columns,
            likely,
        })? {
            let Some(index) = found else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if self.cells[index].is_some() {
                return Err(A::Error::custom(format!(
                    "field {:?} stands there twice",
                    self.columns.field(index).name()
                )));
            }
            let cell = map.next_value_seed(AnyCell)?;
            self.cells[index] = Some(fit(cell, self.columns.field(index)).map_err(A::Error::custom)?);
            likely = (index + 1) % count;
        }
        Ok(())
    }
}

/// A field's name to a column's index.
struct Name<'c> {
    columns: &'c Schema,
    likely: usize,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<usize>, E> {
        let fields = self.columns.fields();
        match fields.get(self.likely) {
            Some(field) if field.name() == name => Ok(Some(self.likely)),
            _ => Ok(fields.iter().position(|field| field.name() == name)),
        }
    }
}

struct AnyCell;

impl<'de> DeserializeSeed<'de> for AnyCell {
    type Value = Cell<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cell<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyCell {
    type Value = Cell<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, text, true, false or null")
    }

    fn visit_unit<E: Error>(self) -> Result<Cell<'de>, E> {
        Ok(Cell::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Cell<'de>, E> {
        Ok(Cell::Boolean(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Cell<'de>, E> {
        Ok(Cell::Integer(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Cell<'de>, E> {
        Ok(i64::try_from(value).map_or(Cell::Float(value as f64), Cell::Integer))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Cell<'de>, E> {
        Ok(Cell::Float(value))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Cell<'de>, E> {
        Ok(Cell::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Cell<'de>, A::Error> {
        Err(A::Error::custom("a list cannot be a column's value"))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Cell<'de>, A::Error> {
        Err(A::Error::custom("an object cannot be a column's value"))
    }
}
