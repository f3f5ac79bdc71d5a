//! Tidy: the house rules, held by a program.
//!
//! Reads text only: it compiles nothing, changes nothing, and needs no network. Rules that a lint of the compiler or of
//! clippy can hold stand in the root `Cargo.toml` and in `clippy.toml` instead.

mod architecture;
mod edges;
mod functions;
mod lexer;
mod ratchets;
mod rooms;
mod sources;

use std::fmt;
use std::path::Path;

use anyhow::Result;

/// One breach of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    /// Path from the repository's root, with `/`.
    pub(crate) file: String,
    /// Line, counted from 1.
    pub(crate) line: usize,
    /// The rule, in a word or two.
    pub(crate) rule: &'static str,
    /// What is wrong and what to do.
    pub(crate) advice: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}: {}", self.file, self.line, self.rule, self.advice)
    }
}

/// Checks the repository at `root` and returns what breaks a rule, sorted by file and line.
pub(crate) fn check(root: &Path) -> Result<Vec<Problem>> {
    let rooms = rooms::find(root)?;
    let files = rooms::rust_files(root, &rooms)?;
    let mut problems = edges::check(&rooms);
    problems.extend(architecture::check(root, &rooms)?);
    for file in &files {
        problems.extend(sources::check(file));
        problems.extend(functions::check(file));
    }
    problems.extend(ratchets::check_files_exist(&files));
    problems.sort();
    Ok(problems)
}
