//! From DataFusion's logical plan to branches: joins behind the window, sub-queries inlined, filters split.
//!
//! It does not optimise: what a query says is kept, only its order is made that of a job. Moving a join on the key
//! behind the window is valid because every row of a key has the same row of the table. Windows themselves are read
//! by [`crate::windows`].

use datafusion::common::{DFSchema, JoinType};
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{BinaryExpr, Expr, Join, LogicalPlan, Operator};
use hw_graph::LookupKind;

use crate::Diagnostic;
use crate::branch::{Branch, bind, lookup_column, source_column};
use crate::catalog::{Catalog, Origin};
use crate::windows;

/// What a part of a query gives.
pub(crate) enum Relation {
    /// Streams, several after a `UNION ALL`.
    Branches(Vec<Branch>),
    /// A table that has not met its stream yet.
    Table(TableSide),
}

/// A table in a join, with what its sub-query does to it.
pub(crate) struct TableSide {
    table: usize,
    filters: Vec<Expr>,
    columns: Vec<Expr>,
}

/// The branches of a query.
pub(crate) fn branches(plan: &LogicalPlan, catalog: &Catalog) -> Result<Vec<Branch>, Diagnostic> {
    match relation(plan, catalog)? {
        Relation::Branches(branches) => Ok(branches),
        Relation::Table(_) => Err(Diagnostic::new("a table alone is not a stream")
            .detail("A job answers to rows as they come; a table only holds what is known about each key.")
            .hint("select from a stream, and JOIN the table on the key")),
    }
}

/// Reads a plan from its leaves upwards.
fn relation(plan: &LogicalPlan, catalog: &Catalog) -> Result<Relation, Diagnostic> {
    match plan {
        LogicalPlan::TableScan(scan) => scanned(scan.table_name.table(), catalog),
        // Columns are found by their place in a node's schema, so a name alone changes nothing.
        LogicalPlan::SubqueryAlias(alias) => relation(&alias.input, catalog),
        LogicalPlan::Projection(projection) => {
            let schema = projection.input.schema();
            match relation(&projection.input, catalog)? {
                Relation::Branches(branches) => each(branches, |mut branch| {
                    branch.columns = bind_all(&projection.expr, schema, &branch.columns)?;
                    Ok(branch)
                }),
                Relation::Table(mut side) => {
                    side.columns = bind_all(&projection.expr, schema, &side.columns)?;
                    Ok(Relation::Table(side))
                }
            }
        }
        LogicalPlan::Filter(filter) => filtered(&filter.predicate, &filter.input, catalog),
        LogicalPlan::Join(join) => {
            let (left, right) = (relation(&join.left, catalog)?, relation(&join.right, catalog)?);
            joined(join, left, right, catalog)
        }
        LogicalPlan::Union(union) => {
            let mut all = Vec::new();
            for input in &union.inputs {
                all.extend(branches(input, catalog)?);
            }
            Ok(Relation::Branches(all))
        }
        LogicalPlan::Window(window) => {
            let branch = single(relation(&window.input, catalog)?, "a window")?;
            Ok(Relation::Branches(vec![windows::sliding(branch, window, catalog)?]))
        }
        LogicalPlan::Aggregate(aggregate) => {
            let branch = single(relation(&aggregate.input, catalog)?, "GROUP BY")?;
            Ok(Relation::Branches(vec![windows::tumbling(branch, aggregate, catalog)?]))
        }
        other => Err(no_node(other)),
    }
}

/// A stream or table as it is declared.
fn scanned(name: &str, catalog: &Catalog) -> Result<Relation, Diagnostic> {
    match catalog.find(name) {
        Some(Origin::Stream(index)) => Ok(Relation::Branches(vec![Branch::of_stream(
            index,
            &catalog.streams[index],
        )])),
        Some(Origin::Table(index)) => {
            let table = &catalog.tables[index];
            let fields = table.columns.fields().iter();
            let columns = fields.map(|field| lookup_column(&table.name, field.name())).collect();
            Ok(Relation::Table(TableSide {
                table: index,
                filters: Vec::new(),
                columns,
            }))
        }
        None => Err(Diagnostic::new(format!("there is no stream or table {name}"))),
    }
}

