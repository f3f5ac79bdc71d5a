//! What can go wrong between a schema, a record and a column.
//!
//! No retry helps for any of these: the schema or the bytes are what they are. It does not say what is done with a
//! record that could not be decoded; that is the caller's dead letter.

use arrow::datatypes::DataType;

/// A schema that cannot be used, or not for the columns that were asked for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SchemaError {
    /// The text is no JSON.
    #[error("the Avro schema is not JSON: {0}")]
    Json(String),
    /// The JSON is no Avro schema.
    #[error("the Avro schema is wrong at {place}: {message}")]
    Invalid {
        /// Dotted path of names from the outermost record.
        place: String,
        /// What was expected there.
        message: String,
    },
    /// Two requests carry the same name.
    #[error("column {0:?} is asked for twice")]
    DuplicateColumn(String),
    /// No field of that name, no default and no null to put there.
    #[error(
        "record {record:?} has no field {column:?}, and the column has no default and may not be null; fields are: {fields}"
    )]
    MissingField {
        /// The record's name.
        record: String,
        /// The column that was asked for.
        column: String,
        /// The record's fields, for the reader's eye.
        fields: String,
    },
    /// The field's type does not become the column's.
    #[error("field {field:?} is Avro {avro}, which cannot be read as a column of type {column}")]
    Unreadable {
        /// The field's name.
        field: String,
        /// The Avro type as JSON.
        avro: String,
        /// The column's type.
        column: DataType,
    },
    /// A column was asked for that an Avro decimal would have to fill.
    #[error(
        "field {field:?} is Avro {avro}: a decimal, which no column holds without loss; leave the column out, or have the \
         field written as a double or a string"
    )]
    Decimal {
        /// The field's name.
        field: String,
        /// The Avro type as JSON.
        avro: String,
    },
    /// The column's type does not become the field's.
    #[error("column {column:?} of type {data_type} cannot be written as Avro {avro}")]
    Unwritable {
        /// The column's name.
        column: String,
        /// The column's type.
        data_type: DataType,
        /// The Avro type as JSON.
        avro: String,
    },
    /// No Avro type for a column.
    #[error("column {column:?} has type {data_type}, for which there is no Avro type here; cast it")]
    NoAvroType {
        /// The column's name.
        column: String,
        /// The column's type.
        data_type: DataType,
    },
    /// The default of a column does not fit its type.
    #[error("the default {default} of column {column:?} is no {data_type}")]
    BadDefault {
        /// The column's name.
        column: String,
        /// The default as JSON.
        default: String,
        /// The column's type.
        data_type: DataType,
    },
}

/// A record that is not what its schema says. The columns are as they were before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field {field:?}, at byte {byte}: {fault}")]
pub struct DecodeError {
    /// The field at which decoding stopped.
    pub field: String,
    /// Where its value starts in the record's Avro bytes (the five of the Confluent frame not counted).
    pub byte: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with the bytes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The value reaches past the record's end.
    #[error("the record ends within the value")]
    Truncated,
    /// Bytes are left after the last field.
    #[error("bytes are left after the last field")]
    Trailing,
    /// A variable-length integer of more than 64 bits.
    #[error("an integer is longer than 64 bits")]
    VarintTooLong,
    /// An `int` outside of 32 bits.
    #[error("an int does not fit 32 bits")]
    IntRange,
    /// A boolean that is neither 0 nor 1.
    #[error("a boolean is neither 0 nor 1")]
    Boolean,
    /// A length or count that is negative or more than the bytes that are left.
    #[error("a length is negative or more than what is left of the record")]
    Length,
    /// A union's branch, or an enum's symbol, that the schema does not have.
    #[error("the schema has no such union branch or enum symbol")]
    Branch,
    /// Text that is no UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// A null for a column that may not be null.
    #[error("a null for a column that may not be null")]
    UnexpectedNull,
    /// A union's value of a type that the column does not hold.
    #[error("the value's type in its union is not one that the column can hold")]
    Unreadable,
    /// A union's value that is a decimal.
    #[error("the value is a decimal, which no column holds without loss; have it written as a double or a string")]
    Decimal,
    /// More values than are shown to people.
    #[error("the record has too many values to be shown")]
    TooManyValues,
    /// The text of one column passed 2 GiB: finish the batch first.
    #[error("the texts of one batch passed 2 GiB")]
    BatchTooLarge,
}

/// A batch that cannot be written with the schema it was compiled for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A null in a field that is no union with null.
    #[error("column {column:?} is null in row {row}, but the Avro field may not be null")]
    UnexpectedNull {
        /// The column's name.
        column: String,
        /// Index of the first such row in the batch.
        row: usize,
    },
    /// The batch has other columns than the encoder was compiled for, or a value does not fit.
    #[error("column {column:?} cannot be written: {message}")]
    Column {
        /// The column's name.
        column: String,
        /// What does not fit.
        message: String,
    },
}

/// Bytes that are not in Confluent's wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// Less than the five bytes of the frame.
    #[error("the value has {0} bytes, but Avro in Confluent's format starts with 5: a zero and the schema's id")]
    TooShort(usize),
    /// The first byte is not 0.
    #[error("the value starts with byte {0:#04x}; Avro in Confluent's format starts with 0x00")]
    Magic(u8),
}
