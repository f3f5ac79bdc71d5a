//! Batch: the SQL of a pipeline over data that is complete, by plain DataFusion.
//!
//! It answers "what would this rule have said last week?", and is the oracle that live answers are tested against. That
//! is why nothing of the query is rewritten here: DataFusion plans and runs the same syntax tree that [`hw_plan::plan`]
//! reads. It shares with the live engine the declarations, their checks and `haversine`; it knows no clock, no lateness
//! and no log.

mod rows;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use hw_graph::{Pipeline, Stream};
use hw_plan::{Diagnostic, Query};

/// What a file gives for its inputs.
#[derive(Debug)]
pub struct Answers {
    /// The streams that the file writes, in the order of its first `INSERT` into each.
    pub sinks: Vec<Sink>,
    /// The inputs that had rows which are not valid, with their number: a null where none may be, or a `CHECK` that
    /// fails. Live, they are dead letters.
    pub invalid: Vec<(String, u64)>,
}

/// What a file writes to one stream.
#[derive(Debug)]
pub struct Sink {
    /// The stream's name in the file.
    pub name: String,
    /// Columns in the order and of the types of the stream, with the names that the query gives them.
    pub schema: SchemaRef,
    /// All rows, in no particular order.
    pub batches: Vec<RecordBatch>,
}

