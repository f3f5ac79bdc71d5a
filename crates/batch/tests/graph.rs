//! The graph that the planner makes of a query means what DataFusion makes of the same query.
//!
//! An interpreter of graphs, as slow and plain as can be, answers each query from its jobs; batch answers it by itself.
//! It knows no clock: whatever differs here is a fault of the planner.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray, UInt64Array,
};
use arrow::compute::{cast, filter_record_batch, take};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMillisecondType};
use arrow::util::display::array_value_to_string;
use hw_graph::{Aggregate, AggregateFunction, Input, Job, LookupKind, Pipeline, Window};

const DECLARATIONS: &str = "
CREATE UNBOUNDED EXTERNAL TABLE r (k VARCHAR, time TIMESTAMP(3), a INT NOT NULL, b DOUBLE, c REAL NOT NULL, d BOOLEAN)
STORED AS AVRO LOCATION 'r' OPTIONS ('key' 'k');
CREATE EXTERNAL TABLE t (k VARCHAR, low INT NOT NULL, high DOUBLE) STORED AS AVRO LOCATION 't' OPTIONS ('key' 'k');
CREATE UNBOUNDED EXTERNAL TABLE s (k VARCHAR, time TIMESTAMP(3), x DOUBLE, y BIGINT, z VARCHAR)
STORED AS AVRO LOCATION 's' OPTIONS ('key' 'k');
";

const QUERIES: [&str; 14] = [
    "SELECT k, time, a * b / 3, a % 7, upper(k) || '!' FROM r WHERE d AND a > 2 AND NOT (b < 0 OR b IS NULL)",
    "SELECT k, time, CASE WHEN b > 0 THEN b END, coalesce(CAST(b AS INT), a), NULL FROM r WHERE k IN ('u1', 'u3')",
    "SELECT k, time, avg(a) OVER w, sum(a) OVER w, NULL FROM r
     WINDOW w AS (PARTITION BY k ORDER BY time RANGE BETWEEN INTERVAL '5 seconds' PRECEDING AND CURRENT ROW)",
    "SELECT k, time, avg(b) OVER w + stddev(b) OVER w - stddev_pop(c) OVER w, count(b) OVER w - count(*) OVER w, NULL
     FROM r WHERE a <> 4
     WINDOW w AS (PARTITION BY k ORDER BY time RANGE BETWEEN INTERVAL '1 minute' PRECEDING AND CURRENT ROW)",
    "SELECT k, time, max(c) OVER w - min(b) OVER w, sum(CASE WHEN d THEN 1 ELSE 0 END) OVER w, NULL FROM r
     WINDOW w AS (PARTITION BY k ORDER BY time RANGE BETWEEN INTERVAL '3 seconds' PRECEDING AND CURRENT ROW)
     QUALIFY min(a) OVER (PARTITION BY k ORDER BY time RANGE INTERVAL '3 seconds' PRECEDING) < a",
    "SELECT k, time, avg(a) OVER (PARTITION BY k ORDER BY time RANGE INTERVAL '2 seconds' PRECEDING)
       - avg(a) OVER (PARTITION BY k ORDER BY time RANGE INTERVAL '20 seconds' PRECEDING),
       count(*) OVER (PARTITION BY k ORDER BY time RANGE BETWEEN CURRENT ROW AND CURRENT ROW), NULL FROM r",
    "SELECT k, time, mean, n, text FROM (
       SELECT k, time, avg(b) OVER w AS mean, count(*) OVER w AS n, k || '.' AS text, a FROM r WHERE c > -5
       WINDOW w AS (PARTITION BY k ORDER BY time RANGE BETWEEN INTERVAL '5 seconds' PRECEDING AND CURRENT ROW))
     WHERE a > mean AND n BETWEEN 2 AND 9 AND a < 8",
    "SELECT r.k, time, high - b, low, NULL FROM r JOIN t ON r.k = t.k WHERE a >= low",
    "SELECT k, time, coalesce(high, -1), low, NULL FROM r LEFT JOIN t USING (k) WHERE low IS NULL OR a > low",
    "SELECT t.k, time, sum(b) OVER w, max(a) OVER w - low, NULL FROM t JOIN r ON t.k = r.k AND r.a > 1 AND r.d
     WINDOW w AS (PARTITION BY r.k ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW)",
    "SELECT k, date_bin(INTERVAL '10 seconds', time), avg(b), sum(a), NULL FROM r GROUP BY 1, 2",
    "SELECT g.k, start, spread, n + low, 'wide' FROM (
       SELECT k, date_bin(INTERVAL '7 seconds', time, TIMESTAMP '2000-01-01T00:00:03') AS start,
              max(c) - min(c) AS spread, count(b) AS n FROM r WHERE a > 1
       GROUP BY k, date_bin(INTERVAL '7 seconds', time, TIMESTAMP '2000-01-01T00:00:03') HAVING count(*) > 1) g
     JOIN t ON g.k = t.k WHERE spread > 1",
    "SELECT k, date_bin(INTERVAL '1 minute', max), stddev_samp, n, NULL FROM (
       SELECT k, max(time) AS max, stddev_samp(a) AS stddev_samp, count(DISTINCT_A) AS n FROM (
         SELECT k, time, a, nullif(a, 3) AS DISTINCT_A FROM r)
       GROUP BY k, date_bin(INTERVAL '30 seconds', time))",
    "SELECT k, time, b, a, NULL FROM r WHERE d UNION ALL SELECT k, time, sum(b) OVER
       (PARTITION BY k ORDER BY time RANGE BETWEEN INTERVAL '4 seconds' PRECEDING AND CURRENT ROW), 1, 'w' FROM r",
];

