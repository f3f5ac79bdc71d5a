//! From branches to jobs: expressions made physical, filters ordered by cost, inputs shared, types those of the sink.
//!
//! It refuses only what does not fit the sink; the query itself has been checked before.

use std::sync::Arc;

use arrow::compute::can_cast_types;
use arrow::datatypes::{DataType, Field};
use datafusion::common::DFSchema;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, ExprSchemable, cast, lit};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::sql::sqlparser::tokenizer::Location;
use hw_graph::{Aggregate, Frame, Input, Job, Sliding, Stream, Tumbling, Window, expression_text, type_text};

use crate::Diagnostic;
use crate::branch::{Branch, LogicalAggregate, LogicalWindow};
use crate::catalog::Catalog;
use crate::expression::{cost, may_be_null, physical, refuse_changing, simplified};

/// A column of the query's own.
#[derive(Debug, Clone)]
pub(crate) struct Selected {
    pub(crate) name: String,
    /// Where it stands in the text, if that is known.
    pub(crate) place: Option<Location>,
}

/// The job of one branch, writing `selected` to the stream `sink`.
pub(crate) fn job(
    branch: &Branch,
    selected: &[Selected],
    sink: usize,
    catalog: &Catalog,
    state: &SessionState,
) -> Result<Job, Diagnostic> {
    let source = branch.source_schema(catalog)?;
    let evaluated = branch.evaluated_schema(catalog)?;
    let window = branch
        .window
        .as_ref()
        .map(|window| physical_window(window, &source, state))
        .transpose()?;
    let projection = projection(&branch.columns, selected, &catalog.streams[sink], &evaluated, state)?;
    Ok(Job {
        source: branch.source,
        before: filters(&branch.before, &source, state)?,
        window,
        lookups: branch.lookups.clone(),
        after: filters(&branch.after, &evaluated, state)?,
        evaluated: evaluated.inner().clone(),
        projection,
        names: selected.iter().map(|column| column.name.clone()).collect(),
        sink,
    })
}

/// Conjuncts, the cheap ones first: what they drop, the expensive ones never see.
fn filters(
    conjuncts: &[Expr],
    schema: &DFSchema,
    state: &SessionState,
) -> Result<Vec<Arc<dyn PhysicalExpr>>, Diagnostic> {
    let mut simple = Vec::new();
    for conjunct in conjuncts {
        refuse_changing(conjunct)?;
        let conjunct = simplified(conjunct, schema, state)?;
        if conjunct != lit(true) && !simple.contains(&conjunct) {
            simple.push(conjunct);
        }
    }
    // Stable: filters of one cost stay in the order of the query.
    simple.sort_by_key(cost);
    simple
        .iter()
        .map(|conjunct| physical(conjunct, schema, state))
        .collect()
}

/// The sink's columns by position, as `INSERT INTO` means them, each cast to the declared type.
fn projection(
    columns: &[Expr],
    selected: &[Selected],
    sink: &Stream,
    schema: &DFSchema,
    state: &SessionState,
) -> Result<Vec<Arc<dyn PhysicalExpr>>, Diagnostic> {
    let wanted = sink.columns.fields();
    if columns.len() != wanted.len() {
        let list = wanted
            .iter()
            .map(|field| field.name().as_str())
            .collect::<Vec<_>>()
            .join(", ");
        return Err(Diagnostic::new(format!(
            "the query has {} columns, but {} has {}",
            columns.len(),
            sink.name,
            wanted.len()
        ))
        .detail("Columns are written by position.")
        .hint(format!("select one for each of {list}"))
        .at(selected.get(wanted.len()).and_then(|item| item.place)));
    }
    let mut projection = Vec::new();
    for ((column, field), item) in columns.iter().zip(wanted).zip(selected) {
        refuse_changing(column).map_err(|diagnostic| diagnostic.at(item.place))?;
        let own = column
            .get_type(schema)
            .map_err(|error| Diagnostic::from_datafusion(&error))?;
        if !assignable(&own, field.data_type()) {
            return Err(no_fit(&item.name, &own, field, sink).at(item.place));
        }
        let column = if own == *field.data_type() {
            column.clone()
        } else {
            cast(column.clone(), field.data_type().clone())
        };
        let expr = physical(&simplified(&column, schema, state)?, schema, state)?;
        if !field.is_nullable() && may_be_null(&expr, schema.as_arrow()) {
            return Err(null_in_required(&expression_text(expr.as_ref()), field, sink).at(item.place));
        }
        projection.push(expr);
    }
    Ok(projection)
}

