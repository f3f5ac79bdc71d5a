//! The engine: a pipeline graph becomes tasks, one for every job and partition, that turn record batches into answers.
//!
//! It knows no SQL text, no Kafka, no HTTP; it reads the wall clock only through [`Clock`]. Operators are synchronous:
//! batch in, batches out. The way of a record:
//!
//! ```text
//! Log::read ─ raw batches ─▶ decode ─ columns, staged keys ─▶ rows ─ valid rows, key numbers, window inputs ─▶
//!   clock ─ moves record by record ─▶ window::keyed ─ late? ready? in order ─▶ window::{sliding, tumbling} ─ aggregates ─▶
//!   finish ─ look-ups, filters, projection ─▶ sink ─ record batches ─▶ runner ─ one transaction with the offsets ─▶ Log::append
//! ```

mod assignment;
mod backoff;
mod backtest;
mod chunk;
mod clock;
mod dead_letter;
mod decode;
mod error;
mod expr;
mod finish;
mod keys;
mod metrics;
mod prefetch;
mod prepared;
mod progress;
mod resume;
mod rows;
mod run;
mod sink;
mod status;
mod table;
mod table_reader;
mod task;
mod topics;
mod window;
mod worker;

pub use backtest::{BacktestAnswers, backtest};
pub use clock::{Clock, Observed, PartitionClock, SystemClock, WITNESSES};
pub use dead_letter::{DeadLetter, Reason};
pub use decode::Schemas;
pub use error::EngineError;
pub use metrics::TaskMetrics;
pub use prepared::Prepared;
pub use resume::{Mark, Resume};
pub use run::{End, RunOptions, Running, group, start};
pub use sink::{outside_value, value_schema};
pub use status::{TaskList, TaskStatus};
pub use table::Table;
pub use table_reader::TableReaders;
pub use task::Task;
pub use topics::make_topics;
pub use worker::{Step, Worker};
