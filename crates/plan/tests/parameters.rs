//! Parameters: declared by `SET`, overridden by the user, used anywhere in the file.

mod files;

use expect_test::{Expect, expect};
use files::DECLARATIONS;
use hw_graph::{Pipeline, Window};
use hw_plan::Diagnostic;

const FILE: &str = "
SET window = INTERVAL '1' MINUTE;
SET least = -2.5;
SET prefix = 'it''s';
SET worn = true;
INSERT INTO sink SELECT user_id, time, count(*) OVER
  (PARTITION BY user_id ORDER BY time RANGE BETWEEN $window PRECEDING AND CURRENT ROW)
FROM watches WHERE heart_rate > 3 - $least AND starts_with(user_id, $prefix) AND worn = $worn";

fn plan(set: &[(&str, &str)]) -> Result<Pipeline, Diagnostic> {
    let set: Vec<(String, String)> = set
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    hw_plan::plan("test", &format!("{FILE};{DECLARATIONS}"), &set)
}

fn length_ms(set: &[(&str, &str)]) -> i64 {
    match plan(set) {
        Ok(pipeline) => pipeline.jobs[0]
            .window
            .as_ref()
            .map(Window::length_ms)
            .expect("the query has a window"),
        Err(diagnostic) => panic!("{diagnostic}"),
    }
}

fn refused(set: &[(&str, &str)], expected: Expect) {
    match plan(set) {
        Ok(_) => panic!("{set:?} is accepted"),
        Err(diagnostic) => expected.assert_eq(&format!("{diagnostic}\n")),
    }
}

#[test]
fn defaults_and_overrides() {
    assert_eq!(length_ms(&[]), 60_000);
    for text in [
        "10 s",
        "10s",
        "10 seconds",
        "INTERVAL '10 seconds'",
        "interval '10 s'",
        " 10000 ms ",
    ] {
        assert_eq!(length_ms(&[("window", text)]), 10_000, "{text}");
    }
    let pipeline =
        plan(&[("least", "1e3"), ("prefix", "a'); DROP"), ("worn", "FALSE")]).expect("values of their kinds");
    let listed: Vec<String> = pipeline
        .parameters
        .iter()
        .map(|parameter| format!("{} = {}", parameter.name, parameter.value))
        .collect();
    expect![[r#"
        window = INTERVAL '1 minute'
        least = 1e3
        prefix = 'a''); DROP'
        worn = false"#]]
    .assert_eq(&listed.join("\n"));
}

#[test]
fn values_of_another_kind() {
    refused(
        &[("window", "10")],
        expect![[r#"
        error: '10' is no value for the parameter window
        hint: it takes a duration such as '10 seconds' or '1 minute', as its default INTERVAL '1 minute' is
    "#]],
    );
    refused(
        &[("window", "1 month")],
        expect![[r#"
        error: '1 month' is no value for the parameter window
        hint: it takes a duration such as '10 seconds' or '1 minute', as its default INTERVAL '1 minute' is
    "#]],
    );
    refused(
        &[("least", "1 + 1")],
        expect![[r#"
            error: '1 + 1' is no value for the parameter least
            hint: it takes a number, as its default -2.5 is
        "#]],
    );
    refused(
        &[("least", "NaN")],
        expect![[r#"
            error: 'NaN' is no value for the parameter least
            hint: it takes a number, as its default -2.5 is
        "#]],
    );
    refused(
        &[("worn", "perhaps")],
        expect![[r#"
        error: 'perhaps' is no value for the parameter worn
        hint: it takes true or false, as its default true is
    "#]],
    );
    refused(
        &[("windows", "10 s")],
        expect![[r#"
            error: there is no parameter windows
            hint: the file declares window = INTERVAL '1 minute', least = -2.5, prefix = 'it''s', worn = true
        "#]],
    );
}

#[test]
fn lateness_of_a_stream() {
    let sql = "SET late = INTERVAL '3 seconds';
        CREATE UNBOUNDED EXTERNAL TABLE a (k VARCHAR, at TIMESTAMP(3)) STORED AS AVRO LOCATION 'topic.a'
        OPTIONS ('key' 'k', 'time' 'at', 'time_source' 'value', 'lateness' '$late', 'remember' '1 hour',
                 'idle_after' '250 ms', 'max_lead' '2 minutes', 'max_skew' '1 week');
        CREATE UNBOUNDED EXTERNAL TABLE b (k VARCHAR, time TIMESTAMP(3)) STORED AS AVRO LOCATION 'b' OPTIONS (key k);
        INSERT INTO b SELECT k, at FROM a";
    let pipeline = hw_plan::plan("test", sql, &[("late".to_string(), "5 s".to_string())]).expect("a valid file");
    expect!["Value Timing { lateness_ms: 5000, remember_ms: Some(3600000), idle_after_ms: 250, max_lead_ms: 120000, max_skew_ms: 604800000 }"].assert_eq(&format!("{:?} {:?}", pipeline.streams[0].time_source, pipeline.streams[0].timing));
    assert_eq!(
        (pipeline.streams[0].topic.as_str(), pipeline.streams[0].record.as_str()),
        ("topic.a", "a")
    );
}
