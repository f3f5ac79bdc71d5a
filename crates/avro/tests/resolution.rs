//! Records of writers' schemas that differ from the columns: what another implementation of Avro reads from them.
//!
//! `vectors/generate.py` says how the vectors were made. Rules of this project's own are in `evolution.rs`.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMillisecondType};
use hw_avro::{ColumnRequest, Columns, Decoder, Schema, to_json};
use serde_json::{Value, json};

const VECTORS: &str = include_str!("vectors/resolution.jsonl");

fn data_type(name: &str) -> DataType {
    match name {
        "boolean" => DataType::Boolean,
        "int" => DataType::Int32,
        "long" => DataType::Int64,
        "float" => DataType::Float32,
        "double" => DataType::Float64,
        "text" => DataType::Utf8,
        "timestamp" => DataType::Timestamp(TimeUnit::Millisecond, None),
        other => panic!("no type of a column: {other}"),
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

fn request(column: &Value) -> ColumnRequest {
    let name = text(&column["name"]);
    let aliases = column["aliases"].as_array().into_iter().flatten();
    ColumnRequest {
        default: column.get("default").cloned(),
        aliases: aliases.map(text).collect(),
        ..ColumnRequest::new(
            name,
            data_type(&text(&column["type"])),
            column["nullable"] == json!(true),
        )
    }
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits = hexadecimal.as_bytes().chunks(2);
    digits
        .map(|two| u8::from_str_radix(str::from_utf8(two).expect("digits"), 16).expect("digits"))
        .collect()
}

fn double(bits: &Value) -> f64 {
    f64::from_bits(u64::from_str_radix(&text(bits), 16).expect("digits"))
}

fn is_same(array: &ArrayRef, row: usize, expected: &Value) -> bool {
    if array.is_null(row) || expected.is_null() {
        return array.is_null(row) && expected.is_null();
    }
    match array.data_type() {
        DataType::Boolean => Some(array.as_boolean().value(row)) == expected.as_bool(),
        DataType::Int32 => Some(i64::from(array.as_primitive::<Int32Type>().value(row))) == expected.as_i64(),
        DataType::Int64 => Some(array.as_primitive::<Int64Type>().value(row)) == expected.as_i64(),
        DataType::Float32 => {
            array.as_primitive::<Float32Type>().value(row).to_bits() == (double(expected) as f32).to_bits()
        }
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).to_bits() == double(expected).to_bits(),
        DataType::Utf8 => Some(array.as_string::<i32>().value(row)) == expected.as_str(),
        _ => Some(array.as_primitive::<TimestampMillisecondType>().value(row)) == expected.as_i64(),
    }
}

/// Decodes all records of a case into one batch: what is refused in between must leave nothing behind.
fn check(case: &Value) {
    let name = text(&case["case"]);
    let schema = Schema::parse(&case["writer"].to_string()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let columns = case["columns"].as_array().expect("columns");
    let requests: Vec<ColumnRequest> = columns.iter().map(request).collect();
    let records = case["records"].as_array().expect("records");
    let decoder = Decoder::compile(&schema, &requests);
    let mut rows = Columns::new(&requests).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut expected = Vec::new();
    for record in records {
        let avro = bytes(&text(&record["avro"]));
        let decoded = match &decoder {
            Ok(decoder) => decoder.decode(&avro, &mut rows).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        assert_eq!(
            decoded.is_ok(),
            !record["row"].is_null(),
            "{name}: {avro:?}: {decoded:?}"
        );
        if decoded.is_ok() {
            expected.push(record["row"].as_array().expect("a row"));
        }
        to_json(&schema, &avro).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let arrays = rows.finish();
    for (row, expected) in expected.into_iter().enumerate() {
        for (array, expected) in arrays.iter().zip(expected) {
            assert!(
                is_same(array, row, expected),
                "{name}: row {row}: {array:?} is not {expected}"
            );
        }
    }
}

#[test]
fn records_are_read_as_another_implementation_reads_them() {
    let mut cases = 0;
    for line in VECTORS.lines() {
        check(&serde_json::from_str(line).expect("a case a line"));
        cases += 1;
    }
    assert!(cases > 200, "{cases} cases");
}

#[test]
fn every_schema_keeps_its_meaning_through_its_text() {
    for line in VECTORS.lines() {
        let case: Value = serde_json::from_str(line).expect("a case a line");
        let schema = Schema::parse(&case["writer"].to_string()).expect("valid");
        assert_eq!(
            Schema::parse(&schema.to_json()).expect("valid"),
            schema,
            "{}",
            case["case"]
        );
    }
}

/// Bytes that are cut or changed are a row or an error, and passing over fields costs no more than their bytes.
#[test]
fn damaged_records_are_refused_or_read_and_nothing_else() {
    for line in VECTORS.lines() {
        let case: Value = serde_json::from_str(line).expect("a case a line");
        let schema = Schema::parse(&case["writer"].to_string()).expect("valid");
        let requests: Vec<_> = case["columns"]
            .as_array()
            .expect("columns")
            .iter()
            .map(request)
            .collect();
        let Ok(decoder) = Decoder::compile(&schema, &requests) else {
            continue;
        };
        let mut rows = Columns::new(&requests).expect("types");
        for record in case["records"].as_array().expect("records") {
            let avro = bytes(&text(&record["avro"]));
            for at in 0..avro.len() {
                decoder
                    .decode(&avro[..at], &mut rows)
                    .expect_err("a part of a record is none");
                for change in [1, 0x7f, 0x80, 0xff] {
                    let mut changed = avro.clone();
                    changed[at] ^= change;
                    let before = rows.len();
                    let decoded = decoder.decode(&changed, &mut rows);
                    assert_eq!(rows.len(), before + usize::from(decoded.is_ok()));
                    to_json(&schema, &changed).ok();
                }
            }
        }
        rows.finish();
    }
}
