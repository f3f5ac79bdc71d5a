//! Declarations that are refused, each with its diagnostic.

mod files;

use expect_test::expect;
use files::refused_file;

#[test]
fn columns() {
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id INT, time TIMESTAMP(3))\nSTORED AS AVRO LOCATION 'a'\nOPTIONS ('key' 'user_id');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: the key user_id is INT, not VARCHAR
             --> line 1, column 36
              |
            1 | CREATE UNBOUNDED EXTERNAL TABLE a (user_id INT, time TIMESTAMP(3))
              |                                    ^
            Keys of records are UTF-8 text.
            hint: declare user_id VARCHAR NOT NULL
        "#]],
    );
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP)\nSTORED AS AVRO LOCATION 'a'\nOPTIONS ('key' 'user_id');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: TIMESTAMP is no type of a column here
             --> line 1, column 53
              |
            1 | CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP)
              |                                                     ^
            Times are whole milliseconds.
            hint: write TIMESTAMP(3)
        "#]],
    );
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR,\n  time BIGINT)\nSTORED AS AVRO LOCATION 'a'\nOPTIONS ('key' 'user_id');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: the event time time is BIGINT, not TIMESTAMP(3)
             --> line 2, column 3
              |
            2 |   time BIGINT)
              |   ^
            Event time is counted in milliseconds since the epoch, in UTC.
            hint: declare time TIMESTAMP(3) NOT NULL
        "#]],
    );
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3), battery DECIMAL(5, 2))\nSTORED AS AVRO LOCATION 'a'\nOPTIONS ('key' 'user_id');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: DECIMAL(5,2) is no type of a column here
             --> line 1, column 72
              |
            1 | CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3), battery DECIMAL(5, 2))
              |                                                                        ^
            hint: the types are VARCHAR, INT, BIGINT, REAL, DOUBLE, BOOLEAN and TIMESTAMP(3)
        "#]],
    );
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3), user_id INT)\nSTORED AS AVRO LOCATION 'a'\nOPTIONS ('key' 'user_id');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: the column user_id is declared twice
             --> line 1, column 72
              |
            1 | CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3), user_id INT)
              |                                                                        ^
        "#]],
    );
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR PRIMARY KEY, time TIMESTAMP(3))\nSTORED AS AVRO LOCATION 'a'\nOPTIONS ('key' 'user_id');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: PRIMARY KEY has no meaning for a column of a topic
             --> line 1, column 36
              |
            1 | CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR PRIMARY KEY, time TIMESTAMP(3))
              |                                    ^
            hint: a column may be NOT NULL and may have a CHECK (…)
        "#]],
    );
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, at TIMESTAMP(3))\nSTORED AS AVRO LOCATION 'a'\nOPTIONS ('key' 'user_id');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: a has no column time to be its time
             --> line 1, column 33
              |
            1 | CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, at TIMESTAMP(3))
              |                                 ^
            hint: write OPTIONS ('time' '…') with one of user_id, at
        "#]],
    );
}

#[test]
fn options() {
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3))\nSTORED AS AVRO LOCATION 'a'\nOPTIONS ('key' 'user_id',\n  'latenes' '1 second');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: a has no option 'latenes'
             --> line 4, column 3
              |
            4 |   'latenes' '1 second');
              |   ^
            hint: its options are key, time, record, time_source, lateness, remember, idle_after, max_lead, max_skew
        "#]],
    );
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3))\nSTORED AS AVRO LOCATION 'a'\nOPTIONS ('key' 'user_id', 'lateness' 'soon');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: 'lateness' is 'soon', which is no duration
             --> line 3, column 27
              |
            3 | OPTIONS ('key' 'user_id', 'lateness' 'soon');
              |                           ^
            hint: write 'lateness' '10 seconds', or '$lateness' for a parameter
        "#]],
    );
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3))\nSTORED AS AVRO LOCATION 'a'\nOPTIONS ('key' 'user_id', 'lateness' '$lateness');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: there is no parameter lateness
             --> line 3, column 38
              |
            3 | OPTIONS ('key' 'user_id', 'lateness' '$lateness');
              |                                      ^
            hint: declare it at the top of the file: SET lateness = …;
        "#]],
    );
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3))\nSTORED AS AVRO LOCATION 'a'\nOPTIONS ('key' 'user');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: a has no column user to be its key
             --> line 3, column 10
              |
            3 | OPTIONS ('key' 'user');
              |          ^
            hint: write OPTIONS ('key' '…') with one of user_id, time
        "#]],
    );
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3))\nSTORED AS AVRO LOCATION 'a'\nOPTIONS ('time' 'time');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: a does not say which column is its key
             --> line 1, column 33
              |
            1 | CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3))
              |                                 ^
            hint: write OPTIONS ('key' 'column', …)
        "#]],
    );
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3))\nSTORED AS AVRO LOCATION 'a'\nOPTIONS ('key' 'user_id', 'time_source' 'clock');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: 'time_source' cannot be 'clock'
             --> line 3, column 27
              |
            3 | OPTIONS ('key' 'user_id', 'time_source' 'clock');
              |                           ^
            hint: it is 'timestamp' (the record's own) or 'value' (a field of the value)
        "#]],
    );
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3))\nSTORED AS AVRO LOCATION 'a'\nOPTIONS ('key' 'user_id', 'key' 'user_id');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: the option 'key' is given twice
             --> line 3, column 10
              |
            3 | OPTIONS ('key' 'user_id', 'key' 'user_id');
              |          ^
        "#]],
    );
    refused_file(
        "CREATE EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3))\nSTORED AS AVRO LOCATION 'a'\nOPTIONS ('key' 'user_id', 'lateness' '1 second');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: a has no option 'lateness'
             --> line 3, column 27
              |
            3 | OPTIONS ('key' 'user_id', 'lateness' '1 second');
              |                           ^
            hint: its options are key, record
        "#]],
    );
}

