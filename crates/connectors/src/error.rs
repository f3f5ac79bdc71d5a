//! What is wrong with a file, and where.
//!
//! It does not decide what happens then: a [`Problem`] is one line, which the caller reports; a [`ReadError`] ends the file.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// What is done with a line that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Malformed {
    /// It is reported and left out.
    #[default]
    Skip,
    /// It is an error.
    Refuse,
}

/// A line (or row) that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file as the user named it.
    pub file: String,
    /// Counted from 1; in Parquet files the row.
    pub line: u64,
    /// Byte in the line, counted from 1; 0 when the line as a whole is meant.
    pub column: usize,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            0 => write!(f, "{}:{}: {}", self.file, self.line, self.message),
            column => write!(f, "{}:{}:{column}: {}", self.file, self.line, self.message),
        }
    }
}

/// A file that cannot be read, or not further. A retry helps only for [`ReadError::Io`].
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system refused.
    #[error("cannot read {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The name does not say what the file holds.
    #[error("cannot tell what {} holds by its name; known are {known}", .path.display())]
    UnknownKind {
        /// The file.
        path: PathBuf,
        /// Extensions.
        known: &'static str,
    },
    /// The file does not hold the table.
    #[error("{file}: {message}")]
    Unusable {
        /// The file.
        file: String,
        /// What is missing or of the wrong kind.
        message: String,
    },
    /// A line that cannot be read, and [`Malformed::Refuse`] was asked for.
    #[error("{0}")]
    Refused(Problem),
}

impl ReadError {
    pub(crate) fn unusable(file: &str, message: impl Into<String>) -> ReadError {
        ReadError::Unusable {
            file: file.to_owned(),
            message: message.into(),
        }
    }
}
