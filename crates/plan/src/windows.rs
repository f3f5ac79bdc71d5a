//! Windows of a query: `OVER (…)` to sliding frames, `GROUP BY key, date_bin(…)` to tumbling windows.
//!
//! Whatever would need unbounded state, rows of the future or rows of another key is refused here.

use datafusion::common::DFSchema;
use datafusion::logical_expr::{Aggregate, Expr, Window, WindowFunctionDefinition};

use crate::Diagnostic;
use crate::aggregates::{EVENT_TIME, logical_aggregate, no_function, two_windows, typed};
use crate::branch::{Branch, LogicalWindow, WINDOW_START, add, bind, readable, source_column, window_column};
use crate::catalog::Catalog;
use crate::lengths::{date_bin, frame_ms};

/// Adds the window functions of a plan node to a branch.
pub(crate) fn sliding(mut branch: Branch, window: &Window, catalog: &Catalog) -> Result<Branch, Diagnostic> {
    let below = window.input.schema();
    let source = branch.source_schema(catalog)?;
    for expr in &window.window_expr {
        let place = |diagnostic: Diagnostic| diagnostic.at_expr(expr);
        let Expr::WindowFunction(function) = expr.clone().unalias() else {
            return Err(place(Diagnostic::new("this is no window function")));
        };
        let WindowFunctionDefinition::AggregateUDF(aggregate) = &function.fun else {
            return Err(place(no_function(function.fun.name())));
        };
        let params = &function.params;
        if params.distinct || params.filter.is_some() || params.null_treatment.is_some() {
            return Err(place(no_modifier()));
        }
        refuse_second(&branch).map_err(place)?;
        check_partition(&params.partition_by, below, &branch, catalog).map_err(place)?;
        let times = params
            .order_by
            .iter()
            .map(|sort| (&sort.expr, sort.asc))
            .collect::<Vec<_>>();
        check_order(&times, below, &branch, catalog).map_err(place)?;
        let preceding_ms = frame_ms(&params.window_frame).map_err(place)?;
        let aggregate = logical_aggregate(aggregate.name(), &params.args, below, &branch, &source).map_err(place)?;
        let (column, data_type) = (
            aggregate.data_type.clone(),
            window.schema.field(branch.columns.len()).data_type(),
        );
        let value = typed(branch.aggregate(preceding_ms, aggregate), &column, data_type);
        branch.columns.push(value);
    }
    Ok(branch)
}

/// Makes a branch of a `GROUP BY`.
pub(crate) fn tumbling(mut branch: Branch, aggregate: &Aggregate, catalog: &Catalog) -> Result<Branch, Diagnostic> {
    let below = aggregate.input.schema();
    let source = branch.source_schema(catalog)?;
    if branch.window.is_some() {
        return Err(two_windows());
    }
    refuse_second(&branch)?;
    let (length_ms, origin_ms, mut columns) = groups(&branch, aggregate, catalog)?;
    let mut aggregates = Vec::new();
    for expr in &aggregate.aggr_expr {
        let place = |diagnostic: Diagnostic| diagnostic.at_expr(expr);
        let Expr::AggregateFunction(function) = expr.clone().unalias() else {
            return Err(place(Diagnostic::new("this is no aggregate function")));
        };
        let params = &function.params;
        if params.distinct || params.filter.is_some() || params.null_treatment.is_some() || !params.order_by.is_empty()
        {
            return Err(place(no_modifier()));
        }
        let one = logical_aggregate(function.func.name(), &params.args, below, &branch, &source).map_err(place)?;
        let (own, expected) = (one.data_type.clone(), aggregate.schema.field(columns.len()).data_type());
        columns.push(typed(add(&mut aggregates, one), &own, expected));
    }
    branch.window = Some(LogicalWindow::Tumbling {
        length_ms,
        origin_ms,
        aggregates,
    });
    branch.columns = columns;
    Ok(branch)
}

