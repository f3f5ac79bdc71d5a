//! The shipped pipelines as the planner understands them.

use expect_test::{Expect, expect};
use hw_graph::Pipeline;

fn shipped(name: &str) -> Pipeline {
    let path = format!("{}/../../pipelines/{name}.sql", env!("CARGO_MANIFEST_DIR"));
    let sql = std::fs::read_to_string(path).expect("shipped with the repository");
    match hw_plan::plan(name, &sql, &[]) {
        Ok(pipeline) => pipeline,
        Err(diagnostic) => panic!("{name}: {diagnostic}"),
    }
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(text);
}

#[test]
fn still_out_of_range_explained() {
    check(
        &shipped("still_out_of_range").text(),
        expect![[r#"
            pipeline still_out_of_range
              parameters
                window       = INTERVAL '10 seconds'
                still_metres = 10
                min_readings = 3
                coverage     = 0.8
                lateness     = INTERVAL '0 seconds'

              job 1: readings -> findings
                source   topic readings, Avro record reading
                         key user_id, event time time (the record's timestamp)
                         lateness   0 seconds
                         remember   1 minute 10 seconds (window + lateness + 1 minute)
                         idle after 5 seconds
                         max lead   1 minute
                         max skew   1 day
                check    heart_rate BETWEEN 1 AND 300
                         latitude BETWEEN -90 AND 90
                         longitude BETWEEN -180 AND 180
                         otherwise to still_out_of_range.dead-letters
                window   sliding by user_id, up to each row in the order of time
                         last 10 seconds: avg(heart_rate), count(*), max(time), min(time), min(latitude), min(longitude), max(latitude), max(longitude)
                         reads CAST(heart_rate AS BIGINT), time, latitude, longitude
                look up  baselines on user_id = baselines.user_id; a row without one is dropped and counted
                           topic baselines, Avro record baseline
                           check min_heart_rate <= max_heart_rate
                after    count(*)[10 seconds] >= 3
                         avg(heart_rate)[10 seconds] < CAST(baselines.min_heart_rate AS DOUBLE) OR avg(heart_rate)[10 seconds] > CAST(baselines.max_heart_rate AS DOUBLE)
                         date_part('epoch', max(time)[10 seconds] - min(time)[10 seconds]) >= 8.0
                         haversine(min(latitude)[10 seconds], min(longitude)[10 seconds], max(latitude)[10 seconds], max(longitude)[10 seconds]) <= 10.0
                select   user_id
                         time
                         avg(heart_rate)[10 seconds] AS avg_heart_rate
                         baselines.min_heart_rate AS min_heart_rate
                         baselines.max_heart_rate AS max_heart_rate
                         haversine(min(latitude)[10 seconds], min(longitude)[10 seconds], max(latitude)[10 seconds], max(longitude)[10 seconds]) AS moved_metres
                         count(*)[10 seconds] AS readings
                sink     topic findings, Avro record finding
                         key user_id, event time time
                         user_id VARCHAR NOT NULL, time TIMESTAMP(3) NOT NULL, avg_heart_rate DOUBLE NOT NULL, min_heart_rate INT NOT NULL, max_heart_rate INT NOT NULL, moved_metres DOUBLE NOT NULL, readings BIGINT NOT NULL
                state    for each user_id: its rows of the last 10 seconds, and those that wait to be ready
                         a user_id is forgotten when it has been quiet for 1 minute 10 seconds
                         a restart reads again what came in the last 2 minutes 20 seconds of the clock, and 16 records more
                         the table baselines, read to its end before the first answer
        "#]],
    );
}

#[test]
fn still_out_of_range_drawn() {
    check(
        &shipped("still_out_of_range").mermaid(),
        expect![[r#"
        flowchart LR
          stream0[("readings")]
          stream1[("findings")]
          table0[("baselines<br/>table")]
          dead[("still_out_of_range.dead-letters")]
          subgraph job0["job 1"]
            direction LR
            job0_check["check<br/>heart_rate BETWEEN 1 AND 300<br/>latitude BETWEEN -90 AND 90<br/>longitude BETWEEN -180 AND 180"]
            job0_window["sliding by user_id<br/>last 10 seconds"]
            job0_lookup["join baselines"]
            job0_after["count(*)[10 seconds] &gt;= 3<br/>avg(heart_rate)[10 seconds] &lt; CAST(baselines.min_heart_rate AS DOUBLE) OR avg(heart_rate)[10 seconds] &gt; CAST(baselines.max_heart_rate AS DOUBLE)<br/>date_part('epoch', max(time)[10 seconds] - min(time)[10 seconds]) &gt;= 8.0<br/>haversine(min(latitude)[10 seconds], min(longitude)[10 seconds], max(latitude)[10 seconds], max(longitude)[10 seconds]) &lt;= 10.0"]
            job0_select["select user_id, time, avg_heart_rate, min_heart_rate, max_heart_rate, moved_metres, readings"]
            job0_check --> job0_window
            job0_window --> job0_lookup
            job0_lookup --> job0_after
            job0_after --> job0_select
          end
          stream0 --> job0_check
          job0_check -. not valid or late .-> dead
          job0_select --> stream1
          table0 --> job0_lookup
    "#]],
    );
}

#[test]
fn tumbling_explained() {
    check(
        &shipped("tumbling").text(),
        expect![[r#"
            pipeline tumbling
              parameters
                window       = INTERVAL '10 seconds'
                still_metres = 10
                min_readings = 3
                coverage     = 0.8
                lateness     = INTERVAL '0 seconds'

              job 1: readings -> findings
                source   topic readings, Avro record reading
                         key user_id, event time time (the record's timestamp)
                         lateness   0 seconds
                         remember   1 minute 10 seconds (window + lateness + 1 minute)
                         idle after 5 seconds
                         max lead   1 minute
                         max skew   1 day
                check    heart_rate BETWEEN 1 AND 300
                         latitude BETWEEN -90 AND 90
                         longitude BETWEEN -180 AND 180
                         otherwise to tumbling.dead-letters
                window   tumbling by user_id, every 10 seconds of time since the epoch
                         each: avg(heart_rate), count(*), max(time), min(time), min(latitude), min(longitude), max(latitude), max(longitude)
                         reads CAST(heart_rate AS BIGINT), time, latitude, longitude
                look up  baselines on user_id = baselines.user_id; a row without one is dropped and counted
                           topic baselines, Avro record baseline
                           check min_heart_rate <= max_heart_rate
                after    count(*) >= 3
                         avg(heart_rate) < CAST(baselines.min_heart_rate AS DOUBLE) OR avg(heart_rate) > CAST(baselines.max_heart_rate AS DOUBLE)
                         date_part('epoch', max(time) - min(time)) >= 8.0
                         haversine(min(latitude), min(longitude), max(latitude), max(longitude)) <= 10.0
                select   user_id
                         window_start
                         window_start + INTERVAL '10 seconds' AS window_end
                         avg(heart_rate) AS avg_heart_rate
                         baselines.min_heart_rate AS min_heart_rate
                         baselines.max_heart_rate AS max_heart_rate
                         haversine(min(latitude), min(longitude), max(latitude), max(longitude)) AS moved_metres
                         count(*) AS readings
                sink     topic findings, Avro record finding
                         key user_id, event time window_end
                         user_id VARCHAR NOT NULL, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, avg_heart_rate DOUBLE NOT NULL, min_heart_rate INT NOT NULL, max_heart_rate INT NOT NULL, moved_metres DOUBLE NOT NULL, readings BIGINT NOT NULL
                state    for each user_id: its open windows, and its rows that wait to be ready
                         a user_id is forgotten when it has been quiet for 1 minute 10 seconds
                         a restart reads again what came in the last 2 minutes 20 seconds of the clock, and 16 records more
                         the table baselines, read to its end before the first answer
        "#]],
    );
}

#[test]
fn tumbling_drawn() {
    check(
        &shipped("tumbling").mermaid(),
        expect![[r#"
        flowchart LR
          stream0[("readings")]
          stream1[("findings")]
          table0[("baselines<br/>table")]
          dead[("tumbling.dead-letters")]
          subgraph job0["job 1"]
            direction LR
            job0_check["check<br/>heart_rate BETWEEN 1 AND 300<br/>latitude BETWEEN -90 AND 90<br/>longitude BETWEEN -180 AND 180"]
            job0_window["tumbling by user_id, 10 seconds"]
            job0_lookup["join baselines"]
            job0_after["count(*) &gt;= 3<br/>avg(heart_rate) &lt; CAST(baselines.min_heart_rate AS DOUBLE) OR avg(heart_rate) &gt; CAST(baselines.max_heart_rate AS DOUBLE)<br/>date_part('epoch', max(time) - min(time)) &gt;= 8.0<br/>haversine(min(latitude), min(longitude), max(latitude), max(longitude)) &lt;= 10.0"]
            job0_select["select user_id, window_start, window_end, avg_heart_rate, min_heart_rate, max_heart_rate, moved_metres, readings"]
            job0_check --> job0_window
            job0_window --> job0_lookup
            job0_lookup --> job0_after
            job0_after --> job0_select
          end
          stream0 --> job0_check
          job0_check -. not valid or late .-> dead
          job0_select --> stream1
          table0 --> job0_lookup
    "#]],
    );
}

/// A changed number makes every running task read its log again: it is changed on purpose or not at all.
#[test]
fn fingerprints() {
    let number = |name| {
        let pipeline = shipped(name);
        format!("{:016x}", pipeline.jobs[0].fingerprint(&pipeline))
    };
    check(&number("still_out_of_range"), expect!["f801881b1ef2817e"]);
    check(&number("tumbling"), expect!["d621923d91748ec4"]);
}

/// A file that is cut off anywhere is refused or accepted, and never panics.
#[test]
fn truncated_files() {
    let path = format!("{}/../../pipelines/still_out_of_range.sql", env!("CARGO_MANIFEST_DIR"));
    let sql = std::fs::read_to_string(path).expect("shipped with the repository");
    let text = "é".to_string() + &sql[sql.find("SET window").expect("the file has parameters")..];
    for (end, _) in text.char_indices().step_by(11) {
        if let Err(diagnostic) = hw_plan::plan("cut", &text[..end], &[]) {
            assert!(!diagnostic.to_string().is_empty());
        }
    }
}
