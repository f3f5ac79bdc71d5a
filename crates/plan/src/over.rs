//! Functions of a query and the windows they stand over, as the syntax tree shows them.
//!
//! Whether a window is by the stream's key and in the order of its time is not seen here: names are not resolved yet.

use datafusion::execution::SessionState;
use datafusion::logical_expr::Volatility;
use datafusion::sql::sqlparser::ast::{
    DuplicateTreatment, Function, FunctionArguments, NamedWindowDefinition, NamedWindowExpr, WindowFrameBound,
    WindowFrameUnits, WindowSpec, WindowType,
};
use datafusion::sql::sqlparser::tokenizer::{Location, Span};

use crate::Diagnostic;
use crate::aggregates::{aggregate_function, no_function};
use crate::expression::changing_function;
use crate::places::Places;
use crate::script::text_of;
use crate::windows::no_modifier;

const FRAME_HINT: &str = "write RANGE BETWEEN INTERVAL '10 seconds' PRECEDING AND CURRENT ROW";

/// Refuses a function that cannot be computed on a stream, or its window.
pub(crate) fn check_function(function: &Function, state: &SessionState, places: &Places) -> Result<(), Diagnostic> {
    let Some(ident) = function.name.0.last().and_then(|part| part.as_ident()) else {
        return Ok(());
    };
    let name = text_of(ident);
    let here = (ident.span != Span::empty()).then_some(ident.span.start);
    let aggregate = state.aggregate_functions().get(&name);
    if let Some(aggregate) = aggregate {
        if aggregate_function(aggregate.name()).is_none() {
            return Err(no_function(&name).at(here));
        }
        let distinct = match &function.args {
            FunctionArguments::List(list) => {
                matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct)) || !list.clauses.is_empty()
            }
            _ => false,
        };
        if distinct
            || function.filter.is_some()
            || function.null_treatment.is_some()
            || !function.within_group.is_empty()
        {
            return Err(no_modifier().at(here));
        }
    } else if state.window_functions().contains_key(&name) && function.over.is_some() {
        return Err(no_function(&name).at(here));
    } else if let Some(scalar) = state.scalar_functions().get(&name)
        && scalar.signature().volatility != Volatility::Immutable
    {
        return Err(changing_function(&name).at(here));
    }
    match &function.over {
        Some(WindowType::WindowSpec(spec)) => check_spec(spec, here, places),
        _ => Ok(()),
    }
}

/// Refuses an impossible `WINDOW name AS (…)`.
pub(crate) fn check_definition(definition: &NamedWindowDefinition, places: &Places) -> Result<(), Diagnostic> {
    let NamedWindowDefinition(name, window) = definition;
    match window {
        NamedWindowExpr::WindowSpec(spec) => {
            check_spec(spec, (name.span != Span::empty()).then_some(name.span.start), places)
        }
        NamedWindowExpr::NamedWindow(_) => Ok(()),
    }
}

/// The parts of a window that must be there, and the frame's two ends.
fn check_spec(spec: &WindowSpec, here: Option<Location>, places: &Places) -> Result<(), Diagnostic> {
    let word = |word: &str| here.and_then(|here| places.after(word, here)).or(here);
    // A window that builds upon a named one has its other parts there.
    if spec.window_name.is_none() && spec.partition_by.is_empty() {
        return Err(Diagnostic::new("a window without PARTITION BY is not possible on a stream")
            .detail("Rows of different keys lie in different partitions, on different machines, each with its own clock.")
            .hint("write PARTITION BY the key of the stream")
            .at(here));
    }
    if spec.window_name.is_none() && spec.order_by.is_empty() {
        return Err(Diagnostic::new("a window without ORDER BY is not possible on a stream")
            .detail("It would hold all rows of the key, those of the future too.")
            .hint(format!(
                "write ORDER BY the event time, and {}",
                FRAME_HINT.trim_start_matches("write ")
            ))
            .at(here));
    }
    let Some(frame) = &spec.window_frame else {
        return match &spec.window_name {
            Some(_) => Ok(()),
            None => Err(Diagnostic::new("a window without a frame is not possible on a stream")
                .detail("It means RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW, whose rows would have to be kept for ever.")
                .hint(FRAME_HINT)
                .at(here)),
        };
    };
    let units = frame.units.to_string();
    if frame.units != WindowFrameUnits::Range {
        return Err(
            Diagnostic::new(format!("a frame of {units} is not possible on a stream"))
                .detail("A frame of rows has no end in time, and a late row would change every frame behind it.")
                .hint(FRAME_HINT)
                .at(word(&units)),
        );
    }
    match (
        &frame.start_bound,
        frame.end_bound.as_ref().unwrap_or(&WindowFrameBound::CurrentRow),
    ) {
        (WindowFrameBound::Preceding(None), _) => Err(Diagnostic::new(
            "a frame without a beginning is not possible on a stream",
        )
        .detail("Its rows would have to be kept for ever.")
        .hint(FRAME_HINT)
        .at(word("UNBOUNDED"))),
        (WindowFrameBound::Preceding(_) | WindowFrameBound::CurrentRow, WindowFrameBound::CurrentRow) => Ok(()),
        (_, WindowFrameBound::Preceding(_)) => Err(Diagnostic::new("a frame must end at the current row")
            .detail("A frame that ends before it would be answered with rows that it does not show.")
            .hint(FRAME_HINT)
            .at(word("RANGE"))),
        _ => Err(Diagnostic::new("a frame must end at the current row")
            .detail("A row is answered when its time has come; rows that follow are not there yet.")
            .hint(FRAME_HINT)
            .at(word("FOLLOWING"))),
    }
}
