//! The DataFusion session that live planning and batch share: the same functions, types and options in both.
//!
//! It holds no tables: planning answers them from the declarations, batch registers its own.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{TableReference, plan_err};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::logical_plan::builder::LogicalTableSource;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner};
use datafusion::logical_expr::{
    AggregateUDF, Expr, ExprSchemable, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF,
};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::planner::{ParserOptions, SqlToRel};
use datafusion::sql::sqlparser::ast::{Query, Spanned, Statement as SqlStatement};

use crate::Diagnostic;
use crate::catalog::Catalog;
use crate::haversine;
use crate::places::Places;

/// A DataFusion session with the functions and options that a pipeline's SQL is understood by.
pub fn session() -> SessionContext {
    let config = SessionConfig::new()
        .with_target_partitions(2)
        // Live columns are Utf8: batch must not see another type.
        .set_bool("datafusion.sql_parser.map_string_types_to_utf8view", false)
        .set_bool("datafusion.sql_parser.collect_spans", true);
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_default_features()
        .build();
    let context = SessionContext::new_with_state(state);
    context.register_udf(haversine::udf());
    context
}

/// A session's functions over a file's declarations.
pub(crate) struct Declared<'a> {
    pub(crate) state: &'a SessionState,
    pub(crate) catalog: &'a Catalog,
}

impl Declared<'_> {
    /// The analysed plan of a query: names resolved, types coerced, nothing optimised.
    pub(crate) fn plan(&self, query: &Query, places: &Places) -> Result<LogicalPlan, Diagnostic> {
        let options = ParserOptions::from(&self.options().sql_parser);
        let statement = Statement::Statement(Box::new(SqlStatement::Query(Box::new(query.clone()))));
        let plan = SqlToRel::new_with_options(self, options)
            .statement_to_plan(statement)
            .map_err(|error| {
                // DataFusion does not say where a call that fits no signature stands.
                let call = Diagnostic::called_in(&error).zip(Some(query.body.span().start));
                let place = call.and_then(|(name, start)| places.after(&name, start));
                Diagnostic::from_datafusion(&error).at(place)
            })?;
        let analysed = self
            .state
            .analyzer()
            .execute_and_check(plan.clone(), self.options(), |_, _| {});
        analysed.map_err(|error| {
            let diagnostic = Diagnostic::from_datafusion(&error);
            ill_typed(&plan).map_or(diagnostic.clone(), |expr| diagnostic.at_expr(&expr))
        })
    }
}

/// The innermost expression of a plan that has no type: the analyser's errors do not say where they come from.
fn ill_typed(plan: &LogicalPlan) -> Option<Expr> {
    let mut found = None;
    // The closures never fail.
    let _ = plan.apply(|node| {
        let mut schema = node.schema().as_ref().clone();
        for input in node.inputs() {
            schema.merge(input.schema());
        }
        let _ = node.apply_expressions(|expr| {
            let _ = expr.apply(|part| {
                match part.get_type(&schema) {
                    Err(_) => found = Some(part.clone()),
                    Ok(_) => return Ok(TreeNodeRecursion::Jump),
                }
                Ok(TreeNodeRecursion::Continue)
            });
            Ok(if found.is_some() {
                TreeNodeRecursion::Stop
            } else {
                TreeNodeRecursion::Continue
            })
        });
        Ok(if found.is_some() {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    });
    found
}

impl ContextProvider for Declared<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>, DataFusionError> {
        match (&name, self.catalog.columns(name.table())) {
            (TableReference::Bare { .. }, Some(columns)) => Ok(Arc::new(LogicalTableSource::new(columns.clone()))),
            _ => plan_err!("there is no stream or table {name}"),
        }
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.state.scalar_functions().get(name).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.state.higher_order_functions().keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}
