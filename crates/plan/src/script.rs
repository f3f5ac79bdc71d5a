//! A `.sql` file taken apart: its parameters, its declarations and its `INSERT`s, with every `$name` replaced.
//!
//! It does not look inside a query, and knows no types.

use datafusion::sql::parser::{CreateExternalTable, DFParser, Statement as DfStatement};
use datafusion::sql::sqlparser::ast::{
    Ident, Insert, ObjectName, Query, Spanned, Statement as SqlStatement, TableObject,
};
use datafusion::sql::sqlparser::tokenizer::{Location, Span};

use crate::Diagnostic;
use crate::parameters::Parameters;
use crate::places::Places;

/// A file's statements by kind, each in the file's order.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) parameters: Parameters,
    pub(crate) creates: Vec<CreateExternalTable>,
    pub(crate) inserts: Vec<Insertion>,
}

/// One `INSERT INTO sink query`.
#[derive(Debug)]
pub(crate) struct Insertion {
    pub(crate) sink: Ident,
    /// The column list after the sink's name, if the statement has one.
    pub(crate) columns: Vec<Ident>,
    pub(crate) query: Query,
}

/// Reads a file. Errors: it is no SQL, a statement has no meaning here, a parameter is unknown or has no such value.
pub(crate) fn read(sql: &str, places: &Places, overrides: &[(String, String)]) -> Result<Script, Diagnostic> {
    // The parser has no place for an end that comes too early.
    let end = || {
        Location::new(
            sql.lines().count() as u64,
            sql.lines().last().map_or(1, |line| line.chars().count() as u64 + 1),
        )
    };
    let statements = DFParser::parse_sql(sql).map_err(|error| Diagnostic::from_datafusion(&error).at(Some(end())))?;
    let mut script = Script {
        parameters: Parameters::default(),
        creates: Vec::new(),
        inserts: Vec::new(),
    };
    for statement in statements {
        match statement {
            DfStatement::CreateExternalTable(create) => script.creates.push(create),
            DfStatement::Statement(statement) => match *statement {
                SqlStatement::Set(set) => {
                    let span = SqlStatement::Set(set.clone()).span();
                    script.parameters.declare(&set, span)?;
                }
                SqlStatement::Insert(insert) => script.inserts.push(insertion(insert)?),
                other => return Err(no_statement(&other.to_string(), places)),
            },
            other => return Err(no_statement(&other.to_string(), places)),
        }
    }
    script.parameters.override_with(overrides)?;
    for insert in &mut script.inserts {
        script.parameters.bind_query(&mut insert.query)?;
    }
    if script.inserts.is_empty() {
        return Err(
            Diagnostic::new("the file has no INSERT INTO, so there is nothing to run")
                .hint("write INSERT INTO sink SELECT … after the declarations"),
        );
    }
    Ok(script)
}

/// The name of a stream or table in one part, as SQL reads it: lower case unless quoted.
pub(crate) fn simple_name(name: &ObjectName) -> Result<Ident, Diagnostic> {
    match name.0.as_slice() {
        [part] => match part.as_ident() {
            Some(ident) => Ok(ident.clone()),
            None => Err(Diagnostic::new(format!("{name} is no name")).at_span(name.span())),
        },
        _ => Err(Diagnostic::new(format!("{name} has several parts"))
            .detail("A file's streams and tables have no schema or catalog.")
            .hint("write a name in one part")
            .at_span(name.span())),
    }
}

/// An identifier's text as SQL reads it: lower case unless quoted.
pub(crate) fn text_of(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// `INSERT` has many forms in the parser's many dialects; what they add has no meaning for a topic.
fn insertion(insert: Insert) -> Result<Insertion, Diagnostic> {
    let place = insert.insert_token.0.span;
    let refused = |what: &str| {
        Diagnostic::new(format!("{what} is not possible here"))
            .hint("write INSERT INTO sink SELECT …")
            .at_span(place)
    };
    if insert.overwrite || insert.replace_into {
        return Err(refused("overwriting"));
    }
    if insert.on.is_some() || insert.returning.is_some() || insert.table_alias.is_some() || insert.partitioned.is_some()
    {
        return Err(refused("this form of INSERT"));
    }
    let TableObject::TableName(name) = &insert.table else {
        return Err(refused("a sink that is no stream"));
    };
    let sink = simple_name(name)?;
    let columns = insert.columns.iter().map(simple_name).collect::<Result<_, _>>()?;
    match insert.source {
        Some(query) => Ok(Insertion {
            sink,
            columns,
            query: *query,
        }),
        None => Err(refused("an INSERT without a SELECT")),
    }
}

/// Nothing is ignored: a statement without a meaning here is a misunderstanding to clear up.
fn no_statement(text: &str, places: &Places) -> Diagnostic {
    let verb = text.split_whitespace().next().unwrap_or("this").to_uppercase();
    Diagnostic::new(format!("a {verb} statement has no meaning in a pipeline"))
        .hint("a file holds SET name = value, CREATE [UNBOUNDED] EXTERNAL TABLE … and INSERT INTO sink SELECT …")
        .at(places.after(&verb, Location::new(1, 1)))
}

/// The place of an identifier, if the parser kept it.
pub(crate) fn place_of(ident: &Ident) -> Option<Location> {
    (ident.span != Span::empty()).then_some(ident.span.start)
}
