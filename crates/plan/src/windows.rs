//! Windows of a query: `OVER (…)` to sliding frames, `GROUP BY key, date_bin(…)` to tumbling windows.
//!
//! Whatever would need unbounded state, rows of the future or rows of another key is refused here.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{
    Aggregate, Cast, Expr, ExprSchemable, Window, WindowFrame, WindowFrameBound, WindowFrameUnits,
    WindowFunctionDefinition, cast, is_null, lit, when,
};
use hw_graph::AggregateFunction;

use crate::Diagnostic;
use crate::branch::{
    Branch, LOOKUP, LogicalAggregate, LogicalWindow, SOURCE, WINDOW, WINDOW_START, add, bind, readable, reads,
    source_column, window_column,
};
use crate::catalog::Catalog;

const EVENT_TIME: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

/// The aggregate functions that have a bounded form, by DataFusion's names for them.
pub(crate) fn aggregate_function(name: &str) -> Option<AggregateFunction> {
    Some(match name {
        "count" => AggregateFunction::Count,
        "sum" => AggregateFunction::Sum,
        "avg" => AggregateFunction::Avg,
        "min" => AggregateFunction::Min,
        "max" => AggregateFunction::Max,
        "stddev" => AggregateFunction::StddevSamp,
        "stddev_pop" => AggregateFunction::StddevPop,
        _ => return None,
    })
}

