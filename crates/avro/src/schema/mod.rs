//! An Avro schema: one record with its fields, types, docs and defaults.
//!
//! Named types are written out where they are used, so a schema is a tree; one that contains itself is refused. Attributes
//! that Avro does not define are not kept.

mod logical;
mod parse;
mod text;

use arrow::datatypes::{DataType, Schema as ArrowSchema};
use serde_json::Value;

use crate::SchemaError;

/// Most characters of a type in a message.
const DESCRIPTION_MAX: usize = 200;

/// The schema of a value: a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// The outermost record.
    pub record: Record,
}

/// A record type.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The name without its namespace.
    pub name: String,
    /// The namespace, if it has one.
    pub namespace: Option<String>,
    /// What it is.
    pub doc: Option<String>,
    /// Names that it had before; for readers, see [`Field::aliases`].
    pub aliases: Vec<String>,
    /// In the order in which they are written.
    pub fields: Vec<Field>,
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it is and in which unit.
    pub doc: Option<String>,
    /// Names that the field had before. They are the reader's business: those of a writer's schema mean nothing to whoever
    /// reads its records.
    pub aliases: Vec<String>,
    /// Its type.
    pub avro: Type,
    /// What a reader takes when a writer's schema has no such field, as JSON.
    pub default: Option<Value>,
}

/// An Avro type. Logical types other than those named here are read as the type below them.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the variants are Avro's own names")]
pub enum Type {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    /// An int: days since 1970-01-01.
    Date,
    /// A long: milliseconds since the epoch, UTC.
    TimestampMillis,
    /// A long: microseconds since the epoch, UTC.
    TimestampMicros,
    /// A long: nanoseconds since the epoch, UTC.
    TimestampNanos,
    /// An int: milliseconds since midnight.
    TimeMillis,
    /// A long: microseconds since midnight.
    TimeMicros,
    /// A number with so many digits, `scale` of them behind the point; its digits are bytes or a fixed.
    Decimal {
        precision: u32,
        scale: u32,
        below: Box<Type>,
    },
    Fixed {
        name: String,
        namespace: Option<String>,
        /// Bytes.
        size: usize,
    },
    Enum {
        name: String,
        namespace: Option<String>,
        symbols: Vec<String>,
        /// What a reader takes for a symbol that it does not know.
        default: Option<String>,
    },
    Array(Box<Type>),
    Map(Box<Type>),
    Record(Record),
    Union(Vec<Type>),
}

impl Schema {
    /// Reads a schema from its JSON text (an `.avsc` file, or a registry's answer).
    pub fn parse(json: &str) -> Result<Schema, SchemaError> {
        parse::parse(json)
    }

    /// The schema of records with these columns, in their order.
    ///
    /// A nullable column becomes a union with null whose default is null. Timestamps of every unit become
    /// `timestamp-millis`. `field_doc` says what a column is and in which unit.
    pub fn for_record(
        name: &str,
        doc: Option<&str>,
        columns: &ArrowSchema,
        field_doc: impl Fn(&str) -> Option<String>,
    ) -> Result<Schema, SchemaError> {
        check_name(name, name)?;
        let fields = columns.fields().iter().map(|column| {
            check_name(column.name(), column.name())?;
            let avro = type_for_column(column.data_type()).ok_or_else(|| SchemaError::NoAvroType {
                column: column.name().clone(),
                data_type: column.data_type().clone(),
            })?;
            let nullable = column.is_nullable();
            Ok(Field {
                name: column.name().clone(),
                doc: field_doc(column.name()),
                aliases: Vec::new(),
                avro: if nullable {
                    Type::Union(vec![Type::Null, avro])
                } else {
                    avro
                },
                default: nullable.then_some(Value::Null),
            })
        });
        Ok(Schema {
            record: Record {
                name: name.to_owned(),
                namespace: None,
                doc: doc.map(str::to_owned),
                aliases: Vec::new(),
                fields: fields.collect::<Result<_, _>>()?,
            },
        })
    }

    /// The schema as JSON text. The same schema always gives the same text: it may be compared and hashed.
    pub fn to_json(&self) -> String {
        text::to_json(&self.record)
    }

    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.record.fields.iter().find(|field| field.name == name)
    }
}

impl Type {
    /// The type without its null, and the index of the null branch; `None` if this is no union of null and one other.
    pub fn without_null(&self) -> Option<(&Type, usize)> {
        match self {
            Type::Union(branches) => match branches.as_slice() {
                [Type::Null, avro] if *avro != Type::Null => Some((avro, 0)),
                [avro, Type::Null] => Some((avro, 1)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The type as JSON text, for messages: its beginning if it is long, since messages go into dead letters.
    pub(crate) fn describe(&self) -> String {
        let mut text = text::type_to_json(self);
        if let Some((end, _)) = text.char_indices().nth(DESCRIPTION_MAX) {
            text.truncate(end);
            text.push('…');
        }
        text
    }
}

fn type_for_column(data_type: &DataType) -> Option<Type> {
    Some(match data_type {
        DataType::Null => Type::Null,
        DataType::Boolean => Type::Boolean,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => Type::Int,
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => Type::Long,
        DataType::Float16 | DataType::Float32 => Type::Float,
        DataType::Float64 => Type::Double,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Type::String,
        DataType::Date32 => Type::Date,
        DataType::Timestamp(..) => Type::TimestampMillis,
        _ => return None,
    })
}

/// Avro's names are letters, digits and underscores, and do not start with a digit.
fn check_name(name: &str, place: &str) -> Result<(), SchemaError> {
    let mut letters = name.bytes();
    let starts = letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
    if starts && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == b'_') {
        return Ok(());
    }
    Err(SchemaError::Invalid {
        place: place.to_owned(),
        message: format!(
            "{name:?} is no name in Avro (letters, digits and _, not starting with a digit); give it another name with AS"
        ),
    })
}
