//! The pipeline graph: the one value that is planned, run, printed and drawn.
//!
//! A [`Pipeline`] is what a `.sql` file means: the [`Stream`]s and [`Table`]s it declares and one [`Job`] for every
//! `INSERT INTO … SELECT …` (a `UNION ALL` is one job a branch). `plan` makes it, `engine` runs it, `explain` prints it.
//!
//! It does not parse SQL, move records or know a broker. Expressions are DataFusion physical expressions over Arrow
//! columns, bound by position to the schema that each field names.
//!
//! # The shape of a job
//!
//! ```text
//! source stream → checks → before → window → lookups → after → projection → sink stream
//! ```
//!
//! Every step is optional but the source, the projection and the sink. Streams of streams are written as several jobs with a
//! topic between them, so that each job is one task a partition and holds at most one kind of keyed state.

mod fingerprint;
mod mermaid;
mod sql;
mod text;
mod window;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion_physical_expr::PhysicalExpr;

pub use sql::{expression_text, interval_text, type_text};
pub use window::{Aggregate, AggregateFunction, Frame, Input, Sliding, Tumbling, Window};

/// What a `.sql` file means, ready to run.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// The file's name without its extension; names the consumer group and the dead-letter topic.
    pub name: String,
    /// The parameters that were in force, in the order of their declaration.
    pub parameters: Vec<Parameter>,
    /// Declared by `CREATE UNBOUNDED EXTERNAL TABLE`, in the file's order. Jobs refer to them by index.
    pub streams: Vec<Stream>,
    /// Declared by `CREATE EXTERNAL TABLE`, in the file's order. Lookups refer to them by index.
    pub tables: Vec<Table>,
    /// One for every branch of every `INSERT INTO`, in the file's order.
    pub jobs: Vec<Job>,
}

/// A named value that the file declares with `SET` and the user may override.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// As in `$name`.
    pub name: String,
    /// The value in force, as SQL text.
    pub value: String,
}

/// A topic of records with an event time: a source, a sink, or both.
#[derive(Debug, Clone)]
pub struct Stream {
    /// The name in the SQL text.
    pub name: String,
    /// The topic in the log (`LOCATION`).
    pub topic: String,
    /// The name of the Avro record that values are written as.
    pub record: String,
    /// The columns as declared, in their order. The event time is `Timestamp(Millisecond, None)`, in UTC.
    pub columns: SchemaRef,
    /// The column that is the record's key (`Utf8`).
    pub key: usize,
    /// The column that is the event time.
    pub time: usize,
    /// Where the event time is read from.
    pub time_source: TimeSource,
    /// What a valid row fulfils; a row that does not is a dead letter.
    pub checks: Vec<Check>,
    /// How time passes in this stream.
    pub timing: Timing,
}

/// Where a stream's event time stands in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeSource {
    /// The record's timestamp; the time column is no field of the value.
    RecordTimestamp,
    /// A field of the value, of Avro type `long` (`timestamp-millis`).
    Value,
}

/// A condition on the rows of a stream, declared with `CHECK`.
#[derive(Debug, Clone)]
pub struct Check {
    /// As SQL text, for the dead letter's reason.
    pub text: String,
    /// Boolean, over the stream's columns. A null counts as fulfilled, as SQL says of `CHECK`.
    pub predicate: Arc<dyn PhysicalExpr>,
}

/// How time passes in a stream, all in milliseconds (see ARCHITECTURE.md, "Time is each user's own").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timing {
    /// A row is ready once the clock has moved more than this past its arrival.
    pub lateness_ms: i64,
    /// Two rows of a key know each other when their arrivals are at most this apart.
    /// `None`: the window's length + `lateness_ms` + 60 s, or twice `lateness_ms` where that is longer.
    pub remember_ms: Option<i64>,
    /// The clock is moved by wall time after it has stood still for this long at the log's end.
    pub idle_after_ms: i64,
    /// A record further than this ahead of the clock needs witnesses to move it.
    pub max_lead_ms: i64,
    /// A record further than this ahead of the clock, and not confirmed, is a dead letter.
    pub max_skew_ms: i64,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            lateness_ms: 0,
            remember_ms: None,
            idle_after_ms: 5_000,
            max_lead_ms: 60_000,
            max_skew_ms: 86_400_000,
        }
    }
}

