//! Aggregates over a window, with their inputs in one of the three types that the engine computes on.
//!
//! It does not know which rows a window holds.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, cast, is_null, lit, when};
use hw_graph::{AggregateFunction, type_text};

use crate::Diagnostic;
use crate::branch::{Branch, LOOKUP, LogicalAggregate, WINDOW, bind, readable, reads};

/// The type of event time.
pub(crate) const EVENT_TIME: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

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

/// An aggregate of the query over the branch's source columns.
pub(crate) fn logical_aggregate(
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
    match function {
        AggregateFunction::Count => count(arg, source),
        function => computed(function, uncoerced(function, &arg, source), source),
    }
}

/// A count needs no input but for the nulls that it leaves out: values of any type are counted as ones.
fn count(arg: Expr, source: &DFSchema) -> Result<LogicalAggregate, Diagnostic> {
    let failed = |error| Diagnostic::from_datafusion(&error);
    let text = match &arg {
        Expr::Literal(..) => "count(*)".to_string(),
        arg => format!("count({})", readable(without_cast(arg))),
    };
    let nullable = arg.nullable(source).map_err(failed)?;
    let ones = when(is_null(arg), lit(ScalarValue::Int64(None)))
        .otherwise(lit(1i64))
        .map_err(failed)?;
    Ok(LogicalAggregate {
        function: AggregateFunction::Count,
        input: nullable.then_some(ones),
        nullable,
        data_type: DataType::Int64,
        name: text.clone(),
        text,
    })
}

/// Every aggregate but count, over numbers or times.
fn computed(function: AggregateFunction, arg: &Expr, source: &DFSchema) -> Result<LogicalAggregate, Diagnostic> {
    let failed = |error| Diagnostic::from_datafusion(&error);
    let text = format!("{function}({})", readable(without_cast(arg)));
    let (own, nullable) = (
        arg.get_type(source).map_err(failed)?,
        arg.nullable(source).map_err(failed)?,
    );
    let ordered = matches!(function, AggregateFunction::Min | AggregateFunction::Max);
    let input_type = match &own {
        own if own.is_signed_integer() => DataType::Int64,
        DataType::Float32 | DataType::Float64 => DataType::Float64,
        own if ordered && *own == EVENT_TIME => EVENT_TIME,
        other => {
            let kinds = if ordered { "numbers and times" } else { "numbers" };
            return Err(Diagnostic::new(format!("{text} is of type {}", type_text(other)))
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

/// A column of one type as the type that the query expects of it.
pub(crate) fn typed(column: Expr, own: &DataType, expected: &DataType) -> Expr {
    if own == expected {
        column
    } else {
        cast(column, expected.clone())
    }
}

/// The diagnostic for a function that has no bounded form here.
pub(crate) fn no_function(name: &str) -> Diagnostic {
    Diagnostic::new(format!("{name} is not possible on a stream"))
        .detail("It needs all rows of the window one by one, or rows that have not come yet.")
        .hint("the functions over a window are count, sum, avg, min, max, stddev and stddev_pop")
}

/// The diagnostic for a window over a window.
pub(crate) fn two_windows() -> Diagnostic {
    Diagnostic::new("a job holds at most one window")
        .detail("A window over a window's rows would be a second keyed state.")
        .hint("INSERT the inner query INTO a stream of its own, and select from that one in a second INSERT")
}

/// For the text only: most casts here are coercions that nobody has written.
fn without_cast(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(Cast { expr, .. }) => without_cast(expr),
        other => other,
    }
}
