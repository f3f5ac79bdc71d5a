//! The declarations of a file: `CREATE [UNBOUNDED] EXTERNAL TABLE` to streams and tables.
//!
//! It reads the syntax tree itself: DataFusion's own planner for it would look for files.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::common::DFSchema;
use datafusion::execution::SessionState;
use datafusion::logical_expr::ExprSchemable;
use datafusion::sql::parser::CreateExternalTable;
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::{
    ColumnDef, ColumnOption, DataType as SqlType, Expr as SqlExpr, Ident, Spanned, TableConstraint, TimezoneInfo,
};
use hw_graph::{Check, Stream, Table};

use crate::Diagnostic;
use crate::expression::{physical, refuse_changing, simplified};
use crate::options::Options;
use crate::parameters::Parameters;
use crate::places::Places;
use crate::script::{place_of, simple_name, text_of};
use crate::session::Declared;

/// What a file declares.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    pub(crate) streams: Vec<Stream>,
    pub(crate) tables: Vec<Table>,
}

/// What a name stands for: an index into [`Catalog::streams`] or [`Catalog::tables`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Stream(usize),
    Table(usize),
}

impl Catalog {
    /// Streams and tables share one space of names, as they do in SQL.
    pub(crate) fn find(&self, name: &str) -> Option<Origin> {
        let stream = self
            .streams
            .iter()
            .position(|stream| stream.name == name)
            .map(Origin::Stream);
        stream.or_else(|| {
            self.tables
                .iter()
                .position(|table| table.name == name)
                .map(Origin::Table)
        })
    }

    pub(crate) fn columns(&self, name: &str) -> Option<&SchemaRef> {
        Some(match self.find(name)? {
            Origin::Stream(index) => &self.streams[index].columns,
            Origin::Table(index) => &self.tables[index].columns,
        })
    }

    /// The names of streams and tables, for a hint.
    pub(crate) fn names(&self) -> String {
        let streams = self.streams.iter().map(|stream| stream.name.as_str());
        let names: Vec<&str> = streams
            .chain(self.tables.iter().map(|table| table.name.as_str()))
            .collect();
        names.join(", ")
    }
}

/// Reads all declarations of a file.
pub(crate) fn declare(
    places: &Places,
    creates: &[CreateExternalTable],
    parameters: &Parameters,
    state: &SessionState,
) -> Result<Catalog, Diagnostic> {
    let mut catalog = Catalog::default();
    for create in creates {
        let name = simple_name(&create.name)?;
        let here = |diagnostic: Diagnostic| diagnostic.at(place_of(&name));
        if catalog.find(&text_of(&name)).is_some() {
            return Err(here(Diagnostic::new(format!("{name} is declared twice"))));
        }
        refuse_clauses(create).map_err(here)?;
        refuse_topic(&create.locations[0], &catalog).map_err(here)?;
        let mut options = Options::read(places, create, &name, parameters)?;
        let mut columns = columns(create).map_err(here)?;
        let key = options.column("key", None, &columns)?;
        check_key(&create.columns[key], &columns).map_err(here)?;
        if create.unbounded {
            let time = options.column("time", Some("time"), &columns)?;
            check_time(&create.columns[time], &columns).map_err(here)?;
            columns = required(&columns, &[key, time]);
            let checks = checks(create, &columns, parameters, state).map_err(here)?;
            let (record, time_source, timing) = (options.record(), options.time_source()?, options.timing()?);
            let (name, topic) = (text_of(&name), create.locations[0].clone());
            options.refuse_rest()?;
            catalog.streams.push(Stream {
                name,
                topic,
                record,
                columns,
                key,
                time,
                time_source,
                checks,
                timing,
            });
        } else {
            columns = required(&columns, &[key]);
            let checks = checks(create, &columns, parameters, state).map_err(here)?;
            let (name, topic, record) = (text_of(&name), create.locations[0].clone(), options.record());
            options.refuse_rest()?;
            catalog.tables.push(Table {
                name,
                topic,
                record,
                columns,
                key,
                checks,
            });
        }
    }
    Ok(catalog)
}

