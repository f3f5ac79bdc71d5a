//! Running a pipeline on a log: topics, workers, tables, and their life from start to stop.
//!
//! [`start`] makes what is missing, reads the tables to their end, resumes every task from its commit, and starts the
//! workers; [`Running`] watches and stops them. It does not process records; [`crate::Task`] does, driven by a worker.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use hw_graph::{Job, Pipeline};
use hw_log::{EngineGuard, Log, TopicOptions};

use crate::metrics::TaskMetrics;
use crate::progress::Resume;
use crate::sink::{outside_value, value_schema};
use crate::table::Table;
use crate::table_reader::TableReader;
use crate::task::Task;
use crate::worker::{Worker, WorkerTask};
use crate::{Clock, EngineError};

/// How a pipeline is run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Outputs and offsets are committed this often.
    pub commit_interval: Duration,
    /// Whether to go on when the end of the log is reached.
    pub end: End,
    /// Worker threads at most.
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

/// One task, as it is seen from outside.
#[derive(Debug, Clone)]
pub struct TaskStatus {
    /// Index of the job in the pipeline.
    pub job: usize,
    /// The source's topic.
    pub topic: String,
    /// The source's partition.
    pub partition: u32,
    /// Offset that reading started at: before [`Self::answers_from`] when state is rebuilt from the log.
    pub reads_from: u64,
    /// Offset of the first record that no commit had answered.
    pub answers_from: u64,
    /// What it counts.
    pub metrics: Arc<TaskMetrics>,
}

