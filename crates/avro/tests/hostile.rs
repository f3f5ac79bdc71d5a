//! Records that were made to cost much: blocks that count what is not there, and values without width.
//!
//! Each would take hours or all memory if its counts were believed.

use arrow::datatypes::DataType;
use hw_avro::{ColumnRequest, Columns, Decoder, Fault, Schema, to_json};

/// As large as a record may be by Kafka's default.
const RECORD_BYTES: usize = 1_000_000;

fn schema(avro: &str) -> Schema {
    Schema::parse(&format!(
        r#"{{"type":"record","name":"r","fields":[{{"name":"list","type":{avro}}},{{"name":"last","type":"boolean"}}]}}"#
    ))
    .expect("valid")
}

fn decode(schema: &Schema, avro: &[u8]) -> Result<(), Fault> {
    let requests = [ColumnRequest::new("last", DataType::Boolean, false)];
    let mut columns = Columns::new(&requests).expect("types");
    let decoder = Decoder::compile(schema, &requests).expect("compiles");
    decoder.decode(avro, &mut columns).map_err(|error| error.fault)
}

fn long(value: i64) -> Vec<u8> {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    let mut out = Vec::new();
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out
}

/// As many blocks as a record holds, each of `count` items of no bytes; then the end, and the last field.
fn empty_blocks(count: i64) -> Vec<u8> {
    let block = long(count);
    let mut avro = block.repeat(RECORD_BYTES / block.len());
    avro.extend([0, 1]);
    avro
}

#[test]
fn items_without_width_are_passed_over_at_once() {
    for items in [
        r#""null""#,
        r#"{"type":"fixed","name":"f","size":0}"#,
        r#"{"type":"record","name":"e","fields":[{"name":"n","type":"null"}]}"#,
    ] {
        let schema = schema(&format!(r#"{{"type":"array","items":{items}}}"#));
        for count in [1_000_000, i64::MAX] {
            let avro = empty_blocks(count);
            assert_eq!(decode(&schema, &avro), Ok(()), "{items}");
            let error = to_json(&schema, &avro).expect_err("nobody reads so many");
            assert_eq!(error.fault, Fault::TooManyValues);
        }
        let few = [&long(3)[..], &[0, 1]].concat();
        assert_eq!(decode(&schema, &few), Ok(()));
        to_json(&schema, &few).expect("three items");
    }
}

#[test]
fn a_count_of_items_with_width_ends_where_the_record_ends() {
    let nested = r#"{"type":"array","items":{"type":"array","items":"null"}}"#;
    for avro in [
        r#"{"type":"array","items":"int"}"#,
        r#"{"type":"map","values":"null"}"#,
        nested,
    ] {
        let schema = schema(avro);
        for count in [i64::MAX, i64::MIN + 1, i64::MIN] {
            let mut record = long(count);
            if count < 0 {
                record.extend(long(i64::MAX));
            }
            decode(&schema, &record).expect_err("nothing follows");
            record.resize(RECORD_BYTES, 0);
            decode(&schema, &record).expect_err("not so many follow");
            to_json(&schema, &record).expect_err("not so many follow");
        }
    }
}

#[test]
fn lengths_past_the_end_are_refused() {
    for (avro, bytes) in [
        (r#""string""#, long(i64::MAX)),
        (r#""bytes""#, long(-1)),
        (
            r#"{"type":"fixed","name":"f","size":1000000000}"#,
            vec![0; RECORD_BYTES],
        ),
        (r#"["null","string"]"#, [long(1), long(i64::MAX)].concat()),
        (r#"["null","string"]"#, long(i64::MAX)),
        (
            r#"{"type":"array","items":"string"}"#,
            [long(1), long(i64::MIN)].concat(),
        ),
    ] {
        let schema = schema(avro);
        decode(&schema, &bytes).expect_err("hostile");
        to_json(&schema, &bytes).expect_err("hostile");
    }
}
