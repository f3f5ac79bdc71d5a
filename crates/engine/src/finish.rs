//! From evaluated rows to the sink's columns: look-ups, filters, projection.
//!
//! A [`Finish`] belongs to one task. Columns are fetched only when an expression asks for them, and only for the rows that
//! still stand: numbers first, text for the survivors. It holds no state but where each key's table rows are.

use std::sync::{Arc, PoisonError, RwLock};

use arrow::array::{Array, ArrayRef, StringArray, UInt32Array};
use arrow::compute::take;
use hw_graph::{Job, LookupKind, Pipeline, Window};

use crate::EngineError;
use crate::chunk::Chunks;
use crate::expr::BoundExpr;
use crate::keys::Keys;
use crate::table::{NO_PLACE, Table};
use crate::window::evaluated::{EvaluatedRows, RowRef};

/// Where a column of the evaluated row comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Source(usize),
    Key,
    WindowStart,
    Aggregate(usize),
    Table { lookup: usize, column: usize },
}

struct LookupStep {
    table: Arc<RwLock<Table>>,
    kind: LookupKind,
    /// By key: the place of its row, once found.
    places: Vec<u32>,
}

/// The last steps of a job.
pub(crate) struct Finish {
    origins: Vec<Origin>,
    lookups: Vec<LookupStep>,
    after: Vec<BoundExpr>,
    projection: Vec<BoundExpr>,
    /// Rows dropped because an inner look-up found nothing.
    pub(crate) unmatched: u64,
}

/// The rows that still stand, and what is known of them.
struct Standing<'a> {
    rows: &'a EvaluatedRows,
    chunks: &'a Chunks,
    keys: &'a Keys,
    /// Indices into the evaluated rows, ascending.
    selection: Vec<u32>,
    /// By look-up, then by evaluated row.
    places: Vec<Vec<u32>>,
}

impl Finish {
    /// `tables` as the pipeline numbers them.
    pub(crate) fn new(pipeline: &Pipeline, job: &Job, tables: &[Arc<RwLock<Table>>]) -> Result<Finish, EngineError> {
        let source = &pipeline.streams[job.source];
        let mut origins = Vec::new();
        let source_columns = |origins: &mut Vec<Origin>| {
            for column in 0..source.columns.fields().len() {
                origins.push(if column == source.key {
                    Origin::Key
                } else {
                    Origin::Source(column)
                });
            }
        };
        match &job.window {
            None => source_columns(&mut origins),
            Some(Window::Sliding(sliding)) => {
                source_columns(&mut origins);
                let aggregates: usize = sliding.frames.iter().map(|frame| frame.aggregates.len()).sum();
                origins.extend((0..aggregates).map(Origin::Aggregate));
            }
            Some(Window::Tumbling(tumbling)) => {
                origins.extend([Origin::Key, Origin::WindowStart]);
                origins.extend((0..tumbling.aggregates.len()).map(Origin::Aggregate));
            }
        }
        for (lookup, step) in job.lookups.iter().enumerate() {
            let columns = pipeline.tables[step.table].columns.fields().len();
            origins.extend((0..columns).map(|column| Origin::Table { lookup, column }));
        }
        if origins.len() != job.evaluated.fields().len() {
            return Err(EngineError::Plan(
                "the evaluated row's schema does not match its parts".into(),
            ));
        }
        let bind = |exprs: &[Arc<dyn datafusion_physical_expr::PhysicalExpr>]| {
            exprs
                .iter()
                .map(|expr| BoundExpr::new(expr, &job.evaluated))
                .collect::<Result<Vec<_>, _>>()
        };
        let lookup_step = |lookup: &hw_graph::Lookup| LookupStep {
            table: Arc::clone(&tables[lookup.table]),
            kind: lookup.kind,
            places: Vec::new(),
        };
        Ok(Finish {
            origins,
            lookups: job.lookups.iter().map(lookup_step).collect(),
            after: bind(&job.after)?,
            projection: bind(&job.projection)?,
            unmatched: 0,
        })
    }

