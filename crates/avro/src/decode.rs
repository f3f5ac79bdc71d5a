//! The compiled decoder: a flat list of operations, run once for every record.
//!
//! It does not frame records, look schemas up or read container files. Constraints: the list has one operation for every
//! wanted value and one for every run of unwanted ones; two doubles side by side share one bounds check; nothing is
//! allocated but the growth of the columns. The rejected alternative, code made for one schema, gained 1 to 3 ns of 16.

use std::sync::Arc;

use crate::columns::{ColumnRequest, Columns};
use crate::compile;
use crate::reader::Reader;
use crate::skip::Skip;
use crate::{DecodeError, Fault, Schema, SchemaError};

/// Turns records of one writer's schema into rows of the wanted columns.
#[derive(Debug, Clone)]
pub struct Decoder {
    steps: Vec<Step>,
    /// For every step, the (first) field it reads; for messages.
    fields: Vec<String>,
}

/// One operation. `to` is the index among the columns of the value's own kind, `column` among all.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Boolean {
        to: usize,
    },
    Int {
        to: usize,
    },
    Long {
        to: usize,
    },
    LongOfInt {
        to: usize,
    },
    /// A time in parts of a millisecond to milliseconds, rounded down.
    LongOfParts {
        to: usize,
        /// How many parts a millisecond has.
        parts: i64,
    },
    /// Days to milliseconds.
    LongOfDays {
        to: usize,
    },
    Float {
        to: usize,
    },
    FloatOfInt {
        to: usize,
    },
    FloatOfLong {
        to: usize,
    },
    Double {
        to: usize,
    },
    TwoDoubles {
        first: usize,
        second: usize,
    },
    DoubleOfFloat {
        to: usize,
    },
    DoubleOfInt {
        to: usize,
    },
    DoubleOfLong {
        to: usize,
    },
    Text {
        to: usize,
    },
    TextOfSymbol {
        to: usize,
        symbols: Arc<[String]>,
    },
    /// A union with null: `value` unless the branch is `null`.
    Nullable {
        null: usize,
        on_null: OnNull,
        value: Box<Step>,
    },
    /// Any other union: for every branch how it is read, or why a record with it is refused.
    Union(Box<[Result<Step, Fault>]>),
    /// A field that is always null, or is not there.
    Null {
        column: usize,
    },
    /// A field that is not there.
    Default(Default),
    SkipFixed {
        bytes: usize,
    },
    SkipVarint,
    /// A union of null and an integer, such as a zip code that may be missing.
    SkipOptionalVarint {
        null: usize,
    },
    SkipLengthPrefixed,
    SkipNested(Skip),
}

/// The value of a field that is not there.
#[derive(Debug, Clone)]
pub(crate) enum Default {
    Boolean { to: usize, value: bool },
    Int { to: usize, value: i32 },
    Long { to: usize, value: i64 },
    Float { to: usize, value: f32 },
    Double { to: usize, value: f64 },
    Text { to: usize, value: String },
}

/// What a null in the record means to the column.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OnNull {
    Push { column: usize },
    Refuse,
}

impl Decoder {
    /// Compiles the way from records written with `writer` to `columns`, matched by name, by the rules that Avro has for
    /// schemas that differ.
    ///
    /// Fields that nobody asks for are skipped, whatever they are. A column takes the field of its own name, else the first
    /// of its aliases that is a field, else its default, else null. Numbers are widened (int to long to float to double),
    /// and bytes are text if they are UTF-8. Beyond Avro's rules, enums become text; a column of timestamps takes times of
    /// every unit (rounded down), dates, and plain longs as milliseconds; and the record's own name means nothing.
    ///
    /// What depends on the value fails when a record comes, not here: a null for a column that may not be null, because
    /// most writers declare unions with null that never hold one, and a union's branch that the column does not hold.
    pub fn compile(writer: &Schema, columns: &[ColumnRequest]) -> Result<Decoder, SchemaError> {
        let (steps, fields) = compile::steps(writer, columns)?;
        Ok(Decoder { steps, fields })
    }