/// Length and origin of the windows in milliseconds, and what the columns of the groups stand for.
fn groups(branch: &Branch, aggregate: &Aggregate, catalog: &Catalog) -> Result<(i64, i64, Vec<Expr>), Diagnostic> {
    let stream = &catalog.streams[branch.source];
    let (key, time) = (
        stream.columns.field(stream.key).name(),
        stream.columns.field(stream.time).name(),
    );
    let mut columns = Vec::new();
    let mut bin = None;
    let mut keyed = false;
    for (index, expr) in aggregate.group_expr.iter().enumerate() {
        let bound = bind(expr, aggregate.input.schema(), &branch.columns)?;
        if bound == source_column(key) {
            keyed = true;
            columns.push(bound);
        } else if let (None, Some(found)) = (bin, date_bin(&bound, &source_column(time))) {
            bin = Some(found.map_err(|diagnostic| diagnostic.at_expr(expr))?);
            let data_type = aggregate.schema.field(index).data_type();
            columns.push(typed(window_column(WINDOW_START), &EVENT_TIME, data_type));
        } else {
            return Err(no_group(&bound, key, time).at_expr(expr));
        }
    }
    match (bin, keyed) {
        (Some((length_ms, origin_ms)), true) => Ok((length_ms, origin_ms, columns)),
        (_, keyed) => {
            let diagnostic = if keyed { no_bin(key, time) } else { no_key(key, time) };
            let mut places = aggregate.group_expr.iter().chain(&aggregate.aggr_expr);
            Err(places
                .next()
                .map_or(diagnostic.clone(), |expr| diagnostic.at_expr(expr)))
        }
    }
}

/// A window over rows that a filter behind a first window, or on a table's column, has thinned out.
fn refuse_second(branch: &Branch) -> Result<(), Diagnostic> {
    match (&branch.window, branch.after.is_empty()) {
        (Some(LogicalWindow::Tumbling { .. }), _) | (Some(_), false) => Err(two_windows()),
        (None, false) => Err(Diagnostic::new("a filter on a table's column cannot stand below a window")
            .detail("The table is looked up when a row is answered; the rows of its window came before, when the table may have said something else.")
            .hint("select the column through the window, and filter outside: SELECT … FROM (SELECT … OVER w …) WHERE …")),
        _ => Ok(()),
    }
}

/// The diagnostic for what an aggregate cannot have.
pub(crate) fn no_modifier() -> Diagnostic {
    Diagnostic::new("DISTINCT, FILTER, ORDER BY and NULLS are not possible in an aggregate on a stream")
        .hint("aggregate an expression instead, such as sum(CASE WHEN condition THEN 1 ELSE 0 END)")
}

fn no_group(bound: &Expr, key: &str, time: &str) -> Diagnostic {
    Diagnostic::new(format!("GROUP BY {} is not possible on a stream", readable(bound)))
        .detail(format!(
            "The state of a group is kept by the key {key} and the window alone."
        ))
        .hint(format!(
            "write GROUP BY {key}, date_bin(INTERVAL '10 seconds', {time}), and JOIN tables outside"
        ))
}

fn no_bin(key: &str, time: &str) -> Diagnostic {
    Diagnostic::new("a GROUP BY without a window never ends")
        .detail("No group could ever be answered for good: another row may always come.")
        .hint(format!("write GROUP BY {key}, date_bin(INTERVAL '10 seconds', {time})"))
}

fn no_key(key: &str, time: &str) -> Diagnostic {
    Diagnostic::new(format!(
        "an aggregate without the key {key} is not possible on a stream"
    ))
    .detail("Rows of different keys lie in different partitions, on different machines, each with its own clock.")
    .hint(format!("write GROUP BY {key}, date_bin(INTERVAL '10 seconds', {time})"))
}

/// State is kept by the record's key: another grouping would see a part of its rows only.
fn check_partition(by: &[Expr], below: &DFSchema, branch: &Branch, catalog: &Catalog) -> Result<(), Diagnostic> {
    let stream = &catalog.streams[branch.source];
    let key = stream.columns.field(stream.key).name();
    if let [one] = by
        && bind(one, below, &branch.columns)? == source_column(key)
    {
        return Ok(());
    }
    let diagnostic = Diagnostic::new(format!(
        "a window must be PARTITION BY {key}, the key of {}",
        stream.name
    ))
    .detail("Rows of another grouping lie in different partitions, on different machines, each with its own clock.")
    .hint(format!(
        "write PARTITION BY {key}; for another key, INSERT INTO a stream with that key first"
    ));
    Err(by.iter().fold(diagnostic, Diagnostic::at_expr))
}

/// Event time is the only order in which rows are complete.
fn check_order(by: &[(&Expr, bool)], below: &DFSchema, branch: &Branch, catalog: &Catalog) -> Result<(), Diagnostic> {
    let stream = &catalog.streams[branch.source];
    let time = stream.columns.field(stream.time).name();
    if let [(one, true)] = by
        && bind(one, below, &branch.columns)? == source_column(time)
    {
        return Ok(());
    }
    let diagnostic = Diagnostic::new(format!(
        "a window must be ORDER BY {time}, the event time of {}",
        stream.name
    ))
    .detail("Rows are answered in the order of their event time, upwards, and forgotten by it.")
    .hint(format!("write ORDER BY {time}"));
    Err(by
        .iter()
        .fold(diagnostic, |diagnostic, (expr, _)| diagnostic.at_expr(expr)))
}
