//! What the tests of queries share: declarations, and the diagnostic that a query gives.

use expect_test::Expect;

/// Streams and a table to write queries against. They stand behind the query, so that its lines count from 1.
pub(crate) const DECLARATIONS: &str = "
CREATE UNBOUNDED EXTERNAL TABLE readings (
  user_id VARCHAR NOT NULL, time TIMESTAMP(3) NOT NULL, zipcode INT,
  latitude DOUBLE NOT NULL, longitude DOUBLE NOT NULL, heart_rate INT NOT NULL)
STORED AS AVRO LOCATION 'readings' OPTIONS ('key' 'user_id');
CREATE UNBOUNDED EXTERNAL TABLE watches (user_id VARCHAR, time TIMESTAMP(3), heart_rate INT NOT NULL, worn BOOLEAN)
STORED AS AVRO LOCATION 'watches' OPTIONS ('key' 'user_id', 'time' 'time');
CREATE EXTERNAL TABLE baselines (user_id VARCHAR, min_heart_rate INT NOT NULL, max_heart_rate INT NOT NULL)
STORED AS AVRO LOCATION 'baselines' OPTIONS ('key' 'user_id', 'record' 'baseline');
CREATE UNBOUNDED EXTERNAL TABLE sink (user_id VARCHAR, time TIMESTAMP(3), value DOUBLE)
STORED AS AVRO LOCATION 'sink' OPTIONS ('key' 'user_id');
";

/// Plans a query over [`DECLARATIONS`] and compares the diagnostic that refuses it.
#[allow(dead_code, reason = "not every test file refuses")]
pub(crate) fn refused(query: &str, expected: Expect) {
    refused_file(&format!("{query};{DECLARATIONS}"), expected);
}

/// Plans a file and compares the diagnostic that refuses it.
#[allow(dead_code, reason = "not every test file refuses")]
pub(crate) fn refused_file(sql: &str, expected: Expect) {
    match hw_plan::plan("test", sql, &[]) {
        Ok(pipeline) => panic!("accepted: {}", pipeline.text()),
        Err(diagnostic) => expected.assert_eq(&format!("{diagnostic}\n")),
    }
}
