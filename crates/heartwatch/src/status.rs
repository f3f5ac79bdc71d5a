//! Status: the page of a running pipeline: where it listens, and what it shows.
//!
//! It starts before the engine, which may read tables for a while, and is told of the engine then. Findings are read from
//! the log's end when someone asks, so that a page nobody looks at costs nothing.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hw_engine::{Running, TaskList, TaskMetrics, TaskStatus};
use hw_graph::Pipeline;
use hw_log::Log;
use hw_log::batch::{Scratch, walk};
use hw_server::{Numbers, Recent, Server, Source, Task};
use serde_json::Value;

use crate::decode_view::RecordView;
use crate::mistake;

/// The port unless another one is asked for.
pub(crate) const DEFAULT_PORT: u16 = 8080;

/// Findings that are kept for the page.
const FINDINGS_MAX: usize = 1_000;
const READ_BYTES: usize = 1 << 20;

/// The page, served until this is dropped.
pub(crate) struct StatusPage {
    server: Server,
    status: Arc<Status>,
}

impl StatusPage {
    /// Serves on this port of this machine; 0 takes a free one.
    pub(crate) fn open(port: u16, pipeline: &Pipeline, log: &Arc<dyn Log>) -> anyhow::Result<StatusPage> {
        let status = Arc::new(Status::new(pipeline, log));
        match serve(port, &status) {
            Ok(server) => Ok(StatusPage { server, status }),
            Err(error) if error.kind() == ErrorKind::AddrInUse => Err(mistake(format!(
                "{error}; give another one with --port, or --port 0 for any that is free"
            ))),
            Err(error) => Err(mistake(error)),
        }
    }

    /// Serves on the default port or, when that is taken, says so and takes a free one.
    pub(crate) fn open_anywhere(pipeline: &Pipeline, log: &Arc<dyn Log>) -> anyhow::Result<StatusPage> {
        let status = Arc::new(Status::new(pipeline, log));
        let server = match serve(DEFAULT_PORT, &status) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                eprintln!("{error}; taking a free one (--port chooses)");
                serve(0, &status)?
            }
            served => served?,
        };
        Ok(StatusPage { server, status })
    }

    /// Shows these tasks from now on.
    pub(crate) fn show(&self, running: &Running) {
        let run = Run {
            tasks: Arc::clone(&running.tasks),
            stop: running.stopper(),
        };
        // Told once; a second time would be ignored.
        let _ = self.status.run.set(run);
    }

    /// Where a browser finds it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.server.local_addr())
    }
}

fn serve(port: u16, status: &Arc<Status>) -> std::io::Result<Server> {
    let source: Arc<dyn Source> = Arc::clone(status) as Arc<dyn Source>;
    Server::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), source)
}

/// What is shown; the server's thread reads it, the command's thread sets `run` once.
struct Status {
    pipeline: hw_server::Pipeline,
    log: Arc<dyn Log>,
    run: OnceLock<Run>,
    /// Only the server's thread looks, but a source is shared by its type.
    findings: Mutex<Findings>,
}

/// The engine at work, as far as it is shown.
struct Run {
    tasks: Arc<TaskList>,
    /// Set when the engine is asked to stop, and by itself when it fails.
    stop: Arc<AtomicBool>,
}

impl Status {
    fn new(pipeline: &Pipeline, log: &Arc<dyn Log>) -> Status {
        let shown = hw_server::Pipeline {
            name: pipeline.name.clone(),
            text: pipeline.text(),
            mermaid: pipeline.mermaid(),
        };
        Status {
            pipeline: shown,
            log: Arc::clone(log),
            run: OnceLock::new(),
            findings: Mutex::new(Findings::new(pipeline)),
        }
    }
}

impl Source for Status {
    fn pipeline(&self) -> hw_server::Pipeline {
        self.pipeline.clone()
    }

    fn health(&self) -> Result<(), String> {
        match self.run.get() {
            None => Err("the pipeline starts: it reads its tables".to_owned()),
            Some(run) if run.stop.load(Ordering::Relaxed) => {
                Err("the pipeline has ended: it was stopped, or it failed and its process says why".to_owned())
            }
            Some(run) => match run.tasks.trouble() {
                Some(trouble) => Err(format!("the log fails, and is tried again: {trouble}")),
                None => Ok(()),
            },
        }
    }