/// Numbers fit numbers and times fit times; text is never made or read on the way to a sink.
fn assignable(from: &DataType, to: &DataType) -> bool {
    let times = |data_type: &DataType| matches!(data_type, DataType::Timestamp(_, None));
    let texts = |data_type: &DataType| matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    *from == DataType::Null
        || from == to
        || (from.is_numeric() && to.is_numeric() && can_cast_types(from, to))
        || (times(from) && times(to))
        || (texts(from) && texts(to))
}

fn no_fit(name: &str, own: &DataType, field: &Field, sink: &Stream) -> Diagnostic {
    let column = format!("the column {} of {}", field.name(), sink.name);
    Diagnostic::new(format!(
        "{name} is {}, which does not fit {column}, {}",
        type_text(own),
        type_text(field.data_type())
    ))
    .detail("Columns are written by position.")
    .hint("select the columns in the sink's order, or write CAST(… AS …)")
}

fn null_in_required(text: &str, field: &Field, sink: &Stream) -> Diagnostic {
    let (column, sink) = (field.name(), &sink.name);
    Diagnostic::new(format!("{text} may be null, but the column {column} of {sink} may not"))
        .detail("Null may be: a column without NOT NULL, a table's column behind a LEFT JOIN, the standard deviation of one value.")
        .hint(format!("write coalesce({text}, …), or declare {column} without NOT NULL (a key and a time are never null)"))
}

fn physical_window(window: &LogicalWindow, source: &DFSchema, state: &SessionState) -> Result<Window, Diagnostic> {
    let mut inputs = Inputs {
        exprs: Vec::new(),
        inputs: Vec::new(),
    };
    Ok(match window {
        LogicalWindow::Sliding(logical) => {
            let mut frames = Vec::new();
            for frame in logical {
                let aggregates = inputs.aggregates(&frame.aggregates, source, state)?;
                frames.push(Frame {
                    preceding_ms: frame.preceding_ms,
                    aggregates,
                });
            }
            Window::Sliding(Sliding {
                inputs: inputs.inputs,
                frames,
            })
        }
        LogicalWindow::Tumbling {
            length_ms,
            origin_ms,
            aggregates,
        } => {
            let aggregates = inputs.aggregates(aggregates, source, state)?;
            let (length_ms, origin_ms) = (*length_ms, *origin_ms);
            Window::Tumbling(Tumbling {
                length_ms,
                origin_ms,
                inputs: inputs.inputs,
                aggregates,
            })
        }
    })
}

/// The inputs of a window so far, each once.
struct Inputs {
    exprs: Vec<Expr>,
    inputs: Vec<Input>,
}

impl Inputs {
    fn aggregates(
        &mut self,
        logical: &[LogicalAggregate],
        source: &DFSchema,
        state: &SessionState,
    ) -> Result<Vec<Aggregate>, Diagnostic> {
        let mut aggregates = Vec::new();
        for one in logical {
            let input = one
                .input
                .as_ref()
                .map(|expr| self.index(expr, one.nullable, source, state))
                .transpose()?;
            aggregates.push(Aggregate {
                function: one.function,
                input,
                data_type: one.data_type.clone(),
                text: one.text.clone(),
            });
        }
        Ok(aggregates)
    }

    fn index(
        &mut self,
        expr: &Expr,
        nullable: bool,
        source: &DFSchema,
        state: &SessionState,
    ) -> Result<usize, Diagnostic> {
        refuse_changing(expr)?;
        let simple = simplified(expr, source, state)?;
        if let Some(index) = self.exprs.iter().position(|known| *known == simple) {
            return Ok(index);
        }
        let data_type = simple
            .get_type(source)
            .map_err(|error| Diagnostic::from_datafusion(&error))?;
        self.inputs.push(Input {
            expr: physical(&simple, source, state)?,
            data_type,
            nullable,
        });
        self.exprs.push(simple);
        Ok(self.inputs.len() - 1)
    }
}
