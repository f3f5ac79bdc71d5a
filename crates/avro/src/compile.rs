//! A writer's schema and the wanted columns to the decoder's list of operations.
//!
//! It does not run them. Neighbouring fields that nobody wants become one operation, and so do two doubles side by side.

use serde_json::Value;

use crate::columns::{self, ColumnRequest, Kind, Slot};
use crate::decode::{Default, OnNull, Step};
use crate::skip::Skip;
use crate::{Fault, Field, Schema, SchemaError, Type};

/// The operations, and for each the first field that it reads.
pub(crate) fn steps(writer: &Schema, requests: &[ColumnRequest]) -> Result<(Vec<Step>, Vec<String>), SchemaError> {
    let slots = columns::slots(requests)?;
    for (at, request) in requests.iter().enumerate() {
        if requests[..at].iter().any(|before| before.name == request.name) {
            return Err(SchemaError::DuplicateColumn(request.name.clone()));
        }
    }
    let takers = takers(writer, requests);
    // The writer's order is the order of the bytes, so its fields lead; what it does not have comes last and reads none.
    let mut list = List::default();
    for (field, taker) in writer.record.fields.iter().zip(&takers) {
        match *taker {
            Some(column) => list.push(&field.name, read(field, column, &requests[column], slots[column])?),
            None => list.skip(&field.name, &field.avro),
        }
    }
    list.flush_skips();
    for (column, request) in requests.iter().enumerate() {
        if !takers.contains(&Some(column)) {
            list.push(&request.name, absent(writer, column, request, slots[column])?);
        }
    }
    Ok((list.steps, list.fields))
}

/// For every field of the writer, the column that takes it. A column's own name goes before the aliases of another.
fn takers(writer: &Schema, requests: &[ColumnRequest]) -> Vec<Option<usize>> {
    let fields = &writer.record.fields;
    let own = |name: &String| requests.iter().position(|request| request.name == *name);
    let mut takers: Vec<Option<usize>> = fields.iter().map(|field| own(&field.name)).collect();
    for (column, request) in requests.iter().enumerate() {
        let place = |alias: &String| fields.iter().position(|field| field.name == *alias);
        let free = |place: &usize| takers[*place].is_none();
        if !takers.contains(&Some(column))
            && let Some(place) = request.aliases.iter().filter_map(place).find(free)
        {
            takers[place] = Some(column);
        }
    }
    takers
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
                Skip::Union(branches) => match optional_varint(&branches) {
                    Some(null) => Step::SkipOptionalVarint { null },
                    None => Step::SkipNested(Skip::Union(branches)),
                },
                Skip::Blocks(_) => Step::SkipNested(skip),
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
    let step = match &field.avro {
        Type::Union(branches) => union(branches, column, request, slot),
        avro => branch(avro, column, request, slot).ok(),
    };
    let one = field.avro.without_null().map_or(&field.avro, |(avro, _)| avro);
    step.ok_or_else(|| match one {
        Type::Decimal { .. } => SchemaError::Decimal {
            field: field.name.clone(),
            avro: field.avro.describe(),
        },
        _ => SchemaError::Unreadable {
            field: field.name.clone(),
            avro: field.avro.describe(),
            column: request.data_type.clone(),
        },
    })
}

/// The branches that the column holds are read; a record with another one is refused when it comes, as Avro wants it.
/// `None` if the column holds none of them.
fn union(branches: &[Type], column: usize, request: &ColumnRequest, slot: Slot) -> Option<Step> {
    let steps: Vec<_> = branches
        .iter()
        .map(|avro| branch(avro, column, request, slot))
        .collect();
    if steps.iter().all(Result::is_err) {
        return None;
    }
    let null = branches.iter().position(|avro| *avro == Type::Null);
    let on_null = match request.nullable {
        true => OnNull::Push { column },
        false => OnNull::Refuse,
    };
    Some(match (null, steps.as_slice()) {
        (Some(null @ 0), [_, Ok(value)]) | (Some(null @ 1), [Ok(value), _]) => Step::Nullable {
            null,
            on_null,
            value: Box::new(value.clone()),
        },
        _ => Step::Union(steps.into()),
    })
}

/// A value of one type, or what is wrong with a record that has it.
fn branch(avro: &Type, column: usize, request: &ColumnRequest, slot: Slot) -> Result<Step, Fault> {
    match avro {
        Type::Null if request.nullable => Ok(Step::Null { column }),
        Type::Null => Err(Fault::UnexpectedNull),
        Type::Decimal { .. } => Err(Fault::Decimal),
        avro => value(avro, slot).ok_or(Fault::Unreadable),
    }
}

/// Avro's table of promotions, with text for enums and milliseconds for times. Where no time is wanted, a time is the
/// number that it is written as.
fn value(avro: &Type, slot: Slot) -> Option<Step> {
    let to = slot.index;
    Some(match (slot.kind, avro) {
        (Kind::Boolean, Type::Boolean) => Step::Boolean { to },
        (Kind::Timestamp, Type::Long | Type::TimestampMillis) => Step::Long { to },
        (Kind::Timestamp, Type::TimestampMicros) => Step::LongOfParts { to, parts: 1_000 },
        (Kind::Timestamp, Type::TimestampNanos) => Step::LongOfParts { to, parts: 1_000_000 },
        (Kind::Timestamp, Type::Date) => Step::LongOfDays { to },
        (Kind::Timestamp, _) => return None,
        (Kind::Int, avro) if is_int(avro) => Step::Int { to },
        (Kind::Long, avro) if is_int(avro) => Step::LongOfInt { to },
        (Kind::Long, avro) if is_long(avro) => Step::Long { to },
        (Kind::Float, avro) if is_int(avro) => Step::FloatOfInt { to },
        (Kind::Float, avro) if is_long(avro) => Step::FloatOfLong { to },
        (Kind::Float, Type::Float) => Step::Float { to },
        (Kind::Double, avro) if is_int(avro) => Step::DoubleOfInt { to },
        (Kind::Double, avro) if is_long(avro) => Step::DoubleOfLong { to },
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

fn is_int(avro: &Type) -> bool {
    matches!(avro, Type::Int | Type::Date | Type::TimeMillis)
}

fn is_long(avro: &Type) -> bool {
    use Type::{Long, TimeMicros, TimestampMicros, TimestampMillis, TimestampNanos};
    matches!(
        avro,
        Long | TimestampMillis | TimestampMicros | TimestampNanos | TimeMicros
    )
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
            value: default
                .as_f64()
                .map(|value| value as f32)
                .filter(|value| value.is_finite())?,
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

/// The null branch of a union of null and an integer.
fn optional_varint(branches: &[Vec<Skip>]) -> Option<usize> {
    match branches {
        [null, value] if null.is_empty() && *value == [Skip::Varint] => Some(0),
        [value, null] if null.is_empty() && *value == [Skip::Varint] => Some(1),
        _ => None,
    }
}
