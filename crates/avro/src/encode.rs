//! The compiled encoder: rows of Arrow columns to Avro bytes.
//!
//! It does not frame records or choose a schema. Columns are found, cast and downcast once a batch, so that a row costs
//! one look at a kind for every field.

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, StringArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int32Type, Int64Type, Schema as ArrowSchema, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType,
};

use crate::{EncodeError, Schema, SchemaError, Type};

/// Turns rows of certain columns into records of one schema.
///
/// It holds no rows and may be shared; what belongs to a batch is in the [`BoundEncoder`].
#[derive(Debug, Clone)]
pub struct Encoder {
    fields: Vec<FieldPlan>,
    columns: usize,
}

#[derive(Debug, Clone)]
struct FieldPlan {
    name: String,
    /// Index among the columns; `None`: the field is null in every row.
    column: Option<usize>,
    avro: Type,
    /// What the column is cast to before it is written.
    arrow: DataType,
    /// Index of the null branch, if the field is a union with null.
    null: Option<usize>,
}

/// An [`Encoder`] with the columns of one batch.
#[derive(Debug)]
pub struct BoundEncoder {
    fields: Vec<BoundField>,
    rows: usize,
}

#[derive(Debug)]
struct BoundField {
    values: Values,
    /// Bytes that name the branch of a value and of a null; empty if the field is no union.
    branches: Option<[u8; 2]>,
}

/// One column, downcast. Times and dates stand among the integers that Avro writes them as.
#[derive(Debug)]
enum Values {
    AllNull,
    Boolean(BooleanArray),
    Int(Int32Array),
    Long(Int64Array),
    Float(Float32Array),
    Double(Float64Array),
    Text(StringArray),
}

impl Encoder {
    /// Compiles the way from columns to records of `schema`, matched by name.
    ///
    /// Columns that the schema does not have are left out. A field without a column is null if it may be, else refused.
    /// Values are only ever widened; a timestamp of any unit becomes milliseconds or microseconds, rounded down.
    pub fn compile(schema: &Schema, columns: &ArrowSchema) -> Result<Encoder, SchemaError> {
        let fields = schema.record.fields.iter().map(|field| {
            let (avro, null) = match field.avro.without_null() {
                Some((avro, null)) => (avro.clone(), Some(null)),
                None => (field.avro.clone(), None),
            };
            let column = columns.index_of(&field.name).ok();
            let Some(index) = column else {
                if null.is_none() && avro != Type::Null {
                    return Err(SchemaError::MissingField {
                        record: schema.record.name.clone(),
                        column: field.name.clone(),
                        fields: columns
                            .fields()
                            .iter()
                            .map(|one| one.name().as_str())
                            .collect::<Vec<_>>()
                            .join(", "),
                    });
                }
                return Ok(FieldPlan {
                    name: field.name.clone(),
                    column,
                    avro,
                    arrow: DataType::Null,
                    null,
                });
            };
            let data_type = columns.field(index).data_type();
            // A column of nothing but nulls counts no nulls in Arrow: it must be refused here, not when it is bound.
            let writable = *data_type != DataType::Null || null.is_some() || avro == Type::Null;
            let arrow = written_from(&avro, data_type)
                .filter(|_| writable)
                .ok_or_else(|| SchemaError::Unwritable {
                    column: field.name.clone(),
                    data_type: data_type.clone(),
                    avro: field.avro.describe(),
                })?;
            Ok(FieldPlan {
                name: field.name.clone(),
                column,
                avro,
                arrow,
                null,
            })
        });
        Ok(Encoder {
            fields: fields.collect::<Result<_, _>>()?,
            columns: columns.fields().len(),
        })
    }

    /// Takes the columns of a batch, in the order of the Arrow schema that the encoder was compiled for.
    pub fn bind(&self, columns: &[ArrayRef]) -> Result<BoundEncoder, EncodeError> {
        if columns.len() != self.columns {
            return Err(EncodeError::Column {
                column: "(all)".to_owned(),
                message: format!("the batch has {} columns, not {}", columns.len(), self.columns),
            });
        }
        let fields = self
            .fields
            .iter()
            .map(|field| field.bind(columns))
            .collect::<Result<_, _>>()?;
        let rows = columns.first().map_or(0, |column| column.len());
        Ok(BoundEncoder { fields, rows })
    }
}

impl FieldPlan {
    fn bind(&self, columns: &[ArrayRef]) -> Result<BoundField, EncodeError> {
        let branches = self.null.map(|null| if null == 0 { [2, 0] } else { [0, 2] });
        let Some(column) = self.column.map(|index| &columns[index]) else {
            return Ok(BoundField {
                values: Values::AllNull,
                branches,
            });
        };
        let refused = |message: String| EncodeError::Column {
            column: self.name.clone(),
            message,
        };
        if branches.is_none() && self.avro != Type::Null && column.null_count() > 0 {
            let row = (0..column.len()).find(|row| column.is_null(*row)).unwrap_or_default();
            return Err(EncodeError::UnexpectedNull {
                column: self.name.clone(),
                row,
            });
        }
        let strict = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        // The cast is free where the types are the same, which is what a planned sink gives.
        let values = cast_with_options(column, &self.arrow, &strict).map_err(|error| refused(error.to_string()))?;
        Ok(BoundField {
            values: Values::of(&values),
            branches,
        })
    }
}

