//! Schemas from text, to text and from columns.

use arrow::datatypes::{DataType, Field, Schema as ArrowSchema, TimeUnit};
use expect_test::{Expect, expect};
use hw_avro::{Encoder, Schema, Type, shipped};

fn refused(json: &str, expected: Expect) {
    expected.assert_eq(&Schema::parse(json).expect_err("refused").to_string());
}

#[test]
fn text_is_the_same_after_a_round_trip() {
    let nested = r#"{"type":"record","name":"hw.outer","doc":"a \"doc\"","fields":[
        {"name":"a","type":["null",{"type":"record","name":"inner","fields":[{"name":"x","type":"hw.kind2"}]}],"default":null},
        {"name":"b","type":{"type":"array","items":"inner"}}]}"#
        .replace("\"hw.kind2\"", r#"{"type":"enum","name":"kind","symbols":["A"]}"#);
    let named = r#"{"type":"record","name":"r","namespace":"a.b","aliases":["q"],"fields":[
        {"name":"a","aliases":["z"],"type":{"type":"enum","name":"e","namespace":"c","symbols":["A"],"default":"A"}},
        {"name":"b","type":{"type":"enum","name":"e","symbols":["B"]}},{"name":"c","type":["e","c.e"]},
        {"name":"d","type":{"type":"fixed","name":"f","namespace":"","size":4,"logicalType":"decimal","precision":9}},
        {"name":"e","type":["null","f"]},
        {"name":"f","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
        {"name":"g","type":{"type":"long","logicalType":"timestamp-nanos"}},
        {"name":"h","type":{"type":"int","logicalType":"time-millis"}},
        {"name":"i","type":{"type":"long","logicalType":"time-micros"}}]}"#;
    for text in [shipped::READING, shipped::BASELINE, shipped::FINDING, &nested, named] {
        let schema = Schema::parse(text).expect("valid");
        let json = schema.to_json();
        assert_eq!(Schema::parse(&json).expect("valid"), schema);
        assert_eq!(Schema::parse(&json).expect("valid").to_json(), json);
    }
}

#[test]
fn columns_become_fields() {
    let columns = ArrowSchema::new(vec![
        Field::new("user_id", DataType::Utf8, false),
        Field::new("time", DataType::Timestamp(TimeUnit::Millisecond, None), false),
        Field::new("average", DataType::Float64, true),
        Field::new("count", DataType::Int64, false),
        Field::new("flag", DataType::Boolean, false),
    ]);
    let doc = |name: &str| (name == "average").then(|| "Beats per minute.".to_owned());
    let schema = Schema::for_record("alert", Some("What happened."), &columns, doc).expect("all types known");
    expect![[r#"{"type":"record","name":"alert","doc":"What happened.","fields":[{"name":"user_id","type":"string"},{"name":"time","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"average","type":["null","double"],"doc":"Beats per minute.","default":null},{"name":"count","type":"long"},{"name":"flag","type":"boolean"}]}"#]]
    .assert_eq(&schema.to_json());
    Encoder::compile(&schema, &columns).expect("what came from columns can be written from them");
}

#[test]
fn a_column_without_an_avro_name_is_refused() {
    let columns = ArrowSchema::new(vec![Field::new("avg(heart_rate)", DataType::Float64, false)]);
    let error = Schema::for_record("r", None, &columns, |_| None).expect_err("no name");
    expect![[r#"the Avro schema is wrong at avg(heart_rate): "avg(heart_rate)" is no name in Avro (letters, digits and _, not starting with a digit); give it another name with AS"#]]
        .assert_eq(&error.to_string());
}

#[test]
fn wrong_schemas_say_where() {
    refused(
        "{",
        expect!["the Avro schema is not JSON: EOF while parsing an object at line 1 column 1"],
    );
    refused(
        r#""int""#,
        expect![[r#"the Avro schema is wrong at its top: the outermost type must be a record, this is "int""#]],
    );
    refused(
        r#"{"type":"record","name":"r","fields":[{"name":"a","type":"flaot"}]}"#,
        expect![[r#"the Avro schema is wrong at a: there is no type "flaot""#]],
    );
    refused(
        r#"{"type":"record","name":"r","fields":[{"name":"next","type":["null","r"]}]}"#,
        expect![[r#"the Avro schema is wrong at next: record "r" contains itself; such schemas are not supported"#]],
    );
    refused(
        r#"{"type":"record","name":"r","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}"#,
        expect![[r#"the Avro schema is wrong at a: field "a" stands there twice"#]],
    );
}

#[test]
fn names_mean_what_the_namespace_around_them_makes_of_them() {
    let schema = Schema::parse(
        r#"{"type":"record","name":"x.outer","fields":[
            {"name":"a","type":{"type":"fixed","name":"f","size":1}},
            {"name":"b","type":{"type":"record","name":"inner","namespace":"y","fields":[
                {"name":"c","type":{"type":"fixed","name":"f","size":2}},
                {"name":"d","type":["f","x.f"]}]}},
            {"name":"e","type":["f","y.f"]}]}"#,
    )
    .expect("valid");
    let fixed = |namespace: &str, size| Type::Fixed {
        name: "f".to_owned(),
        namespace: Some(namespace.to_owned()),
        size,
    };
    let Type::Record(inner) = &schema.record.fields[1].avro else {
        panic!("a record");
    };
    assert_eq!(inner.fields[1].avro, Type::Union(vec![fixed("y", 2), fixed("x", 1)]));
    assert_eq!(
        schema.record.fields[2].avro,
        Type::Union(vec![fixed("x", 1), fixed("y", 2)])
    );
}

#[test]
fn a_small_text_cannot_make_a_large_schema() {
    let mut fields =
        r#"{"name":"f0","type":{"type":"record","name":"t0","fields":[{"name":"x","type":"int"}]}}"#.to_owned();
    for level in 1..40 {
        let inner = level - 1;
        fields += &format!(
            r#",{{"name":"f{level}","type":{{"type":"record","name":"t{level}","fields":[
            {{"name":"x","type":"t{inner}"}},{{"name":"y","type":"t{inner}"}}]}}}}"#
        );
    }
    let json = format!(r#"{{"type":"record","name":"r","fields":[{fields}]}}"#);
    assert!(
        Schema::parse(&json)
            .expect_err("doubles forty times")
            .to_string()
            .contains("more than 10000 types")
    );
}

#[test]
fn a_column_of_nothing_but_nulls_is_refused_where_none_may_be() {
    let nothing = ArrowSchema::new(vec![Field::new("a", DataType::Null, true)]);
    let schema = |avro: &str| {
        let json = format!(r#"{{"type":"record","name":"r","fields":[{{"name":"a","type":{avro}}}]}}"#);
        Schema::parse(&json).expect("valid")
    };
    Encoder::compile(&schema(r#""long""#), &nothing).expect_err("would write nothing at all");
    Encoder::compile(&schema(r#"["null","long"]"#), &nothing).expect("writes nulls");
}