/// A filter, split into the conjuncts that may go different ways.
fn filtered(predicate: &Expr, input: &LogicalPlan, catalog: &Catalog) -> Result<Relation, Diagnostic> {
    let schema = input.schema();
    match relation(input, catalog)? {
        Relation::Branches(branches) => each(branches, |mut branch| {
            for conjunct in split_conjunction_owned(bind(predicate, schema, &branch.columns)?) {
                branch.filter(conjunct);
            }
            Ok(branch)
        }),
        Relation::Table(mut side) => {
            side.filters
                .extend(split_conjunction_owned(bind(predicate, schema, &side.columns)?));
            Ok(Relation::Table(side))
        }
    }
}

/// Nodes that only a mistake of the checks on the syntax tree lets through, so their words are few.
fn no_node(plan: &LogicalPlan) -> Diagnostic {
    let what = match plan {
        LogicalPlan::Sort(_) => "ORDER BY",
        LogicalPlan::Limit(_) => "LIMIT",
        LogicalPlan::Distinct(_) => "DISTINCT",
        LogicalPlan::Values(_) => "VALUES",
        LogicalPlan::EmptyRelation(_) => "a SELECT without FROM",
        LogicalPlan::Subquery(_) => "a sub-query in an expression",
        LogicalPlan::Unnest(_) => "unnest",
        LogicalPlan::RecursiveQuery(_) => "WITH RECURSIVE",
        _ => "this part of the query",
    };
    Diagnostic::new(format!("{what} is not possible on a stream"))
        .hint("a job selects from a stream, joins tables on the key, and has at most one window or GROUP BY")
}

/// A step above a `UNION ALL` is a step of each of its branches.
fn each(
    branches: Vec<Branch>,
    change: impl FnMut(Branch) -> Result<Branch, Diagnostic>,
) -> Result<Relation, Diagnostic> {
    Ok(Relation::Branches(
        branches.into_iter().map(change).collect::<Result<_, _>>()?,
    ))
}

fn bind_all(exprs: &[Expr], schema: &DFSchema, columns: &[Expr]) -> Result<Vec<Expr>, Diagnostic> {
    exprs.iter().map(|expr| bind(expr, schema, columns)).collect()
}

/// The one branch that a stateful operator may have.
fn single(relation: Relation, operator: &str) -> Result<Branch, Diagnostic> {
    match relation {
        Relation::Branches(mut branches) if branches.len() == 1 => Ok(branches.remove(0)),
        Relation::Branches(_) => Err(Diagnostic::new(format!("UNION ALL cannot stand below {operator}"))
            .detail("Rows of one user would come from several topics, whose clocks differ: they have to be brought together in one topic first.")
            .hint("INSERT each stream INTO one stream of your own, and select from that one in a second INSERT")),
        Relation::Table(_) => Err(Diagnostic::new(format!("{operator} over a table is not possible"))
            .hint("select from a stream, and JOIN the table on the key")),
    }
}

