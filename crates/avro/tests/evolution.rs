//! Writers and readers that disagree: other orders, types, defaults, nulls, and fields that nobody asked for.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMillisecondType};
use expect_test::expect;
use hw_avro::{ColumnRequest, Columns, Decoder, Fault, Schema, to_json};
use serde_json::json;

const TIME: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

fn schema(fields: &str) -> Schema {
    Schema::parse(&format!(r#"{{"type":"record","name":"r","fields":{fields}}}"#)).expect("valid")
}

fn decode(fields: &str, avro: &[u8], requests: &[ColumnRequest]) -> Vec<ArrayRef> {
    let decoder = Decoder::compile(&schema(fields), requests).expect("compiles");
    let mut columns = Columns::new(requests).expect("types");
    decoder.decode(avro, &mut columns).expect("valid");
    columns.finish()
}

fn refused(fields: &str, request: ColumnRequest) -> String {
    Decoder::compile(&schema(fields), &[request])
        .expect_err("cannot be compiled")
        .to_string()
}

#[test]
fn numbers_are_widened() {
    let fields = r#"[{"name":"a","type":"int"},{"name":"b","type":"int"},{"name":"c","type":"long"},
        {"name":"d","type":"float"},{"name":"e","type":"int"}]"#;
    let requests = [
        ColumnRequest::new("a", DataType::Int64, false),
        ColumnRequest::new("b", DataType::Float32, false),
        ColumnRequest::new("c", DataType::Float64, false),
        ColumnRequest::new("d", DataType::Float64, false),
        ColumnRequest::new("e", DataType::Float64, false),
    ];
    let arrays = decode(fields, &[3, 4, 5, 0, 0, 0x20, 0x40, 6], &requests);
    assert_eq!(arrays[0].as_primitive::<Int64Type>().value(0), -2);
    assert_eq!(arrays[1].as_primitive::<Float32Type>().value(0), 2.0);
    assert_eq!(arrays[2].as_primitive::<Float64Type>().value(0), -3.0);
    assert_eq!(arrays[3].as_primitive::<Float64Type>().value(0), 2.5);
    assert_eq!(arrays[4].as_primitive::<Float64Type>().value(0), 3.0);
}

#[test]
fn times_become_milliseconds_rounded_down() {
    let fields = r#"[{"name":"a","type":{"type":"long","logicalType":"timestamp-millis"}},
        {"name":"b","type":{"type":"long","logicalType":"timestamp-micros"}},
        {"name":"c","type":{"type":"int","logicalType":"date"}},{"name":"d","type":"long"}]"#;
    let requests = ["a", "b", "c", "d"].map(|name| ColumnRequest::new(name, TIME, false));
    let arrays = decode(fields, &[2, 1, 4, 9], &requests);
    let values: Vec<_> = arrays
        .iter()
        .map(|one| one.as_primitive::<TimestampMillisecondType>().value(0))
        .collect();
    assert_eq!(values, [1, -1, 172_800_000, -5]);
}

