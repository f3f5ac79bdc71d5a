//! Source: where the server gets what it shows, and the numbers it shows.
//!
//! It holds values only; how they are written stands in `metrics` and `routes`.

use serde::Serialize;
use serde_json::Value;

/// What is shown. The server's only thread asks, so whoever answers must not wait for anything slow.
pub trait Source: Send + Sync {
    /// What runs; the same whenever it is asked.
    fn pipeline(&self) -> Pipeline;

    /// Whether it runs.
    ///
    /// # Errors
    /// Why it does not: not yet, or not any more.
    fn health(&self) -> Result<(), String>;

    /// Every task with its numbers; none while the pipeline starts.
    fn tasks(&self) -> Vec<Task>;

    /// The most recent findings as JSON objects, newest first, at most `limit`.
    ///
    /// # Errors
    /// Why they cannot be read.
    fn findings(&self, limit: usize) -> Result<Vec<Value>, String>;
}

/// A pipeline as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// Its graph as text.
    pub text: String,
    /// Its graph as a Mermaid flowchart.
    pub mermaid: String,
}

/// One task: a job on one partition of its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Task {
    /// The job's number, as the pipeline's text counts them, from 1.
    pub job: usize,
    /// The source's topic.
    pub topic: String,
    /// The source's partition.
    pub partition: u32,
    /// The partition's clock in milliseconds since the epoch; none before the first record.
    pub clock_ms: Option<i64>,
    /// What it counts.
    #[serde(flatten)]
    pub numbers: Numbers,
}

/// What a task counts; the first seven since the start, the others at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Numbers {
    /// Records read, replayed ones not counted.
    pub records_in: u64,
    /// Answers written.
    pub rows_out: u64,
    /// Rows that came late.
    pub late: u64,
    /// Records that went to the dead-letter topic, late ones among them.
    pub dead_letters: u64,
    /// Answers without a row in a table they are joined with.
    pub unmatched: u64,
    /// Answers whose windows reached over rows that do not know each other.
    pub cut_windows: u64,
    /// How often it was made anew because the log refused a transaction, or did not say whether it was committed.
    pub starts_over: u64,
    /// Rows that wait for the clock.
    pub waiting: u64,
    /// Keys that are remembered.
    pub keys: u64,
    /// Bytes of state.
    pub state_bytes: u64,
    /// Records between the task's position and the partition's end.
    pub lag: u64,
}

impl Numbers {
    /// Adds the numbers of tasks.
    pub(crate) fn total(tasks: &[Task]) -> Numbers {
        tasks.iter().fold(Numbers::default(), |sum, task| {
            let number = &task.numbers;
            Numbers {
                records_in: sum.records_in + number.records_in,
                rows_out: sum.rows_out + number.rows_out,
                late: sum.late + number.late,
                dead_letters: sum.dead_letters + number.dead_letters,
                unmatched: sum.unmatched + number.unmatched,
                cut_windows: sum.cut_windows + number.cut_windows,
                starts_over: sum.starts_over + number.starts_over,
                waiting: sum.waiting + number.waiting,
                keys: sum.keys + number.keys,
                state_bytes: sum.state_bytes + number.state_bytes,
                lag: sum.lag + number.lag,
            }
        })
    }
}