/// Rows with equal times, gaps, nulls and several keys, in no order.
fn readings() -> RecordBatch {
    // A linear congruential generator (Knuth, MMIX): any values will do.
    let mut state = 7u64;
    let mut next = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let rows = 200;
    let keys: Vec<String> = (0..rows).map(|_| format!("u{}", next(4))).collect();
    let times: Vec<i64> = (0..rows)
        .map(|_| 1_767_225_600_000 + next(60) as i64 * 1_000 + next(2) as i64 * 500)
        .collect();
    let a: Vec<i32> = (0..rows).map(|_| next(10) as i32).collect();
    let b: Vec<Option<f64>> = (0..rows)
        .map(|_| next(4))
        .map(|n| (n > 0).then_some(n as f64 * 1.25 - 2.0))
        .collect();
    let c: Vec<f32> = (0..rows).map(|_| next(100) as f32 / 8.0 - 6.0).collect();
    let d: Vec<Option<bool>> = (0..rows)
        .map(|_| [None, Some(true), Some(true), Some(false)][next(4) as usize])
        .collect();
    RecordBatch::try_from_iter([
        ("k", Arc::new(StringArray::from(keys)) as ArrayRef),
        ("time", Arc::new(TimestampMillisecondArray::from(times)) as ArrayRef),
        ("a", Arc::new(Int32Array::from(a)) as ArrayRef),
        ("b", Arc::new(Float64Array::from(b)) as ArrayRef),
        ("c", Arc::new(arrow::array::Float32Array::from(c)) as ArrayRef),
        ("d", Arc::new(BooleanArray::from(d)) as ArrayRef),
    ])
    .expect("columns of one length")
}

fn table() -> RecordBatch {
    RecordBatch::try_from_iter([
        ("k", Arc::new(StringArray::from(vec!["u0", "u1", "u2"])) as ArrayRef),
        ("low", Arc::new(Int32Array::from(vec![2, 5, 9])) as ArrayRef),
        (
            "high",
            Arc::new(Float64Array::from(vec![Some(7.5), None, Some(1.0)])) as ArrayRef,
        ),
    ])
    .expect("columns of one length")
}

