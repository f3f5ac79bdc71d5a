//! A branch: what a query means for one source stream, on its way to becoming a job.
//!
//! Expressions here stand on three kinds of columns, told apart by their qualifier: [`SOURCE`], [`WINDOW`] and
//! [`LOOKUP`]. Sub-queries are gone: every output column of the query is one expression over these.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, TableReference};
use datafusion::logical_expr::Expr;
use datafusion::sql::unparser::Unparser;
use datafusion::sql::unparser::dialect::CustomDialectBuilder;
use hw_graph::{AggregateFunction, Lookup, LookupKind, Stream, interval_text};

use crate::Diagnostic;
use crate::catalog::Catalog;

/// Qualifier of the source's columns.
pub(crate) const SOURCE: &str = "source";
/// Qualifier of aggregates, and of a tumbling window's start.
pub(crate) const WINDOW: &str = "window";
/// Qualifier of looked-up columns; their names carry the table's.
pub(crate) const LOOKUP: &str = "lookup";
/// The name of a tumbling window's start in the evaluated row.
pub(crate) const WINDOW_START: &str = "window_start";

/// One source stream's way through a query.
#[derive(Debug, Clone)]
pub(crate) struct Branch {
    pub(crate) source: usize,
    /// Conjuncts that stand below the window, if there is one.
    pub(crate) before: Vec<Expr>,
    pub(crate) window: Option<LogicalWindow>,
    pub(crate) lookups: Vec<Lookup>,
    pub(crate) after: Vec<Expr>,
    /// What each column of the plan node at hand stands for.
    pub(crate) columns: Vec<Expr>,
}

/// A window whose inputs are still logical.
#[derive(Debug, Clone)]
pub(crate) enum LogicalWindow {
    Sliding(Vec<LogicalFrame>),
    Tumbling {
        length_ms: i64,
        origin_ms: i64,
        aggregates: Vec<LogicalAggregate>,
    },
}

/// The aggregates over one length.
#[derive(Debug, Clone)]
pub(crate) struct LogicalFrame {
    pub(crate) preceding_ms: i64,
    pub(crate) aggregates: Vec<LogicalAggregate>,
}

/// One aggregate: a column of the evaluated row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LogicalAggregate {
    pub(crate) function: AggregateFunction,
    /// Of type `Int64`, `Float64` or `Timestamp(Millisecond)`.
    pub(crate) input: Option<Expr>,
    /// Whether a value of the input may be null.
    pub(crate) nullable: bool,
    pub(crate) data_type: DataType,
    pub(crate) text: String,
    /// The column's name, unique in the evaluated row.
    pub(crate) name: String,
}

/// A column of the source by name.
pub(crate) fn source_column(name: &str) -> Expr {
    Expr::Column(Column::new(Some(TableReference::bare(SOURCE)), name))
}

/// A column of a table by name.
pub(crate) fn lookup_column(table: &str, name: &str) -> Expr {
    Expr::Column(Column::new(
        Some(TableReference::bare(LOOKUP)),
        format!("{table}.{name}"),
    ))
}

/// An aggregate, or a window's start, by name.
pub(crate) fn window_column(name: &str) -> Expr {
    Expr::Column(Column::new(Some(TableReference::bare(WINDOW)), name))
}

/// Whether the expression reads a column with this qualifier.
pub(crate) fn reads(expr: &Expr, qualifier: &str) -> bool {
    expr.exists(|node| {
        Ok(matches!(node, Expr::Column(Column { relation: Some(relation), .. }) if relation.table() == qualifier))
    })
    .unwrap_or(false)
}

/// The expression with every column of a plan node replaced by what it stands for.
pub(crate) fn bind(expr: &Expr, schema: &DFSchema, columns: &[Expr]) -> Result<Expr, Diagnostic> {
    let bound = expr.clone().transform_up(|node| match &node {
        Expr::Column(column) => Ok(Transformed::yes(columns[schema.index_of_column(column)?].clone())),
        Expr::Alias(alias) => Ok(Transformed::yes(alias.expr.as_ref().clone())),
        _ => Ok(Transformed::no(node)),
    });
    Ok(bound
        .map_err(|error| Diagnostic::from_datafusion(&error).at_expr(expr))?
        .data)
}

