//! The windowed part of a job: which aggregates over which rows of a key.
//!
//! It does not say how an aggregate is computed; that is the engine's.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion_physical_expr::PhysicalExpr;

/// The window of a job.
#[derive(Debug, Clone)]
pub enum Window {
    /// `… OVER (PARTITION BY key ORDER BY time RANGE BETWEEN … PRECEDING AND CURRENT ROW)`: a row out for every row in.
    Sliding(Sliding),
    /// `GROUP BY key, date_bin(…, time)`: a row out for every key and window that held a row.
    Tumbling(Tumbling),
}

/// Sliding frames over the rows of a key, by event time.
#[derive(Debug, Clone)]
pub struct Sliding {
    /// What the aggregates read, evaluated once for every row of the source.
    pub inputs: Vec<Input>,
    /// One for every distinct frame of the query.
    pub frames: Vec<Frame>,
}

/// All rows of the key with event time in `[t - preceding_ms, t]`, both ends in.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Length of the frame in milliseconds, not negative.
    pub preceding_ms: i64,
    /// In the order of the evaluated row's columns.
    pub aggregates: Vec<Aggregate>,
}

/// Windows `[origin + k × length, origin + (k + 1) × length)`.
#[derive(Debug, Clone)]
pub struct Tumbling {
    /// Length in milliseconds, positive.
    pub length_ms: i64,
    /// Where a window starts, in milliseconds since the epoch, `0 <= origin_ms < length_ms`.
    pub origin_ms: i64,
    /// What the aggregates read, evaluated once for every row of the source.
    pub inputs: Vec<Input>,
    /// In the order of the evaluated row's columns.
    pub aggregates: Vec<Aggregate>,
}

/// An expression that aggregates read.
#[derive(Debug, Clone)]
pub struct Input {
    /// Over the source's columns.
    pub expr: Arc<dyn PhysicalExpr>,
    /// `Int64`, `Float64` or `Timestamp(Millisecond, None)`: `plan` casts everything else.
    pub data_type: DataType,
    /// Whether a value may be null; a null is left out of every aggregate.
    pub nullable: bool,
}

/// One column of the evaluated row.
#[derive(Debug, Clone)]
pub struct Aggregate {
    /// What is computed.
    pub function: AggregateFunction,
    /// Index into the window's inputs; `None` only for `count(*)`.
    pub input: Option<usize>,
    /// The column's type: `Int64` for count and sums of integers, `Float64` for avg, stddev and sums of floats, the
    /// input's own type for min and max.
    pub data_type: DataType,
    /// As SQL text.
    pub text: String,
}

/// What an aggregate computes. Over no values: count is 0, everything else null; stddev of one value is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AggregateFunction {
    /// Number of rows, or of values that are not null.
    Count,
    /// Sum of the values.
    Sum,
    /// Arithmetic mean, `Float64`.
    Avg,
    /// Least value.
    Min,
    /// Greatest value.
    Max,
    /// Sample standard deviation (`n - 1`), `Float64`.
    StddevSamp,
    /// Population standard deviation (`n`), `Float64`.
    StddevPop,
}

impl fmt::Display for AggregateFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AggregateFunction::Count => "count",
            AggregateFunction::Sum => "sum",
            AggregateFunction::Avg => "avg",
            AggregateFunction::Min => "min",
            AggregateFunction::Max => "max",
            AggregateFunction::StddevSamp => "stddev",
            AggregateFunction::StddevPop => "stddev_pop",
        })
    }
}

impl Window {
    /// The longest reach of the window in milliseconds: X.
    pub fn length_ms(&self) -> i64 {
        match self {
            Window::Sliding(sliding) => sliding.frames.iter().map(|frame| frame.preceding_ms).max().unwrap_or(0),
            Window::Tumbling(tumbling) => tumbling.length_ms,
        }
    }

    /// What the aggregates read.
    pub fn inputs(&self) -> &[Input] {
        match self {
            Window::Sliding(sliding) => &sliding.inputs,
            Window::Tumbling(tumbling) => &tumbling.inputs,
        }
    }
}
