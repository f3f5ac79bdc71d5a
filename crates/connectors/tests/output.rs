//! Text that comes out, to the byte.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray, UInt64Array,
};
use expect_test::{Expect, expect};
use hw_connectors::output::{Format, Writer};

fn batch() -> RecordBatch {
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        (
            "user \"id\"",
            Arc::new(StringArray::from(vec![Some("a,\"b\"\n"), Some(""), None])),
            true,
        ),
        (
            "time",
            Arc::new(TimestampMillisecondArray::from(vec![
                Some(1_767_225_600_007),
                Some(-1),
                None,
            ])),
            true,
        ),
        (
            "double",
            Arc::new(Float64Array::from(vec![0.1 + 0.2, 1e300, f64::NAN])),
            true,
        ),
        (
            "float",
            Arc::new(Float32Array::from(vec![Some(0.1), Some(70.0), None])),
            true,
        ),
        (
            "count",
            Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(0), None])),
            true,
        ),
        ("big", Arc::new(UInt64Array::from(vec![u64::MAX, 1, 2])), true),
        (
            "flag",
            Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
            true,
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).expect("same length")
}

fn check(format: Format, expected: Expect) {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, "standard output", format, &batch().schema()).expect("starts");
    writer.write(&batch()).expect("writes");
    writer.finish().expect("finishes");
    expected.assert_eq(&String::from_utf8(out).expect("UTF-8"));
}

#[test]
fn json_lines() {
    check(
        Format::JsonLines,
        expect![[r#"
        {"user \"id\"":"a,\"b\"\n","time":"2026-01-01T00:00:00.007Z","double":0.30000000000000004,"float":0.1,"count":-9223372036854775808,"big":18446744073709551615,"flag":true}
        {"user \"id\"":"","time":"1969-12-31T23:59:59.999Z","double":1e+300,"float":70.0,"count":0,"big":1,"flag":false}
        {"user \"id\"":null,"time":null,"double":null,"float":null,"count":null,"big":2,"flag":null}
    "#]],
    );
}

#[test]
fn csv() {
    check(
        Format::Csv,
        expect![[r#"
        "user ""id""",time,double,float,count,big,flag
        "a,""b""
        ",2026-01-01T00:00:00.007Z,0.30000000000000004,0.1,-9223372036854775808,18446744073709551615,true
        "",1969-12-31T23:59:59.999Z,1e+300,70.0,0,1,false
        ,,,,,2,
    "#]],
    );
}

#[test]
fn a_csv_without_rows_has_a_header() {
    let mut out = Vec::new();
    Writer::new(&mut out, "out", Format::Csv, &batch().schema())
        .expect("starts")
        .finish()
        .expect("finishes");
    assert_eq!(out, b"\"user \"\"id\"\"\",time,double,float,count,big,flag\n");
}