/// A pipeline at work.
pub struct Running {
    /// One for every job and partition.
    pub tasks: Vec<TaskStatus>,
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
    make_topics(pipeline, log.as_ref(), options.partitions)?;
    let mut readers = Vec::new();
    for table in &pipeline.tables {
        let mut reader = TableReader::new(Arc::clone(log), table)?;
        reader.catch_up()?;
        readers.push(reader);
    }
    let tables: Vec<_> = readers.iter().map(|reader| Arc::clone(&reader.table)).collect();
    let mut tasks = Vec::new();
    for index in pipeline.jobs_in_order() {
        tasks.extend(make_tasks(pipeline, log, &tables, index)?);
    }
    let statuses = tasks.iter().map(WorkerTask::status).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let threads = match options.end {
        End::Follow => spread(tasks, options.workers),
        // Jobs that feed others end before them.
        End::Stop => vec![tasks],
    };
    let mut readers = Some(readers);
    let mut handles = Vec::new();
    for (number, tasks) in threads.into_iter().enumerate() {
        let worker = Worker {
            log: Arc::clone(log),
            clock: Arc::clone(clock),
            tasks,
            tables: readers.take().unwrap_or_default(),
            dead_letter_topic: pipeline.dead_letter_topic(),
            commit_interval: options.commit_interval,
            end: options.end,
            stop: Arc::clone(&stop),
        };
        let name = format!("worker-{number}");
        let alarm = StopOnPanic(Arc::clone(&stop));
        let spawned = std::thread::Builder::new().name(name.clone()).spawn(move || {
            let _alarm = alarm;
            worker.run()
        });
        handles.push(spawned.map_err(|_| EngineError::Crashed(name))?);
    }
    Ok(Running {
        tasks: statuses,
        tables,
        stop,
        threads: handles,
        _engine: engine,
    })
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

fn spread(tasks: Vec<WorkerTask>, workers: usize) -> Vec<Vec<WorkerTask>> {
    let workers = workers.clamp(1, tasks.len().max(1));
    let mut threads: Vec<Vec<WorkerTask>> = (0..workers).map(|_| Vec::new()).collect();
    for (index, task) in tasks.into_iter().enumerate() {
        threads[index % workers].push(task);
    }
    threads
}

/// Makes the topics that do not exist yet: sources first, for a sink has as many partitions as its job's source.
pub fn make_topics(pipeline: &Pipeline, log: &dyn Log, partitions: u32) -> Result<(), EngineError> {
    let existing = log.topics()?;
    let options_of = |topic: &str| {
        existing
            .iter()
            .find(|known| known.name == topic)
            .map(|known| known.options)
    };
    let ensure = |topic: &str, wanted: TopicOptions| -> Result<u32, EngineError> {
        match options_of(topic) {
            Some(options) => Ok(options.partitions),
            None => {
                log.create_topic(topic, &wanted)?;
                Ok(wanted.partitions)
            }
        }
    };
    for table in &pipeline.tables {
        ensure(&table.topic, TopicOptions::table(1))?;
    }
    let mut counts = vec![0; pipeline.streams.len()];
    for (index, stream) in pipeline.streams.iter().enumerate() {
        if pipeline.is_external(index) {
            counts[index] = ensure(&stream.topic, TopicOptions::stream(partitions))?;
        }
    }
    for index in pipeline.jobs_in_order() {
        let job = &pipeline.jobs[index];
        counts[job.sink] = ensure(
            &pipeline.streams[job.sink].topic,
            TopicOptions::stream(counts[job.source]),
        )?;
    }
    ensure(&pipeline.dead_letter_topic(), TopicOptions::stream(1))?;
    for job in &pipeline.jobs {
        check_source(pipeline, job, options_of(&pipeline.streams[job.source].topic))?;
    }
    Ok(())
}

fn check_source(pipeline: &Pipeline, job: &Job, options: Option<TopicOptions>) -> Result<(), EngineError> {
    let Some(options) = options else { return Ok(()) };
    let topic = &pipeline.streams[job.source].topic;
    if options.compacted {
        return Err(EngineError::Topics(format!(
            "topic {topic} is compacted: old readings vanish from it, so its windows cannot be rebuilt; \
             produce into a topic that is not compacted, or declare it as a table (without UNBOUNDED)"
        )));
    }
    let range_ms = replay_range_ms(pipeline, job);
    match options.retention_ms {
        Some(kept_ms) if job.window.is_some() && (kept_ms as i64) < range_ms => Err(EngineError::Topics(format!(
            "topic {topic} keeps {kept_ms} ms, but a restart replays {range_ms} ms (2 x remember + lateness); \
             raise its retention, or set a smaller 'remember'"
        ))),
        _ => Ok(()),
    }
}

fn replay_range_ms(pipeline: &Pipeline, job: &Job) -> i64 {
    2 * job.remember_ms(pipeline) + pipeline.streams[job.source].timing.lateness_ms
}

fn make_tasks(
    pipeline: &Arc<Pipeline>,
    log: &Arc<dyn Log>,
    tables: &[Arc<RwLock<Table>>],
    index: usize,
) -> Result<Vec<WorkerTask>, EngineError> {
    let job = &pipeline.jobs[index];
    let (source, sink) = (&pipeline.streams[job.source], &pipeline.streams[job.sink]);
    let schema = value_schema(&sink.record, &sink.columns, outside_value(sink));
    let schema = schema.map_err(|error| EngineError::Schema {
        topic: sink.topic.clone(),
        source: error,
    })?;
    let schema_id = log.register_schema(&format!("{}-value", sink.topic), &schema.to_json())?;
    let group = group(pipeline, index);
    let commits = log.committed(&group)?;
    let sink_partitions = log.topic(&sink.topic)?.options.partitions;
    let mut tasks = Vec::new();
    for (partition, range) in (0..).zip(log.ranges(&source.topic)?) {
        let mut task = Task::for_topic(pipeline, index, tables, Box::new(Arc::clone(log)), schema_id)?;
        let commit = commits
            .iter()
            .find(|commit| commit.topic == source.topic && commit.partition == partition);
        match commit {
            None => task.start_at(range.start, range.start),
            Some(commit) => {
                let resume = Resume::from_bytes(&commit.metadata);
                let topic = source.topic.clone();
                let resume = resume.map_err(|reason| EngineError::Metadata {
                    topic,
                    partition,
                    reason,
                })?;
                if resume.fingerprint == task.fingerprint() {
                    refuse_lost(&pipeline.name, commit, &resume, range.start)?;
                    task.resume(commit.offset, &resume, range.start);
                } else {
                    start_changed(&mut task, log.as_ref(), commit, &resume, replay_range_ms(pipeline, job))?;
                }
            }
        }
        tasks.push(WorkerTask::new(
            task,
            index,
            job,
            source,
            (group.clone(), partition),
            (&sink.topic, sink_partitions),
        ));
    }
    Ok(tasks)
}

/// What retention has taken cannot be replayed, and going on without it would give other answers than before.
fn refuse_lost(name: &str, commit: &hw_log::Commit, resume: &Resume, start: u64) -> Result<(), EngineError> {
    let first = resume.replay_from.min(commit.offset);
    if start <= first {
        return Ok(());
    }
    let (topic, partition) = (&commit.topic, commit.partition);
    Err(EngineError::Topics(format!(
        "topic {topic}, partition {partition} begins at offset {start}, but a restart of {name} reads again from {first}: \
         retention has removed what is needed to go on where the last commit was. Raise the topic's retention; to go on \
         with what is left, run a copy of the pipeline's file under another name, which begins at the beginning"
    )))
}

/// A changed plan has no use for the old plan's place: it reads again from as far back as it remembers itself.
fn start_changed(
    task: &mut Task,
    log: &dyn Log,
    commit: &hw_log::Commit,
    resume: &Resume,
    range_ms: i64,
) -> Result<(), EngineError> {
    let from = match resume.clock_ms {
        Some(clock_ms) if task.has_window() => {
            let from_ms = clock_ms.saturating_sub(range_ms);
            log.offset_at_time(&commit.topic, commit.partition, from_ms)?
                .min(commit.offset)
        }
        _ => commit.offset,
    };
    task.start_at(from, commit.offset);
    Ok(())
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

    #[test]
    fn a_start_without_what_must_be_replayed_is_refused() {
        let commit = hw_log::Commit {
            group: "rule-0".into(),
            topic: "readings".into(),
            partition: 3,
            offset: 900,
            metadata: Vec::new(),
        };
        let resume = Resume {
            witnesses_from: 480,
            replay_from: 500,
            ..Resume::default()
        };
        assert!(refuse_lost("rule", &commit, &resume, 500).is_ok());
        let error = refuse_lost("rule", &commit, &resume, 501)
            .expect_err("it is gone")
            .to_string();
        assert!(
            error.starts_with(
                "topic readings, partition 3 begins at offset 501, but a restart of rule reads again from 500"
            ),
            "{error}"
        );
    }
}
