//! The engine alone: from encoded lz4 record batches in memory to findings encoded, on one core.
//!
//! Checking each batch's CRC is measured too, for a reader pays for it. There is no log, no thread and no commit.

use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use hw_engine::{Schemas, Table, Task, TaskMetrics};
use hw_graph::Pipeline;
use hw_log::RawBatch;
use hw_log::batch::BatchHeader;
use hw_town::Reading;
use hw_town::steady::Steady;

use crate::load::{READING_SCHEMA, baselines, columns};
use crate::{BenchError, Encoded};

/// Which shipped pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `pipelines/still_out_of_range.sql`.
    Sliding,
    /// `pipelines/tumbling.sql`.
    Tumbling,
}

impl Form {
    /// Its text.
    pub fn sql(self) -> &'static str {
        match self {
            Form::Sliding => include_str!("../../../pipelines/still_out_of_range.sql"),
            Form::Tumbling => include_str!("../../../pipelines/tumbling.sql"),
        }
    }
}

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct EngineBench {
    /// The pipeline.
    pub form: Form,
    /// The load.
    pub load: Steady,
    /// X, in seconds.
    pub window_s: u32,
    /// Seconds of load before measuring, so that windows are full.
    pub warm_s: u32,
    /// Seconds of load that are measured.
    pub measured_s: u32,
}

/// What came out.
#[derive(Debug, Clone, Copy)]
pub struct EngineMeasured {
    /// Readings in the measured stretch.
    pub readings: u64,
    /// Findings of the whole run.
    pub findings: u64,
    /// Time of the measured stretch.
    pub elapsed: Duration,
    /// Bytes of state held at the end.
    pub state_bytes: usize,
    /// Keys at the end.
    pub keys: usize,
}

impl EngineMeasured {
    /// Readings a second.
    pub fn rate(&self) -> f64 {
        self.readings as f64 / self.elapsed.as_secs_f64()
    }
}

struct OneSchema(String);

impl Schemas for OneSchema {
    fn schema(&self, id: u32) -> Result<Option<String>, hw_log::LogError> {
        Ok((id == READING_SCHEMA).then(|| self.0.clone()))
    }
}

fn plan(bench: &EngineBench) -> Result<Pipeline, BenchError> {
    let window = ("window".to_owned(), format!("{} seconds", bench.window_s));
    Ok(hw_plan::plan("bench", bench.form.sql(), &[window]).map_err(Box::new)?)
}

/// A task and a load for it, ready to run.
pub struct EngineRun {
    encoded: Encoded,
    task: Task,
    second: u32,
}

/// What a second of the load is, encoded: the batches, and the offset behind them.
pub struct Second {
    batches: Vec<RawBatch>,
    next_offset: u64,
}

impl EngineRun {
    /// Nothing has been processed yet.
    ///
    /// # Errors
    /// When anything fails; nothing should.
    pub fn new(bench: &EngineBench) -> Result<EngineRun, BenchError> {
        let pipeline = plan(bench)?;
        let source = &pipeline.streams[pipeline.jobs[0].source];
        let mut table = Table::new(&pipeline.tables[0].columns, pipeline.tables[0].key)?;
        table.upsert(&baselines(&pipeline, bench.load.users)?);
        let tables = [Arc::new(RwLock::new(table))];
        let schema = hw_engine::value_schema(&source.record, &source.columns, hw_engine::outside_value(source))?;
        let task = Task::for_topic(&pipeline, 0, &tables, Box::new(OneSchema(schema.to_json())), 2)?;
        let encoded = Encoded::new(bench.load, source, READING_SCHEMA)?;
        Ok(EngineRun {
            encoded,
            task,
            second: 0,
        })
    }

    /// Encodes the next second of the load.
    ///
    /// # Errors
    /// When anything fails; nothing should.
    pub fn next_second(&mut self) -> Result<Second, BenchError> {
        let batches = self.encoded.second(self.second)?;
        self.second += 1;
        Ok(Second {
            batches,
            next_offset: self.encoded.next_offset(),
        })
    }

    /// Answers what still waits, as an idle partition would.
    fn drain(&mut self) -> Result<(), BenchError> {
        if let Some(clock_ms) = self.task.clock_ms() {
            self.task.mark(clock_ms + 3_600_000)?;
        }
        Ok(())
    }

    /// What is measured: each batch's CRC, and the way from the batches to findings encoded.
    ///
    /// # Errors
    /// When anything fails; nothing should.
    pub fn process(&mut self, second: &Second) -> Result<(), BenchError> {
        for batch in &second.batches {
            BatchHeader::parse(batch)?.verify_crc(batch)?;
        }
        self.task.process(&second.batches, second.next_offset)?;
        std::hint::black_box(self.task.take_batches());
        Ok(())
    }
}

/// Runs the engine over the load.
///
/// # Errors
/// When anything fails; nothing should.
pub fn measure_engine(bench: &EngineBench) -> Result<EngineMeasured, BenchError> {
    let mut run = EngineRun::new(bench)?;
    let mut elapsed = Duration::ZERO;
    for second in 0..bench.warm_s + bench.measured_s {
        let batches = run.next_second()?;
        let started = Instant::now();
        run.process(&batches)?;
        if second >= bench.warm_s {
            elapsed += started.elapsed();
        }
    }
    let (state_bytes, keys) = run.task.state();
    run.drain()?;
    let findings = TaskMetrics::get(&run.task.metrics().rows_out);
    let readings = u64::from(bench.measured_s) * u64::from(bench.load.users);
    Ok(EngineMeasured {
        readings,
        findings,
        elapsed,
        state_bytes,
        keys,
    })
}

/// Runs plain DataFusion over the same load, columns in memory, for comparison: the measured stretch only.
///
/// # Errors
/// When anything fails; nothing should.
pub fn measure_batch(bench: &EngineBench) -> Result<EngineMeasured, BenchError> {
    let pipeline = plan(bench)?;
    let source = &pipeline.streams[pipeline.jobs[0].source];
    let mut rows = Vec::new();
    for second in 0..bench.measured_s {
        let readings: Vec<Reading> = (0..bench.load.users)
            .map(|index| bench.load.reading(second, index))
            .collect();
        rows.push(columns(&source.columns, &readings)?);
    }
    let ranges = baselines(&pipeline, bench.load.users)?;
    let inputs = vec![("readings".to_owned(), rows), ("baselines".to_owned(), vec![ranges])];
    let window = ("window".to_owned(), format!("{} seconds", bench.window_s));
    let started = Instant::now();
    let answers = hw_batch::run("bench", bench.form.sql(), &[window], inputs)?;
    let elapsed = started.elapsed();
    let findings = answers
        .sinks
        .iter()
        .flat_map(|sink| &sink.batches)
        .map(|batch| batch.num_rows() as u64)
        .sum();
    let readings = u64::from(bench.measured_s) * u64::from(bench.load.users);
    Ok(EngineMeasured {
        readings,
        findings,
        elapsed,
        state_bytes: 0,
        keys: 0,
    })
}