/// Clauses of DataFusion's grammar that describe files: silently ignoring them would promise what no topic does.
fn refuse_clauses(create: &CreateExternalTable) -> Result<(), Diagnostic> {
    if create.file_type != "AVRO" {
        return Err(
            Diagnostic::new(format!("records cannot be stored as {}", create.file_type))
                .detail("Values are Avro in Confluent's wire format.")
                .hint("write STORED AS AVRO"),
        );
    }
    if create.locations.len() != 1 {
        return Err(Diagnostic::new("a stream or table is one topic").hint("write LOCATION 'topic'"));
    }
    let clauses = [
        ("PARTITIONED BY", !create.table_partition_cols.is_empty()),
        ("WITH ORDER", !create.order_exprs.is_empty()),
        ("IF NOT EXISTS", create.if_not_exists),
        ("OR REPLACE", create.or_replace),
        ("TEMPORARY", create.temporary),
    ];
    match clauses.iter().find(|(_, present)| *present) {
        Some((clause, _)) => Err(Diagnostic::new(format!("{clause} has no meaning for a topic")).hint("leave it out")),
        None => Ok(()),
    }
}

/// Kafka's rules for names of topics; and one topic has one declaration, so that no circle is hidden.
fn refuse_topic(topic: &str, catalog: &Catalog) -> Result<(), Diagnostic> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if topic.is_empty() || topic.len() > 249 || topic == "." || topic == ".." || !topic.chars().all(plain) {
        return Err(Diagnostic::new(format!("'{topic}' is no name of a topic"))
            .hint("write LOCATION 'topic' with letters, digits, '.', '_' and '-', at most 249 of them"));
    }
    let streams = catalog.streams.iter().map(|stream| (&stream.name, &stream.topic));
    let mut all = streams.chain(catalog.tables.iter().map(|table| (&table.name, &table.topic)));
    match all.find(|(_, other)| *other == topic) {
        Some((name, _)) => Err(Diagnostic::new(format!("the topic {topic} is that of {name} already"))
            .hint(format!("use {name}, or another topic"))),
        None => Ok(()),
    }
}

