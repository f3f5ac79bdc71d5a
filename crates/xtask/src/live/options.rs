//! What is asked of the live tests on the command line.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// What `cargo run -p xtask -- live --help` prints.
pub(crate) const HELP: &str = "\
cargo run -p xtask -- live [--required] [--only NAME]... [--binary FILE] [--list]

Runs the live tests: a real Apache Kafka on 127.0.0.1, real foreign clients, the real program.
  --required      a test that cannot run here is a failure
  --only NAME     tests whose name contains NAME; may be given several times
  --binary FILE   the heartwatch program; it is built by cargo without
  --list          print the names of the tests";

/// The options.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// A skipped test is a failure.
    pub(crate) required: bool,
    /// Parts of names; all tests when empty.
    pub(crate) only: Vec<String>,
    /// The program under test.
    pub(crate) binary: Option<PathBuf>,
    /// Print names and end.
    pub(crate) list: bool,
    /// Print how to use it and end.
    pub(crate) help: bool,
}

impl Options {
    /// Reads what stands behind `live`.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Options> {
        let mut options = Options::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--required" => options.required = true,
                "--only" => options.only.push(value()?),
                "--binary" => options.binary = Some(value()?.into()),
                "--list" => options.list = true,
                "--help" | "-h" => options.help = true,
                other => bail!("there is no option {other:?}\n{HELP}"),
            }
        }
        Ok(options)
    }

    /// Whether a test is to run.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn every_option_is_understood() {
        let options = parse("--required --only quorum --only registry --binary a/b").unwrap();
        assert!(options.required && options.wants("the_registry_answers") && !options.wants("foreign"));
        assert_eq!(options.binary, Some("a/b".into()));
        assert!(parse("").unwrap().wants("anything"));
    }

    #[test]
    fn a_wrong_option_is_named() {
        assert!(parse("--requird").unwrap_err().to_string().contains("--requird"));
        assert_eq!(parse("--only").unwrap_err().to_string(), "--only needs a value");
    }
}
