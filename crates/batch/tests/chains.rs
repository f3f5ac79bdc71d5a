//! Files of several queries, unions and outer look-ups in batch.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::util::display::array_value_to_string;
use hw_batch::{Answers, BatchError};

const FILE: &str = "
CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3), value INT CHECK (value > 0))
STORED AS AVRO LOCATION 'a' OPTIONS ('key' 'user_id');
CREATE UNBOUNDED EXTERNAL TABLE both (user_id VARCHAR, time TIMESTAMP(3), value BIGINT CHECK (value < 100))
STORED AS AVRO LOCATION 'both' OPTIONS ('key' 'user_id');
CREATE UNBOUNDED EXTERNAL TABLE sums (user_id VARCHAR, time TIMESTAMP(3), total BIGINT, name VARCHAR)
STORED AS AVRO LOCATION 'sums' OPTIONS ('key' 'user_id');
CREATE EXTERNAL TABLE names (user_id VARCHAR, name VARCHAR NOT NULL)
STORED AS AVRO LOCATION 'names' OPTIONS ('key' 'user_id');

-- The second stage stands first: the order of the file is not that of the data.
INSERT INTO sums SELECT b.user_id, b.time, sum(value) OVER w, coalesce(n.name, '?') AS called
FROM both b LEFT JOIN names n ON b.user_id = n.user_id
WINDOW w AS (PARTITION BY b.user_id ORDER BY b.time RANGE BETWEEN INTERVAL '1 second' PRECEDING AND CURRENT ROW);
INSERT INTO both SELECT user_id, time, value FROM a WHERE value < 3
UNION ALL SELECT user_id, time + INTERVAL '1 second', value * 10 FROM a;
";

fn rows(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    RecordBatch::try_from_iter(columns.iter().map(|(name, column)| (*name, column.clone())))
        .expect("columns of one length")
}

fn inputs() -> Vec<(String, Vec<RecordBatch>)> {
    let users: ArrayRef = Arc::new(StringArray::from(vec![
        Some("x"),
        Some("x"),
        Some("y"),
        None,
        Some("x"),
    ]));
    let times: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![0, 1_000, 0, 0, 5_000]));
    let values: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), Some(2), Some(10), Some(1), Some(0)]));
    let names: ArrayRef = Arc::new(StringArray::from(vec!["Old", "Xenia", "Zoe"]));
    let keys: ArrayRef = Arc::new(StringArray::from(vec!["x", "x", "z"]));
    vec![
        (
            "a".to_string(),
            vec![rows(&[("value", values), ("user_id", users), ("time", times)])],
        ),
        ("names".to_string(), vec![rows(&[("user_id", keys), ("name", names)])]),
    ]
}

fn lines(answers: &Answers, sink: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for batch in &answers.sinks[sink].batches {
        for row in 0..batch.num_rows() {
            let values = batch
                .columns()
                .iter()
                .map(|column| array_value_to_string(column, row).expect("a value of a plain type"));
            lines.push(values.collect::<Vec<_>>().join(" "));
        }
    }
    lines.sort();
    lines
}

#[test]
fn a_sink_feeds_the_next_query() {
    let answers = hw_batch::run("chain", FILE, &[], inputs()).unwrap();
    let names: Vec<&str> = answers.sinks.iter().map(|sink| sink.name.as_str()).collect();
    assert_eq!(names, ["sums", "both"]);
    // A null key, and a value of 0, are not valid; a 100 is written to `both`, and is not valid when it is read.
    assert_eq!(answers.invalid, [("a".to_string(), 2), ("both".to_string(), 1)]);
    let both = [
        "x 1970-01-01T00:00:00 1",
        "x 1970-01-01T00:00:01 10",
        "x 1970-01-01T00:00:01 2",
        "x 1970-01-01T00:00:02 20",
        "y 1970-01-01T00:00:01 100",
    ];
    assert_eq!(lines(&answers, 1), both);
    let sums = [
        "x 1970-01-01T00:00:00 1 Xenia",
        "x 1970-01-01T00:00:01 13 Xenia",
        "x 1970-01-01T00:00:01 13 Xenia",
        "x 1970-01-01T00:00:02 32 Xenia",
    ];
    assert_eq!(lines(&answers, 0), sums);
    let columns: Vec<&str> = answers.sinks[0]
        .schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    assert_eq!(columns, ["user_id", "time", "total", "called"]);
}

#[test]
fn inputs_that_do_not_fit() {
    let error = |name: &str, batches| match hw_batch::run("chain", FILE, &[], vec![(name.to_string(), batches)]) {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    };
    assert_eq!(error("c", vec![]), "the file declares no stream or table c");
    assert_eq!(
        error("both", vec![]),
        "both is written by the file, and cannot be an input too"
    );
    let keys: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let column = error("names", vec![rows(&[("user_id", keys)])]);
    assert_eq!(column, "the input for names has no column name, which is NOT NULL");
    let refused = hw_batch::run("chain", "SELECT 1", &[], vec![]);
    assert!(matches!(refused, Err(BatchError::Refused(diagnostic)) if diagnostic.line == 1));
}