/// Which side is the stream decides what a join means; only the one reading is possible.
fn joined(join: &Join, left: Relation, right: Relation, catalog: &Catalog) -> Result<Relation, Diagnostic> {
    let kind = match join.join_type {
        JoinType::Inner => LookupKind::Inner,
        JoinType::Left => LookupKind::Left,
        _ => {
            return Err(Diagnostic::new(format!(
                "a {} join is not possible on a stream",
                join.join_type
            )));
        }
    };
    match (left, right) {
        (Relation::Branches(branches), Relation::Table(side)) => each(branches, |branch| {
            let columns = [branch.columns.as_slice(), &side.columns].concat();
            look_up(branch, &side, kind, join, columns, catalog)
        }),
        (Relation::Table(side), Relation::Branches(branches)) if kind == LookupKind::Inner => {
            each(branches, |branch| {
                let columns = [side.columns.as_slice(), &branch.columns].concat();
                look_up(branch, &side, kind, join, columns, catalog)
            })
        }
        (Relation::Table(_), Relation::Branches(_)) => Err(Diagnostic::new(
            "a table cannot be the left side of a LEFT JOIN with a stream",
        )
        .detail("There would be an answer for every key of the table, though no row has come.")
        .hint("write FROM stream LEFT JOIN table ON stream.key = table.key")),
        (Relation::Branches(_), Relation::Branches(_)) => Err(Diagnostic::new("two streams cannot be joined")
            .detail("Each would have to be kept for as long as the other may still bring a match.")
            .hint("join a stream with a table (CREATE EXTERNAL TABLE), or use a window over one stream")
            .at_expr(&join_expr(join))),
        (Relation::Table(_), Relation::Table(_)) => {
            Err(Diagnostic::new("two tables cannot be joined with one another")
                .hint("select from the stream, and JOIN each table on the key")
                .at_expr(&join_expr(join)))
        }
    }
}

/// Puts a table behind a branch. `columns` are those of the join's both sides in the join's order.
fn look_up(
    mut branch: Branch,
    side: &TableSide,
    kind: LookupKind,
    join: &Join,
    columns: Vec<Expr>,
    catalog: &Catalog,
) -> Result<Branch, Diagnostic> {
    let (stream, table) = (&catalog.streams[branch.source], &catalog.tables[side.table]);
    let stream_key = source_column(stream.columns.field(stream.key).name());
    let table_key = lookup_column(&table.name, table.columns.field(table.key).name());
    let mut on_key = false;
    let mut conditions = Vec::new();
    for condition in conditions_of(join, &columns)? {
        match &condition {
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::Eq,
                right,
            }) if (**left == stream_key && **right == table_key) || (**left == table_key && **right == stream_key) => {
                on_key = true;
            }
            _ => conditions.push(condition),
        }
    }
    let (key, other) = (
        stream.columns.field(stream.key).name(),
        table.columns.field(table.key).name(),
    );
    if !on_key {
        return Err(Diagnostic::new(format!("{} must be joined on the key of {}", table.name, stream.name))
            .detail(format!(
                "Only the key finds a row of the table on the machine that holds the stream's row: the key of {} is {key}, that of {} is {other}.",
                stream.name, table.name
            ))
            .hint(format!("write JOIN {} ON {}.{key} = {}.{other}", table.name, stream.name, table.name))
            .at_expr(&join_expr(join)));
    }
    let computed = side.columns.iter().any(|column| !matches!(column, Expr::Column(_)));
    if kind == LookupKind::Left && !(conditions.is_empty() && side.filters.is_empty() && !computed) {
        return Err(Diagnostic::new("a LEFT JOIN with a table is possible on the key alone")
            .detail("The table is looked up by its key; conditions on it, or columns computed from it, belong behind the look-up.")
            .hint("use CASE or coalesce(…) on the table's columns in SELECT, or an inner JOIN")
            .at_expr(&join_expr(join)));
    }
    branch.look_up(side.table, kind);
    branch.columns = columns;
    for condition in side.filters.iter().cloned().chain(conditions) {
        branch.filter(condition);
    }
    Ok(branch)
}

/// The conjuncts of a join's condition, bound.
fn conditions_of(join: &Join, columns: &[Expr]) -> Result<Vec<Expr>, Diagnostic> {
    let schema = joined_schema(join)?;
    Ok(split_conjunction_owned(bind(&join_expr(join), &schema, columns)?))
}

/// A join's condition as one expression; of no condition, `true`.
fn join_expr(join: &Join) -> Expr {
    let pairs = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
    pairs
        .chain(join.filter.clone())
        .reduce(Expr::and)
        .unwrap_or_else(|| datafusion::logical_expr::lit(true))
}

/// The schema of both sides, whatever the join's own says of columns that USING has merged.
fn joined_schema(join: &Join) -> Result<DFSchema, Diagnostic> {
    join.left
        .schema()
        .join(join.right.schema())
        .map_err(|error| Diagnostic::from_datafusion(&error))
}