/// The expression as a person would write it, without the qualifiers of this module.
pub(crate) fn readable(expr: &Expr) -> String {
    let bare = expr.clone().transform_up(|node| match node {
        Expr::Column(column) => Ok(Transformed::yes(Expr::Column(Column::new_unqualified(column.name)))),
        other => Ok(Transformed::no(other)),
    });
    let Ok(bare) = bare else {
        return expr.to_string();
    };
    // No quotes: `time` and many other names are keywords of some dialect.
    let dialect = CustomDialectBuilder::new().build();
    match Unparser::new(&dialect).expr_to_sql(&bare.data) {
        Ok(sql) => sql.to_string(),
        Err(_) => bare.data.human_display().to_string(),
    }
}

impl Branch {
    /// A stream as it is.
    pub(crate) fn of_stream(source: usize, stream: &Stream) -> Self {
        let columns = stream
            .columns
            .fields()
            .iter()
            .map(|field| source_column(field.name()))
            .collect();
        Branch {
            source,
            before: Vec::new(),
            window: None,
            lookups: Vec::new(),
            after: Vec::new(),
            columns,
        }
    }

    /// Takes a conjunct that stands at this point of the query.
    pub(crate) fn filter(&mut self, conjunct: Expr) {
        match self.window.is_none() && !reads(&conjunct, LOOKUP) {
            true => self.before.push(conjunct),
            false => self.after.push(conjunct),
        }
    }

    /// Joins a table on the key. Two look-ups of one table are one, inner when either is.
    pub(crate) fn look_up(&mut self, table: usize, kind: LookupKind) {
        match self.lookups.iter_mut().find(|lookup| lookup.table == table) {
            Some(lookup) if kind == LookupKind::Inner => lookup.kind = kind,
            Some(_) => {}
            None => self.lookups.push(Lookup { table, kind }),
        }
    }

    /// The aggregate's column in the evaluated row; the same aggregate over the same rows is one column.
    pub(crate) fn aggregate(&mut self, preceding_ms: i64, mut aggregate: LogicalAggregate) -> Expr {
        let LogicalWindow::Sliding(frames) = self.window.get_or_insert(LogicalWindow::Sliding(Vec::new())) else {
            unreachable!("a window over a tumbling window was refused");
        };
        aggregate.name = format!("{}[{}]", aggregate.text, interval_text(preceding_ms));
        let index = match frames.iter().position(|frame| frame.preceding_ms == preceding_ms) {
            Some(index) => index,
            None => {
                frames.push(LogicalFrame {
                    preceding_ms,
                    aggregates: Vec::new(),
                });
                frames.len() - 1
            }
        };
        add(&mut frames[index].aggregates, aggregate)
    }

    /// Forgets what the query computes and nobody reads: aggregates, and tables of a LEFT JOIN. An inner join stays, for
    /// it drops rows, and so does a tumbling window, for it makes them.
    pub(crate) fn prune(&mut self) {
        let used: Vec<&Column> = self
            .after
            .iter()
            .chain(&self.columns)
            .flat_map(Expr::column_refs)
            .collect();
        let read = |name: &str| {
            let own = |column: &&&Column| {
                column
                    .relation
                    .as_ref()
                    .is_some_and(|relation| relation.table() == WINDOW)
            };
            used.iter().filter(own).any(|column| column.name == name)
        };
        match &mut self.window {
            None => {}
            Some(LogicalWindow::Tumbling { aggregates, .. }) => aggregates.retain(|aggregate| read(&aggregate.name)),
            Some(LogicalWindow::Sliding(frames)) => {
                for frame in frames.iter_mut() {
                    frame.aggregates.retain(|aggregate| read(&aggregate.name));
                }
                frames.retain(|frame| !frame.aggregates.is_empty());
            }
        }
        if matches!(&self.window, Some(LogicalWindow::Sliding(frames)) if frames.is_empty()) {
            self.window = None;
        }
        if !self.after.iter().chain(&self.columns).any(|expr| reads(expr, LOOKUP)) {
            self.lookups.retain(|lookup| lookup.kind == LookupKind::Inner);
        }
    }

