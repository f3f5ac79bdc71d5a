//! An expression, bound to just the columns that it reads.
//!
//! It does not know where columns come from: whoever evaluates it hands them over, one by one.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::Column;
use datafusion_physical_expr::utils::collect_columns;

use crate::EngineError;

/// A physical expression and the places of the columns it reads.
#[derive(Debug, Clone)]
pub(crate) struct BoundExpr {
    expr: Arc<dyn PhysicalExpr>,
    columns: Vec<usize>,
    schema: SchemaRef,
}

impl BoundExpr {
    /// `schema` is the one that the expression was planned for.
    pub(crate) fn new(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<BoundExpr, EngineError> {
        let mut columns: Vec<usize> = collect_columns(expr).iter().map(Column::index).collect();
        columns.sort_unstable();
        columns.dedup();
        let narrowed = schema
            .project(&columns)
            .map_err(|error| EngineError::Plan(error.to_string()))?;
        let bound = Arc::clone(expr).transform(|node| {
            let Some(column) = node.downcast_ref::<Column>() else {
                return Ok(Transformed::no(node));
            };
            let place = columns.iter().position(|index| *index == column.index());
            let place = place.expect("invariant: every column of the expression was collected");
            Ok(Transformed::yes(
                Arc::new(Column::new(column.name(), place)) as Arc<dyn PhysicalExpr>
            ))
        });
        let expr = bound.map_err(|error| EngineError::Plan(error.to_string()))?.data;
        Ok(BoundExpr {
            expr,
            columns,
            schema: Arc::new(narrowed),
        })
    }

    /// Places of the columns that it reads, ascending.
    pub(crate) fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// The value for each of `rows` rows; `column` hands a column over by its place.
    pub(crate) fn evaluate(
        &self,
        rows: usize,
        mut column: impl FnMut(usize) -> Result<ArrayRef, EngineError>,
    ) -> Result<ArrayRef, EngineError> {
        let columns: Vec<ArrayRef> = self
            .columns
            .iter()
            .map(|place| column(*place))
            .collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let failed = |reason: String| EngineError::Evaluate {
            expression: self.expr.to_string(),
            reason,
        };
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| failed(error.to_string()))?;
        let value = self.expr.evaluate(&batch).and_then(|value| value.into_array(rows));
        value.map_err(|error| failed(error.to_string()))
    }

    /// As [`BoundExpr::evaluate`], for a condition.
    pub(crate) fn test(
        &self,
        rows: usize,
        column: impl FnMut(usize) -> Result<ArrayRef, EngineError>,
    ) -> Result<BooleanArray, EngineError> {
        let value = self.evaluate(rows, column)?;
        let condition = value.as_any().downcast_ref::<BooleanArray>().cloned();
        condition.ok_or_else(|| EngineError::Plan(format!("{} is not a condition", self.expr)))
    }
}
