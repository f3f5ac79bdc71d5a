//! The planner: the text of a `.sql` file to a checked [`Pipeline`], or a [`Diagnostic`] that says what is wrong, where,
//! and what to write instead.
//!
//! It runs nothing, opens no socket and knows no broker. What it accepts has one meaning, live and in batch: [`queries`]
//! gives batch the very same syntax tree that [`plan`] reads.
//!
//! # The way of a file
//!
//! text → `script` (statements, parameters replaced) → `catalog` (streams and tables) → `refuse` (what the syntax
//! tree alone shows to be impossible) → DataFusion's analysed plan → `normalise` and `windows` (branches) → `job`.

mod aggregates;
mod branch;
mod catalog;
mod diagnostic;
mod duration;
mod expression;
mod haversine;
mod job;
mod lengths;
mod normalise;
mod options;
mod over;
mod parameters;
mod places;
mod refuse;
mod script;
mod session;
mod windows;

use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, Query as SqlQuery, SelectItem, SetExpr, Spanned, Statement as SqlStatement,
};
use datafusion::sql::sqlparser::tokenizer::{Location, Span};
use hw_graph::{Job, Pipeline, Stream, interval_text};

pub use diagnostic::{Diagnostic, InFile};
pub use haversine::{EARTH_RADIUS_METRES, haversine_metres};
pub use session::session;

use branch::Branch;
use catalog::{Catalog, Origin};
use job::Selected;
use places::Places;
use script::{Insertion, place_of, text_of};
use session::Declared;

/// The query of one `INSERT`, for an engine other than the live one.
#[derive(Debug, Clone)]
pub struct Query {
    /// The stream that it writes.
    pub sink: String,
    /// The `SELECT`, with every parameter replaced.
    pub statement: Statement,
}

/// What a file means: `name` is the file's name without its extension, `overrides` are the user's own values of
/// parameters.
///
/// # Errors
///
/// The first thing in the file that is wrong, or that is not possible live.
pub fn plan(name: &str, sql: &str, overrides: &[(String, String)]) -> Result<Pipeline, Diagnostic> {
    let sql = without_mark(sql);
    planned(name, sql, overrides).map_err(|diagnostic| diagnostic.quoting(sql))
}

/// The queries of a file in its order, as [`plan`] reads them.
///
/// # Errors
///
/// The file is no SQL, or a parameter is unknown or has no such value.
pub fn queries(sql: &str, overrides: &[(String, String)]) -> Result<Vec<Query>, Diagnostic> {
    let sql = without_mark(sql);
    let script = script::read(sql, &Places::of(sql), overrides).map_err(|diagnostic| diagnostic.quoting(sql))?;
    let query = |insert: Insertion| Query {
        sink: text_of(&insert.sink),
        statement: Statement::Statement(Box::new(SqlStatement::Query(Box::new(insert.query)))),
    };
    Ok(script.inserts.into_iter().map(query).collect())
}

/// Some editors begin a file with a byte order mark, which is no SQL.
fn without_mark(sql: &str) -> &str {
    sql.strip_prefix('\u{feff}').unwrap_or(sql)
}

fn planned(name: &str, sql: &str, overrides: &[(String, String)]) -> Result<Pipeline, Diagnostic> {
    let places = Places::of(sql);
    let script = script::read(sql, &places, overrides)?;
    let context = session();
    let state = context.state();
    let catalog = catalog::declare(&places, &script.creates, &script.parameters, &state)?;
    let mut jobs: Vec<Job> = Vec::new();
    let mut places_of_jobs = Vec::new();
    for insert in &script.inserts {
        let planned = jobs_of(insert, &catalog, &state, &places)
            .map_err(|diagnostic| diagnostic.at_span(insert.query.body.span()).at(place_of(&insert.sink)))?;
        places_of_jobs.resize(jobs.len() + planned.len(), place_of(&insert.sink));
        jobs.extend(planned);
        refuse_circle(&jobs, &catalog).map_err(|diagnostic| diagnostic.at(place_of(&insert.sink)))?;
    }
    let Catalog { streams, tables } = catalog;
    let pipeline = Pipeline {
        name: name.to_string(),
        parameters: script.parameters.listed(),
        streams,
        tables,
        jobs,
    };
    for (job, place) in pipeline.jobs.iter().zip(places_of_jobs) {
        refuse_short_memory(job, &pipeline).map_err(|diagnostic| diagnostic.at(place))?;
    }
    Ok(pipeline)
}

/// Refuses a `remember` under which rows that belong to one window would not know each other.
fn refuse_short_memory(job: &Job, pipeline: &Pipeline) -> Result<(), Diagnostic> {
    let (remember_ms, least_ms) = (job.remember_ms(pipeline), job.least_remember_ms(pipeline));
    if job.window.is_none() || remember_ms >= least_ms {
        return Ok(());
    }
    let source = &pipeline.streams[job.source].name;
    Err(Diagnostic::new(format!(
        "the 'remember' of {source}, {}, is too short for this window",
        interval_text(remember_ms)
    ))
    .detail("Rows must know each other for the whole window and the lateness, and for twice the lateness.")
    .hint(format!(
        "give {source} a 'remember' of at least {}, or leave it out",
        interval_text(least_ms)
    )))
}

