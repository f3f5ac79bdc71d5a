//! A writer's schema and the wanted columns to the decoder's list of operations.
//!
//! It does not run them. Neighbouring fields that nobody wants become one operation, and so do two doubles side by side.

use serde_json::Value;

use crate::columns::{self, ColumnRequest, Kind, Slot};
use crate::decode::{Default, OnNull, Step};
use crate::skip::Skip;
use crate::{Field, Schema, SchemaError, Type};

/// The operations, and for each the first field that it reads.
pub(crate) fn steps(writer: &Schema, requests: &[ColumnRequest]) -> Result<(Vec<Step>, Vec<String>), SchemaError> {
    let slots = columns::slots(requests)?;
    for (at, request) in requests.iter().enumerate() {
        if requests[..at].iter().any(|before| before.name == request.name) {
            return Err(SchemaError::DuplicateColumn(request.name.clone()));
        }
    }
    // The writer's order is the order of the bytes, so its fields lead; what it does not have comes last and reads none.
    let mut list = List::default();
    for field in &writer.record.fields {
        match requests.iter().position(|request| request.name == field.name) {
            Some(column) => list.push(&field.name, read(field, column, &requests[column], slots[column])?),
            None => list.skip(&field.name, &field.avro),
        }
    }
    list.flush_skips();
    for (column, request) in requests.iter().enumerate() {
        if writer.field(&request.name).is_none() {
            list.push(&request.name, absent(writer, column, request, slots[column])?);
        }
    }
    Ok((list.steps, list.fields))
}

/// The operations so far, and the unwanted fields that are not yet one.
#[derive(Default)]
struct List {
    steps: Vec<Step>,
    fields: Vec<String>,
    /// Of the fields since the last wanted one, and the first of them.
    skips: Vec<Skip>,
    skipped: Option<String>,
}

impl List {
    fn skip(&mut self, field: &str, avro: &Type) {
        self.skipped.get_or_insert_with(|| field.to_owned());
        Skip::append(avro, &mut self.skips);
    }

    fn flush_skips(&mut self) {
        let skips = std::mem::take(&mut self.skips);
        let field = self.skipped.take().unwrap_or_default();
        for skip in skips {
            self.fields.push(field.clone());
            self.steps.push(match skip {
                Skip::LengthPrefixed => Step::SkipLengthPrefixed,
                Skip::Varint => Step::SkipVarint,
                Skip::Fixed(bytes) => Step::SkipFixed { bytes },
                Skip::Union(_) | Skip::Blocks(_) => Step::SkipNested(skip),
            });
        }
    }

    fn push(&mut self, field: &str, step: Step) {
        self.flush_skips();
        // Position is two doubles in nearly every schema of readings: one bounds check instead of two.
        if let (Some(Step::Double { to: first }), Step::Double { to: second }) = (self.steps.last(), &step) {
            let pair = Step::TwoDoubles {
                first: *first,
                second: *second,
            };
            self.steps.pop();
            self.steps.push(pair);
            return;
        }
        self.steps.push(step);
        self.fields.push(field.to_owned());
    }
}

/// A wanted field that the writer has.
fn read(field: &Field, column: usize, request: &ColumnRequest, slot: Slot) -> Result<Step, SchemaError> {
    let unreadable = || SchemaError::Unreadable {
        field: field.name.clone(),
        avro: field.avro.describe(),
        column: request.data_type.clone(),
    };
    if field.avro == Type::Null && request.nullable {
        return Ok(Step::Null { column });
    }
    let Some((avro, null)) = field.avro.without_null() else {
        return value(&field.avro, slot).ok_or_else(unreadable);
    };
    let on_null = if request.nullable {
        OnNull::Push { column }
    } else {
        OnNull::Refuse
    };
    let value = Box::new(value(avro, slot).ok_or_else(unreadable)?);
    Ok(Step::Nullable { null, on_null, value })
}

/// Avro's table of promotions, with text for enums and bytes, and milliseconds for times.
fn value(avro: &Type, slot: Slot) -> Option<Step> {
    let to = slot.index;
    Some(match (slot.kind, avro) {
        (Kind::Boolean, Type::Boolean) => Step::Boolean { to },
        (Kind::Int, Type::Int | Type::Date) => Step::Int { to },
        (Kind::Long, Type::Int | Type::Date) => Step::LongOfInt { to },
        (Kind::Long, Type::Long | Type::TimestampMillis | Type::TimestampMicros) => Step::Long { to },
        (Kind::Timestamp, Type::Long | Type::TimestampMillis) => Step::Long { to },
        (Kind::Timestamp, Type::TimestampMicros) => Step::LongOfMicros { to },
        (Kind::Timestamp, Type::Date) => Step::LongOfDays { to },
        (Kind::Float, Type::Int | Type::Long) => Step::FloatOfLong { to },
        (Kind::Float, Type::Float) => Step::Float { to },
        (Kind::Double, Type::Int | Type::Long) => Step::DoubleOfLong { to },
        (Kind::Double, Type::Float) => Step::DoubleOfFloat { to },
        (Kind::Double, Type::Double) => Step::Double { to },
        (Kind::Text, Type::String | Type::Bytes) => Step::Text { to },
        (Kind::Text, Type::Enum { symbols, .. }) => Step::TextOfSymbol {
            to,
            symbols: symbols.clone().into(),
        },
        _ => return None,
    })
}

/// A column for which the writer has no field.
fn absent(writer: &Schema, column: usize, request: &ColumnRequest, slot: Slot) -> Result<Step, SchemaError> {
    match &request.default {
        Some(Value::Null) | None if request.nullable => Ok(Step::Null { column }),
        Some(default) => default_value(default, slot).ok_or_else(|| SchemaError::BadDefault {
            column: request.name.clone(),
            default: default.to_string(),
            data_type: request.data_type.clone(),
        }),
        None => {
            let fields: Vec<_> = writer.record.fields.iter().map(|field| field.name.as_str()).collect();
            Err(SchemaError::MissingField {
                record: writer.record.name.clone(),
                column: request.name.clone(),
                fields: fields.join(", "),
            })
        }
    }
}

/// The default as the column's type has it; `None` if it does not fit.
fn default_value(default: &Value, slot: Slot) -> Option<Step> {
    let to = slot.index;
    Some(Step::Default(match slot.kind {
        Kind::Boolean => Default::Boolean {
            to,
            value: default.as_bool()?,
        },
        Kind::Int => Default::Int {
            to,
            value: default.as_i64().and_then(|value| i32::try_from(value).ok())?,
        },
        Kind::Long | Kind::Timestamp => Default::Long {
            to,
            value: default.as_i64()?,
        },
        Kind::Float => Default::Float {
            to,
            value: default.as_f64()? as f32,
        },
        Kind::Double => Default::Double {
            to,
            value: default.as_f64()?,
        },
        Kind::Text => Default::Text {
            to,
            value: default.as_str()?.to_owned(),
        },
    }))
}
