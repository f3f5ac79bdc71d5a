//! Running a pipeline on a log: topics, workers, tables, and their life from start to stop.
//!
//! [`start`] makes what is missing, reads the tables to their end, and starts the workers, which share the partitions out;
//! [`Running`] watches and stops them. It does not process records; [`crate::Task`] does, driven by a worker.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use hw_graph::Pipeline;
use hw_log::{EngineGuard, Log, Seat};

use crate::prepared::Prepared;
use crate::status::TaskList;
use crate::table::Table;
use crate::worker::Worker;
use crate::{Clock, EngineError};

/// How a pipeline is run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Outputs and offsets are committed this often.
    pub commit_interval: Duration,
    /// Whether to go on when the end of the log is reached.
    pub end: End,
    /// Worker threads; one when it ends at the log's end.
    pub workers: usize,
    /// Partitions of topics that do not exist yet.
    pub partitions: u32,
}

/// What happens at the end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Wait for more.
    Follow,
    /// Answer what waits as an idle partition would, and end.
    Stop,
}

impl Default for RunOptions {
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        RunOptions {
            commit_interval: Duration::from_millis(100),
            end: End::Follow,
            workers,
            partitions: 4,
        }
    }
}

/// A pipeline at work.
pub struct Running {
    /// One for every job and partition that is this process's at the moment.
    pub tasks: Arc<TaskList>,
    /// As the pipeline numbers them.
    pub tables: Vec<Arc<RwLock<Table>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<(), EngineError>>>,
    _engine: EngineGuard,
}

impl Running {
    /// Asks the workers to commit and end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// A handle that stops the workers, for a signal handler.
    pub fn stopper(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Whether all workers have ended.
    pub fn is_finished(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Waits for the workers to end.
    ///
    /// # Errors
    /// The first worker's error.
    pub fn join(self) -> Result<(), EngineError> {
        let mut result = Ok(());
        for thread in self.threads {
            let name = thread.thread().name().unwrap_or("?").to_owned();
            let ended = thread.join().unwrap_or(Err(EngineError::Crashed(name)));
            // One worker's failure stops the others, so that the pipeline fails as a whole.
            self.stop.store(true, Ordering::Relaxed);
            result = result.and(ended);
        }
        result
    }
}

/// Starts a pipeline on a log.
///
/// # Errors
/// When another engine holds the log, when topics are not as the pipeline needs them, or when a commit cannot be understood.
pub fn start(
    pipeline: &Arc<Pipeline>,
    log: &Arc<dyn Log>,
    clock: &Arc<dyn Clock>,
    options: &RunOptions,
) -> Result<Running, EngineError> {
    let engine = log.claim_engine(&pipeline.name)?;
    let (prepared, mut tables) = Prepared::new(pipeline, log, clock, options)?;
    let prepared = Arc::new(prepared);
    tables.read_to_end(log.as_ref())?;
    let of = match options.end {
        End::Follow => options.workers.max(1) as u32,
        // Jobs that feed others end before them.
        End::Stop => 1,
    };
    let mut workers = Vec::new();
    for number in 0..of {
        // The first follows the tables for all.
        let tables = std::mem::take(&mut tables);
        let mut worker = Worker::new(&prepared, log, Seat { number, of }, tables)?;
        worker.begin()?;
        workers.push(worker);
    }
    Ok(Running {
        tasks: Arc::clone(&prepared.tasks),
        tables: prepared.tables.clone(),
        stop: Arc::clone(&prepared.stop),
        threads: spawn(workers, &prepared.stop)?,
        _engine: engine,
    })
}

fn spawn(
    workers: Vec<Worker>,
    stop: &Arc<AtomicBool>,
) -> Result<Vec<JoinHandle<Result<(), EngineError>>>, EngineError> {
    let mut threads = Vec::new();
    for (number, worker) in workers.into_iter().enumerate() {
        let name = format!("worker-{number}");
        let alarm = StopOnPanic(Arc::clone(stop));
        let spawned = std::thread::Builder::new().name(name.clone()).spawn(move || {
            let _alarm = alarm;
            worker.run()
        });
        threads.push(spawned.map_err(|_| EngineError::Crashed(name))?);
    }
    Ok(threads)
}

/// Stops the whole pipeline when the thread that holds it panics: a pipeline with a dead worker must not look alive.
struct StopOnPanic(Arc<AtomicBool>);

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// The group whose commits belong to a job.
pub fn group(pipeline: &Pipeline, job: usize) -> String {
    format!("{}-{job}", pipeline.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_one_worker_stops_all() {
        let stop = Arc::new(AtomicBool::new(false));
        let alarm = StopOnPanic(Arc::clone(&stop));
        drop(StopOnPanic(Arc::clone(&stop)));
        assert!(!stop.load(Ordering::Relaxed), "an orderly end stops nobody");
        let ended = std::thread::spawn(move || {
            let _alarm = alarm;
            panic!("as a worker's defect would");
        });
        assert!(ended.join().is_err());
        assert!(stop.load(Ordering::Relaxed));
    }
}
