//! Queries that are refused for what they select, join or filter, each with its diagnostic.

mod files;

use expect_test::expect;
use files::refused;

#[test]
fn clauses_that_need_an_end() {
    refused(
        "INSERT INTO sink SELECT user_id, time, heart_rate FROM readings\nORDER BY time",
        expect![[r#"
            error: ORDER BY is not possible on a stream
             --> line 2, column 1
              |
            2 | ORDER BY time;
              | ^
            A stream has no end: there is never a last row to wait for.
            hint: leave it out: the rows of a key are answered in the order of their time
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, heart_rate FROM readings LIMIT 10",
        expect![[r#"
            error: LIMIT is not possible on a stream
             --> line 1, column 65
              |
            1 | INSERT INTO sink SELECT user_id, time, heart_rate FROM readings LIMIT 10;
              |                                                                 ^
            A stream has no end: there is never a last row to wait for.
            hint: leave it out
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT DISTINCT user_id, time, heart_rate FROM readings",
        expect![[r#"
            error: DISTINCT is not possible on a stream
             --> line 1, column 25
              |
            1 | INSERT INTO sink SELECT DISTINCT user_id, time, heart_rate FROM readings;
              |                         ^
            To leave duplicates out, every row would have to be kept for ever.
            hint: leave it out, or GROUP BY the key and date_bin(INTERVAL '10 seconds', time)
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, heart_rate FROM (SELECT * FROM readings ORDER BY heart_rate DESC)",
        expect![[r#"
            error: ORDER BY is not possible on a stream
             --> line 1, column 80
              |
            1 | INSERT INTO sink SELECT user_id, time, heart_rate FROM (SELECT * FROM readings ORDER BY heart_rate DESC);
              |                                                                                ^
            A stream has no end: there is never a last row to wait for.
            hint: leave it out: the rows of a key are answered in the order of their time
        "#]],
    );
}

#[test]
fn set_operations() {
    refused(
        "INSERT INTO sink SELECT user_id, time, heart_rate FROM readings\nUNION SELECT user_id, time, heart_rate FROM watches",
        expect![[r#"
            error: UNION without ALL is not possible on a stream
             --> line 2, column 1
              |
            2 | UNION SELECT user_id, time, heart_rate FROM watches;
              | ^
            To leave duplicates out, every row would have to be kept for ever.
            hint: write UNION ALL
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, heart_rate FROM readings\nEXCEPT SELECT user_id, time, heart_rate FROM watches",
        expect![[r#"
            error: EXCEPT is not possible on a stream
             --> line 2, column 1
              |
            2 | EXCEPT SELECT user_id, time, heart_rate FROM watches;
              | ^
            A stream has no end: there is never a last row to wait for.
            hint: filter with WHERE, or JOIN a table on the key
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, heart_rate FROM readings INTERSECT SELECT user_id, time, heart_rate FROM watches",
        expect![[r#"
            error: INTERSECT is not possible on a stream
             --> line 1, column 65
              |
            1 | INSERT INTO sink SELECT user_id, time, heart_rate FROM readings INTERSECT SELECT user_id, time, heart_rate FROM watches;
              |                                                                 ^
            A stream has no end: there is never a last row to wait for.
            hint: filter with WHERE, or JOIN a table on the key
        "#]],
    );
}

#[test]
fn functions_that_change() {
    refused(
        "INSERT INTO sink SELECT user_id, time, heart_rate FROM readings WHERE time > now() - INTERVAL '1 hour'",
        expect![[r#"
            error: now() is not the same each time it is computed
             --> line 1, column 78
              |
            1 | INSERT INTO sink SELECT user_id, time, heart_rate FROM readings WHERE time > now() - INTERVAL '1 hour';
              |                                                                              ^
            A row is computed again when a task restarts, and the same query is run in batch over files of the past: both must give the same answer.
            hint: use the event time, such as the column time, or a parameter ($name) that you set when you start
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time,\n  heart_rate + random() FROM readings",
        expect![[r#"
            error: random() is not the same each time it is computed
             --> line 2, column 16
              |
            2 |   heart_rate + random() FROM readings;
              |                ^
            A row is computed again when a task restarts, and the same query is run in batch over files of the past: both must give the same answer.
            hint: use the event time, such as the column time, or a parameter ($name) that you set when you start
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, heart_rate FROM readings WHERE time < current_date",
        expect![[r#"
            error: current_date() is not the same each time it is computed
             --> line 1, column 78
              |
            1 | INSERT INTO sink SELECT user_id, time, heart_rate FROM readings WHERE time < current_date;
              |                                                                              ^
            A row is computed again when a task restarts, and the same query is run in batch over files of the past: both must give the same answer.
            hint: use the event time, such as the column time, or a parameter ($name) that you set when you start
        "#]],
    );
}

#[test]
fn names_that_are_not_there() {
    refused(
        "INSERT INTO sink SELECT user_id, time, pulse FROM readings",
        expect![[r#"
            error: there is no column pulse
             --> line 1, column 40
              |
            1 | INSERT INTO sink SELECT user_id, time, pulse FROM readings;
              |                                        ^
            hint: columns here are readings.user_id, readings.time, readings.zipcode, readings.latitude, readings.longitude, readings.heart_rate
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, heart_rate FROM reading",
        expect![[r#"
            error: there is no stream or table reading
             --> line 1, column 56
              |
            1 | INSERT INTO sink SELECT user_id, time, heart_rate FROM reading;
              |                                                        ^
            hint: the file declares readings, watches, sink, baselines
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, haversin(latitude, longitude, 0, 0) FROM readings",
        expect![[r#"
            error: Invalid function 'haversin'
             --> line 1, column 40
              |
            1 | INSERT INTO sink SELECT user_id, time, haversin(latitude, longitude, 0, 0) FROM readings;
              |                                        ^
            hint: Did you mean 'haversine'?
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, r.time, heart_rate FROM readings r JOIN baselines b ON r.user_id = b.user_id",
        expect![[r#"
            error: more than one column is called user_id
             --> line 1, column 25
              |
            1 | INSERT INTO sink SELECT user_id, r.time, heart_rate FROM readings r JOIN baselines b ON r.user_id = b.user_id;
              |                         ^
            hint: write the table's name or alias before it, such as r.user_id
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, haversine(latitude, longitude) FROM readings",
        expect![[r#"
            error: haversine cannot be called with (Float64, Float64)
             --> line 1, column 40
              |
            1 | INSERT INTO sink SELECT user_id, time, haversine(latitude, longitude) FROM readings;
              |                                        ^
            hint: write haversine(Float64, Float64, Float64, Float64)
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, heart_rate FROM readings WHERE user_id + heart_rate > 1",
        expect![[r#"
            error: Cannot coerce arithmetic expression Utf8 + Int32 to valid types
             --> line 1, column 71
              |
            1 | INSERT INTO sink SELECT user_id, time, heart_rate FROM readings WHERE user_id + heart_rate > 1;
              |                                                                       ^
        "#]],
    );
}

#[test]
fn sinks() {
    refused(
        "INSERT INTO baselines SELECT user_id, heart_rate, heart_rate FROM readings",
        expect![[r#"
            error: baselines is a table, and a job writes to streams
             --> line 1, column 13
              |
            1 | INSERT INTO baselines SELECT user_id, heart_rate, heart_rate FROM readings;
              |             ^
            A table is only read: what its topic holds comes from elsewhere.
            hint: declare a stream with CREATE UNBOUNDED EXTERNAL TABLE and INSERT INTO that one
        "#]],
    );
    refused(
        "INSERT INTO alerts SELECT user_id, time, heart_rate FROM readings",
        expect![[r#"
            error: there is no stream alerts
             --> line 1, column 13
              |
            1 | INSERT INTO alerts SELECT user_id, time, heart_rate FROM readings;
              |             ^
            hint: the file declares readings, watches, sink, baselines
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time FROM readings",
        expect![[r#"
            error: the query has 2 columns, but sink has 3
             --> line 1, column 18
              |
            1 | INSERT INTO sink SELECT user_id, time FROM readings;
              |                  ^
            Columns are written by position.
            hint: select one for each of user_id, time, value
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, heart_rate, time FROM readings",
        expect![[r#"
            error: heart_rate is INT, which does not fit the column time of sink, TIMESTAMP(3)
             --> line 1, column 34
              |
            1 | INSERT INTO sink SELECT user_id, heart_rate, time FROM readings;
              |                                  ^
            Columns are written by position.
            hint: select the columns in the sink's order, or write CAST(… AS …)
        "#]],
    );
    refused(
        "INSERT INTO sink (time, user_id, value) SELECT time, user_id, heart_rate FROM readings",
        expect![[r#"
            error: a column list must be that of the sink
             --> line 1, column 19
              |
            1 | INSERT INTO sink (time, user_id, value) SELECT time, user_id, heart_rate FROM readings;
              |                   ^
            hint: leave it out, and select user_id, time, value in this order
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, value FROM sink",
        expect![[r#"
            error: sink is written by what is read from it
             --> line 1, column 13
              |
            1 | INSERT INTO sink SELECT user_id, time, value FROM sink;
              |             ^
            Every row would bring forth another, without end.
            hint: INSERT INTO another stream
        "#]],
    );
    refused(
        "INSERT INTO watches SELECT user_id, time, heart_rate, true FROM readings; INSERT INTO sink SELECT user_id, time, heart_rate FROM watches; INSERT INTO readings SELECT user_id, time, 1, 2, 3, coalesce(value, 1) FROM sink",
        expect![[r#"
            error: readings is written by what is read from it
             --> line 1, column 151
              |
            1 | INSERT INTO watches SELECT user_id, time, heart_rate, true FROM readings; INSERT INTO sink SELECT user_id, time, heart_rate FROM watches; INSERT INTO readings SELECT user_id, time, 1, 2, 3, coalesce(value, 1) FROM sink;
              |                                                                                                                                                       ^
            Every row would bring forth another, without end.
            hint: INSERT INTO another stream
        "#]],
    );
}

#[test]
fn nulls_where_none_may_be() {
    refused(
        "INSERT INTO watches SELECT user_id, time, zipcode, true FROM readings",
        expect![[r#"
            error: zipcode may be null, but the column heart_rate of watches may not
             --> line 1, column 43
              |
            1 | INSERT INTO watches SELECT user_id, time, zipcode, true FROM readings;
              |                                           ^
            Null may be: a column without NOT NULL, a table's column behind a LEFT JOIN, the standard deviation of one value.
            hint: write coalesce(zipcode, …), or declare heart_rate without NOT NULL (a key and a time are never null)
        "#]],
    );
    refused(
        "INSERT INTO watches SELECT r.user_id, r.time,\n  b.max_heart_rate, true FROM readings r LEFT JOIN baselines b USING (user_id)",
        expect![[r#"
            error: baselines.max_heart_rate may be null, but the column heart_rate of watches may not
             --> line 2, column 3
              |
            2 |   b.max_heart_rate, true FROM readings r LEFT JOIN baselines b USING (user_id);
              |   ^
            Null may be: a column without NOT NULL, a table's column behind a LEFT JOIN, the standard deviation of one value.
            hint: write coalesce(baselines.max_heart_rate, …), or declare heart_rate without NOT NULL (a key and a time are never null)
        "#]],
    );
    refused(
        "INSERT INTO watches SELECT user_id, time, nullif(heart_rate, 0), true FROM readings",
        expect![[r#"
            error: CAST(nullif(CAST(heart_rate AS BIGINT), 0) AS INT) may be null, but the column heart_rate of watches may not
             --> line 1, column 43
              |
            1 | INSERT INTO watches SELECT user_id, time, nullif(heart_rate, 0), true FROM readings;
              |                                           ^
            Null may be: a column without NOT NULL, a table's column behind a LEFT JOIN, the standard deviation of one value.
            hint: write coalesce(CAST(nullif(CAST(heart_rate AS BIGINT), 0) AS INT), …), or declare heart_rate without NOT NULL (a key and a time are never null)
        "#]],
    );
}