    /// Which of the source's columns are read here.
    pub(crate) fn source_columns(&self) -> impl Iterator<Item = usize> + '_ {
        let read = self.after.iter().chain(&self.projection).flat_map(BoundExpr::columns);
        read.filter_map(|column| match self.origins[*column] {
            Origin::Source(column) => Some(column),
            _ => None,
        })
    }

    /// The sink's columns for the rows that fulfil all conditions; `None` when there are none.
    pub(crate) fn apply(
        &mut self,
        rows: &EvaluatedRows,
        chunks: &Chunks,
        keys: &Keys,
    ) -> Result<Option<Vec<ArrayRef>>, EngineError> {
        let mut standing = Standing {
            rows,
            chunks,
            keys,
            selection: (0..rows.keys.len() as u32).collect(),
            places: Vec::new(),
        };
        self.look_up(&mut standing);
        for condition in &self.after {
            if standing.selection.is_empty() {
                return Ok(None);
            }
            let holds = condition.test(standing.selection.len(), |column| self.column(&standing, column))?;
            if holds.null_count() > 0 || holds.has_false() {
                let mut index = 0;
                standing.selection.retain(|_| {
                    index += 1;
                    holds.is_valid(index - 1) && holds.value(index - 1)
                });
            }
        }
        if standing.selection.is_empty() {
            return Ok(None);
        }
        let projected = self
            .projection
            .iter()
            .map(|expr| expr.evaluate(standing.selection.len(), |column| self.column(&standing, column)));
        projected.collect::<Result<Vec<_>, _>>().map(Some)
    }

    /// Forgets where a key's rows are: its number may be given to another.
    pub(crate) fn forget(&mut self, key: u32) {
        for lookup in &mut self.lookups {
            if let Some(place) = lookup.places.get_mut(key as usize) {
                *place = NO_PLACE;
            }
        }
    }

    fn look_up(&mut self, standing: &mut Standing<'_>) {
        for lookup in &mut self.lookups {
            let table = lookup.table.read().unwrap_or_else(PoisonError::into_inner);
            lookup
                .places
                .resize(standing.keys.capacity().max(lookup.places.len()), NO_PLACE);
            let places: Vec<u32> = standing
                .rows
                .keys
                .iter()
                .map(|key| {
                    let place = &mut lookup.places[*key as usize];
                    if *place == NO_PLACE {
                        *place = table.place(standing.keys.text(*key));
                    }
                    *place
                })
                .collect();
            if lookup.kind == LookupKind::Inner {
                let before = standing.selection.len();
                standing.selection.retain(|row| table.is_present(places[*row as usize]));
                self.unmatched += (before - standing.selection.len()) as u64;
            }
            standing.places.push(places);
        }
    }

    fn column(&self, standing: &Standing<'_>, column: usize) -> Result<ArrayRef, EngineError> {
        let selection = &standing.selection;
        let pick = |array: &ArrayRef| {
            if selection.len() == array.len() {
                return Ok(Arc::clone(array));
            }
            let indices = UInt32Array::from(selection.clone());
            take(array, &indices, None).map_err(|error| EngineError::Plan(error.to_string()))
        };
        match self.origins[column] {
            Origin::Source(column) => {
                let rows: Vec<RowRef> = selection.iter().map(|row| standing.rows.rows[*row as usize]).collect();
                standing.chunks.gather(column, &rows)
            }
            Origin::Key => {
                let text = |row: &u32| standing.keys.text(standing.rows.keys[*row as usize]);
                Ok(Arc::new(StringArray::from_iter_values(selection.iter().map(text))))
            }
            Origin::WindowStart => pick(&(Arc::new(standing.rows.starts.clone()) as ArrayRef)),
            Origin::Aggregate(index) => pick(&standing.rows.aggregates[index]),
            Origin::Table { lookup, column } => {
                let places: Vec<u32> = selection
                    .iter()
                    .map(|row| standing.places[lookup][*row as usize])
                    .collect();
                let table = self.lookups[lookup]
                    .table
                    .read()
                    .unwrap_or_else(PoisonError::into_inner);
                Ok(table.gather(column, &places))
            }
        }
    }
}
