//! Windows and groups that are refused, each with its diagnostic.

mod files;

use expect_test::expect;
use files::refused;

#[test]
fn frames() {
    refused(
        "INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id ORDER BY time\n  ROWS BETWEEN 10 PRECEDING AND CURRENT ROW) FROM readings",
        expect![[r#"
            error: a frame of ROWS is not possible on a stream
             --> line 2, column 3
              |
            2 |   ROWS BETWEEN 10 PRECEDING AND CURRENT ROW) FROM readings;
              |   ^
            A frame of rows has no end in time, and a late row would change every frame behind it.
            hint: write RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER w FROM readings\nWINDOW w AS (PARTITION BY user_id ORDER BY time GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW)",
        expect![[r#"
            error: a frame of GROUPS is not possible on a stream
             --> line 2, column 49
              |
            2 | WINDOW w AS (PARTITION BY user_id ORDER BY time GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW);
              |                                                 ^
            A frame of rows has no end in time, and a late row would change every frame behind it.
            hint: write RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '1 second' PRECEDING AND INTERVAL '1 second' FOLLOWING) FROM readings",
        expect![[r#"
            error: a frame must end at the current row
             --> line 1, column 165
              |
            1 | INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '1 second' PRECEDING AND INTERVAL '1 second' FOLLOWING) FROM readings;
              |                                                                                                                                                                     ^
            A row is answered when its time has come; rows that follow are not there yet.
            hint: write RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM readings",
        expect![[r#"
            error: a frame without a beginning is not possible on a stream
             --> line 1, column 111
              |
            1 | INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM readings;
              |                                                                                                               ^
            Its rows would have to be kept for ever.
            hint: write RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id ORDER BY time) FROM readings",
        expect![[r#"
            error: a window without a frame is not possible on a stream
             --> line 1, column 40
              |
            1 | INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id ORDER BY time) FROM readings;
              |                                        ^
            It means RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW, whose rows would have to be kept for ever.
            hint: write RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id) FROM readings",
        expect![[r#"
            error: a window without ORDER BY is not possible on a stream
             --> line 1, column 40
              |
            1 | INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id) FROM readings;
              |                                        ^
            It would hold all rows of the key, those of the future too.
            hint: write ORDER BY the event time, and RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER () FROM readings",
        expect![[r#"
            error: a window without PARTITION BY is not possible on a stream
             --> line 1, column 40
              |
            1 | INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER () FROM readings;
              |                                        ^
            Rows of different keys lie in different partitions, on different machines, each with its own clock.
            hint: write PARTITION BY the key of the stream
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '1 month' PRECEDING AND CURRENT ROW) FROM readings",
        expect![[r#"
            error: the length of a window must be a fixed number of milliseconds
             --> line 1, column 44
              |
            1 | INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '1 month' PRECEDING AND CURRENT ROW) FROM readings;
              |                                            ^
            Months and years differ in length.
            hint: write INTERVAL '10 seconds', with days, hours, minutes, seconds or milliseconds
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '20 seconds' PRECEDING AND INTERVAL '10 seconds' PRECEDING) FROM readings",
        expect![[r#"
            error: a frame must end at the current row
             --> line 1, column 97
              |
            1 | INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '20 seconds' PRECEDING AND INTERVAL '10 seconds' PRECEDING) FROM readings;
              |                                                                                                 ^
            A frame that ends before it would be answered with rows that it does not show.
            hint: write RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW
        "#]],
    );
}

#[test]
fn partition_and_order() {
    refused(
        "INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY zipcode ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW) FROM readings",
        expect![[r#"
            error: a window must be PARTITION BY user_id, the key of readings
             --> line 1, column 75
              |
            1 | INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY zipcode ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW) FROM readings;
              |                                                                           ^
            Rows of another grouping lie in different partitions, on different machines, each with its own clock.
            hint: write PARTITION BY user_id; for another key, INSERT INTO a stream with that key first
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id, zipcode ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW) FROM readings",
        expect![[r#"
            error: a window must be PARTITION BY user_id, the key of readings
             --> line 1, column 75
              |
            1 | INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id, zipcode ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW) FROM readings;
              |                                                                           ^
            Rows of another grouping lie in different partitions, on different machines, each with its own clock.
            hint: write PARTITION BY user_id; for another key, INSERT INTO a stream with that key first
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id ORDER BY heart_rate RANGE BETWEEN 10 PRECEDING AND CURRENT ROW) FROM readings",
        expect![[r#"
            error: a window must be ORDER BY time, the event time of readings
             --> line 1, column 92
              |
            1 | INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id ORDER BY heart_rate RANGE BETWEEN 10 PRECEDING AND CURRENT ROW) FROM readings;
              |                                                                                            ^
            Rows are answered in the order of their event time, upwards, and forgotten by it.
            hint: write ORDER BY time
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id\n  ORDER BY time DESC RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW) FROM readings",
        expect![[r#"
            error: a window must be ORDER BY time, the event time of readings
             --> line 2, column 12
              |
            2 |   ORDER BY time DESC RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW) FROM readings;
              |            ^
            Rows are answered in the order of their event time, upwards, and forgotten by it.
            hint: write ORDER BY time
        "#]],
    );
}

#[test]
fn functions() {
    refused(
        "INSERT INTO sink SELECT user_id, time, lag(heart_rate) OVER (PARTITION BY user_id ORDER BY time) FROM readings",
        expect![[r#"
            error: lag is not possible on a stream
             --> line 1, column 40
              |
            1 | INSERT INTO sink SELECT user_id, time, lag(heart_rate) OVER (PARTITION BY user_id ORDER BY time) FROM readings;
              |                                        ^
            It needs all rows of the window one by one, or rows that have not come yet.
            hint: the functions over a window are count, sum, avg, min, max, stddev and stddev_pop
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, row_number() OVER (PARTITION BY user_id ORDER BY time) FROM readings",
        expect![[r#"
            error: row_number is not possible on a stream
             --> line 1, column 40
              |
            1 | INSERT INTO sink SELECT user_id, time, row_number() OVER (PARTITION BY user_id ORDER BY time) FROM readings;
              |                                        ^
            It needs all rows of the window one by one, or rows that have not come yet.
            hint: the functions over a window are count, sum, avg, min, max, stddev and stddev_pop
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, median(heart_rate) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW) FROM readings",
        expect![[r#"
            error: median is not possible on a stream
             --> line 1, column 40
              |
            1 | INSERT INTO sink SELECT user_id, time, median(heart_rate) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW) FROM readings;
              |                                        ^
            It needs all rows of the window one by one, or rows that have not come yet.
            hint: the functions over a window are count, sum, avg, min, max, stddev and stddev_pop
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, count(DISTINCT zipcode) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW) FROM readings",
        expect![[r#"
            error: DISTINCT, FILTER, ORDER BY and NULLS are not possible in an aggregate on a stream
             --> line 1, column 40
              |
            1 | INSERT INTO sink SELECT user_id, time, count(DISTINCT zipcode) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW) FROM readings;
              |                                        ^
            hint: aggregate an expression instead, such as sum(CASE WHEN condition THEN 1 ELSE 0 END)
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, count(*) FILTER (WHERE heart_rate > 100) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW) FROM readings",
        expect![[r#"
            error: DISTINCT, FILTER, ORDER BY and NULLS are not possible in an aggregate on a stream
             --> line 1, column 40
              |
            1 | INSERT INTO sink SELECT user_id, time, count(*) FILTER (WHERE heart_rate > 100) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW) FROM readings;
              |                                        ^
            hint: aggregate an expression instead, such as sum(CASE WHEN condition THEN 1 ELSE 0 END)
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, min(user_id) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW) FROM readings",
        expect![[r#"
            error: min(user_id) is of type VARCHAR
             --> line 1, column 44
              |
            1 | INSERT INTO sink SELECT user_id, time, min(user_id) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW) FROM readings;
              |                                            ^
            hint: min over a window takes numbers and times
        "#]],
    );
}

#[test]
fn tables_below_windows() {
    refused(
        "INSERT INTO sink SELECT r.user_id, r.time, avg(r.heart_rate - b.min_heart_rate) OVER (PARTITION BY r.user_id ORDER BY r.time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW)\nFROM readings r JOIN baselines b ON r.user_id = b.user_id",
        expect![[r#"
            error: a column of a table cannot feed a window
             --> line 1, column 48
              |
            1 | INSERT INTO sink SELECT r.user_id, r.time, avg(r.heart_rate - b.min_heart_rate) OVER (PARTITION BY r.user_id ORDER BY r.time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW)
              |                                                ^
            The table is looked up when a row is answered; the rows of its window came before, when the table may have said something else.
            hint: aggregate columns of the stream, and compute with the table's columns outside of the window
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT r.user_id, r.time, avg(r.heart_rate) OVER (PARTITION BY r.user_id ORDER BY r.time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW)\nFROM readings r JOIN baselines b ON r.user_id = b.user_id WHERE r.heart_rate > b.max_heart_rate",
        expect![[r#"
            error: a filter on a table's column cannot stand below a window
             --> line 1, column 48
              |
            1 | INSERT INTO sink SELECT r.user_id, r.time, avg(r.heart_rate) OVER (PARTITION BY r.user_id ORDER BY r.time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW)
              |                                                ^
            The table is looked up when a row is answered; the rows of its window came before, when the table may have said something else.
            hint: select the column through the window, and filter outside: SELECT … FROM (SELECT … OVER w …) WHERE …
        "#]],
    );
}

#[test]
fn windows_over_windows() {
    refused(
        "INSERT INTO sink SELECT user_id, time, avg(mean) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW)\nFROM (SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW) AS mean FROM readings)",
        expect![[r#"
            error: a job holds at most one window
             --> line 1, column 69
              |
            1 | INSERT INTO sink SELECT user_id, time, avg(mean) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW)
              |                                                                     ^
            A window over a window's rows would be a second keyed state.
            hint: INSERT the inner query INTO a stream of its own, and select from that one in a second INSERT
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, max(heart_rate) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW)\nFROM (SELECT user_id, time, heart_rate, avg(heart_rate) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW) AS mean FROM readings) WHERE mean > 100",
        expect![[r#"
            error: a job holds at most one window
             --> line 1, column 44
              |
            1 | INSERT INTO sink SELECT user_id, time, max(heart_rate) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW)
              |                                            ^
            A window over a window's rows would be a second keyed state.
            hint: INSERT the inner query INTO a stream of its own, and select from that one in a second INSERT
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, max(start), avg(mean) FROM (SELECT user_id, date_bin(INTERVAL '1 second', time) AS start, avg(heart_rate) AS mean FROM readings GROUP BY user_id, date_bin(INTERVAL '1 second', time)) GROUP BY user_id, date_bin(INTERVAL '1 minute', start)",
        expect![[r#"
            error: a job holds at most one window
             --> line 1, column 18
              |
            1 | INSERT INTO sink SELECT user_id, max(start), avg(mean) FROM (SELECT user_id, date_bin(INTERVAL '1 second', time) AS start, avg(heart_rate) AS mean FROM readings GROUP BY user_id, date_bin(INTERVAL '1 second', time)) GROUP BY user_id, date_bin(INTERVAL '1 minute', start);
              |                  ^
            A window over a window's rows would be a second keyed state.
            hint: INSERT the inner query INTO a stream of its own, and select from that one in a second INSERT
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW)\nFROM (SELECT user_id, time, heart_rate FROM readings UNION ALL SELECT user_id, time, heart_rate FROM watches)",
        expect![[r#"
            error: UNION ALL cannot stand below a window
             --> line 1, column 18
              |
            1 | INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW)
              |                  ^
            Rows of one user would come from several topics, whose clocks differ: they have to be brought together in one topic first.
            hint: INSERT each stream INTO one stream of your own, and select from that one in a second INSERT
        "#]],
    );
}

#[test]
fn a_memory_shorter_than_the_window() {
    refused(
        "CREATE UNBOUNDED EXTERNAL TABLE forgetful (user_id VARCHAR NOT NULL, time TIMESTAMP(3) NOT NULL, heart_rate INT NOT NULL)
STORED AS AVRO LOCATION 'forgetful' OPTIONS ('key' 'user_id', 'time' 'time', 'lateness' '3 seconds', 'remember' '12 seconds');
INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW) FROM forgetful",
        expect![[r#"
            error: the 'remember' of forgetful, 12 seconds, is too short for this window
             --> line 3, column 13
              |
            3 | INSERT INTO sink SELECT user_id, time, avg(heart_rate) OVER (PARTITION BY user_id ORDER BY time RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW) FROM forgetful;
              |             ^
            Rows must know each other for the whole window and the lateness, and for twice the lateness.
            hint: give forgetful a 'remember' of at least 13 seconds, or leave it out
        "#]],
    );
}
