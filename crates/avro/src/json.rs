//! A record as JSON, for people to read.
//!
//! It is apart from the compiled decoder: it shows every field of any schema, and speed does not matter. Timestamps stay
//! numbers, for the schema says which they are; bytes become text, each byte one character up to U+00FF, as Avro's own
//! JSON encoding has them, and decimals are their bytes. A union's value stands there without its branch's name.

use serde_json::{Map, Number, Value};

use crate::reader::{Block, Reader};
use crate::{DecodeError, Fault, Field, Schema, Type};

/// Most values of one record. A byte may become an object, and items without width need no byte at all.
const VALUES_MAX: usize = 100_000;

/// The record as a JSON object, fields by name. Numbers that JSON does not have (NaN, infinities) become text.
///
/// # Errors
/// For bytes that are not what the schema says, and for more than 100,000 values, which nobody would read.
pub fn to_json(schema: &Schema, avro: &[u8]) -> Result<Value, DecodeError> {
    let mut walk = Walk {
        reader: Reader::new(avro),
        values_left: VALUES_MAX,
    };
    let mut object = Map::new();
    let error = |field: &str, left: usize, fault| DecodeError {
        field: field.to_owned(),
        byte: avro.len() - left,
        fault,
    };
    for field in &schema.record.fields {
        let left = walk.reader.left();
        let value = walk.value(&field.avro);
        object.insert(
            field.name.clone(),
            value.map_err(|fault| error(&field.name, left, fault))?,
        );
    }
    let left = walk.reader.left();
    if left > 0 {
        let last = schema.record.fields.last().map_or("", |field| &field.name);
        return Err(error(last, left, Fault::Trailing));
    }
    Ok(Value::Object(object))
}

/// The way through one record.
struct Walk<'a> {
    reader: Reader<'a>,
    values_left: usize,
}

impl Walk<'_> {
    fn value(&mut self, avro: &Type) -> Result<Value, Fault> {
        self.values_left = self.values_left.checked_sub(1).ok_or(Fault::TooManyValues)?;
        let reader = &mut self.reader;
        Ok(match avro {
            Type::Null => Value::Null,
            Type::Boolean => Value::from(reader.boolean()?),
            Type::Int | Type::Date | Type::TimeMillis => Value::from(reader.int()?),
            Type::Long | Type::TimestampMillis | Type::TimestampMicros | Type::TimestampNanos | Type::TimeMicros => {
                Value::from(reader.long()?)
            }
            Type::Float => float(f32::from_le_bytes(*reader.fixed()?)),
            Type::Double => double(f64::from_le_bytes(*reader.fixed()?)),
            Type::Bytes => latin1(reader.bytes()?),
            Type::Fixed { size, .. } => latin1(reader.take(*size)?),
            Type::Decimal { below, .. } => self.value(below)?,
            Type::String => Value::from(reader.text()?),
            Type::Enum { symbols, .. } => Value::from(symbols[reader.branch(symbols.len())?].as_str()),
            Type::Union(branches) => {
                let branch = reader.branch(branches.len())?;
                self.value(&branches[branch])?
            }
            Type::Record(inner) => self.record(&inner.fields)?,
            Type::Array(items) => self.array(items)?,
            Type::Map(values) => self.map(values)?,
        })
    }

    fn record(&mut self, fields: &[Field]) -> Result<Value, Fault> {
        let mut object = Map::new();
        for field in fields {
            object.insert(field.name.clone(), self.value(&field.avro)?);
        }
        Ok(Value::Object(object))
    }

    /// A block's size in bytes is of use only to those who skip.
    fn array(&mut self, items: &Type) -> Result<Value, Fault> {
        let mut array = Vec::new();
        while let Block::Items { count, .. } = self.reader.block()? {
            for _ in 0..count {
                array.push(self.value(items)?);
            }
        }
        Ok(Value::Array(array))
    }

    fn map(&mut self, values: &Type) -> Result<Value, Fault> {
        let mut object = Map::new();
        while let Block::Items { count, .. } = self.reader.block()? {
            for _ in 0..count {
                let key = self.reader.text()?.to_owned();
                object.insert(key, self.value(values)?);
            }
        }
        Ok(Value::Object(object))
    }
}

/// The shortest decimal that reads back as the same 32-bit number; widening first would print digits that nobody wrote.
fn float(value: f32) -> Value {
    let text = value.to_string();
    text.parse()
        .ok()
        .and_then(Number::from_f64)
        .map_or(Value::from(text), Value::Number)
}

/// JSON has no NaN and no infinity; text keeps what was there to be seen.
fn double(value: f64) -> Value {
    Number::from_f64(value).map_or_else(|| Value::from(value.to_string()), Value::Number)
}

fn latin1(bytes: &[u8]) -> Value {
    Value::from(bytes.iter().map(|byte| char::from(*byte)).collect::<String>())
}