/// A compacted topic, held in memory by its key.
#[derive(Debug, Clone)]
pub struct Table {
    /// The name in the SQL text.
    pub name: String,
    /// The topic in the log (`LOCATION`).
    pub topic: String,
    /// The name of the Avro record that values are written as.
    pub record: String,
    /// The columns as declared, in their order.
    pub columns: SchemaRef,
    /// The column that is the record's key (`Utf8`).
    pub key: usize,
    /// What a valid row fulfils; a row that does not is a dead letter and leaves the table as it was.
    pub checks: Vec<Check>,
}

/// One stream to one stream: a task for every partition of the source.
///
/// The *evaluated row* is what stands behind the window: its columns are
/// - without a window: the source's columns;
/// - [`Window::Sliding`]: the source's columns, then every frame's aggregates in order;
/// - [`Window::Tumbling`]: the key, `window_start` (`Timestamp(Millisecond, None)`), then the aggregates;
///
/// and then, for every lookup in order, all columns of its table.
#[derive(Debug, Clone)]
pub struct Job {
    /// Index into [`Pipeline::streams`].
    pub source: usize,
    /// Conjuncts over the source's columns that a row must fulfil to go on (null is not fulfilled).
    pub before: Vec<Arc<dyn PhysicalExpr>>,
    /// The keyed, windowed state, if any. It is always keyed by the source's key.
    pub window: Option<Window>,
    /// Tables looked up by the row's key, after the window.
    pub lookups: Vec<Lookup>,
    /// The schema of the evaluated row.
    pub evaluated: SchemaRef,
    /// Conjuncts over the evaluated row (null is not fulfilled), the cheapest first.
    pub after: Vec<Arc<dyn PhysicalExpr>>,
    /// Over the evaluated row: one expression for every column of the sink, in the sink's order and type.
    pub projection: Vec<Arc<dyn PhysicalExpr>>,
    /// Names of the query's own columns, as it says them; as long as `projection`.
    pub names: Vec<String>,
    /// Index into [`Pipeline::streams`].
    pub sink: usize,
}

/// A table joined on the row's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lookup {
    /// Index into [`Pipeline::tables`].
    pub table: usize,
    /// What happens to a row whose key the table does not hold.
    pub kind: LookupKind,
}

/// What happens to a row whose key the table does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LookupKind {
    /// It is dropped, and counted.
    Inner,
    /// The table's columns are null.
    Left,
}

impl Pipeline {
    /// The topic that takes what could not be processed, with the reason.
    pub fn dead_letter_topic(&self) -> String {
        format!("{}.dead-letters", self.name)
    }

    /// The jobs' indices, those that feed others before them; else in the file's order. The planner refuses circles.
    pub fn jobs_in_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = Vec::new();
        while order.len() < self.jobs.len() {
            let is_free = |index: &usize| {
                !order.contains(index)
                    && self.jobs.iter().enumerate().all(|(other, feeder)| {
                        feeder.sink != self.jobs[*index].source || other == *index || order.contains(&other)
                    })
            };
            let Some(next) = (0..self.jobs.len()).find(is_free) else {
                break;
            };
            order.push(next);
        }
        order
    }

    /// Streams that no job of this pipeline writes: they come from outside.
    pub fn is_external(&self, stream: usize) -> bool {
        self.jobs.iter().all(|job| job.sink != stream)
    }
}

impl Job {
    /// How long rows of a key remember one another, in milliseconds.
    pub fn remember_ms(&self, pipeline: &Pipeline) -> i64 {
        let timing = &pipeline.streams[self.source].timing;
        let length_ms = self.window.as_ref().map_or(0, Window::length_ms);
        let usual_ms = length_ms + timing.lateness_ms + 60_000;
        timing.remember_ms.unwrap_or(usual_ms.max(2 * timing.lateness_ms))
    }

    /// The least that rows must remember one another for the time rules to hold, in milliseconds: a whole window and the
    /// rows that wait for it, and every row that a waiting one may be evaluated with.
    pub fn least_remember_ms(&self, pipeline: &Pipeline) -> i64 {
        let timing = &pipeline.streams[self.source].timing;
        let length_ms = self.window.as_ref().map_or(0, Window::length_ms);
        (length_ms + timing.lateness_ms).max(2 * timing.lateness_ms)
    }
}
