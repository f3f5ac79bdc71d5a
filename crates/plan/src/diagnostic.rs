//! A diagnostic: why a query is refused, where, and what to write instead.
//!
//! It does not decide anything; the modules that refuse build one and [`Diagnostic::quoting`] adds the source line.

use std::fmt;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{SchemaError, Spans};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::tokenizer::{Location, Span};

/// What DataFusion says before the name of a function that fits no signature.
const CALL: &str = "to satisfy a call to '";

/// Why a `.sql` file is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, in one sentence without a full stop.
    pub primary: String,
    /// Why it is wrong.
    pub detail: Option<String>,
    /// What to write instead.
    pub hint: Option<String>,
    /// Line in the file, from 1; 0 when the fault is not in the file (an override on the command line).
    pub line: u64,
    /// Column in the line, in characters from 1; 0 when the fault is not in the file.
    pub column: u64,
    /// The line's text.
    pub quoted: String,
}

impl std::error::Error for Diagnostic {}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, &format!("line {}, column {}", self.line, self.column))
    }
}

/// A diagnostic of a file that has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFile {
    /// What is wrong.
    pub diagnostic: Diagnostic,
    /// The file as the user named it.
    pub file: String,
}

impl std::error::Error for InFile {}

impl fmt::Display for InFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Diagnostic { line, column, .. } = self.diagnostic;
        self.diagnostic.write(f, &format!("{}:{line}:{column}", self.file))
    }
}

impl Diagnostic {
    pub(crate) fn new(primary: impl Into<String>) -> Self {
        Diagnostic {
            primary: primary.into(),
            detail: None,
            hint: None,
            line: 0,
            column: 0,
            quoted: String::new(),
        }
    }

