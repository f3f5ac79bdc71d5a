//! Logical types: what a type's attributes say that its bytes mean.
//!
//! One that does not fit the type below it, is not valid, or is not known here is ignored, as Avro's specification says:
//! the value is then read as the type below. So are `uuid` and `duration`, which mean nothing to any column.

use serde_json::{Map, Value};

use super::Type;

/// `avro` with the logical type that stands among the attributes of `object`.
pub(super) fn logical(avro: Type, object: &Map<String, Value>) -> Type {
    let Some(name) = object.get("logicalType").and_then(Value::as_str) else {
        return avro;
    };
    match (avro, name) {
        (Type::Int, "date") => Type::Date,
        (Type::Int, "time-millis") => Type::TimeMillis,
        (Type::Long, "time-micros") => Type::TimeMicros,
        (Type::Long, "timestamp-millis" | "local-timestamp-millis") => Type::TimestampMillis,
        (Type::Long, "timestamp-micros" | "local-timestamp-micros") => Type::TimestampMicros,
        (Type::Long, "timestamp-nanos" | "local-timestamp-nanos") => Type::TimestampNanos,
        (avro @ (Type::Bytes | Type::Fixed { .. }), "decimal") => decimal(avro, object),
        (avro, _) => avro,
    }
}

/// A decimal needs a number of digits, at least one, and has no more of them behind the point than it has.
fn decimal(below: Type, object: &Map<String, Value>) -> Type {
    let number = |key| match object.get(key) {
        None => Some(0),
        Some(value) => value.as_u64().and_then(|value| u32::try_from(value).ok()),
    };
    match (number("precision"), number("scale")) {
        (Some(precision), Some(scale)) if precision > 0 && scale <= precision => Type::Decimal {
            precision,
            scale,
            below: Box::new(below),
        },
        _ => below,
    }
}
