//! Joins and sub-queries that are refused, each with its diagnostic.

mod files;

use expect_test::expect;
use files::refused;

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
