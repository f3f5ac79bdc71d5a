//! Golden pipelines: folders with a pipeline, its inputs, and the rows that it has to answer, whatever runs it.
//!
//! A folder of `tests/pipelines` holds `pipeline.sql`, the rows of a stream or table `NAME` in `NAME.jsonl`, and those that a
//! sink has to get in `expected.SINK.jsonl`, one [`canonical`] text a line, sorted. It plans nothing and runs nothing.
//!
//! # Constraints
//!
//! - Nothing is late in the inputs; the time rules have an oracle of their own.

use std::collections::BTreeMap;
use std::io::Result;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// The rows of each sink: canonical texts, sorted.
pub type Answers = BTreeMap<String, Vec<String>>;

/// One golden pipeline.
#[derive(Debug, Clone)]
pub struct GoldenFolder(PathBuf);

impl GoldenFolder {
    /// All of a repository, by name.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn all(repository: &Path) -> Result<Vec<GoldenFolder>> {
        let entries = std::fs::read_dir(repository.join("tests/pipelines"))?;
        let mut paths = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<Vec<PathBuf>>>()?;
        paths.sort();
        Ok(paths.into_iter().map(GoldenFolder).collect())
    }

    /// The one of that name.
    pub fn named(repository: &Path, name: &str) -> GoldenFolder {
        GoldenFolder(repository.join("tests/pipelines").join(name))
    }

    /// Its own.
    pub fn name(&self) -> String {
        let name = self.0.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// The file of the pipeline.
    pub fn pipeline(&self) -> PathBuf {
        self.0.join("pipeline.sql")
    }

    /// The files of all inputs, by the stream or table that they are for.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn inputs(&self) -> Result<BTreeMap<String, PathBuf>> {
        let of_input = |(name, path): (String, PathBuf)| (!name.contains('.')).then_some((name, path));
        Ok(self.tables()?.into_iter().filter_map(of_input).collect())
    }

    /// What every sink has to get.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn expected(&self) -> Result<Answers> {
        let mut answers = Answers::new();
        for (name, path) in self.tables()? {
            if let Some(sink) = name.strip_prefix("expected.") {
                let text = std::fs::read_to_string(path)?;
                answers.insert(sink.to_owned(), text.lines().map(str::to_owned).collect());
            }
        }
        Ok(answers)
    }

    /// Replaces what a sink has to get.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn expect(&self, sink: &str, rows: &[String]) -> Result<()> {
        std::fs::write(self.0.join(format!("expected.{sink}.jsonl")), rows.join("\n") + "\n")
    }

    /// The files of rows, by their names without the ending.
    fn tables(&self) -> Result<Vec<(String, PathBuf)>> {
        let mut tables = Vec::new();
        for entry in std::fs::read_dir(&self.0)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if let Some(name) = name.strip_suffix(".jsonl") {
                tables.push((name.to_owned(), path));
            }
        }
        Ok(tables)
    }
}

/// One row as text that is the same for the same row: fields in the order of their names, no nulls, and floats to 8
/// significant digits, for sums of floats may differ in the last ones.
pub fn canonical(row: Map<String, Value>) -> String {
    let fields = row.into_iter().filter(|(_, value)| !value.is_null());
    let fields: BTreeMap<String, Value> = fields.map(|(name, value)| (name, rounded(value))).collect();
    Value::from_iter(fields).to_string()
}

fn rounded(value: Value) -> Value {
    match value.as_f64() {
        Some(float) if value.is_f64() => format!("{float:.7e}").parse().map_or(value, |short: f64| short.into()),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_row_has_the_same_text() {
        let rows = [r#"{"b":0.30000000000000004,"a":3,"c":null}"#, r#"{"a":3,"b":0.3}"#];
        let texts = rows.map(|row| canonical(serde_json::from_str(row).expect("a row")));
        assert_eq!(texts, [r#"{"a":3,"b":0.3}"#; 2]);
    }

    #[test]
    fn inputs_and_expectations_are_told_apart() {
        let repository = tempfile::tempdir().expect("a folder");
        let folder = GoldenFolder::named(repository.path(), "one");
        std::fs::create_dir_all(&folder.0).expect("a folder");
        for file in ["pipeline.sql", "readings.jsonl"] {
            std::fs::write(folder.0.join(file), "").expect("a file");
        }
        folder.expect("findings", &["{}".to_owned()]).expect("a file");
        let all = GoldenFolder::all(repository.path()).expect("a folder");
        assert_eq!(all[0].name(), "one");
        assert_eq!(
            all[0].inputs().expect("a folder").into_keys().collect::<Vec<_>>(),
            ["readings"]
        );
        let expected = all[0].expected().expect("files");
        assert_eq!(
            expected,
            Answers::from([("findings".to_owned(), vec!["{}".to_owned()])])
        );
    }
}
