//! GROUP BY that is refused, each with its diagnostic.

mod files;

use expect_test::expect;
use files::refused;

#[test]
fn groups() {
    refused(
        "INSERT INTO sink SELECT user_id, max(time), avg(heart_rate) FROM readings GROUP BY user_id",
        expect![[r#"
            error: a GROUP BY without a window never ends
             --> line 1, column 84
              |
            1 | INSERT INTO sink SELECT user_id, max(time), avg(heart_rate) FROM readings GROUP BY user_id;
              |                                                                                    ^
            No group could ever be answered for good: another row may always come.
            hint: write GROUP BY user_id, date_bin(INTERVAL '10 seconds', time)
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT 'all', date_bin(INTERVAL '1 minute', time), avg(heart_rate) FROM readings\nGROUP BY date_bin(INTERVAL '1 minute', time)",
        expect![[r#"
            error: an aggregate without the key user_id is not possible on a stream
             --> line 2, column 40
              |
            2 | GROUP BY date_bin(INTERVAL '1 minute', time);
              |                                        ^
            Rows of different keys lie in different partitions, on different machines, each with its own clock.
            hint: write GROUP BY user_id, date_bin(INTERVAL '10 seconds', time)
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT 'all', max(time), avg(heart_rate) FROM readings",
        expect![[r#"
            error: an aggregate without the key user_id is not possible on a stream
             --> line 1, column 36
              |
            1 | INSERT INTO sink SELECT 'all', max(time), avg(heart_rate) FROM readings;
              |                                    ^
            Rows of different keys lie in different partitions, on different machines, each with its own clock.
            hint: write GROUP BY user_id, date_bin(INTERVAL '10 seconds', time)
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, date_bin(INTERVAL '1 minute', time), avg(heart_rate) FROM readings\nGROUP BY user_id, date_bin(INTERVAL '1 minute', time), zipcode",
        expect![[r#"
            error: GROUP BY zipcode is not possible on a stream
             --> line 2, column 56
              |
            2 | GROUP BY user_id, date_bin(INTERVAL '1 minute', time), zipcode;
              |                                                        ^
            The state of a group is kept by the key user_id and the window alone.
            hint: write GROUP BY user_id, date_bin(INTERVAL '10 seconds', time), and JOIN tables outside
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, date_bin(INTERVAL '1 month', time), avg(heart_rate) FROM readings\nGROUP BY user_id, date_bin(INTERVAL '1 month', time)",
        expect![[r#"
            error: the length of a window must be a fixed number of milliseconds
             --> line 2, column 48
              |
            2 | GROUP BY user_id, date_bin(INTERVAL '1 month', time);
              |                                                ^
            Months and years differ in length.
            hint: write INTERVAL '10 seconds', with days, hours, minutes, seconds or milliseconds
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, max(time), avg(heart_rate) FROM readings GROUP BY ROLLUP (user_id)",
        expect![[r#"
            error: GROUP BY with several groupings is not possible on a stream
             --> line 1, column 92
              |
            1 | INSERT INTO sink SELECT user_id, max(time), avg(heart_rate) FROM readings GROUP BY ROLLUP (user_id);
              |                                                                                            ^
            hint: write GROUP BY user_id, date_bin(INTERVAL '10 seconds', time)
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, date_bin(INTERVAL '1 minute', time), approx_distinct(zipcode) FROM readings\nGROUP BY user_id, date_bin(INTERVAL '1 minute', time)",
        expect![[r#"
            error: approx_distinct is not possible on a stream
             --> line 1, column 71
              |
            1 | INSERT INTO sink SELECT user_id, date_bin(INTERVAL '1 minute', time), approx_distinct(zipcode) FROM readings
              |                                                                       ^
            It needs all rows of the window one by one, or rows that have not come yet.
            hint: the functions over a window are count, sum, avg, min, max, stddev and stddev_pop
        "#]],
    );
    refused(
        "INSERT INTO sink SELECT user_id, date_trunc('minute', time), avg(heart_rate) FROM readings\nGROUP BY user_id, date_trunc('minute', time)",
        expect![[r#"
            error: GROUP BY date_trunc('minute', time) is not possible on a stream
             --> line 2, column 40
              |
            2 | GROUP BY user_id, date_trunc('minute', time);
              |                                        ^
            The state of a group is kept by the key user_id and the window alone.
            hint: write GROUP BY user_id, date_bin(INTERVAL '10 seconds', time), and JOIN tables outside
        "#]],
    );
}
