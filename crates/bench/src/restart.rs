//! How long a worker takes after `kill -9`: from the start of its process to the first finding that was not there before.
//!
//! Readings come on and on while it is killed and started again. It replays what its windows need, joins its group under
//! its old name, and answers what has come meanwhile. The pipeline is the sliding one, at X = 10 s.

use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hw_log::Log;
use hw_log::batch::BatchHeader;
use hw_log::kafka::KafkaLog;

use crate::BenchError;
use crate::engine::Form;
use crate::kafka::{BYTES_UNDER_WAY_MAX, KafkaBench, plan};
use crate::sender::{PARTITIONS, Sender};

/// Readings a second while it is killed, at least: so often that a finding never has to wait for its reading.
const RATE_MIN: u32 = 200_000;

/// Everything has to happen within this.
const PATIENCE: Duration = Duration::from_secs(300);

/// A worker that is killed and started again.
pub struct RestartBench {
    bench: KafkaBench,
    /// Event time that a restart replays, in seconds.
    replayed_s: u32,
    remember: Option<&'static str>,
}

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub struct Restarted {
    /// From the start of the process to its first finding.
    pub to_first_finding: Duration,
    /// Readings that it had to process again at least.
    pub replayed: u64,
}

impl RestartBench {
    /// So many users; `is_short`: rows remember each other for X alone, instead of X and a minute.
    pub fn new(cluster: Arc<KafkaLog>, users: u32, is_short: bool) -> RestartBench {
        let (replayed_s, remember) = if is_short {
            (20, Some("10 seconds"))
        } else {
            (140, None)
        };
        RestartBench {
            bench: KafkaBench::of(cluster, users, replayed_s + 20),
            replayed_s,
            remember,
        }
    }

    /// The pipeline's text.
    ///
    /// # Errors
    /// When the shipped pipeline is written in another way: a defect.
    pub fn sql(&self) -> Result<String, BenchError> {
        let sql = Form::Sliding.sql();
        let Some(remember) = self.remember else {
            return Ok(sql.to_owned());
        };
        let place = "'lateness' '$lateness'";
        if !sql.contains(place) {
            return Err(BenchError::Peer {
                name: "restart".to_owned(),
                reason: format!("the shipped pipeline has no {place}"),
            });
        }
        Ok(sql.replace(place, &format!("{place}, 'remember' '{remember}'")))
    }

    /// Runs, kills and runs again; `worker` gives the command that runs the pipeline.
    ///
    /// # Errors
    /// When anything fails; nothing should.
    pub fn measure(&self, worker: impl Fn() -> Command) -> Result<Restarted, BenchError> {
        let pipeline = plan(Form::Sliding)?;
        let bench = &self.bench;
        let sender = bench.sender(&pipeline)?;
        let is_over = AtomicBool::new(false);
        let seconds = u32::try_from(bench.readings() / u64::from(bench.load.users)).unwrap_or(u32::MAX);
        let mut to_brokers = bench.cluster.pipeline(BYTES_UNDER_WAY_MAX)?;
        for second in 0..seconds {
            sender.send(&mut to_brokers, second..second + 1)?;
        }
        to_brokers.flush()?;
        drop(to_brokers);
        let findings = &pipeline.streams[pipeline.jobs[0].sink].topic;
        std::thread::scope(|scope| {
            let mut first = Worker(spawn(&worker)?);
            let caught_up = bench.wait_until_committed(&pipeline, || first.has_ended());
            let feeding = scope.spawn(|| self.feed(&sender, seconds, &is_over));
            let measured = caught_up.and_then(|()| {
                std::thread::sleep(Duration::from_secs(3));
                drop(first);
                let before = ends(bench.log.as_ref(), findings)?;
                let began = Instant::now();
                let _second = Worker(spawn(&worker)?);
                wait_for_finding(bench.log.as_ref(), findings, before)?;
                Ok(began.elapsed())
            });
            is_over.store(true, Ordering::Relaxed);
            let fed = feeding.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            fed?;
            Ok(Restarted {
                to_first_finding: measured?,
                replayed: u64::from(self.replayed_s) * u64::from(bench.load.users),
            })
        })
    }

    /// Deletes the topics.
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub fn clear(&self) -> Result<(), BenchError> {
        self.bench.clear()
    }

    /// Sends readings at a steady rate until it is over.
    fn feed(&self, sender: &Sender, from: u32, is_over: &AtomicBool) -> Result<(), BenchError> {
        let users = self.bench.load.users;
        let every = Duration::from_secs_f64(f64::from(users) / f64::from(users.max(RATE_MIN)));
        let mut to_brokers = self.bench.cluster.pipeline(BYTES_UNDER_WAY_MAX)?;
        let began = Instant::now();
        for second in 0.. {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            sender.send(&mut to_brokers, from + second..from + second + 1)?;
            // Nothing is sent between calls, so whoever pauses has to see everything off.
            to_brokers.flush()?;
            std::thread::sleep((every * (second + 1)).saturating_sub(began.elapsed()));
        }
        Ok(())
    }
}

/// A worker's process, killed when it is dropped.
struct Worker(Child);

impl Worker {
    fn has_ended(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|status| status.is_some())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself; that shows elsewhere.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(worker: &impl Fn() -> Command) -> Result<Child, BenchError> {
    worker().spawn().map_err(|error| failed(error.to_string()))
}

fn failed(reason: String) -> BenchError {
    BenchError::Peer {
        name: "the worker".to_owned(),
        reason,
    }
}

fn ends(log: &dyn Log, topic: &str) -> Result<Vec<u64>, BenchError> {
    Ok(log.ranges(topic)?.iter().map(|range| range.end).collect())
}

/// Until a reader of committed records sees one from `next` on.
fn wait_for_finding(log: &dyn Log, topic: &str, mut next: Vec<u64>) -> Result<(), BenchError> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let mark = log.wait_for_appends(0, Duration::ZERO)?;
        for partition in 0..PARTITIONS {
            let from = &mut next[partition as usize];
            let fetch = log.read(topic, partition, *from, 1 << 20)?;
            for batch in &fetch.batches {
                if !BatchHeader::parse(batch)?.is_control() {
                    return Ok(());
                }
            }
            *from = fetch.next_offset;
        }
        log.wait_for_appends(mark, Duration::from_millis(10))?;
    }
    Err(failed(format!("no finding within {} s", PATIENCE.as_secs())))
}