/// Adds the window functions of a plan node to a branch.
pub(crate) fn sliding(mut branch: Branch, window: &Window, catalog: &Catalog) -> Result<Branch, Diagnostic> {
    let below = window.input.schema();
    let source = branch.source_schema(catalog)?;
    for (index, expr) in window.window_expr.iter().enumerate() {
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
        debug_assert!(index <= branch.columns.len());
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
    let stream = &catalog.streams[branch.source];
    let key = source_column(stream.columns.field(stream.key).name());
    let time = source_column(stream.columns.field(stream.time).name());
    let mut columns = Vec::new();
    let mut bin = None;
    let mut keyed = false;
    for (index, expr) in aggregate.group_expr.iter().enumerate() {
        let bound = bind(expr, below, &branch.columns)?;
        let data_type = aggregate.schema.field(index).data_type();
        if bound == key {
            keyed = true;
            columns.push(bound);
        } else if let (None, Some(found)) = (bin, date_bin(&bound, &time)) {
            bin = Some(found.map_err(|diagnostic| diagnostic.at_expr(expr))?);
            columns.push(typed(window_column(WINDOW_START), &EVENT_TIME, data_type));
        } else {
            return Err(no_group(&bound, stream.columns.field(stream.key).name()).at_expr(expr));
        }
    }
    let key_name = stream.columns.field(stream.key).name();
    let (Some((length_ms, origin_ms)), true) = (bin, keyed) else {
        let place = aggregate.group_expr.first().or(aggregate.aggr_expr.first());
        let diagnostic = match keyed {
            true => no_bin(key_name, stream.columns.field(stream.time).name()),
            false => no_key(key_name, stream.columns.field(stream.time).name()),
        };
        return Err(place.map_or(diagnostic.clone(), |expr| diagnostic.at_expr(expr)));
    };
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

fn two_windows() -> Diagnostic {
    Diagnostic::new("a job holds at most one window")
        .detail("A window over a window's rows would be a second keyed state.")
        .hint("INSERT the inner query INTO a stream of its own, and select from that one in a second INSERT")
}

pub(crate) fn no_function(name: &str) -> Diagnostic {
    Diagnostic::new(format!("{name} is not possible on a stream"))
        .detail("It needs all rows of the window one by one, or rows that have not come yet.")
        .hint("the functions over a window are count, sum, avg, min, max, stddev and stddev_pop")
}

pub(crate) fn no_modifier() -> Diagnostic {
    Diagnostic::new("DISTINCT, FILTER, ORDER BY and NULLS are not possible in an aggregate on a stream")
        .hint("aggregate an expression instead, such as sum(CASE WHEN condition THEN 1 ELSE 0 END)")
}

fn no_group(bound: &Expr, key: &str) -> Diagnostic {
    Diagnostic::new(format!("GROUP BY {} is not possible on a stream", readable(bound)))
        .detail(format!(
            "The state of a group is kept by the key {key} and the window alone."
        ))
        .hint(format!(
            "write GROUP BY {key}, date_bin(INTERVAL '10 seconds', time), and JOIN tables outside"
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

/// The length of a frame in milliseconds.
fn frame_ms(frame: &WindowFrame) -> Result<i64, Diagnostic> {
    let hint = "write RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW";
    let refused = |what: &str, why: &str| Err(Diagnostic::new(what).detail(why).hint(hint));
    if frame.units != WindowFrameUnits::Range {
        return refused(
            "a frame of ROWS or GROUPS is not possible on a stream",
            "A frame of rows has no end in time, and a late row would change every frame behind it.",
        );
    }
    match (&frame.start_bound, &frame.end_bound) {
        (WindowFrameBound::CurrentRow, WindowFrameBound::CurrentRow) => Ok(0),
        (WindowFrameBound::Preceding(length), WindowFrameBound::CurrentRow) if length.is_null() => refused(
            "a frame without a beginning is not possible on a stream",
            "Its rows would have to be kept for ever.",
        ),
        (WindowFrameBound::Preceding(length), WindowFrameBound::CurrentRow) => fixed_ms(length),
        _ => refused(
            "a frame must end at the current row",
            "A row is answered when its time has come; rows that follow are not there yet.",
        ),
    }
}

/// The milliseconds of a constant interval.
fn fixed_ms(value: &ScalarValue) -> Result<i64, Diagnostic> {
    let refused = |why: &str| {
        Err(
            Diagnostic::new("the length of a window must be a fixed number of milliseconds")
                .detail(why)
                .hint("write INTERVAL '10 seconds', with days, hours, minutes, seconds or milliseconds"),
        )
    };
    let (days, nanoseconds) = match value {
        ScalarValue::IntervalMonthDayNano(Some(interval)) if interval.months == 0 => {
            (i64::from(interval.days), interval.nanoseconds)
        }
        ScalarValue::IntervalMonthDayNano(Some(_)) => return refused("Months and years differ in length."),
        ScalarValue::IntervalDayTime(Some(interval)) => {
            (i64::from(interval.days), i64::from(interval.milliseconds) * 1_000_000)
        }
        _ => return refused("It is no interval."),
    };
    match (days.checked_mul(86_400_000), nanoseconds % 1_000_000) {
        (Some(days_ms), 0) if days >= 0 && nanoseconds >= 0 => Ok(days_ms + nanoseconds / 1_000_000),
        (Some(_), 0) => refused("It is negative."),
        _ => refused("Event time is counted in whole milliseconds."),
    }
}

/// Length and origin in milliseconds of `date_bin(interval, time[, origin])`; `None` when it is no such call.
fn date_bin(expr: &Expr, time: &Expr) -> Option<Result<(i64, i64), Diagnostic>> {
    let Expr::ScalarFunction(function) = uncast(expr) else {
        return None;
    };
    if function.func.name() != "date_bin" || uncast(function.args.get(1)?) != time {
        return None;
    }
    let Expr::Literal(stride, _) = &function.args[0] else {
        return Some(Err(Diagnostic::new("the length of a window must be a constant")
            .hint("write date_bin(INTERVAL '10 seconds', time)")));
    };
    let length_ms = match fixed_ms(stride) {
        Ok(length_ms) if length_ms > 0 => length_ms,
        Ok(_) => return Some(Err(Diagnostic::new("a window must be longer than nothing"))),
        Err(diagnostic) => return Some(Err(diagnostic)),
    };
    let origin_ms = match function.args.get(2).map(uncast) {
        None => 0,
        Some(origin) => match origin_ms(origin) {
            Some(origin_ms) => origin_ms,
            None => {
                return Some(Err(Diagnostic::new(
                    "the origin of a window must be a constant time in whole milliseconds",
                )
                .hint("write date_bin(INTERVAL '1 day', time, TIMESTAMP '2026-01-01T06:00:00')")));
            }
        },
    };
    Some(Ok((length_ms, origin_ms.rem_euclid(length_ms))))
}

fn origin_ms(origin: &Expr) -> Option<i64> {
    let Expr::Literal(value, _) = origin else {
        return None;
    };
    match value.cast_to(&DataType::Timestamp(TimeUnit::Nanosecond, None)).ok()? {
        ScalarValue::TimestampNanosecond(Some(nanoseconds), None) if nanoseconds % 1_000_000 == 0 => {
            Some(nanoseconds / 1_000_000)
        }
        _ => None,
    }
}

fn uncast(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(Cast { expr, .. }) => uncast(expr),
        other => other,
    }
}

fn typed(column: Expr, own: &DataType, expected: &DataType) -> Expr {
    if own == expected {
        column
    } else {
        cast(column, expected.clone())
    }
}

/// An aggregate with its input in one of the three types that the engine computes on.
fn logical_aggregate(
    name: &str,
    args: &[Expr],
    below: &DFSchema,
    branch: &Branch,
    source: &DFSchema,
) -> Result<LogicalAggregate, Diagnostic> {
    let function = aggregate_function(name).ok_or_else(|| no_function(name))?;
    let [arg] = args else {
        return Err(Diagnostic::new(format!("{name} takes one argument here")));
    };
    let arg = bind(arg, below, &branch.columns)?;
    if reads(&arg, LOOKUP) {
        return Err(Diagnostic::new("a column of a table cannot feed a window")
            .detail("The table is looked up when a row is answered; the rows of its window came before, when the table may have said something else.")
            .hint("aggregate columns of the stream, and compute with the table's columns outside of the window"));
    }
    if reads(&arg, WINDOW) {
        return Err(two_windows());
    }
    debug_assert!(reads(&arg, SOURCE) || !matches!(arg, Expr::Column(_)));
    let failed = |error| Diagnostic::from_datafusion(&error);
    let text = match &arg {
        Expr::Literal(..) if function == AggregateFunction::Count => "count(*)".to_string(),
        arg => format!("{function}({})", readable(uncoerced(function, arg, source))),
    };
    if function == AggregateFunction::Count {
        let nullable = arg.nullable(source).map_err(failed)?;
        let ones = when(is_null(arg), lit(ScalarValue::Int64(None)))
            .otherwise(lit(1i64))
            .map_err(failed)?;
        let input = nullable.then_some(ones);
        let (data_type, name) = (DataType::Int64, text.clone());
        return Ok(LogicalAggregate {
            function,
            input,
            nullable,
            data_type,
            text,
            name,
        });
    }
    let arg = uncoerced(function, &arg, source);
    let (own, nullable) = (
        arg.get_type(source).map_err(failed)?,
        arg.nullable(source).map_err(failed)?,
    );
    let integer = matches!(
        own,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64
    );
    let real = matches!(own, DataType::Float32 | DataType::Float64);
    let ordered = matches!(function, AggregateFunction::Min | AggregateFunction::Max);
    let input_type = match own {
        _ if integer => DataType::Int64,
        _ if real => DataType::Float64,
        DataType::Timestamp(TimeUnit::Millisecond, None) if ordered => EVENT_TIME,
        other => {
            let kinds = if ordered { "numbers and times" } else { "numbers" };
            return Err(Diagnostic::new(format!("{text} is of type {other}"))
                .hint(format!("{function} over a window takes {kinds}")));
        }
    };
    let data_type = match function {
        AggregateFunction::Avg | AggregateFunction::StddevSamp | AggregateFunction::StddevPop => DataType::Float64,
        _ => input_type.clone(),
    };
    let input = Some(typed(arg.clone(), &own, &input_type));
    Ok(LogicalAggregate {
        function,
        input,
        nullable,
        data_type,
        name: text.clone(),
        text,
    })
}

/// The argument without the cast to `DOUBLE` that `avg` puts on integers: their sum stays exact.
fn uncoerced<'a>(function: AggregateFunction, arg: &'a Expr, source: &DFSchema) -> &'a Expr {
    match arg {
        Expr::Cast(Cast { expr, field })
            if function == AggregateFunction::Avg
                && *field.data_type() == DataType::Float64
                && expr.get_type(source).is_ok_and(|inner| inner.is_signed_integer()) =>
        {
            expr
        }
        other => other,
    }
}