    /// The source's columns as the branch's expressions name them.
    pub(crate) fn source_schema(&self, catalog: &Catalog) -> Result<DFSchema, Diagnostic> {
        let columns = &catalog.streams[self.source].columns;
        qualified(
            columns
                .fields()
                .iter()
                .map(|field| (SOURCE, field.as_ref().clone()))
                .collect(),
        )
    }

    /// The evaluated row as the branch's expressions name it.
    pub(crate) fn evaluated_schema(&self, catalog: &Catalog) -> Result<DFSchema, Diagnostic> {
        let source = &catalog.streams[self.source];
        let all = source
            .columns
            .fields()
            .iter()
            .map(|field| (SOURCE, field.as_ref().clone()));
        let mut fields: Vec<(&str, Field)> = match &self.window {
            None => all.collect(),
            Some(LogicalWindow::Sliding(frames)) => all
                .chain(
                    frames
                        .iter()
                        .flat_map(|frame| frame.aggregates.iter().map(aggregate_field)),
                )
                .collect(),
            Some(LogicalWindow::Tumbling { aggregates, .. }) => {
                let time_type = source.columns.field(source.time).data_type().clone();
                [
                    (SOURCE, source.columns.field(source.key).clone()),
                    (WINDOW, Field::new(WINDOW_START, time_type, false)),
                ]
                .into_iter()
                .chain(aggregates.iter().map(aggregate_field))
                .collect()
            }
        };
        for lookup in &self.lookups {
            let table = &catalog.tables[lookup.table];
            for field in table.columns.fields() {
                let nullable = field.is_nullable() || lookup.kind == LookupKind::Left;
                let name = format!("{}.{}", table.name, field.name());
                fields.push((LOOKUP, Field::new(name, field.data_type().clone(), nullable)));
            }
        }
        qualified(fields)
    }
}

/// A frame holds at least the row itself, so an aggregate is null only when its input may be, or when one value is
/// too few for it.
fn aggregate_field(aggregate: &LogicalAggregate) -> (&'static str, Field) {
    let nullable = match aggregate.function {
        AggregateFunction::Count => false,
        AggregateFunction::StddevSamp => true,
        _ => aggregate.nullable,
    };
    (
        WINDOW,
        Field::new(&aggregate.name, aggregate.data_type.clone(), nullable),
    )
}

/// Fields under this module's qualifiers: a source and a table may have columns of one name.
fn qualified(fields: Vec<(&str, Field)>) -> Result<DFSchema, Diagnostic> {
    let qualifiers = fields
        .iter()
        .map(|(qualifier, _)| Some(TableReference::bare(*qualifier)))
        .collect();
    let fields: Vec<Field> = fields.into_iter().map(|(_, field)| field).collect();
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    DFSchema::from_field_specific_qualified_schema(qualifiers, &schema)
        .map_err(|error| Diagnostic::from_datafusion(&error))
}

/// Adds an aggregate unless it is there, and gives its column.
pub(crate) fn add(aggregates: &mut Vec<LogicalAggregate>, mut aggregate: LogicalAggregate) -> Expr {
    let same = |other: &LogicalAggregate| other.function == aggregate.function && other.input == aggregate.input;
    if let Some(known) = aggregates.iter().find(|other| same(other)) {
        return window_column(&known.name);
    }
    // Two inputs may read alike once their casts are out of sight.
    while aggregates.iter().any(|other| other.name == aggregate.name) {
        aggregate.name.push('\'');
    }
    let column = window_column(&aggregate.name);
    aggregates.push(aggregate);
    column
}