/// Why a file could not be run.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The file is refused, as it would be live.
    #[error("{0}")]
    Refused(#[from] Box<Diagnostic>),
    /// There is no such stream or table in the file.
    #[error("the file declares no stream or table {0}")]
    UnknownInput(String),
    /// The file writes this stream itself.
    #[error("{0} is written by the file, and cannot be an input too")]
    WrittenInput(String),
    /// An input lacks a column that may not be null.
    #[error("the input for {input} has no column {column}, which is NOT NULL")]
    MissingColumn {
        /// The stream or table.
        input: String,
        /// The column.
        column: String,
    },
    /// A column could not be brought into its declared type.
    #[error("{input}.{column}: {error}")]
    Column {
        /// The stream or table.
        input: String,
        /// The column.
        column: String,
        /// What Arrow says.
        error: ArrowError,
    },
    /// The query failed on the data.
    #[error("{0}")]
    Query(#[from] DataFusionError),
    /// Arrow failed on the data.
    #[error("{0}")]
    Arrow(#[from] ArrowError),
    /// The runtime for the query did not start.
    #[error("no threads for the query: {0}")]
    Runtime(std::io::Error),
}

/// Runs a file over its inputs: `inputs` are rows for streams and tables by their names in the file, matched by the
/// names of columns. A declared input that is not given is empty. Of a table, the last valid row of each key counts.
///
/// It blocks until all is answered, and must not be called from within an async runtime.
///
/// # Errors
///
/// The file is refused, an input does not fit its declaration, or the query fails on the data (such as a division by
/// zero).
pub fn run(
    name: &str,
    sql: &str,
    overrides: &[(String, String)],
    inputs: Vec<(String, Vec<RecordBatch>)>,
) -> Result<Answers, BatchError> {
    let pipeline = hw_plan::plan(name, sql, overrides).map_err(Box::new)?;
    let queries = hw_plan::queries(sql, overrides).map_err(Box::new)?;
    let mut run = Run {
        context: hw_plan::session(),
        answers: Answers {
            sinks: Vec::new(),
            invalid: Vec::new(),
        },
    };
    run.register(&pipeline, inputs)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .map_err(BatchError::Runtime)?;
    runtime.block_on(run.all(&pipeline, queries))?;
    Ok(run.answers)
}

struct Run {
    context: SessionContext,
    answers: Answers,
}

impl Run {
    /// Gives DataFusion every input as a table of its declared columns: what is not given is empty, not unknown.
    fn register(&mut self, pipeline: &Pipeline, inputs: Vec<(String, Vec<RecordBatch>)>) -> Result<(), BatchError> {
        let mut given: HashMap<String, Vec<RecordBatch>> = HashMap::new();
        for (name, batches) in inputs {
            let stream = pipeline.streams.iter().position(|stream| stream.name == name);
            if stream.is_none() && pipeline.tables.iter().all(|table| table.name != name) {
                return Err(BatchError::UnknownInput(name));
            }
            if stream.is_some_and(|stream| !pipeline.is_external(stream)) {
                return Err(BatchError::WrittenInput(name));
            }
            given.entry(name).or_default().extend(batches);
        }
        for (index, stream) in pipeline.streams.iter().enumerate() {
            if pipeline.is_external(index) {
                self.register_stream(stream, given.remove(&stream.name).unwrap_or_default())?;
            }
        }
        for table in &pipeline.tables {
            let batches = given.remove(&table.name).unwrap_or_default();
            let valid = rows::valid(&table.name, &table.columns, &table.checks, batches)?;
            self.count_invalid(&table.name, valid.invalid);
            let latest = rows::last_of_each_key(&table.columns, table.key, &valid.batches)?;
            self.register_rows(&table.name, &table.columns, vec![latest])?;
        }
        Ok(())
    }

    /// Checks run on what a query reads, so a row that a file writes itself is checked when the next query reads it,
    /// as live.
    fn register_stream(&mut self, stream: &Stream, batches: Vec<RecordBatch>) -> Result<(), BatchError> {
        let valid = rows::valid(&stream.name, &stream.columns, &stream.checks, batches)?;
        self.count_invalid(&stream.name, valid.invalid);
        self.register_rows(&stream.name, &stream.columns, valid.batches)
    }

    fn register_rows(&self, name: &str, columns: &SchemaRef, batches: Vec<RecordBatch>) -> Result<(), BatchError> {
        let table = MemTable::try_new(columns.clone(), vec![batches])?;
        self.context
            .register_table(datafusion::common::TableReference::bare(name), Arc::new(table))?;
        Ok(())
    }

    fn count_invalid(&mut self, name: &str, rows: u64) {
        if rows > 0 {
            self.answers.invalid.push((name.to_string(), rows));
        }
    }

    /// Runs every query once the streams that it reads are complete; the planner has refused circles.
    async fn all(&mut self, pipeline: &Pipeline, queries: Vec<Query>) -> Result<(), BatchError> {
        let mut order: Vec<String> = Vec::new();
        for query in &queries {
            if !order.contains(&query.sink) {
                order.push(query.sink.clone());
            }
        }
        let mut waiting = queries;
        while !waiting.is_empty() {
            let written: Vec<String> = waiting.iter().map(|query| query.sink.clone()).collect();
            let mut next = Vec::new();
            for query in waiting {
                let reads = self.context.state().resolve_table_references(&query.statement)?;
                match reads.iter().any(|read| written.iter().any(|sink| sink == read.table())) {
                    true => next.push(query),
                    false => self.one(pipeline, query).await?,
                }
            }
            for sink in written
                .iter()
                .filter(|sink| next.iter().all(|query| query.sink != **sink))
            {
                self.feed(pipeline, sink)?;
            }
            waiting = next;
        }
        self.answers
            .sinks
            .sort_by_key(|sink| order.iter().position(|name| *name == sink.name));
        Ok(())
    }

    /// Runs one query and keeps its rows as those of its sink.
    async fn one(&mut self, pipeline: &Pipeline, query: Query) -> Result<(), BatchError> {
        let plan = self.context.state().statement_to_plan(query.statement).await?;
        let frame = self.context.execute_logical_plan(plan).await?;
        let batches = frame.collect().await?;
        let (stream, names) = (pipeline.jobs.iter())
            .map(|job| (&pipeline.streams[job.sink], &job.names))
            .find(|(stream, _)| stream.name == query.sink)
            .ok_or(BatchError::UnknownInput(query.sink))?;
        let index = match self.answers.sinks.iter().position(|sink| sink.name == stream.name) {
            Some(index) => index,
            None => {
                let schema = named(&stream.columns, names);
                self.answers.sinks.push(Sink {
                    name: stream.name.clone(),
                    schema,
                    batches: Vec::new(),
                });
                self.answers.sinks.len() - 1
            }
        };
        let sink = &mut self.answers.sinks[index];
        for batch in batches.iter().filter(|batch| batch.num_rows() > 0) {
            sink.batches.push(typed(stream, &sink.schema, batch)?);
        }
        Ok(())
    }

    /// Makes a complete sink readable for the queries behind it, under the names of its declaration.
    fn feed(&mut self, pipeline: &Pipeline, sink: &str) -> Result<(), BatchError> {
        let written = self.answers.sinks.iter().find(|written| written.name == sink);
        let stream = pipeline.streams.iter().find(|stream| stream.name == sink);
        let (Some(written), Some(stream)) = (written, stream) else {
            return Ok(());
        };
        let rows: Vec<RecordBatch> = (written.batches.iter())
            .map(|batch| RecordBatch::try_new(nullable(&stream.columns), batch.columns().to_vec()))
            .collect::<Result<_, _>>()?;
        self.register_stream(stream, rows)
    }
}

/// The sink's columns under the query's names. A null that the sink does not allow is shown, not hidden.
fn named(columns: &SchemaRef, names: &[String]) -> SchemaRef {
    let fields = columns.fields().iter().zip(names);
    let fields: Vec<Field> = fields
        .map(|(field, name)| Field::new(name, field.data_type().clone(), true))
        .collect();
    Arc::new(Schema::new(fields))
}

/// A null that a sink does not allow must get as far as the checks, to be counted there.
fn nullable(columns: &SchemaRef) -> SchemaRef {
    let fields: Vec<Field> = columns
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    Arc::new(Schema::new(fields))
}

/// The query's columns by position as those of the sink, with the errors of SQL's CAST.
fn typed(stream: &Stream, schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, BatchError> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let mut columns = Vec::new();
    for (column, field) in batch.columns().iter().zip(schema.fields()) {
        columns.push(
            cast_with_options(column, field.data_type(), &options).map_err(|error| BatchError::Column {
                input: stream.name.clone(),
                column: field.name().clone(),
                error,
            })?,
        );
    }
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}
