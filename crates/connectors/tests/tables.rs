//! Tables read from text and Parquet: good rows, malformed ones with their place, and the forms of the older system.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type, Schema, TimestampMillisecondType};
use expect_test::{Expect, expect};
use hw_connectors::output::Writer;
use hw_connectors::recordings::reading_columns;
use hw_connectors::{BATCH_ROWS, BatchReader, Malformed, Problem, ReadError, Renamed, Table, csv, jsonl, open};

fn readings() -> Table {
    Table {
        columns: reading_columns(),
        key: 0,
        time: Some(1),
    }
}

fn baselines() -> Table {
    let columns = Schema::new(vec![
        Field::new("user_id", DataType::Utf8, false),
        Field::new("min_heart_rate", DataType::Int32, false),
        Field::new("max_heart_rate", DataType::Int32, false),
    ]);
    Table {
        columns: Arc::new(columns),
        key: 0,
        time: None,
    }
}

fn all(reader: &mut dyn BatchReader, table: &Table) -> Result<(RecordBatch, Vec<Problem>), ReadError> {
    let (mut batches, mut problems) = (Vec::new(), Vec::new());
    while let Some(batch) = reader.next_batch(&mut problems)? {
        assert!(batch.num_rows() <= BATCH_ROWS);
        batches.push(batch);
    }
    Ok((concat_batches(&table.columns, &batches).expect("one schema"), problems))
}

fn json(text: &str, table: &Table) -> (RecordBatch, Vec<Problem>) {
    all(
        &mut jsonl::Reader::new(text.as_bytes(), "in.jsonl", table, Malformed::Skip),
        table,
    )
    .expect("skips")
}

fn texts(batch: &RecordBatch, column: usize) -> Vec<&str> {
    batch.column(column).as_string::<i32>().iter().flatten().collect()
}

fn ints(batch: &RecordBatch, column: usize) -> Vec<i32> {
    batch.column(column).as_primitive::<Int32Type>().values().to_vec()
}

fn check_problems(problems: &[Problem], expected: Expect) {
    expected.assert_eq(
        &problems
            .iter()
            .map(|problem| format!("{problem}\n"))
            .collect::<String>(),
    );
}

const READINGS: &str = r#"{"user_id":"17","time":1767225600123,"zipcode":10001,"latitude":40.5,"longitude":-74.25,"heart_rate":88}
{"heart_rate":89.0,"user_id":18,"unknown":[1,{"x":null}],"time":"2026-01-01T01:00:00.123+01:00","zipcode":0,"latitude":40,"longitude":-74.25}

"#;

#[test]
fn json_lines_become_rows_whatever_the_order_of_fields() {
    let (batch, problems) = json(READINGS, &readings());
    assert_eq!(problems, []);
    assert_eq!(texts(&batch, 0), ["17", "18"]);
    assert_eq!(
        batch.column(1).as_primitive::<TimestampMillisecondType>().values(),
        &[1_767_225_600_123; 2]
    );
    assert_eq!(batch.column(3).as_primitive::<Float64Type>().values(), &[40.5, 40.0]);
    assert_eq!(ints(&batch, 5), [88, 89]);
}

