//! Rows from JSON lines to columns and back, for comparing.
//!
//! Floats are rounded to 8 significant digits: sums of floats may differ in the last digits, integers may not.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::json::{LineDelimitedWriter, ReaderBuilder};
use hw_golden::canonical;

/// All rows of a file.
pub(crate) fn read(path: &Path, schema: &SchemaRef) -> Vec<RecordBatch> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    parse(&text, schema)
}

/// All rows of JSON lines.
pub(crate) fn parse(text: &str, schema: &SchemaRef) -> Vec<RecordBatch> {
    let reader = ReaderBuilder::new(schema.clone())
        .build(text.as_bytes())
        .expect("reader");
    reader.collect::<Result<_, _>>().expect("rows")
}

/// Sorted JSON lines with the names of `columns`, by position.
pub(crate) fn to_json<'a>(batches: impl Iterator<Item = &'a RecordBatch>, columns: &SchemaRef) -> Vec<String> {
    let mut bytes = Vec::new();
    let mut writer = LineDelimitedWriter::new(&mut bytes);
    for batch in batches {
        let fields = columns.fields().iter().zip(batch.columns());
        let fields: Vec<Field> = fields
            .map(|(field, array)| Field::new(field.name(), array.data_type().clone(), true))
            .collect();
        let renamed = RecordBatch::try_new(Arc::new(Schema::new(fields)), batch.columns().to_vec());
        writer.write(&renamed.expect("columns")).expect("json");
    }
    writer.finish().expect("json");
    drop(writer);
    let text = String::from_utf8(bytes).expect("text");
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| canonical(serde_json::from_str(line).expect("json")))
        .collect();
    lines.sort();
    lines
}
