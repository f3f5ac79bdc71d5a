//! Ratchets: what is longer than the rules allow, each with its present length and its reason.
//!
//! An entry may only get smaller. A new one needs a reason that a reader would accept.

use super::Problem;
use super::rooms::RustFile;

/// Path and most lines of a file.
const FILES: &[(&str, usize)] = &[];

/// Path, name and most lines of a function.
const FUNCTIONS: &[(&str, &str, usize)] = &[];

/// Most lines of a file that is an exception.
pub(crate) fn file_limit(path: &str) -> Option<usize> {
    FILES.iter().find(|(file, _)| *file == path).map(|(_, lines)| *lines)
}

/// Most lines of a function that is an exception.
pub(crate) fn function_limit(path: &str, name: &str) -> Option<usize> {
    functions_of(path)
        .find(|(function, _)| *function == name)
        .map(|(_, lines)| lines)
}

/// Exceptions in one file.
pub(crate) fn functions_of(path: &str) -> impl Iterator<Item = (&'static str, usize)> {
    FUNCTIONS
        .iter()
        .filter(move |(file, _, _)| *file == path)
        .map(|(_, name, lines)| (*name, *lines))
}

/// An exception for a file that is gone is an error, since it would silently serve the next file of that name.
pub(crate) fn check_files_exist(files: &[RustFile]) -> Vec<Problem> {
    let named = FILES
        .iter()
        .map(|(path, _)| *path)
        .chain(FUNCTIONS.iter().map(|(path, _, _)| *path));
    let gone = named.filter(|path| !files.iter().any(|file| file.path == *path));
    let problem = |path: &str| Problem {
        file: "crates/xtask/src/tidy/ratchets.rs".to_owned(),
        line: 1,
        rule: "ratchets",
        advice: format!("{path} does not exist any more; remove its entry"),
    };
    gone.map(problem).collect()
}
