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
fn joins() {
    refused(
        "INSERT INTO sink SELECT r.user_id, r.time, r.heart_rate\nFROM readings r JOIN watches w ON r.user_id = w.user_id",
        expect![[r#"
            error: two streams cannot be joined
             --> line 2, column 22
              |
            2 | FROM readings r JOIN watches w ON r.user_id = w.user_id;
              |                      ^
            Each would have to be kept for as long as the other may still bring a match.
            hint: join a stream with a table (CREATE EXTERNAL TABLE), or use a window over one stream
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT r.user_id, r.time, r.heart_rate\nFROM readings r JOIN baselines b ON r.heart_rate = b.max_heart_rate",
        expect![[r#"
            error: baselines must be joined on the key of readings
             --> line 2, column 37
              |
            2 | FROM readings r JOIN baselines b ON r.heart_rate = b.max_heart_rate;
              |                                     ^
            Only the key finds a row of the table on the machine that holds the stream's row: the key of readings is user_id, that of baselines is user_id.
            hint: write JOIN baselines ON readings.user_id = baselines.user_id
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT r.user_id, r.time, r.heart_rate\nFROM readings r RIGHT JOIN baselines b ON r.user_id = b.user_id",
        expect![[r#"
            error: a RIGHT join is not possible on a stream
             --> line 2, column 17
              |
            2 | FROM readings r RIGHT JOIN baselines b ON r.user_id = b.user_id;
              |                 ^
            There would be an answer for keys that no row has come for, or none until the end.
            hint: write FROM stream [LEFT] JOIN table ON stream.key = table.key
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT r.user_id, r.time, r.heart_rate\nFROM readings r FULL JOIN baselines b ON r.user_id = b.user_id",
        expect![[r#"
            error: a FULL join is not possible on a stream
             --> line 2, column 17
              |
            2 | FROM readings r FULL JOIN baselines b ON r.user_id = b.user_id;
              |                 ^
            There would be an answer for keys that no row has come for, or none until the end.
            hint: write FROM stream [LEFT] JOIN table ON stream.key = table.key
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT r.user_id, r.time, r.heart_rate\nFROM readings r CROSS JOIN baselines b",
        expect![[r#"
            error: a CROSS join is not possible on a stream
             --> line 2, column 17
              |
            2 | FROM readings r CROSS JOIN baselines b;
              |                 ^
            There would be an answer for keys that no row has come for, or none until the end.
            hint: write FROM stream [LEFT] JOIN table ON stream.key = table.key
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT r.user_id, r.time, r.heart_rate\nFROM readings r, baselines b WHERE r.user_id = b.user_id",
        expect![[r#"
            error: a join without a condition is not possible on a stream
             --> line 2, column 18
              |
            2 | FROM readings r, baselines b WHERE r.user_id = b.user_id;
              |                  ^
            Only a row's key finds what belongs to it.
            hint: write JOIN table ON stream.key = table.key
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT r.user_id, r.time, r.heart_rate\nFROM readings r LEFT SEMI JOIN baselines b ON r.user_id = b.user_id",
        expect![[r#"
            error: a SEMI join is not possible on a stream
             --> line 2, column 22
              |
            2 | FROM readings r LEFT SEMI JOIN baselines b ON r.user_id = b.user_id;
              |                      ^
            There would be an answer for keys that no row has come for, or none until the end.
            hint: write FROM stream [LEFT] JOIN table ON stream.key = table.key
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT r.user_id, r.time, r.heart_rate\nFROM readings r LEFT JOIN baselines b ON r.user_id = b.user_id AND b.min_heart_rate > 40",
        expect![[r#"
            error: a LEFT JOIN with a table is possible on the key alone
             --> line 2, column 42
              |
            2 | FROM readings r LEFT JOIN baselines b ON r.user_id = b.user_id AND b.min_heart_rate > 40;
              |                                          ^
            The table is looked up by its key; conditions on it, or columns computed from it, belong behind the look-up.
            hint: use CASE or coalesce(…) on the table's columns in SELECT, or an inner JOIN
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT a.user_id, a.time, b.heart_rate\nFROM (SELECT * FROM readings) a JOIN (SELECT * FROM watches) b ON a.user_id = b.user_id",
        expect![[r#"
            error: two streams cannot be joined
             --> line 2, column 67
              |
            2 | FROM (SELECT * FROM readings) a JOIN (SELECT * FROM watches) b ON a.user_id = b.user_id;
              |                                                                   ^
            Each would have to be kept for as long as the other may still bring a match.
            hint: join a stream with a table (CREATE EXTERNAL TABLE), or use a window over one stream
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT b.user_id, CAST(NULL AS TIMESTAMP(3)), b.min_heart_rate FROM baselines b",
        expect![[r#"
            error: a table alone is not a stream
             --> line 1, column 18
              |
            1 | INSERT INTO sink SELECT b.user_id, CAST(NULL AS TIMESTAMP(3)), b.min_heart_rate FROM baselines b;
              |                  ^
            A job answers to rows as they come; a table only holds what is known about each key.
            hint: select from a stream, and JOIN the table on the key
        "#]],
    );
}

#[test]
fn sub_queries_in_expressions() {
    refused(
        "INSERT INTO sink SELECT user_id, time, heart_rate FROM readings\nWHERE heart_rate > (SELECT max(max_heart_rate) FROM baselines)",
        expect![[r#"
            error: a sub-query in an expression is not possible on a stream
             --> line 2, column 21
              |
            2 | WHERE heart_rate > (SELECT max(max_heart_rate) FROM baselines);
              |                     ^
            It would have to be answered anew, from the beginning, for every row.
            hint: JOIN a table on the key, or INSERT the sub-query INTO a stream of its own
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, heart_rate FROM readings\nWHERE user_id IN (SELECT user_id FROM baselines)",
        expect![[r#"
            error: a sub-query in an expression is not possible on a stream
             --> line 2, column 7
              |
            2 | WHERE user_id IN (SELECT user_id FROM baselines);
              |       ^
            It would have to be answered anew, from the beginning, for every row.
            hint: JOIN a table on the key, or INSERT the sub-query INTO a stream of its own
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, heart_rate FROM readings r\nWHERE EXISTS (SELECT 1 FROM baselines b WHERE b.user_id = r.user_id)",
        expect![[r#"
            error: a sub-query in an expression is not possible on a stream
             --> line 2, column 15
              |
            2 | WHERE EXISTS (SELECT 1 FROM baselines b WHERE b.user_id = r.user_id);
              |               ^
            It would have to be answered anew, from the beginning, for every row.
            hint: JOIN a table on the key, or INSERT the sub-query INTO a stream of its own
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
        "INSERT INTO watches SELECT user_id, time, heart_rate, true FROM readings; INSERT INTO sink SELECT user_id, time, heart_rate FROM watches; INSERT INTO readings SELECT user_id, time, 1, 2, 3, value FROM sink",
        expect![[r#"
            error: readings is written by what is read from it
             --> line 1, column 151
              |
            1 | INSERT INTO watches SELECT user_id, time, heart_rate, true FROM readings; INSERT INTO sink SELECT user_id, time, heart_rate FROM watches; INSERT INTO readings SELECT user_id, time, 1, 2, 3, value FROM sink;
              |                                                                                                                                                       ^
            Every row would bring forth another, without end.
            hint: INSERT INTO another stream
        "#]],
    );
}