    /// The diagnostic with the name of the file that its place is in: `pipelines/x.sql:12:3`.
    pub fn in_file(self, file: impl Into<String>) -> InFile {
        InFile {
            diagnostic: self,
            file: file.into(),
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, place: &str) -> fmt::Result {
        write!(f, "error: {}", self.primary)?;
        if self.line > 0 {
            let number = self.line.to_string();
            let margin = " ".repeat(number.len());
            // A tab before the caret stays a tab, so that the caret stands under its character in any terminal.
            let before: String = (self.quoted.chars().take(self.column.saturating_sub(1) as usize))
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            write!(f, "\n{margin}--> {place}")?;
            write!(f, "\n{margin} |\n{number} | {}\n{margin} | {before}^", self.quoted)?;
        }
        if let Some(detail) = &self.detail {
            write!(f, "\n{detail}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Places the diagnostic, unless it has a place already: the first, innermost caller knows best.
    pub(crate) fn at(mut self, location: Option<Location>) -> Self {
        if let (0, Some(location)) = (self.line, location) {
            self.line = location.line;
            self.column = location.column;
        }
        self
    }

    /// Places the diagnostic at a node of the syntax tree.
    pub(crate) fn at_span(self, span: Span) -> Self {
        self.at((span != Span::empty()).then_some(span.start))
    }

    /// Places the diagnostic at the first column that the expression names in the text.
    pub(crate) fn at_expr(self, expr: &Expr) -> Self {
        let mut found = None;
        // The closure never fails, and a missing place is only a worse message.
        let _ = expr.apply(|node| {
            if let Expr::Column(column) = node {
                found = found.or(first_location(&column.spans));
            }
            Ok(if found.is_some() {
                TreeNodeRecursion::Stop
            } else {
                TreeNodeRecursion::Continue
            })
        });
        self.at(found)
    }

    /// The diagnostic with its line of the file's text.
    pub(crate) fn quoting(mut self, sql: &str) -> Self {
        if let Some(index) = self.line.checked_sub(1) {
            self.quoted = sql
                .lines()
                .nth(index as usize)
                .unwrap_or_default()
                .trim_end()
                .to_string();
        }
        self
    }

    /// The name of the function that could not be called, if that is the error.
    pub(crate) fn called_in(error: &DataFusionError) -> Option<String> {
        let message = error.to_string();
        let (_, call) = message.split_once(CALL)?;
        call.split_once('\'').map(|(name, _)| name.to_string())
    }

    /// What DataFusion found wrong, in the words of this house where it is common.
    pub(crate) fn from_datafusion(error: &DataFusionError) -> Self {
        let span = error.diagnostic().and_then(|diagnostic| diagnostic.span);
        let location = span.map(|span| Location::new(span.start.line, span.start.column));
        let diagnostic = match error.find_root() {
            DataFusionError::SchemaError(schema, _) => from_schema(schema),
            DataFusionError::SQL(parser, _) => return from_parser(&parser.to_string()),
            other => from_message(&other.strip_backtrace()),
        };
        diagnostic.at(location)
    }
}

fn first_location(spans: &Spans) -> Option<Location> {
    spans
        .first()
        .map(|span| Location::new(span.start.line, span.start.column))
}

/// Names are what people get wrong most: the hint lists those that would have been right.
fn from_schema(error: &SchemaError) -> Diagnostic {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let known: Vec<String> = valid_fields.iter().map(|field| field.flat_name()).collect();
            let diagnostic = Diagnostic::new(format!("there is no column {}", field.flat_name()));
            match known.is_empty() {
                true => diagnostic,
                false => diagnostic.hint(format!("columns here are {}", known.join(", "))),
            }
        }
        SchemaError::AmbiguousReference { field } => {
            Diagnostic::new(format!("more than one column is called {}", field.name()))
                .hint("write the table's name or alias before it, such as r.user_id")
        }
        other => Diagnostic::new(other.to_string()),
    }
}

/// The parser says the place at the end of its message only: `… at Line: 3, Column: 7`.
fn from_parser(message: &str) -> Diagnostic {
    let message = message
        .trim_start_matches("sql parser error: ")
        .trim_start_matches("SQL error: ");
    let (text, place) = message.rsplit_once(" at Line: ").unwrap_or((message, ""));
    let mut numbers = place
        .split(", Column: ")
        .map(|number| number.trim_matches(|c: char| !c.is_ascii_digit()).parse());
    let location = match (numbers.next(), numbers.next()) {
        (Some(Ok(line)), Some(Ok(column))) => Some(Location::new(line, column)),
        _ => None,
    };
    Diagnostic::new(format!("this is not SQL: {text}")).at(location)
}

/// DataFusion's messages begin with the name of their kind, and may end with a suggestion in a second line.
fn from_message(message: &str) -> Diagnostic {
    let kinds = [
        "Error during planning: ",
        "This feature is not implemented: ",
        "Execution error: ",
        "Arrow error: ",
    ];
    let message = kinds
        .iter()
        .fold(message, |text, kind| text.strip_prefix(kind).unwrap_or(text));
    if let Some((_, call)) = message.split_once(CALL) {
        return from_call(call);
    }
    let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
    let diagnostic = Diagnostic::new(first.trim_end_matches('.'));
    match rest.trim() {
        "" => diagnostic,
        rest => diagnostic.hint(rest.replace('\n', " ")),
    }
}

/// `name' function: … '…(types)'. You might need …\n\tCandidate functions:\n\tname(types)`
fn from_call(call: &str) -> Diagnostic {
    let (name, rest) = call.split_once('\'').unwrap_or((call, ""));
    let given = rest
        .split_once(&format!("'{name}("))
        .and_then(|(_, types)| types.split_once(")'"));
    let diagnostic = match given {
        Some((types, _)) => Diagnostic::new(format!("{name} cannot be called with ({types})")),
        None => Diagnostic::new(format!("{name} cannot be called like this")),
    };
    match rest.split_once("Candidate functions:") {
        Some((_, candidates)) => {
            let candidates: Vec<&str> = candidates
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .collect();
            diagnostic.hint(format!("write {}", candidates.join(", or ")))
        }
        None => diagnostic,
    }
}
