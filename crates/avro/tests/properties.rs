//! Whatever is written is read back, and no bytes make the decoder panic or leave half a row.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use arrow::datatypes::Schema as ArrowSchema;
use hw_avro::{ColumnRequest, Columns, Decoder, Encoder, Schema, confluent, to_json};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

type Row = (bool, i32, i64, f32, f64, String, i64, Option<String>, Option<i64>);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let text = || ".{0,12}";
    let row = (
        any::<bool>(),
        any::<i32>(),
        any::<i64>(),
        any::<f32>(),
        any::<f64>(),
        text(),
        any::<i64>(),
    );
    vec(
        (row, option::of(text()), option::of(any::<i64>()))
            .prop_map(|((a, b, c, d, e, f, g), h, i)| (a, b, c, d, e, f, g, h, i)),
        1..20,
    )
}

fn batch(rows: &[Row]) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        (
            "a",
            Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(row.0)))),
            false,
        ),
        (
            "b",
            Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.1))),
            false,
        ),
        (
            "c",
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2))),
            false,
        ),
        (
            "d",
            Arc::new(Float32Array::from_iter_values(rows.iter().map(|row| row.3))),
            false,
        ),
        (
            "e",
            Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.4))),
            false,
        ),
        (
            "f",
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.5))),
            false,
        ),
        (
            "g",
            Arc::new(TimestampMillisecondArray::from_iter_values(
                rows.iter().map(|row| row.6),
            )),
            false,
        ),
        (
            "h",
            Arc::new(StringArray::from_iter(rows.iter().map(|row| row.7.as_ref()))),
            true,
        ),
        ("i", Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.8))), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).expect("same length")
}

fn requests(columns: &ArrowSchema) -> Vec<ColumnRequest> {
    let request = |field: &Arc<arrow::datatypes::Field>| {
        ColumnRequest::new(field.name(), field.data_type().clone(), field.is_nullable())
    };
    columns.fields().iter().map(request).collect()
}

fn encoded(batch: &RecordBatch) -> (Schema, Vec<Vec<u8>>) {
    let schema = Schema::for_record("r", None, &batch.schema(), |_| None).expect("known types");
    let encoder = Encoder::compile(&schema, &batch.schema()).expect("compiles");
    let bound = encoder.bind(batch.columns()).expect("fits");
    let records = (0..bound.rows()).map(|row| {
        let mut out = Vec::new();
        bound.encode(row, &mut out);
        out
    });
    (schema, records.collect())
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(rows in rows()) {
        let batch = batch(&rows);
        let (schema, records) = encoded(&batch);
        let requests = requests(&batch.schema());
        let decoder = Decoder::compile(&schema, &requests).expect("compiles");
        let mut columns = Columns::new(&requests).expect("types");
        for record in &records {
            decoder.decode(record, &mut columns).expect("valid");
            to_json(&schema, record).expect("valid");
        }
        // Debug text tells NaN from NaN no more than bits would, and -0.0 from 0.0.
        prop_assert_eq!(format!("{:?}", columns.finish()), format!("{:?}", batch.columns()));
    }

    #[test]
    fn any_subset_of_columns_in_any_order_is_decoded_alike(
        rows in rows(),
        chosen in Just((0..9).collect::<Vec<usize>>()).prop_shuffle(),
        count in 0..9usize,
    ) {
        let batch = batch(&rows);
        let (schema, records) = encoded(&batch);
        let chosen = &chosen[..count];
        let projected = batch.project(chosen).expect("indices in range");
        let requests = requests(&projected.schema());
        let decoder = Decoder::compile(&schema, &requests).expect("compiles");
        let mut columns = Columns::new(&requests).expect("types");
        for record in &records {
            decoder.decode(record, &mut columns).expect("valid");
        }
        prop_assert_eq!(columns.len(), rows.len());
        prop_assert_eq!(format!("{:?}", columns.finish()), format!("{:?}", projected.columns()));
    }

    #[test]
    fn damaged_records_never_panic_and_never_leave_half_a_row(
        rows in rows(),
        damage in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let batch = batch(&rows);
        let (schema, mut records) = encoded(&batch);
        for (record, byte, value) in damage {
            let at = record.index(records.len());
            let byte = byte.index(records[at].len());
            records[at][byte] = value;
        }
        let at = cut.index(records.len());
        let length = cut.index(records[at].len());
        records[at].truncate(length);
        let requests = requests(&batch.schema());
        let decoder = Decoder::compile(&schema, &requests).expect("compiles");
        let mut columns = Columns::new(&requests).expect("types");
        let mut good = Columns::new(&requests).expect("types");
        for record in &records {
            let before = columns.len();
            let decoded = decoder.decode(record, &mut columns);
            prop_assert_eq!(columns.len(), before + usize::from(decoded.is_ok()));
            prop_assert_eq!(to_json(&schema, record).is_ok(), decoded.is_ok());
            // The same rows without the bad ones in between give the same columns.
            if decoded.is_ok() {
                decoder.decode(record, &mut good).expect("as before");
            }
        }
        prop_assert_eq!(format!("{:?}", columns.finish()), format!("{:?}", good.finish()));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        let schema = Schema::parse(r#"{"type":"record","name":"r","fields":[
            {"name":"m","type":{"type":"map","values":{"type":"array","items":["null","string",{"type":"fixed","name":"x","size":3}]}}},
            {"name":"e","type":{"type":"enum","name":"k","symbols":["A","B"]}},
            {"name":"t","type":["null","string"]}]}"#).expect("valid");
        let requests = [
            ColumnRequest::new("t", arrow::datatypes::DataType::Utf8, true),
            ColumnRequest::new("e", arrow::datatypes::DataType::Utf8, false),
        ];
        let decoder = Decoder::compile(&schema, &requests).expect("compiles");
        let mut columns = Columns::new(&requests).expect("types");
        let decoded = decoder.decode(&bytes, &mut columns);
        prop_assert_eq!(columns.finish()[0].len(), usize::from(decoded.is_ok()));
        to_json(&schema, &bytes).ok();
        confluent::split(&bytes).ok();
    }

    #[test]
    fn any_text_is_a_schema_or_refused(text in r#"[\[\]{}":,a-z ]{0,80}"#) {
        Schema::parse(&text).ok();
    }
}