    /// Appends the record as one row. On an error the columns are as they were before.
    ///
    /// `columns` must be made from the requests that the decoder was compiled with.
    pub fn decode(&self, avro: &[u8], columns: &mut Columns) -> Result<(), DecodeError> {
        let mut reader = Reader::new(avro);
        for (at, step) in self.steps.iter().enumerate() {
            match step.run(reader, columns) {
                Ok(after) => reader = after,
                Err(fault) => return Err(self.fail(at, avro.len() - reader.left(), fault, columns)),
            }
        }
        if reader.left() > 0 {
            return Err(self.fail(self.steps.len(), avro.len() - reader.left(), Fault::Trailing, columns));
        }
        columns.commit();
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn fail(&self, step: usize, byte: usize, fault: Fault, columns: &mut Columns) -> DecodeError {
        columns.roll_back();
        let last = self.fields.len().saturating_sub(1);
        let field = self.fields.get(step.min(last)).cloned().unwrap_or_default();
        DecodeError { field, byte, fault }
    }
}

impl Step {
    /// The operations that readings need; the others apart, so that this loop stays small and its cursor in registers.
    #[inline(always)]
    fn run<'a>(&self, mut reader: Reader<'a>, columns: &mut Columns) -> Result<Reader<'a>, Fault> {
        match self {
            Step::Int { to } => columns.ints[*to].push(reader.int()?),
            Step::Long { to } => columns.longs[*to].push(reader.long()?),
            Step::Double { to } => columns.doubles[*to].push(f64::from_le_bytes(*reader.fixed()?)),
            Step::TwoDoubles { first, second } => {
                let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *reader.fixed::<16>()?;
                columns.doubles[*first].push(f64::from_le_bytes([a, b, c, d, e, f, g, h]));
                columns.doubles[*second].push(f64::from_le_bytes([i, j, k, l, m, n, o, p]));
            }
            Step::Text { to } => columns.texts[*to].push(reader.text()?)?,
            Step::SkipLengthPrefixed => drop(reader.bytes()?),
            Step::SkipVarint => drop(reader.long()?),
            Step::SkipOptionalVarint { null } => {
                if reader.branch(2)? != *null {
                    reader.long()?;
                }
            }
            Step::SkipFixed { bytes } => drop(reader.take(*bytes)?),
            other => return other.run_apart(reader, columns),
        }
        Ok(reader)
    }

    #[inline(never)]
    fn run_apart<'a>(&self, mut reader: Reader<'a>, columns: &mut Columns) -> Result<Reader<'a>, Fault> {
        match self {
            Step::Boolean { to } => columns.booleans[*to].push(reader.boolean()?),
            Step::LongOfInt { to } => columns.longs[*to].push(i64::from(reader.int()?)),
            Step::LongOfParts { to, parts } => columns.longs[*to].push(reader.long()?.div_euclid(*parts)),
            Step::LongOfDays { to } => columns.longs[*to].push(i64::from(reader.int()?) * 86_400_000),
            Step::Float { to } => columns.floats[*to].push(f32::from_le_bytes(*reader.fixed()?)),
            Step::FloatOfInt { to } => columns.floats[*to].push(reader.int()? as f32),
            Step::FloatOfLong { to } => columns.floats[*to].push(reader.long()? as f32),
            Step::DoubleOfFloat { to } => columns.doubles[*to].push(f64::from(f32::from_le_bytes(*reader.fixed()?))),
            Step::DoubleOfInt { to } => columns.doubles[*to].push(f64::from(reader.int()?)),
            Step::DoubleOfLong { to } => columns.doubles[*to].push(reader.long()? as f64),
            Step::TextOfSymbol { to, symbols } => {
                columns.texts[*to].push(&symbols[reader.branch(symbols.len())?])?;
            }
            Step::Nullable { null, on_null, value } => {
                if reader.branch(2)? != *null {
                    return value.run(reader, columns);
                }
                match on_null {
                    OnNull::Push { column } => columns.push_null(*column)?,
                    OnNull::Refuse => return Err(Fault::UnexpectedNull),
                }
            }
            Step::Union(branches) => {
                let branch = reader.branch(branches.len())?;
                return branches[branch].as_ref().map_err(|fault| *fault)?.run(reader, columns);
            }
            Step::Null { column } => columns.push_null(*column)?,
            Step::Default(default) => default.push(columns)?,
            Step::SkipNested(skip) => skip.run(&mut reader)?,
            other => return other.run(reader, columns),
        }
        Ok(reader)
    }
}

impl Default {
    fn push(&self, columns: &mut Columns) -> Result<(), Fault> {
        match self {
            Default::Boolean { to, value } => columns.booleans[*to].push(*value),
            Default::Int { to, value } => columns.ints[*to].push(*value),
            Default::Long { to, value } => columns.longs[*to].push(*value),
            Default::Float { to, value } => columns.floats[*to].push(*value),
            Default::Double { to, value } => columns.doubles[*to].push(*value),
            Default::Text { to, value } => return columns.texts[*to].push(value),
        }
        Ok(())
    }
}