#[test]
fn batch_and_graph_agree() {
    for query in QUERIES {
        let sql = format!("INSERT INTO s {query};{DECLARATIONS}");
        let pipeline = hw_plan::plan("test", &sql, &[]).unwrap_or_else(|diagnostic| panic!("{diagnostic}"));
        let mut interpreted: Vec<String> = Vec::new();
        for job in &pipeline.jobs {
            interpreted.extend(interpret(&pipeline, job));
        }
        interpreted.sort();
        let inputs = vec![("r".to_string(), vec![readings()]), ("t".to_string(), vec![table()])];
        let answers = hw_batch::run("test", &sql, &[], inputs).unwrap_or_else(|error| panic!("{query}: {error}"));
        let mut batch: Vec<String> = answers.sinks[0].batches.iter().flat_map(lines).collect();
        batch.sort();
        assert!(batch.len() > 5, "{query}: {} rows do not test much", batch.len());
        assert_eq!(interpreted, batch, "{query}\n{}", pipeline.text());
    }
}

/// Rows as text, numbers to nine digits: sums may be added in another order.
fn lines(batch: &RecordBatch) -> Vec<String> {
    let value = |column: &ArrayRef, row: usize| match column.data_type() {
        DataType::Float64 if column.is_valid(row) => {
            format!("{:.8e}", column.as_primitive::<Float64Type>().value(row) + 0.0)
        }
        _ => array_value_to_string(column, row).expect("a value of a plain type"),
    };
    let line = |row| {
        batch
            .columns()
            .iter()
            .map(|column| value(column, row))
            .collect::<Vec<_>>()
            .join(" ")
    };
    (0..batch.num_rows()).map(line).collect()
}

fn interpret(pipeline: &Pipeline, job: &Job) -> Vec<String> {
    let source = &pipeline.streams[job.source];
    let columns = readings().columns().to_vec();
    let mut rows = RecordBatch::try_new(source.columns.clone(), columns).expect("the declared columns");
    for conjunct in &job.before {
        rows = filtered(&rows, &evaluated(conjunct, &rows));
    }
    let mut columns = match &job.window {
        None => rows.columns().to_vec(),
        Some(window) => windowed(window, &rows, source.key, source.time),
    };
    for lookup in &job.lookups {
        let table = table();
        let keys = table.column(0).as_string::<i32>();
        let own = columns[if matches!(job.window, Some(Window::Tumbling(_))) {
            0
        } else {
            source.key
        }]
        .clone();
        let place = |key: &str| {
            keys.iter()
                .position(|other| other == Some(key))
                .map(|place| place as u64)
        };
        let places: UInt64Array = own.as_string::<i32>().iter().map(|key| key.and_then(place)).collect();
        columns.extend(
            table
                .columns()
                .iter()
                .map(|column| take(column, &places, None).expect("places of rows")),
        );
        if lookup.kind == LookupKind::Inner {
            let found = arrow::compute::is_not_null(&places).expect("a mask");
            for column in &mut columns {
                *column = arrow::compute::filter(column, &found).expect("a mask of the same length");
            }
        }
    }
    let mut rows = RecordBatch::try_new(job.evaluated.clone(), columns).expect("the evaluated row as planned");
    for conjunct in &job.after {
        rows = filtered(&rows, &evaluated(conjunct, &rows));
    }
    let sink = &pipeline.streams[job.sink].columns;
    let columns = job.projection.iter().map(|expr| evaluated(expr, &rows)).collect();
    lines(&RecordBatch::try_new(sink.clone(), columns).expect("the sink's columns"))
}

fn evaluated(expr: &Arc<dyn datafusion::physical_expr::PhysicalExpr>, rows: &RecordBatch) -> ArrayRef {
    let value = expr.evaluate(rows).expect("the expression fits its schema");
    value.into_array(rows.num_rows()).expect("an array")
}

fn filtered(rows: &RecordBatch, mask: &ArrayRef) -> RecordBatch {
    filter_record_batch(rows, mask.as_boolean()).expect("a mask of the same length")
}

