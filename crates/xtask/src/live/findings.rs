//! Findings that were seen against findings that were to be seen, as multisets.
//!
//! It does not know where either comes from. Texts are compared exactly, numbers to one part in 10^9: two programs may add
//! up the same window in another order.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use super::foreign::Record;

/// Fields by name.
pub(crate) type Row = Map<String, Value>;

/// How far apart numbers may be that count as equal, relative to the greater.
const TOLERANCE: f64 = 1e-9;
/// Most rows of a kind that a message shows.
const SHOWN: usize = 10;

/// What is wrong with what was seen.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Difference {
    expected: usize,
    seen: usize,
    /// Expected, and nowhere.
    missing: Vec<Row>,
    /// Seen once more than expected, with the place.
    doubled: Vec<Seen>,
    /// Seen, and never expected.
    invented: Vec<Seen>,
}

/// A row and where it stood.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    row: Row,
    partition: u32,
    offset: u64,
}

/// An error that says precisely what is missing, doubled or invented.
pub(crate) fn compare(expected: &[Row], seen: &[Record]) -> Result<()> {
    match difference(expected, seen) {
        None => Ok(()),
        Some(difference) => bail!("{difference}"),
    }
}

/// Rows of JSON lines.
pub(crate) fn rows(lines: &str) -> Result<Vec<Row>> {
    let row = |line: &str| serde_json::from_str(line).with_context(|| format!("no row: {line}"));
    lines.lines().map(row).collect()
}

fn difference(expected: &[Row], seen: &[Record]) -> Option<Difference> {
    // Rows with the same texts stand together, so that numbers are compared among few.
    let mut open: BTreeMap<String, Vec<(&Row, bool)>> = BTreeMap::new();
    for row in expected {
        open.entry(texts(row)).or_default().push((row, false));
    }
    let mut difference = Difference {
        expected: expected.len(),
        seen: seen.len(),
        ..Difference::default()
    };
    for record in seen {
        let row = record.row();
        let candidates = open.entry(texts(&row)).or_default();
        if let Some((_, taken)) = candidates
            .iter_mut()
            .find(|(other, taken)| !taken && equal(other, &row))
        {
            *taken = true;
            continue;
        }
        let kind = if candidates.iter().any(|(other, _)| equal(other, &row)) {
            &mut difference.doubled
        } else {
            &mut difference.invented
        };
        kind.push(Seen {
            row,
            partition: record.partition,
            offset: record.offset,
        });
    }
    let left = open.into_values().flatten().filter(|(_, taken)| !taken);
    difference.missing = left.map(|(row, _)| row.clone()).collect();
    let wrong = difference.missing.len() + difference.doubled.len() + difference.invented.len();
    (wrong > 0).then_some(difference)
}

/// Everything of a row that is compared exactly, in the order of the fields' names.
fn texts(row: &Row) -> String {
    let mut exact: Vec<String> = Vec::new();
    for (name, value) in row.iter().filter(|(_, value)| !value.is_number()) {
        exact.push(format!("{name}={value}"));
    }
    exact.sort_unstable();
    exact.join(" ")
}

fn equal(one: &Row, other: &Row) -> bool {
    let same = |(name, value): (&String, &Value)| other.get(name).is_some_and(|there| equal_values(value, there));
    one.len() == other.len() && one.iter().all(same)
}

fn equal_values(one: &Value, other: &Value) -> bool {
    if let (Some(one), Some(other)) = (one.as_i64(), other.as_i64()) {
        return one == other;
    }
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() <= TOLERANCE * one.abs().max(other.abs()),
        _ => one == other,
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (missing, doubled, invented) = (self.missing.len(), self.doubled.len(), self.invented.len());
        write!(
            out,
            "of {} expected rows {missing} are missing; of {} seen rows {doubled} are doubled and {invented} were never \
             expected",
            self.expected, self.seen
        )?;
        for row in self.missing.iter().take(SHOWN) {
            write!(out, "\n    missing:  {}", line(row))?;
        }
        for (kind, rows) in [("doubled: ", &self.doubled), ("invented:", &self.invented)] {
            for seen in rows.iter().take(SHOWN) {
                let (partition, offset) = (seen.partition, seen.offset);
                write!(
                    out,
                    "\n    {kind} {} at partition {partition}, offset {offset}",
                    line(&seen.row)
                )?;
            }
        }
        Ok(())
    }
}

fn line(row: &Row) -> String {
    Value::from(row.clone()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: u64, value: &str) -> Record {
        Record {
            partition: 2,
            offset,
            timestamp: 0,
            time: "1970-01-01T00:00:00.000".to_owned(),
            key: None,
            value: Some(serde_json::from_str(value).unwrap()),
        }
    }

    fn expected(values: &[&str]) -> Vec<Row> {
        values.iter().map(|value| record(0, value).row()).collect()
    }

    #[test]
    fn order_and_the_last_bits_of_numbers_do_not_count() {
        let wanted = expected(&[
            r#"{"u":"1","n":3,"x":0.30000000000000004}"#,
            r#"{"u":"2","n":3,"x":100}"#,
        ]);
        let seen = [
            record(0, r#"{"x":100.0,"u":"2","n":3}"#),
            record(1, r#"{"n":3,"u":"1","x":0.3}"#),
        ];
        compare(&wanted, &seen).unwrap();
    }

    #[test]
    fn whole_numbers_count_to_the_last_bit() {
        let wanted = expected(&[r#"{"n":1767225600000}"#]);
        assert!(compare(&wanted, &[record(0, r#"{"n":1767225600001}"#)]).is_err());
    }

    #[test]
    fn each_kind_of_difference_is_named_with_its_place() {
        let wanted = expected(&[r#"{"u":"1","x":1.5}"#, r#"{"u":"2","x":2.5}"#]);
        let seen = [
            record(3, r#"{"u":"1","x":1.5}"#),
            record(4, r#"{"u":"1","x":1.5}"#),
            record(5, r#"{"u":"1","x":1.6}"#),
        ];
        assert_eq!(
            compare(&wanted, &seen).unwrap_err().to_string(),
            "of 2 expected rows 1 are missing; of 3 seen rows 1 are doubled and 1 were never expected\n    \
             missing:  {\"time\":\"1970-01-01T00:00:00.000\",\"u\":\"2\",\"x\":2.5}\n    \
             doubled:  {\"time\":\"1970-01-01T00:00:00.000\",\"u\":\"1\",\"x\":1.5} at partition 2, offset 4\n    \
             invented: {\"time\":\"1970-01-01T00:00:00.000\",\"u\":\"1\",\"x\":1.6} at partition 2, offset 5"
        );
    }

    #[test]
    fn a_row_that_is_expected_twice_may_come_twice() {
        let wanted = expected(&[r#"{"u":"1"}"#, r#"{"u":"1"}"#]);
        let seen = [record(0, r#"{"u":"1"}"#), record(1, r#"{"u":"1"}"#)];
        compare(&wanted, &seen).unwrap();
        assert!(compare(&wanted, &seen[..1]).is_err());
    }
}