fn jobs_of(
    insert: &Insertion,
    catalog: &Catalog,
    state: &SessionState,
    places: &Places,
) -> Result<Vec<Job>, Diagnostic> {
    let sink = sink_of(insert, catalog)?;
    refuse::check(&insert.query, catalog, state, places)?;
    let plan = Declared { state, catalog }.plan(&insert.query, places)?;
    let columns = columns_of(&insert.query, &plan, &catalog.streams[sink]);
    let mut branches = normalise::branches(&plan, catalog)?;
    branches.iter_mut().for_each(Branch::prune);
    branches
        .iter()
        .map(|branch| job::job(branch, &columns, sink, catalog, state))
        .collect()
}

/// The query's columns as live and batch name them: as the query does, or, where it computes a column without naming it
/// or names two alike, as the sink does.
fn columns_of(query: &SqlQuery, plan: &LogicalPlan, sink: &Stream) -> Vec<Selected> {
    let items = items_of(query);
    let declared = sink.columns.fields();
    let mut columns: Vec<Selected> = Vec::new();
    for (index, field) in plan.schema().fields().iter().enumerate() {
        let item = items.get(index);
        let taken = columns.iter().any(|column| column.name == *field.name());
        let own = item.is_none_or(|item| item.named) && !taken;
        let name = match declared.get(index) {
            Some(declared) if !own => declared.name(),
            _ => field.name(),
        };
        columns.push(Selected {
            name: name.clone(),
            place: item.and_then(|item| item.place),
        });
    }
    columns
}

/// A column of a query in the syntax tree.
struct Item {
    place: Option<Location>,
    /// Whether it is a column of something, or has an alias.
    named: bool,
}

/// The columns of a query; none when `*` or a union hides them.
fn items_of(query: &SqlQuery) -> Vec<Item> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return Vec::new();
    };
    let mut items = Vec::new();
    for item in &select.projection {
        let named = match item {
            SelectItem::UnnamedExpr(expr) => matches!(expr, SqlExpr::Identifier(_) | SqlExpr::CompoundIdentifier(_)),
            SelectItem::ExprWithAlias { .. } => true,
            _ => return Vec::new(),
        };
        let span = item.span();
        items.push(Item {
            place: (span != Span::empty()).then_some(span.start),
            named,
        });
    }
    items
}

/// The stream that an `INSERT` writes. A column list is allowed when it says nothing new.
fn sink_of(insert: &Insertion, catalog: &Catalog) -> Result<usize, Diagnostic> {
    let name = text_of(&insert.sink);
    let place = place_of(&insert.sink);
    let sink = match catalog.find(&name) {
        Some(Origin::Stream(index)) => index,
        Some(Origin::Table(_)) => {
            return Err(
                Diagnostic::new(format!("{name} is a table, and a job writes to streams"))
                    .detail("A table is only read: what its topic holds comes from elsewhere.")
                    .hint("declare a stream with CREATE UNBOUNDED EXTERNAL TABLE and INSERT INTO that one")
                    .at(place),
            );
        }
        None => {
            return Err(Diagnostic::new(format!("there is no stream {name}"))
                .hint(format!("the file declares {}", catalog.names()))
                .at(place));
        }
    };
    let columns = catalog.streams[sink].columns.fields();
    let listed: Vec<String> = insert.columns.iter().map(text_of).collect();
    let same = listed.len() == columns.len() && listed.iter().zip(columns).all(|(name, field)| name == field.name());
    if !listed.is_empty() && !same {
        let wanted: Vec<&str> = columns.iter().map(|field| field.name().as_str()).collect();
        return Err(Diagnostic::new("a column list must be that of the sink")
            .hint(format!("leave it out, and select {} in this order", wanted.join(", ")))
            .at(insert.columns.first().and_then(place_of)));
    }
    Ok(sink)
}

/// Refuses a stream that, through however many jobs, feeds itself.
fn refuse_circle(jobs: &[Job], catalog: &Catalog) -> Result<(), Diagnostic> {
    let Some(last) = jobs.last() else {
        return Ok(());
    };
    let mut reached = vec![last.sink];
    let mut next = 0;
    while let Some(&stream) = reached.get(next) {
        next += 1;
        let sinks = jobs.iter().filter(|job| job.source == stream).map(|job| job.sink);
        for sink in sinks.collect::<Vec<_>>() {
            if sink == last.sink {
                let name = &catalog.streams[sink].name;
                return Err(Diagnostic::new(format!("{name} is written by what is read from it"))
                    .detail("Every row would bring forth another, without end.")
                    .hint("INSERT INTO another stream"));
            }
            if !reached.contains(&sink) {
                reached.push(sink);
            }
        }
    }
    Ok(())
}
