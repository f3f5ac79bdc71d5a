//! Bytes written down by hand from Avro's specification, read and written.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type, Schema as ArrowSchema};
use expect_test::expect;
use hw_avro::{ColumnRequest, Columns, DecodeError, Decoder, Encoder, Fault, Schema, shipped, to_json};

/// user_id "17", zipcode 10001, latitude 40.5, longitude -74.25, heart_rate 88.
const READING: &[u8] = &[
    4, b'1', b'7', // two bytes of text
    2,    // the second branch of null and int
    0xa2, 0x9c, 0x01, // 20002 = 2 x 10001 in groups of seven bits
    0, 0, 0, 0, 0, 0x40, 0x44, 0x40, // 40.5
    0, 0, 0, 0, 0, 0x90, 0x52, 0xc0, // -74.25
    0xb0, 0x01, // 176 = 2 x 88
];

fn reading_schema() -> Schema {
    Schema::parse(shipped::READING).expect("shipped")
}

fn reading_columns() -> Vec<ColumnRequest> {
    vec![
        ColumnRequest::new("heart_rate", DataType::Int32, false),
        ColumnRequest::new("user_id", DataType::Utf8, false),
        ColumnRequest::new("longitude", DataType::Float64, false),
        ColumnRequest::new("latitude", DataType::Float64, false),
        ColumnRequest::new("zipcode", DataType::Int32, true),
    ]
}

#[test]
fn reading_is_decoded_into_columns_in_the_order_asked_for() {
    let requests = reading_columns();
    let decoder = Decoder::compile(&reading_schema(), &requests).expect("compiles");
    let mut columns = Columns::new(&requests).expect("types");
    decoder.decode(READING, &mut columns).expect("valid");
    decoder.decode(READING, &mut columns).expect("valid");
    assert_eq!(columns.len(), 2);
    let arrays = columns.finish();
    assert_eq!(arrays[0].as_primitive::<Int32Type>().values(), &[88, 88]);
    assert_eq!(arrays[1].as_string::<i32>().value(1), "17");
    assert_eq!(arrays[2].as_primitive::<Float64Type>().values(), &[-74.25, -74.25]);
    assert_eq!(arrays[3].as_primitive::<Float64Type>().values(), &[40.5, 40.5]);
    assert_eq!(arrays[4].as_primitive::<Int32Type>().values(), &[10_001, 10_001]);
    assert!(columns.is_empty(), "finish starts anew");
    assert_eq!(columns.finish()[1].len(), 0);
}

#[test]
fn reading_is_encoded_to_the_same_bytes() {
    let fields = vec![
        Field::new("heart_rate", DataType::Int32, false),
        Field::new("user_id", DataType::Utf8, false),
        Field::new("not_in_the_schema", DataType::Int32, false),
        Field::new("latitude", DataType::Float64, false),
        Field::new("longitude", DataType::Float64, false),
        Field::new("zipcode", DataType::Int32, false),
    ];
    let arrow = ArrowSchema::new(fields);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![88])),
        Arc::new(StringArray::from(vec!["17"])),
        Arc::new(Int32Array::from(vec![1])),
        Arc::new(Float64Array::from(vec![40.5])),
        Arc::new(Float64Array::from(vec![-74.25])),
        Arc::new(Int32Array::from(vec![10_001])),
    ];
    let batch = RecordBatch::try_new(Arc::new(arrow.clone()), columns).expect("one row");
    let encoder = Encoder::compile(&reading_schema(), &arrow).expect("compiles");
    let mut out = vec![9];
    encoder.bind(batch.columns()).expect("no nulls").encode(0, &mut out);
    assert_eq!(out[1..], *READING);
}

#[test]
fn reading_as_json() {
    let json = to_json(&reading_schema(), READING).expect("valid");
    let mut lines: Vec<_> = json
        .as_object()
        .expect("an object")
        .iter()
        .map(|(k, v)| format!("{k}={v}\n"))
        .collect();
    lines.sort();
    expect![[r#"
        heart_rate=88
        latitude=40.5
        longitude=-74.25
        user_id="17"
        zipcode=10001
    "#]]
    .assert_eq(&lines.concat());
}

#[test]
fn every_prefix_and_a_longer_record_leave_no_half_row() {
    let requests = reading_columns();
    let decoder = Decoder::compile(&reading_schema(), &requests).expect("compiles");
    let mut columns = Columns::new(&requests).expect("types");
    decoder.decode(READING, &mut columns).expect("valid");
    for end in 0..READING.len() {
        decoder.decode(&READING[..end], &mut columns).expect_err("a prefix");
        to_json(&reading_schema(), &READING[..end]).expect_err("a prefix");
    }
    let longer = [READING, &[0]].concat();
    let trailing = DecodeError {
        field: "heart_rate".to_owned(),
        byte: READING.len(),
        fault: Fault::Trailing,
    };
    assert_eq!(decoder.decode(&longer, &mut columns), Err(trailing.clone()));
    assert_eq!(to_json(&reading_schema(), &longer), Err(trailing));
    decoder.decode(READING, &mut columns).expect("valid");
    let arrays = columns.finish();
    assert!(arrays.iter().all(|array| array.len() == 2 && array.null_count() == 0));
    assert_eq!(arrays[1].as_string::<i32>().value(1), "17");
}

#[test]
fn an_error_names_the_field_the_byte_and_the_fault() {
    let requests = [ColumnRequest::new("heart_rate", DataType::Int32, false)];
    let decoder = Decoder::compile(&reading_schema(), &requests).expect("compiles");
    let mut columns = Columns::new(&requests).expect("types");
    let error = decoder.decode(&READING[..23], &mut columns).expect_err("cut");
    expect![[r#"field "heart_rate", at byte 23: the record ends within the value"#]].assert_eq(&error.to_string());
}
