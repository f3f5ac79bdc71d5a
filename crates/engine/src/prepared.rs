//! A pipeline made ready to run in this process: its topics are there, its answers' schemas are registered.
//!
//! It is what all workers of a process share. It reads and processes nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};

use hw_graph::{Pipeline, Stream};
use hw_log::Log;

use crate::run::{RunOptions, group};
use crate::sink::{outside_value, value_schema};
use crate::status::TaskList;
use crate::table::Table;
use crate::table_reader::TableReaders;
use crate::topics::make_topics;
use crate::{Clock, EngineError};

/// Where a job's answers go.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) topic: String,
    pub(crate) partitions: u32,
    /// Of the answers.
    pub(crate) schema_id: u32,
}

/// What the workers of a process share.
pub struct Prepared {
    /// What is run.
    pub pipeline: Arc<Pipeline>,
    /// As the pipeline numbers them. Written by the worker that follows their topics, read by all tasks.
    pub tables: Vec<Arc<RwLock<Table>>>,
    /// Every worker's.
    pub tasks: Arc<TaskList>,
    /// Set by whoever wants the workers to commit and end, and by a worker that fails; the workers look every round. It
    /// carries no data, so relaxed is enough.
    pub stop: Arc<AtomicBool>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: RunOptions,
    /// By job.
    pub(crate) sinks: Vec<Sink>,
}

impl Prepared {
    /// Makes missing topics, registers schemas, and opens the tables, whose readers have to reach their ends before
    /// any task may work.
    ///
    /// # Errors
    /// When topics are not as the pipeline needs them, or the log cannot be reached.
    pub fn new(
        pipeline: &Arc<Pipeline>,
        log: &Arc<dyn Log>,
        clock: &Arc<dyn Clock>,
        options: &RunOptions,
    ) -> Result<(Prepared, TableReaders), EngineError> {
        make_topics(pipeline, log.as_ref(), options.partitions)?;
        let readers = TableReaders::open(pipeline, log)?;
        let sinks = pipeline
            .jobs
            .iter()
            .map(|job| sink(log.as_ref(), &pipeline.streams[job.sink]));
        let prepared = Prepared {
            sinks: sinks.collect::<Result<_, _>>()?,
            pipeline: Arc::clone(pipeline),
            tables: readers.tables(),
            tasks: Arc::default(),
            stop: Arc::default(),
            clock: Arc::clone(clock),
            options: options.clone(),
        };
        Ok((prepared, readers))
    }

    /// The stream that a job reads.
    pub(crate) fn source(&self, job: usize) -> &Stream {
        &self.pipeline.streams[self.pipeline.jobs[job].source]
    }

    /// The group whose commits are a job's.
    pub(crate) fn group(&self, job: usize) -> String {
        group(&self.pipeline, job)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

fn sink(log: &dyn Log, stream: &Stream) -> Result<Sink, EngineError> {
    let topic = stream.topic.clone();
    let schema = match value_schema(&stream.record, &stream.columns, outside_value(stream)) {
        Ok(schema) => schema,
        Err(source) => return Err(EngineError::Schema { topic, source }),
    };
    Ok(Sink {
        schema_id: log.register_schema(&format!("{topic}-value"), &schema.to_json())?,
        partitions: log.topic(&topic)?.options.partitions,
        topic,
    })
}
