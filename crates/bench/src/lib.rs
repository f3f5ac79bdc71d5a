//! Benchmarks of HeartWatch on its own two pipelines and a steady load, for `heartwatch bench` and `cargo bench`.
//!
//! It measures and checks the number of findings; it prints nothing and promises nothing: timed tests fail on noisy machines.

mod engine;
mod folder;
mod kafka;
mod latency;
mod load;
mod peer;
mod process;
mod restart;
mod sender;

pub use engine::{EngineBench, EngineMeasured, EngineRun, Form, Second, measure_batch, measure_engine};
pub use folder::{LogBench, LogMeasured, measure_log};
pub use kafka::{KafkaBench, Work};
pub use latency::Latency;
pub use load::{Encoded, baselines, columns, user_id};
pub use peer::PeerWork;
pub use restart::{RestartBench, Restarted};

/// Why a benchmark could not run.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The shipped pipeline does not plan: a defect.
    #[error("{0}")]
    Plan(#[from] Box<hw_plan::Diagnostic>),
    /// The engine failed.
    #[error("{0}")]
    Engine(#[from] hw_engine::EngineError),
    /// DataFusion failed.
    #[error("{0}")]
    Batch(#[from] hw_batch::BatchError),
    /// The log failed.
    #[error("{0}")]
    Log(#[from] hw_log::LogError),
    /// A batch is damaged.
    #[error("{0}")]
    RecordBatch(#[from] hw_log::BatchError),
    /// A schema does not fit.
    #[error("{0}")]
    Schema(#[from] hw_avro::SchemaError),
    /// A value cannot be encoded.
    #[error("{0}")]
    Encode(#[from] hw_avro::EncodeError),
    /// The answer is not what arithmetic, or the engine in memory, says.
    #[error("{found} findings where there have to be {expected}")]
    Wrong {
        /// As it has to be.
        expected: u64,
        /// As it is.
        found: u64,
    },
    /// Another stream processor could not be run.
    #[error("{name}: {reason}")]
    Peer {
        /// As it was named.
        name: String,
        /// What happened.
        reason: String,
    },
    /// Columns do not fit.
    #[error("{0}")]
    Arrow(#[from] arrow::error::ArrowError),
}
