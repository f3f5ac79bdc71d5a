//! A backtest: the live engine over inputs that are complete, in memory, without a log.
//!
//! Rows are shown to the tasks in event-time order, so that none is late and every row knows all rows of its windows:
//! the answer is the batch answer, row for row. It reads no files and writes none.

use std::sync::{Arc, RwLock};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::TimestampMillisecondType;
use hw_graph::{Pipeline, Timing, Window};

use crate::EngineError;
use crate::decode::{DecodedRows, Schemas};
use crate::expr::BoundExpr;
use crate::metrics::TaskMetrics;
use crate::sink::Output;
use crate::table::Table;
use crate::table_reader::keep_valid;
use crate::task::Task;

const CHUNK_ROWS: usize = 4_096;

/// What a backtest gave.
#[derive(Debug, Default)]
pub struct BacktestAnswers {
    /// By stream, as the pipeline numbers them: the rows that its jobs wrote.
    pub streams: Vec<Vec<RecordBatch>>,
    /// Rows read, of all jobs.
    pub rows: u64,
    /// Rows that break a `CHECK`, or have no key or no time.
    pub invalid: u64,
    /// Evaluated rows whose key an inner look-up did not find.
    pub unmatched: u64,
}

struct NoSchemas;

impl Schemas for NoSchemas {
    fn schema(&self, _id: u32) -> Result<Option<String>, hw_log::LogError> {
        Ok(None)
    }
}

/// Runs all jobs over complete inputs: rows by stream and by table, as the pipeline numbers them.
///
/// # Errors
/// When the pipeline cannot be run or an expression fails on a row.
pub fn backtest(
    pipeline: &Pipeline,
    mut streams: Vec<Vec<RecordBatch>>,
    tables: &[Vec<RecordBatch>],
) -> Result<BacktestAnswers, EngineError> {
    let pipeline = &complete(pipeline);
    let (tables, invalid) = load_tables(pipeline, tables)?;
    streams.resize(pipeline.streams.len(), Vec::new());
    let mut answers = BacktestAnswers {
        streams: vec![Vec::new(); pipeline.streams.len()],
        invalid,
        ..BacktestAnswers::default()
    };
    for index in pipeline.jobs_in_order() {
        let job = &pipeline.jobs[index];
        let sink = &pipeline.streams[job.sink];
        let output = Output::Rows {
            columns: sink.columns.clone(),
            batches: Vec::new(),
        };
        let mut task = Task::new(pipeline, job, &tables, Box::new(NoSchemas), output)?;
        feed(&mut task, pipeline, job, &streams[job.source], &mut answers)?;
        let length_ms = job.window.as_ref().map_or(0, Window::length_ms);
        if let Some(clock_ms) = task.drain_clock_ms(length_ms, 0) {
            task.mark(clock_ms)?;
        }
        task.write_gauges(0);
        answers.invalid += TaskMetrics::get(&task.metrics().dead_letters);
        answers.unmatched += TaskMetrics::get(&task.metrics().unmatched);
        if let Output::Rows { batches, .. } = task.output() {
            streams[job.sink].extend(batches.iter().cloned());
            answers.streams[job.sink].append(batches);
        }
    }
    Ok(answers)
}

/// The pipeline for inputs that are complete and sorted: nobody is late, and no lead is wrong.
fn complete(pipeline: &Pipeline) -> Pipeline {
    let mut pipeline = pipeline.clone();
    for stream in &mut pipeline.streams {
        let never = i64::MAX / 4;
        stream.timing = Timing {
            lateness_ms: 0,
            remember_ms: None,
            max_lead_ms: never,
            max_skew_ms: never,
            ..stream.timing
        };
    }
    pipeline
}

/// As the pipeline numbers them.
type Tables = Vec<Arc<RwLock<Table>>>;

/// The tables, and how many of their rows break a `CHECK`.
fn load_tables(pipeline: &Pipeline, rows: &[Vec<RecordBatch>]) -> Result<(Tables, u64), EngineError> {
    let mut tables = Vec::new();
    let mut invalid = 0;
    for (index, declared) in pipeline.tables.iter().enumerate() {
        let mut table = Table::new(&declared.columns, declared.key)?;
        let checks = declared
            .checks
            .iter()
            .map(|check| BoundExpr::new(&check.predicate, &declared.columns));
        let checks = checks.collect::<Result<Vec<_>, _>>()?;
        for batch in rows.get(index).into_iter().flatten() {
            let valid = keep_valid(batch, &checks)?;
            invalid += (batch.num_rows() - valid.num_rows()) as u64;
            table.upsert(&valid);
        }
        tables.push(Arc::new(RwLock::new(table)));
    }
    Ok((tables, invalid))
}

fn feed(
    task: &mut Task,
    pipeline: &Pipeline,
    job: &hw_graph::Job,
    batches: &[RecordBatch],
    answers: &mut BacktestAnswers,
) -> Result<(), EngineError> {
    let source = &pipeline.streams[job.source];
    let failed = |error: arrow::error::ArrowError| EngineError::Plan(error.to_string());
    let all = concat_batches(&source.columns, batches).map_err(failed)?;
    let times = all.column(source.time).as_primitive::<TimestampMillisecondType>();
    let keys = all.column(source.key).as_string::<i32>();
    let mut order: Vec<(i64, u32)> = (0..all.num_rows())
        .filter(|row| times.is_valid(*row) && keys.is_valid(*row))
        .map(|row| (times.value(row), row as u32))
        .collect();
    order.sort_unstable();
    answers.rows += all.num_rows() as u64;
    answers.invalid += (all.num_rows() - order.len()) as u64;
    for (index, part) in order.chunks(CHUNK_ROWS).enumerate() {
        let rows = UInt32Array::from(part.iter().map(|(_, row)| *row).collect::<Vec<u32>>());
        let pick = |array: &ArrayRef| take(array, &rows, None).map_err(failed);
        let mut columns: Vec<Option<ArrayRef>> = Vec::new();
        for (column, array) in all.columns().iter().enumerate() {
            let text_of_key = column == source.key;
            columns.push(if text_of_key { None } else { Some(pick(array)?) });
        }
        let first = (index * CHUNK_ROWS) as u64;
        let offsets = (first..first + part.len() as u64).collect();
        let times_ms = part.iter().map(|(time_ms, _)| *time_ms).collect();
        let keys = pick(all.column(source.key))?;
        task.process_rows(
            DecodedRows {
                columns,
                times_ms,
                offsets,
            },
            keys.as_string::<i32>(),
        )?;
    }
    Ok(())
}
