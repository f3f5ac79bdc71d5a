//! A record as JSON, for people to read.
//!
//! It is apart from the compiled decoder: it shows every field of any schema, and speed does not matter. Timestamps stay
//! numbers, for the schema says which they are; bytes become text, each byte one character up to U+00FF, as Avro's own
//! JSON encoding has them. A union's value stands there without its branch's name.

use serde_json::{Map, Number, Value};

use crate::reader::{Block, Reader};
use crate::{DecodeError, Fault, Record, Schema, Type};

/// The record as a JSON object, fields by name. Numbers that JSON does not have (NaN, infinities) become text.
pub fn to_json(schema: &Schema, avro: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = Reader::new(avro);
    let mut object = Map::new();
    let error = |field: &str, left: usize, fault| DecodeError {
        field: field.to_owned(),
        byte: avro.len() - left,
        fault,
    };
    for field in &schema.record.fields {
        let left = reader.left();
        let value = value(&field.avro, &mut reader).map_err(|fault| error(&field.name, left, fault))?;
        object.insert(field.name.clone(), value);
    }
    if reader.left() > 0 {
        let last = schema.record.fields.last().map_or("", |field| &field.name);
        return Err(error(last, reader.left(), Fault::Trailing));
    }
    Ok(Value::Object(object))
}

fn value(avro: &Type, reader: &mut Reader<'_>) -> Result<Value, Fault> {
    Ok(match avro {
        Type::Null => Value::Null,
        Type::Boolean => Value::from(reader.boolean()?),
        Type::Int | Type::Date => Value::from(reader.int()?),
        Type::Long | Type::TimestampMillis | Type::TimestampMicros => Value::from(reader.long()?),
        Type::Float => float(f32::from_le_bytes(*reader.fixed()?)),
        Type::Double => double(f64::from_le_bytes(*reader.fixed()?)),
        Type::Bytes => latin1(reader.bytes()?),
        Type::Fixed { size, .. } => latin1(reader.take(*size)?),
        Type::String => Value::from(reader.text()?),
        Type::Enum { symbols, .. } => Value::from(symbols[reader.branch(symbols.len())?].as_str()),
        Type::Union(branches) => value(&branches[reader.branch(branches.len())?], reader)?,
        Type::Record(inner) => record(inner, reader)?,
        Type::Array(items) => {
            let mut array = Vec::new();
            each_item(reader, |reader| {
                array.push(value(items, reader)?);
                Ok(())
            })?;
            Value::Array(array)
        }
        Type::Map(values) => {
            let mut object = Map::new();
            each_item(reader, |reader| {
                let key = reader.text()?.to_owned();
                object.insert(key, value(values, reader)?);
                Ok(())
            })?;
            Value::Object(object)
        }
    })
}

fn record(record: &Record, reader: &mut Reader<'_>) -> Result<Value, Fault> {
    let mut object = Map::new();
    for field in &record.fields {
        object.insert(field.name.clone(), value(&field.avro, reader)?);
    }
    Ok(Value::Object(object))
}

/// Calls `item` for every item of every block. A block's size in bytes is of use only to those who skip.
fn each_item<'a>(
    reader: &mut Reader<'a>,
    mut item: impl FnMut(&mut Reader<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    while let Block::Items { count, .. } = reader.block()? {
        for _ in 0..count {
            item(reader)?;
        }
    }
    Ok(())
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
