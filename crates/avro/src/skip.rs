//! Passing over a value that no column asked for.
//!
//! It does not look into what it passes: text need not be UTF-8, an int may be wider than 32 bits. Neighbours of fixed
//! width become one step, and a value without width none: every step takes bytes, so that passing over a record costs no
//! more than its length, whatever its blocks say that they count.

use crate::reader::{Block, Reader};
use crate::{Fault, Type};

/// How one or several neighbouring values are passed over.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Skip {
    /// So many bytes.
    Fixed(usize),
    /// An int, a long or an enum.
    Varint,
    /// A length, then so many bytes.
    LengthPrefixed,
    /// One of these, by index.
    Union(Vec<Vec<Skip>>),
    /// Blocks of items.
    Blocks(Vec<Skip>),
}

impl Skip {
    /// The steps that pass over a value of type `avro`, added to `steps`.
    pub(crate) fn append(avro: &Type, steps: &mut Vec<Skip>) {
        match avro {
            Type::Null => {}
            Type::Boolean => append_fixed(1, steps),
            Type::Float => append_fixed(4, steps),
            Type::Double => append_fixed(8, steps),
            Type::Fixed { size, .. } => append_fixed(*size, steps),
            Type::Int | Type::Date | Type::TimeMillis | Type::Enum { .. } => steps.push(Skip::Varint),
            Type::Long | Type::TimestampMillis | Type::TimestampMicros | Type::TimestampNanos | Type::TimeMicros => {
                steps.push(Skip::Varint);
            }
            Type::Decimal { below, .. } => Skip::append(below, steps),
            Type::Bytes | Type::String => steps.push(Skip::LengthPrefixed),
            Type::Record(record) => record.fields.iter().for_each(|field| Skip::append(&field.avro, steps)),
            Type::Union(branches) => steps.push(Skip::Union(branches.iter().map(Skip::of).collect())),
            Type::Array(items) => steps.push(Skip::Blocks(Skip::of(items))),
            Type::Map(values) => {
                let mut entry = vec![Skip::LengthPrefixed];
                Skip::append(values, &mut entry);
                steps.push(Skip::Blocks(entry));
            }
        }
    }

    fn of(avro: &Type) -> Vec<Skip> {
        let mut steps = Vec::new();
        Skip::append(avro, &mut steps);
        steps
    }

    #[inline]
    pub(crate) fn run(&self, reader: &mut Reader<'_>) -> Result<(), Fault> {
        match self {
            Skip::Fixed(bytes) => reader.take(*bytes).map(drop),
            Skip::Varint => reader.long().map(drop),
            Skip::LengthPrefixed => reader.bytes().map(drop),
            Skip::Union(branches) => {
                let branch = reader.branch(branches.len())?;
                Skip::run_all(&branches[branch], reader)
            }
            Skip::Blocks(items) => Skip::run_blocks(items, reader),
        }
    }

    pub(crate) fn run_all(steps: &[Skip], reader: &mut Reader<'_>) -> Result<(), Fault> {
        steps.iter().try_for_each(|step| step.run(reader))
    }

    fn run_blocks(items: &[Skip], reader: &mut Reader<'_>) -> Result<(), Fault> {
        loop {
            match reader.block()? {
                Block::End => return Ok(()),
                Block::Items { bytes: Some(bytes), .. } => reader.take(bytes).map(drop)?,
                Block::Items { .. } if items.is_empty() => {}
                Block::Items { count, bytes: None } => {
                    for _ in 0..count {
                        Skip::run_all(items, reader)?;
                    }
                }
            }
        }
    }
}

fn append_fixed(bytes: usize, steps: &mut Vec<Skip>) {
    match steps.last_mut() {
        _ if bytes == 0 => {}
        Some(Skip::Fixed(before)) => *before = before.saturating_add(bytes),
        _ => steps.push(Skip::Fixed(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schema;

    #[test]
    fn neighbours_of_fixed_width_are_one_step() {
        let schema = Schema::parse(
            r#"{"type":"record","name":"r","fields":[
                {"name":"a","type":"double"},
                {"name":"b","type":{"type":"record","name":"n","fields":[{"name":"c","type":"float"},{"name":"d","type":"boolean"}]}},
                {"name":"e","type":"string"}]}"#,
        )
        .expect("valid");
        assert_eq!(
            Skip::of(&Type::Record(schema.record)),
            vec![Skip::Fixed(13), Skip::LengthPrefixed]
        );
    }
}