#[test]
fn missing_fields_take_their_default_or_null() {
    let with_default = |name: &str, data_type, default| ColumnRequest {
        default: Some(default),
        ..ColumnRequest::new(name, data_type, false)
    };
    let requests = [
        ColumnRequest::new("absent", DataType::Utf8, true),
        with_default("text", DataType::Utf8, json!("x")),
        with_default("number", DataType::Float64, json!(1)),
        with_default("flag", DataType::Boolean, json!(true)),
        ColumnRequest::new("here", DataType::Int64, true),
    ];
    let arrays = decode(r#"[{"name":"here","type":"int"}]"#, &[2], &requests);
    assert!(arrays[0].is_null(0));
    assert_eq!(arrays[1].as_string::<i32>().value(0), "x");
    assert_eq!(arrays[2].as_primitive::<Float64Type>().value(0), 1.0);
    assert!(arrays[3].as_boolean().value(0));
    assert_eq!(arrays[4].as_primitive::<Int64Type>().value(0), 1);
    assert_eq!(arrays[4].null_count(), 0);
}

#[test]
fn unions_with_null_on_either_side() {
    let fields = r#"[{"name":"a","type":["null","string"]},{"name":"b","type":["long","null"]}]"#;
    let requests = [
        ColumnRequest::new("a", DataType::Utf8, true),
        ColumnRequest::new("b", DataType::Int64, true),
    ];
    let decoder = Decoder::compile(&schema(fields), &requests).expect("compiles");
    let mut columns = Columns::new(&requests).expect("types");
    for avro in [&[0, 0, 2][..], &[2, 2, b'x', 2], &[0, 2], &[2, 2, b'y', 0, 4]] {
        decoder.decode(avro, &mut columns).expect("valid");
    }
    // The null of the first column must go with the row.
    assert_eq!(
        decoder.decode(&[0, 4], &mut columns).expect_err("no such branch").fault,
        Fault::Branch
    );
    decoder.decode(&[2, 0, 0, 6], &mut columns).expect("valid");
    let arrays = columns.finish();
    let texts: Vec<_> = arrays[0].as_string::<i32>().iter().collect();
    assert_eq!(texts, [None, Some("x"), None, Some("y"), Some("")]);
    let numbers: Vec<_> = arrays[1].as_primitive::<Int64Type>().iter().collect();
    assert_eq!(numbers, [Some(1), None, None, Some(2), Some(3)]);
    decoder.decode(&[2, 0, 0, 6], &mut columns).expect("valid");
    assert_eq!(columns.finish()[0].null_count(), 0, "nulls do not outlive their batch");
}

#[test]
fn a_null_for_a_column_that_may_not_be_null_is_an_error_of_the_record() {
    let request = [ColumnRequest::new("a", DataType::Int64, false)];
    let decoder = Decoder::compile(&schema(r#"[{"name":"a","type":["null","long"]}]"#), &request).expect("compiles");
    let mut columns = Columns::new(&request).expect("types");
    assert_eq!(
        decoder.decode(&[0], &mut columns).expect_err("null").fault,
        Fault::UnexpectedNull
    );
    decoder.decode(&[2, 2], &mut columns).expect("valid");
    assert_eq!(columns.len(), 1);
}

#[test]
fn nested_values_are_skipped() {
    let fields = r#"[
        {"name":"tags","type":{"type":"map","values":["null","int"]}},
        {"name":"list","type":{"type":"array","items":{"type":"record","name":"n","fields":[
            {"name":"x","type":"double"},{"name":"y","type":"string"}]}}},
        {"name":"one","type":["null","n",{"type":"enum","name":"e","symbols":["A","B"]}]},
        {"name":"hash","type":{"type":"fixed","name":"h","size":2}},
        {"name":"last","type":"e"}]"#;
    let avro = [
        &[2, 2, b'k', 2, 8, 0][..],             // one entry, then the end
        &[1, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // a block of one item that says its nine bytes, then the end
        &[2, 0, 0, 0, 0, 0, 0, 0, 0, 2, b'z'],  // second branch
        &[7, 7, 2],
    ]
    .concat();
    let arrays = decode(fields, &avro, &[ColumnRequest::new("last", DataType::Utf8, false)]);
    assert_eq!(arrays[0].as_string::<i32>().value(0), "B");
    let expected = json!({"tags": {"k": 4}, "list": [{"x": 0.0, "y": ""}], "one": {"x": 0.0, "y": "z"},
        "hash": "\u{7}\u{7}", "last": "B"});
    assert_eq!(to_json(&schema(fields), &avro).expect("valid"), expected);
}

#[test]
fn times_of_every_unit_are_times_and_times_of_day_are_none() {
    let long = |logical: &str| format!(r#"[{{"name":"a","type":{{"type":"long","logicalType":"{logical}"}}}}]"#);
    let nanos = decode(
        &long("timestamp-nanos"),
        &[0x81, 0x89, 0x7a],
        &[ColumnRequest::new("a", TIME, false)],
    );
    assert_eq!(
        nanos[0].as_primitive::<TimestampMillisecondType>().value(0),
        -2,
        "-1,000,000 ns and one more"
    );
    expect![[r#"field "a" is Avro {"type":"long","logicalType":"time-micros"}, which cannot be read as a column of type Timestamp(ms)"#]]
        .assert_eq(&refused(&long("time-micros"), ColumnRequest::new("a", TIME, false)));
    let raw = decode(
        &long("time-micros"),
        &[4],
        &[ColumnRequest::new("a", DataType::Int64, false)],
    );
    assert_eq!(raw[0].as_primitive::<Int64Type>().value(0), 2);
}

#[test]
fn enums_are_text_also_as_branches() {
    let fields =
        r#"[{"name":"a","type":["null",{"type":"enum","name":"e","symbols":["A","B"],"default":"A"},"string","int"]}]"#;
    let requests = [ColumnRequest::new("a", DataType::Utf8, true)];
    let decoder = Decoder::compile(&schema(fields), &requests).expect("compiles");
    let mut columns = Columns::new(&requests).expect("types");
    for avro in [&[2, 2][..], &[4, 2, b'x'], &[0]] {
        decoder.decode(avro, &mut columns).expect("text or null");
    }
    for (avro, fault) in [
        (&[6, 2][..], Fault::Unreadable),
        (&[2, 4], Fault::Branch),
        (&[8], Fault::Branch),
    ] {
        assert_eq!(decoder.decode(avro, &mut columns).expect_err("no text").fault, fault);
    }
    let arrays = columns.finish();
    let texts: Vec<_> = arrays[0].as_string::<i32>().iter().collect();
    assert_eq!(texts, [Some("B"), Some("x"), None]);
}

#[test]
fn what_a_union_holds_besides_is_an_error_of_its_records() {
    let request = [ColumnRequest::new("a", DataType::Int32, false)];
    let fields = r#"[{"name":"a","type":["null","string","int"]}]"#;
    let decoder = Decoder::compile(&schema(fields), &request).expect("compiles");
    let mut columns = Columns::new(&request).expect("types");
    decoder.decode(&[4, 2], &mut columns).expect("an int");
    let error = decoder.decode(&[2, 2, b'x'], &mut columns).expect_err("text");
    expect![[r#"field "a", at byte 0: the value's type in its union is not one that the column can hold"#]]
        .assert_eq(&error.to_string());
    let error = decoder.decode(&[0], &mut columns).expect_err("null");
    assert_eq!(error.fault, Fault::UnexpectedNull);
    assert_eq!(columns.finish()[0].as_primitive::<Int32Type>().values(), &[1]);
}

#[test]
fn an_int_is_held_to_32_bits_whatever_it_becomes() {
    let wide = [0x80, 0x80, 0x80, 0x80, 0x20];
    for data_type in [DataType::Int32, DataType::Int64, DataType::Float32, DataType::Float64] {
        let request = [ColumnRequest::new("a", data_type, false)];
        let decoder = Decoder::compile(&schema(r#"[{"name":"a","type":"int"}]"#), &request).expect("compiles");
        let mut columns = Columns::new(&request).expect("types");
        let error = decoder.decode(&wide, &mut columns).expect_err("33 bits");
        assert_eq!(error.fault, Fault::IntRange);
    }
}

#[test]
fn a_column_takes_its_own_name_before_any_alias() {
    let fields = r#"[{"name":"old","type":"int"},{"name":"older","type":"int"}]"#;
    let aliased = |name: &str, aliases: &[&str]| ColumnRequest {
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        ..ColumnRequest::new(name, DataType::Int32, true)
    };
    let numbers = |requests: &[ColumnRequest]| -> Vec<Option<i32>> {
        let arrays = decode(fields, &[2, 4], requests);
        let first = |array: &ArrayRef| array.is_valid(0).then(|| array.as_primitive::<Int32Type>().value(0));
        arrays.iter().map(first).collect()
    };
    assert_eq!(numbers(&[aliased("new", &["older", "old"])]), [Some(2)]);
    assert_eq!(
        numbers(&[aliased("new", &["old"]), aliased("old", &[])]),
        [None, Some(1)]
    );
    assert_eq!(
        numbers(&[aliased("a", &["old", "older"]), aliased("b", &["old", "older"])]),
        [Some(1), Some(2)],
        "no field is taken twice"
    );
}

#[test]
fn what_cannot_be_compiled_says_why() {
    expect![[r#"field "a" is Avro "string", which cannot be read as a column of type Int32"#]].assert_eq(&refused(
        r#"[{"name":"a","type":"string"}]"#,
        ColumnRequest::new("a", DataType::Int32, false),
    ));
    expect![[r#"field "a" is Avro "long", which cannot be read as a column of type Int32"#]].assert_eq(&refused(
        r#"[{"name":"a","type":"long"}]"#,
        ColumnRequest::new("a", DataType::Int32, false),
    ));
    expect![[r#"field "a" is Avro ["null","string"], which cannot be read as a column of type Int32"#]].assert_eq(
        &refused(
            r#"[{"name":"a","type":["null","string"]}]"#,
            ColumnRequest::new("a", DataType::Int32, false),
        ),
    );
    expect![[r#"record "r" has no field "b", and the column has no default and may not be null; fields are: a"#]]
        .assert_eq(&refused(
            r#"[{"name":"a","type":"long"}]"#,
            ColumnRequest::new("b", DataType::Int32, false),
        ));
    expect![[r#"the default 1e+300 of column "b" is no Float32"#]].assert_eq(&refused(
        r#"[{"name":"a","type":"long"}]"#,
        ColumnRequest {
            default: Some(json!(1e300)),
            ..ColumnRequest::new("b", DataType::Float32, false)
        },
    ));
}

#[test]
fn decimals_are_refused_as_what_they_are() {
    let bytes = r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#;
    let fixed = r#"{"type":"fixed","name":"money","size":4,"logicalType":"decimal","precision":9}"#;
    let decimal = |avro: &str, data_type| {
        refused(
            &format!(r#"[{{"name":"a","type":{avro}}}]"#),
            ColumnRequest::new("a", data_type, false),
        )
    };
    expect![[r#"field "a" is Avro {"type":"bytes","logicalType":"decimal","precision":9,"scale":2}: a decimal, which no column holds without loss; leave the column out, or have the field written as a double or a string"#]]
        .assert_eq(&decimal(bytes, DataType::Utf8));
    for data_type in [DataType::Float64, DataType::Utf8] {
        let nullable = decimal(&format!(r#"["null",{fixed}]"#), data_type);
        assert!(nullable.contains("a decimal, which no column holds"), "{nullable}");
    }
    // Where null may be, the nulls can be read.
    let fields = format!(r#"[{{"name":"a","type":["null",{bytes}]}}]"#);
    let request = [ColumnRequest::new("a", DataType::Utf8, true)];
    assert!(decode(&fields, &[0], &request)[0].is_null(0));
    let decoder = Decoder::compile(&schema(&fields), &request).expect("compiles");
    let mut columns = Columns::new(&request).expect("types");
    let error = decoder.decode(&[2, 2, b'1'], &mut columns).expect_err("a decimal");
    assert_eq!(error.fault, Fault::Decimal);
    // One that Avro calls invalid is the type below it.
    let invalid = r#"[{"name":"a","type":{"type":"bytes","logicalType":"decimal","precision":2,"scale":3}}]"#;
    let arrays = decode(invalid, &[2, b'x'], &[ColumnRequest::new("a", DataType::Utf8, false)]);
    assert_eq!(arrays[0].as_string::<i32>().value(0), "x");
}

#[test]
fn a_message_quotes_no_more_than_the_beginning_of_a_type() {
    let symbols: Vec<String> = (0..1_000).map(|at| format!("\"S{at}\"")).collect();
    let field = format!(
        r#"[{{"name":"a","type":{{"type":"enum","name":"e","symbols":[{}]}}}}]"#,
        symbols.join(",")
    );
    let message = refused(&field, ColumnRequest::new("a", DataType::Int32, false));
    assert!(message.len() < 400 && message.contains('…'), "{message}");
}