    fn tasks(&self) -> Vec<Task> {
        self.run
            .get()
            .map_or_else(Vec::new, |run| run.tasks.present().iter().map(task).collect())
    }

    fn findings(&self, limit: usize) -> Result<Vec<Value>, String> {
        // Before the engine runs, the topics may not be there.
        if self.run.get().is_none() {
            return Ok(Vec::new());
        }
        let mut findings = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        findings
            .follow(self.log.as_ref())
            .map_err(|error| format!("the findings cannot be read: {error:#}"))?;
        Ok(findings.recent.newest(limit))
    }
}

fn task(status: &TaskStatus) -> Task {
    let metrics = &status.metrics;
    let clock_ms = metrics.clock_ms.load(Ordering::Relaxed);
    Task {
        // As `explain` numbers them.
        job: status.job + 1,
        topic: status.topic.clone(),
        partition: status.partition,
        clock_ms: (clock_ms != i64::MIN).then_some(clock_ms),
        numbers: Numbers {
            records_in: TaskMetrics::get(&metrics.records_in),
            rows_out: TaskMetrics::get(&metrics.rows_out),
            late: TaskMetrics::get(&metrics.late),
            dead_letters: TaskMetrics::get(&metrics.dead_letters),
            unmatched: TaskMetrics::get(&metrics.unmatched),
            cut_windows: TaskMetrics::get(&metrics.cut_windows),
            starts_over: TaskMetrics::get(&metrics.starts_over),
            waiting: TaskMetrics::get(&metrics.waiting),
            keys: TaskMetrics::get(&metrics.keys),
            state_bytes: TaskMetrics::get(&metrics.state_bytes),
            lag: TaskMetrics::get(&metrics.lag),
        },
    }
}

/// The last records of the topics that the pipeline's answers go to.
struct Findings {
    topics: Vec<String>,
    /// By topic and partition: what is read next.
    positions: HashMap<(usize, u32), u64>,
    view: RecordView,
    recent: Recent,
}

impl Findings {
    fn new(pipeline: &Pipeline) -> Findings {
        // What another job reads is on its way, no answer.
        let is_read = |sink: usize| pipeline.jobs.iter().any(|job| job.source == sink);
        let sinks = pipeline.jobs.iter().map(|job| job.sink).filter(|sink| !is_read(*sink));
        let mut topics: Vec<String> = sinks.map(|sink| pipeline.streams[sink].topic.clone()).collect();
        topics.sort();
        topics.dedup();
        Findings {
            topics,
            positions: HashMap::new(),
            view: RecordView::default(),
            recent: Recent::new(FINDINGS_MAX),
        }
    }

    /// Takes what is new, at most as much of each partition as is kept.
    fn follow(&mut self, log: &dyn Log) -> anyhow::Result<()> {
        let mut new = Vec::new();
        for (index, topic) in self.topics.iter().enumerate() {
            for (partition, range) in (0..).zip(log.ranges(topic)?) {
                let position = self.positions.entry((index, partition)).or_default();
                let last = range.end.saturating_sub(FINDINGS_MAX as u64);
                *position = (*position).max(range.start).max(last);
                while *position < range.end {
                    let next = read(log, (topic, partition), *position, &mut self.view, &mut new)?;
                    if next == *position {
                        break;
                    }
                    *position = next;
                }
            }
        }
        // Partitions were read one after the other.
        new.sort_by_key(|(time_ms, _)| *time_ms);
        for (_, finding) in new {
            self.recent.push(finding);
        }
        Ok(())
    }
}

/// Adds the records at `position` and after it, as many as one read gives; says where to go on.
fn read(
    log: &dyn Log,
    (topic, partition): (&str, u32),
    position: u64,
    view: &mut RecordView,
    new: &mut Vec<(i64, Value)>,
) -> anyhow::Result<u64> {
    let fetch = log.read(topic, partition, position, READ_BYTES)?;
    for batch in &fetch.batches {
        walk(batch, &mut Scratch::default(), |record| {
            if record.offset >= position {
                new.push((record.timestamp_ms, view.show(log, &record)));
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok(fetch.next_offset)
}