fn windowed(window: &Window, rows: &RecordBatch, key: usize, time: usize) -> Vec<ArrayRef> {
    let inputs: Vec<(ArrayRef, &Input)> = window
        .inputs()
        .iter()
        .map(|input| (evaluated(&input.expr, rows), input))
        .collect();
    for (array, input) in &inputs {
        assert_eq!(array.data_type(), &input.data_type);
        assert!(input.nullable || array.null_count() == 0);
    }
    let keys = rows.column(key).as_string::<i32>();
    let times = rows.column(time).as_primitive::<TimestampMillisecondType>();
    let all = 0..rows.num_rows();
    match window {
        Window::Sliding(sliding) => {
            let mut columns = rows.columns().to_vec();
            for frame in &sliding.frames {
                let inside = |row: usize| -> Vec<usize> {
                    let from_ms = times.value(row) - frame.preceding_ms;
                    let in_frame =
                        |other: &usize| times.value(*other) >= from_ms && times.value(*other) <= times.value(row);
                    all.clone()
                        .filter(|other| keys.value(*other) == keys.value(row))
                        .filter(in_frame)
                        .collect()
                };
                let windows: Vec<Vec<usize>> = all.clone().map(inside).collect();
                columns.extend(
                    frame
                        .aggregates
                        .iter()
                        .map(|aggregate| column(aggregate, &inputs, &windows)),
                );
            }
            columns
        }
        Window::Tumbling(tumbling) => {
            let mut windows: BTreeMap<(&str, i64), Vec<usize>> = BTreeMap::new();
            for row in all {
                let since_ms = (times.value(row) - tumbling.origin_ms).rem_euclid(tumbling.length_ms);
                windows
                    .entry((keys.value(row), times.value(row) - since_ms))
                    .or_default()
                    .push(row);
            }
            let starts = windows.keys().map(|(_, start)| *start);
            let mut columns: Vec<ArrayRef> = vec![
                Arc::new(StringArray::from_iter_values(windows.keys().map(|(key, _)| key))),
                Arc::new(TimestampMillisecondArray::from_iter_values(starts)),
            ];
            let windows: Vec<Vec<usize>> = windows.into_values().collect();
            columns.extend(
                tumbling
                    .aggregates
                    .iter()
                    .map(|aggregate| column(aggregate, &inputs, &windows)),
            );
            columns
        }
    }
}

/// One aggregate over each window's rows.
fn column(aggregate: &Aggregate, inputs: &[(ArrayRef, &Input)], windows: &[Vec<usize>]) -> ArrayRef {
    let Some(input) = aggregate.input else {
        return Arc::new(Int64Array::from_iter_values(
            windows.iter().map(|window| window.len() as i64),
        ));
    };
    let array = &inputs[input].0;
    let numbers = cast(array, &DataType::Int64).and_then(|array| cast(&array, &DataType::Float64));
    let exact = if array.data_type() == &DataType::Float64 {
        array.clone()
    } else {
        numbers.expect("a number")
    };
    let exact = exact.as_primitive::<Float64Type>();
    let value = |window: &Vec<usize>| -> Option<f64> {
        let values: Vec<f64> = window
            .iter()
            .filter(|row| exact.is_valid(**row))
            .map(|row| exact.value(*row))
            .collect();
        let (count, sum) = (values.len() as f64, values.iter().sum::<f64>());
        let squares = || values.iter().map(|value| (value - sum / count).powi(2)).sum::<f64>();
        match aggregate.function {
            AggregateFunction::Count => Some(count),
            _ if values.is_empty() => None,
            AggregateFunction::Sum => Some(sum),
            AggregateFunction::Avg => Some(sum / count),
            AggregateFunction::Min => values.into_iter().reduce(f64::min),
            AggregateFunction::Max => values.into_iter().reduce(f64::max),
            AggregateFunction::StddevSamp => (count > 1.0).then(|| (squares() / (count - 1.0)).sqrt()),
            AggregateFunction::StddevPop => Some((squares() / count).sqrt()),
        }
    };
    let numbers: ArrayRef = Arc::new(windows.iter().map(value).collect::<Float64Array>());
    match &aggregate.data_type {
        DataType::Float64 => numbers,
        exact => {
            let whole = cast(&numbers, &DataType::Int64).expect("a whole number");
            assert!(whole.as_primitive_opt::<Int64Type>().is_some());
            cast(&whole, exact).expect("a number or a time")
        }
    }
}
