//! Queries that are accepted, as the graph that they become.

mod files;

use expect_test::{Expect, expect};
use files::DECLARATIONS;

/// The job's own lines of the explanation: what stands between the checks and the sink.
fn accepted(query: &str, expected: Expect) {
    let pipeline = match hw_plan::plan("test", &format!("{query};{DECLARATIONS}"), &[]) {
        Ok(pipeline) => pipeline,
        Err(diagnostic) => panic!("{diagnostic}"),
    };
    let mut text = String::new();
    let mut shown = false;
    for line in pipeline.text().lines() {
        let name = line.get(4..12).unwrap_or_default().trim();
        match name {
            _ if line.starts_with("  job ") => text.push_str(&format!("{}\n", line.trim())),
            "before" | "window" | "look up" | "after" | "select" => shown = true,
            "" => {}
            _ => shown = false,
        }
        if shown && !line.starts_with("  job ") && !line.is_empty() {
            text.push_str(&format!("{}\n", &line[4..]));
        }
    }
    expected.assert_eq(&text);
}

const FRAME: &str = "PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW";

#[test]
fn filters_and_projections() {
    accepted(
        "INSERT INTO sink SELECT upper(user_id), time, heart_rate * 2 FROM readings
         WHERE haversine(latitude, longitude, 40, -74) < 100 AND heart_rate > 100 AND user_id LIKE 'a%'",
        expect![[r#"
            job 1: readings -> sink
            before   heart_rate > 100
                     user_id LIKE 'a%'
                     haversine(latitude, longitude, 40.0, -74.0) < 100.0
            select   upper(user_id) AS user_id
                     time
                     CAST(CAST(heart_rate AS BIGINT) * 2 AS DOUBLE) AS value
        "#]],
    );
}

#[test]
fn filters_below_and_above_a_window() {
    accepted(
        &format!(
            "INSERT INTO sink SELECT user_id, time, mean FROM (
               SELECT user_id, time, heart_rate, avg(heart_rate) OVER ({FRAME}) AS mean
               FROM readings WHERE zipcode = 10001)
             WHERE heart_rate > mean AND heart_rate > 50"
        ),
        expect![[r#"
            job 1: readings -> sink
            before   zipcode = 10001
            window   sliding by user_id, up to each row in the order of time
                     last 10 seconds: avg(heart_rate)
                     reads CAST(heart_rate AS BIGINT)
            after    heart_rate > 50
                     CAST(heart_rate AS DOUBLE) > avg(heart_rate)[10 seconds]
            select   user_id
                     time
                     avg(heart_rate)[10 seconds] AS mean
        "#]],
    );
}

#[test]
fn several_frames() {
    accepted(
        "INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER short - avg(heart_rate) OVER long FROM readings
         WHERE true
         WINDOW short AS (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW),
                long AS (PARTITION BY user_id ORDER BY time RANGE INTERVAL '1' MINUTE PRECEDING)",
        expect![[r#"
            job 1: readings -> sink
            window   sliding by user_id, up to each row in the order of time
                     last 10 seconds: avg(heart_rate)
                     last 1 minute: avg(heart_rate)
                     reads CAST(heart_rate AS BIGINT)
            select   user_id
                     time
                     avg(heart_rate)[10 seconds] - avg(heart_rate)[1 minute] AS value
        "#]],
    );
}

#[test]
fn every_aggregate() {
    accepted(
        &format!(
            "INSERT INTO sink SELECT user_id, time,
               count(*) OVER w + count(1) OVER w + count(zipcode) OVER w + sum(zipcode) OVER w + sum(latitude) OVER w
               + min(heart_rate) OVER w + max(latitude) OVER w + stddev(heart_rate) OVER w + stddev_samp(heart_rate) OVER w
               + stddev_pop(heart_rate) OVER w + avg(latitude) OVER w + mean(zipcode) OVER w
               + date_part('epoch', max(time) OVER w)
             FROM readings WINDOW w AS ({FRAME})"
        ),
        expect![[r#"
            job 1: readings -> sink
            window   sliding by user_id, up to each row in the order of time
                     last 10 seconds: count(*), count(zipcode), sum(zipcode), sum(latitude), min(heart_rate), max(latitude), stddev(heart_rate), stddev_pop(heart_rate), avg(latitude), avg(zipcode), max(time)
                     reads CASE WHEN zipcode IS NULL THEN NULL ELSE 1 END, CAST(zipcode AS BIGINT), latitude, CAST(heart_rate AS BIGINT), CAST(heart_rate AS DOUBLE), time
            select   user_id
                     time
                     CAST(count(*)[10 seconds] + count(*)[10 seconds] + count(zipcode)[10 seconds] + sum(zipcode)[10 seconds] AS DOUBLE) + sum(latitude)[10 seconds] + CAST(CAST(min(heart_rate)[10 seconds] AS INT) AS DOUBLE) + max(latitude)[10 seconds] + stddev(heart_rate)[10 seconds] + stddev(heart_rate)[10 seconds] + stddev_pop(heart_rate)[10 seconds] + avg(latitude)[10 seconds] + avg(zipcode)[10 seconds] + date_part('epoch', max(time)[10 seconds]) AS value
        "#]],
    );
}

#[test]
fn qualify_filters_behind_the_window() {
    accepted(
        &format!("INSERT INTO sink SELECT user_id, time, heart_rate FROM readings QUALIFY count(*) OVER ({FRAME}) > 3"),
        expect![[r#"
            job 1: readings -> sink
            window   sliding by user_id, up to each row in the order of time
                     last 10 seconds: count(*)
            after    count(*)[10 seconds] > 3
            select   user_id
                     time
                     CAST(heart_rate AS DOUBLE) AS heart_rate
        "#]],
    );
}

#[test]
fn tables_behind_the_window() {
    accepted(
        "INSERT INTO sink SELECT b.user_id, r.time, max(r.heart_rate) OVER w - b.max_heart_rate
         FROM baselines b JOIN readings r ON b.user_id = r.user_id AND r.heart_rate > 50 AND b.min_heart_rate < 60
         WHERE r.zipcode > 0
         WINDOW w AS (PARTITION BY r.user_id ORDER BY r.time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW)"
            .replace(" AND b.min_heart_rate < 60", "")
            .as_str(),
        expect![[r#"
            job 1: readings -> sink
            before   heart_rate > 50
                     zipcode > 0
            window   sliding by user_id, up to each row in the order of time
                     last 10 seconds: max(heart_rate)
                     reads CAST(heart_rate AS BIGINT)
            look up  baselines on user_id = baselines.user_id; a row without one is dropped and counted
                       topic baselines, Avro record baseline
            select   baselines.user_id AS user_id
                     time
                     CAST(CAST(max(heart_rate)[10 seconds] AS INT) - baselines.max_heart_rate AS DOUBLE) AS value
        "#]],
    );
    accepted(
        "INSERT INTO sink SELECT user_id, time, coalesce(b.max_heart_rate, 200) FROM readings LEFT JOIN baselines b USING (user_id)
         WHERE heart_rate > coalesce(b.max_heart_rate, 200)",
        expect![[r#"
            job 1: readings -> sink
            look up  baselines on user_id = baselines.user_id; a row without one gets nulls
                       topic baselines, Avro record baseline
            after    CAST(heart_rate AS BIGINT) > CASE WHEN CAST(baselines.max_heart_rate AS BIGINT) IS NOT NULL THEN CAST(baselines.max_heart_rate AS BIGINT) ELSE 200 END
            select   user_id
                     time
                     CAST(CASE WHEN CAST(baselines.max_heart_rate AS BIGINT) IS NOT NULL THEN CAST(baselines.max_heart_rate AS BIGINT) ELSE 200 END AS DOUBLE) AS value
        "#]],
    );
    accepted(
        "INSERT INTO sink SELECT user_id, time, high FROM readings
         NATURAL JOIN (SELECT user_id, max_heart_rate + 10 AS high FROM baselines WHERE min_heart_rate > 0)",
        expect![[r#"
            job 1: readings -> sink
            look up  baselines on user_id = baselines.user_id; a row without one is dropped and counted
                       topic baselines, Avro record baseline
            after    baselines.min_heart_rate > 0
            select   user_id
                     time
                     CAST(CAST(baselines.max_heart_rate AS BIGINT) + 10 AS DOUBLE) AS high
        "#]],
    );
}

#[test]
fn windows_that_do_not_overlap() {
    accepted(
        "INSERT INTO sink SELECT user_id, start + INTERVAL '1 hour', spread FROM (
           SELECT user_id, date_bin(INTERVAL '1 hour', time, TIMESTAMP '2026-01-01T00:20:00') AS start,
                  max(heart_rate) - min(heart_rate) AS spread
           FROM readings WHERE heart_rate > 40
           GROUP BY 1, 2 HAVING count(*) > 10 AND sum(heart_rate) > 1000)
         WHERE spread > 20",
        expect![[r#"
            job 1: readings -> sink
            before   heart_rate > 40
            window   tumbling by user_id, every 1 hour of time since the epoch + 20 minutes
                     each: max(heart_rate), min(heart_rate), count(*), sum(heart_rate)
                     reads CAST(heart_rate AS BIGINT)
            after    count(*) > 10
                     sum(heart_rate) > 1000
                     CAST(max(heart_rate) AS INT) - CAST(min(heart_rate) AS INT) > 20
            select   user_id
                     window_start + INTERVAL '1 hour' AS time
                     CAST(CAST(max(heart_rate) AS INT) - CAST(min(heart_rate) AS INT) AS DOUBLE) AS spread
        "#]],
    );
}

#[test]
fn a_union_is_a_job_for_each_branch() {
    accepted(
        &format!(
            "WITH everyone AS (
               SELECT user_id, time, heart_rate FROM readings
               UNION ALL SELECT user_id, time, heart_rate FROM watches WHERE worn
               UNION ALL SELECT user_id, time, avg(heart_rate) OVER ({FRAME}) FROM readings)
             SELECT user_id, time, heart_rate + 1 FROM everyone WHERE heart_rate > 100"
        )
        .replacen("WITH", "INSERT INTO sink WITH", 1),
        expect![[r#"
            job 1: readings -> sink
            before   CAST(heart_rate AS DOUBLE) > 100.0
            select   user_id
                     time
                     CAST(heart_rate AS DOUBLE) + 1.0 AS value
            job 2: watches -> sink
            before   worn
                     CAST(heart_rate AS DOUBLE) > 100.0
            select   user_id
                     time
                     CAST(heart_rate AS DOUBLE) + 1.0 AS value
            job 3: readings -> sink
            window   sliding by user_id, up to each row in the order of time
                     last 10 seconds: avg(heart_rate)
                     reads CAST(heart_rate AS BIGINT)
            after    avg(heart_rate)[10 seconds] > 100.0
            select   user_id
                     time
                     avg(heart_rate)[10 seconds] + 1.0 AS value
        "#]],
    );
}

#[test]
fn jobs_in_a_row() {
    accepted(
        &format!(
            "INSERT INTO watches (user_id, time, heart_rate, worn) SELECT user_id, time, heart_rate, true FROM readings;
             INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER ({FRAME}) FROM watches"
        ),
        expect![[r#"
            job 1: readings -> watches
            select   user_id
                     time
                     heart_rate
                     true AS worn
            job 2: watches -> sink
            window   sliding by user_id, up to each row in the order of time
                     last 10 seconds: avg(heart_rate)
                     reads CAST(heart_rate AS BIGINT)
            select   user_id
                     time
                     avg(heart_rate)[10 seconds] AS value
        "#]],
    );
}

#[test]
fn functions_and_guards_into_required_columns() {
    accepted(
        "INSERT INTO watches SELECT user_id, date_trunc('second', time), coalesce(zipcode, round(latitude)), true FROM readings",
        expect![[r#"
            job 1: readings -> watches
            select   user_id
                     date_trunc('second', time) AS time
                     CAST(CASE WHEN CAST(zipcode AS DOUBLE) IS NOT NULL THEN CAST(zipcode AS DOUBLE) ELSE round(latitude) END AS INT) AS heart_rate
                     true AS worn
        "#]],
    );
}

#[test]
fn what_nobody_reads_is_not_computed() {
    accepted(
        format!(
            "INSERT INTO sink SELECT user_id, time, mean FROM (
               SELECT r.user_id, time, avg(heart_rate) OVER w AS mean, max(zipcode) OVER w AS unread, b.max_heart_rate,
                      min(latitude) OVER (PARTITION BY user_id ORDER BY time RANGE INTERVAL '1 day' PRECEDING) AS unread_too
               FROM readings r LEFT JOIN baselines b ON r.user_id = b.user_id WINDOW w AS ({FRAME}))"
        )
        .replace("BY user_id", "BY r.user_id")
        .as_str(),
        expect![[r#"
            job 1: readings -> sink
            window   sliding by user_id, up to each row in the order of time
                     last 10 seconds: avg(heart_rate)
                     reads CAST(heart_rate AS BIGINT)
            select   user_id
                     time
                     avg(heart_rate)[10 seconds] AS mean
        "#]],
    );
}

#[test]
fn a_job_without_a_window_keeps_nothing() {
    let sql = format!("\u{feff}INSERT INTO sink SELECT user_id, time, heart_rate FROM readings;{DECLARATIONS}");
    let pipeline = hw_plan::plan("plain", &sql, &[]).expect("a valid file, with a byte order mark");
    expect![[r#"
        pipeline plain

          job 1: readings -> sink
            source   topic readings, Avro record readings
                     key user_id, event time time (the record's timestamp)
                     max lead   1 minute
                     max skew   1 day
            select   user_id
                     time
                     CAST(heart_rate AS DOUBLE) AS heart_rate
            sink     topic sink, Avro record sink
                     key user_id, event time time
                     user_id VARCHAR NOT NULL, time TIMESTAMP(3) NOT NULL, value DOUBLE
            state    none: each row is answered as it comes
    "#]]
    .assert_eq(&pipeline.text());
}