impl Values {
    /// The kinds that [`written_from`] answers with.
    fn of(array: &ArrayRef) -> Values {
        match array.data_type() {
            DataType::Boolean => Values::Boolean(array.as_boolean().clone()),
            DataType::Int32 => Values::Int(array.as_primitive::<Int32Type>().clone()),
            DataType::Date32 => Values::Int(array.as_primitive::<Date32Type>().reinterpret_cast()),
            DataType::Int64 => Values::Long(array.as_primitive::<Int64Type>().clone()),
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                Values::Long(array.as_primitive::<TimestampMillisecondType>().reinterpret_cast())
            }
            DataType::Timestamp(..) => {
                Values::Long(array.as_primitive::<TimestampMicrosecondType>().reinterpret_cast())
            }
            DataType::Float32 => Values::Float(array.as_primitive::<Float32Type>().clone()),
            DataType::Float64 => Values::Double(array.as_primitive::<Float64Type>().clone()),
            DataType::Utf8 => Values::Text(array.as_string::<i32>().clone()),
            _ => Values::AllNull,
        }
    }
}

impl BoundEncoder {
    /// Number of rows in the batch.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Appends the Avro bytes of a row.
    ///
    /// # Panics
    /// When `row` is not below [`rows`](Self::rows).
    #[inline]
    pub fn encode(&self, row: usize, out: &mut Vec<u8>) {
        for field in &self.fields {
            field.encode(row, out);
        }
    }
}

impl BoundField {
    #[inline]
    fn encode(&self, row: usize, out: &mut Vec<u8>) {
        if let Some([value, null]) = self.branches {
            if self.values.is_null(row) {
                out.push(null);
                return;
            }
            out.push(value);
        }
        match &self.values {
            Values::AllNull => {}
            Values::Boolean(values) => out.push(u8::from(values.value(row))),
            Values::Int(values) => push_long(i64::from(values.value(row)), out),
            Values::Long(values) => push_long(values.value(row), out),
            Values::Float(values) => out.extend_from_slice(&values.value(row).to_le_bytes()),
            Values::Double(values) => out.extend_from_slice(&values.value(row).to_le_bytes()),
            Values::Text(values) => {
                let text = values.value(row).as_bytes();
                push_long(text.len() as i64, out);
                out.extend_from_slice(text);
            }
        }
    }
}

impl Values {
    #[inline]
    fn is_null(&self, row: usize) -> bool {
        match self {
            Values::AllNull => true,
            Values::Boolean(values) => values.is_null(row),
            Values::Int(values) => values.is_null(row),
            Values::Long(values) => values.is_null(row),
            Values::Float(values) => values.is_null(row),
            Values::Double(values) => values.is_null(row),
            Values::Text(values) => values.is_null(row),
        }
    }
}

/// The Arrow type from which `avro` is written, if a column of `data_type` widens to it.
fn written_from(avro: &Type, data_type: &DataType) -> Option<DataType> {
    use DataType::{Boolean, Date32, Float16, Float32, Float64, Int8, Int16, Int32, Int64, LargeUtf8, Null};
    use DataType::{Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8, Utf8View};
    let small = matches!(data_type, Int8 | Int16 | Int32 | UInt8 | UInt16);
    let integer = small || matches!(data_type, Int64 | UInt32 | UInt64);
    let target = match (avro, data_type) {
        (Type::Null, Null) => Null,
        (_, Null) => Null,
        (Type::Boolean, Boolean) => Boolean,
        (Type::Int | Type::TimeMillis, _) if small => Int32,
        (Type::Long | Type::TimeMicros, _) if integer => Int64,
        (Type::TimestampMillis | Type::TimestampMicros | Type::TimestampNanos, Int64) => Int64,
        (Type::TimestampMillis | Type::Long, Timestamp(_, zone)) => Timestamp(TimeUnit::Millisecond, zone.clone()),
        (Type::TimestampMicros, Timestamp(_, zone)) => Timestamp(TimeUnit::Microsecond, zone.clone()),
        (Type::Date, Date32 | Int32) => data_type.clone(),
        (Type::Float, Float16 | Float32) => Float32,
        (Type::Float, _) if small => Float32,
        (Type::Double, Float16 | Float32 | Float64) => Float64,
        (Type::Double, _) if integer => Float64,
        (Type::String | Type::Bytes, Utf8 | LargeUtf8 | Utf8View) => Utf8,
        _ => return None,
    };
    Some(target)
}

/// Zigzag, then seven bits a byte, the lowest first.
#[inline]
fn push_long(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
