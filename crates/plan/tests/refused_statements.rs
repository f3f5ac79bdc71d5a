//! Files that are no SQL, no pipeline, or use parameters that are not there, each with its diagnostic.

mod files;

use expect_test::expect;
use files::refused_file;

#[test]
fn statements() {
    refused_file(
        "SELECT 1 +",
        expect![[r#"
            error: this is not SQL: Expected: an expression, found: EOF
             --> line 1, column 11
              |
            1 | SELECT 1 +
              |           ^
        "#]],
    );
    refused_file(
        "SELECT 'open",
        expect![[r#"
            error: this is not SQL: Unterminated string literal
             --> line 1, column 8
              |
            1 | SELECT 'open
              |        ^
        "#]],
    );
    refused_file(
        "INSERT INTO a SELECT",
        expect![[r#"
            error: this is not SQL: Expected: an expression, found: EOF
             --> line 1, column 21
              |
            1 | INSERT INTO a SELECT
              |                     ^
        "#]],
    );
    refused_file(
        "SELECT 1",
        expect![[r#"
            error: a SELECT statement has no meaning in a pipeline
             --> line 1, column 1
              |
            1 | SELECT 1
              | ^
            hint: a file holds SET name = value, CREATE [UNBOUNDED] EXTERNAL TABLE … and INSERT INTO sink SELECT …
        "#]],
    );
    refused_file(
        "",
        expect![[r#"
            error: the file has no INSERT INTO, so there is nothing to run
            hint: write INSERT INTO sink SELECT … after the declarations
        "#]],
    );
    refused_file(
        "DROP TABLE a",
        expect![[r#"
            error: a DROP statement has no meaning in a pipeline
             --> line 1, column 1
              |
            1 | DROP TABLE a
              | ^
            hint: a file holds SET name = value, CREATE [UNBOUNDED] EXTERNAL TABLE … and INSERT INTO sink SELECT …
        "#]],
    );
    refused_file(
        "SET window = INTERVAL '1 month'",
        expect![[r#"
            error: INTERVAL '1 month' is no fixed number of milliseconds
             --> line 1, column 23
              |
            1 | SET window = INTERVAL '1 month'
              |                       ^
            Months and years differ in length, and event time is counted in whole milliseconds.
            hint: write INTERVAL '10 seconds', with weeks, days, hours, minutes, seconds or milliseconds
        "#]],
    );
    refused_file(
        "SET window = 1 + 1",
        expect![[r#"
            error: a parameter cannot be 1 + 1
             --> line 1, column 14
              |
            1 | SET window = 1 + 1
              |              ^
            hint: write a number, a string, a boolean or INTERVAL '10 seconds'
        "#]],
    );
    refused_file(
        "SET window = 1; SET window = 2",
        expect![[r#"
            error: the parameter window is declared twice
             --> line 1, column 21
              |
            1 | SET window = 1; SET window = 2
              |                     ^
        "#]],
    );
    refused_file(
        "INSERT INTO a SELECT * FROM a\nWHERE b > $limit",
        expect![[r#"
            error: there is no parameter limit
             --> line 2, column 11
              |
            2 | WHERE b > $limit
              |           ^
            hint: declare it at the top of the file: SET limit = …;
        "#]],
    );
    refused_file(
        "SET level = 3; SET still = 10;\nINSERT INTO a SELECT * FROM a WHERE b > $limit",
        expect![[r#"
            error: there is no parameter limit
             --> line 2, column 41
              |
            2 | INSERT INTO a SELECT * FROM a WHERE b > $limit
              |                                         ^
            hint: the file declares level = 3, still = 10
        "#]],
    );
}
