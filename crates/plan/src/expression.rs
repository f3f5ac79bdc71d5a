//! Expressions on their way from SQL to the graph: simplified, told apart by cost, made physical.
//!
//! It does not know where an expression stands in a query.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, Volatility};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::expressions::{CaseExpr, IsNotNullExpr, IsNullExpr};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use crate::Diagnostic;

/// The expression with its types coerced and its constants computed.
pub(crate) fn simplified(expr: &Expr, schema: &DFSchema, state: &SessionState) -> Result<Expr, Diagnostic> {
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(schema.clone()))
        .with_config_options(state.config_options().clone())
        .build();
    let simplifier = ExprSimplifier::new(context);
    let simple = simplifier
        .coerce(expr.clone(), schema)
        .and_then(|coerced| simplifier.simplify(coerced));
    simple.map_err(|error| Diagnostic::from_datafusion(&error).at_expr(expr))
}

/// The expression over the columns of a schema by position.
pub(crate) fn physical(
    expr: &Expr,
    schema: &DFSchema,
    state: &SessionState,
) -> Result<Arc<dyn PhysicalExpr>, Diagnostic> {
    let coerced = state.create_physical_expr(expr.clone(), schema);
    coerced.map_err(|error| Diagnostic::from_datafusion(&error).at_expr(expr))
}

/// Refuses what is not the same each time it is computed.
pub(crate) fn refuse_changing(expr: &Expr) -> Result<(), Diagnostic> {
    let mut changing = None;
    // The closure never fails.
    let _ = expr.apply(|node| {
        if let Expr::ScalarFunction(function) = node
            && function.func.signature().volatility != Volatility::Immutable
        {
            changing = Some(function.func.name().to_string());
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    match changing {
        Some(name) => Err(changing_function(&name).at_expr(expr)),
        None => Ok(()),
    }
}

/// The diagnostic for a function such as `now()`.
pub(crate) fn changing_function(name: &str) -> Diagnostic {
    Diagnostic::new(format!("{name}() is not the same each time it is computed"))
        .detail("A row is computed again when a task restarts, and the same query is run in batch over files of the past: both must give the same answer.")
        .hint("use the event time, such as the column time, or a parameter ($name) that you set when you start")
}

/// What an expression costs a row, in comparisons: enough to put the cheap filters first.
pub(crate) fn cost(expr: &Expr) -> u32 {
    let mut total = 0;
    // The closure never fails.
    let _ = expr.apply(|node| {
        total += match node {
            Expr::Column(_) | Expr::Literal(..) | Expr::Alias(_) => 0,
            Expr::ScalarFunction(function) if function.func.name() == "haversine" => 100,
            Expr::ScalarFunction(_) | Expr::Like(_) | Expr::SimilarTo(_) => 20,
            _ => 1,
        };
        Ok(TreeNodeRecursion::Continue)
    });
    total
}

/// Whether an expression may be null because of what it reads. A function of values that are not null is taken for not
/// null, `nullif` excepted: DataFusion does not know it of most functions, and to refuse `round(x)` would help nobody.
pub(crate) fn may_be_null(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> bool {
    if expr.is::<IsNullExpr>() || expr.is::<IsNotNullExpr>() {
        return false;
    }
    if expr.children().is_empty() {
        return expr.nullable(schema).unwrap_or(true);
    }
    if expr.is::<CaseExpr>() {
        // DataFusion sees that `CASE WHEN x IS NOT NULL THEN x ELSE 0 END` is not null, which `coalesce` becomes.
        let calls = expr.exists(|node| Ok(node.is::<ScalarFunctionExpr>())).unwrap_or(true);
        return !calls && expr.nullable(schema).unwrap_or(true);
    }
    let nullif = expr
        .downcast_ref::<ScalarFunctionExpr>()
        .is_some_and(|function| function.name() == "nullif");
    nullif || expr.children().into_iter().any(|child| may_be_null(child, schema))
}