#[test]
fn checks() {
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3), hr INT,\n  CHECK (pulse > 0))\nSTORED AS AVRO LOCATION 'a'\nOPTIONS ('key' 'user_id');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: there is no column pulse
             --> line 2, column 10
              |
            2 |   CHECK (pulse > 0))
              |          ^
            hint: columns here are user_id, time, hr
        "#]],
    );
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3), hr INT CHECK (hr + 1))\nSTORED AS AVRO LOCATION 'a'\nOPTIONS ('key' 'user_id');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: CHECK (hr + 1) is neither true nor false
             --> line 1, column 86
              |
            1 | CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3), hr INT CHECK (hr + 1))
              |                                                                                      ^
        "#]],
    );
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3), CHECK (time < now()))\nSTORED AS AVRO LOCATION 'a'\nOPTIONS ('key' 'user_id');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: now() is not the same each time it is computed
             --> line 1, column 79
              |
            1 | CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3), CHECK (time < now()))
              |                                                                               ^
            A row is computed again when a task restarts, and the same query is run in batch over files of the past: both must give the same answer.
            hint: use the event time, such as the column time, or a parameter ($name) that you set when you start
        "#]],
    );
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3), UNIQUE (user_id))\nSTORED AS AVRO LOCATION 'a'\nOPTIONS ('key' 'user_id');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: UNIQUE (user_id) cannot be held for a topic
             --> line 1, column 80
              |
            1 | CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3), UNIQUE (user_id))
              |                                                                                ^
            hint: rows are validated one by one: write CHECK (…)
        "#]],
    );
}

#[test]
fn storage() {
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3))\nSTORED AS PARQUET LOCATION 'a'\nOPTIONS ('key' 'user_id');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: records cannot be stored as PARQUET
             --> line 1, column 33
              |
            1 | CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3))
              |                                 ^
            Values are Avro in Confluent's wire format.
            hint: write STORED AS AVRO
        "#]],
    );
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3))\nSTORED AS AVRO LOCATION 'a'\nOPTIONS ('key' 'user_id')\nWITH ORDER (time);\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: WITH ORDER has no meaning for a topic
             --> line 1, column 33
              |
            1 | CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3))
              |                                 ^
            hint: leave it out
        "#]],
    );
    refused_file(
        "CREATE EXTERNAL TABLE s.a (user_id VARCHAR) STORED AS AVRO LOCATION 'a' OPTIONS ('key' 'user_id');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: s.a has several parts
             --> line 1, column 23
              |
            1 | CREATE EXTERNAL TABLE s.a (user_id VARCHAR) STORED AS AVRO LOCATION 'a' OPTIONS ('key' 'user_id');
              |                       ^
            A file's streams and tables have no schema or catalog.
            hint: write a name in one part
        "#]],
    );
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3))\nSTORED AS AVRO LOCATION 'a'\nOPTIONS ('key' 'user_id');\nCREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3))\nSTORED AS AVRO LOCATION 'a'\nOPTIONS ('key' 'user_id');\nINSERT INTO a SELECT * FROM a;\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: a is declared twice
             --> line 4, column 33
              |
            4 | CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3))
              |                                 ^
        "#]],
    );
}

#[test]
fn topics() {
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3))\nSTORED AS AVRO LOCATION 'a/b'\nOPTIONS ('key' 'user_id');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: 'a/b' is no name of a topic
             --> line 1, column 33
              |
            1 | CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3))
              |                                 ^
            hint: write LOCATION 'topic' with letters, digits, '.', '_' and '-', at most 249 of them
        "#]],
    );
    refused_file(
        "CREATE UNBOUNDED EXTERNAL TABLE a (user_id VARCHAR, time TIMESTAMP(3))\nSTORED AS AVRO LOCATION 't'\nOPTIONS ('key' 'user_id');\nCREATE EXTERNAL TABLE b (user_id VARCHAR)\nSTORED AS AVRO LOCATION 't'\nOPTIONS ('key' 'user_id');\nINSERT INTO a SELECT * FROM a",
        expect![[r#"
            error: the topic t is that of a already
             --> line 4, column 23
              |
            4 | CREATE EXTERNAL TABLE b (user_id VARCHAR)
              |                       ^
            hint: use a, or another topic
        "#]],
    );
}