#[test]
fn malformed_json_lines_are_problems_with_their_place() {
    let bad = r#"{"user_id":"17","time":1,"zipcode":1,"latitude":1,"longitude":2}
{"user_id":"17","time":1,"zipcode":1,"latitude":1,"longitude":2,"heart_rate":3000000000}
{"user_id":"17","time":"noon","zipcode":1,"latitude":1,"longitude":2,"heart_rate":70}
{"user_id":"17","time":1,"zipcode":1,"latitude":"1","longitude":2,"heart_rate":70}
{"user_id":null,"time":1,"zipcode":1,"latitude":1,"longitude":2,"heart_rate":70}
{"user_id":"17","time":1,"zipcode":1,"latitude":1,"longitude":2,"heart_rate":70
hello
[1]
{"user_id":"17","user_id":"18"}
{"user_id":"17","time":1,"zipcode":1,"latitude":1,"longitude":2,"heart_rate":72.5} tail
"#;
    let (batch, problems) = json(&format!("{bad}{READINGS}"), &readings());
    assert_eq!(batch.num_rows(), 2, "the good lines behind the bad ones");
    check_problems(
        &problems,
        expect![[r#"
        in.jsonl:1: field "heart_rate" is missing
        in.jsonl:2:78: field "heart_rate" must be an integer of 32 bits
        in.jsonl:3:24: field "time" must be a time: milliseconds since the epoch, or RFC 3339 such as 2026-01-01T00:00:00.000Z
        in.jsonl:4:49: field "latitude" must be a number
        in.jsonl:5:12: field "user_id" may not be null
        in.jsonl:6:80: a comma or } was expected, but the line ends
        in.jsonl:7:1: a JSON object was expected, but here stands 'h'
        in.jsonl:8:1: a JSON object was expected, but here stands '['
        in.jsonl:9:27: field "user_id" stands there twice
        in.jsonl:10:78: field "heart_rate" must be an integer of 32 bits
    "#]],
    );
}

#[test]
fn strict_reading_ends_at_the_first_malformed_line() {
    let text = format!("{READINGS}{{\"user_id\":1}}\n{READINGS}");
    let table = readings();
    let error = all(
        &mut jsonl::Reader::new(text.as_bytes(), "in.jsonl", &table, Malformed::Refuse),
        &table,
    );
    let Err(ReadError::Refused(problem)) = error else {
        panic!("refused")
    };
    check_problems(
        &[problem],
        expect![[r#"
        in.jsonl:4: field "time" is missing
    "#]],
    );
}

#[test]
fn the_older_system_names_users_by_line_or_before_the_object() {
    let text = "\n{\"min_heart_rate\":51,\"max_heart_rate\":108}\nnonsense\n\n{\"min_heart_rate\":52,\"max_heart_rate\":107}\n\
                u-7:{\"min_heart_rate\":53,\"max_heart_rate\":109}\n\"8\": {\"min_heart_rate\":1,\"max_heart_rate\":2}\n\
                \"9\":{\"min_heart_rate\":1,\"max_heart_rate\":2}\n";
    let (batch, problems) = json(text, &baselines());
    assert_eq!(texts(&batch, 0), ["1", "3", "u-7", "8", "9"]);
    assert_eq!(ints(&batch, 1), [51, 52, 53, 1, 1]);
    check_problems(
        &problems,
        expect![[r#"
        in.jsonl:3:1: a JSON object was expected, but here stands 'n'
    "#]],
    );
}

#[test]
fn a_reading_without_a_user_does_not_get_a_line_number() {
    let (batch, problems) = json(
        r#"{"time":1,"zipcode":1,"latitude":1,"longitude":2,"heart_rate":70}"#,
        &readings(),
    );
    assert_eq!(batch.num_rows(), 0);
    assert!(problems[0].message.contains("user_id"), "{problems:?}");
}

#[test]
fn a_line_of_a_mebibyte_is_passed_over() {
    let text = format!("{{\"x\":\"{}\"}}\n{READINGS}", "y".repeat(3 << 20));
    let (batch, problems) = json(&text, &readings());
    assert_eq!((batch.num_rows(), problems.len(), problems[0].line), (2, 1, 1));
}

#[test]
fn many_lines_come_in_batches() {
    let line = r#"{"user_id":"17","time":1,"zipcode":1,"latitude":1,"longitude":2,"heart_rate":70}"#;
    let bad = "{}\n".repeat(BATCH_ROWS + 5);
    let text = format!("{bad}{}", format!("{line}\n").repeat(2 * BATCH_ROWS));
    let (batch, problems) = json(&text, &readings());
    assert_eq!((batch.num_rows(), problems.len()), (2 * BATCH_ROWS, BATCH_ROWS + 5));
}

#[test]
fn csv_columns_are_found_by_name() {
    let text = "heart_rate;user_id;time;latitude;longitude;zipcode;note\r\n\
                88;17;2026-01-01T00:00:00.123Z;40.5;-74.25;10001;\"a;b\"\r\n\
                \r\n\
                89;\"1\"\"8\";1767225600123;40;-74.25;0;\r\n";
    let table = readings();
    let mut reader = csv::Reader::new(text.as_bytes(), "in.csv", &table, Malformed::Skip).expect("a header");
    let (batch, problems) = all(&mut reader, &table).expect("skips");
    assert_eq!(problems, []);
    assert_eq!(texts(&batch, 0), ["17", "1\"8"]);
    assert_eq!(
        batch.column(1).as_primitive::<TimestampMillisecondType>().values(),
        &[1_767_225_600_123; 2]
    );
    assert_eq!(ints(&batch, 5), [88, 89]);
}

#[test]
fn malformed_csv_lines_are_problems_with_their_place() {
    let text = "user_id,min_heart_rate,max_heart_rate\n1,51,108\n2,x,108\n3,51\n4,,108\n5,51,99999999999\n6,52,107\n";
    let table = baselines();
    let mut reader = csv::Reader::new(text.as_bytes(), "in.csv", &table, Malformed::Skip).expect("a header");
    let (batch, problems) = all(&mut reader, &table).expect("skips");
    assert_eq!(texts(&batch, 0), ["1", "6"]);
    check_problems(
        &problems,
        expect![[r#"
        in.csv:3:3: field "min_heart_rate" must be an integer of 32 bits
        in.csv:4: the line has 2 fields, the header has 3
        in.csv:5:3: field "min_heart_rate" is missing
        in.csv:6:6: field "max_heart_rate" must be an integer of 32 bits
    "#]],
    );
}

#[test]
fn a_csv_without_a_column_says_which() {
    let error = csv::Reader::new("a,b\n".as_bytes(), "in.csv", &baselines(), Malformed::Skip)
        .err()
        .expect("refused");
    expect![[r#"in.csv: the header has no column "user_id"; it has a, b"#]].assert_eq(&error.to_string());
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn read_file(path: &Path, table: &Table) -> (RecordBatch, Vec<Problem>) {
    all(open(path, table, Malformed::Skip, &[]).expect("opens").as_mut(), table).expect("reads")
}

#[test]
fn what_is_written_is_read_back() {
    let folder = folder();
    let (batch, _) = json(READINGS, &readings());
    for name in ["out.jsonl", "out.csv", "out.parquet"] {
        let path = folder.path().join(name);
        let mut writer = Writer::create(&path, &batch.schema()).expect("creates");
        writer.write(&batch).expect("writes");
        writer.finish().expect("finishes");
        let (read, problems) = read_file(&path, &readings());
        assert_eq!((read, problems), (batch.clone(), vec![]), "{name}");
    }
}

#[test]
fn a_file_may_call_its_columns_otherwise_and_tells_how_far_it_is_read() {
    let folder = folder();
    let (batch, _) = json(READINGS, &readings());
    let named = [("user_id", "who"), ("heart_rate", "HR")];
    let other_name = |name: &str| {
        named
            .iter()
            .find(|(own, _)| *own == name)
            .map_or(name.to_owned(), |(_, other)| (*other).to_owned())
    };
    let fields = batch
        .schema_ref()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_name(other_name(field.name())));
    let columns = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let other = RecordBatch::try_new(columns.clone(), batch.columns().to_vec()).expect("the same columns");
    let renamed = named.map(|(to, from)| Renamed {
        from: from.to_owned(),
        to: to.to_owned(),
    });
    for name in ["out.jsonl", "out.csv", "out.parquet"] {
        let path = folder.path().join(name);
        let mut writer = Writer::create(&path, &columns).expect("creates");
        writer.write(&other).expect("writes");
        writer.finish().expect("finishes");
        let mut reader = open(&path, &readings(), Malformed::Refuse, &renamed).expect("opens");
        let mut problems = Vec::new();
        assert_eq!(
            reader.next_batch(&mut problems).expect("reads"),
            Some(batch.clone()),
            "{name}"
        );
        assert_eq!(reader.next_batch(&mut problems).expect("reads"), None, "{name}");
        assert_eq!(
            reader.bytes_read(),
            fs::metadata(&path).expect("written").len(),
            "{name}"
        );
    }
}

#[test]
fn parquet_columns_are_cast_and_bad_rows_are_problems() {
    let folder = folder();
    let path = folder.path().join("in.parquet");
    let wide = Schema::new(vec![
        Field::new("max_heart_rate", DataType::Int64, true),
        Field::new("user_id", DataType::Int64, false),
        Field::new("min_heart_rate", DataType::UInt8, false),
    ]);
    let columns: Vec<arrow::array::ArrayRef> = vec![
        Arc::new(arrow::array::Int64Array::from(vec![
            Some(108),
            None,
            Some(1 << 40),
            Some(107),
        ])),
        Arc::new(arrow::array::Int64Array::from(vec![1, 2, 3, 4])),
        Arc::new(arrow::array::UInt8Array::from(vec![51, 52, 53, 54])),
    ];
    let batch = RecordBatch::try_new(Arc::new(wide), columns).expect("same length");
    let mut writer = Writer::create(&path, &batch.schema()).expect("creates");
    writer.write(&batch).expect("writes");
    writer.finish().expect("finishes");
    let (read, problems) = read_file(&path, &baselines());
    assert_eq!(texts(&read, 0), ["1", "4"]);
    let problems: Vec<_> = problems
        .into_iter()
        .map(|problem| Problem {
            file: "in.parquet".to_owned(),
            ..problem
        })
        .collect();
    check_problems(
        &problems,
        expect![[r#"
        in.parquet:2: field "max_heart_rate" may not be null
        in.parquet:3: field "max_heart_rate" does not fit Int32
    "#]],
    );
}

#[test]
fn files_that_cannot_be_opened_say_why() {
    let folder = folder();
    let missing = open(Path::new("no-such.jsonl"), &readings(), Malformed::Skip, &[])
        .err()
        .expect("missing");
    assert!(
        missing.to_string().starts_with("cannot read no-such.jsonl: "),
        "{missing}"
    );
    let unknown = open(Path::new("readings.xlsx"), &readings(), Malformed::Skip, &[])
        .err()
        .expect("unknown");
    expect![
        "cannot tell what readings.xlsx holds by its name; known are .jsonl, .ndjson, .json, .data, .csv and .parquet"
    ]
    .assert_eq(&unknown.to_string());
    let path = folder.path().join("x.parquet");
    fs::write(&path, "no parquet").expect("writes");
    let damaged = open(&path, &readings(), Malformed::Skip, &[]).err().expect("damaged");
    assert!(damaged.to_string().contains("cannot be read as Parquet"), "{damaged}");
}

/// The predecessor's own file, when it lies beside the checkout.
#[test]
fn the_predecessors_ranges_are_read() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/historical_20000.data");
    if !path.exists() {
        return;
    }
    let (batch, problems) = read_file(&path, &baselines());
    assert_eq!(problems, []);
    let users = texts(&batch, 0);
    assert_eq!((users.len(), users[0], users[19_999]), (20_000, "1", "20000"));
    assert!(ints(&batch, 1).iter().all(|min| (51..=53).contains(min)));
    assert!(ints(&batch, 2).iter().all(|max| (107..=109).contains(max)));
    assert_eq!(batch.column(0).null_count(), 0);
}