fn columns(create: &CreateExternalTable) -> Result<SchemaRef, Diagnostic> {
    let mut fields: Vec<Field> = Vec::new();
    for column in &create.columns {
        let name = text_of(&column.name);
        if fields.iter().any(|field| *field.name() == name) {
            return Err(Diagnostic::new(format!("the column {name} is declared twice")).at(place_of(&column.name)));
        }
        fields.push(Field::new(name, data_type(column)?, nullable(column)?));
    }
    if fields.is_empty() {
        return Err(Diagnostic::new("a stream or table needs columns").hint("write (name TYPE, …) after its name"));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// The types that Avro, Arrow and the engine all hold without loss.
fn data_type(column: &ColumnDef) -> Result<DataType, Diagnostic> {
    let without_zone = |zone: &TimezoneInfo| matches!(zone, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone);
    Ok(match &column.data_type {
        SqlType::Varchar(None) | SqlType::Text | SqlType::String(None) => DataType::Utf8,
        SqlType::Int(None) | SqlType::Integer(None) | SqlType::Int4(None) => DataType::Int32,
        SqlType::BigInt(None) | SqlType::Int8(None) => DataType::Int64,
        SqlType::Double(_) | SqlType::DoublePrecision | SqlType::Float8 => DataType::Float64,
        SqlType::Real | SqlType::Float4 => DataType::Float32,
        SqlType::Boolean | SqlType::Bool => DataType::Boolean,
        SqlType::Timestamp(Some(3), zone) if without_zone(zone) => DataType::Timestamp(TimeUnit::Millisecond, None),
        SqlType::Timestamp(_, zone) => {
            let diagnostic = Diagnostic::new(format!("{} is no type of a column here", column.data_type));
            let detail = match without_zone(zone) {
                true => "Times are whole milliseconds.",
                false => "Times are UTC and carry no time zone.",
            };
            return Err(diagnostic
                .detail(detail)
                .hint("write TIMESTAMP(3)")
                .at(place_of(&column.name)));
        }
        other => {
            return Err(Diagnostic::new(format!("{other} is no type of a column here"))
                .hint("the types are VARCHAR, INT, BIGINT, REAL, DOUBLE, BOOLEAN and TIMESTAMP(3)")
                .at(place_of(&column.name)));
        }
    })
}

/// A column may be null unless it says otherwise, as in SQL.
fn nullable(column: &ColumnDef) -> Result<bool, Diagnostic> {
    let mut nullable = true;
    for option in &column.options {
        match &option.option {
            ColumnOption::NotNull => nullable = false,
            ColumnOption::Null | ColumnOption::Check(_) | ColumnOption::Comment(_) => {}
            other => {
                return Err(
                    Diagnostic::new(format!("{other} has no meaning for a column of a topic"))
                        .hint("a column may be NOT NULL and may have a CHECK (…)")
                        .at(place_of(&column.name)),
                );
            }
        }
    }
    Ok(nullable)
}

/// A record without a key or a time is a dead letter, so these columns are never null, whatever is declared.
fn required(columns: &SchemaRef, indexes: &[usize]) -> SchemaRef {
    let fields: Vec<Field> = (columns.fields().iter().enumerate())
        .map(|(index, field)| match indexes.contains(&index) {
            true => field.as_ref().clone().with_nullable(false),
            false => field.as_ref().clone(),
        })
        .collect();
    Arc::new(Schema::new(fields))
}

fn check_key(column: &ColumnDef, columns: &SchemaRef) -> Result<(), Diagnostic> {
    match columns.field_with_name(&text_of(&column.name)).map(Field::data_type) {
        Ok(DataType::Utf8) => Ok(()),
        _ => Err(
            Diagnostic::new(format!("the key {} is {}, not VARCHAR", column.name, column.data_type))
                .detail("Keys of records are UTF-8 text.")
                .hint(format!("declare {} VARCHAR NOT NULL", column.name))
                .at(place_of(&column.name)),
        ),
    }
}

fn check_time(column: &ColumnDef, columns: &SchemaRef) -> Result<(), Diagnostic> {
    match columns.field_with_name(&text_of(&column.name)).map(Field::data_type) {
        Ok(DataType::Timestamp(TimeUnit::Millisecond, None)) => Ok(()),
        _ => Err(Diagnostic::new(format!(
            "the event time {} is {}, not TIMESTAMP(3)",
            column.name, column.data_type
        ))
        .detail("Event time is counted in milliseconds since the epoch, in UTC.")
        .hint(format!("declare {} TIMESTAMP(3) NOT NULL", column.name))
        .at(place_of(&column.name))),
    }
}

/// Checks of columns and of the whole row alike, the columns' first.
fn checks(
    create: &CreateExternalTable,
    columns: &SchemaRef,
    parameters: &Parameters,
    state: &SessionState,
) -> Result<Vec<Check>, Diagnostic> {
    let mut checks = Vec::new();
    for column in &create.columns {
        for option in &column.options {
            if let ColumnOption::Check(check) = &option.option {
                checks.push(one_check(&check.expr, &column.name, columns, parameters, state)?);
            }
        }
    }
    let name = simple_name(&create.name)?;
    for constraint in &create.constraints {
        match constraint {
            TableConstraint::Check(check) => {
                checks.push(one_check(&check.expr, &name, columns, parameters, state)?);
            }
            other => {
                return Err(Diagnostic::new(format!("{other} cannot be held for a topic"))
                    .hint("rows are validated one by one: write CHECK (…)")
                    .at_span(other.span()));
            }
        }
    }
    Ok(checks)
}

/// One check as live and batch evaluate it: over the declared columns by position.
fn one_check(
    expr: &SqlExpr,
    near: &Ident,
    columns: &SchemaRef,
    parameters: &Parameters,
    state: &SessionState,
) -> Result<Check, Diagnostic> {
    let place = |diagnostic: Diagnostic| diagnostic.at_span(expr.span()).at(place_of(near));
    let mut expr = expr.clone();
    parameters.bind_expr(&mut expr)?;
    let text = expr.to_string();
    let from_datafusion = |error| place(Diagnostic::from_datafusion(&error));
    let schema = DFSchema::try_from(columns.clone()).map_err(from_datafusion)?;
    let provider = Declared {
        state,
        catalog: &Catalog::default(),
    };
    let options = ParserOptions::from(&state.config_options().sql_parser);
    let planner = SqlToRel::new_with_options(&provider, options);
    let logical = planner
        .sql_to_expr(expr.clone(), &schema, &mut PlannerContext::new())
        .map_err(from_datafusion)?;
    refuse_changing(&logical).map_err(place)?;
    if logical.get_type(&schema).map_err(from_datafusion)? != DataType::Boolean {
        return Err(place(Diagnostic::new(format!(
            "CHECK ({text}) is neither true nor false"
        ))));
    }
    let simple = simplified(&logical, &schema, state).map_err(place)?;
    let predicate = physical(&simple, &schema, state).map_err(place)?;
    Ok(Check { text, predicate })
}
